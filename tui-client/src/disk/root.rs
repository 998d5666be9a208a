//! The root of a synchronised folder, held open, with its private directory. All else in this module's family goes
//! through it and never through a path of the process.

use super::bits::LeftBits;
use super::error::{DiskError, RootLost};
use super::marker::{self, FolderId};
use super::platform;
use super::private::PrivateCell;
use super::sight::Print;
use super::volume::{Dir, Directory, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;
use sync_engine::Name;

/// The private directory's name.
pub(super) const PRIVATE: &str = common::apart::PRIVATE;
/// The directories, seen from the folder, in which nobody works but the client.
pub const OWN_DIRS: [&str; 2] = [".holdfast/staging", ".holdfast/stash"];

/// A synchronised folder, held open. Clones share it.
#[derive(Debug, Clone)]
pub struct Root(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    dir: Dir,
    private: PrivateCell,
    id: OnceLock<FolderId>,
    /// Set when the file system turns out to have no exchange, so that it is not asked each time.
    cannot_exchange: AtomicBool,
    folds: OnceLock<Folds>,
    left_bits: LeftBits,
}

/// Which different names are the same to this disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Folds {
    /// Names that differ in case only.
    pub case: bool,
    /// Names that differ in Unicode form only.
    pub form: bool,
}

impl Root {
    /// Opens the folder at a path. The path is the user's and may itself lead over symbolic links.
    ///
    /// # Errors
    /// When it is not there, not a directory, or not readable.
    pub fn open(path: &Path) -> Result<Self, DiskError> {
        let open = || {
            let path = std::path::absolute(path)?;
            Ok((platform::Dir::open_root(&path)?, path))
        };
        let (dir, path) = open().map_err(|source| DiskError::OpenRoot {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self::held(path, dir.into()))
    }

    /// Takes a directory of another disk than this computer's for the folder. The path is what that disk knows it by.
    #[must_use]
    pub fn over(path: PathBuf, dir: Box<dyn Directory>) -> Self {
        Self::held(path, Dir::other(dir))
    }

    fn held(path: PathBuf, dir: Dir) -> Self {
        Self(Arc::new(Inner {
            path,
            dir,
            private: PrivateCell::default(),
            id: OnceLock::new(),
            cannot_exchange: AtomicBool::new(false),
            folds: OnceLock::new(),
            left_bits: LeftBits::default(),
        }))
    }

    /// The folder's absolute path, as it was when it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The path of something in the private directory, such as the state database.
    #[must_use]
    pub fn private_path(&self, name: &str) -> PathBuf {
        self.0.path.join(PRIVATE).join(name)
    }

    /// Makes a file in the private directory and removes it, so that a watcher hears of it.
    ///
    /// # Errors
    /// When it cannot be made or removed.
    pub fn make_cookie(&self, name: &str) -> Result<(), DiskError> {
        let dir = &self.private()?.dir;
        let made = match dir.create_file(name.as_bytes(), 0o600) {
            // One that a crash left; its removal is heard of too.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            result => result.map(drop),
        };
        made.and_then(|()| dir.unlink(name.as_bytes()))
            .map_err(|source| DiskError::Private {
                deed: "make and remove",
                name: name.to_owned(),
                source,
            })
    }

    /// Tells whether the folder has no marker yet.
    ///
    /// # Errors
    /// When that cannot be told.
    pub fn is_new(&self) -> Result<bool, DiskError> {
        Ok(marker::read(self)?.is_none())
    }

    /// Returns the folder's own id; makes it when there is none.
    ///
    /// # Errors
    /// When the marker cannot be read, is damaged, or cannot be made.
    pub fn marker(&self) -> Result<FolderId, DiskError> {
        if let Some(id) = self.0.id.get() {
            return Ok(*id);
        }
        let id = match marker::read(self)? {
            Some(id) => id,
            None => marker::create(self)?,
        };
        Ok(*self.0.id.get_or_init(|| id))
    }

    /// Checks that the path still leads to the folder that was opened, that its marker is the one known, and that what is
    /// held open in its private directory is still there.
    ///
    /// # Errors
    /// When it does not; then nothing that was seen in between may be believed.
    pub fn check(&self) -> Result<(), RootLost> {
        match self.0.dir.is_at(&self.0.path) {
            Ok(true) => (),
            Ok(false) => return Err(RootLost::Replaced),
            Err(error) if super::error::is_gone(&error) => return Err(RootLost::Gone),
            Err(source) => return Err(RootLost::Unreadable { source }),
        }
        let Some(known) = self.0.id.get() else {
            return Ok(());
        };
        self.open_private_to_owner();
        match marker::read(self) {
            Ok(Some(id)) if id == *known => self.check_private(),
            Ok(Some(_)) => Err(RootLost::MarkerForeign),
            Ok(None) | Err(DiskError::DamagedMarker) => Err(RootLost::MarkerMissing),
            Err(DiskError::Private { source, .. }) => Err(RootLost::Unreadable { source }),
            Err(_) => Err(RootLost::MarkerMissing),
        }
    }

    /// Tries, once, which different names are the same to this disk. One that is too full to try it with Unicode forms is
    /// taken to fold them if it folds case, as most do.
    ///
    /// # Errors
    /// When no file can be made to try it with for another reason.
    pub fn folds(&self) -> Result<Folds, DiskError> {
        if let Some(folds) = self.0.folds.get() {
            return Ok(*folds);
        }
        let staging = &self.private()?.staging;
        let random = random_name();
        let try_with = |made: &str, asked: &str| -> io::Result<bool> {
            let (made, asked) = (
                format!("probe-{random}-{made}"),
                format!("probe-{random}-{asked}"),
            );
            drop(staging.create_file(made.as_bytes(), 0o600)?);
            let found = staging.stat(asked.as_bytes()).is_ok();
            staging.unlink(made.as_bytes())?;
            Ok(found)
        };
        let case = self.dir().stat(PRIVATE.to_ascii_uppercase().as_bytes()).is_ok();
        let form = match try_with("\u{e9}", "e\u{301}") {
            Err(error) if error.kind() == io::ErrorKind::StorageFull => case,
            result => result.map_err(|source| DiskError::Stage {
                deed: "try names with",
                source,
            })?,
        };
        Ok(*self.0.folds.get_or_init(|| Folds { case, form }))
    }

    /// Tells whether a name may be found that is not the one that was asked for.
    pub(crate) fn folds_names(&self) -> bool {
        self.0.folds.get().is_some_and(|folds| folds.case || folds.form)
    }

    /// Returns how many bytes this user may still write, where the system tells.
    ///
    /// # Errors
    /// When the disk does not answer.
    pub fn free_bytes(&self) -> Result<Option<u64>, DiskError> {
        self.0.dir.free_bytes().map_err(|source| DiskError::OpenRoot {
            path: self.0.path.clone(),
            source,
        })
    }

    /// Returns the time of the wall clock that the disk's time stamps come from.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.0.dir.now()
    }

    /// Returns what names this start of the computer, where the system tells.
    #[must_use]
    pub fn boot(&self) -> Option<String> {
        self.0.dir.boot()
    }

    /// Flushes everything on the folder's file system, where there is a call for that; false where there is none.
    ///
    /// # Errors
    /// When something could not be written.
    pub fn flush_all(&self) -> Result<bool, DiskError> {
        let flushed = self.0.dir.flush_file_system();
        flushed.map_err(|source| DiskError::Flush { source })
    }

    /// Returns the print of an open file.
    ///
    /// # Errors
    /// When the disk does not answer.
    pub fn print_of(&self, file: &File) -> io::Result<Print> {
        Ok(self.0.dir.stat_file(file)?.print)
    }

    /// Tells whether the file system may be able to let two names change places.
    pub(super) fn can_exchange(&self) -> bool {
        !self.0.cannot_exchange.load(Ordering::Relaxed)
    }

    /// Notes that the file system cannot.
    pub(super) fn forget_exchange(&self) {
        self.0.cannot_exchange.store(true, Ordering::Relaxed);
    }

    pub(super) fn left_bits(&self) -> &LeftBits {
        &self.0.left_bits
    }

    pub(super) fn dir(&self) -> &Dir {
        &self.0.dir
    }

    pub(super) fn private_cell(&self) -> &PrivateCell {
        &self.0.private
    }

    /// Opens the directory above a path's last name.
    pub(super) fn descend(&self, names: &[Name]) -> io::Result<Dir> {
        self.0.dir.descend(names)
    }
}

/// Returns 128 random bits as text.
pub(super) fn random_name() -> String {
    FolderId::random().to_string()
}
