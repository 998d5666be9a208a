//! A directory held open, on Unix: all that happens below it happens relative to its descriptor. On Linux the kernel
//! itself refuses links and other file systems on the way (`openat2`); elsewhere, and where that call is missing, each
//! component is opened by itself without following links.

use super::sight::{FileType, Seen};
use super::volume::{self, Directory};
use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::SystemTime;
use sync_engine::Name;

mod stat;
use stat::device_of;

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
const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A directory held open. `device` is the number of the root's file system, which is never left.
#[derive(Debug)]
pub(super) struct Dir {
    fd: OwnedFd,
    device: u64,
}

impl Dir {
    /// Opens the root. The path is the user's own and may lead over links.
    pub(super) fn open_root(path: &Path) -> io::Result<Self> {
        let fd = fs::open(
            path,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let device = device_of(&fs::fstat(&fd)?);
        Ok(Self { fd, device })
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
    fn open_beneath(&self, from: BorrowedFd<'_>, names: &[Name], flags: OFlags) -> io::Result<OwnedFd> {
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

    fn open_with(&self, name: &[u8], flags: OFlags, mode: u32) -> io::Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_bits_truncate(mode as fs::RawMode);
        Ok(File::from(fs::openat(&self.fd, name, flags, mode)?))
    }

    fn link(&self, from: &Self, name: &[u8], to: &[u8]) -> io::Result<()> {
        Ok(fs::linkat(&from.fd, name, &self.fd, to, AtFlags::empty())?)
    }

    fn rename(&self, from: &Self, name: &[u8], to: &[u8]) -> io::Result<()> {
        Ok(fs::renameat(&from.fd, name, &self.fd, to)?)
    }

    /// Where the file system knows no move that spares what is there, a second name does the same for all but
    /// directories: it is refused when the name is taken. A crash in between leaves both names of one file.
    fn rename_new_by_link(&self, from: &Self, name: &[u8], to: &[u8]) -> io::Result<()> {
        if from.stat(name)?.file_type != FileType::Dir {
            match self.link(from, name, to) {
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
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.rename(from, name, to),
            Err(error) => Err(error),
        }
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
}

impl Directory for Dir {
    fn is_at(&self, path: &Path) -> io::Result<bool> {
        let there = fs::stat(path)?;
        let here = fs::fstat(&self.fd)?;
        Ok((there.st_dev, there.st_ino) == (here.st_dev, here.st_ino))
    }

    fn is_removed(&self) -> io::Result<bool> {
        Ok(fs::fstat(&self.fd)?.st_nlink == 0)
    }

    fn descend(&self, names: &[Name]) -> io::Result<volume::Dir> {
        Ok(self.walk(names, PASS)?.into())
    }

    fn descend_to_read(&self, names: &[Name]) -> io::Result<volume::Dir> {
        Ok(self.walk(names, READ)?.into())
    }

    fn open_own(&self, name: &str) -> io::Result<volume::Dir> {
        Ok(self
            .within(fs::openat(&self.fd, name, READ, Mode::empty())?)?
            .into())
    }

    fn names(&self) -> io::Result<Vec<Vec<u8>>> {
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

    fn stat(&self, name: &[u8]) -> io::Result<Seen> {
        self.stat_with(self.fd.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW)
    }

    fn stat_file(&self, file: &volume::File) -> io::Result<Seen> {
        self.stat_with(file.platform()?.as_fd(), b"", AtFlags::EMPTY_PATH)
    }

    fn stat_self(&self) -> io::Result<Seen> {
        self.stat_with(self.fd.as_fd(), b"", AtFlags::EMPTY_PATH)
    }

    fn read_link(&self, name: &[u8]) -> io::Result<Vec<u8>> {
        Ok(fs::readlinkat(&self.fd, name, Vec::new())?.into_bytes())
    }

    fn open_file(&self, name: &[u8]) -> io::Result<volume::File> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        Ok(self.open_with(name, flags, 0)?.into())
    }

    fn open_own_file(&self, name: &[u8]) -> io::Result<volume::File> {
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOCTTY;
        Ok(self.open_with(name, flags, 0)?.into())
    }

    fn create_file(&self, name: &[u8], mode: u32) -> io::Result<volume::File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        Ok(self.open_with(name, flags, mode)?.into())
    }

    fn make_own_dir(&self, name: &[u8]) -> io::Result<()> {
        Ok(fs::mkdirat(&self.fd, name, Mode::RWXU)?)
    }

    fn close_to_others(&self) -> io::Result<()> {
        let stat = fs::fstat(&self.fd)?;
        if stat.st_uid != rustix::process::geteuid().as_raw() {
            return Err(Errno::PERM.into());
        }
        if stat.st_mode & 0o7077 != 0 {
            fs::fchmod(&self.fd, Mode::RWXU)?;
        }
        Ok(())
    }

    fn make_dir(&self, name: &[u8]) -> io::Result<()> {
        Ok(fs::mkdirat(&self.fd, name, Mode::from_bits_truncate(0o777))?)
    }

    fn make_symlink(&self, target: &[u8], name: &[u8]) -> io::Result<()> {
        Ok(fs::symlinkat(target, &self.fd, name)?)
    }

    fn remove_dir(&self, name: &[u8]) -> io::Result<()> {
        match fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR) {
            // Some systems say so of a directory that is not empty.
            Err(Errno::EXIST) => Err(Errno::NOTEMPTY.into()),
            result => Ok(result?),
        }
    }

    fn open_to_set_attributes(&self, name: &[u8]) -> io::Result<volume::File> {
        self.open_file(name)
    }

    fn unlink(&self, name: &[u8]) -> io::Result<()> {
        Ok(fs::unlinkat(&self.fd, name, AtFlags::empty())?)
    }

    fn link_from(&self, from: &volume::Dir, name: &[u8], to: &[u8]) -> io::Result<()> {
        self.link(from.of_kind()?, name, to)
    }

    fn rename_new(&self, from: &volume::Dir, name: &[u8], to: &[u8]) -> io::Result<()> {
        let from: &Self = from.of_kind()?;
        match self.rename_with(from, name, to, Rename::New) {
            Err(error) if is_unsupported(&error) => self.rename_new_by_link(from, name, to),
            result => result,
        }
    }

    fn rename_over(&self, from: &volume::Dir, name: &[u8], to: &[u8]) -> io::Result<()> {
        self.rename(from.of_kind()?, name, to)
    }

    fn exchange(&self, from: &volume::Dir, name: &[u8], to: &[u8]) -> io::Result<()> {
        self.rename_with(from.of_kind()?, name, to, Rename::Exchange)
    }

    fn flush(&self) -> io::Result<()> {
        Ok(fs::fsync(&self.fd)?)
    }

    #[cfg(target_os = "linux")]
    fn flush_file_system(&self) -> io::Result<bool> {
        // Linux reports what could not be written since 5.8.
        fs::syncfs(&self.fd)?;
        Ok(true)
    }

    #[cfg(not(target_os = "linux"))]
    fn flush_file_system(&self) -> io::Result<bool> {
        Ok(false)
    }

    fn free_bytes(&self) -> io::Result<Option<u64>> {
        let stat = fs::fstatvfs(&self.fd)?;
        Ok(Some(stat.f_bavail.saturating_mul(stat.f_frsize)))
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    #[cfg(target_os = "linux")]
    fn boot(&self) -> Option<String> {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(id.trim().to_owned())
    }

    #[cfg(not(target_os = "linux"))]
    fn boot(&self) -> Option<String> {
        None
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

/// Returns an error that [`is_unsupported`] knows.
pub(super) fn unsupported() -> io::Error {
    Errno::NOSYS.into()
}

/// Returns the error of finding a symbolic link where a file or directory was to be opened.
pub(super) fn link_in_the_way() -> io::Error {
    Errno::LOOP.into()
}

/// Reads at a place in an open file.
pub(super) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    file.read_at(bytes, offset)
}

/// Writes at a place in an open file.
pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    file.write_at(bytes, offset)
}

/// Sets the permissions of an open file.
pub(super) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    Ok(fs::fchmod(file, Mode::from_bits_truncate(mode as fs::RawMode))?)
}

/// Lets an empty file share the bytes of another until one of them is changed.
#[cfg(target_os = "linux")]
pub(super) fn share_bytes(from: &File, to: &File) -> io::Result<()> {
    Ok(fs::ioctl_ficlone(to, from)?)
}

/// Lets an empty file share the bytes of another until one of them is changed.
#[cfg(not(target_os = "linux"))]
pub(super) fn share_bytes(_: &File, _: &File) -> io::Result<()> {
    Err(unsupported())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn component_by_component_is_as_strict_as_the_kernel() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("a/b/c")).unwrap();
        std::os::unix::fs::symlink("b", dir.path().join("a/link")).unwrap();
        let root = Dir::open_root(dir.path()).unwrap();
        let names = |path: &str| sync_engine::RelPath::parse(path.as_bytes()).unwrap().0;
        let each = |path: &str| root.open_each(root.fd.as_fd(), &names(path), PASS);
        let whole = |path: &str| root.open_beneath(root.fd.as_fd(), &names(path), PASS);
        for path in ["a", "a/b/c"] {
            assert!(each(path).is_ok() && whole(path).is_ok());
        }
        for path in ["a/link", "a/link/c", "a/none", "a/none/c"] {
            let (each, whole) = (each(path).unwrap_err(), whole(path).unwrap_err());
            assert!(crate::disk::error::is_gone(&each), "{path}: {each}");
            assert!(crate::disk::error::is_gone(&whole), "{path}: {whole}");
        }
        let slash = Dir::open_root("/".as_ref()).unwrap();
        let error = slash
            .open_each(slash.fd.as_fd(), &names("proc"), PASS)
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::CrossesDevices);
    }

    #[test]
    fn looking_without_the_time_of_birth_tells_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "x").unwrap();
        let root = Dir::open_root(dir.path()).unwrap();
        let plain = root
            .stat_plain(root.fd.as_fd(), b"file", AtFlags::SYMLINK_NOFOLLOW)
            .unwrap();
        let mut print = root.stat(b"file").unwrap().print;
        print.birth_ns = 0;
        assert_eq!(plain.print, print);
    }

    #[test]
    fn a_move_without_the_systems_help_spares_a_taken_name_too() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let dir = Dir::open_root(folder.path()).unwrap();
        std::fs::write(at("a"), "a").unwrap();
        std::fs::write(at("b"), "b").unwrap();
        std::fs::create_dir(at("d")).unwrap();
        for (from, to) in [("a", "b"), ("d", "b"), ("a", "d")] {
            let error = dir
                .rename_new_by_link(&dir, from.as_bytes(), to.as_bytes())
                .unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        }
        dir.rename_new_by_link(&dir, b"a", b"c").unwrap();
        dir.rename_new_by_link(&dir, b"d", b"e").unwrap();
        let mut names = dir.names().unwrap();
        names.sort_unstable();
        assert_eq!(names, [b"b", b"c", b"e"]);
        assert_eq!(dir.stat(b"c").unwrap().print.links, 1);
    }
}
