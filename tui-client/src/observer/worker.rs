//! The observer's workers. Each does one step after the other and says what it waits for. They are tasks that block
//! while they wait for the disk, so each needs a thread of its own, but for a simulation, which has one thread only.

use std::fmt;
use std::sync::Arc;

use common::offload;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::bell::Bell;
use super::finding::Event;
use super::looker::Looker;
use super::queue::Queue;
use super::reader::Reader;

/// What a step of a worker came to.
pub(super) enum Step {
    /// The driver is to be told of this.
    Found(Event),
    /// Something was done, and there may be more.
    Done,
    /// There is nothing to do until the worker's bell rings, or until this time.
    Wait(Option<Instant>),
    /// The observer is gone.
    End,
}

/// One of the observer's workers, before it begins.
pub struct Worker {
    role: Role,
    queue: Arc<Queue>,
    events: mpsc::Sender<Event>,
}

enum Role {
    Look(Box<Looker>),
    Read(Box<Reader>),
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

impl Worker {
    pub(super) fn looking(looker: Looker, queue: Arc<Queue>, events: mpsc::Sender<Event>) -> Self {
        let role = Role::Look(Box::new(looker));
        Self { role, queue, events }
    }

    pub(super) fn reading(reader: Reader, queue: Arc<Queue>, events: mpsc::Sender<Event>) -> Self {
        let role = Role::Read(Box::new(reader));
        Self { role, queue, events }
    }

    /// Returns what its thread is called.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match &self.role {
            Role::Look(_) => "look",
            Role::Read(reader) if reader.is_for_large() => "read large",
            Role::Read(_) => "read small",
        }
    }

    /// Works as a task until the observer is dropped. It may be dropped itself at any time.
    pub async fn run(mut self) {
        let (queue, events) = (Arc::clone(&self.queue), self.events.clone());
        let bell = self.bell(&queue);
        loop {
            match self.step() {
                Step::Found(event) => {
                    offload::lag().await;
                    if events.send(event).await.is_err() {
                        return;
                    }
                }
                Step::Done => tokio::task::yield_now().await,
                Step::Wait(until) => bell.rung(until).await,
                Step::End => return,
            }
        }
    }

    fn bell<'a>(&self, queue: &'a Queue) -> &'a Bell {
        match &self.role {
            Role::Look(_) => queue.looker(),
            Role::Read(reader) => queue.reader(reader.is_for_large()),
        }
    }

    fn step(&mut self) -> Step {
        match &mut self.role {
            Role::Look(looker) => looker.step(),
            Role::Read(reader) => reader.step(),
        }
    }
}
