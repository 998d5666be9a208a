//! When to plan. A plan costs what is unsettled, and while much is under way it would mostly repeat what is ordered
//! already; so planning waits for a reason, and then takes a bounded share of the time however much there is to plan.

use crate::time::Instant;
use core::time::Duration;

/// A plan is followed by a pause of this many times what it took, unless there is nothing else to do.
const PAUSES: u32 = 4;
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// See the module's page.
#[derive(Debug, Clone, Hash)]
pub(super) struct Pace {
    due: bool,
    began: Option<Instant>,
    rested: Instant,
    was_empty: bool,
}

impl Pace {
    /// Begins with a plan due at once.
    #[must_use]
    pub(super) fn new(now: Instant) -> Self {
        Self {
            due: true,
            began: None,
            rested: now,
            was_empty: false,
        }
    }

    /// Notes that there is something that a new plan may see to.
    pub(super) fn want(&mut self) {
        self.due = true;
    }

    /// Tells whether to plan now. `idle` says that nothing is under way that planning would hold up.
    #[must_use]
    pub(super) fn is_time(&self, now: Instant, idle: bool) -> bool {
        self.due && (idle || self.rested <= now)
    }

    /// When a plan that is due may be made.
    #[must_use]
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.then_some(self.rested)
    }

    /// Notes that planning begins.
    pub(super) fn begin(&mut self, now: Instant) {
        self.due = false;
        self.was_empty = false;
        self.began = Some(now);
    }

    /// Notes that the plan has nothing to do.
    pub(super) fn found_nothing(&mut self) {
        self.was_empty = true;
    }

    /// Notes that planning is over, if it had begun.
    pub(super) fn end(&mut self, now: Instant) {
        if let Some(began) = self.began.take() {
            let took = now - began;
            self.rested = now + took.saturating_mul(PAUSES).min(PAUSE_MAX);
        }
    }

    /// Tells whether the last plan found nothing to do and nothing has happened since.
    #[must_use]
    pub(super) fn is_done(&self) -> bool {
        !self.due && self.was_empty
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_that_took_long_is_followed_by_a_pause_unless_all_is_idle() {
        let now = Instant::default();
        let mut pace = Pace::new(now);
        assert!(pace.is_time(now, false));
        pace.begin(now);
        let later = now + Duration::from_millis(10);
        pace.found_nothing();
        pace.end(later);
        assert!(pace.is_done() && !pace.is_time(later, true));
        pace.want();
        assert!(!pace.is_done() && !pace.is_time(later, false) && pace.is_time(later, true));
        assert_eq!(pace.next_due(), Some(later + Duration::from_millis(40)));
    }
}
