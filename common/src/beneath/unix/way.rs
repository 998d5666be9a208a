//! The way from the root of all paths to a directory that is to be written to, one component after the other, each from
//! the descriptor of the last: so nobody can put another link there between a look and a step.

use super::{PASS, READ};
#[cfg(not(target_os = "linux"))]
use rustix::fs::AtFlags;
use rustix::fs::{self, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

/// Links that are followed on one way, as the system has it.
const LINKS_MAX: usize = 40;

/// What has a name.
enum Found {
    Nothing,
    Dir(OwnedFd),
    /// A link that may be followed.
    Link(PathBuf),
}

/// Opens the directory at a path, and makes what is missing.
pub(super) fn make(path: &Path, mode: Mode) -> io::Result<OwnedFd> {
    let root = || fs::open("/", PASS, Mode::empty());
    let mut at = root()?;
    let mut rest = names(&std::path::absolute(path)?);
    let mut n_links = 0;
    while let Some(name) = rest.pop() {
        match look(&at, &name)? {
            Found::Dir(fd) => at = fd,
            Found::Nothing => {
                make_dir(&at, &name, mode)?;
                rest.push(name);
            }
            Found::Link(_) if rest.is_empty() || n_links == LINKS_MAX => return Err(Errno::LOOP.into()),
            Found::Link(target) => {
                n_links += 1;
                if target.is_absolute() {
                    at = root()?;
                }
                rest.extend(names(&target));
            }
        }
    }
    Ok(fs::openat(&at, ".", READ, Mode::empty())?)
}

/// Returns the names of a path, the last first.
fn names(path: &Path) -> Vec<OsString> {
    let name = |part: Component<'_>| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    };
    path.components().rev().filter_map(name).collect()
}

/// Makes a directory and flushes its name, unless somebody else has just made it.
fn make_dir(at: &OwnedFd, name: &OsStr, mode: Mode) -> io::Result<()> {
    match fs::mkdirat(at, name, mode) {
        Err(Errno::EXIST) => return Ok(()),
        result => result?,
    }
    match fs::openat(at, ".", READ, Mode::empty()).and_then(fs::fsync) {
        // Whoever may write there and not read is not kept from working by that.
        Err(Errno::ACCESS) => Ok(()),
        result => Ok(result?),
    }
}

/// Looks what has a name. Whose link it is and where it points is asked of the link that was opened.
#[cfg(target_os = "linux")]
fn look(at: &OwnedFd, name: &OsStr) -> io::Result<Found> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = match fs::openat(at, name, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(Found::Nothing),
        result => result?,
    };
    let stat = fs::fstat(&fd)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Ok(Found::Dir(fd)),
        FileType::Symlink if is_trusted(&stat) => {
            Ok(Found::Link(path_of(fs::readlinkat(&fd, "", Vec::new())?)))
        }
        FileType::Symlink => Err(Errno::LOOP.into()),
        _ => Err(Errno::NOTDIR.into()),
    }
}

/// Looks what has a name. A link that changed while it was read is not believed.
#[cfg(not(target_os = "linux"))]
fn look(at: &OwnedFd, name: &OsStr) -> io::Result<Found> {
    let look = || fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW);
    let stat = match look() {
        Err(Errno::NOENT) => return Ok(Found::Nothing),
        result => result?,
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Ok(Found::Dir(fs::openat(at, name, PASS, Mode::empty())?)),
        FileType::Symlink if is_trusted(&stat) => {
            let target = path_of(fs::readlinkat(at, name, Vec::new())?);
            let again = look()?;
            let key = |stat: &fs::Stat| (stat.st_ino, stat.st_ctime, stat.st_uid);
            match key(&again) == key(&stat) {
                true => Ok(Found::Link(target)),
                false => Err(Errno::LOOP.into()),
            }
        }
        FileType::Symlink => Err(Errno::LOOP.into()),
        _ => Err(Errno::NOTDIR.into()),
    }
}

/// Tells whether what is found is this user's or the administrator's.
fn is_trusted(stat: &fs::Stat) -> bool {
    stat.st_uid == 0 || stat.st_uid == rustix::process::geteuid().as_raw()
}

fn path_of(bytes: CString) -> PathBuf {
    OsString::from_vec(bytes.into_bytes()).into()
}
