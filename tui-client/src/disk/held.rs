//! A directory held open while several things in it are looked at or read, so that the way to it is gone once. What is
//! seen so is in that directory, wherever it may have been moved meanwhile. It is not held for longer than such a round.

use super::apart;
use super::error::DiskError;
use super::look::{open_in, sight};
use super::root::Root;
use super::sight::{Print, Sight};
use super::volume::{Dir, File};
use sync_engine::{Block, RelPath};

/// See the module's page.
#[derive(Debug)]
pub struct Held {
    path: RelPath,
    dir: Dir,
    print: Print,
    /// Whether it is another synchronised folder.
    is_apart: bool,
    /// Whether a name may find something that has another.
    folds_names: bool,
}

impl Root {
    /// Opens the directory that holds what a path leads to; nothing if that is not possible, and for the root itself.
    #[must_use]
    pub fn hold_parent(&self, path: &RelPath) -> Option<Held> {
        let (parent, _) = path.split_last()?;
        let dir = self.descend(&parent.0).ok()?;
        let print = dir.stat_self().ok()?.print;
        Some(Held {
            is_apart: !parent.0.is_empty() && apart::is_folder(&dir),
            path: parent,
            dir,
            print,
            folds_names: self.folds_names(),
        })
    }
}

impl Held {
    /// Tells whether a path leads to something in this directory.
    #[must_use]
    pub fn holds(&self, path: &RelPath) -> bool {
        path.0
            .split_last()
            .is_some_and(|(_, parents)| *parents == *self.path.0)
    }

    /// The print of the directory when it was opened; nothing for the root.
    #[must_use]
    pub fn print(&self) -> Option<Print> {
        (!self.path.0.is_empty()).then_some(self.print)
    }

    /// Looks at something in it as [`Root::look_exactly`] does. Nothing is said of what is not there or cannot be looked
    /// at, nor where names are folded: that takes a look along its whole path.
    #[must_use]
    pub fn look(&self, path: &RelPath) -> Option<Sight> {
        let (name, _) = path
            .0
            .split_last()
            .filter(|_| self.holds(path) && !self.folds_names)?;
        let sight = sight(&self.dir, name.as_bytes()).ok()?;
        if self.is_apart {
            return Some(Sight::Unknown(Block::OtherFolder));
        }
        Some(apart::guarded(&self.dir, name.as_bytes(), sight))
    }

    /// Opens a file in it as [`Root::open_file`] does.
    ///
    /// # Errors
    /// When it is gone, cannot be read, or is not a regular file.
    pub fn open_file(&self, path: &RelPath) -> Result<(File, Print), DiskError> {
        open_in(&self.dir, path)
    }
}
