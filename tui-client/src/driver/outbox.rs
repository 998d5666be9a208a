//! Changes on their way to the server: those that wait to be sent, in the planner's order, and those that were sent and
//! not yet answered.

use std::collections::{BTreeMap, VecDeque};

use common::limits::{CHANGES_MAX, FRAME_LEN_AIM};
use common::message::{Attachment, RequestId};
use sync_engine::{Change, NodeId};

/// How many commits are sent without an answer at most.
const COMMITS_UNDER_WAY: usize = 8;
/// What one change takes in a frame besides its content, about, in bytes.
const CHANGE_LEN: usize = 160;
/// How many changes go into one commit: enough to share a flush, few enough to keep the pipeline full.
const CHANGES_AIM: usize = 512;

const _: () = assert!(CHANGES_AIM <= CHANGES_MAX);

/// See the module's page.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: VecDeque<(Change, Option<Attachment>)>,
    sent: BTreeMap<RequestId, Vec<Change>>,
}

/// The nodes that a change touches.
pub(super) fn nodes_of(change: &Change) -> impl Iterator<Item = NodeId> {
    let (one, many) = match change {
        Change::Create { id, .. }
        | Change::Update { id, .. }
        | Change::Delete { id, .. }
        | Change::Mark { id, .. } => (Some(*id), &[][..]),
        Change::Move { moves } => (None, &moves[..]),
    };
    one.into_iter().chain(many.iter().map(|to| to.id))
}

impl Outbox {
    /// Adds a change to the end.
    pub(super) fn push(&mut self, change: Change, attachment: Option<Attachment>) {
        self.waiting.push_back((change, attachment));
    }

    /// Takes as many changes as fill a commit, if the pipeline has room for one. Changes for which `current` says no
    /// any more are dropped into `outdated`.
    pub(super) fn next_commit(
        &mut self,
        current: impl Fn(&Change) -> bool,
        outdated: &mut Vec<Change>,
    ) -> Option<(Vec<Change>, Vec<Attachment>)> {
        if self.sent.len() >= COMMITS_UNDER_WAY {
            return None;
        }
        let (mut changes, mut attachments, mut len) = (Vec::new(), Vec::new(), 0);
        while let Some((change, attachment)) = self.waiting.pop_front() {
            if !current(&change) {
                outdated.push(change);
                continue;
            }
            len += CHANGE_LEN + attachment.as_ref().map_or(0, |attachment| attachment.bytes.len());
            changes.push(change);
            attachments.extend(attachment);
            if len >= FRAME_LEN_AIM || changes.len() >= CHANGES_AIM {
                break;
            }
        }
        (!changes.is_empty()).then_some((changes, attachments))
    }

    /// Notes that a commit was sent.
    pub(super) fn sent(&mut self, request: RequestId, changes: Vec<Change>) {
        self.sent.insert(request, changes);
    }

    /// Returns one change of a commit that was sent.
    #[must_use]
    pub(super) fn change(&self, request: RequestId, index: u32) -> Option<&Change> {
        self.sent.get(&request)?.get(usize::try_from(index).ok()?)
    }

    /// Tells whether a request is a commit that is not yet answered.
    #[must_use]
    pub(super) fn is_sent(&self, request: RequestId) -> bool {
        self.sent.contains_key(&request)
    }

    /// Takes a commit that was answered.
    pub(super) fn answered(&mut self, request: RequestId) -> Option<Vec<Change>> {
        self.sent.remove(&request)
    }

    /// Takes everything: the session is over, and what became of it will be seen in the journal.
    pub(super) fn drain(&mut self) -> Vec<Change> {
        let waiting = std::mem::take(&mut self.waiting)
            .into_iter()
            .map(|(change, _)| change);
        waiting
            .chain(std::mem::take(&mut self.sent).into_values().flatten())
            .collect()
    }

    /// Tells whether nothing waits and nothing is unanswered.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.sent.is_empty()
    }
}
