//! The worker that looks: takes hints that are due, walks directories, and tells the driver what it sees. It decides
//! nothing but this: an absence that a hint led to is looked at again, after everything that may have moved there.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sync_engine::observe::Moment;
use sync_engine::{Block, Bug, RelPath, planted};
use tokio::time::Instant;

use super::doubt::Doubt;
use super::finding::{Event, Finding, Look};
use super::freshness::{Clock, Glance};
use super::places::{is_entered, look, look_held, look_inside};
use super::queue::{Approach, Next, Queue, Task};
use super::settle::{Due, Urgency};
use super::unwatched::Unwatched;
use super::watch::{HintSink, Watch, WatchTrouble};
use super::worker::Step;
use crate::disk::{DiskError, Print, Root, Sight};
use crate::notice::Trouble;
use crate::rules::{Rules, rules_path};
use crate::words::{made_again_in_words, private_fault_in_words};

/// So many places are judged at once at most, but for those of one directory.
const LOOKS_MAX: usize = 512;
/// A token's file that has not come back after this time means that the watcher is deaf.
const COOKIE_PATIENCE: Duration = Duration::from_secs(3);
/// The time between two tries to have it watched again.
const RESTART_INTERVAL: Duration = Duration::from_secs(60);
/// Hints that were missed may be older than the word of it by so much.
const MISSED_BEFORE: Duration = Duration::from_secs(2);
/// The folder itself is listed again after this time if it could not be, and the rules are read again.
const WALK_AGAIN_DELAY: Duration = Duration::from_millis(250);
/// How what could not be looked into for want of descriptors is looked at again.
pub(super) const AGAIN: Urgency = Urgency::FreshAfter(WALK_AGAIN_DELAY);
/// So often the folder itself is checked.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// A walk says how far it is each time it has seen so many places.
const PROGRESS_EVERY: u64 = 2000;

/// See the module's page.
pub(super) struct Looker {
    queue: Arc<Queue>,
    root: Root,
    clock: Arc<Clock>,
    rescan_interval: Duration,
    watch: Box<dyn Watch>,
    /// What was told last of the private directory.
    fault_told: Option<String>,
    /// What was told last of the folder's rules.
    rules_told: Option<Trouble>,
    /// The watch does not see all; its silence proves nothing, and full walks stand in for it.
    deaf: bool,
    last_start: Option<Instant>,
    last_rescan: Instant,
    last_check: Instant,
    unwatched: Unwatched,
    /// Since when hints were missed that the full walk under way makes good.
    missed_since: Option<Instant>,
    /// The folder itself could not be listed in the full walk under way.
    is_incomplete: bool,
    n_seen: u64,
    n_told: u64,
}

impl Looker {
    pub(super) fn new(
        queue: Arc<Queue>,
        root: Root,
        clock: Arc<Clock>,
        watch: Box<dyn Watch>,
        rescan_interval: Duration,
    ) -> Self {
        Self {
            queue,
            root,
            clock,
            rescan_interval,
            watch,
            fault_told: None,
            rules_told: None,
            deaf: true,
            last_start: None,
            last_rescan: Instant::now(),
            last_check: Instant::now(),
            unwatched: Unwatched::default(),
            missed_since: None,
            is_incomplete: false,
            n_seen: 0,
            n_told: 0,
        }
    }

    /// Does the next thing that there is to do.
    pub(super) fn step(&mut self) -> Step {
        self.queue.wall().show(self.root.now());
        let wake = self.next_wake();
        let found = match self.queue.next_task(LOOKS_MAX) {
            Next::Take(task) => self.work(task),
            Next::Wait(_) if wake <= Instant::now() => self.housekeep(),
            Next::Wait(due) => return Step::Wait(Some(due.map_or(wake, |due| due.min(wake)))),
            Next::End => return Step::End,
        };
        found.map_or(Step::Done, Step::Found)
    }

    fn work(&mut self, task: Task) -> Option<Event> {
        tracing::trace!(?task, "looking");
        match task {
            Task::Look { due, late, moment } => self.look(due, late, moment),
            Task::Walk { dir, epoch, approach } => self.walk(&dir, epoch, approach),
            Task::Rescan { epoch } => self.begin_walk(epoch),
            Task::Walked { epoch } => {
                self.n_seen = 0;
                self.n_told = 0;
                if std::mem::take(&mut self.is_incomplete) {
                    // The next one makes good what was missed, too.
                    return Some(self.found(Vec::new(), vec![epoch]));
                }
                self.missed_since = None;
                Some(self.found(vec![Finding::Walked], vec![epoch]))
            }
            Task::Cookie { token } => self.bake(token),
            Task::CaughtUp => Some(self.found(Vec::new(), Vec::new())),
        }
    }

    fn found(&self, findings: Vec<Finding>, epochs: Vec<u64>) -> Event {
        let glance = self.clock.begin();
        self.found_since(glance, Moment::Fleeting, findings, epochs)
    }

    /// Makes an event of what was seen since `glance` began.
    fn found_since(&self, glance: Glance, moment: Moment, findings: Vec<Finding>, epochs: Vec<u64>) -> Event {
        self.queue.sending();
        Event {
            findings,
            glance,
            epochs,
            from_looker: true,
            moment,
        }
    }

    /// Makes an event of what was found, if there is anything.
    fn found_any(&self, findings: Vec<Finding>) -> Option<Event> {
        (!findings.is_empty()).then(|| self.found(findings, Vec::new()))
    }

    fn look(&mut self, mut due: Vec<Due>, late: bool, moment: Moment) -> Option<Event> {
        // What is in one directory is looked at in one go.
        due.sort_by(|one, other| one.path.cmp(&other.path));
        let mut held = None;
        let (glance, rules) = (self.clock.begin(), self.queue.rules());
        let (mut findings, mut done) = (Vec::new(), Vec::new());
        let (mut dropped, mut walks) = (Vec::new(), Vec::new());
        for Due {
            path,
            epoch,
            since,
            doubt,
            deep,
        } in due
        {
            if path.0.is_empty() {
                self.look_at_root(deep, epoch, &mut findings);
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
            let mut look = look_held(&self.root, &mut held, path);
            look.deep = deep;
            look.doubt = match &look.sight {
                Sight::File(print) => doubt.at(print, self.queue.wall().times(since)),
                _ => doubt,
            };
            if look.sight == Sight::Absent && !late {
                self.queue.look_late([look.path], Some(epoch));
                dropped.push(epoch);
                continue;
            }
            if let Sight::Dir(print) = look.sight
                && is_entered(&rules, &look.path, &look.sight)
            {
                let dirs = self.look_at_dir(print, &rules, late, &mut look);
                walks.extend(dirs.into_iter().map(|dir| (dir, epoch)));
            }
            findings.push(Finding::Look(look));
            done.push(epoch);
        }
        for (path, epoch) in walks {
            self.queue.walk(path, epoch, Approach::Barrier);
        }
        self.queue.close(dropped);
        (!done.is_empty()).then(|| self.found_since(glance, moment, findings, done))
    }

    /// Looks at what a directory is besides, and into it if that is wanted; returns the directories that are to be walked.
    fn look_at_dir(&self, print: Print, rules: &Rules, late: bool, look: &mut Look) -> Vec<RelPath> {
        if !look.deep {
            look.sight = self.root.if_listable(&look.path, look.sight.clone());
            return Vec::new();
        }
        if !late {
            look.is_walked = true;
            return vec![look.path.clone()];
        }
        look_inside(&self.root, rules, print, look);
        // Only a walk tells that one of them cannot be listed.
        let inside = look.inside.iter();
        inside.flat_map(|inside| inside.unlistable.clone()).collect()
    }

    fn walk(&mut self, dir: &RelPath, epoch: u64, approach: Approach) -> Option<Event> {
        if approach == Approach::Barrier {
            // It serves all that are to be walked by now.
            self.queue.pass_barrier();
            self.watch.barrier();
        }
        let is_unwatchable = self.queue.is_unwatchable(dir) && !self.watch.include(dir);
        let glance = self.clock.begin();
        let before = self.root.look(dir);
        if !is_unwatchable || !matches!(before, Sight::Dir(_)) {
            self.queue.forget_unwatchable(dir);
        }
        let Sight::Dir(print) = before else {
            self.unwatched.remove(dir);
            self.queue.degraded().set_too_deep(!self.unwatched.is_empty());
            return self.walk_again(dir, epoch);
        };
        let listing = match self.root.list(dir) {
            Ok(listing) => listing,
            Err(DiskError::Blocked { block, .. }) if !dir.0.is_empty() => {
                let look = Look {
                    sight: Sight::Unknown(block),
                    deep: true,
                    ..look(&self.root, dir.clone())
                };
                let findings = vec![Finding::Look(look)];
                return Some(self.found_since(glance, Moment::Fleeting, findings, vec![epoch]));
            }
            Err(_) => return self.walk_again(dir, epoch),
        };
        // The listing counts only if the path led to one and the same directory before and after.
        let after = self.root.look(dir);
        if after.print().map(Print::identity) != Some(print.identity()) {
            return self.walk_again(dir, epoch);
        }
        let rules = self.queue.rules();
        let mut doubted = BTreeSet::new();
        for (name, sight) in &listing.entries {
            if self.doubts(sight) {
                doubted.insert(name.clone());
            }
            let path = dir.join(name);
            if matches!(sight, Sight::Dir(_)) && is_entered(&rules, &path, sight) {
                self.queue.walk(path, epoch, Approach::Plain);
            }
        }
        if is_unwatchable {
            // It has become readable just now.
            self.queue.hint(dir.clone(), AGAIN, Some(epoch));
        }
        self.queue.listed(dir);
        let too_deep = self.note_depth(dir);
        self.n_seen += listing.entries.len() as u64;
        let dir = dir.clone();
        let mut findings = vec![Finding::Listing {
            dir,
            print,
            listing,
            doubted,
        }];
        findings.extend(too_deep);
        if self.n_told + PROGRESS_EVERY <= self.n_seen {
            self.n_told = self.n_seen;
            findings.push(Finding::Walking(self.n_seen));
        }
        Some(self.found_since(glance, Moment::Fleeting, findings, vec![epoch]))
    }

    /// Notes a directory that the system cannot watch. Returns what is said of that once.
    fn note_depth(&mut self, dir: &RelPath) -> Option<Finding> {
        if self.watch.can_watch(dir) {
            return None;
        }
        self.queue.degraded().set_too_deep(true);
        let is_news = self.unwatched.add(dir);
        is_news.then(|| Finding::Trouble(WatchTrouble::TooDeep.told()))
    }

    /// A directory could not be listed: what stands there is looked at, and what is inside it if it is a directory still. Of
    /// the folder itself, whoever waits for the full walk waits for the next one.
    fn walk_again(&mut self, dir: &RelPath, epoch: u64) -> Option<Event> {
        self.is_incomplete |= dir.0.is_empty();
        let urgency = if dir.0.is_empty() { AGAIN } else { Urgency::Fresh };
        self.queue.hint(dir.clone(), urgency, Some(epoch));
        self.queue.close([epoch]);
        None
    }

    /// Tells whether the print of what a walk has met is not believed, as one from about when hints were missed.
    fn doubts(&self, sight: &Sight) -> bool {
        let Sight::File(print) = sight else {
            return false;
        };
        let doubt = match self.missed_since {
            Some(since) => Doubt::IfYoung.at(print, self.queue.wall().times(since)),
            None => Doubt::at_walk(print, self.queue.wall().times(Instant::now())),
        };
        doubt == Doubt::Full
    }

    /// Begins a full walk. What the walk does not see of a change, the watcher does: it is there first.
    fn begin_walk(&mut self, epoch: u64) -> Option<Event> {
        // Where nothing is watched, the last full walk is the last word.
        let unwatched = Some(self.last_rescan).filter(|_| self.deaf && self.last_start.is_some());
        let missed = self.queue.take_missed().into_iter().chain(unwatched).min();
        let missed = missed.map(|since| since.checked_sub(MISSED_BEFORE).unwrap_or(since));
        self.missed_since = missed.into_iter().chain(self.missed_since).min();
        self.last_rescan = Instant::now();
        let mut findings = Vec::new();
        if self.check_root(&mut findings) {
            self.reload_rules(&mut findings);
            let start_due = self.last_start.map(|last| last + RESTART_INTERVAL);
            let is_due = self.deaf && start_due.is_none_or(|due| due <= self.last_rescan);
            if is_due || self.queue.take_overflow() && !planted(Bug::OverflowedWatchKept) {
                self.start_watch(&mut findings);
            }
            self.queue.walk(RelPath::root(), epoch, Approach::Barrier);
        }
        self.found_any(findings)
    }

    fn start_watch(&mut self, findings: &mut Vec<Finding>) {
        self.last_start = Some(self.last_rescan);
        match self.watch.start(HintSink::new(Arc::clone(&self.queue))) {
            Ok(()) => {
                self.deaf = false;
                self.queue.degraded().began();
            }
            Err(trouble) => self.tell(trouble, findings),
        }
    }

    fn tell(&mut self, trouble: WatchTrouble, findings: &mut Vec<Finding>) {
        self.deaf |= trouble.is_lasting();
        let told = trouble.told();
        if self.queue.degraded().failed(trouble) {
            findings.push(Finding::Trouble(told));
        }
    }

    /// Checks that the folder is still the one that was opened; tells whether it is, as far as can be seen just now.
    fn check_root(&mut self, findings: &mut Vec<Finding>) -> bool {
        self.last_check = Instant::now();
        match self.root.check() {
            Err(lost) if !lost.is_passing() => {
                findings.push(Finding::RootLost(lost));
                false
            }
            Ok(()) => {
                self.mend_private(findings);
                true
            }
            Err(_) => true,
        }
    }

    /// Has the private directory's parts made again if somebody removed them, and says so once.
    fn mend_private(&mut self, findings: &mut Vec<Finding>) {
        self.root.mend_private();
        let removed = self.root.take_made_again();
        if !removed.is_empty() {
            findings.push(Finding::Trouble(made_again_in_words(&removed)));
        }
        let fault = self.root.private_fault();
        if fault != self.fault_told {
            let told = fault.as_deref().map(private_fault_in_words);
            findings.extend(told.map(Finding::Trouble));
            self.fault_told = fault;
        }
    }

    /// Looks at the folder itself; with `deep`, it could not be listed before.
    fn look_at_root(&mut self, deep: bool, epoch: u64, findings: &mut Vec<Finding>) {
        self.check_root(findings);
        if deep {
            self.queue.rescan(Some(epoch));
        }
    }

    fn reload_rules(&mut self, findings: &mut Vec<Finding>) {
        let trouble = match Rules::load(&self.root) {
            Ok((rules, trouble)) => {
                self.queue.set_rules(rules);
                trouble
            }
            Err(DiskError::Blocked {
                block: Block::Lacking,
                ..
            }) => {
                let again = Urgency::After(WALK_AGAIN_DELAY);
                self.queue.hint(rules_path(), again, None);
                return;
            }
            Err(error) => Some(Trouble {
                what: format!("could not read .holdfastignore: {error}"),
                done: "the rules stay as they were".to_owned(),
                todo: "mend the file .holdfastignore".to_owned(),
            }),
        };
        if trouble != self.rules_told {
            findings.extend(trouble.clone().map(Finding::Trouble));
            self.rules_told = trouble;
        }
    }
}

mod upkeep;
