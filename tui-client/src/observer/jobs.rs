//! The files that wait to be read.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use sync_engine::RelPath;
use tokio::time::Instant;

use crate::disk::Print;

/// A file above this size is read by the worker for large files, in bytes.
pub(super) const LARGE_LEN: u64 = 1024 * 1024;

/// A file that is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) path: RelPath,
    pub(super) size_bytes: u64,
    /// How often it was read in vain.
    pub(super) n_tries: u32,
    /// It is read once more since its print was too young to be trusted; an equal print is trusted now.
    pub(super) again: Option<Print>,
    pub(super) epoch: u64,
}

/// The files that are to be read: small ones are never held up by large ones.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    small: VecDeque<Job>,
    large: VecDeque<Job>,
    delayed: BTreeMap<(Instant, u64), Job>,
    n_delayed: u64,
    /// The files that wait, with the earliest epoch in which each was asked for.
    waiting: BTreeMap<RelPath, u64>,
}

impl Jobs {
    /// Returns how many wait for nothing but a worker.
    pub(super) fn len(&self) -> usize {
        self.small.len() + self.large.len()
    }

    /// Tells whether large ones wait for nothing but their worker.
    pub(super) fn has_large(&self) -> bool {
        !self.large.is_empty()
    }

    /// Adds a job, unless its file waits already; the earlier epoch counts then. Returns the epoch in which the file
    /// waited before.
    pub(super) fn add(&mut self, job: Job, delay: Duration) -> Option<u64> {
        if let Some(epoch) = self.waiting.get_mut(&job.path) {
            let before = *epoch;
            *epoch = before.min(job.epoch);
            return Some(before);
        }
        self.waiting.insert(job.path.clone(), job.epoch);
        if delay.is_zero() {
            self.enqueue(job);
        } else {
            self.n_delayed += 1;
            let key = (Instant::now() + delay, self.n_delayed);
            self.delayed.insert(key, job);
        }
        None
    }

    /// Returns when the next delayed job is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.delayed.keys().next().map(|(due, _)| *due)
    }

    fn enqueue(&mut self, job: Job) {
        if LARGE_LEN < job.size_bytes {
            self.large.push_back(job);
        } else {
            self.small.push_back(job);
        }
    }

    /// Enters the delayed jobs whose time has come.
    pub(super) fn ripen(&mut self, now: Instant) {
        while let Some(entry) = self.delayed.first_entry().filter(|entry| entry.key().0 <= now) {
            let job = entry.remove();
            self.enqueue(job);
        }
    }

    /// Takes a job. The worker for large files helps with the small ones, but never the other way round.
    pub(super) fn take(&mut self, large: bool) -> Option<Job> {
        let job = if large {
            self.large.pop_front().or_else(|| self.small.pop_front())
        } else {
            self.small.pop_front()
        };
        let mut job = job?;
        if let Some(epoch) = self.waiting.remove(&job.path) {
            job.epoch = epoch;
        }
        Some(job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_asked_for_again_waits_once_and_in_the_earlier_epoch() {
        let job = |epoch| Job {
            path: RelPath::parse(b"file").unwrap(),
            size_bytes: 1,
            n_tries: 0,
            again: None,
            epoch,
        };
        let mut jobs = Jobs::default();
        assert_eq!(jobs.add(job(2), Duration::ZERO), None);
        assert_eq!(jobs.add(job(1), Duration::ZERO), Some(2));
        assert_eq!(jobs.add(job(3), Duration::ZERO), Some(1));
        assert_eq!(jobs.take(false).map(|job| job.epoch), Some(1));
        assert_eq!(jobs.take(false), None);
    }
}
