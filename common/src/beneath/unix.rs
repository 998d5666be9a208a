//! Directories held open, on Unix, by their descriptors. On Linux the kernel itself refuses links and other file systems
//! on the way (`openat2`); elsewhere, and where that call is missing, each component is opened by itself without
//! following links.

use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use sync_engine::Name;

mod way;

/// The longest path given to the system at once, in bytes; longer ones are walked in several steps.
const STEP_LEN_MAX: usize = 3 * 1024;
/// How often a walk is begun anew when directories on the way were moved meanwhile.
#[cfg(target_os = "linux")]
const WALK_TRIES_MAX: usize = 32;

/// Opens a directory to pass through it only: no permission to list it is needed.
#[cfg(target_os = "linux")]
pub(super) const PASS: OFlags = OFlags::PATH.union(DIRECTORY);
#[cfg(not(target_os = "linux"))]
pub(super) const PASS: OFlags = READ;
/// Opens a directory to list or flush it.
const READ: OFlags = OFlags::RDONLY.union(DIRECTORY);
const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A directory held open. `device` is the number of the root's file system, which is never left.
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
    device: u64,
}

impl Dir {
    /// Opens a root. The path is the user's own and may lead over links.
    ///
    /// # Errors
    /// When there is no directory that can be listed.
    pub fn open_root(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = fs::open(path, flags, Mode::empty())?;
        let device = device_of(&fs::fstat(&fd)?);
        Ok(Self { fd, device })
    }

    /// Opens the directory at a path as a root, and makes what is missing of it. Others may be able to write on the way:
    /// a link there is followed only if it is this user's or the administrator's, and one at the end is not followed at
    /// all. What is made has its name flushed.
    ///
    /// # Errors
    /// When something else is in the way, or it cannot be made or listed.
    pub fn make_root(path: &Path, mode: u32) -> io::Result<Self> {
        let fd = way::make(path, Mode::from_bits_truncate(mode as fs::RawMode))?;
        let device = device_of(&fs::fstat(&fd)?);
        Ok(Self { fd, device })
    }

    /// Returns the number of the root's file system.
    #[must_use]
    pub fn device(&self) -> u64 {
        self.device
    }

    /// Opens a directory further down, to reach what is in it.
    ///
    /// # Errors
    /// When it is not there, or the way leads over a link or to another file system.
    pub fn descend(&self, names: &[Name]) -> io::Result<Self> {
        self.walk(names, PASS)
    }

    /// Opens a directory further down, to list or flush it too.
    ///
    /// # Errors
    /// When it is not there, the way leads over a link or to another file system, or it may not be read.
    pub fn descend_to_read(&self, names: &[Name]) -> io::Result<Self> {
        self.walk(names, READ)
    }

    /// Opens a directory in this one, whatever its name, to list or flush it too.
    ///
    /// # Errors
    /// As [`Dir::descend_to_read`].
    pub fn enter(&self, name: &str) -> io::Result<Self> {
        self.within(fs::openat(&self.fd, name, READ, Mode::empty())?)
    }

    /// Returns the names in this directory, in no order.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn names(&self) -> io::Result<Vec<Vec<u8>>> {
        let mut names = Vec::new();
        for entry in fs::Dir::read_from(&self.fd)? {
            let entry = entry?;
            match entry.file_name().to_bytes() {
                b"." | b".." => (),
                name => names.push(name.to_vec()),
            }
        }
        Ok(names)
    }

    /// Returns the names in this directory that are, or may be, those of directories, in no order.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn names_of_dirs(&self) -> io::Result<Vec<Vec<u8>>> {
        let mut names = Vec::new();
        for entry in fs::Dir::read_from(&self.fd)? {
            let entry = entry?;
            let may_be_dir = matches!(entry.file_type(), fs::FileType::Directory | fs::FileType::Unknown);
            match entry.file_name().to_bytes() {
                b"." | b".." => (),
                name if may_be_dir => names.push(name.to_vec()),
                _ => (),
            }
        }
        Ok(names)
    }

    /// Makes a file in this directory that must not be there yet, for reading and writing. The process's mask takes from
    /// the mode.
    ///
    /// # Errors
    /// When something has the name, a link too, or the disk fails.
    pub fn create_file(&self, name: &[u8], mode: u32) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_bits_truncate(mode as fs::RawMode);
        Ok(File::from(fs::openat(&self.fd, name, flags, mode)?))
    }

    /// Makes a directory in this one. The process's mask takes from the mode.
    ///
    /// # Errors
    /// When something has the name, a link too, or the disk fails.
    pub fn make_dir(&self, name: &[u8], mode: u32) -> io::Result<()> {
        let mode = Mode::from_bits_truncate(mode as fs::RawMode);
        Ok(fs::mkdirat(&self.fd, name, mode)?)
    }

    /// Makes a symbolic link in this directory.
    ///
    /// # Errors
    /// When something has the name, or the disk fails.
    pub fn make_symlink(&self, target: &[u8], name: &[u8]) -> io::Result<()> {
        Ok(fs::symlinkat(target, &self.fd, name)?)
    }

    /// Lets nobody but this user into this directory.
    ///
    /// # Errors
    /// When it is another user's, or the disk fails.
    pub fn close_to_others(&self) -> io::Result<()> {
        let stat = fs::fstat(&self.fd)?;
        if stat.st_uid != rustix::process::geteuid().as_raw() {
            return Err(Errno::PERM.into());
        }
        if stat.st_mode & 0o7777 != 0o700 {
            fs::fchmod(&self.fd, Mode::RWXU)?;
        }
        Ok(())
    }

    /// Makes the names in this directory durable.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn flush(&self) -> io::Result<()> {
        Ok(fs::fsync(&self.fd)?)
    }

    fn walk(&self, names: &[Name], last: OFlags) -> io::Result<Self> {
        let Some((mut step, mut rest)) = next_step(names) else {
            return Ok(self.checked(fs::openat(&self.fd, ".", last, Mode::empty())?));
        };
        let mut at: Option<OwnedFd> = None;
        loop {
            let from = at.as_ref().map_or(self.fd.as_fd(), AsFd::as_fd);
            let next = next_step(rest);
            let flags = if next.is_some() { PASS } else { last };
            let fd = self.open_beneath(from, step, flags)?;
            match next {
                Some((further, remaining)) => {
                    (step, rest) = (further, remaining);
                    at = Some(fd);
                }
                None => return Ok(self.checked(fd)),
            }
        }
    }

    /// Opens a directory further down, if the way leads over no link and no other file system.
    #[cfg(target_os = "linux")]
    pub(super) fn open_beneath(
        &self,
        from: BorrowedFd<'_>,
        names: &[Name],
        flags: OFlags,
    ) -> io::Result<OwnedFd> {
        use fs::ResolveFlags as Resolve;
        let path = join(names);
        let resolve = Resolve::BENEATH | Resolve::NO_SYMLINKS | Resolve::NO_MAGICLINKS | Resolve::NO_XDEV;
        for _ in 0..WALK_TRIES_MAX {
            match fs::openat2(from, path.as_slice(), flags, Mode::empty(), resolve) {
                Ok(fd) => return Ok(fd),
                // The kernel could not rule out that a move on the way led outside; it asks to try again.
                Err(Errno::AGAIN | Errno::INTR) => (),
                // The call is missing, or forbidden by a filter.
                Err(Errno::NOSYS | Errno::PERM) => return self.open_each(from, names, flags),
                Err(error) => return Err(error.into()),
            }
        }
        Err(Errno::BUSY.into())
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn open_beneath(
        &self,
        from: BorrowedFd<'_>,
        names: &[Name],
        flags: OFlags,
    ) -> io::Result<OwnedFd> {
        self.open_each(from, names, flags)
    }

    /// Opens one component after the other; a link fails each of these calls.
    pub(super) fn open_each(
        &self,
        from: BorrowedFd<'_>,
        names: &[Name],
        last: OFlags,
    ) -> io::Result<OwnedFd> {
        let mut at: Option<OwnedFd> = None;
        for (i, name) in names.iter().enumerate() {
            let from = at.as_ref().map_or(from, AsFd::as_fd);
            let flags = if i + 1 == names.len() { last } else { PASS };
            let fd = fs::openat(from, name.as_bytes(), flags, Mode::empty())?;
            at = Some(self.within(fd)?.fd);
        }
        at.ok_or_else(|| Errno::INVAL.into())
    }

    /// Checks that a descriptor is on the root's file system.
    fn within(&self, fd: OwnedFd) -> io::Result<Self> {
        if device_of(&fs::fstat(&fd)?) != self.device {
            return Err(Errno::XDEV.into());
        }
        Ok(self.checked(fd))
    }

    /// Takes a descriptor that is known to be on the root's file system.
    fn checked(&self, fd: OwnedFd) -> Self {
        let device = self.device;
        Self { fd, device }
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Returns the number of the file system that something is on.
#[expect(
    clippy::unnecessary_cast,
    reason = "the width of this field differs from system to system"
)]
#[must_use]
pub fn device_of(stat: &fs::Stat) -> u64 {
    stat.st_dev as u64
}

/// Splits off as many names as fit into one call.
fn next_step(names: &[Name]) -> Option<(&[Name], &[Name])> {
    let mut len = 0;
    let fitting = names.iter().take_while(|name| {
        len += name.as_bytes().len() + 1;
        len <= STEP_LEN_MAX
    });
    let n_fitting = fitting.count();
    (!names.is_empty()).then(|| names.split_at(n_fitting))
}

#[cfg(target_os = "linux")]
fn join(names: &[Name]) -> Vec<u8> {
    let names: Vec<&[u8]> = names.iter().map(Name::as_bytes).collect();
    names.join(&b'/')
}
