//! Removals that this device has seen and sent lately. A large removal is seen bit by bit; so that the brake can judge it
//! as the one thing that it is, removals wait until no more of them follow, and those that went before are counted.
//! What was missing comes back bit by bit as well: while the brake is on and its figure changes, it stays on.

use crate::Node;
use crate::plan::{self, Brake};
use crate::time::Instant;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// Removals wait until none was seen for this long.
const QUIET: Duration = Duration::from_millis(100);
/// They wait no longer than this, however many follow.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// For this long a removal counts as one of lately.
const LATELY: Duration = Duration::from_secs(30);

/// A brake that is on lets go of what is left, however few it is, only when its figure was the same for so long.
const RETURNING: Duration = Duration::from_secs(3);

/// See the module's page.
#[derive(Debug, Clone, Default, Hash)]
pub(super) struct Removals {
    first: Option<Instant>,
    last: Option<Instant>,
    /// When each of `lately` was sent, the oldest first.
    sent: Vec<Instant>,
    lately: Arc<Vec<Arc<Node>>>,
    /// When the figure of the brake changed last, if it is on and that was lately.
    changed: Option<Instant>,
    is_confirmed: bool,
}

impl Removals {
    /// Notes that something was removed on disk.
    pub(super) fn seen(&mut self, now: Instant) {
        self.first.get_or_insert(now);
        self.last = Some(now);
    }

    /// Notes that the removal of a node goes to the server.
    pub(super) fn count(&mut self, node: Arc<Node>, now: Instant) {
        self.sent.push(now);
        Arc::make_mut(&mut self.lately).push(node);
    }

    /// Notes that the brake's figure is another than before.
    pub(super) fn braked(&mut self, brake: Option<Brake>, now: Instant) {
        self.changed = brake.map(|_| now);
    }

    /// Notes that a person has confirmed the removals.
    pub(super) fn confirm(&mut self) {
        self.is_confirmed = true;
    }

    /// Notes that what was confirmed is done.
    pub(super) fn forget_confirmation(&mut self) {
        if core::mem::take(&mut self.is_confirmed) {
            self.sent.clear();
            self.lately = Arc::default();
        }
    }

    /// Tells whether removals wait now.
    #[must_use]
    pub(super) fn waits(&self, now: Instant) -> bool {
        self.quiet_due().is_some_and(|due| now < due)
    }

    /// When removals are to be judged anew although nothing happens.
    #[must_use]
    pub(super) fn next_due(&self) -> Option<Instant> {
        let returned = self.changed.map(|changed| changed + RETURNING);
        self.quiet_due().into_iter().chain(returned).min()
    }

    fn quiet_due(&self) -> Option<Instant> {
        Some((self.last? + QUIET).min(self.first? + WAIT_MAX))
    }

    /// Returns what the planner has to know now.
    pub(super) fn now(&mut self, now: Instant) -> plan::Removals {
        let is_held = self.waits(now);
        if !is_held {
            (self.first, self.last) = (None, None);
        }
        if self.changed.is_some_and(|changed| changed + RETURNING <= now) {
            self.changed = None;
        }
        let n_old = self.sent.partition_point(|sent| LATELY < now - *sent);
        if 0 < n_old {
            self.sent.drain(..n_old);
            Arc::make_mut(&mut self.lately).drain(..n_old);
        }
        plan::Removals {
            lately: self.lately.clone(),
            is_held,
            is_on: self.changed.is_some(),
            is_confirmed: self.is_confirmed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, NodeId};
    use proptest::prelude::*;

    fn node() -> Arc<Node> {
        let name = "a".try_into().unwrap();
        Arc::new(Node {
            parent: NodeId::ROOT,
            name,
            kind: Kind::Dir,
            mark: None,
        })
    }

    #[test]
    fn removals_wait_for_more_to_follow_but_not_for_ever() {
        let (mut removals, begin) = (Removals::default(), Instant::default());
        let mut now = begin;
        removals.seen(now);
        assert!(removals.now(now).is_held);
        assert!(!removals.now(now + QUIET).is_held);
        removals.seen(begin);
        while now < begin + WAIT_MAX {
            removals.seen(now);
            assert!(removals.now(now).is_held);
            now = now + QUIET / 2;
        }
        assert!(!removals.now(begin + WAIT_MAX).is_held);
    }

    #[test]
    fn removals_of_lately_count_until_they_are_confirmed_or_old() {
        let (mut removals, now) = (Removals::default(), Instant::default());
        removals.count(node(), now);
        assert_eq!(removals.now(now).lately.len(), 1);
        removals.confirm();
        assert!(removals.now(now).is_confirmed);
        removals.forget_confirmation();
        assert_eq!(removals.now(now), plan::Removals::default());
        removals.count(node(), now);
        assert!(removals.now(now + 2 * LATELY).lately.is_empty());
    }

    proptest! {
        /// Whatever happens in whatever order: the brake is kept on exactly as long as its figure has changed within
        /// [`RETURNING`], it is judged anew in time, and what is counted of lately is what was sent lately.
        #[test]
        fn the_brake_is_kept_on_while_its_figure_changes_and_no_longer(
            deeds in prop::collection::vec((0_u8..4, 0_u64..5000), 1..60),
        ) {
            let (mut removals, mut now) = (Removals::default(), Instant::default());
            let (mut changed, mut sent) = (None, Vec::new());
            for (deed, pause_ms) in deeds {
                now = now + Duration::from_millis(pause_ms);
                match deed {
                    0 => removals.seen(now),
                    1 => {
                        removals.count(node(), now);
                        sent.push(now);
                    }
                    2 => {
                        removals.braked(Some(Brake { removals: 1, nodes: 2 }), now);
                        changed = Some(now);
                    }
                    _ => {
                        removals.braked(None, now);
                        changed = None;
                    }
                }
                let is_on = changed.is_some_and(|changed| now < changed + RETURNING);
                let told = removals.now(now);
                prop_assert_eq!(told.is_on, is_on);
                prop_assert_eq!(told.lately.len(), sent.iter().filter(|at| now - **at <= LATELY).count());
                prop_assert!(removals.next_due().is_none_or(|due| now < due));
                prop_assert!(!is_on || removals.next_due().is_some());
            }
        }
    }
}
