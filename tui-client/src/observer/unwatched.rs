//! The directories that the system cannot watch. What happens in them is found by looking: from time to time, and before
//! whatever is to be proven.

use std::collections::BTreeSet;

use sync_engine::RelPath;
use tokio::time::Instant;

use super::watch::POLL_INTERVAL;

/// See the module's page.
#[derive(Debug)]
pub(super) struct Unwatched {
    /// But for those inside others.
    dirs: BTreeSet<RelPath>,
    last_look: Instant,
    is_told: bool,
}

impl Default for Unwatched {
    /// Begins with none.
    fn default() -> Self {
        Self {
            dirs: BTreeSet::new(),
            last_look: Instant::now(),
            is_told: false,
        }
    }
}

impl Unwatched {
    /// Notes a directory that cannot be watched; what is inside it is looked at with it. Tells whether that is to be said:
    /// it is once.
    pub(super) fn add(&mut self, dir: &RelPath) -> bool {
        let mut above = (0..dir.0.len()).map(|len| RelPath(dir.0[..len].to_vec()));
        if !above.any(|above| self.dirs.contains(&above)) {
            self.dirs.insert(dir.clone());
        }
        !std::mem::replace(&mut self.is_told, true)
    }

    /// Tells whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.dirs.is_empty()
    }

    /// Notes that a directory is gone.
    pub(super) fn remove(&mut self, dir: &RelPath) {
        self.dirs.remove(dir);
    }

    /// Tells whether it is time to look at them again.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        !self.dirs.is_empty() && self.last_look + POLL_INTERVAL <= now
    }

    /// Returns the directories, which are looked at now.
    pub(super) fn take(&mut self, now: Instant) -> impl Iterator<Item = &RelPath> {
        self.last_look = now;
        self.dirs.iter()
    }
}
