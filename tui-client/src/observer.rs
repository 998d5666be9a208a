//! The client's eyes: they keep the local tree equal to the disk. Events of the system are hints where to look; the
//! truth is a look, and a file's bytes are known only when it was read whole and was the same before and after.
//!
//! The law of the workers. One looks (and walks), two read files, the watch adds hints. They share a queue and send what
//! they find through one bounded channel; whoever adds work never waits, only they do. The driver gives every event to
//! [`Observer::handle`], which touches no disk: it says which node each thing is ([`sync_engine::observe`]), asks for
//! what else must be looked at or read, and returns an edit of the local tree. All workers end when the observer is
//! dropped.

mod bell;
mod bytes;
mod degraded;
mod doubt;
mod draft;
mod explore;
mod finding;
mod freshness;
mod jobs;
mod judge;
mod known;
mod ledger;
mod looker;
mod places;
mod queue;
mod reader;
mod scene;
mod settle;
mod unwatched;
mod update;
mod wall;
mod watch;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use sync_engine::{Block, Bug, NodeId, Place, RelPath, planted};
use tokio::sync::mpsc;
use tokio::time::Instant;

pub use finding::Event;
pub use update::LocalUpdate;
#[cfg(test)]
use watch::NoWatch;
pub use watch::{HintSink, PathEvent, SystemWatch, Watch, WatchTrouble};
pub use worker::Worker;

use crate::disk::{Print, Root};
use crate::notice::Trouble;
use crate::rules::Rules;
use doubt::Doubted;
use freshness::{Changes, Spot};
use known::Known;
use looker::Looker;
use queue::Queue;
use reader::Reader;

/// How many events wait for the driver at most. Whoever has one more waits.
const EVENTS_MAX: usize = 16;

/// What [`Observer::with_workers`] begins with.
pub struct Start {
    /// The folder.
    pub root: Root,
    /// What is left out.
    pub rules: Rules,
    /// What was known when the client last ran.
    pub remembered: Remembered,
    /// Makes the id of a new node; random, so that no two devices ever make the same.
    pub new_id: Box<dyn FnMut() -> NodeId + Send>,
    /// The longest time between two full walks.
    pub rescan_interval: std::time::Duration,
}

/// What was remembered of the disk.
#[derive(Debug, Default)]
pub struct Remembered {
    /// The prints.
    pub prints: Vec<(NodeId, Print)>,
    /// The nodes whose prints prove nothing.
    pub unsure: BTreeSet<NodeId>,
    /// The nodes among them that a crash of the computer may have taken away or spoiled.
    pub suspects: BTreeSet<NodeId>,
    /// Whether the computer was started again and the client had not ended in good order before: what was remembered last may
    /// be missing.
    pub is_after_crash: bool,
}

/// See the module's page.
pub struct Observer {
    queue: Arc<Queue>,
    /// Whether differing names may be one to the disk.
    folds_names: bool,
    known: Known,
    changes: Changes,
    doubted: Doubted,
    new_id: Box<dyn FnMut() -> NodeId + Send>,
    oddities: BTreeMap<RelPath, Block>,
    /// Where the driver is putting something, with how often it said so.
    reserved: BTreeMap<Place, u32>,
    /// How many events in a row could not be made into a valid edit.
    n_misfits: u32,
    last_token: u64,
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer")
            .field("oddities", &self.oddities)
            .finish_non_exhaustive()
    }
}

impl Observer {
    /// Returns an observer that sees nothing until its workers run. The first thing that they do is to watch, and to
    /// walk the whole folder once.
    #[must_use]
    pub fn with_workers(start: Start, watch: Box<dyn Watch>) -> (Self, mpsc::Receiver<Event>, [Worker; 3]) {
        let Start {
            root,
            rules,
            remembered,
            new_id,
            rescan_interval,
        } = start;
        let Remembered {
            prints,
            unsure,
            suspects,
            is_after_crash,
        } = remembered;
        let crashed_before = is_after_crash.then(|| root.now());
        let queue = Arc::new(Queue::new(rules));
        queue.rescan(None);
        let (sender, receiver) = mpsc::channel(EVENTS_MAX);
        let observer = Self {
            queue: Arc::clone(&queue),
            folds_names: root.folds_names(),
            known: Known::new(prints),
            changes: Changes::default(),
            doubted: Doubted::at_start(unsure, suspects, crashed_before),
            new_id,
            oddities: BTreeMap::new(),
            reserved: BTreeMap::new(),
            n_misfits: 0,
            last_token: 0,
        };
        let clock = observer.changes.clock();
        let reader = |large| {
            let reader = Reader::new(Arc::clone(&queue), root.clone(), Arc::clone(&clock), large);
            Worker::reading(reader, Arc::clone(&queue), sender.clone())
        };
        let (small, large) = (reader(false), reader(true));
        let looker = Looker::new(Arc::clone(&queue), root, clock, watch, rescan_interval);
        let looking = Worker::looking(looker, queue, sender);
        (observer, receiver, [looking, small, large])
    }

    /// Tells the print that a node has since a step of the driver's own, so that it is not read again; nothing forgets
    /// it. Law: it is told before the node leaves `busy`.
    pub fn note(&mut self, id: NodeId, print: Option<Print>) {
        if print.is_none() {
            self.doubted.settle(id);
        }
        self.known.set(id, print);
        self.changes.note(Spot::Node(id));
    }

    /// Tells the print that a file has since a step of the driver's own, as [`Observer::note`] does. What is written to it
    /// within the tick of its stamps leaves no other: it is read once somebody speaks of it, however late.
    pub fn note_file(&mut self, id: NodeId, print: Print) {
        self.note(id, Some(print));
        let is_unproven = self.may_hide_a_write(&print);
        self.doubted.put(id, is_unproven);
    }

    /// Tells whether a file that the driver has just put somewhere may be written without leaving another stamp. When that was
    /// done its last change tells, however late it is known; and on disks that do not note one, the time now.
    fn may_hide_a_write(&self, print: &Print) -> bool {
        let wall = self.queue.wall();
        let mut now = wall.times(Instant::now());
        print.may_hide_a_write() || now.any(|time| print.is_written_about(time))
    }

    /// Tells the print that a file has since a step of the driver's own moved it. Who changed it just before is reported at
    /// its old place, where nothing is any more, and its new directory may not be watched yet: it is looked at if it was
    /// changed before it was moved, and read if it may have been written within the last tick of the stamps.
    pub fn note_moved(&mut self, id: NodeId, print: Print, path: &RelPath, now: SystemTime) {
        self.queue.wall().show(now);
        let is_as_before = self.print(id) == Some(&print);
        let was_unproven = self.doubted.is_unproven(id);
        self.note_file(id, print);
        if (was_unproven || self.may_hide_a_write(&print)) && !planted(Bug::MovedUnread) {
            self.reread(id, path);
        } else if is_as_before && !planted(Bug::MovedUnread) {
            self.look(path);
        }
    }

    /// Says that steps of the driver's own have moved directories, each from one path to another. What is in them and is no
    /// node has moved along, and is looked at there.
    pub fn note_dirs_moved(&mut self, moved: Vec<(RelPath, RelPath)>) {
        let mut odd = Vec::new();
        for (from, to) in moved {
            let below = self.oddities.range(&from..).map(|(path, _)| path);
            let below: Vec<RelPath> = below
                .take_while(|path| path.starts_with(&from))
                .cloned()
                .collect();
            for path in below {
                let block = self.oddities.remove(&path);
                let names = to.0.iter().chain(&path.0[from.0.len()..]);
                odd.extend(block.map(|block| (RelPath(names.cloned().collect()), block)));
            }
        }
        odd.iter().for_each(|(path, _)| self.look(path));
        self.oddities.extend(odd);
    }

    /// Lets what is known of a node, and what is doubted of it, follow it to another id. Returns its print.
    pub fn follow(&mut self, from: NodeId, to: NodeId) -> Option<Print> {
        let print = self.print(from).copied();
        self.doubted.follow(from, to);
        self.note(from, None);
        self.note(to, print);
        print
    }

    /// Says that a step of the driver's own has taken away what was at a place.
    pub fn note_left(&mut self, place: Place) {
        self.changes.note(Spot::Place(place));
    }

    /// Says that the driver is about to put something at a place that neither tree has a busy node at, such as a
    /// conflict copy: looks there are put off until it is released.
    pub fn reserve(&mut self, place: Place) {
        *self.reserved.entry(place).or_default() += 1;
    }

    /// Ends what [`Self::reserve`] began; what the driver put there has been noted by then.
    pub fn release(&mut self, place: &Place) {
        if let Some(count) = self.reserved.get_mut(place) {
            *count -= 1;
            if *count == 0 {
                self.reserved.remove(place);
            }
        }
    }

    /// Returns what is known of a node's file, directory or link: what a step expects to find.
    #[must_use]
    pub fn print(&self, id: NodeId) -> Option<&Print> {
        self.known.get(id)
    }

    /// Walks the whole folder anew.
    pub fn rescan(&self) {
        self.queue.rescan(None);
    }

    /// Looks at one place anew, such as after a step that was surprised by what it found there.
    pub fn look(&self, path: &RelPath) {
        self.queue.hint(path.clone(), settle::Urgency::Now, None);
    }

    /// Tells whether nothing is to be looked at or read, as far as hints have come in.
    #[must_use]
    pub fn idle(&self) -> bool {
        self.queue.lock().is_idle()
    }

    /// Tells whether there is a file that was read and may be another by now, or that is to be looked at.
    #[must_use]
    pub fn doubts(&self) -> bool {
        self.doubted.has_unread() || self.queue.has_hints()
    }

    /// Asks for proof that all that is written by now has been looked at. The token comes back in
    /// [`LocalUpdate::caught_up`].
    pub fn sync(&mut self) -> u64 {
        self.last_token += 1;
        self.queue.cookie(self.last_token);
        self.last_token
    }

    /// Says how far changes are found by looking, since the system does not report them: for as long as it is so.
    #[must_use]
    pub fn degraded(&self) -> Vec<Trouble> {
        self.queue.degraded().all().map(WatchTrouble::told).collect()
    }

    /// Tells whether the folder's rules leave a path out, whatever is there.
    #[must_use]
    pub fn leaves_out(&self, path: &RelPath) -> bool {
        let rules = self.queue.rules();
        rules.ignores_above(path) || rules.ignores(path, false) || rules.ignores(path, true)
    }

    /// Says which of the folder's rules leaves out a path, if one does.
    #[must_use]
    pub fn rule_against(&self, path: &RelPath, is_dir: bool) -> Option<String> {
        self.queue.rules().rule_against(path, is_dir)
    }

    /// Returns what lies in the folder and cannot be synchronised, with the reasons. It is no node.
    #[must_use]
    pub fn oddities(&self) -> &BTreeMap<RelPath, Block> {
        &self.oddities
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        // The workers hold no state that has to be saved; the channel's end wakes one that waits in it.
        self.queue.stop();
    }
}
