//! The thread that looks: takes hints that are due, walks directories, and sends what it sees to the driver. It decides
//! nothing but this: an absence that a hint led to is looked at again, after everything that may have moved there.

use std::io;
use std::sync::{Arc, PoisonError, mpsc as blocking};
use std::time::{Duration, Instant};

use sync_engine::{Name, RelPath};
use tokio::sync::mpsc;

use super::finding::{Event, Finding, Look};
use super::queue::{Queue, Task};
use super::settle::Urgency;
use super::watch::{Watch, WatchTrouble, cookie_name};
use crate::disk::{DiskError, Print, Root, Sight};
use crate::notice::Trouble;
use crate::rules::{Rules, rules_path};

/// So many places are judged at once at most, but for those of one directory.
const LOOKS_MAX: usize = 512;
/// A token's file that has not come back after this time means that the watcher is deaf.
const COOKIE_PATIENCE: Duration = Duration::from_secs(3);
/// The time between two full walks while the system does not watch the folder, and between two tries to have it.
const POLL_INTERVAL: Duration = Duration::from_secs(10);
/// So often the folder itself is checked.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// A walk says how far it is each time it has seen so many places.
const PROGRESS_EVERY: u64 = 2000;

/// See the module's page.
pub(super) struct Looker {
    queue: Arc<Queue>,
    root: Root,
    events: mpsc::Sender<Event>,
    rescan_interval: Duration,
    watch: Option<Watch>,
    troubles: (blocking::SyncSender<WatchTrouble>, blocking::Receiver<WatchTrouble>),
    /// The trouble that was told last, so that each is told once.
    told: Option<WatchTrouble>,
    last_rescan: Instant,
    last_check: Instant,
    n_seen: u64,
    n_told: u64,
}

/// The driver is gone.
struct Ended;

impl Looker {
    pub(super) fn new(
        queue: Arc<Queue>,
        root: Root,
        events: mpsc::Sender<Event>,
        rescan_interval: Duration,
    ) -> Self {
        Self {
            queue,
            root,
            events,
            rescan_interval,
            watch: None,
            // One trouble stands for all that come before it is dealt with.
            troubles: blocking::sync_channel(1),
            told: None,
            last_rescan: Instant::now(),
            last_check: Instant::now(),
            n_seen: 0,
            n_told: 0,
        }
    }

    /// Looks until the queue or the driver ends.
    pub(super) fn run(mut self) {
        loop {
            let wake = self.next_wake();
            let done = match self.queue.next_task(LOOKS_MAX, Some(wake)) {
                Some(Task::Stop) => return,
                Some(task) => self.work(task),
                None => self.housekeep(),
            };
            if done.is_err() {
                return;
            }
        }
    }

    fn work(&mut self, task: Task) -> Result<(), Ended> {
        match task {
            Task::Stop => Err(Ended),
            Task::Look { paths, epochs, late } => self.look(paths, epochs, late),
            Task::Walk { dir, epoch, barrier } => self.walk(&dir, epoch, barrier),
            Task::Rescan { epoch } => self.begin_walk(epoch),
            Task::Walked { epoch } => {
                self.n_seen = 0;
                self.n_told = 0;
                self.send(vec![Finding::Walked], vec![epoch])
            }
            Task::Cookie { token } => self.bake(token),
            Task::CaughtUp => self.send(Vec::new(), Vec::new()),
        }
    }

    fn send(&self, findings: Vec<Finding>, epochs: Vec<u64>) -> Result<(), Ended> {
        self.queue.sending();
        let event = Event {
            findings,
            epochs,
            from_looker: true,
        };
        self.events.blocking_send(event).map_err(|_| Ended)
    }

    fn look(&mut self, paths: Vec<RelPath>, epochs: Vec<u64>, late: bool) -> Result<(), Ended> {
        let rules = self.queue.rules();
        let (mut findings, mut done, mut dropped) = (Vec::new(), Vec::new(), Vec::new());
        for (path, epoch) in paths.into_iter().zip(epochs) {
            if path.0.is_empty() {
                self.check_root(&mut findings);
                done.push(epoch);
                continue;
            }
            if path == rules_path() {
                self.reload_rules(&mut findings);
            }
            if rules.ignores_above(&path) {
                dropped.push(epoch);
                continue;
            }
            let look = look(&self.root, path);
            if look.sight == Sight::Absent && !late {
                self.queue.look_late([look.path], Some(epoch));
                dropped.push(epoch);
                continue;
            }
            findings.push(Finding::Look(look));
            done.push(epoch);
        }
        self.queue.close(dropped);
        if done.is_empty() { Ok(()) } else { self.send(findings, done) }
    }

    fn walk(&mut self, dir: &RelPath, epoch: u64, barrier: bool) -> Result<(), Ended> {
        if let Some(watch) = self.watch.as_mut().filter(|_| barrier) {
            watch.barrier();
        }
        let before = self.root.look(dir);
        let Sight::Dir(print) = before else {
            self.queue.hint(dir.clone(), Urgency::Now, Some(epoch));
            self.queue.close([epoch]);
            return Ok(());
        };
        let listing = match self.root.list(dir) {
            Ok(listing) => listing,
            Err(DiskError::Blocked { block, .. }) if !dir.0.is_empty() => {
                let look = Look {
                    sight: Sight::Unknown(block),
                    ..look(&self.root, dir.clone())
                };
                return self.send(vec![Finding::Look(look)], vec![epoch]);
            }
            Err(_) => {
                self.queue.hint(dir.clone(), Urgency::Now, Some(epoch));
                self.queue.close([epoch]);
                return Ok(());
            }
        };
        // The listing counts only if the path led to one and the same directory before and after.
        let after = self.root.look(dir);
        if after.print().map(Print::identity) != Some(print.identity()) {
            self.queue.hint(dir.clone(), Urgency::Now, Some(epoch));
            self.queue.close([epoch]);
            return Ok(());
        }
        let rules = self.queue.rules();
        for (name, sight) in &listing.entries {
            let path = dir.join(name);
            if matches!(sight, Sight::Dir(_)) && !rules.ignores(&path, true) {
                self.queue.walk(path, epoch, false);
            }
        }
        self.n_seen += listing.entries.len() as u64;
        let dir = dir.clone();
        let mut findings = vec![Finding::Listing { dir, print, listing }];
        if self.n_told + PROGRESS_EVERY <= self.n_seen {
            self.n_told = self.n_seen;
            findings.push(Finding::Walking(self.n_seen));
        }
        self.send(findings, vec![epoch])
    }

    /// Begins a full walk. What the walk does not see of a change, the watcher does: it is there first.
    fn begin_walk(&mut self, epoch: u64) -> Result<(), Ended> {
        self.last_rescan = Instant::now();
        let mut findings = Vec::new();
        if self.check_root(&mut findings) {
            self.reload_rules_before_walk(&mut findings);
            if self.watch.is_none() {
                self.start_watch(&mut findings);
            }
            self.queue.walk(RelPath::root(), epoch, true);
        }
        if findings.is_empty() { Ok(()) } else { self.send(findings, Vec::new()) }
    }

    fn start_watch(&mut self, findings: &mut Vec<Finding>) {
        let sender = self.troubles.0.clone();
        // A trouble that finds the channel full is told by the one that is in it.
        let trouble = move |trouble| drop(sender.try_send(trouble));
        match Watch::start(self.root.path(), Arc::clone(&self.queue), trouble) {
            Ok(watch) => {
                self.watch = Some(watch);
                self.told = None;
            }
            Err(trouble) => self.tell(trouble, findings),
        }
    }

    fn tell(&mut self, trouble: WatchTrouble, findings: &mut Vec<Finding>) {
        if self.told.as_ref() == Some(&trouble) {
            return;
        }
        findings.push(Finding::Trouble(shown(&trouble)));
        self.told = Some(trouble);
    }

    /// Checks that the folder is still the one that was opened; tells whether it is.
    fn check_root(&mut self, findings: &mut Vec<Finding>) -> bool {
        self.last_check = Instant::now();
        match self.root.check() {
            Ok(()) => true,
            Err(lost) => {
                findings.push(Finding::RootLost(lost));
                false
            }
        }
    }

    fn reload_rules(&mut self, findings: &mut Vec<Finding>) {
        self.reload_rules_before_walk(findings);
        self.queue.rescan();
    }

    fn reload_rules_before_walk(&mut self, findings: &mut Vec<Finding>) {
        let (what, done) = match Rules::load(&self.root) {
            Ok((rules, bad_lines)) => {
                self.queue.set_rules(rules);
                if bad_lines.is_empty() {
                    return;
                }
                let lines = bad_lines.join(", ");
                (format!("some lines of .holdfastignore are no rules: {lines}"), "the other lines count")
            }
            Err(error) => (format!("could not read .holdfastignore: {error}"), "the rules stay as they were"),
        };
        findings.push(Finding::Trouble(Trouble {
            what,
            done: done.to_owned(),
            todo: "mend the file .holdfastignore".to_owned(),
        }));
    }

    /// Makes a token's file. Where nothing watches, a full walk takes its place.
    fn bake(&mut self, token: u64) -> Result<(), Ended> {
        let path = self.root.private_path(&cookie_name(token));
        let made = match &self.watch {
            None => false,
            Some(_) => make_and_remove(&path).is_ok(),
        };
        if !made {
            self.queue.rescan();
            self.queue.cookie_seen(token);
        }
        Ok(())
    }

    /// Returns when there is something to do without a task.
    fn next_wake(&self) -> Instant {
        let interval = match self.watch {
            Some(_) => self.rescan_interval,
            None => self.rescan_interval.min(POLL_INTERVAL),
        };
        let cookie = self.queue.lock().baked.values().next().map(|since| *since + COOKIE_PATIENCE);
        let timely = (self.last_rescan + interval).min(self.last_check + CHECK_INTERVAL);
        cookie.map_or(timely, |cookie| cookie.min(timely))
    }

    fn housekeep(&mut self) -> Result<(), Ended> {
        let now = Instant::now();
        let mut findings = Vec::new();
        let deaf: Vec<u64> = {
            let state = self.queue.lock();
            let late = |since: &Instant| *since + COOKIE_PATIENCE <= now;
            state.baked.iter().filter(|(_, since)| late(since)).map(|(token, _)| *token).collect()
        };
        if !deaf.is_empty() {
            // It is begun anew with the full walk.
            self.watch = None;
            self.tell(WatchTrouble::Deaf, &mut findings);
            self.queue.rescan();
            deaf.into_iter().for_each(|token| drop(self.queue.cookie_seen(token)));
        }
        while let Ok(trouble) = self.troubles.1.try_recv() {
            self.watch = None;
            self.tell(trouble, &mut findings);
        }
        if self.last_check + CHECK_INTERVAL <= now {
            self.check_root(&mut findings);
        }
        let interval = match self.watch {
            Some(_) => self.rescan_interval,
            None => self.rescan_interval.min(POLL_INTERVAL),
        };
        if self.last_rescan + interval <= now {
            self.last_rescan = now;
            self.queue.rescan();
        }
        if findings.is_empty() { Ok(()) } else { self.send(findings, Vec::new()) }
    }
}

/// Looks at a place. What is seen counts only together with the directory that the path led through.
fn look(root: &Root, path: RelPath) -> Look {
    let parent_path = path.split_last().map(|(parent, _)| parent).unwrap_or_default();
    let parent = |root: &Root| match &parent_path.0[..] {
        [] => None,
        [..] => Some(root.look(&parent_path)),
    };
    let before = parent(root);
    let sight = root.look(&path);
    let after = match sight {
        Sight::Absent => parent(root),
        Sight::File(_) | Sight::Dir(_) | Sight::Symlink(..) | Sight::Other(_) | Sight::Unknown(_) => before.clone(),
    };
    let print = |sight: &Option<Sight>| sight.as_ref().and_then(Sight::print).copied();
    let (before, after) = (print(&before), print(&after));
    let same = before.map(|print| print.identity()) == after.map(|print| print.identity());
    Look {
        path,
        sight: if same { sight } else { Sight::Unknown(sync_engine::Block::Busy) },
        parent: before,
    }
}

fn make_and_remove(path: &std::path::Path) -> io::Result<()> {
    std::fs::File::create(path)?;
    std::fs::remove_file(path)
}

fn shown(trouble: &WatchTrouble) -> Trouble {
    let done = format!("the whole folder is looked at every {} seconds instead", POLL_INTERVAL.as_secs());
    let (what, todo) = match trouble {
        WatchTrouble::Limit => (
            "the system cannot watch all directories of the folder".to_owned(),
            "raise fs.inotify.max_user_watches (and max_user_instances)",
        ),
        WatchTrouble::Deaf => (
            "the system does not report changes in the folder".to_owned(),
            "keep the folder on a local disk for changes to be seen at once",
        ),
        WatchTrouble::Other(reason) => (
            format!("watching the folder failed: {reason}"),
            "nothing has to be done if this does not happen again",
        ),
    };
    Trouble {
        what,
        done,
        todo: todo.to_owned(),
    }
}
