//! The one thread that writes. It takes jobs that are waiting, runs them in one transaction, makes packs and
//! database durable with one flush each, and only then answers them all: many devices share the cost, and none waits
//! for a timer. Laws: no job is told that it is done before what it wrote is as durable as it asked for. The accounts take
//! turns, and a transaction does only so much, whatever a job asks for: what is left of it has its turn later. If the disk
//! does not keep its word, the thread stops for good and the server ends: what the disk holds is then known only to a
//! new start.

mod commit;
mod enrolment;
mod put;
mod queue;
mod task;
mod work;

pub(crate) use commit::{CommitJob, Committed, Progress};
pub(crate) use enrolment::{Admitted, Caller, admit_device};
#[cfg(test)]
pub(crate) use put::take_chunks;
pub(crate) use put::{PutJob, Stored};
pub(crate) use task::TaskJob;
pub(crate) use work::Work;

use common::message::Failure;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use self::queue::{Queue, Senders};
use crate::store::{AccountKey, Blobs, Draft, Durability, Metadata, Store, StoreError};

/// Something to write.
pub(crate) trait Job: Send {
    /// How durable it has to be before it is answered.
    fn durability(&self) -> Durability;

    /// How many bytes of chunks it brings.
    fn len(&self) -> usize;

    /// How much work it is, about.
    fn work(&self) -> u64;

    /// Writes, as far as there is work left. It may be run again, when the transaction it was run in did not count.
    fn run(&mut self, draft: &dyn Draft, blobs: &dyn Blobs, work: &Work) -> Result<(), StoreError>;

    /// Is told that what it wrote counts, or could not be done. It answers, or returns itself if it has more to write.
    fn finish(self: Box<Self>, outcome: Result<(), Failure>) -> Option<Box<dyn Job>>;
}

/// Whose job it is; nothing stands for all who are not known yet.
pub(crate) type Owner = Option<AccountKey>;
/// A job that has its turn.
type Turn = (Owner, Box<dyn Job>);

/// The way to the thread that writes.
#[derive(Clone)]
pub(crate) struct Writer {
    /// The jobs of an owner are run in the order in which they were sent.
    jobs: Senders,
}

impl Writer {
    /// Starts the thread. It ends when all handles are gone; if it must stop before, it cancels `fault`.
    pub(crate) fn start(store: Arc<Store>, fault: CancellationToken) -> std::io::Result<(Self, Ended)> {
        let jobs = Senders::default();
        let waiting = jobs.queue();
        let (ended, has_ended) = oneshot::channel();
        common::offload::start("writer", async move {
            let guard = fault.drop_guard();
            if work_off(&store, &waiting).await {
                guard.disarm();
            }
            waiting.end();
            drop(store);
            // Nobody waits for this when the server was dropped without being shut down.
            let _ = ended.send(());
        })?;
        Ok((Self { jobs }, Ended(has_ended)))
    }

    /// Hands over a job. It is finished in any case, or dropped when the thread has stopped: whoever waits for the answer
    /// sees that the way to answer it is gone.
    pub(crate) fn send(&self, owner: Owner, job: Box<dyn Job>) {
        self.jobs.send(owner, job);
    }

    /// Runs a piece of work on a draft and returns what it returned.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        owner: Owner,
        work: impl FnMut(&dyn Draft) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Failure> {
        let (job, answer) = TaskJob::new(work);
        self.send(owner, Box::new(job));
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
async fn work_off(store: &Store, waiting: &Queue) -> bool {
    while let Some(batch) = waiting.next_batch().await {
        if let Err(error) = run_batch(store, waiting, batch) {
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
/// there is no room for what it brings, say) does not fail others. What has more to write waits for its next turn.
fn run_batch(store: &Store, waiting: &Queue, mut batch: Vec<Turn>) -> Result<(), StoreError> {
    let mut rest = Vec::new();
    match run_together(store, waiting, &mut batch) {
        Err(error) if error.is_fatal() => return Err(error),
        Err(_) if 1 < batch.len() => {
            for (owner, job) in batch {
                // It waits for one of the same owner that is before it.
                if rest.iter().any(|(before, _)| *before == owner) {
                    rest.push((owner, job));
                    continue;
                }
                let mut turn = vec![(owner, job)];
                let outcome = run_together(store, waiting, &mut turn);
                finish(turn, outcome, &mut rest)?;
            }
        }
        outcome => finish(batch, outcome, &mut rest)?,
    }
    waiting.put_back(rest);
    Ok(())
}

/// Tells jobs what became of them, and returns those that have more to write.
fn finish(batch: Vec<Turn>, outcome: Result<(), StoreError>, rest: &mut Vec<Turn>) -> Result<(), StoreError> {
    let outcome = match outcome {
        Ok(()) => Ok(()),
        Err(error) if error.is_fatal() => return Err(error),
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a change could not be written; the device was told so and will try again"
            );
            Err(match error.is_full() {
                true => Failure::ServerFull,
                false => Failure::ServerFault,
            })
        }
    };
    let more = batch
        .into_iter()
        .filter_map(|(owner, job)| Some((owner, job.finish(outcome.clone())?)));
    rest.extend(more);
    Ok(())
}

fn run_together(store: &Store, waiting: &Queue, batch: &mut [Turn]) -> Result<(), StoreError> {
    let is_later = |(_, job): &Turn| job.durability() == Durability::Later;
    let durability = if batch.iter().all(is_later) {
        Durability::Later
    } else {
        Durability::Flushed
    };
    let before = store.packs.mark();
    let work = Work::of_batch();
    let result = store.metadata.write(durability, |draft| {
        for (owner, job) in &mut *batch {
            let left = work.left();
            job.run(draft, &store.packs, &work)?;
            waiting.charge(*owner, (left - work.left()).saturating_sub(job.work()));
        }
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
