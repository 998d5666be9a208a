//! The seam between the client and the disk: what a directory held open and an opened file can do, and no more. The
//! platform's own kind stands behind it as it is; a simulated disk stands behind it boxed.
//!
//! Law: an error tells by its kind what it would tell on this platform; for the two that have no kind of their own
//! there are [`unsupported`] and [`link_in_the_way`].

use super::platform;
use super::sight::Seen;
use std::any::Any;
use std::fmt::Debug;
use std::io;
use std::ops::Deref;
use std::path::Path;
use std::time::SystemTime;
use sync_engine::Name;

mod file;

pub use file::{File, OpenFile};

/// A directory held open. All names are single ones, relative to it, and nothing follows a symbolic link. The one that a
/// name comes `from` is on the same disk, of the same kind.
pub trait Directory: Any + Debug + Send + Sync {
    /// Tells whether a path leads to this very directory now. The path is the user's own and may lead over links.
    fn is_at(&self, path: &Path) -> io::Result<bool>;

    /// Tells whether this directory has been removed while it was held open.
    fn is_removed(&self) -> io::Result<bool>;

    /// Opens a directory further down, over no link and no other file system, to pass through it.
    fn descend(&self, names: &[Name]) -> io::Result<Dir>;

    /// Opens a directory further down, over no link and no other file system, to list or flush it.
    fn descend_to_read(&self, names: &[Name]) -> io::Result<Dir>;

    /// Opens a directory of the client's own inside this one.
    fn open_own(&self, name: &str) -> io::Result<Dir>;

    /// Reads all names; `.` and `..` are left out.
    fn names(&self) -> io::Result<Vec<Vec<u8>>>;

    /// Reads the names that are, or may be, those of directories.
    fn names_of_dirs(&self) -> io::Result<Vec<Vec<u8>>> {
        self.names()
    }

    /// Looks at a name without following it.
    fn stat(&self, name: &[u8]) -> io::Result<Seen>;

    /// Looks at an open file.
    fn stat_file(&self, file: &File) -> io::Result<Seen>;

    /// Looks at this directory itself.
    fn stat_self(&self) -> io::Result<Seen>;

    /// Reads where a symbolic link points, with `/` between the names of a relative target.
    fn read_link(&self, name: &[u8]) -> io::Result<Vec<u8>>;

    /// Opens a file for reading without waiting for the other end of a pipe. Everybody else may go on with it as they
    /// like.
    fn open_file(&self, name: &[u8]) -> io::Result<File>;

    /// Opens a file of the client's own for reading and writing.
    fn open_own_file(&self, name: &[u8]) -> io::Result<File>;

    /// Opens a file to set its mode and times; to be its owner is enough for that.
    fn open_to_set_attributes(&self, name: &[u8]) -> io::Result<File>;

    /// Makes a file that must not be there yet.
    fn create_file(&self, name: &[u8], mode: u32) -> io::Result<File>;

    /// Makes a directory that only this user may enter, or that inherits who may.
    fn make_own_dir(&self, name: &[u8]) -> io::Result<()>;

    /// Makes a directory with the permissions that the user's mask leaves of these.
    fn make_dir(&self, name: &[u8], mode: u32) -> io::Result<()>;

    /// Takes the permissions of everyone else on this directory away; refuses when it is not this user's.
    fn close_to_others(&self) -> io::Result<()>;

    /// Makes a symbolic link.
    fn make_symlink(&self, target: &[u8], name: &[u8]) -> io::Result<()>;

    /// Removes an empty directory.
    fn remove_dir(&self, name: &[u8]) -> io::Result<()>;

    /// Removes a name that is no directory.
    fn unlink(&self, name: &[u8]) -> io::Result<()>;

    /// Gives a file of `from` the name `to` here, unless that is taken.
    fn link_from(&self, from: &Dir, name: &[u8], to: &[u8]) -> io::Result<()>;

    /// Moves `name` of `from` here as `to`, unless that is taken.
    fn rename_new(&self, from: &Dir, name: &[u8], to: &[u8]) -> io::Result<()>;

    /// Moves `name` of `from` here as `to`, in place of what is there.
    fn rename_over(&self, from: &Dir, name: &[u8], to: &[u8]) -> io::Result<()>;

    /// Lets `name` of `from` and `to` here change places. Fails as [`unsupported`] where the file system cannot.
    fn exchange(&self, from: &Dir, name: &[u8], to: &[u8]) -> io::Result<()>;

    /// Flushes the names in this directory, which was opened to be read.
    fn flush(&self) -> io::Result<()>;

    /// Flushes everything on the file system, where there is a call for that; false where there is none.
    fn flush_file_system(&self) -> io::Result<bool>;

    /// Returns the files below this directory, which a path leads to, that others have open for writing, as far as the
    /// system tells: by their paths seen from here.
    fn written(&self, folder: &Path) -> Vec<Vec<u8>>;

    /// Returns where other file systems are mounted below this directory, as far as the system tells: by their paths seen
    /// from here.
    fn mounts(&self, folder: &Path) -> Vec<Vec<u8>>;

    /// Returns how many bytes are free for this user, where the system tells.
    fn free_bytes(&self) -> io::Result<Option<u64>>;

    /// Returns the time of the wall clock that the disk's time stamps come from.
    fn now(&self) -> SystemTime;

    /// Returns what names this start of the computer, where the system tells: no other start has the same.
    fn boot(&self) -> Option<String>;
}

/// A directory held open, of this computer or of another disk.
#[derive(Debug)]
pub struct Dir(Kind);

#[derive(Debug)]
enum Kind {
    Platform(platform::Dir),
    Other(Box<dyn Directory>),
}

impl Dir {
    /// Holds a directory of another disk.
    #[must_use]
    pub fn other(dir: Box<dyn Directory>) -> Self {
        Self(Kind::Other(dir))
    }

    /// Returns the directory of this kind. Directories of two kinds are on two file systems.
    ///
    /// # Errors
    /// When it is of another kind.
    pub fn of_kind<D: Directory>(&self) -> io::Result<&D> {
        let dir: &dyn Any = &**self;
        dir.downcast_ref()
            .ok_or_else(|| io::ErrorKind::CrossesDevices.into())
    }
}

impl Deref for Dir {
    type Target = dyn Directory;

    fn deref(&self) -> &Self::Target {
        match &self.0 {
            Kind::Platform(dir) => dir,
            Kind::Other(dir) => &**dir,
        }
    }
}

impl From<platform::Dir> for Dir {
    fn from(dir: platform::Dir) -> Self {
        Self(Kind::Platform(dir))
    }
}

/// Returns the error of a disk that lacks a kind of rename, or that cannot let files share bytes.
#[must_use]
pub fn unsupported() -> io::Error {
    platform::unsupported()
}

/// Returns the error of finding a symbolic link where a file or directory was to be opened.
#[must_use]
pub fn link_in_the_way() -> io::Error {
    platform::link_in_the_way()
}
