//! What somebody does while the client is in the middle of something: of reading a file, or of any row of calls.

use super::SimDisk;
use super::handle::{Held, Owner};
use super::node::Id;
use std::collections::BTreeMap;
use std::{fmt, io};

/// Something that somebody does.
type Deed = Box<dyn FnOnce() + Send>;

/// What is to happen, once: while which file is read, and before which of the client's calls.
#[derive(Default)]
pub(super) struct Meddler {
    reading: Option<(Id, Deed)>,
    n_calls: u64,
    calls: BTreeMap<u64, Deed>,
}

impl fmt::Debug for Meddler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.reading.as_ref().map(|(file, _)| file);
        f.debug_struct("Meddler")
            .field("reading", &file)
            .field("n_calls", &self.n_calls)
            .field("calls", &self.calls.keys())
            .finish()
    }
}

impl SimDisk {
    /// Lets something happen as soon as the client has read the next part of a file.
    ///
    /// # Errors
    /// When the file is not there.
    pub fn while_reading(&self, path: &str, deed: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let mut state = self.lock();
        let file = state.find_path(path.as_bytes())?;
        state.meddler.reading = Some((file, Box::new(deed)));
        Ok(())
    }

    /// Lets something happen before the call that the client makes after so many others.
    pub fn amid_calls(&self, n_calls: u64, deed: impl FnOnce() + Send + 'static) {
        let meddler = &mut self.lock().meddler;
        let first = meddler.n_calls + n_calls;
        let is_free = |n: &u64| !meddler.calls.contains_key(n);
        let free = (first..).find(is_free).unwrap_or(first);
        meddler.calls.insert(free, Box::new(deed));
    }

    /// Lets nothing more happen amid the client's calls.
    pub fn forget_deeds(&self) {
        self.lock().meddler.calls.clear();
    }

    /// Tells whether something is yet to happen amid the client's calls.
    #[must_use]
    pub fn has_deeds_amid_calls(&self) -> bool {
        !self.lock().meddler.calls.is_empty()
    }

    /// Lets happen what is to happen before this call.
    pub(super) fn before_call(&self, owner: Owner) {
        if !matches!(owner, Owner::Client(_)) {
            return;
        }
        let mut state = self.lock();
        state.meddler.n_calls += 1;
        let n_calls = state.meddler.n_calls - 1;
        let due = state.meddler.calls.remove(&n_calls);
        drop(state);
        if let Some(deed) = due {
            deed();
        }
    }
}

impl Held {
    /// Lets happen what is to happen now that a part of this was read.
    pub(super) fn was_read(&self) {
        let mut state = self.disk.lock();
        let is_due = matches!(self.owner, Owner::Client(_));
        let due = state
            .meddler
            .reading
            .take_if(|(file, _)| is_due && *file == self.id);
        drop(state);
        if let Some((_, deed)) = due {
            deed();
        }
    }
}
