//! What kind of disk it is.

/// What kind of disk it is, and how it behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Decides everything that is random.
    pub seed: u64,
    /// What time stamps are rounded down to, in nanoseconds.
    pub granularity_ns: i64,
    /// Whether it tells when a file was made.
    pub tells_birth: bool,
    /// Names that differ in case only are the same.
    pub folds_case: bool,
    /// Names that differ in Unicode form only are the same.
    pub folds_form: bool,
    /// Whether two names can change places.
    pub can_exchange: bool,
    /// How much it holds, in bytes, when it is small.
    pub space_bytes: Option<u64>,
    /// How often the system flushes everything by itself, in nanoseconds of the clock that makes no jumps; never when
    /// nothing. A program may not rely on it.
    pub sync_every_ns: Option<i64>,
    /// Reads and writes may do less than they were asked to, and may be interrupted.
    pub is_choppy: bool,
}

impl Options {
    /// A disk like that of most Linux computers.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            granularity_ns: 1,
            tells_birth: true,
            folds_case: false,
            folds_form: false,
            can_exchange: true,
            space_bytes: None,
            sync_every_ns: None,
            is_choppy: false,
        }
    }
}
