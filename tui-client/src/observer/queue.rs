//! What the observer's workers share: what is to be looked at, walked and read, and how much of it is open. Whoever
//! adds work never waits; the work is bounded by what is on disk, a flood of hints becomes one full walk, and the walk
//! waits while too many files wait to be read.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sync_engine::RelPath;
use sync_engine::observe::Moment;
use tokio::time::Instant;

use super::bell::Bell;
use super::doubt::Doubt;
use super::jobs::{Job, Jobs};
use super::ledger::Ledger;
use super::settle::{Due, Hints, Urgency};
use super::wall::Wall;
use super::watch::WatchTrouble;
use crate::rules::Rules;

/// More hints than this become a full walk.
const HINTS_MAX: usize = 65_536;
/// While more files than this wait to be read, no further directory is walked.
const JOBS_MAX: usize = 8192;
/// So many absences are looked at together at most.
const LATE_COUNT_MAX: usize = 16_384;
/// While new absences come in, those that are due wait for them this long.
const LATE_PATIENCE: Duration = Duration::from_millis(100);
/// Absences that have waited for so long are looked at together with whatever keeps coming in.
const LATE_HUNGER: Duration = Duration::from_secs(1);

/// What is to be made sure before a directory is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Approach {
    /// Nothing: that was done for a directory above.
    Plain,
    /// That the watcher has caught up with the directory's creation.
    Barrier,
    /// That the directory is watched, which was not possible before.
    Watch,
}

/// What the worker that looks is to do next.
#[derive(Debug)]
pub(super) enum Task {
    /// Look at these, and judge them together. Absent ones of `late` are believed, and deep ones looked into.
    Look {
        /// The paths.
        due: Vec<Due>,
        /// Whether an absence is believed.
        late: bool,
        /// Whether everything that was seen before has been handled.
        moment: Moment,
    },
    /// List a directory and go on with those inside it.
    Walk {
        /// The directory.
        dir: RelPath,
        /// Its epoch.
        epoch: u64,
        /// What is to be made sure first.
        approach: Approach,
    },
    /// Begin a full walk.
    Rescan {
        /// Its epoch.
        epoch: u64,
    },
    /// A full walk is over.
    Walked {
        /// Its epoch.
        epoch: u64,
    },
    /// Make the file that proves that the watcher has caught up.
    Cookie {
        /// Its token.
        token: u64,
    },
    /// A token is owed: say so.
    CaughtUp,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) hints: Hints,
    pub(super) late: Hints,
    groups: VecDeque<(Vec<RelPath>, u64)>,
    walks: Vec<(RelPath, u64, Approach)>,
    rescan: Option<u64>,
    walking: Option<u64>,
    jobs: Jobs,
    pub(super) ledger: Ledger,
    /// Events of the looking worker that the driver has not handled yet.
    unhandled: usize,
    cookies: VecDeque<u64>,
    /// Tokens whose file is written, with the time when that was.
    pub(super) baked: BTreeMap<u64, Instant>,
    nudged: bool,
    /// Since when hints have been missed that no full walk has made good.
    missed: Option<Instant>,
    /// What went wrong with the watch and was not told yet.
    trouble: Option<WatchTrouble>,
    stopped: bool,
}

/// What there is to do for a worker.
#[derive(Debug)]
pub(super) enum Next<T> {
    /// This.
    Take(T),
    /// Nothing before this time, unless its bell rings.
    Wait(Option<Instant>),
    /// No more.
    End,
}

/// See the module's page.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    looker: Bell,
    read_small: Bell,
    read_large: Bell,
    rules: Mutex<Arc<Rules>>,
    wall: Mutex<Wall>,
}

impl Queue {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            state: Mutex::default(),
            looker: Bell::default(),
            read_small: Bell::default(),
            read_large: Bell::default(),
            rules: Mutex::new(Arc::new(rules)),
            wall: Mutex::default(),
        }
    }

    /// Locks the state. A thread that panicked leaves it whole, since every change to it is one call.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the folder's rules as they are now.
    pub(super) fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the folder's rules.
    pub(super) fn set_rules(&self, rules: Rules) {
        *self.rules.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }

    /// Returns the clock of the disk's time stamps.
    pub(super) fn wall(&self) -> MutexGuard<'_, Wall> {
        self.wall.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a hint of the watcher or of the driver's own.
    pub(super) fn hint(&self, path: RelPath, urgency: Urgency, epoch: Option<u64>) {
        let mut state = self.lock();
        let epoch = epoch.unwrap_or(state.ledger.epoch());
        state.hint(path, urgency, epoch);
        self.looker.ring();
    }

    /// Adds a hint whose file may be another although its print is equal.
    pub(super) fn hint_in_doubt(&self, path: &RelPath, urgency: Urgency, doubt: Doubt, epoch: Option<u64>) {
        let mut state = self.lock();
        let epoch = epoch.unwrap_or(state.ledger.epoch());
        state.hint(path.clone(), urgency, epoch);
        state.hints.doubt(path, doubt);
        self.looker.ring();
    }

    /// Adds absences that are to be looked at again when all else has been.
    pub(super) fn look_late(&self, paths: impl IntoIterator<Item = RelPath>, epoch: Option<u64>) {
        self.push_late(paths, false, epoch);
    }

    /// Adds directories that are to be looked at then together with all that is inside them.
    pub(super) fn look_inside(&self, paths: impl IntoIterator<Item = RelPath>, epoch: Option<u64>) {
        self.push_late(paths, true, epoch);
    }

    fn push_late(&self, paths: impl IntoIterator<Item = RelPath>, deep: bool, epoch: Option<u64>) {
        let mut state = self.lock();
        let epoch = epoch.unwrap_or(state.ledger.epoch());
        let now = Instant::now();
        for path in paths {
            let before = state.late.push_late(path, deep, now, epoch);
            state.ledger.reopen(epoch, before);
        }
        self.looker.ring();
    }

    /// Adds places that are to be judged together.
    pub(super) fn look_together(&self, paths: Vec<RelPath>, epoch: u64) {
        let mut state = self.lock();
        paths.iter().for_each(|_| state.ledger.open(epoch));
        state.groups.push_back((paths, epoch));
        self.looker.ring();
    }

    /// Adds a directory that is to be walked.
    pub(super) fn walk(&self, dir: RelPath, epoch: u64, approach: Approach) {
        let mut state = self.lock();
        state.ledger.open(epoch);
        state.walks.push((dir, epoch, approach));
        self.looker.ring();
    }

    /// Asks for a full walk.
    pub(super) fn rescan(&self, epoch: Option<u64>) {
        let mut state = self.lock();
        let epoch = epoch.unwrap_or(state.ledger.epoch());
        state.want_rescan(epoch);
        self.looker.ring();
    }

    /// Asks for a full walk since hints were missed.
    pub(super) fn missed(&self) {
        self.lock().missed.get_or_insert_with(Instant::now);
        self.rescan(None);
    }

    /// Returns since when hints have been missed, if a full walk that begins now is to make that good.
    pub(super) fn take_missed(&self) -> Option<Instant> {
        self.lock().missed.take()
    }

    /// Asks for a token when all that is written by now has been looked at.
    pub(super) fn cookie(&self, token: u64) {
        self.lock().cookies.push_back(token);
        self.looker.ring();
    }

    /// Tells whether there is something that the watcher has told and that was not looked at.
    pub(super) fn has_hints(&self) -> bool {
        self.lock().hints.len() != 0
    }

    /// Says that the watcher has seen a token's file; tells whether it was awaited.
    pub(super) fn cookie_seen(&self, token: u64) -> bool {
        let mut state = self.lock();
        let awaited = state.baked.remove(&token).is_some();
        if awaited {
            state.ledger.cookie(token);
            self.looker.ring();
        }
        awaited
    }

    /// Adds a file that is to be read, unless it waits already.
    pub(super) fn read(&self, path: RelPath, size_bytes: u64, epoch: u64) {
        let job = Job {
            path,
            size_bytes,
            n_tries: 0,
            again: None,
            epoch,
        };
        self.read_job(job, Duration::ZERO);
    }

    /// Adds a job of a worker's own making, to be done after a delay.
    pub(super) fn read_job(&self, job: Job, delay: Duration) {
        let mut state = self.lock();
        let epoch = job.epoch;
        let before = state.jobs.add(job, delay);
        state.ledger.reopen(epoch, before);
        self.ring_readers();
    }

    /// Takes a file that is to be read.
    pub(super) fn next_job(&self, large: bool) -> Next<Job> {
        let mut state = self.lock();
        if state.stopped {
            return Next::End;
        }
        state.jobs.ripen(Instant::now());
        match state.jobs.take(large) {
            Some(job) => {
                self.looker.ring();
                Next::Take(job)
            }
            None => Next::Wait(state.jobs.next_due()),
        }
    }

    /// Strikes out work that came to an end without an event.
    pub(super) fn close(&self, epochs: impl IntoIterator<Item = u64>) {
        let mut state = self.lock();
        epochs.into_iter().for_each(|epoch| state.ledger.close(epoch));
        self.looker.ring();
    }

    /// Strikes out the work of an event that has been handled; returns the token that is owed now.
    pub(super) fn handled(&self, epochs: &[u64], from_looker: bool) -> Option<u64> {
        let mut state = self.lock();
        epochs.iter().for_each(|epoch| state.ledger.close(*epoch));
        if from_looker {
            state.unhandled = state.unhandled.saturating_sub(1);
        }
        state.nudged = false;
        let token = state.ledger.take_ready();
        self.looker.ring();
        token
    }

    /// Counts an event that the looking worker is about to send.
    pub(super) fn sending(&self) {
        self.lock().unhandled += 1;
    }

    /// Ends all workers.
    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.looker.ring();
        self.ring_readers();
    }

    /// Takes the next task of the looking worker.
    pub(super) fn next_task(&self, count_max: usize) -> Next<Task> {
        let mut state = self.lock();
        if state.stopped {
            return Next::End;
        }
        let now = Instant::now();
        match state.next_task(now, count_max) {
            Some(task) => Next::Take(task),
            None => Next::Wait(state.next_due(now)),
        }
    }

    /// Keeps what went wrong with the watch until it is told; it stands for all that comes before it is.
    pub(super) fn trouble(&self, trouble: WatchTrouble) {
        self.lock().trouble.get_or_insert(trouble);
    }

    /// Takes what went wrong with the watch.
    pub(super) fn take_trouble(&self) -> Option<WatchTrouble> {
        self.lock().trouble.take()
    }

    /// Returns the bell of the worker that looks.
    pub(super) fn looker(&self) -> &Bell {
        &self.looker
    }

    /// Returns the bell of the worker that reads small or large files.
    pub(super) fn reader(&self, large: bool) -> &Bell {
        if large { &self.read_large } else { &self.read_small }
    }

    fn ring_readers(&self) {
        self.read_small.ring();
        self.read_large.ring();
    }
}

impl State {
    /// Adds a hint; too many become a full walk.
    pub(super) fn hint(&mut self, path: RelPath, urgency: Urgency, epoch: u64) {
        let before = self.hints.push(path, urgency, Instant::now(), epoch);
        self.ledger.reopen(epoch, before);
        if HINTS_MAX < self.hints.len() {
            let epochs = self.hints.clear();
            self.want_rescan(epochs.iter().copied().min().unwrap_or(epoch));
            epochs.into_iter().for_each(|epoch| self.ledger.close(epoch));
        }
    }

    /// Asks for a full walk.
    pub(super) fn want_rescan(&mut self, epoch: u64) {
        self.ledger.reopen(epoch, self.rescan);
        self.rescan = Some(self.rescan.map_or(epoch, |before| before.min(epoch)));
    }

    /// Tells whether nothing is to be looked at or read.
    pub(super) fn is_idle(&self) -> bool {
        self.ledger.is_idle() && self.unhandled == 0
    }

    fn next_task(&mut self, now: Instant, count_max: usize) -> Option<Task> {
        if let Some(token) = self.cookies.pop_front() {
            self.baked.insert(token, now);
            return Some(Task::Cookie { token });
        }
        if self.ledger.is_ready() && self.unhandled == 0 && !self.nudged {
            self.nudged = true;
            return Some(Task::CaughtUp);
        }
        if self.is_hungry(now) {
            return self.next_walk().or_else(|| self.next_meal(now));
        }
        if let Some(group) = self.groups.pop_front() {
            return Some(Task::Look {
                due: Due::all_of(group, now).collect(),
                late: true,
                moment: Moment::Fleeting,
            });
        }
        let due = self.hints.take_due(now, count_max);
        if !due.is_empty() {
            let moment = Moment::Fleeting;
            return Some(Task::Look {
                due,
                late: false,
                moment,
            });
        }
        self.next_walk().or_else(|| self.next_late(now))
    }

    fn next_walk(&mut self) -> Option<Task> {
        if self.jobs.len() <= JOBS_MAX
            && let Some((dir, epoch, approach)) = self.walks.pop()
        {
            return Some(Task::Walk { dir, epoch, approach });
        }
        if self.walks.is_empty() && self.walking.is_none() {
            let epoch = self.rescan.take()?;
            self.walking = Some(epoch);
            return Some(Task::Rescan { epoch });
        }
        None
    }

    /// Absences are believed only when everything that was seen before has been judged.
    fn next_late(&mut self, now: Instant) -> Option<Task> {
        if self.unhandled > 0 || !self.walks.is_empty() || !self.groups.is_empty() {
            return None;
        }
        // They hang together, so they are looked at together; only a flood of them is cut up.
        let is_overdue = self.late.next_due().is_some_and(|due| due + LATE_PATIENCE <= now);
        if !is_overdue && self.late.last_due().is_some_and(|due| now < due) {
            return None;
        }
        let due = self.late.take_due(now, LATE_COUNT_MAX);
        if !due.is_empty() {
            let moment = Moment::Settled;
            return Some(Task::Look {
                due,
                late: true,
                moment,
            });
        }
        if self.late.len() == 0 {
            return self.walking.take().map(|epoch| Task::Walked { epoch });
        }
        None
    }

    /// Tells whether absences have waited for too long: places that are judged over and over, each for another's sake,
    /// would keep them waiting for ever.
    fn is_hungry(&self, now: Instant) -> bool {
        self.late.next_due().is_some_and(|due| due + LATE_HUNGER <= now)
    }

    /// Takes all that is to be looked at, once everything that was seen before has been judged: what hangs together is
    /// among it, whoever asked for it.
    fn next_meal(&mut self, now: Instant) -> Option<Task> {
        if self.unhandled > 0 || !self.walks.is_empty() {
            return None;
        }
        let groups: Vec<_> = self.groups.drain(..).collect();
        let mut due: Vec<Due> = groups
            .into_iter()
            .flat_map(|group| Due::all_of(group, now))
            .collect();
        due.extend(self.hints.take_due(now, LATE_COUNT_MAX));
        // What is to be looked into comes last, and so counts.
        due.extend(self.late.take_due(now, LATE_COUNT_MAX));
        Some(Task::Look {
            due,
            late: true,
            moment: Moment::Settled,
        })
    }

    fn next_due(&self, now: Instant) -> Option<Instant> {
        if self.is_hungry(now) {
            // It waits for nothing but what others do, who ring then.
            return None;
        }
        let overdue = self.late.next_due().map(|due| due + LATE_PATIENCE);
        let late = overdue
            .min(self.late.last_due())
            .filter(|_| self.unhandled == 0 && self.walks.is_empty());
        self.hints.next_due().into_iter().chain(late).min()
    }
}

#[cfg(test)]
mod tests;
