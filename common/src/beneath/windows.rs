//! Directories held open, on Windows, with the standard library alone: every component on the way is opened by itself,
//! as what it is and not as what it points at, and stays open without the right to be moved while the directory is in
//! use, so that nobody can put a link in its place meanwhile. Paths are verbatim (`\\?\`), so their length is free.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::windows::fs::{OpenOptionsExt, symlink_dir, symlink_file};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use sync_engine::Name;
use winapi_util::file::information;

mod legal;
use legal::legal;

const FILE_LIST_DIRECTORY: u32 = 0x1;
const FILE_READ_ATTRIBUTES: u32 = 0x80;
const SHARE_READ: u32 = 0x1;
const SHARE_WRITE: u32 = 0x2;
const SHARE_DELETE: u32 = 0x4;
const SHARE_ALL: u32 = SHARE_READ | SHARE_WRITE | SHARE_DELETE;
const BACKUP_SEMANTICS: u32 = 0x0200_0000;
const OPEN_REPARSE_POINT: u32 = 0x0020_0000;

const ERROR_PRIVILEGE_NOT_HELD: i32 = 1314;

/// A directory held open, with everything on the way to it from the root. `device` is the serial number of the root's
/// volume, which is never left.
#[derive(Debug, Clone)]
pub struct Dir {
    path: PathBuf,
    held: Vec<Arc<File>>,
    device: u64,
}

impl Dir {
    /// Opens a root. The path is the user's own and may lead over links.
    ///
    /// # Errors
    /// When there is no directory that can be listed.
    pub fn open_root(path: &Path) -> io::Result<Self> {
        // The canonical path is verbatim. The root itself may be moved by its user; that is for its user to find out.
        let path = fs::canonicalize(path)?;
        let file = open_as_it_is(&path, FILE_LIST_DIRECTORY | FILE_READ_ATTRIBUTES, SHARE_ALL)?;
        if !file.metadata()?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let device = volume_of(&file)?;
        let held = vec![Arc::new(file)];
        Ok(Self { path, held, device })
    }

    /// Opens the directory at a path as a root, and makes what is missing of it. A link at the end is refused. The root
    /// cannot be moved while it is held.
    ///
    /// # Errors
    /// When something else is in the way, or it cannot be made or listed.
    pub fn make_root(path: &Path, _mode: u32) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        let share = SHARE_READ | SHARE_WRITE;
        let file = open_as_it_is(path, FILE_LIST_DIRECTORY | FILE_READ_ATTRIBUTES, share)?;
        let metadata = file.metadata()?;
        if !metadata.is_dir() || metadata.is_symlink() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let device = volume_of(&file)?;
        let path = fs::canonicalize(path)?;
        let held = vec![Arc::new(file)];
        Ok(Self { path, held, device })
    }

    /// Returns the serial number of the root's volume.
    #[must_use]
    pub fn device(&self) -> u64 {
        self.device
    }

    /// Returns the path by which it is held.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the directory itself, opened as a file.
    ///
    /// # Panics
    /// Never: a directory holds at least itself.
    #[must_use]
    pub fn file(&self) -> &File {
        self.held.last().expect("a directory holds at least itself")
    }

    /// Returns the path of a name in this directory.
    ///
    /// # Errors
    /// When Windows cannot hold the name.
    pub fn join(&self, name: &[u8]) -> io::Result<PathBuf> {
        Ok(self.path.join(legal(name)?))
    }

    /// Opens a directory further down, to reach what is in it.
    ///
    /// # Errors
    /// When it is not there, or the way leads over a link or to another volume.
    pub fn descend(&self, names: &[Name]) -> io::Result<Self> {
        let mut dir = self.clone();
        for name in names {
            dir.go_down(name.as_bytes())?;
        }
        Ok(dir)
    }

    /// Opens a directory further down, to list or flush it too.
    ///
    /// # Errors
    /// As [`Dir::descend`].
    pub fn descend_to_read(&self, names: &[Name]) -> io::Result<Self> {
        self.descend(names)
    }

    /// Opens a directory in this one, whatever its name, to list or flush it too.
    ///
    /// # Errors
    /// As [`Dir::descend`].
    pub fn enter(&self, name: &str) -> io::Result<Self> {
        let mut dir = self.clone();
        dir.go_down(name.as_bytes())?;
        Ok(dir)
    }

    /// Returns the names in this directory. One that is no UTF-16 is given in the bytes by which Rust knows it, which are
    /// no legal name here.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn names(&self) -> io::Result<Vec<Vec<u8>>> {
        let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().into_encoded_bytes());
        fs::read_dir(&self.path)?.map(name).collect()
    }

    /// Makes a file in this directory that must not be there yet, for reading and writing. Nobody else can open it to
    /// write meanwhile.
    ///
    /// # Errors
    /// When something has the name, a link too, or the disk fails.
    pub fn create_file(&self, name: &[u8], _mode: u32) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .share_mode(SHARE_READ | SHARE_DELETE)
            .custom_flags(OPEN_REPARSE_POINT)
            .open(self.join(name)?)
    }

    /// Makes a directory in this one; it inherits who may enter it.
    ///
    /// # Errors
    /// When something has the name, a link too, or the disk fails.
    pub fn make_dir(&self, name: &[u8], _mode: u32) -> io::Result<()> {
        fs::create_dir(self.join(name)?)
    }

    /// Makes a symbolic link. Windows wants to know whether it leads to a directory; only a target inside this very
    /// directory's tree is looked at for that, and only as it is.
    ///
    /// # Errors
    /// When something has the name, the system does not let this user make links, or the disk fails.
    pub fn make_symlink(&self, target: &[u8], name: &[u8]) -> io::Result<()> {
        let text = std::str::from_utf8(target).map_err(|_| io::ErrorKind::Unsupported)?;
        let link = self.join(name)?;
        let target = PathBuf::from(text.replace('/', "\\"));
        let is_inside = target
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        let is_dir =
            is_inside && fs::symlink_metadata(self.path.join(&target)).is_ok_and(|found| found.is_dir());
        let made = match is_dir {
            true => symlink_dir(&target, link),
            false => symlink_file(&target, link),
        };
        made.map_err(|error| match error.raw_os_error() {
            Some(ERROR_PRIVILEGE_NOT_HELD) => io::ErrorKind::Unsupported.into(),
            _ => error,
        })
    }

    /// Has nothing to do here: access is inherited from the directory above.
    ///
    /// # Errors
    /// Never.
    pub fn close_to_others(&self) -> io::Result<()> {
        Ok(())
    }

    /// Has nothing to do here: NTFS keeps the names of a directory in its journal by itself.
    ///
    /// # Errors
    /// Never.
    pub fn flush(&self) -> io::Result<()> {
        Ok(())
    }

    /// Goes one component down. The right to be moved or removed is not shared while it is held.
    fn go_down(&mut self, name: &[u8]) -> io::Result<()> {
        let path = self.join(name)?;
        let file = open_as_it_is(
            &path,
            FILE_LIST_DIRECTORY | FILE_READ_ATTRIBUTES,
            SHARE_READ | SHARE_WRITE,
        )?;
        let metadata = file.metadata()?;
        if !metadata.is_dir() || metadata.is_symlink() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        if volume_of(&file)? != self.device {
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        self.path = path;
        self.held.push(Arc::new(file));
        Ok(())
    }
}

/// Opens what is at a path itself, also when it is a link or a directory.
///
/// # Errors
/// When it is not there or may not be opened so.
pub fn open_as_it_is(path: &Path, access: u32, share: u32) -> io::Result<File> {
    OpenOptions::new()
        .access_mode(access)
        .share_mode(share)
        .custom_flags(BACKUP_SEMANTICS | OPEN_REPARSE_POINT)
        .open(path)
}

/// Returns the serial number of the volume that an open file is on.
///
/// # Errors
/// When the system does not tell.
pub fn volume_of(file: &File) -> io::Result<u64> {
    Ok(information(file)?.volume_serial_number())
}

/// Returns which file an open file is, on which volume.
///
/// # Errors
/// When the system does not tell.
pub fn identity_of(file: &File) -> io::Result<(u64, u64)> {
    let information = information(file)?;
    Ok((information.volume_serial_number(), information.file_index()))
}
