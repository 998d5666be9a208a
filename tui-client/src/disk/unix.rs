//! A directory held open, on Unix: all that happens below it happens relative to its descriptor. On Linux the kernel
//! itself refuses links and other file systems on the way (`openat2`); elsewhere, and where that call is missing, each
//! component is opened by itself without following links.

use super::sight::{FileType, Print, Seen};
use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use sync_engine::Name;

/// The longest path given to the system at once, in bytes; longer ones are walked in several steps.
const STEP_LEN_MAX: usize = 3 * 1024;
/// How often a walk is begun anew when directories on the way were moved meanwhile.
const WALK_TRIES_MAX: usize = 32;

/// Opens a directory to pass through it only: no permission to list it is needed.
#[cfg(target_os = "linux")]
const PASS: OFlags = OFlags::PATH.union(DIRECTORY);
#[cfg(not(target_os = "linux"))]
const PASS: OFlags = READ;
/// Opens a directory to list or flush it.
const READ: OFlags = OFlags::RDONLY.union(DIRECTORY);
const DIRECTORY: OFlags = OFlags::DIRECTORY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// A directory held open. `device` is the number of the root's file system, which is never left.
#[derive(Debug)]
pub(super) struct Dir {
    fd: OwnedFd,
    device: u64,
}

impl Dir {
    /// Opens the root. The path is the user's own and may lead over links.
    pub(super) fn open_root(path: &Path) -> io::Result<Self> {
        let fd = fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let device = fs::fstat(&fd)?.st_dev;
        Ok(Self { fd, device })
    }

    /// Tells whether a path leads to this very directory now.
    pub(super) fn is_at(&self, path: &Path) -> io::Result<bool> {
        let there = fs::stat(path)?;
        let here = fs::fstat(&self.fd)?;
        Ok((there.st_dev, there.st_ino) == (here.st_dev, here.st_ino))
    }

    /// Tells whether this directory has been removed while it was held open.
    pub(super) fn is_removed(&self) -> io::Result<bool> {
        Ok(fs::fstat(&self.fd)?.st_nlink == 0)
    }

    /// Opens a directory further down, to pass through it.
    pub(super) fn descend(&self, names: &[Name]) -> io::Result<Self> {
        self.walk(names, PASS)
    }

    /// Opens a directory further down, to list or flush it.
    pub(super) fn descend_to_read(&self, names: &[Name]) -> io::Result<Self> {
        self.walk(names, READ)
    }

    /// Opens a directory of the client's own inside this one.
    pub(super) fn open_own(&self, name: &str) -> io::Result<Self> {
        self.within(fs::openat(&self.fd, name, READ, Mode::empty())?)
    }

    fn walk(&self, names: &[Name], last: OFlags) -> io::Result<Self> {
        let Some((mut step, mut rest)) = next_step(names) else {
            return self.within(fs::openat(&self.fd, ".", last, Mode::empty())?);
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
                None => return self.within(fd),
            }
        }
    }

    #[cfg(target_os = "linux")]
    fn open_beneath(&self, from: BorrowedFd<'_>, names: &[Name], flags: OFlags) -> io::Result<OwnedFd> {
        use fs::ResolveFlags as Resolve;
        let path = join(names);
        let resolve =
            Resolve::BENEATH | Resolve::NO_SYMLINKS | Resolve::NO_MAGICLINKS | Resolve::NO_XDEV;
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
    fn open_beneath(&self, from: BorrowedFd<'_>, names: &[Name], flags: OFlags) -> io::Result<OwnedFd> {
        self.open_each(from, names, flags)
    }

    /// Opens one component after the other; a link fails each of these calls.
    fn open_each(&self, from: BorrowedFd<'_>, names: &[Name], last: OFlags) -> io::Result<OwnedFd> {
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
        if fs::fstat(&fd)?.st_dev != self.device {
            return Err(Errno::XDEV.into());
        }
        let device = self.device;
        Ok(Self { fd, device })
    }

    /// Looks at a name without following it.
    pub(super) fn stat(&self, name: &[u8]) -> io::Result<Seen> {
        self.stat_with(self.fd.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Looks at an open file.
    pub(super) fn stat_file(&self, file: &File) -> io::Result<Seen> {
        self.stat_with(file.as_fd(), b"", AtFlags::EMPTY_PATH)
    }

    /// Looks at this directory itself.
    pub(super) fn stat_self(&self) -> io::Result<Seen> {
        self.stat_with(self.fd.as_fd(), b"", AtFlags::EMPTY_PATH)
    }

    #[cfg(target_os = "linux")]
    fn stat_with(&self, fd: BorrowedFd<'_>, name: &[u8], flags: AtFlags) -> io::Result<Seen> {
        use fs::{StatxAttributes as Attributes, StatxFlags as Wanted};
        let wanted = Wanted::BASIC_STATS | Wanted::BTIME;
        let stat = match fs::statx(fd, name, flags | AtFlags::NO_AUTOMOUNT, wanted) {
            Err(Errno::NOSYS) => return self.stat_plain(fd, name, flags),
            result => result?,
        };
        let time = |time: fs::StatxTimestamp| nanoseconds(time.tv_sec, time.tv_nsec.into());
        let mode = u32::from(stat.stx_mode);
        let file_type = file_type(mode);
        let device = fs::makedev(stat.stx_dev_major, stat.stx_dev_minor);
        let knows_mounts = stat.stx_attributes_mask.contains(Attributes::MOUNT_ROOT);
        let is_mounted = knows_mounts && stat.stx_attributes.contains(Attributes::MOUNT_ROOT);
        // Some layered file systems give files device numbers of their own; a directory's number is always that of the
        // file system, and the kernel's word on mounts is better where there is one.
        let is_other = device != self.device && (file_type == FileType::Dir || !knows_mounts);
        let birth = Wanted::from_bits_retain(stat.stx_mask).contains(Wanted::BTIME);
        let print = Print {
            device: if device == self.device { 0 } else { device },
            inode: stat.stx_ino,
            birth_ns: if birth { time(stat.stx_btime) } else { 0 },
            size_bytes: stat.stx_size,
            mtime_ns: time(stat.stx_mtime),
            ctime_ns: time(stat.stx_ctime),
            mode: mode & 0o7777,
            links: stat.stx_nlink,
        };
        Ok(Seen {
            file_type,
            print,
            // The root may well be a mount of its own.
            elsewhere: is_other || (is_mounted && !name.is_empty()),
        })
    }

    #[cfg(not(target_os = "linux"))]
    fn stat_with(&self, fd: BorrowedFd<'_>, name: &[u8], flags: AtFlags) -> io::Result<Seen> {
        self.stat_plain(fd, name, flags)
    }

    /// Looks without asking for the time of birth.
    #[expect(
        clippy::useless_conversion,
        clippy::unnecessary_cast,
        clippy::allow_attributes,
        reason = "the widths of these fields differ from system to system"
    )]
    fn stat_plain(&self, fd: BorrowedFd<'_>, name: &[u8], flags: AtFlags) -> io::Result<Seen> {
        let stat = if name.is_empty() {
            fs::fstat(fd)?
        } else {
            fs::statat(fd, name, flags)?
        };
        let mode = u32::from(stat.st_mode);
        let device = stat.st_dev as u64;
        Ok(Seen {
            file_type: file_type(mode),
            print: Print {
                device: if device == self.device { 0 } else { device },
                inode: stat.st_ino as u64,
                birth_ns: 0,
                size_bytes: stat.st_size.try_into().unwrap_or(0),
                mtime_ns: nanoseconds(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
                ctime_ns: nanoseconds(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
                mode: mode & 0o7777,
                links: stat.st_nlink.try_into().unwrap_or(u32::MAX),
            },
            elsewhere: device != self.device,
        })
    }

    /// Reads all names; `.` and `..` are left out.
    pub(super) fn names(&self) -> io::Result<Vec<Vec<u8>>> {
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

    /// Reads where a symbolic link points.
    pub(super) fn read_link(&self, name: &[u8]) -> io::Result<Vec<u8>> {
        Ok(fs::readlinkat(&self.fd, name, Vec::new())?.into_bytes())
    }

    /// Opens a file for reading without following a link and without waiting for the other end of a pipe.
    pub(super) fn open_file(&self, name: &[u8]) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        self.open_with(name, flags, 0)
    }

    /// Opens a file of the client's own for reading and writing.
    pub(super) fn open_own_file(&self, name: &[u8]) -> io::Result<File> {
        self.open_with(name, OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOCTTY, 0)
    }

    /// Makes a file that must not be there yet.
    pub(super) fn create_file(&self, name: &[u8], mode: u32) -> io::Result<File> {
        self.open_with(name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL, mode)
    }

    fn open_with(&self, name: &[u8], flags: OFlags, mode: u32) -> io::Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_bits_truncate(mode.into());
        Ok(File::from(fs::openat(&self.fd, name, flags, mode)?))
    }

    /// Makes a directory that only this user may enter.
    pub(super) fn make_own_dir(&self, name: &[u8]) -> io::Result<()> {
        Ok(fs::mkdirat(&self.fd, name, Mode::RWXU)?)
    }

    /// Takes the permissions of everyone else on this directory away; refuses when it is not this user's.
    pub(super) fn close_to_others(&self) -> io::Result<()> {
        let stat = fs::fstat(&self.fd)?;
        if stat.st_uid != rustix::process::geteuid().as_raw() {
            return Err(Errno::PERM.into());
        }
        if stat.st_mode & 0o077 != 0 {
            fs::fchmod(&self.fd, Mode::RWXU)?;
        }
        Ok(())
    }

    /// Removes a name that is no directory.
    pub(super) fn unlink(&self, name: &[u8]) -> io::Result<()> {
        Ok(fs::unlinkat(&self.fd, name, AtFlags::empty())?)
    }

    /// Gives an open, own file of `from` the name `to` here, unless that is taken.
    pub(super) fn link_from(&self, from: &Self, name: &[u8], to: &[u8]) -> io::Result<()> {
        Ok(fs::linkat(&from.fd, name, &self.fd, to, AtFlags::empty())?)
    }

    /// Moves `name` of `from` here as `to`, unless that is taken.
    pub(super) fn rename_new(&self, from: &Self, name: &[u8], to: &[u8]) -> io::Result<()> {
        match self.rename_with(from, name, to, Rename::New) {
            Err(error) if is_unsupported(&error) => self.rename_new_by_link(from, name, to),
            result => result,
        }
    }

    /// Where the file system knows no move that spares what is there, a second name does the same for all but
    /// directories: it is refused when the name is taken. A crash in between leaves both names of one file.
    fn rename_new_by_link(&self, from: &Self, name: &[u8], to: &[u8]) -> io::Result<()> {
        if from.stat(name)?.file_type != FileType::Dir {
            match self.link_from(from, name, to) {
                Ok(()) => return from.unlink(name),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(error),
                // No second names either, as on FAT.
                Err(_) => (),
            }
        }
        // What appears between these two calls is lost if it is a file or an empty directory; there is no better call
        // on such a disk.
        match self.stat(to) {
            Ok(_) => Err(Errno::EXIST.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.rename_over(from, name, to),
            Err(error) => Err(error),
        }
    }

    /// Moves `name` of `from` here as `to`, in place of what is there.
    pub(super) fn rename_over(&self, from: &Self, name: &[u8], to: &[u8]) -> io::Result<()> {
        Ok(fs::renameat(&from.fd, name, &self.fd, to)?)
    }

    /// Lets `name` of `from` and `to` here change places. Fails with an error that [`is_unsupported`] knows where the
    /// file system cannot.
    pub(super) fn exchange(&self, from: &Self, name: &[u8], to: &[u8]) -> io::Result<()> {
        self.rename_with(from, name, to, Rename::Exchange)
    }

    #[cfg(any(target_os = "linux", target_os = "macos"))]
    fn rename_with(&self, from: &Self, name: &[u8], to: &[u8], rename: Rename) -> io::Result<()> {
        let flags = match rename {
            Rename::New => fs::RenameFlags::NOREPLACE,
            Rename::Exchange => fs::RenameFlags::EXCHANGE,
        };
        Ok(fs::renameat_with(&from.fd, name, &self.fd, to, flags)?)
    }

    #[cfg(not(any(target_os = "linux", target_os = "macos")))]
    fn rename_with(&self, _: &Self, _: &[u8], _: &[u8], _: Rename) -> io::Result<()> {
        Err(Errno::NOSYS.into())
    }

    /// Flushes the names in this directory, which was opened to be read.
    pub(super) fn flush(&self) -> io::Result<()> {
        Ok(fs::fsync(&self.fd)?)
    }

    /// Returns how many bytes are free for this user, where the system tells.
    #[expect(clippy::unnecessary_wraps, reason = "not every system tells")]
    pub(super) fn free_bytes(&self) -> io::Result<Option<u64>> {
        let stat = fs::fstatvfs(&self.fd)?;
        Ok(Some(stat.f_bavail.saturating_mul(stat.f_frsize)))
    }
}

/// The two kinds of rename that a file system may lack.
#[derive(Debug, Clone, Copy)]
enum Rename {
    New,
    Exchange,
}

/// Tells whether an error means that the file system lacks this kind of rename. A directory moved into itself gives the
/// same error; callers rule that out first.
pub(super) fn is_unsupported(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)
    )
}

/// Takes a lock that ends with the file; false when another has it.
pub(super) fn lock(file: &File) -> io::Result<bool> {
    match fs::flock(file, fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Tells whether an error means that a symbolic link stands where a directory or file was to be.
pub(super) fn is_link_in_the_way(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::LOOP)
}

/// Tells whether an error means that someone else holds the file for the moment.
pub(super) fn is_busy(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::BUSY | Errno::TXTBSY))
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

fn join(names: &[Name]) -> Vec<u8> {
    let names: Vec<&[u8]> = names.iter().map(Name::as_bytes).collect();
    names.join(&b'/')
}

fn file_type(mode: u32) -> FileType {
    match fs::FileType::from_raw_mode(mode as fs::RawMode) {
        fs::FileType::RegularFile => FileType::File,
        fs::FileType::Directory => FileType::Dir,
        fs::FileType::Symlink => FileType::Symlink,
        _ => FileType::Other,
    }
}

fn nanoseconds(seconds: i64, nanoseconds: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}
