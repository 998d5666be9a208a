//! How a worker is told that there may be something to do. A bell that rings while nobody waits is heard by whoever
//! waits next, so nothing is missed between a look at the queue and the wait.

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// A bell that one worker hears.
#[derive(Debug, Default)]
pub(super) struct Bell(Notify);

impl Bell {
    /// Rings.
    pub(super) fn ring(&self) {
        self.0.notify_one();
    }

    /// Waits until the bell rings, or until a time.
    pub(super) async fn rung(&self, until: Option<Instant>) {
        match until {
            // Which of the two ended the wait does not matter: the worker looks for itself.
            Some(until) => drop(timeout_at(until, self.0.notified()).await),
            None => self.0.notified().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

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
