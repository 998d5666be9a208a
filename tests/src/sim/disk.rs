//! The disk of one simulated computer. Programs see its cached layer; a power cut leaves what was flushed, and of the
//! rest what a real disk might: any part of a file's bytes, and name changes in any order that a journal allows. The
//! client reaches it through the seam of `tui_client::disk::volume`, people and their programs by path.
//!
//! Paths begin at the top of the disk and have `/` between the names. Nothing follows a symbolic link.

mod clock;
mod crash;
mod durable;
mod entries;
mod fail;
mod handle;
mod hints;
mod meddle;
mod node;
mod options;
mod person;
mod rename;
mod seam;
mod state;
mod tree;
mod watch;

pub use clock::SimClock;
pub use crash::Crash;
pub use fail::Fail;
pub use hints::SimWatch;
pub use options::Options;
pub use person::Opened;
pub use tree::Shown;
pub use watch::{Happened, SimEvent, SimEvents, WatchOptions};

use handle::{Held, Owner};
use state::State;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tui_client::disk::Root;

/// One computer's disk. Clones share it.
#[derive(Debug, Clone)]
pub struct SimDisk(Arc<Mutex<State>>);

impl SimDisk {
    /// Makes an empty disk, whose stamps come from a clock.
    #[must_use]
    pub fn new(options: Options, clock: SimClock) -> Self {
        Self(Arc::new(Mutex::new(State::new(options, clock))))
    }

    /// Opens a directory of the disk as a synchronised folder, on behalf of the running client.
    ///
    /// # Errors
    /// When it is not there or the client has crashed.
    pub fn root(&self, folder: &str) -> io::Result<Root> {
        let owner = Owner::Client(self.lock().incarnation);
        let held = Held::open(self, owner, false, |state| state.find_dir(folder.as_bytes()))?;
        Ok(Root::over(self.path_of(folder), Box::new(seam::SimDir(held))))
    }

    /// Returns the path by which [`SimDisk::root`] names a folder of this disk.
    #[must_use]
    pub fn path_of(&self, folder: &str) -> PathBuf {
        PathBuf::from("/").join(folder)
    }

    /// Returns the clock that its stamps come from.
    #[must_use]
    pub fn clock(&self) -> SimClock {
        self.lock().clock.clone()
    }

    /// Returns which names it takes for the same, by a form that they have in common; nothing when it takes none for
    /// another.
    #[must_use]
    pub fn folded(&self, path: &str) -> Option<String> {
        let state = self.lock();
        if !(state.options.folds_case || state.options.folds_form) {
            return None;
        }
        let names = path.split('/').map(|name| state.key_of(name.as_bytes()).ok());
        let names: Option<Vec<Vec<u8>>> = names.collect();
        String::from_utf8(names?.join(&b'/')).ok()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets somebody call the system once. What is an effect of the client's counts, and may be its last.
    fn act<T>(
        &self,
        owner: Owner,
        is_effect: bool,
        call: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        self.before_call(owner);
        let mut state = self.lock();
        state.check(owner)?;
        state.tick();
        state.sync_if_due();
        let counts = is_effect && matches!(owner, Owner::Client(_));
        if counts {
            state.failure_due()?;
        }
        let result = call(&mut state);
        if counts && result.is_ok() && state.effect_was_last() {
            let told = state.crash_now();
            drop(state);
            if let Some(told) = told {
                told();
            }
            return Err(Fail::Crashed.into());
        }
        result
    }
}

#[cfg(test)]
mod tests;
