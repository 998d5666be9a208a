//! The private directory `.holdfast`, held open with its parts. Somebody may remove or replace them while the client runs.
//! `staging` and `stash` are made again then: what is in them is made anew, or is in the history. The directory itself, and
//! the files in it that are held open, are not: without them nobody knows that this is the folder that was opened, so
//! [`Root::check`] says that it is lost. What is not at its name any more is never used again.

use super::error::{DiskError, RootLost, is_gone};
use super::root::{PRIVATE, Root, random_name};
use super::sight::{FileType, Identity, Seen};
use super::volume::Dir;
use crate::fault::chain;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, TryLockError};

const STAGING: &str = "staging";
const STASH: &str = "stash";

/// The private directory and its parts, held open.
#[derive(Debug, Clone)]
pub(super) struct Private {
    pub(super) dir: Arc<Dir>,
    pub(super) staging: Arc<Dir>,
    pub(super) stash: Arc<Dir>,
    /// The mode that this process's mask leaves of 0777.
    pub(super) mode_exec: u32,
}

/// What a root knows of its private directory.
#[derive(Debug, Default)]
pub(super) struct PrivateCell {
    /// The private directory itself: opened once.
    dir: OnceLock<Arc<Dir>>,
    /// Nothing while the parts are not open, or not what they have to be.
    parts: Mutex<Option<Private>>,
    /// Held to read while an effect goes on, for the whole of which the parts stay the same.
    effects: RwLock<()>,
    /// The files that are held open in it.
    files: Mutex<BTreeMap<&'static str, Identity>>,
    /// The names of what was put into the stash and not looked at since.
    stashed: Mutex<BTreeSet<String>>,
    losses: Mutex<Losses>,
}

/// What happened to the parts.
#[derive(Debug, Default)]
struct Losses {
    /// Those that were removed or replaced, and made again, since this was asked last.
    made_again: BTreeSet<&'static str>,
    /// Why one of them cannot be made again.
    reason: Option<String>,
}

/// The right to work with the parts as they are, until it is dropped.
#[derive(Debug)]
pub struct Kept<'a> {
    _guard: RwLockReadGuard<'a, ()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Root {
    /// Makes the private directory with its parts where they are missing, readable by this user alone.
    ///
    /// # Errors
    /// When they cannot be made, or something else stands in their place, such as a symbolic link.
    pub fn create_private(&self) -> Result<(), DiskError> {
        self.private().map(drop)
    }

    /// Keeps the parts of the private directory from being exchanged while an effect goes on: it begins and ends in one
    /// stash, whatever becomes of that.
    #[must_use]
    pub fn keep_private(&self) -> Kept<'_> {
        let effects = &self.private_cell().effects;
        Kept {
            _guard: effects.read().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Looks whether the parts of the private directory are at their names. One that is not is not used any more, and made
    /// again; so is one that could not be made before. Nothing is done while an effect goes on.
    pub fn mend_private(&self) {
        let cell = self.private_cell();
        let _alone = match cell.effects.try_write() {
            Ok(alone) => alone,
            Err(TryLockError::Poisoned(alone)) => alone.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let Some(dir) = cell.dir.get() else { return };
        let held = lock(&cell.parts).clone();
        let removed: Vec<&'static str> = held.as_ref().map_or_else(Vec::new, |held| {
            let parts = [(STAGING, &held.staging), (STASH, &held.stash)];
            let removed = parts.into_iter().filter(|(name, part)| {
                // Where somebody shut the owner out, it is his to open.
                let _ = part.close_to_others();
                // What cannot be looked at now is looked at the next time.
                matches!(is_at(part, dir, name), Ok(false))
            });
            removed.map(|(name, _)| name).collect()
        });
        if !removed.is_empty() {
            *lock(&cell.parts) = None;
        } else if held.is_some() {
            return;
        }
        lock(&cell.losses).made_again.extend(removed);
        let failed = self.private().err();
        lock(&cell.losses).reason = failed.map(|error| chain(&error));
    }

    /// Takes the names of the parts that were removed or replaced while they were held open, and are made again.
    #[must_use]
    pub fn take_made_again(&self) -> BTreeSet<&'static str> {
        let mut losses = lock(&self.private_cell().losses);
        match losses.reason {
            Some(_) => BTreeSet::new(),
            None => std::mem::take(&mut losses.made_again),
        }
    }

    /// Says why there is no private directory to work with, in the present.
    #[must_use]
    pub fn private_fault(&self) -> Option<String> {
        lock(&self.private_cell().losses).reason.clone()
    }

    /// Notes that a file in the private directory is held open from now on: once it is not at its name any more, the folder
    /// counts as lost.
    ///
    /// # Errors
    /// When it is not there.
    pub fn hold_private(&self, name: &'static str) -> Result<(), DiskError> {
        let seen = self.private()?.dir.stat(name.as_bytes());
        let seen = seen.map_err(|source| DiskError::Private {
            deed: "find",
            name: name.to_owned(),
            source,
        })?;
        lock(&self.private_cell().files).insert(name, seen.print.identity());
        Ok(())
    }

    /// Checks that the private directory, and what is held open in it, are at their names.
    pub(super) fn check_private(&self) -> Result<(), RootLost> {
        let cell = self.private_cell();
        let Some(dir) = cell.dir.get() else {
            return Ok(());
        };
        let lost = |name: &str| RootLost::Private {
            name: name.to_owned(),
        };
        match is_at(dir, self.dir(), PRIVATE) {
            Ok(true) => (),
            Ok(false) => return Err(lost("")),
            Err(source) => return Err(RootLost::Unreadable { source }),
        }
        for (name, identity) in lock(&cell.files).iter() {
            match dir.stat(name.as_bytes()) {
                Ok(seen) if is_same(&seen.print.identity(), identity) => (),
                Err(source) if !is_gone(&source) => return Err(RootLost::Unreadable { source }),
                Ok(_) | Err(_) => return Err(lost(name)),
            }
        }
        Ok(())
    }

    /// Lets the owner into the private directory where somebody shut him out: it is his to open.
    pub(super) fn open_private_to_owner(&self) {
        if let Some(dir) = self.private_cell().dir.get() {
            let _ = dir.close_to_others();
        }
    }

    /// The names of what was put into the stash and not looked at since.
    pub(super) fn stashed_keys(&self) -> MutexGuard<'_, BTreeSet<String>> {
        lock(&self.private_cell().stashed)
    }

    /// Returns the private directory, whose parts are made when they are missing. The directory itself is only made until it
    /// is held open.
    pub(super) fn private(&self) -> Result<Private, DiskError> {
        let cell = self.private_cell();
        let mut parts = lock(&cell.parts);
        if let Some(private) = &*parts {
            return Ok(private.clone());
        }
        let dir = match cell.dir.get() {
            Some(dir) => dir,
            None => {
                let opened = Arc::new(open_own(self.dir(), PRIVATE, "")?);
                cell.dir.get_or_init(|| opened)
            }
        };
        let staging = open_own(dir, STAGING, STAGING)?;
        let stash = open_own(dir, STASH, STASH)?;
        let mode_exec = probe_mode(&staging).map_err(|source| DiskError::Stage {
            deed: "probe the mode of",
            source,
        })?;
        let private = Private {
            dir: Arc::clone(dir),
            staging: Arc::new(staging),
            stash: Arc::new(stash),
            mode_exec,
        };
        lock(&cell.losses).reason = None;
        Ok(parts.insert(private).clone())
    }
}

/// Tells whether a directory that is held open is at a name, and not another one, or a link.
fn is_at(held: &Dir, parent: &Dir, name: &str) -> io::Result<bool> {
    match parent.stat(name.as_bytes()) {
        Ok(seen) => Ok(seen.file_type == FileType::Dir
            && is_same(&seen.print.identity(), &held.stat_self()?.print.identity())),
        Err(error) if is_gone(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Tells whether two are one. As long as one is held open, no other has its number.
fn is_same(one: &Identity, other: &Identity) -> bool {
    (one.device, one.inode) == (other.device, other.inode)
}

/// Makes and opens a directory of the client's own. Whatever else stands there is refused, never followed.
fn open_own(parent: &Dir, name: &str, shown: &str) -> Result<Dir, DiskError> {
    let failed = |deed| {
        move |source| DiskError::Private {
            deed,
            name: shown.to_owned(),
            source,
        }
    };
    match parent.make_own_dir(name.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed("make")(error)),
        Ok(()) | Err(_) => (),
    }
    let seen: Seen = parent.stat(name.as_bytes()).map_err(failed("look at"))?;
    let foreign = || DiskError::ForeignPrivate {
        name: shown.to_owned(),
    };
    if seen.file_type != FileType::Dir || seen.elsewhere {
        return Err(foreign());
    }
    let dir = match parent.open_own(name) {
        Err(error) if is_gone(&error) => return Err(foreign()),
        result => result.map_err(failed("open"))?,
    };
    match dir.close_to_others() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(foreign()),
        result => result.map(|()| dir).map_err(failed("protect")),
    }
}

/// Learns the process's file mode mask by making a file, since asking for it would change it for a moment. Where there is
/// no room for one, nobody but the owner gets anything.
fn probe_mode(staging: &Dir) -> io::Result<u32> {
    let name = format!("probe-{}", random_name());
    let file = match staging.create_file(name.as_bytes(), 0o777) {
        Err(error) if error.kind() == io::ErrorKind::StorageFull => return Ok(0o700),
        result => result?,
    };
    let seen = staging.stat_file(&file);
    match staging.unlink(name.as_bytes()) {
        // A client that starts at this moment, and was faster to the lock, has tidied it up.
        Err(error) if error.kind() == io::ErrorKind::NotFound => (),
        result => result?,
    }
    Ok(seen?.print.mode & 0o777)
}
