//! The system's watcher: turns its events into hints.

use std::io;
use std::path::{Path, PathBuf};

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RenameMode};
use notify::{Config, EventKind, EventKindMask, RecommendedWatcher, RecursiveMode, Watcher};
use sync_engine::{Name, RelPath};

use super::{HintSink, PathEvent, Watch, WatchTrouble};
use crate::disk::OWN_DIRS;

/// The longest path of a directory that the system watches, in bytes, where there is such a limit.
const PATH_LEN_MAX: Option<usize> = if cfg!(target_os = "linux") {
    Some(4095)
} else {
    None
};

/// See the module's page.
#[derive(Debug)]
pub struct SystemWatch {
    folder: PathBuf,
    watcher: Option<RecommendedWatcher>,
    hints: Option<HintSink>,
}

impl SystemWatch {
    /// Returns a watch on a folder, which does not watch yet.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            watcher: None,
            hints: None,
        }
    }
}

impl Watch for SystemWatch {
    fn start(&mut self, hints: HintSink) -> Result<(), WatchTrouble> {
        let folder = self.folder.clone();
        self.hints = Some(hints.clone());
        let handler = move |event: notify::Result<notify::Event>| match event {
            Ok(event) => tell(&folder, &hints, &event),
            // The walk finds that a directory is gone, cannot be read or is too deep, and says so itself. But it may be readable
            // by then.
            Err(error) if is_of_one_place(&error) => {
                let may_not_read = is_of_rights(&error);
                let dirs = error.paths.iter().filter(|_| may_not_read);
                dirs.filter_map(|dir| inside(&folder, dir))
                    .for_each(|dir| hints.unwatchable(dir));
            }
            Err(error) => hints.trouble(trouble(&error)),
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
            watcher.watch(&self.folder, RecursiveMode::Recursive)?;
            // What the client does there is many times what it does in the folder, and tells nothing. A system that cannot
            // leave it out tells it all the same.
            for dir in OWN_DIRS {
                let _ = watcher.unwatch(&self.folder.join(dir));
            }
            Ok(watcher)
        };
        self.watcher = Some(start().map_err(|error| trouble(&error))?);
        Ok(())
    }

    fn can_watch(&self, dir: &RelPath) -> bool {
        let inside: usize = dir.0.iter().map(|name| 1 + name.as_bytes().len()).sum();
        PATH_LEN_MAX.is_none_or(|max| self.folder.as_os_str().len() + inside <= max)
    }

    fn include(&mut self, dir: &RelPath) -> bool {
        let Some(watcher) = &mut self.watcher else {
            return true;
        };
        let names = dir.0.iter().map(to_os);
        let place = names.fold(self.folder.clone(), |at, name| at.join(name));
        match watcher.watch(&place, RecursiveMode::Recursive) {
            Err(error) if is_of_one_place(&error) => return !is_of_rights(&error),
            Err(error) => {
                if let Some(hints) = &self.hints {
                    hints.trouble(trouble(&error));
                }
            }
            Ok(()) => (),
        }
        true
    }

    /// Its loop answers orders between two rounds, and what it says does not matter, only that it answers.
    fn barrier(&mut self) {
        if let Some(watcher) = &mut self.watcher {
            let _ = watcher.configure(Config::default());
        }
    }
}

fn trouble(error: &notify::Error) -> WatchTrouble {
    match &error.kind {
        notify::ErrorKind::MaxFilesWatch => WatchTrouble::Limit,
        _ => WatchTrouble::Other(error.to_string()),
    }
}

fn is_of_one_place(error: &notify::Error) -> bool {
    match &error.kind {
        notify::ErrorKind::PathNotFound | notify::ErrorKind::WatchNotFound => true,
        notify::ErrorKind::Io(error) => {
            matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidFilename
            )
        }
        notify::ErrorKind::Generic(_)
        | notify::ErrorKind::InvalidConfig(_)
        | notify::ErrorKind::MaxFilesWatch => false,
    }
}

/// Tells whether this user may not do it.
fn is_of_rights(error: &notify::Error) -> bool {
    matches!(&error.kind, notify::ErrorKind::Io(error) if error.kind() == io::ErrorKind::PermissionDenied)
}

fn tell(folder: &Path, hints: &HintSink, event: &notify::Event) {
    if event.need_rescan() {
        hints.overflowed();
    }
    let path_event = match &event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => PathEvent::Closed,
        EventKind::Access(_) => return,
        EventKind::Create(CreateKind::Folder) => PathEvent::Arrived,
        EventKind::Modify(ModifyKind::Name(RenameMode::From)) | EventKind::Remove(_) => PathEvent::Left,
        EventKind::Modify(ModifyKind::Name(_)) => PathEvent::Arrived,
        EventKind::Modify(ModifyKind::Metadata(_)) => PathEvent::Attributes,
        EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Other => PathEvent::Changed,
    };
    for path in event.paths.iter().filter_map(|path| inside(folder, path)) {
        hints.tell(path, path_event);
    }
}

/// Returns what of a path that the watcher tells is inside the folder.
#[cfg(unix)]
fn inside<'a>(folder: &Path, path: &'a Path) -> Option<&'a Path> {
    use std::os::unix::ffi::OsStrExt;
    // The watcher put it together out of the folder's own and names; taking them apart one by one took a tenth of its time.
    let inside = path
        .as_os_str()
        .as_bytes()
        .strip_prefix(folder.as_os_str().as_bytes())?;
    let inside = match inside {
        [b'/', inside @ ..] => inside,
        [] => inside,
        _ => return path.strip_prefix(folder).ok(),
    };
    Some(Path::new(std::ffi::OsStr::from_bytes(inside)))
}

/// Returns what of a path that the watcher tells is inside the folder.
#[cfg(not(unix))]
fn inside<'a>(folder: &Path, path: &'a Path) -> Option<&'a Path> {
    path.strip_prefix(folder).ok()
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
