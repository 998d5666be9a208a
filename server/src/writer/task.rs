//! A small piece of work on the records, as a job: enrolments, names, revocations.

use common::message::Failure;
use tokio::sync::oneshot;

use super::{Job, Work as Allowed};
use crate::store::{Blobs, Draft, Durability, StoreError};

/// How much work such a piece is, about.
const WORK: u64 = 8 * Allowed::ROW;

type Work<T> = Box<dyn FnMut(&dyn Draft) -> Result<T, StoreError> + Send>;

/// See the module's page.
pub(crate) struct TaskJob<T> {
    work: Work<T>,
    result: Option<T>,
    answer: oneshot::Sender<Result<T, Failure>>,
}

impl<T> TaskJob<T> {
    /// Returns a job and the way in which it will be answered.
    pub(crate) fn new(
        work: impl FnMut(&dyn Draft) -> Result<T, StoreError> + Send + 'static,
    ) -> (Self, oneshot::Receiver<Result<T, Failure>>) {
        let (answer, answered) = oneshot::channel();
        (
            Self {
                work: Box::new(work),
                result: None,
                answer,
            },
            answered,
        )
    }
}

impl<T: Send + 'static> Job for TaskJob<T> {
    fn durability(&self) -> Durability {
        Durability::Flushed
    }

    fn len(&self) -> usize {
        0
    }

    fn work(&self) -> u64 {
        WORK
    }

    fn run(&mut self, draft: &dyn Draft, _blobs: &dyn Blobs, work: &Allowed) -> Result<(), StoreError> {
        if !work.is_spent() {
            work.spend(WORK);
            self.result = Some((self.work)(draft)?);
        }
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<(), Failure>) -> Option<Box<dyn Job>> {
        if outcome.is_ok() && self.result.is_none() {
            return Some(self);
        }
        let Self { result, answer, .. } = *self;
        // Whoever asked may have gone.
        let _ = answer.send(outcome.and_then(|()| result.ok_or(Failure::ServerFault)));
        None
    }
}
