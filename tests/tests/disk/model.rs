//! The simulated disk is like the real one: random calls on both give the same results and leave the same tree. A path
//! over a symbolic link is followed by one and not by the other, so the links here lead nowhere.

use super::*;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, Timespec, Timestamps};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use tests::noise::Noise;
use tests::sim::disk::Shown;

const PATHS: [&str; 12] = [
    "a", "b", "c", "a/a", "a/b", "b/a", "b/c", "a/a/a", "a/b/c", "b/a/b", "c/c", "a/a/a/a",
];
const N_CALLS: usize = 400;
/// A time that is set, and kept until the next change, in seconds since 1970.
const SET_S: i64 = 1_000_000_000;

/// A call with one or two of the paths.
#[derive(Debug, Clone, Copy)]
enum Call {
    Write,
    Append,
    Open,
    WriteOpen,
    Read,
    Mkdir,
    Rmdir,
    Unlink,
    Symlink,
    ReadLink,
    Link,
    Rename,
    RenameNew,
    Exchange,
    Chmod,
    SetTime,
}

const CALLS: [Call; 16] = [
    Call::Write,
    Call::Append,
    Call::Open,
    Call::WriteOpen,
    Call::Read,
    Call::Mkdir,
    Call::Rmdir,
    Call::Unlink,
    Call::Symlink,
    Call::ReadLink,
    Call::Link,
    Call::Rename,
    Call::RenameNew,
    Call::Exchange,
    Call::Chmod,
    Call::SetTime,
];

/// Both disks, with a file that may be open on both.
struct Both {
    dir: TempDir,
    disk: SimDisk,
    open: Option<(fs::File, Opened)>,
}

/// What a call gives, as far as the two can be compared.
type Outcome = Result<Vec<u8>, String>;

fn outcome(result: io::Result<Vec<u8>>) -> Outcome {
    result.map_err(|error| match error.kind() {
        // A link on the way is the one or the other.
        io::ErrorKind::NotADirectory | io::ErrorKind::NotFound => "not there".to_owned(),
        kind => format!("{kind:?}"),
    })
}

fn open_real(path: &Path, truncate: bool, append: bool) -> io::Result<fs::File> {
    let mut flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    flags.set(OFlags::TRUNC, truncate);
    flags.set(OFlags::APPEND, append);
    let mode = Mode::from_bits_truncate(0o666);
    Ok(fs::File::from(rustix::fs::openat(CWD, path, flags, mode)?))
}

fn none(result: io::Result<()>) -> io::Result<Vec<u8>> {
    result.map(|()| Vec::new())
}

impl Both {
    fn new(seed: u64) -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            disk: SimDisk::new(Options::new(seed), SimClock::standing()),
            open: None,
        }
    }

    fn real(&mut self, call: Call, path: &str, other: &str, text: &str) -> io::Result<Vec<u8>> {
        let (at, to) = (self.dir.path().join(path), self.dir.path().join(other));
        let rename = |flags| Ok(rustix::fs::renameat_with(CWD, &at, CWD, &to, flags)?);
        none(match call {
            Call::Write => open_real(&at, true, false)?.write_all(text.as_bytes()),
            Call::Append => open_real(&at, false, true)?.write_all(text.as_bytes()),
            Call::Open | Call::WriteOpen => unreachable!("both are called together"),
            Call::Read => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW;
                let mut bytes = Vec::new();
                fs::File::from(rustix::fs::openat(CWD, &at, flags, Mode::empty())?)
                    .read_to_end(&mut bytes)?;
                return Ok(bytes);
            }
            Call::Mkdir => fs::create_dir(&at),
            Call::Rmdir => fs::remove_dir(&at),
            Call::Unlink => Ok(rustix::fs::unlinkat(CWD, &at, AtFlags::empty())?),
            Call::Symlink => symlink("nowhere", &at),
            Call::ReadLink => return Ok(rustix::fs::readlinkat(CWD, &at, Vec::new())?.into_bytes()),
            Call::Link => fs::hard_link(&at, &to),
            Call::Rename => fs::rename(&at, &to),
            Call::RenameNew => rename(RenameFlags::NOREPLACE),
            Call::Exchange => rename(RenameFlags::EXCHANGE),
            Call::Chmod => match at.is_symlink() {
                true => Ok(()),
                false => fs::set_permissions(&at, PermissionsExt::from_mode(0o741)),
            },
            Call::SetTime => {
                let time = Timespec {
                    tv_sec: SET_S,
                    tv_nsec: 0,
                };
                let times = Timestamps {
                    last_access: time,
                    last_modification: time,
                };
                Ok(rustix::fs::utimensat(
                    CWD,
                    &at,
                    &times,
                    AtFlags::SYMLINK_NOFOLLOW,
                )?)
            }
        })
    }

    fn simulated(&mut self, call: Call, path: &str, other: &str, text: &str) -> io::Result<Vec<u8>> {
        let disk = &self.disk;
        none(match call {
            Call::Write => disk.write(path, text),
            Call::Append => {
                let mut file = disk.open(path)?;
                file.seek(SeekFrom::End(0))?;
                file.write_all(text.as_bytes())
            }
            Call::Open | Call::WriteOpen => unreachable!("both are called together"),
            Call::Read => return disk.read(path),
            Call::Mkdir => disk.mkdir(path),
            Call::Rmdir => disk.rmdir(path),
            Call::Unlink => disk.unlink(path),
            Call::Symlink => disk.symlink("nowhere", path),
            Call::ReadLink => return disk.read_link(path),
            Call::Link => disk.link(path, other),
            Call::Rename => disk.rename(path, other),
            Call::RenameNew => disk.rename_new(path, other),
            Call::Exchange => disk.exchange(path, other),
            Call::Chmod => match disk.read_link(path) {
                Ok(_) => Ok(()),
                Err(_) => disk.chmod(path, 0o741),
            },
            Call::SetTime => disk.set_mtime(path, SET_S * 1_000_000_000),
        })
    }

    /// Opens a file on both, or writes to the open one, whatever has become of its name.
    fn with_open(&mut self, call: Call, path: &str, text: &str) -> (Outcome, Outcome) {
        if let Call::Open = call {
            let real = open_real(&self.dir.path().join(path), false, false);
            let simulated = self.disk.open(path);
            return match (real, simulated) {
                (Ok(real), Ok(simulated)) => {
                    self.open = Some((real, simulated));
                    (Ok(Vec::new()), Ok(Vec::new()))
                }
                (real, simulated) => (outcome(none(real.map(drop))), outcome(none(simulated.map(drop)))),
            };
        }
        let Some((real, simulated)) = &mut self.open else {
            return (Ok(Vec::new()), Ok(Vec::new()));
        };
        let real = real.write_all(text.as_bytes());
        (
            outcome(none(real)),
            outcome(none(simulated.write_all(text.as_bytes()))),
        )
    }

    /// What is on the real disk: kind, permissions, links, whether the time is the one that was set, and bytes.
    fn tree(&self) -> BTreeMap<String, String> {
        fn below(top: &Path, dir: &Path, into: &mut BTreeMap<String, String>) {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                let metadata = fs::symlink_metadata(&path).unwrap();
                let mode = metadata.mode() & 0o700;
                let shown = if metadata.is_symlink() {
                    format!("link {}", fs::read_link(&path).unwrap().display())
                } else if metadata.is_dir() {
                    below(top, &path, into);
                    format!("dir {mode:o}")
                } else {
                    let is_set = metadata.mtime() == SET_S;
                    let text = String::from_utf8(fs::read(&path).unwrap()).unwrap();
                    format!("file {mode:o} {} {is_set} {text}", metadata.nlink())
                };
                let name = path.strip_prefix(top).unwrap().to_str().unwrap().to_owned();
                into.insert(name, shown);
            }
        }
        let mut tree = BTreeMap::new();
        below(self.dir.path(), self.dir.path(), &mut tree);
        tree
    }

    fn simulated_tree(&self) -> BTreeMap<String, String> {
        let shown = |shown| match shown {
            Shown::File {
                bytes,
                mode,
                mtime_ns,
                links,
            } => {
                let is_set = mtime_ns == SET_S * 1_000_000_000;
                let text = String::from_utf8(bytes.to_vec()).unwrap();
                format!("file {:o} {links} {is_set} {text}", mode & 0o700)
            }
            Shown::Dir { mode } => format!("dir {:o}", mode & 0o700),
            Shown::Symlink(target) => format!("link {}", String::from_utf8(target).unwrap()),
            Shown::Pipe => "pipe".to_owned(),
        };
        let tree = self.disk.tree("").unwrap().into_iter();
        tree.map(|(path, found)| (String::from_utf8(path).unwrap(), shown(found)))
            .collect()
    }
}

#[test]
fn the_simulated_disk_does_what_a_real_one_does() {
    for seed in 0..30 {
        let mut both = Both::new(seed);
        let mut noise = Noise::new(seed);
        let mut pick = |len: usize| (noise.number() % len as u64) as usize;
        let mut told = Vec::new();
        for number in 0..N_CALLS {
            let call = CALLS[pick(CALLS.len())];
            let there: Vec<String> = both.simulated_tree().into_keys().collect();
            let mut path = || match there.get(pick(2 * there.len() + 1)) {
                Some(path) => path.clone(),
                None => PATHS[pick(PATHS.len())].to_owned(),
            };
            let (path, other) = (&path(), &path());
            let text = format!("{number} ");
            let (real, simulated) = match call {
                Call::Open | Call::WriteOpen => both.with_open(call, path, &text),
                call => (
                    outcome(both.real(call, path, other, &text)),
                    outcome(both.simulated(call, path, other, &text)),
                ),
            };
            told.push(format!("{call:?} {path} {other}: {real:?}"));
            let before = &told[told.len().saturating_sub(12)..];
            assert_eq!(simulated, real, "seed {seed}, after {before:#?}");
            assert_eq!(
                both.simulated_tree(),
                both.tree(),
                "seed {seed}, after {before:#?}"
            );
        }
    }
}
