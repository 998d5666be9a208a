//! The jobs that wait for the thread that writes, in turns between accounts. How many wait is bounded by those who send:
//! a connection waits for the answer to a task, and has no more requests under way than its session allows, whose bytes
//! are held against its room.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

use super::work::BATCH_WORK_MAX;
use super::{Job, Owner, Turn};
use crate::turns::Turns;

/// Jobs in one transaction.
const BATCH_JOBS_MAX: usize = 256;
/// Bytes of chunks in one transaction; the last job may pass it.
const BATCH_LEN_MAX: usize = 32 * 1024 * 1024;

/// See the module's page.
pub(super) struct Queue {
    state: Mutex<State>,
    /// Told of each change; the thread that writes alone waits for it.
    changed: Notify,
}

struct State {
    turns: Turns<Owner, Box<dyn Job>>,
    /// Whether somebody may still send.
    is_open: bool,
    /// Whether the thread that writes has ended.
    has_ended: bool,
}

impl Queue {
    /// Waits for the next jobs that go into one transaction; nothing comes when nobody can send any more.
    pub(super) async fn next_batch(&self) -> Option<Vec<Turn>> {
        loop {
            {
                let mut state = self.lock();
                if !state.turns.is_empty() {
                    return Some(take_batch(&mut state.turns));
                }
                if !state.is_open {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }

    /// Lets jobs wait for their next turn, before all others of their owners.
    pub(super) fn put_back(&self, jobs: Vec<Turn>) {
        let mut state = self.lock();
        for (owner, job) in jobs.into_iter().rev() {
            state.turns.push_front(owner, job);
        }
    }

    /// Notes that a job was more work than it had seemed.
    pub(super) fn charge(&self, owner: Owner, more: u64) {
        if more != 0 {
            self.lock().turns.charge(owner, more);
        }
    }

    /// Drops all that waits, and all that comes.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.has_ended = true;
        let dropped = std::mem::take(&mut state.turns);
        drop(state);
        drop(dropped);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn take_batch(turns: &mut Turns<Owner, Box<dyn Job>>) -> Vec<Turn> {
    let mut batch: Vec<Turn> = Vec::new();
    let (mut len, mut work) = (0, 0);
    while batch.len() < BATCH_JOBS_MAX && len < BATCH_LEN_MAX && work < BATCH_WORK_MAX {
        let Some((owner, job)) = turns.pop(|job| job.work().max(1)) else {
            break;
        };
        len += job.len();
        work += job.work();
        batch.push((owner, job));
    }
    batch
}

/// Those who may send. When the last is gone, the thread that writes ends.
#[derive(Clone)]
pub(super) struct Senders(Arc<Open>);

struct Open(Arc<Queue>);

impl Default for Senders {
    fn default() -> Self {
        let state = State {
            turns: Turns::default(),
            is_open: true,
            has_ended: false,
        };
        let queue = Queue {
            state: Mutex::new(state),
            changed: Notify::new(),
        };
        Self(Arc::new(Open(Arc::new(queue))))
    }
}

impl Senders {
    /// Returns the queue itself.
    pub(super) fn queue(&self) -> Arc<Queue> {
        self.0.0.clone()
    }

    /// Lets a job wait for its turn, or drops it when there will be none.
    pub(super) fn send(&self, owner: Owner, job: Box<dyn Job>) {
        let queue = &self.0.0;
        {
            let mut state = queue.lock();
            if state.has_ended {
                drop(state);
                return;
            }
            state.turns.push(owner, job);
        }
        queue.changed.notify_one();
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.lock().is_open = false;
        self.0.changed.notify_one();
    }
}
