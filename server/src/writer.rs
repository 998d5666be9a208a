//! The one thread that writes. It takes all jobs that are waiting, runs them in one transaction, makes packs and
//! database durable with one flush each, and only then answers them all: many devices share the cost, and none waits
//! for a timer. Law: no job is told that it is done before what it wrote is as durable as it asked for. If the disk
//! does not keep its word, the thread stops for good and the server ends: what the disk holds is then known only to a
//! new start.

mod commit;
mod enrolment;
mod put;
mod task;

pub(crate) use commit::{CommitJob, Committed};
pub(crate) use enrolment::{Admitted, Caller, admit_device};
pub(crate) use put::{PutJob, Stored};
pub(crate) use task::TaskJob;

use common::message::Failure;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::store::{Blobs, Draft, Durability, Metadata, Store, StoreError};

/// Jobs that may wait.
const JOBS_MAX: usize = 1024;
/// Jobs in one transaction.
const BATCH_JOBS_MAX: usize = 256;
/// Bytes of chunks in one transaction; the last job may pass it.
const BATCH_LEN_MAX: usize = 32 * 1024 * 1024;

/// Something to write.
pub(crate) trait Job: Send {
    /// How durable it has to be before it is answered.
    fn durability(&self) -> Durability;

    /// How many bytes of chunks it brings.
    fn len(&self) -> usize;

    /// Writes. It may be run again, when the transaction it was run in did not count.
    fn run(&mut self, draft: &dyn Draft, blobs: &dyn Blobs) -> Result<(), StoreError>;

    /// Answers, once it counts or could not be done.
    fn finish(self: Box<Self>, outcome: Result<(), Failure>);
}

/// The way to the thread that writes.
#[derive(Clone)]
pub(crate) struct Writer {
    /// Bounded: who brings more than the disk takes, waits. Jobs are run in the order in which they were sent.
    jobs: mpsc::Sender<Box<dyn Job>>,
}

impl Writer {
    /// Starts the thread. It ends when all handles are gone; if it must stop before, it cancels `fault`.
    pub(crate) fn start(store: Arc<Store>, fault: CancellationToken) -> std::io::Result<(Self, Ended)> {
        let (jobs, waiting) = mpsc::channel(JOBS_MAX);
        let (ended, has_ended) = oneshot::channel();
        common::offload::start("writer", async move {
            let guard = fault.drop_guard();
            if work(&store, waiting).await {
                guard.disarm();
            }
            drop(store);
            // Nobody waits for this when the server was dropped without being shut down.
            let _ = ended.send(());
        })?;
        Ok((Self { jobs }, Ended(has_ended)))
    }

    /// Hands over a job. It is finished in any case, or dropped when the thread has stopped.
    pub(crate) async fn send(&self, job: Box<dyn Job>) {
        // A job that is dropped drops the way to answer it, which whoever waits for the answer sees.
        let _ = self.jobs.send(job).await;
    }

    /// Runs a piece of work on a draft and returns what it returned.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnMut(&dyn Draft) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Failure> {
        let (job, answer) = TaskJob::new(work);
        self.send(Box::new(job)).await;
        answer.await.unwrap_or(Err(Failure::ServerFault))
    }
}

/// Is there when the thread has ended.
pub(crate) struct Ended(oneshot::Receiver<()>);

impl Ended {
    /// Waits for the end of the thread.
    pub(crate) async fn wait(self) {
        // An error means that the thread is gone as well.
        let _ = self.0.await;
    }
}

/// Works until nobody can send any more; tells whether all went well.
async fn work(store: &Store, mut waiting: mpsc::Receiver<Box<dyn Job>>) -> bool {
    while let Some(first) = waiting.recv().await {
        let mut len = first.len();
        let mut batch = vec![first];
        while batch.len() < BATCH_JOBS_MAX && len < BATCH_LEN_MAX {
            let Ok(job) = waiting.try_recv() else { break };
            len += job.len();
            batch.push(job);
        }
        if let Err(error) = run_batch(store, batch) {
            stop_for(&error);
            return false;
        }
    }
    true
}

fn stop_for(error: &StoreError) {
    tracing::error!(
        error = error as &dyn std::error::Error,
        "the disk did not keep what was written to it; the server stops so that nothing is confirmed that may be \
         lost; check the disk and the log of the system, then start the server again: it will look at what is there"
    );
}

/// Runs jobs in one transaction; if it fails, each in one of its own, so that a job which cannot be done (because
/// there is no room for what it brings, say) does not fail others.
fn run_batch(store: &Store, mut batch: Vec<Box<dyn Job>>) -> Result<(), StoreError> {
    match run_together(store, &mut batch) {
        Ok(()) => {
            batch.into_iter().for_each(|job| job.finish(Ok(())));
            Ok(())
        }
        Err(error) if error.is_fatal() => Err(error),
        Err(_) if 1 < batch.len() => batch.into_iter().try_for_each(|job| run_batch(store, vec![job])),
        Err(error) => {
            let failure = if error.is_full() {
                Failure::ServerFull
            } else {
                Failure::ServerFault
            };
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a change could not be written; the device was told so and will try again"
            );
            batch.into_iter().for_each(|job| job.finish(Err(failure.clone())));
            Ok(())
        }
    }
}

fn run_together(store: &Store, batch: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    let durability = if batch.iter().all(|job| job.durability() == Durability::Later) {
        Durability::Later
    } else {
        Durability::Flushed
    };
    let before = store.packs.mark();
    let result = store.metadata.write(durability, |draft| {
        batch
            .iter_mut()
            .try_for_each(|job| job.run(draft, &store.packs))?;
        if durability == Durability::Flushed {
            let flushed = store.packs.flush()?;
            draft.set_flushed(flushed)?;
        }
        Ok(())
    });
    if let Err(error) = &result
        && !error.is_fatal()
    {
        store.packs.rewind(before).map_err(|source| match source {
            StoreError::File { path, source, .. } => StoreError::NotFlushed { path, source },
            other => other,
        })?;
    }
    result
}
