//! What a watcher of a folder is told. Whoever changes something, everybody who watches is told of it, by a bounded
//! queue that may lose, repeat, hold back or overflow.

use super::SimDisk;
use super::node::{Id, TOP};
use super::state::State;
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;
use tokio::sync::Notify;

/// What happened to a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Happened {
    /// It was made, by whatever call.
    Created {
        /// It is a directory's.
        is_dir: bool,
    },
    /// The file's bytes were changed.
    Modified,
    /// The file was closed by one who could write.
    Closed,
    /// Mode or times were set.
    Attributes,
    /// It was moved away.
    MovedFrom {
        /// It is a directory's.
        is_dir: bool,
        /// Is the same where it was moved to.
        cookie: u64,
    },
    /// It was moved here.
    MovedTo {
        /// It is a directory's.
        is_dir: bool,
        /// Is the same where it was moved from.
        cookie: u64,
    },
    /// It was removed.
    Removed {
        /// It was a directory's.
        is_dir: bool,
    },
    /// Something that is not told happened somewhere. The path is empty.
    Overflow,
    /// A new directory is not watched, since no more may be. The path is empty.
    Limit,
    /// The watched folder itself was moved or removed. The path is empty.
    RootGone,
}

impl Happened {
    /// Tells whether a directory came to be at the path.
    fn brings_dir(self) -> bool {
        matches!(
            self,
            Self::Created { is_dir: true } | Self::MovedTo { is_dir: true, .. }
        )
    }
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimEvent {
    /// Where, from the watched folder on, with `/` between the names.
    pub path: Vec<u8>,
    /// What.
    pub happened: Happened,
}

/// How well a watcher is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchOptions {
    /// So many events wait at most; then the queue overflows.
    pub waiting_max: usize,
    /// One event in so many is lost; none when zero.
    pub lose_one_in: u64,
    /// One event in so many comes twice; none when zero.
    pub repeat_one_in: u64,
    /// Nothing is told of what is below a new directory until its making has been heard of.
    pub is_blind_below_new: bool,
}

impl Default for WatchOptions {
    fn default() -> Self {
        Self {
            waiting_max: 16_384,
            lose_one_in: 0,
            repeat_one_in: 0,
            is_blind_below_new: true,
        }
    }
}

/// The watchers' queues.
#[derive(Debug, Default)]
pub(super) struct Watches {
    queues: Vec<Queue>,
    last_cookie: u64,
    is_held_back: bool,
    /// No further directory can be watched.
    is_limited: bool,
}

#[derive(Debug)]
struct Queue {
    folder: Id,
    options: WatchOptions,
    waiting: VecDeque<SimEvent>,
    notify: Arc<Notify>,
    has_ended: bool,
    /// Directories that were made when no more could be watched, or whose making or moving was never heard of. Nothing is told
    /// of what is below them.
    unwatched: BTreeSet<Id>,
}

impl Queue {
    /// Adds an event, or says that one is lost; tells which. That no more can be watched is not told by the system's queue.
    fn push(&mut self, event: SimEvent) -> bool {
        let has_room = self.waiting.len() < self.options.waiting_max || event.happened == Happened::Limit;
        if has_room {
            self.waiting.push_back(event);
        } else if self.waiting.back().map(|last| last.happened) != Some(Happened::Overflow) {
            self.waiting.push_back(SimEvent {
                path: Vec::new(),
                happened: Happened::Overflow,
            });
        }
        self.notify.notify_one();
        has_room
    }

    fn end(&mut self) {
        self.waiting.clear();
        self.has_ended = true;
        self.notify.notify_one();
    }

    /// Tells whether a path is below a directory that the watcher has not heard of yet.
    fn is_below_new(&self, path: &[u8]) -> bool {
        self.options.is_blind_below_new
            && self.waiting.iter().any(|event| {
                let rest = path.strip_prefix(event.path.as_slice());
                event.happened.brings_dir() && rest.is_some_and(|rest| rest.starts_with(b"/"))
            })
    }
}

/// The events of one folder, for one life of the client.
#[derive(Debug)]
pub struct SimEvents {
    disk: SimDisk,
    at: usize,
    notify: Arc<Notify>,
}

impl SimEvents {
    /// Returns the next event, if one waits.
    pub fn try_next(&self) -> Option<SimEvent> {
        let watches = &mut self.disk.lock().watches;
        match watches.is_held_back {
            true => None,
            false => watches.queues.get_mut(self.at)?.waiting.pop_front(),
        }
    }

    /// Hears nothing any more.
    pub(super) fn end(&self) {
        if let Some(queue) = self.disk.lock().watches.queues.get_mut(self.at) {
            queue.end();
        }
    }

    /// Waits for the next event; nothing when the client's life has ended.
    pub async fn next(&self) -> Option<SimEvent> {
        loop {
            if let Some(event) = self.try_next() {
                return Some(event);
            }
            if self.disk.lock().watches.queues[self.at].has_ended {
                return None;
            }
            self.notify.notified().await;
        }
    }
}

impl SimDisk {
    /// Lets the running client hear of every change in a folder.
    ///
    /// # Errors
    /// When it is not there.
    pub fn subscribe(&self, folder: &str, options: WatchOptions) -> io::Result<SimEvents> {
        let mut state = self.lock();
        let folder = state.find_dir(folder.as_bytes())?;
        let notify = Arc::new(Notify::new());
        state.watches.queues.push(Queue {
            folder,
            options,
            waiting: VecDeque::new(),
            notify: notify.clone(),
            has_ended: false,
            unwatched: BTreeSet::new(),
        });
        Ok(SimEvents {
            disk: self.clone(),
            at: state.watches.queues.len() - 1,
            notify,
        })
    }

    /// Lets no further directory be watched, as a system does that watches as many as it may for this user; or lets it again.
    pub fn limit_watches(&self, is_limited: bool) {
        self.lock().watches.is_limited = is_limited;
    }

    /// Tells whether no further directory can be watched.
    pub(super) fn has_watch_limit(&self) -> bool {
        self.lock().watches.is_limited
    }

    /// Holds all events back, or lets them through again.
    pub fn hold_events_back(&self, is_held_back: bool) {
        let watches = &mut self.lock().watches;
        watches.is_held_back = is_held_back;
        for queue in &watches.queues {
            queue.notify.notify_one();
        }
    }

    /// Lets every watcher's queue overflow, and forget what waited.
    pub fn overflow(&self) {
        let mut state = self.lock();
        for at in 0..state.watches.queues.len() {
            for event in std::mem::take(&mut state.watches.queues[at].waiting) {
                state.lose(at, &event);
            }
            state.watches.queues[at].push(SimEvent {
                path: Vec::new(),
                happened: Happened::Overflow,
            });
        }
    }
}

impl Watches {
    /// Nobody hears anything any more.
    pub(super) fn end(&mut self) {
        for queue in &mut self.queues {
            queue.end();
        }
    }

    pub(super) fn next_cookie(&mut self) -> u64 {
        self.last_cookie += 1;
        self.last_cookie
    }
}

impl State {
    /// Tells all watchers what happened to a name in a directory.
    pub(super) fn happened(&mut self, dir: Id, name: &[u8], happened: Happened) {
        for at in 0..self.watches.queues.len() {
            let queue = &self.watches.queues[at];
            let Some(mut path) = self.path_below(queue.folder, dir).filter(|_| !queue.has_ended) else {
                continue;
            };
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name);
            let WatchOptions {
                lose_one_in,
                repeat_one_in,
                ..
            } = queue.options;
            if queue.is_below_new(&path)
                || self.is_unwatched(at, dir)
                || (lose_one_in != 0 && self.one_in(lose_one_in))
            {
                continue;
            }
            let is_repeated = repeat_one_in != 0 && self.one_in(repeat_one_in);
            let event = SimEvent { path, happened };
            let queue = &mut self.watches.queues[at];
            if is_repeated {
                queue.push(event.clone());
            }
            if queue.push(event.clone()) {
                self.watch_new(at, dir, name, happened);
            } else {
                self.lose(at, &event);
            }
        }
        if let Happened::Removed { is_dir: true } = happened {
            for queue in &mut self.watches.queues {
                let is_gone = self
                    .nodes
                    .get(&queue.folder)
                    .is_none_or(|node| queue.folder != TOP && node.names.is_empty());
                if is_gone && !queue.has_ended {
                    queue.push(root_gone());
                }
            }
        }
    }

    /// Loses an event. A directory of whose making it told is not watched, and one that it told to be moved is where nobody
    /// looks for it.
    fn lose(&mut self, at: usize, event: &SimEvent) {
        if !event.happened.brings_dir() {
            return;
        }
        let folder = self.watches.queues[at].folder;
        let mut names = event.path.split(|byte| *byte == b'/');
        if let Ok(id) = names.try_fold(folder, |dir, name| self.find(dir, name)) {
            self.watches.queues[at].unwatched.insert(id);
        }
    }

    /// Watches a directory that has just been made, if one more may be watched.
    fn watch_new(&mut self, at: usize, dir: Id, name: &[u8], happened: Happened) {
        if !self.watches.is_limited || happened != (Happened::Created { is_dir: true }) {
            return;
        }
        let Ok(id) = self.find(dir, name) else { return };
        let queue = &mut self.watches.queues[at];
        queue.unwatched.insert(id);
        queue.push(SimEvent {
            path: Vec::new(),
            happened: Happened::Limit,
        });
    }

    /// Tells whether a directory, or one above it, was made when no more could be watched.
    fn is_unwatched(&self, at: usize, dir: Id) -> bool {
        let queue = &self.watches.queues[at];
        let mut place = Some(dir).filter(|_| !queue.unwatched.is_empty());
        while let Some(id) = place.filter(|id| *id != queue.folder) {
            if queue.unwatched.contains(&id) {
                return true;
            }
            let names = self.nodes.get(&id).map(|node| &node.names);
            place = names.and_then(|names| names.first().map(|(dir, _)| *dir));
        }
        false
    }

    /// Tells all watchers what happened to a file that somebody has open. They hear of one name of it.
    pub(super) fn happened_to(&mut self, id: Id, happened: Happened) {
        let Some((dir, key)) = self.nodes.get(&id).and_then(|node| node.names.first().cloned()) else {
            return;
        };
        let entries = self.nodes.get(&dir).and_then(|node| node.entries().ok());
        if let Some(name) = entries.and_then(|entries| Some(entries.get(&key)?.name.clone())) {
            self.happened(dir, &name, happened);
        }
    }

    /// Tells the watchers of a folder that it was moved.
    pub(super) fn root_moved(&mut self, id: Id) {
        for queue in &mut self.watches.queues {
            if queue.folder == id && !queue.has_ended {
                queue.push(root_gone());
            }
        }
    }

    /// Returns the path of a node below a folder, by one of its names.
    pub(super) fn path_below(&self, folder: Id, dir: Id) -> Option<Vec<u8>> {
        let mut names = Vec::new();
        let mut at = dir;
        while at != folder {
            let (parent, key) = self.nodes.get(&at)?.names.first()?;
            let entry = self.nodes.get(parent)?.entries().ok()?.get(key)?;
            names.push(entry.name.clone());
            at = *parent;
        }
        names.reverse();
        Some(names.join(&b'/'))
    }
}

fn root_gone() -> SimEvent {
    SimEvent {
        path: Vec::new(),
        happened: Happened::RootGone,
    }
}
