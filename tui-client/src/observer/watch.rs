//! The system's watcher: turns its events into hints. It loses some by its nature (what is made in a new directory
//! before it is watched; all of an overflow), so a new directory is walked and an overflow means a full walk.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{Config, EventKind, EventKindMask, RecommendedWatcher, RecursiveMode, Watcher};
use sync_engine::{Name, NameError, RelPath};

use super::queue::Queue;
use super::settle::Urgency;

/// What the names of the files begin with that prove that the watcher has caught up.
const COOKIE_PREFIX: &str = "cookie-";

/// The watch on a folder; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    watcher: RecommendedWatcher,
    folder: PathBuf,
}

/// Says why a folder cannot be watched, or no longer wholly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WatchTrouble {
    /// The system watches no more directories for this user.
    Limit,
    /// It reports nothing, as on some network disks.
    Deaf,
    /// Something else, in the system's words.
    Other(String),
}

impl WatchTrouble {
    fn of(error: &notify::Error) -> Self {
        match &error.kind {
            notify::ErrorKind::MaxFilesWatch => Self::Limit,
            _ => Self::Other(error.to_string()),
        }
    }

    /// Tells whether the watch's silence proves nothing from now on.
    pub(super) fn is_lasting(&self) -> bool {
        match self {
            Self::Limit | Self::Deaf => true,
            Self::Other(_) => false,
        }
    }
}

impl Watch {
    /// Begins to watch everything inside a folder. `trouble` is told what goes wrong from then on.
    pub(super) fn start(
        root: &Path,
        queue: Arc<Queue>,
        trouble: impl Fn(WatchTrouble) + Send + 'static,
    ) -> Result<Self, WatchTrouble> {
        let folder: PathBuf = root.to_owned();
        let handler = move |event: notify::Result<notify::Event>| match event {
            Ok(event) => hint(&folder, &queue, &event),
            // The walk finds that a directory is gone or cannot be read, and says so itself.
            Err(error) if is_of_one_place(&error) => (),
            Err(error) => {
                queue.rescan(None);
                trouble(WatchTrouble::of(&error));
            }
        };
        let kinds = EventKindMask::CREATE
            | EventKindMask::REMOVE
            | EventKindMask::MODIFY_DATA
            | EventKindMask::MODIFY_META
            | EventKindMask::MODIFY_NAME
            | EventKindMask::ACCESS_CLOSE;
        let config = Config::default()
            .with_follow_symlinks(false)
            .with_event_kinds(kinds);
        let start = || -> notify::Result<RecommendedWatcher> {
            let mut watcher = RecommendedWatcher::new(handler, config)?;
            watcher.watch(root, RecursiveMode::Recursive)?;
            Ok(watcher)
        };
        match start() {
            Ok(watcher) => {
                let folder = root.to_owned();
                Ok(Self { watcher, folder })
            }
            Err(error) => Err(WatchTrouble::of(&error)),
        }
    }

    /// Watches a directory that could not be watched when it was first seen.
    pub(super) fn include(&mut self, dir: &RelPath) {
        let names = dir.0.iter().map(to_os);
        // If it cannot be watched now either, it cannot be listed either, and stays blocked.
        let _ = self.watcher.watch(
            &names.fold(self.folder.clone(), |at, name| at.join(name)),
            RecursiveMode::Recursive,
        );
    }

    /// Returns when the watcher has dealt with all events that it has reported so far: the directories that they tell
    /// of are watched then, so that a walk that begins now misses nothing. Its loop answers orders between two rounds.
    pub(super) fn barrier(&mut self) {
        // What it says to the order does not matter, only that it answers.
        let _ = self.watcher.configure(Config::default());
    }
}

/// Returns the name of a token's file.
pub(super) fn cookie_name(token: u64) -> String {
    format!("{COOKIE_PREFIX}{token}")
}

fn is_of_one_place(error: &notify::Error) -> bool {
    match &error.kind {
        notify::ErrorKind::PathNotFound | notify::ErrorKind::WatchNotFound => true,
        notify::ErrorKind::Io(error) => {
            matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
            )
        }
        notify::ErrorKind::Generic(_)
        | notify::ErrorKind::InvalidConfig(_)
        | notify::ErrorKind::MaxFilesWatch => false,
    }
}

fn hint(folder: &Path, queue: &Queue, event: &notify::Event) {
    if event.need_rescan() {
        queue.rescan(None);
    }
    let urgency = match &event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Urgency::Now,
        EventKind::Access(_) => return,
        EventKind::Create(notify::event::CreateKind::Folder) => Urgency::Fresh,
        EventKind::Modify(ModifyKind::Name(RenameMode::From)) | EventKind::Remove(_) => {
            return late(folder, queue, event);
        }
        EventKind::Modify(ModifyKind::Name(_)) => Urgency::Fresh,
        EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Other => Urgency::Quiet,
    };
    for path in &event.paths {
        match place(folder, path) {
            Place::Inside(path) if !is_left_out(queue, &path) => queue.hint(path, urgency, None),
            Place::Cookie(token) => {
                queue.cookie_seen(token);
            }
            Place::Inside(_) | Place::Nowhere => (),
        }
    }
}

/// What was at these paths is to be found at its new place first.
fn late(folder: &Path, queue: &Queue, event: &notify::Event) {
    let paths = event.paths.iter().filter_map(|path| match place(folder, path) {
        Place::Inside(path) if !is_left_out(queue, &path) => Some(path),
        Place::Inside(_) | Place::Cookie(_) | Place::Nowhere => None,
    });
    queue.look_late(paths.collect::<Vec<_>>(), None);
}

fn is_left_out(queue: &Queue, path: &RelPath) -> bool {
    queue.rules().ignores_above(path)
}

#[cfg(unix)]
fn to_os(name: &Name) -> &std::ffi::OsStr {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(name.as_bytes())
}

#[cfg(not(unix))]
fn to_os(name: &Name) -> &std::ffi::OsStr {
    std::ffi::OsStr::new(name.as_str().unwrap_or_default())
}

enum Place {
    /// A place in the folder, or the root itself.
    Inside(RelPath),
    /// The file of a token.
    Cookie(u64),
    /// Not in the folder, or the client's own.
    Nowhere,
}

fn place(folder: &Path, path: &Path) -> Place {
    let Ok(inside) = path.strip_prefix(folder) else {
        return Place::Nowhere;
    };
    let mut names = Vec::new();
    for part in inside.components() {
        match Name::new(part.as_os_str().as_encoded_bytes()) {
            Ok(name) => names.push(name),
            Err(NameError::Reserved) if names.is_empty() => return cookie(inside),
            // It cannot be a node; the next walk lists it among the oddities.
            Err(_) => return Place::Nowhere,
        }
    }
    Place::Inside(RelPath(names))
}

fn cookie(inside: &Path) -> Place {
    let name = inside
        .components()
        .nth(1)
        .and_then(|part| part.as_os_str().to_str());
    let token = name.and_then(|name| name.strip_prefix(COOKIE_PREFIX)?.parse().ok());
    token.map_or(Place::Nowhere, Place::Cookie)
}
