//! What somebody does while the client is in the middle of reading a file.

use super::SimDisk;
use super::handle::{Held, Owner};
use super::node::Id;
use std::{fmt, io};

/// What is to happen, once, and while which file is read.
#[derive(Default)]
pub(super) struct Meddler(Option<(Id, Box<dyn FnOnce() + Send>)>);

impl fmt::Debug for Meddler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.0.as_ref().map(|(file, _)| file);
        f.debug_tuple("Meddler").field(&file).finish()
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
        state.meddler = Meddler(Some((file, Box::new(deed))));
        Ok(())
    }
}

impl Held {
    /// Lets happen what is to happen now that a part of this was read.
    pub(super) fn was_read(&self) {
        let mut state = self.disk.lock();
        let is_due = matches!(self.owner, Owner::Client(_));
        let due = state.meddler.0.take_if(|(file, _)| is_due && *file == self.id);
        drop(state);
        if let Some((_, deed)) = due {
            deed();
        }
    }
}
