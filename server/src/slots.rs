//! Bounds how many threads hash, decode and read at a time, and lets the accounts take turns for them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

use crate::store::AccountKey;
use crate::turns::Turns;

/// See the module's page. Law: never more slots are taken than there are, and while somebody waits none is free.
#[derive(Debug)]
pub(crate) struct Slots(Mutex<State>);

#[derive(Debug)]
struct State {
    n_free: usize,
    waiting: Turns<Option<AccountKey>, oneshot::Sender<Slot>>,
}

/// A slot that is taken, until this is dropped.
#[derive(Debug)]
pub(crate) struct Slot(Option<Arc<Slots>>);

impl Slots {
    /// Returns so many slots.
    pub(crate) fn new(n: usize) -> Arc<Self> {
        let state = State {
            n_free: n,
            waiting: Turns::default(),
        };
        Arc::new(Self(Mutex::new(state)))
    }

    /// Waits for a slot; all who are of no account are as one. Nothing comes only when the server ends.
    pub(crate) async fn take(self: &Arc<Self>, account: Option<AccountKey>) -> Option<Slot> {
        let given = {
            let mut state = self.lock();
            if 0 < state.n_free {
                state.n_free -= 1;
                return Some(Slot(Some(self.clone())));
            }
            let (give, given) = oneshot::channel();
            state.waiting.push(account, give);
            given
        };
        given.await.ok()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(slots) = self.0.take() else { return };
        loop {
            let next = {
                let mut state = slots.lock();
                let next = state.waiting.pop(|_| 1);
                if next.is_none() {
                    state.n_free += 1;
                }
                next
            };
            let Some((_, give)) = next else { return };
            match give.send(Self(Some(slots.clone()))) {
                Ok(()) => return,
                // Who waited has gone.
                Err(mut slot) => slot.0 = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_next_slot_is_for_who_had_fewer_and_none_is_lost() {
        let slots = Slots::new(1);
        let [first, second] = [Some(AccountKey(1)), Some(AccountKey(2))];
        let taken = slots.take(first).await.unwrap();
        let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(slots.take(first))).collect();
        for other in &mut waiting {
            assert!(is_waiting(other).await);
        }
        let mut late = Box::pin(slots.take(second));
        assert!(is_waiting(&mut late).await);
        drop(waiting.remove(0));
        drop(taken);
        // The turn was that of the one who has gone; now it is the other account's.
        drop(late.await.unwrap());
        drop(waiting.remove(0).await.unwrap());
        drop(waiting.remove(0).await.unwrap());
        assert_eq!(slots.lock().n_free, 1);
    }

    async fn is_waiting(future: &mut (impl Future<Output = Option<Slot>> + Unpin)) -> bool {
        tokio::select! {
            biased;
            _ = future => false,
            () = std::future::ready(()) => true,
        }
    }
}
