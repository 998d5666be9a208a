//! Moments of a clock that only goes forward. The heart reads no clock; whoever calls it says how late it is.

use core::ops::{Add, Sub};
use core::time::Duration;

/// A moment: how long ago the clock began. Only the time between two moments of one clock means anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Instant(pub Duration);

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }
}

impl Sub for Instant {
    type Output = Duration;

    /// Returns the time from the other moment to this one; none if the other is later.
    fn sub(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}
