//! How much a transaction does before what it did is made durable, whatever those ask for whose jobs it runs. It is
//! counted and not timed, so that the same jobs are always cut at the same place. One unit takes half a microsecond or
//! so.

use std::cell::Cell;

/// What a transaction may do; the last step may pass it.
pub(crate) const BATCH_WORK_MAX: u64 = 256 * 1024;

/// What a transaction may still do.
#[derive(Debug)]
pub(crate) struct Work(Cell<u64>);

impl Work {
    /// A question that is answered from memory.
    pub(crate) const KNOWN: u64 = 1;
    /// A question to the database.
    pub(crate) const QUESTION: u64 = 8;
    /// A change that is judged.
    pub(crate) const CHANGE: u64 = 16;
    /// A row that is written, with what goes with it.
    pub(crate) const ROW: u64 = 24;

    /// Returns what a whole transaction may do.
    pub(crate) fn of_batch() -> Self {
        Self(Cell::new(BATCH_WORK_MAX))
    }

    /// Takes note of work that was done.
    pub(crate) fn spend(&self, work: u64) {
        self.0.set(self.0.get().saturating_sub(work));
    }

    /// Returns what is left.
    pub(crate) fn left(&self) -> u64 {
        self.0.get()
    }

    /// Tells whether nothing is left.
    pub(crate) fn is_spent(&self) -> bool {
        self.left() == 0
    }
}
