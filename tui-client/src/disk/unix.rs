//! A directory of the folder held open, on Unix: what the client does in it, relative to its descriptor.

use super::sight::{FileType, Seen};
use super::volume::{self, Directory};
use common::beneath;
use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::SystemTime;
use sync_engine::Name;

mod stat;
mod writers;

/// A directory held open.
#[derive(Debug)]
pub(super) struct Dir(beneath::Dir);

impl Dir {
    /// Opens the root. The path is the user's own and may lead over links.
    pub(super) fn open_root(path: &Path) -> io::Result<Self> {
        beneath::Dir::open_root(path).map(Self)
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    fn open_with(&self, name: &[u8], flags: OFlags) -> io::Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        Ok(File::from(fs::openat(self.fd(), name, flags, Mode::empty())?))
    }

    fn link(&self, from: &Self, name: &[u8], to: &[u8]) -> io::Result<()> {
        Ok(fs::linkat(from.fd(), name, self.fd(), to, AtFlags::empty())?)
    }

    fn rename(&self, from: &Self, name: &[u8], to: &[u8]) -> io::Result<()> {
        Ok(fs::renameat(from.fd(), name, self.fd(), to)?)
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
        Ok(fs::renameat_with(from.fd(), name, self.fd(), to, flags)?)
    }

    #[cfg(not(any(target_os = "linux", target_os = "macos")))]
    fn rename_with(&self, _: &Self, _: &[u8], _: &[u8], _: Rename) -> io::Result<()> {
        Err(Errno::NOSYS.into())
    }
}

impl Directory for Dir {
    fn is_at(&self, path: &Path) -> io::Result<bool> {
        let there = fs::stat(path)?;
        let here = fs::fstat(self.fd())?;
        Ok((there.st_dev, there.st_ino) == (here.st_dev, here.st_ino))
    }

    fn is_removed(&self) -> io::Result<bool> {
        Ok(fs::fstat(self.fd())?.st_nlink == 0)
    }

    fn descend(&self, names: &[Name]) -> io::Result<volume::Dir> {
        Ok(Self(self.0.descend(names)?).into())
    }

    fn descend_to_read(&self, names: &[Name]) -> io::Result<volume::Dir> {
        Ok(Self(self.0.descend_to_read(names)?).into())
    }

    fn open_own(&self, name: &str) -> io::Result<volume::Dir> {
        Ok(Self(self.0.enter(name)?).into())
    }

    fn names(&self) -> io::Result<Vec<Vec<u8>>> {
        self.0.names()
    }

    fn names_of_dirs(&self) -> io::Result<Vec<Vec<u8>>> {
        self.0.names_of_dirs()
    }

    fn stat(&self, name: &[u8]) -> io::Result<Seen> {
        self.stat_with(self.fd(), name, AtFlags::SYMLINK_NOFOLLOW)
    }

    fn stat_file(&self, file: &volume::File) -> io::Result<Seen> {
        self.stat_with(file.platform()?.as_fd(), b"", AtFlags::EMPTY_PATH)
    }

    fn stat_self(&self) -> io::Result<Seen> {
        self.stat_with(self.fd(), b"", AtFlags::EMPTY_PATH)
    }

    fn read_link(&self, name: &[u8]) -> io::Result<Vec<u8>> {
        Ok(fs::readlinkat(self.fd(), name, Vec::new())?.into_bytes())
    }

    fn open_file(&self, name: &[u8]) -> io::Result<volume::File> {
        Ok(self.open_with(name, OFlags::RDONLY)?.into())
    }

    fn open_own_file(&self, name: &[u8]) -> io::Result<volume::File> {
        Ok(self.open_with(name, OFlags::RDWR)?.into())
    }

    fn create_file(&self, name: &[u8], mode: u32) -> io::Result<volume::File> {
        Ok(self.0.create_file(name, mode)?.into())
    }

    fn make_own_dir(&self, name: &[u8]) -> io::Result<()> {
        self.0.make_dir(name, 0o700)
    }

    fn close_to_others(&self) -> io::Result<()> {
        self.0.close_to_others()
    }

    fn make_dir(&self, name: &[u8], mode: u32) -> io::Result<()> {
        self.0.make_dir(name, mode)
    }

    fn make_symlink(&self, target: &[u8], name: &[u8]) -> io::Result<()> {
        self.0.make_symlink(target, name)
    }

    fn remove_dir(&self, name: &[u8]) -> io::Result<()> {
        match fs::unlinkat(self.fd(), name, AtFlags::REMOVEDIR) {
            // Some systems say so of a directory that is not empty.
            Err(Errno::EXIST) => Err(Errno::NOTEMPTY.into()),
            result => Ok(result?),
        }
    }

    fn open_to_set_attributes(&self, name: &[u8]) -> io::Result<volume::File> {
        self.open_file(name)
    }

    fn unlink(&self, name: &[u8]) -> io::Result<()> {
        Ok(fs::unlinkat(self.fd(), name, AtFlags::empty())?)
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
        self.0.flush()
    }

    #[cfg(target_os = "linux")]
    fn flush_file_system(&self) -> io::Result<bool> {
        // Linux reports what could not be written since 5.8.
        fs::syncfs(self.fd())?;
        Ok(true)
    }

    #[cfg(not(target_os = "linux"))]
    fn flush_file_system(&self) -> io::Result<bool> {
        Ok(false)
    }

    fn written(&self, folder: &Path) -> Vec<Vec<u8>> {
        writers::written(folder)
    }

    fn mounts(&self, folder: &Path) -> Vec<Vec<u8>> {
        writers::mounts(folder)
    }

    fn free_bytes(&self) -> io::Result<Option<u64>> {
        let stat = fs::fstatvfs(self.fd())?;
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

/// Copies a file to an empty one, but for its holes.
#[cfg(target_os = "linux")]
pub(super) fn copy_data(from: &mut File, to: &mut File) -> io::Result<()> {
    let len_bytes = from.metadata()?.len();
    let mut at = 0;
    while at < len_bytes {
        at = match fs::seek(&*from, fs::SeekFrom::Data(at)) {
            // There is nothing but a hole up to the end.
            Err(Errno::NXIO) => break,
            result => result?,
        };
        let end = fs::seek(&*from, fs::SeekFrom::Hole(at))?;
        from.seek(SeekFrom::Start(at))?;
        to.seek(SeekFrom::Start(at))?;
        io::copy(&mut (&*from).take(end - at), to)?;
        at = end;
    }
    to.set_len(len_bytes)
}

/// Copies a file to an empty one.
#[cfg(not(target_os = "linux"))]
pub(super) fn copy_data(from: &mut File, to: &mut File) -> io::Result<()> {
    io::copy(from, to).map(drop)
}

/// Takes over another file's access list and extended attributes. Fails when there is an access list that cannot be kept;
/// what else the system refuses is left.
#[cfg(target_os = "linux")]
pub(super) fn copy_attributes(from: &File, to: &File) -> io::Result<()> {
    /// More attributes, or a longer one, the system does not keep, in bytes.
    const LEN_MAX: usize = 64 * 1024;
    const ACCESS_LIST: &[u8] = b"system.posix_acl_access";
    let len = match fs::flistxattr_query(from) {
        // Most have none, and some disks know none.
        Ok(0) | Err(Errno::OPNOTSUPP) => return Ok(()),
        result => result?,
    };
    let mut names = vec![0; len.min(LEN_MAX)];
    let len = fs::flistxattr(from, &mut names)?;
    let mut value = vec![0; LEN_MAX];
    for name in names[..len]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        let set = fs::fgetxattr(from, name, &mut value)
            .and_then(|len| fs::fsetxattr(to, name, &value[..len], fs::XattrFlags::empty()));
        match set {
            Err(error) if name == ACCESS_LIST => return Err(error.into()),
            Ok(()) | Err(_) => (),
        }
    }
    Ok(())
}

/// Takes over another file's access list and extended attributes: nothing that this system lets be done.
#[cfg(not(target_os = "linux"))]
pub(super) fn copy_attributes(_: &File, _: &File) -> io::Result<()> {
    Ok(())
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

/// Tells whether an error means that no more files can be open.
pub(super) fn is_short_of_files(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// Tells whether an error means that someone else holds the file for the moment.
pub(super) fn is_busy(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::BUSY | Errno::TXTBSY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_without_the_time_of_birth_tells_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "x").unwrap();
        let root = Dir::open_root(dir.path()).unwrap();
        let plain = root
            .stat_plain(root.fd(), b"file", AtFlags::SYMLINK_NOFOLLOW)
            .unwrap();
        let mut print = root.stat(b"file").unwrap().print;
        print.birth_ns = 0;
        assert_eq!(plain.print, print);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn extended_attributes_are_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| File::create(folder.path().join(name)).unwrap());
        copy_attributes(&from, &to).unwrap();
        let flags = fs::XattrFlags::empty();
        if fs::fsetxattr(&from, "user.one", b"1", flags).is_err() {
            eprintln!("passed over: this disk keeps no extended attributes");
            return;
        }
        fs::fsetxattr(&from, "user.two", b"22", flags).unwrap();
        copy_attributes(&from, &to).unwrap();
        let mut value = [0; 8];
        for (name, expected) in [("user.one", &b"1"[..]), ("user.two", b"22")] {
            let len = fs::fgetxattr(&to, name, &mut value).unwrap();
            assert_eq!(&value[..len], expected);
        }
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
