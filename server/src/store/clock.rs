//! The time of day, as it is shown to people. It decides nothing, and may jump.

use std::fmt::Debug;
use std::time::{SystemTime, UNIX_EPOCH};

/// Says what time it is.
pub trait Clock: Debug + Send + Sync {
    /// Returns the time in milliseconds since 1970.
    fn now_ms(&self) -> u64;
}

/// The clock of this computer.
#[derive(Debug)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX))
    }
}
