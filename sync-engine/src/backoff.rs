//! How long to wait before the next attempt: longer with each failure, up to a bound, and a little different on each
//! device, so that not all come back at the same moment.

/// The wait after the first failure, in milliseconds.
pub const DELAY_MIN_MS: u64 = 250;
/// The longest wait, in milliseconds.
pub const DELAY_MAX_MS: u64 = 30_000;
/// What has lived for this long has not failed: the next wait is the shortest again.
pub const ALIVE_MS: u64 = 20_000;

/// Counts failures in a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backoff {
    n_failures: u32,
}

impl Backoff {
    /// Returns one without failures.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Enters a failure of something that lived for `lived_ms`, and returns how long to wait, in milliseconds. `dice` is
    /// any random number.
    ///
    /// Law: the wait is at least half of the bound of its turn and at most that bound.
    pub fn failed(&mut self, lived_ms: u64, dice: u64) -> u64 {
        if ALIVE_MS <= lived_ms {
            self.n_failures = 0;
        }
        let bound_ms = DELAY_MAX_MS.min(DELAY_MIN_MS << self.n_failures.min(16));
        self.n_failures = self.n_failures.saturating_add(1);
        bound_ms / 2 + dice % (bound_ms / 2 + 1)
    }

    /// Forgets all failures: there is a reason to believe that the next attempt succeeds.
    pub fn reset(&mut self) {
        self.n_failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_bound_and_begin_anew_after_a_life() {
        let mut backoff = Backoff::new();
        let mut bound_ms = DELAY_MIN_MS;
        for dice in [0, 1, 77, u64::MAX, 12345, 6, 7, 8, 9, 10] {
            let delay_ms = backoff.failed(0, dice);
            assert!((bound_ms / 2..=bound_ms).contains(&delay_ms));
            bound_ms = DELAY_MAX_MS.min(bound_ms * 2);
        }
        assert!(backoff.failed(ALIVE_MS, u64::MAX) <= DELAY_MIN_MS);
    }
}
