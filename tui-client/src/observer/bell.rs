//! How a worker is told that there may be something to do. A bell that rings while nobody waits is heard by whoever
//! waits next, so nothing is missed between a look at the queue and the wait.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// A bell that one worker hears, as a thread or as a task.
#[derive(Debug, Default)]
pub(super) struct Bell {
    has_rung: Mutex<bool>,
    thread: Condvar,
    task: Notify,
}

impl Bell {
    /// Rings.
    pub(super) fn ring(&self) {
        *self.has_rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.thread.notify_one();
        self.task.notify_one();
    }

    /// Keeps the thread until the bell rings, or until a time.
    pub(super) fn wait(&self, until: Option<Instant>) {
        let mut has_rung = self.has_rung.lock().unwrap_or_else(PoisonError::into_inner);
        while !*has_rung {
            let left = until.map_or(Duration::MAX, |until| {
                until.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                return;
            }
            let waited = self.thread.wait_timeout(has_rung, left);
            has_rung = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *has_rung = false;
    }

    /// Waits until the bell rings, or until a time.
    pub(super) async fn rung(&self, until: Option<Instant>) {
        match until {
            // Which of the two ended the wait does not matter: the worker looks for itself.
            Some(until) => drop(timeout_at(until, self.task.notified()).await),
            None => self.task.notified().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_hears_that_the_bell_rang_before_it_waited_and_then_waits() {
        let bell = Bell::default();
        bell.ring();
        bell.ring();
        bell.wait(None);
        let until = Instant::now() + Duration::from_millis(5);
        bell.wait(Some(until));
        assert!(until <= Instant::now());
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_hears_that_the_bell_rang_before_it_waited_and_then_waits() {
        let bell = Bell::default();
        bell.ring();
        bell.ring();
        bell.rung(None).await;
        let until = Instant::now() + Duration::from_secs(3600);
        bell.rung(Some(until)).await;
        assert!(until <= Instant::now());
    }
}
