//! How long to wait before the next try. Pauses double up to a bound, each is shortened by a part that dice decide, so
//! that a thousand devices do not come back at once, and a try that lived long enough begins anew.

use core::time::Duration;

/// The first pause.
pub const PAUSE_MIN: Duration = Duration::from_millis(200);
/// The longest pause.
pub const PAUSE_MAX: Duration = Duration::from_secs(60);
/// A try that lived for this long was no failure.
pub const ALIVE: Duration = Duration::from_secs(30);

/// See the module's page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Returns how long to wait after a try that lived for `lived`. `dice` is a number from 0 up to, but not, 1.
    ///
    /// Law: the pause is above half the bound for the number of failures in a row and not above it.
    pub fn after_failure(&mut self, lived: Duration, dice: f64) -> Duration {
        if ALIVE <= lived {
            self.failures = 0;
        }
        let bound = PAUSE_MIN
            .saturating_mul(1 << self.failures.min(16))
            .min(PAUSE_MAX);
        self.failures = self.failures.saturating_add(1);
        bound.mul_f64(1.0 - dice.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_bound_and_begin_anew_after_a_long_life() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.after_failure(Duration::ZERO, 0.0), PAUSE_MIN);
        assert_eq!(backoff.after_failure(Duration::ZERO, 0.0), 2 * PAUSE_MIN);
        assert_eq!(backoff.after_failure(Duration::ZERO, 0.5), 3 * PAUSE_MIN);
        for _ in 0..40 {
            assert!(backoff.after_failure(Duration::ZERO, 0.3) <= PAUSE_MAX);
        }
        assert_eq!(backoff.after_failure(ALIVE, 0.0), PAUSE_MIN);
    }
}
