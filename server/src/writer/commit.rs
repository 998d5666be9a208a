//! Taking changes into an account's journal. Each is admitted by the heart's rules against the tree as the changes
//! before it left it; the ones that pass become entries, the others are answered with the reason.

use common::limits::INLINE_LEN_MAX;
use common::message::{Attachment, Failure, Outcome, RequestId};
use std::collections::BTreeMap;
use std::sync::Arc;
use sync_engine::{Bug, Change, DeviceId, Guard, Hash, Rejection, planted};
use tokio::sync::oneshot;

use super::put::{len_of, take_some, work_of};
use super::{Job, Work};
use crate::chunk::Verified;
use crate::feed::{Feed, OwnEntries, Recent};
use crate::journal::{Group, JournalEnd};
use crate::store::{Blobs, Draft, Durability, Extent, StoreError};

/// What became of each change.
pub(crate) type Committed = Result<Vec<Outcome>, Failure>;

/// Changes that a device asks for.
pub(crate) struct CommitJob {
    /// The account's feed, which is told of the new entries.
    pub(crate) feed: Arc<Feed>,
    /// Where the connection learns which entries are its own.
    pub(crate) own: Arc<OwnEntries>,
    /// The device.
    pub(crate) device: DeviceId,
    /// The number of the request.
    pub(crate) request: RequestId,
    /// How many bytes the account may have, unless something else was set for it.
    pub(crate) quota_bytes: Option<u64>,
    /// What the changes rely on, if they are to be taken whole or not at all.
    pub(crate) guards: Option<Vec<Guard>>,
    /// The changes.
    pub(crate) changes: Vec<Change>,
    /// What came attached, verified.
    pub(crate) chunks: Vec<Verified>,
    /// The way to answer.
    pub(crate) answer: oneshot::Sender<Committed>,
    /// How far it has come.
    pub(crate) progress: Progress,
}

/// How far a commit has come. What was done in a transaction that did not count is done again.
#[derive(Default)]
pub(crate) struct Progress {
    /// How many of the chunks were taken, or not, for good.
    n_chunks: usize,
    /// How many of the changes have their outcome for good.
    n_changes: usize,
    /// How many of the chunks were looked at, in this transaction the last.
    n_chunks_now: usize,
    /// Whether some of them found no room.
    is_over_quota: bool,
    /// What became of the changes, in this transaction of the last.
    outcomes: Vec<Outcome>,
    /// The entries made in this transaction.
    entries: Vec<Recent>,
}

impl CommitJob {
    /// Judges changes, as far as there is work left.
    fn append(
        &mut self,
        draft: &dyn Draft,
        here: &BTreeMap<Hash, Extent>,
        work: &Work,
    ) -> Result<(), StoreError> {
        let n_before = self.progress.outcomes.len();
        let Progress {
            is_over_quota,
            outcomes,
            entries,
            ..
        } = &mut self.progress;
        let mut end = JournalEnd::open_within(draft, self.feed.account(), self.quota_bytes, here, work)?;
        let mut note = |judged: Result<Recent, Rejection>| match judged {
            Ok(mut recent) => {
                recent.contents = inline_contents(&recent.entry.change, &self.chunks);
                outcomes.push(Outcome::Accepted(recent.entry.number));
                entries.push(recent);
            }
            Err(Rejection::MissingContent(_)) if *is_over_quota => {
                outcomes.push(Outcome::Rejected(Rejection::Quota));
            }
            Err(rejection) => outcomes.push(Outcome::Rejected(rejection)),
        };
        match &self.guards {
            // A group is small enough for one turn.
            Some(guards) => {
                let group = Group {
                    guards,
                    changes: &self.changes,
                };
                end.append_group(self.device, group)?.into_iter().for_each(note);
            }
            None => {
                for change in &self.changes[n_before..] {
                    if work.is_spent() {
                        break;
                    }
                    note(end.append(self.device, change)?);
                }
            }
        }
        end.finish()?;
        Ok(())
    }
}

impl Job for CommitJob {
    fn durability(&self) -> Durability {
        match planted(Bug::AcknowledgedUnflushed) {
            true => Durability::Later,
            false => Durability::Flushed,
        }
    }

    fn len(&self) -> usize {
        len_of(&self.chunks)
    }

    fn work(&self) -> u64 {
        let changes = self.changes.iter().map(|change| match change {
            Change::Move { moves } => Work::CHANGE + moves.len() as u64 * 2 * Work::ROW,
            Change::Create { .. } | Change::Update { .. } | Change::Delete { .. } | Change::Mark { .. } => {
                Work::CHANGE + 2 * Work::ROW
            }
        });
        changes.sum::<u64>() + work_of(&self.chunks)
    }

    fn run(&mut self, draft: &dyn Draft, blobs: &dyn Blobs, work: &Work) -> Result<(), StoreError> {
        let progress = &mut self.progress;
        progress.outcomes.truncate(progress.n_changes);
        progress.entries.clear();
        let rest = &self.chunks[progress.n_chunks..];
        let account = self.feed.account();
        let taken = take_some(draft, blobs, account, self.quota_bytes, rest, work)?;
        progress.n_chunks_now = progress.n_chunks + taken.n_done;
        progress.is_over_quota |= taken.is_over_quota;
        if progress.n_chunks_now == self.chunks.len() {
            self.append(draft, &taken.here, work)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>, outcome: Result<(), Failure>) -> Option<Box<dyn Job>> {
        let progress = &mut self.progress;
        if outcome.is_ok() {
            let new = &progress.outcomes[progress.n_changes..];
            self.own.learn(self.request, progress.n_changes, new);
            self.feed.publish(std::mem::take(&mut progress.entries));
            progress.n_chunks = progress.n_chunks_now;
            progress.n_changes = progress.outcomes.len();
            if progress.n_chunks < self.chunks.len() || progress.n_changes < self.changes.len() {
                return Some(self);
            }
        }
        let Self { answer, progress, .. } = *self;
        if outcome.is_err() && progress.n_changes != 0 {
            // A part of it counts. Without an answer the device is cut off, and sees in the journal what became of it.
            return None;
        }
        // The device may have gone; what it asked for is done all the same.
        let _ = answer.send(outcome.map(|()| progress.outcomes));
        None
    }
}

/// Returns the small content that a change brings, if it came attached to the commit: it travels on with the push.
fn inline_contents(change: &Change, chunks: &[Verified]) -> Vec<Attachment> {
    let Some((_, content)) = change.content() else {
        return Vec::new();
    };
    let is_small = content.size_bytes <= INLINE_LEN_MAX as u64;
    if content.depth != 0 || !is_small {
        return Vec::new();
    }
    let found = chunks
        .iter()
        .find(|chunk| chunk.head.hash == content.hash && chunk.depth == 0);
    found
        .map(|chunk| Attachment {
            head: chunk.head,
            bytes: chunk.bytes.clone(),
        })
        .into_iter()
        .collect()
}
