//! The server's data directory: what lies where in it, and that one server at a time has it.

use common::file::open_locked;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::StoreError;
use super::files::{PackDirectory, PackFiles};
use super::system::make_private_dir;

/// A data directory.
#[derive(Debug, Clone)]
pub(crate) struct Directory(PathBuf);

/// Held while a server has the directory.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    /// The lock is on the open file and ends with it, however the process ends.
    _file: File,
}

impl Directory {
    /// Names a data directory.
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Returns the path of the database.
    pub(crate) fn database(&self) -> PathBuf {
        self.0.join("store.db")
    }

    /// Returns the path of the directory of packs.
    pub(crate) fn packs(&self) -> PathBuf {
        self.0.join("packs")
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
    pub(crate) fn lock(&self) -> Result<Option<DirectoryLock>, StoreError> {
        self.lock_by("lock")
    }

    /// Keeps others from collecting or copying chunks meanwhile, beside a server that serves; nothing if one is at it.
    pub(crate) fn lock_chunks(&self) -> Result<Option<DirectoryLock>, StoreError> {
        self.lock_by("lock-chunks")
    }

    fn lock_by(&self, name: &str) -> Result<Option<DirectoryLock>, StoreError> {
        let path = self.0.join(name);
        let file = open_locked(&path).map_err(StoreError::file("locked", &path))?;
        Ok(file.map(|file| DirectoryLock { _file: file }))
    }
}
