//! The source of hints, behind a narrow trait: [the system's watcher](SystemWatch), or a simulated disk's. Any watcher
//! loses some by its nature (what is made in a new directory before it is watched; all of an overflow), so a new
//! directory is walked and an overflow means a full walk.

mod system;

use std::path::{Path, is_separator};
use std::sync::Arc;
use std::time::Duration;

use common::apart::PRIVATE;
use sync_engine::{Name, NameError, RelPath};

pub use system::SystemWatch;

use super::doubt::Doubt;
use super::queue::Queue;
use super::settle::Urgency;
use crate::notice::Trouble;

/// The time between two looks at what the system does not watch.
pub(super) const POLL_INTERVAL: Duration = Duration::from_secs(10);
/// What Vim calls the file that it makes and removes at once, to find out whether it can.
const PROBE_NAME: &[u8] = b"4913";
/// A file of that name is looked at when it has stayed for so long.
const PROBE_PATIENCE: Duration = Duration::from_secs(1);
/// What the names of the files begin with that prove that the watcher has caught up.
const COOKIE_PREFIX: &str = "cookie-";

/// A watch on a folder; it ends when this is dropped.
pub trait Watch: Send {
    /// Begins to watch everything inside the folder, or begins anew. `hints` is told what happens there from now on,
    /// in `.holdfast/` too.
    ///
    /// # Errors
    /// When the folder cannot be watched, or not wholly.
    fn start(&mut self, hints: HintSink) -> Result<(), WatchTrouble>;

    /// Tells whether the system can watch a directory at all. What happens in one that it cannot is found by looking.
    fn can_watch(&self, dir: &RelPath) -> bool {
        let _ = dir;
        true
    }

    /// Watches a directory that could not be watched when it was first seen. Returns whether it is watched now.
    fn include(&mut self, dir: &RelPath) -> bool;

    /// Returns when the watch has dealt with all that it has told so far: the directories that this speaks of are
    /// watched then, so that a walk that begins now misses nothing.
    fn barrier(&mut self);
}

/// A watch of which nothing is ever heard.
#[cfg(test)]
pub(super) struct NoWatch;

#[cfg(test)]
impl Watch for NoWatch {
    fn start(&mut self, _: HintSink) -> Result<(), WatchTrouble> {
        Ok(())
    }

    fn include(&mut self, _: &RelPath) -> bool {
        true
    }

    fn barrier(&mut self) {}
}

/// What a watch reports of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathEvent {
    /// Somebody who wrote to the file has closed it.
    Closed,
    /// A directory was made, or something came to be here by a rename.
    Arrived,
    /// What was here was removed, or has another name now.
    Left,
    /// Something else about it has changed, or is new; whoever did that may go on.
    Changed,
    /// Its attributes have changed, or how many names it has; that is no write.
    Attributes,
}

/// Says why a folder cannot be watched, or no longer wholly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchTrouble {
    /// The system watches no more directories for this user.
    Limit,
    /// It reports nothing, as on some network disks.
    Deaf,
    /// It watches no directory whose path is so long.
    TooDeep,
    /// Something else, in the system's words.
    Other(String),
}

impl WatchTrouble {
    /// Tells whether the watch's silence proves nothing from now on.
    pub(super) fn is_lasting(&self) -> bool {
        match self {
            // Whatever it is, something may not be watched now. To begin anew is tried again and again.
            Self::Limit | Self::Deaf | Self::Other(_) => true,
            // Those directories are known, and are looked at.
            Self::TooDeep => false,
        }
    }

    /// Says it to a person.
    pub(super) fn told(&self) -> Trouble {
        let seconds = POLL_INTERVAL.as_secs();
        let whole = format!("the whole folder is looked at every {seconds} seconds instead");
        let (what, done, todo) = match self {
            Self::Limit => (
                "the system cannot watch all directories of the folder".to_owned(),
                whole,
                "raise fs.inotify.max_user_watches (and max_user_instances)",
            ),
            Self::Deaf => (
                "the system does not report changes in the folder".to_owned(),
                whole,
                "keep the folder on a local disk for changes to be seen at once",
            ),
            Self::TooDeep => (
                "the system cannot watch directories whose path is so long".to_owned(),
                format!("they are looked at every {seconds} seconds instead"),
                "move what is in them further up for changes to be seen at once",
            ),
            Self::Other(reason) => (
                format!("watching the folder failed: {reason}"),
                whole,
                "nothing has to be done if this does not happen again",
            ),
        };
        Trouble {
            what,
            done,
            todo: todo.to_owned(),
        }
    }
}

/// Where a watch brings its hints. It never waits.
#[derive(Debug, Clone)]
pub struct HintSink(Arc<Queue>);

impl HintSink {
    pub(super) fn new(queue: Arc<Queue>) -> Self {
        Self(queue)
    }

    /// Says what happened at a path, which begins at the folder.
    pub fn tell(&self, path: &Path, event: PathEvent) {
        // What comes here by a rename may be of the driver's own making, which also closes it then; so may attributes. To
        // write to what is here already is not its way.
        let (urgency, doubt) = match event {
            PathEvent::Closed => (Urgency::Now, Doubt::None),
            PathEvent::Arrived => (Urgency::Fresh, Doubt::None),
            PathEvent::Changed => (Urgency::Quiet, Doubt::IfYoung),
            PathEvent::Attributes => (Urgency::Quiet, Doubt::None),
            PathEvent::Left => {
                // It is to be found at its new place first.
                match self.place(path) {
                    Place::Inside(path) => self.0.look_late([path], None),
                    Place::Odd(dir) => self.0.hint(dir, Urgency::Fresh, None),
                    Place::Cookie(_) | Place::Nowhere => (),
                }
                return;
            }
        };
        match self.place(path) {
            Place::Odd(dir) => self.0.hint(dir, Urgency::Fresh, None),
            Place::Inside(path) if path.0.last().is_some_and(|name| name.as_bytes() == PROBE_NAME) => {
                self.0
                    .hint_in_doubt(path, Urgency::After(PROBE_PATIENCE), doubt, None);
            }
            Place::Inside(path) => self.0.hint_in_doubt(path, urgency, doubt, None),
            Place::Cookie(token) => {
                if self.0.cookie_seen(token) {
                    self.0.degraded().heard();
                }
            }
            Place::Nowhere => (),
        }
    }

    /// Says that events were lost: anything may have happened anywhere, and there may be directories that are not watched.
    pub fn overflowed(&self) {
        self.0.overflowed();
    }

    /// Says that this user may not read a directory, so that it cannot be watched.
    pub fn unwatchable(&self, dir: &Path) {
        if let Place::Inside(dir) = self.place(dir) {
            self.0.unwatchable(dir);
        }
    }

    /// Says that something went wrong with the watch.
    pub fn trouble(&self, trouble: WatchTrouble) {
        self.0.missed();
        self.0.trouble(trouble);
    }

    fn place(&self, path: &Path) -> Place {
        match place(path) {
            Place::Inside(path) | Place::Odd(path) if self.0.rules().ignores_above(&path) => Place::Nowhere,
            place => place,
        }
    }
}

/// Returns the name of a token's file.
pub(super) fn cookie_name(token: u64) -> String {
    format!("{COOKIE_PREFIX}{token}")
}

enum Place {
    /// A place in the folder, or the root itself.
    Inside(RelPath),
    /// A place with a name that no node can have, in this directory.
    Odd(RelPath),
    /// The file of a token.
    Cookie(u64),
    /// Not in the folder, left out, or the client's own.
    Nowhere,
}

fn place(path: &Path) -> Place {
    let mut names = Vec::new();
    // Of a path that the system's watcher tells there is nothing else to be made sense of.
    let parts = path
        .as_os_str()
        .as_encoded_bytes()
        .split(|byte| is_separator(char::from(*byte)));
    let mut parts = parts.filter(|part| !part.is_empty());
    while let Some(part) = parts.next() {
        match Name::new(part) {
            Ok(name) => names.push(name),
            Err(NameError::Reserved) if names.is_empty() && part == PRIVATE.as_bytes() => {
                return cookie(path);
            }
            // It is listed with what is odd in its directory; what is inside it is nobody's.
            Err(_) if parts.next().is_none() => return Place::Odd(RelPath(names)),
            Err(_) => return Place::Nowhere,
        }
    }
    Place::Inside(RelPath(names))
}

fn cookie(path: &Path) -> Place {
    let name = path
        .components()
        .nth(1)
        .and_then(|part| part.as_os_str().to_str());
    let token = name.and_then(|name| name.strip_prefix(COOKIE_PREFIX)?.parse().ok());
    token.map_or(Place::Nowhere, Place::Cookie)
}
