//! The thread that looks: takes hints that are due, walks directories, and sends what it sees to the driver. It decides
//! nothing but this: an absence that a hint led to is looked at again, after everything that may have moved there.

use std::io;
use std::sync::{Arc, mpsc as blocking};
use std::time::{Duration, Instant};

use sync_engine::RelPath;
use sync_engine::observe::Moment;
use tokio::sync::mpsc;

use super::finding::{Event, Finding, Look};
use super::freshness::{Clock, Glance};
use super::queue::{Approach, Queue, Task};
use super::settle::{Due, Urgency};
use super::watch::{Watch, WatchTrouble, cookie_name};
use crate::disk::{DiskError, Print, Root, Sight};
use crate::notice::Trouble;
use crate::rules::{Rules, rules_path};

/// So many places are judged at once at most, but for those of one directory.
const LOOKS_MAX: usize = 512;
/// A token's file that has not come back after this time means that the watcher is deaf.
const COOKIE_PATIENCE: Duration = Duration::from_secs(3);
/// The time between two full walks while the system does not watch all of the folder.
const POLL_INTERVAL: Duration = Duration::from_secs(10);
/// The time between two tries to have it watched again.
const RESTART_INTERVAL: Duration = Duration::from_secs(60);
/// So often the folder itself is checked.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// A walk says how far it is each time it has seen so many places.
const PROGRESS_EVERY: u64 = 2000;

/// See the module's page.
pub(super) struct Looker {
    queue: Arc<Queue>,
    root: Root,
    clock: Arc<Clock>,
    events: mpsc::Sender<Event>,
    rescan_interval: Duration,
    watch: Option<Watch>,
    troubles: (
        blocking::SyncSender<WatchTrouble>,
        blocking::Receiver<WatchTrouble>,
    ),
    /// The trouble that was told last, so that each is told once.
    told: Option<WatchTrouble>,
    /// The watch does not see all; its silence proves nothing, and full walks stand in for it.
    deaf: bool,
    last_start: Instant,
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
        clock: Arc<Clock>,
        events: mpsc::Sender<Event>,
        rescan_interval: Duration,
    ) -> Self {
        Self {
            queue,
            root,
            clock,
            events,
            rescan_interval,
            watch: None,
            // One trouble stands for all that come before it is dealt with.
            troubles: blocking::sync_channel(1),
            told: None,
            deaf: true,
            last_start: Instant::now(),
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
            Task::Look { due, late, moment } => self.look(due, late, moment),
            Task::Walk { dir, epoch, approach } => self.walk(&dir, epoch, approach),
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
        let glance = self.clock.begin();
        self.send_of(Moment::Fleeting, glance, findings, epochs)
    }

    /// Sends what was seen since `glance` began.
    fn send_of(
        &self,
        moment: Moment,
        glance: Glance,
        findings: Vec<Finding>,
        epochs: Vec<u64>,
    ) -> Result<(), Ended> {
        self.queue.sending();
        let event = Event {
            findings,
            glance,
            epochs,
            from_looker: true,
            moment,
        };
        self.events.blocking_send(event).map_err(|_| Ended)
    }

    fn look(&mut self, due: Vec<Due>, late: bool, moment: Moment) -> Result<(), Ended> {
        let glance = self.clock.begin();
        let rules = self.queue.rules();
        let (mut findings, mut done, mut dropped, mut walks) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for Due { path, epoch, fresh } in due {
            if path.0.is_empty() {
                self.check_root(&mut findings);
                done.push(epoch);
                continue;
            }
            if path == rules_path() {
                self.reload_rules(&mut findings);
                // What is left out may be another now.
                self.queue.rescan(Some(epoch));
            }
            if rules.ignores_above(&path) {
                dropped.push(epoch);
                continue;
            }
            let mut look = look(&self.root, path);
            if look.sight == Sight::Absent && !late {
                self.queue.look_late([look.path], Some(epoch));
                dropped.push(epoch);
                continue;
            }
            if fresh && matches!(look.sight, Sight::Dir(_)) && !rules.ignores(&look.path, true) {
                look.is_walked = true;
                walks.push((look.path.clone(), epoch));
            }
            findings.push(Finding::Look(look));
            done.push(epoch);
        }
        for (path, epoch) in walks {
            self.queue.walk(path, epoch, Approach::Barrier);
        }
        self.queue.close(dropped);
        if done.is_empty() {
            return Ok(());
        }
        self.send_of(moment, glance, findings, done)
    }

    fn walk(&mut self, dir: &RelPath, epoch: u64, approach: Approach) -> Result<(), Ended> {
        match (approach, &mut self.watch) {
            (Approach::Plain, _) | (_, None) => (),
            (Approach::Barrier, Some(watch)) => watch.barrier(),
            (Approach::Watch, Some(watch)) => watch.include(dir),
        }
        let glance = self.clock.begin();
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
                return self.send_of(Moment::Fleeting, glance, vec![Finding::Look(look)], vec![epoch]);
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
                self.queue.walk(path, epoch, Approach::Plain);
            }
        }
        self.n_seen += listing.entries.len() as u64;
        let dir = dir.clone();
        let mut findings = vec![Finding::Listing { dir, print, listing }];
        if self.n_told + PROGRESS_EVERY <= self.n_seen {
            self.n_told = self.n_seen;
            findings.push(Finding::Walking(self.n_seen));
        }
        self.send_of(Moment::Fleeting, glance, findings, vec![epoch])
    }

    /// Begins a full walk. What the walk does not see of a change, the watcher does: it is there first.
    fn begin_walk(&mut self, epoch: u64) -> Result<(), Ended> {
        self.last_rescan = Instant::now();
        let mut findings = Vec::new();
        if self.check_root(&mut findings) {
            self.reload_rules(&mut findings);
            let is_first = self.told.is_none() && self.watch.is_none();
            if self.deaf && (is_first || self.last_start + RESTART_INTERVAL <= self.last_rescan) {
                self.start_watch(&mut findings);
            }
            self.queue.walk(RelPath::root(), epoch, Approach::Barrier);
        }
        if findings.is_empty() {
            Ok(())
        } else {
            self.send(findings, Vec::new())
        }
    }

    fn start_watch(&mut self, findings: &mut Vec<Finding>) {
        self.last_start = self.last_rescan;
        let sender = self.troubles.0.clone();
        // A trouble that finds the channel full is told by the one that is in it.
        let trouble = move |trouble| drop(sender.try_send(trouble));
        match Watch::start(self.root.path(), Arc::clone(&self.queue), trouble) {
            Ok(watch) => {
                self.watch = Some(watch);
                self.deaf = false;
            }
            Err(trouble) => self.tell(trouble, findings),
        }
    }

    fn tell(&mut self, trouble: WatchTrouble, findings: &mut Vec<Finding>) {
        self.deaf |= trouble.is_lasting();
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
        let (what, done) = match Rules::load(&self.root) {
            Ok((rules, bad_lines)) => {
                self.queue.set_rules(rules);
                if bad_lines.is_empty() {
                    return;
                }
                let lines = bad_lines.join(", ");
                (
                    format!("some lines of .holdfastignore are no rules: {lines}"),
                    "the other lines count",
                )
            }
            Err(error) => (
                format!("could not read .holdfastignore: {error}"),
                "the rules stay as they were",
            ),
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
        if self.deaf || make_and_remove(&path).is_err() {
            self.queue.rescan(None);
            self.queue.cookie_seen(token);
        }
        Ok(())
    }

    /// Returns the time between two full walks.
    fn interval(&self) -> Duration {
        if self.deaf {
            self.rescan_interval.min(POLL_INTERVAL)
        } else {
            self.rescan_interval
        }
    }

    /// Returns when there is something to do without a task.
    fn next_wake(&self) -> Instant {
        let cookie = self
            .queue
            .lock()
            .baked
            .values()
            .next()
            .map(|since| *since + COOKIE_PATIENCE);
        let timely = (self.last_rescan + self.interval()).min(self.last_check + CHECK_INTERVAL);
        cookie.map_or(timely, |cookie| cookie.min(timely))
    }

    fn housekeep(&mut self) -> Result<(), Ended> {
        let now = Instant::now();
        let mut findings = Vec::new();
        let deaf: Vec<u64> = {
            let state = self.queue.lock();
            let late = |since: &Instant| *since + COOKIE_PATIENCE <= now;
            state
                .baked
                .iter()
                .filter(|(_, since)| late(since))
                .map(|(token, _)| *token)
                .collect()
        };
        if !deaf.is_empty() {
            self.tell(WatchTrouble::Deaf, &mut findings);
            self.queue.rescan(None);
            for token in deaf {
                self.queue.cookie_seen(token);
            }
        }
        while let Ok(trouble) = self.troubles.1.try_recv() {
            self.tell(trouble, &mut findings);
        }
        if self.last_check + CHECK_INTERVAL <= now {
            self.check_root(&mut findings);
        }
        if self.last_rescan + self.interval() <= now {
            self.last_rescan = now;
            self.queue.rescan(None);
        }
        if findings.is_empty() {
            Ok(())
        } else {
            self.send(findings, Vec::new())
        }
    }
}

/// Looks at a place. What is seen counts only together with the directory that the path led through.
fn look(root: &Root, path: RelPath) -> Look {
    let before = parent_print(root, &path);
    let sight = root.look(&path);
    let after = match sight {
        Sight::Absent => parent_print(root, &path),
        Sight::File(_) | Sight::Dir(_) | Sight::Symlink(..) | Sight::Other(_) | Sight::Unknown(_) => before,
    };
    let same = before.map(|print| print.identity()) == after.map(|print| print.identity());
    Look {
        path,
        sight: if same {
            sight
        } else {
            Sight::Unknown(sync_engine::Block::Busy)
        },
        parent: before,
        is_walked: false,
    }
}

/// Returns the print of the directory that a path leads through; nothing for the root, and where there is none.
pub(super) fn parent_print(root: &Root, path: &RelPath) -> Option<Print> {
    let (parent, _) = path.split_last().filter(|(parent, _)| !parent.0.is_empty())?;
    root.look(&parent).print().copied()
}

fn make_and_remove(path: &std::path::Path) -> io::Result<()> {
    std::fs::File::create(path)?;
    std::fs::remove_file(path)
}

fn shown(trouble: &WatchTrouble) -> Trouble {
    let done = format!(
        "the whole folder is looked at every {} seconds instead",
        POLL_INTERVAL.as_secs()
    );
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
