//! The workers that read files. A file's bytes count only if its print was the same before and after; one that changed
//! meanwhile is read again, later and later, and is listed as busy when that goes on. A file whose print is younger
//! than the disk's clock can tell is read once more when it can, since a change under an equal print may hide there.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::limits::INLINE_LEN_MAX;
use common::message::Form;
use sync_engine::observe::Moment;
use sync_engine::{Block, Bug, planted};

use super::finding::{Event, Finding, Reading};
use super::freshness::{Clock, Glance};
use super::jobs::{Job, LARGE_LEN};
use super::places::parent_print;
use super::queue::{Next, Queue};
use super::settle::Urgency;
use super::worker::Step;
use crate::chunker::Chunker;
use crate::disk::{DiskError, Held, Root, Sight};
use crate::transfer::compress::attach;

/// So many files are sent to the driver at once at most.
const BATCH_COUNT_MAX: usize = 64;
/// So many bytes of small files are sent to the driver at once, or a file's more.
const BATCH_LEN_MAX: usize = 256 * 1024;
/// A file that changed while it was read is read again after this time, then twice this time, and so on.
const RETRY_MIN: Duration = Duration::from_millis(20);
/// The longest time between two tries.
const RETRY_MAX: Duration = Duration::from_secs(2);
/// After so many tries in vain a file is listed as busy; the tries go on.
const TRIES_MAX: u32 = 5;
/// What the driver is about to be told.
#[derive(Default)]
struct Batch {
    findings: Vec<Finding>,
    epochs: Vec<u64>,
    len_bytes: usize,
}

/// See the module's page.
pub(super) struct Reader {
    queue: Arc<Queue>,
    root: Root,
    clock: Arc<Clock>,
    large: bool,
    chunker: Chunker,
    batch: Batch,
    /// Since when the files of the batch were looked at.
    glance: Option<Glance>,
    /// The directory of the file that was read last.
    held: Option<Held>,
}

impl Reader {
    /// Returns a worker for large files, which helps with the small ones, or for small files only.
    pub(super) fn new(queue: Arc<Queue>, root: Root, clock: Arc<Clock>, large: bool) -> Self {
        Self {
            queue,
            root,
            clock,
            large,
            chunker: Chunker::new(),
            batch: Batch::default(),
            glance: None,
            held: None,
        }
    }

    /// Tells whether it reads large files.
    pub(super) fn is_for_large(&self) -> bool {
        self.large
    }

    /// Reads one file, or tells what was read.
    pub(super) fn step(&mut self) -> Step {
        match self.queue.next_job(self.large) {
            Next::Take(job) => {
                self.glance.get_or_insert_with(|| self.clock.begin_reading());
                self.hold(&job);
                let held = self.held.as_ref();
                work(
                    &self.queue,
                    &self.root,
                    held,
                    &mut self.chunker,
                    job,
                    &mut self.batch,
                );
                // What is known of one file does not wait until a large one is read.
                if self.batch.is_full() || self.large && self.queue.has_large_jobs() {
                    self.finish().map_or(Step::Done, Step::Found)
                } else {
                    Step::Done
                }
            }
            // What is ready goes out as soon as there is nothing to add to it.
            Next::Wait(until) => self.finish().map_or(Step::Wait(until), Step::Found),
            Next::End => Step::End,
        }
    }

    /// Holds the directory of a file that is to be read.
    fn hold(&mut self, job: &Job) {
        if self.held.as_ref().is_none_or(|held| !held.holds(&job.path)) {
            self.held = self.root.hold_parent(&job.path);
        }
    }

    /// Makes an event of the batch, if there is anything in it.
    fn finish(&mut self) -> Option<Event> {
        self.held = None;
        let glance = self.glance.take()?;
        let Batch { findings, epochs, .. } = std::mem::take(&mut self.batch);
        (!findings.is_empty()).then_some(Event {
            findings,
            glance,
            epochs,
            from_looker: false,
            moment: Moment::Fleeting,
        })
    }
}

fn work(queue: &Queue, root: &Root, held: Option<&Held>, chunker: &mut Chunker, job: Job, batch: &mut Batch) {
    tracing::trace!(?job, "reading");
    let attempt = read(root, held, chunker, &job);
    let (retry, delay) = match attempt {
        Attempt::Read(reading, young) => {
            if let Some(delay) = young {
                let again = Job {
                    n_tries: 0,
                    again: Some(reading.print),
                    ..job.clone()
                };
                queue.read_job(again, delay);
            }
            batch.len_bytes += reading.small.as_ref().map_or(0, |small| small.bytes.len());
            return batch.add(root, held, job, Ok(reading));
        }
        Attempt::Gone => {
            queue.look_late([job.path.clone()], Some(job.epoch));
            return queue.close([job.epoch]);
        }
        // It is something else by now: what, is for a look to say.
        Attempt::Failed(Block::UnsupportedType | Block::OtherFileSystem) => {
            queue.hint(job.path, Urgency::Now, Some(job.epoch));
            return queue.close([job.epoch]);
        }
        Attempt::Failed(block) if block != Block::Busy => return batch.add(root, held, job, Err(block)),
        Attempt::Young(delay) => (job.clone(), delay),
        Attempt::Failed(_) | Attempt::Changed => {
            let again = Job {
                n_tries: job.n_tries + 1,
                ..job.clone()
            };
            let delay = RETRY_MIN * 2_u32.pow(job.n_tries.min(16));
            (again, delay.min(RETRY_MAX))
        }
    };
    if retry.n_tries == TRIES_MAX {
        // From here on the file is listed; nothing waits for it any more.
        let epoch = queue.lock().ledger.epoch();
        queue.read_job(Job { epoch, ..retry }, delay);
        return batch.add(root, held, job, Err(Block::Busy));
    }
    queue.read_job(retry, delay);
    queue.close([job.epoch]);
}

impl Batch {
    fn is_full(&self) -> bool {
        BATCH_COUNT_MAX <= self.findings.len() || BATCH_LEN_MAX <= self.len_bytes
    }

    fn add(&mut self, root: &Root, held: Option<&Held>, job: Job, result: Result<Reading, Block>) {
        self.epochs.push(job.epoch);
        self.findings.push(Finding::Reading {
            parent: held.map_or_else(|| parent_print(root, &job.path), Held::print),
            path: job.path,
            result,
        });
    }
}

enum Attempt {
    /// It was read whole. If its print is too young, it is to be read again after this time.
    Read(Reading, Option<Duration>),
    /// It is not there.
    Gone,
    /// It cannot be read.
    Failed(Block),
    /// It changed meanwhile.
    Changed,
    /// It is large, and it pays to wait until its print can be trusted.
    Young(Duration),
}

fn read(root: &Root, held: Option<&Held>, chunker: &mut Chunker, job: &Job) -> Attempt {
    let opened = match held {
        Some(held) => held.open_file(&job.path),
        None => root.open_file(&job.path),
    };
    // A disk that folds names may have found by this one what has another by now.
    if root.folds_names() && root.look_exactly(&job.path) == Sight::Absent {
        return Attempt::Gone;
    }
    let (mut file, before) = match opened {
        Ok(opened) => opened,
        Err(DiskError::Gone { .. }) => return Attempt::Gone,
        Err(DiskError::Blocked { block, .. }) => return Attempt::Failed(block),
        Err(error) => return Attempt::Failed(Block::Unreadable(error.to_string())),
    };
    // A print that is seen for the second time is trusted, so that a clock that was put back puts nothing off for ever.
    let young = before.young_for(root.now()).filter(|_| job.again != Some(before));
    if let Some(delay) = young.filter(|_| LARGE_LEN < before.size_bytes)
        && job.n_tries == 0
        && job.again.is_none()
    {
        return Attempt::Young(delay);
    }
    let inline = before.size_bytes <= INLINE_LEN_MAX as u64;
    let mut small = None;
    let chunked = chunker.chunk(&mut file, |chunk, bytes| {
        let is_whole = inline && bytes.len() as u64 == before.size_bytes;
        small = is_whole.then(|| attach(chunk.hash, Form::Data, Bytes::copy_from_slice(bytes)));
    });
    let chunked = match chunked {
        Ok(chunked) => chunked,
        Err(error) => return Attempt::Failed(Block::Unreadable(error.to_string())),
    };
    match root.print_of(&file) {
        Ok(after) if after == before && chunked.content.size_bytes == before.size_bytes => (),
        Ok(_) if planted(Bug::TornRead) => (),
        Ok(_) => return Attempt::Changed,
        Err(error) => return Attempt::Failed(Block::Unreadable(error.to_string())),
    }
    let reading = Reading {
        print: before,
        is_young: young.is_some(),
        chunked: Arc::new(chunked),
        small,
    };
    Attempt::Read(reading, young)
}
