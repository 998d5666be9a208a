//! Taking changes into an account's journal. Each is admitted by the heart's rules against the tree as the changes
//! before it left it; the ones that pass become entries, the others are answered with the reason.

use common::limits::INLINE_LEN_MAX;
use common::message::{Attachment, Failure, Outcome, RequestId};
use std::sync::Arc;
use sync_engine::{Bug, Change, DeviceId, Guard, Rejection, planted};
use tokio::sync::oneshot;

use super::Job;
use super::put::{len_of, take_chunks};
use crate::chunk::Verified;
use crate::feed::{Feed, OwnEntries, Recent};
use crate::journal::{Group, JournalEnd};
use crate::store::{Blobs, Draft, Durability, StoreError};

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
    /// What became of the changes, once run.
    pub(crate) outcomes: Vec<Outcome>,
    /// The entries made, once run.
    pub(crate) entries: Vec<Recent>,
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

    fn run(&mut self, draft: &dyn Draft, blobs: &dyn Blobs) -> Result<(), StoreError> {
        self.outcomes.clear();
        self.entries.clear();
        let account = self.feed.account();
        let taken = take_chunks(draft, blobs, account, self.quota_bytes, &self.chunks)?;
        let mut end = JournalEnd::open_within(draft, account, self.quota_bytes, &taken.here)?;
        for outcome in self.append(&mut end)? {
            match outcome {
                Ok(mut recent) => {
                    recent.contents = inline_contents(&recent.entry.change, &self.chunks);
                    self.outcomes.push(Outcome::Accepted(recent.entry.number));
                    self.entries.push(recent);
                }
                Err(Rejection::MissingContent(_)) if taken.is_over_quota => {
                    self.outcomes.push(Outcome::Rejected(Rejection::Quota));
                }
                Err(rejection) => self.outcomes.push(Outcome::Rejected(rejection)),
            }
        }
        end.finish()?;
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<(), Failure>) {
        let Self {
            feed,
            own,
            request,
            answer,
            outcomes,
            entries,
            ..
        } = *self;
        if outcome.is_ok() {
            own.learn(request, &outcomes);
            feed.publish(entries);
        }
        // The device may have gone; what it asked for is done all the same.
        let _ = answer.send(outcome.map(|()| outcomes));
    }
}

impl CommitJob {
    /// Appends the changes, each for itself or all as one; returns what became of each.
    fn append(&self, end: &mut JournalEnd<'_>) -> Result<Vec<Result<Recent, Rejection>>, StoreError> {
        let Some(guards) = &self.guards else {
            let changes = self.changes.iter();
            return changes.map(|change| end.append(self.device, change)).collect();
        };
        let group = Group {
            guards,
            changes: &self.changes,
        };
        Ok(match end.append_group(self.device, group)? {
            Ok(taken) => taken.into_iter().map(Ok).collect(),
            Err(rejections) => rejections.into_iter().map(Err).collect(),
        })
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
        .find(|chunk| chunk.head.hash == content.hash && chunk.list.is_none());
    found
        .map(|chunk| Attachment {
            head: chunk.head,
            bytes: chunk.bytes.clone(),
        })
        .into_iter()
        .collect()
}
