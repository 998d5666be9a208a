//! What the worker that looks does without a hint: tokens for whoever wants a proof, and what is due from time to time.

use std::time::Duration;

use tokio::time::Instant;

use super::{CHECK_INTERVAL, COOKIE_PATIENCE, Looker};
use crate::observer::finding::Event;
use crate::observer::queue::Approach;
use crate::observer::watch::{POLL_INTERVAL, WatchTrouble, cookie_name};

impl Looker {
    /// Makes a token's file. Where nothing watches, a full walk takes its place; it is known first what went wrong with the
    /// watch by now, since its silence is no proof then.
    pub(super) fn bake(&mut self, token: u64) -> Option<Event> {
        let mut findings = Vec::new();
        if let Some(trouble) = self.queue.take_trouble() {
            self.tell(trouble, &mut findings);
        }
        self.look_at_unwatched();
        if self.deaf || self.root.make_cookie(&cookie_name(token)).is_err() {
            self.queue.rescan(None);
            self.queue.cookie_seen(token);
        }
        self.found_any(findings)
    }

    /// Asks for a walk of the directories that the system cannot watch. It belongs to the present epoch.
    fn look_at_unwatched(&mut self) {
        let epoch = self.queue.epoch();
        for dir in self.unwatched.take(Instant::now()) {
            self.queue.walk(dir.clone(), epoch, Approach::Plain);
        }
    }

    /// Returns the time between two full walks: a short one until the watch is known to work.
    fn interval(&self) -> Duration {
        if self.deaf || self.queue.degraded().is_blind() {
            self.rescan_interval.min(POLL_INTERVAL)
        } else {
            self.rescan_interval
        }
    }

    /// Returns when there is something to do without a task.
    pub(super) fn next_wake(&self) -> Instant {
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

    pub(super) fn housekeep(&mut self) -> Option<Event> {
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
        if let Some(trouble) = self.queue.take_trouble() {
            self.tell(trouble, &mut findings);
        }
        if self.last_check + CHECK_INTERVAL <= now {
            self.check_root(&mut findings);
        }
        if self.unwatched.is_due(now) {
            self.look_at_unwatched();
        }
        if self.last_rescan + self.interval() <= now {
            self.last_rescan = now;
            self.queue.rescan(None);
        }
        self.found_any(findings)
    }
}
