//! What other programs have open for writing, and what is mounted inside the folder. The watcher is told nothing of bytes
//! that are written through a memory map, nor of what is written to a file that was replaced and lies in the stash; so
//! the system is asked which files are open, and only these are looked at. Whose programs this user may not see is not
//! known; their work is found when the file is closed, or by the next full look.

use super::hand::ContentOf;
use super::root::{OWN_DIRS, Root};
use super::sight::Print;
use super::stash::Stashed;
use std::collections::{BTreeMap, BTreeSet};
use sync_engine::RelPath;

/// So many files are looked at once at most.
const FILES_MAX: usize = 1000;

/// What was found.
#[derive(Debug, Default)]
pub struct Writers {
    /// The files of the folder that are open for writing, as they are now.
    pub files: BTreeMap<RelPath, Print>,
    /// The names in the stash of those of its files that are open for writing.
    pub stashed: BTreeSet<String>,
    /// Where another file system is mounted inside the folder.
    pub mounts: BTreeSet<RelPath>,
}

impl Root {
    /// Looks for files that others have open for writing, and for mounts.
    #[must_use]
    pub fn writers(&self) -> Writers {
        let mut writers = Writers::default();
        for path in self.dir().written(self.path()).into_iter().take(FILES_MAX) {
            let stashed = path.strip_prefix(OWN_DIRS[1].as_bytes());
            if let Some(key) = stashed.and_then(|rest| rest.strip_prefix(b"/")) {
                writers.stashed.extend(String::from_utf8(key.to_vec()));
            } else if let Ok(path) = RelPath::parse(&path)
                && let Some(print) = self.look(&path).print()
            {
                writers.files.insert(path, *print);
            }
        }
        let mounts = self.dir().mounts(self.path());
        writers.mounts = mounts
            .iter()
            .filter_map(|path| RelPath::parse(path).ok())
            .collect();
        writers
    }

    /// Brings to the disk what is written to a file through a memory map: what is written from then on has a new time.
    /// If that fails, the file is read as it is.
    pub fn flush_written(&self, path: &RelPath) {
        let _ = self.open_file(path).map(|(file, _)| file.sync_all());
    }

    /// Takes the names of what was put into the stash since this was asked last.
    #[must_use]
    pub fn take_stashed(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.stashed_keys())
    }

    /// Returns those files of the stash that hold something else than when they were taken away.
    #[must_use]
    pub fn rewritten(&self, keys: &BTreeSet<String>, content_of: &ContentOf<'_>) -> Vec<Stashed> {
        let looks = keys.iter().map(|key| self.look_into_stash(key, content_of));
        looks.flatten().collect()
    }
}
