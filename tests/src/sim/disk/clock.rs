//! The wall clock of a simulated computer: simulated time, and an offset that jumps.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// 22 November 2026, in nanoseconds since 1970.
const BEGIN_NS: i64 = 1_795_305_600_000_000_000;

/// A wall clock. Clones share it.
#[derive(Clone)]
pub struct SimClock(Arc<Inner>);

struct Inner {
    elapsed: Box<dyn Fn() -> Duration + Send + Sync>,
    offset_ns: AtomicI64,
    /// The time that calls have taken; simulated time itself stands still while the one thread works.
    worked_ns: AtomicI64,
}

impl SimClock {
    /// Makes a clock that shows a date of 2026 plus the simulated time that has passed.
    #[must_use]
    pub fn new(elapsed: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner {
            elapsed: Box::new(elapsed),
            offset_ns: AtomicI64::new(0),
            worked_ns: AtomicI64::new(0),
        }))
    }

    /// Makes a clock that follows the time of the runtime, which may be paused.
    #[must_use]
    pub fn of_runtime() -> Self {
        let begun = tokio::time::Instant::now();
        Self::new(move || begun.elapsed())
    }

    /// Makes a clock that goes on only by calls and jumps.
    #[must_use]
    pub fn standing() -> Self {
        Self::new(|| Duration::ZERO)
    }

    /// Lets it jump forwards or backwards, in nanoseconds.
    pub fn jump(&self, by_ns: i64) {
        self.0.offset_ns.fetch_add(by_ns, Ordering::Relaxed);
    }

    /// Returns what it shows, in nanoseconds since 1970.
    #[must_use]
    pub fn now_ns(&self) -> i64 {
        let offset_ns = self.0.offset_ns.load(Ordering::Relaxed);
        BEGIN_NS
            .saturating_add(self.passed_ns())
            .saturating_add(offset_ns)
    }

    /// Returns how much time has passed, whatever it shows, in nanoseconds.
    pub(super) fn passed_ns(&self) -> i64 {
        let elapsed = i64::try_from((self.0.elapsed)().as_nanos()).unwrap_or(i64::MAX);
        elapsed.saturating_add(self.0.worked_ns.load(Ordering::Relaxed))
    }

    /// Lets a call take its time.
    pub(super) fn work(&self, by_ns: i64) {
        self.0.worked_ns.fetch_add(by_ns, Ordering::Relaxed);
    }
}

impl fmt::Debug for SimClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SimClock").field(&self.now_ns()).finish()
    }
}
