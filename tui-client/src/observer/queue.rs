//! What the observer's workers share: what is to be looked at, walked and read, and how much of it is open. Whoever
//! adds work never waits; the work is bounded by what is on disk, a flood of hints becomes one full walk, and the walk
//! waits while too many files wait to be read.

mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sync_engine::RelPath;
use tokio::time::Instant;

use super::bell::Bell;
use super::degraded::Degraded;
use super::doubt::Doubt;
use super::jobs::Job;
use super::scene::BUSY_DELAY;
use super::settle::Urgency;
use super::wall::Wall;
use super::watch::WatchTrouble;
use crate::rules::Rules;
pub(super) use state::{Approach, Task};
use state::{JOBS_MAX, State};

/// With so many places in one look that the driver itself is working on, the next look waits until it may be done with them.
const BUSY_MANY: usize = 16;

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
    degraded: Mutex<Degraded>,
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
            degraded: Mutex::default(),
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
        self.hint_in_doubt(path, urgency, Doubt::None, epoch);
    }

    /// Adds a hint whose file may be another although its print is equal.
    pub(super) fn hint_in_doubt(&self, path: RelPath, urgency: Urgency, doubt: Doubt, epoch: Option<u64>) {
        let (mut state, now) = (self.lock(), Instant::now());
        let epoch = epoch.unwrap_or(state.ledger.epoch());
        if state.hint(path, (urgency, doubt), now, epoch) {
            self.looker.ring();
        }
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

    /// Returns the present epoch.
    pub(super) fn epoch(&self) -> u64 {
        self.lock().ledger.epoch()
    }

    /// Adds a directory that is to be walked.
    pub(super) fn walk(&self, dir: RelPath, epoch: u64, approach: Approach) {
        self.lock().walk(dir, epoch, approach);
        self.looker.ring();
    }

    /// Notes that a barrier begins: it is that of all directories that are to be walked by now.
    pub(super) fn pass_barrier(&self) {
        self.lock().pass_barrier(Instant::now());
    }

    /// Notes that a directory was listed, and those inside it are to be walked.
    pub(super) fn listed(&self, dir: &RelPath) {
        self.lock().listed(dir);
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

    /// Says that the watch has lost events.
    pub(super) fn overflowed(&self) {
        self.lock().has_overflowed = true;
        self.missed();
    }

    /// Tells whether the watch has lost events since this was asked last.
    pub(super) fn take_overflow(&self) -> bool {
        std::mem::take(&mut self.lock().has_overflowed)
    }

    /// Says that a directory could not be watched. It is walked, and watched before if that can be done by then.
    pub(super) fn unwatchable(&self, dir: RelPath) {
        self.lock().unwatchable.insert(dir.clone());
        self.hint(dir, Urgency::Fresh, None);
    }

    /// Tells whether a directory is one that could not be watched.
    pub(super) fn is_unwatchable(&self, dir: &RelPath) -> bool {
        self.lock().unwatchable.contains(dir)
    }

    /// Says that a directory is watched now, or is no more.
    pub(super) fn forget_unwatchable(&self, dir: &RelPath) {
        self.lock().unwatchable.remove(dir);
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

    /// Tells whether there is something that the watcher has told and that was not looked at, or not handled since.
    pub(super) fn has_hints(&self) -> bool {
        let state = self.lock();
        state.hints.len() != 0 || state.is_looking || state.unhandled != 0
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
                if state.jobs.len() == JOBS_MAX {
                    // The walk may go on.
                    self.looker.ring();
                }
                Next::Take(job)
            }
            None => Next::Wait(state.jobs.next_due()),
        }
    }

    /// Tells whether large files wait to be read.
    pub(super) fn has_large_jobs(&self) -> bool {
        self.lock().jobs.has_large()
    }

    /// Strikes out work that came to an end without an event.
    pub(super) fn close(&self, epochs: impl IntoIterator<Item = u64>) {
        let mut state = self.lock();
        epochs.into_iter().for_each(|epoch| state.ledger.close(epoch));
        if state.ledger.is_ready() {
            self.looker.ring();
        }
    }

    /// Strikes out the work of an event that has been handled, of which so many places are the driver's at the moment;
    /// returns the token that is owed now.
    pub(super) fn handled(&self, epochs: &[u64], from_looker: bool, n_busy: usize) -> Option<u64> {
        let mut state = self.lock();
        epochs.iter().for_each(|epoch| state.ledger.close(*epoch));
        state.nudged = false;
        let token = state.ledger.take_ready();
        if from_looker {
            state.unhandled = state.unhandled.saturating_sub(1);
            self.looker.ring();
        }
        if BUSY_MANY <= n_busy {
            state.rest(Instant::now(), BUSY_DELAY);
        }
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
        state.waits = None;
        let task = state.next_task(now, count_max);
        state.is_looking = matches!(task, Some(Task::Look { .. }));
        match task {
            Some(task) => Next::Take(task),
            None => {
                let due = state.next_due(now);
                state.waits = Some(due);
                Next::Wait(due)
            }
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

    /// What is wrong with the watch for now.
    pub(super) fn degraded(&self) -> MutexGuard<'_, Degraded> {
        self.degraded.lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(test)]
mod tests;
