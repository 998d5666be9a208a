//! Removals that this device has seen and sent lately. A large removal is seen bit by bit; so that the brake can judge it
//! as the one thing that it is, removals wait until no more of them follow, and those that went before are counted.

use crate::plan;
use crate::time::Instant;
use alloc::collections::VecDeque;
use core::time::Duration;

/// Removals wait until none was seen for this long.
const QUIET: Duration = Duration::from_millis(100);
/// They wait no longer than this, however many follow.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// For this long a removal counts as one of lately.
const LATELY: Duration = Duration::from_secs(30);

/// See the module's page.
#[derive(Debug, Clone, Default, Hash)]
pub(super) struct Removals {
    first: Option<Instant>,
    last: Option<Instant>,
    sent: VecDeque<Instant>,
    is_confirmed: bool,
}

impl Removals {
    /// Notes that something was removed on disk.
    pub(super) fn seen(&mut self, now: Instant) {
        self.first.get_or_insert(now);
        self.last = Some(now);
    }

    /// Notes that a removal goes to the server.
    pub(super) fn count(&mut self, now: Instant) {
        self.sent.push_back(now);
    }

    /// Notes that a person has confirmed the removals.
    pub(super) fn confirm(&mut self) {
        self.is_confirmed = true;
    }

    /// Notes that what was confirmed is done.
    pub(super) fn forget_confirmation(&mut self) {
        if core::mem::take(&mut self.is_confirmed) {
            self.sent.clear();
        }
    }

    /// Tells whether removals wait now.
    #[must_use]
    pub(super) fn waits(&self, now: Instant) -> bool {
        self.next_due().is_some_and(|due| now < due)
    }

    /// When removals wait no longer.
    #[must_use]
    pub(super) fn next_due(&self) -> Option<Instant> {
        Some((self.last? + QUIET).min(self.first? + WAIT_MAX))
    }

    /// Returns what the planner has to know now.
    pub(super) fn now(&mut self, now: Instant) -> plan::Removals {
        let is_held = self.waits(now);
        if !is_held {
            (self.first, self.last) = (None, None);
        }
        while self.sent.front().is_some_and(|sent| LATELY < now - *sent) {
            self.sent.pop_front();
        }
        plan::Removals {
            n_lately: self.sent.len(),
            is_held,
            is_confirmed: self.is_confirmed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        removals.count(now);
        assert_eq!(removals.now(now).n_lately, 1);
        removals.confirm();
        assert!(removals.now(now).is_confirmed);
        removals.forget_confirmation();
        assert_eq!(removals.now(now), plan::Removals::default());
        removals.count(now);
        assert_eq!(removals.now(now + 2 * LATELY).n_lately, 0);
    }
}
