//! The server's data directory: what lies where in it, and that one server at a time has it.

use common::file::{self, Lock};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::StoreError;
use super::files::{PackDirectory, PackFiles};
use super::system::{append_private, make_private_dir};

/// A copy of the database that is being made.
const COPY: &str = "store.db.copy";
/// What the database keeps beside it while it changes it.
const COPY_JOURNAL: &str = "store.db.copy-journal";

/// A data directory.
#[derive(Debug, Clone)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    /// The name of the database.
    pub(crate) const DATABASE: &str = common::apart::DATABASE;

    /// Returns the name of a pack.
    pub(crate) fn pack_name(pack: u32) -> String {
        format!("{pack:08}.pack")
    }

    /// Names a data directory.
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Returns the path of the database.
    pub(crate) fn database(&self) -> PathBuf {
        self.0.join(Self::DATABASE)
    }

    /// Makes an empty file for a copy of the database, which lies here until it is where it is to be: the database can
    /// only be copied to a path, and nobody else can change where one in here leads. One that an interrupted copy left is
    /// removed.
    pub(crate) fn new_database(&self) -> Result<PathBuf, StoreError> {
        self.remove_new_database()?;
        let path = self.0.join(COPY);
        append_private(&path, true).map_err(StoreError::file("made", &path))?;
        Ok(path)
    }

    /// Removes what [`Directory::new_database`] made, if it is there.
    pub(crate) fn remove_new_database(&self) -> Result<(), StoreError> {
        for path in [COPY, COPY_JOURNAL].map(|name| self.0.join(name)) {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(StoreError::file("removed", &path)(error));
                }
                Ok(()) | Err(_) => (),
            }
        }
        Ok(())
    }

    /// Returns the path of the directory of packs.
    pub(crate) fn packs(&self) -> PathBuf {
        self.0.join(common::apart::PACKS)
    }

    /// Returns the files of the packs.
    pub(super) fn pack_files(&self) -> Arc<dyn PackFiles> {
        Arc::new(PackDirectory::new(self.packs()))
    }

    /// Tells whether there is a store in it.
    pub(crate) fn has_store(&self) -> bool {
        self.database().is_file()
    }

    /// Makes the directory when there is none, readable by its owner alone.
    pub(crate) fn make(&self) -> Result<(), StoreError> {
        for path in [self.0.clone(), self.packs()] {
            make_private_dir(&path).map_err(StoreError::file("made", &path))?;
        }
        Ok(())
    }

    /// Takes the directory for this process; nothing if another has it.
    pub(crate) fn lock(&self) -> Result<Option<Lock>, StoreError> {
        self.lock_by("lock")
    }

    /// Keeps others from collecting or copying chunks meanwhile, beside a server that serves; nothing if one is at it.
    pub(crate) fn lock_chunks(&self) -> Result<Option<Lock>, StoreError> {
        self.lock_by("lock-chunks")
    }

    fn lock_by(&self, name: &str) -> Result<Option<Lock>, StoreError> {
        let path = self.0.join(name);
        file::lock(&path).map_err(StoreError::file("locked", &path))
    }
}
