//! A directory of the folder held open, on Windows: what the client does in it, with the standard library alone.

use super::sight::{FileType, Seen};
use super::volume::{self, Directory};
use common::beneath::{self, identity_of, open_as_it_is};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::windows::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use sync_engine::Name;

mod stat;
mod writers;

const FILE_READ_ATTRIBUTES: u32 = 0x80;
const FILE_WRITE_ATTRIBUTES: u32 = 0x100;
const GENERIC_READ: u32 = 0x8000_0000;
const SHARE_READ: u32 = 0x1;
const SHARE_WRITE: u32 = 0x2;
const SHARE_DELETE: u32 = 0x4;
const SHARE_ALL: u32 = SHARE_READ | SHARE_WRITE | SHARE_DELETE;
const OPEN_REPARSE_POINT: u32 = 0x0020_0000;
const ATTRIBUTE_DIRECTORY: u32 = 0x10;

const ERROR_SHARING_VIOLATION: i32 = 32;
const ERROR_LOCK_VIOLATION: i32 = 33;
const ERROR_CANT_RESOLVE_FILENAME: i32 = 1921;

/// A directory held open.
#[derive(Debug)]
pub(super) struct Dir(beneath::Dir);

impl Dir {
    /// Opens the root. The path is the user's own and may lead over links.
    pub(super) fn open_root(path: &Path) -> io::Result<Self> {
        beneath::Dir::open_root(path).map(Self)
    }

    fn join(&self, name: &[u8]) -> io::Result<PathBuf> {
        self.0.join(name)
    }
}

impl Directory for Dir {
    fn is_at(&self, path: &Path) -> io::Result<bool> {
        let there = open_as_it_is(&fs::canonicalize(path)?, FILE_READ_ATTRIBUTES, SHARE_ALL)?;
        Ok(identity_of(&there)? == identity_of(self.0.file())?)
    }

    fn is_removed(&self) -> io::Result<bool> {
        match fs::symlink_metadata(self.0.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            result => result.map(|_| false),
        }
    }

    fn descend(&self, names: &[Name]) -> io::Result<volume::Dir> {
        Ok(Self(self.0.descend(names)?).into())
    }

    fn descend_to_read(&self, names: &[Name]) -> io::Result<volume::Dir> {
        self.descend(names)
    }

    fn open_own(&self, name: &str) -> io::Result<volume::Dir> {
        Ok(Self(self.0.enter(name)?).into())
    }

    fn stat(&self, name: &[u8]) -> io::Result<Seen> {
        self.stat_open(&open_as_it_is(
            &self.join(name)?,
            FILE_READ_ATTRIBUTES,
            SHARE_ALL,
        )?)
    }

    fn stat_file(&self, file: &volume::File) -> io::Result<Seen> {
        self.stat_open(file.platform()?)
    }

    fn stat_self(&self) -> io::Result<Seen> {
        self.stat_open(self.0.file())
    }

    fn names(&self) -> io::Result<Vec<Vec<u8>>> {
        self.0.names()
    }

    /// Reads where a symbolic link or junction points, with `/` between the names of a relative target.
    fn read_link(&self, name: &[u8]) -> io::Result<Vec<u8>> {
        let target = fs::read_link(self.join(name)?)?;
        let text = target.to_str().ok_or(io::ErrorKind::InvalidData)?;
        Ok(match target.is_relative() {
            true => text.replace('\\', "/").into_bytes(),
            false => text.as_bytes().to_vec(),
        })
    }

    fn open_file(&self, name: &[u8]) -> io::Result<volume::File> {
        Ok(open_as_it_is(&self.join(name)?, GENERIC_READ, SHARE_ALL)?.into())
    }

    /// Opens a file of the client's own for reading and writing. Nobody else can open it to write.
    fn open_own_file(&self, name: &[u8]) -> io::Result<volume::File> {
        Ok(own_options().open(self.join(name)?)?.into())
    }

    /// Makes a file that must not be there yet. Nobody else can open it to write.
    fn create_file(&self, name: &[u8], mode: u32) -> io::Result<volume::File> {
        Ok(self.0.create_file(name, mode)?.into())
    }

    /// Makes a directory; it inherits who may enter it from the folder.
    fn make_own_dir(&self, name: &[u8]) -> io::Result<()> {
        self.0.make_dir(name, 0o700)
    }

    fn close_to_others(&self) -> io::Result<()> {
        self.0.close_to_others()
    }

    fn make_dir(&self, name: &[u8], _mode: u32) -> io::Result<()> {
        self.make_own_dir(name)
    }

    fn make_symlink(&self, target: &[u8], name: &[u8]) -> io::Result<()> {
        self.0.make_symlink(target, name)
    }

    fn remove_dir(&self, name: &[u8]) -> io::Result<()> {
        fs::remove_dir(self.join(name)?)
    }

    fn open_to_set_attributes(&self, name: &[u8]) -> io::Result<volume::File> {
        let access = GENERIC_READ | FILE_WRITE_ATTRIBUTES;
        Ok(open_as_it_is(&self.join(name)?, access, SHARE_ALL)?.into())
    }

    /// Removes a name that is no directory; a link to a directory is none.
    fn unlink(&self, name: &[u8]) -> io::Result<()> {
        let path = self.join(name)?;
        let found = fs::symlink_metadata(&path)?;
        match found.is_symlink() && found.file_attributes() & ATTRIBUTE_DIRECTORY != 0 {
            true => fs::remove_dir(path),
            false => fs::remove_file(path),
        }
    }

    fn link_from(&self, from: &volume::Dir, name: &[u8], to: &[u8]) -> io::Result<()> {
        let from: &Self = from.of_kind()?;
        fs::hard_link(from.join(name)?, self.join(to)?)
    }

    /// Moves `name` of `from` here as `to`, unless that is taken. The system's own move would replace; a second name is
    /// refused when it is taken. A crash in between leaves both names of one file.
    fn rename_new(&self, from: &volume::Dir, name: &[u8], to: &[u8]) -> io::Result<()> {
        if from.stat(name)?.file_type == FileType::File {
            match self.link_from(from, name, to) {
                Ok(()) => return from.unlink(name),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
                Err(error) if is_busy(&error) => return Err(error),
                // No second names on this disk, as on FAT.
                Err(_) => (),
            }
        }
        // What appears between these two calls is refused by the move if it is a directory with something in it.
        match self.stat(to) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.rename_over(from, name, to),
            Err(error) => Err(error),
        }
    }

    fn rename_over(&self, from: &volume::Dir, name: &[u8], to: &[u8]) -> io::Result<()> {
        let from: &Self = from.of_kind()?;
        fs::rename(from.join(name)?, self.join(to)?)
    }

    /// Windows has no exchange of two names.
    fn exchange(&self, _from: &volume::Dir, _name: &[u8], _to: &[u8]) -> io::Result<()> {
        Err(unsupported())
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }

    /// A whole volume can be flushed by an administrator only; so files are flushed one by one.
    fn flush_file_system(&self) -> io::Result<bool> {
        Ok(false)
    }

    fn written(&self, folder: &Path) -> Vec<Vec<u8>> {
        writers::written(folder)
    }

    fn mounts(&self, folder: &Path) -> Vec<Vec<u8>> {
        writers::mounts(folder)
    }

    /// The standard library does not tell.
    fn free_bytes(&self) -> io::Result<Option<u64>> {
        Ok(None)
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    /// The system counts its starts, but the standard library does not tell.
    fn boot(&self) -> Option<String> {
        None
    }
}

/// How a file of the client's own is opened: it may be renamed meanwhile, and read, but not be written by another.
fn own_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .share_mode(SHARE_READ | SHARE_DELETE)
        .custom_flags(OPEN_REPARSE_POINT);
    options
}

/// Takes a lock that ends with the file; false when another has it. Here the way the file was opened is the lock: a
/// second opening fails as busy.
pub(super) fn lock(_: &File) -> io::Result<bool> {
    Ok(true)
}

/// Tells whether an error means that a symbolic link stands where a directory or file was to be.
pub(super) fn is_link_in_the_way(error: &io::Error) -> bool {
    error.raw_os_error() == Some(ERROR_CANT_RESOLVE_FILENAME)
}

/// Tells whether an error means that no more files can be open (`ERROR_TOO_MANY_OPEN_FILES`).
pub(super) fn is_short_of_files(error: &io::Error) -> bool {
    error.raw_os_error() == Some(4)
}

/// Tells whether an error means that someone else holds the file for the moment.
pub(super) fn is_busy(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(ERROR_SHARING_VIOLATION | ERROR_LOCK_VIOLATION)
    )
}

/// Tells whether an error means that the file system lacks this kind of rename.
pub(super) fn is_unsupported(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
}

/// Returns an error that [`is_unsupported`] knows.
pub(super) fn unsupported() -> io::Error {
    io::ErrorKind::Unsupported.into()
}

/// Returns the error of finding a symbolic link where a file or directory was to be opened.
pub(super) fn link_in_the_way() -> io::Error {
    io::Error::from_raw_os_error(ERROR_CANT_RESOLVE_FILENAME)
}

/// Reads at a place in an open file.
pub(super) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    file.seek_read(bytes, offset)
}

/// Writes at a place in an open file.
pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    file.seek_write(bytes, offset)
}

/// Has nothing to do here: there are no permission bits.
pub(super) fn set_mode(_: &File, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// Copies a file to an empty one.
pub(super) fn copy_data(from: &mut File, to: &mut File) -> io::Result<()> {
    io::copy(from, to).map(drop)
}

/// Takes over another file's access list and extended attributes: nothing that the standard library lets be done.
pub(super) fn copy_attributes(_: &File, _: &File) -> io::Result<()> {
    Ok(())
}

/// The standard library cannot let files share bytes.
pub(super) fn share_bytes(_: &File, _: &File) -> io::Result<()> {
    Err(unsupported())
}
