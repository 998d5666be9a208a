//! A value that many wait to see change. Those who wait are woken in the order in which they began to wait, so that a
//! simulation can repeat what happened; of several changes they may see only the last.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// See the module's page.
#[derive(Debug, Default)]
pub(crate) struct Beacon<T>(Arc<Inner<T>>);

#[derive(Debug, Default)]
struct Inner<T> {
    /// The value and how often it has changed.
    state: Mutex<(T, u64)>,
    changed: Notify,
}

/// One who waits. It has not seen the value yet.
#[derive(Debug)]
pub(crate) struct Watcher<T> {
    beacon: Arc<Inner<T>>,
    seen: u64,
}

impl<T> Inner<T> {
    fn lock(&self) -> MutexGuard<'_, (T, u64)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone> Beacon<T> {
    /// Begins with a value.
    pub(crate) fn new(value: T) -> Self {
        Self(Arc::new(Inner {
            state: Mutex::new((value, 0)),
            changed: Notify::new(),
        }))
    }

    /// Returns the value.
    pub(crate) fn get(&self) -> T {
        self.0.lock().0.clone()
    }

    /// Changes the value, if `change` says that it did, and wakes those who wait.
    pub(crate) fn change(&self, change: impl FnOnce(&mut T) -> bool) {
        let mut state = self.0.lock();
        let (value, n_changes) = &mut *state;
        if change(value) {
            *n_changes += 1;
            drop(state);
            self.0.changed.notify_waiters();
        }
    }

    /// Returns one who waits for changes from now on.
    pub(crate) fn watch(&self) -> Watcher<T> {
        Watcher {
            beacon: self.0.clone(),
            seen: self.0.lock().1,
        }
    }
}

impl<T: Clone> Watcher<T> {
    /// Returns the value; only later changes are waited for from now on.
    pub(crate) fn see(&mut self) -> T {
        let state = self.beacon.lock();
        self.seen = state.1;
        state.0.clone()
    }

    /// Waits until the value is another than the one that was seen. It may be dropped meanwhile.
    pub(crate) async fn changed(&mut self) {
        loop {
            let mut changed = std::pin::pin!(self.beacon.changed.notified());
            // From here on a change is not missed, so the value is looked at after this.
            changed.as_mut().enable();
            let n_changes = self.beacon.lock().1;
            if n_changes != self.seen {
                self.seen = n_changes;
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn those_who_wait_are_woken_in_order_and_miss_nothing() {
        let beacon = Beacon::new(0);
        let woken = Arc::new(Mutex::new(Vec::new()));
        let waiting: Vec<_> = (0..20)
            .map(|n| {
                let (mut watcher, woken) = (beacon.watch(), woken.clone());
                tokio::spawn(async move {
                    watcher.changed().await;
                    let value = watcher.see();
                    woken.lock().unwrap().push((n, value));
                })
            })
            .collect();
        tokio::task::yield_now().await;
        beacon.change(|_| false);
        beacon.change(|value| {
            *value = 7;
            true
        });
        for one in waiting {
            one.await.unwrap();
        }
        let expected: Vec<_> = (0..20).map(|n| (n, 7)).collect();
        assert_eq!(*woken.lock().unwrap(), expected);
        assert_eq!(beacon.get(), 7);
    }
}
