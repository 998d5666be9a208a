//! Changes on their way to the server: those that wait to be sent, in the planner's order, and those that were sent and
//! not yet answered.

use crate::advance::Origin;
use crate::{Change, NodeId};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

/// How many commits are sent without an answer at most.
const COMMITS_UNDER_WAY: usize = 8;
/// How many small contents are read again at once.
const ASIDE_MAX: usize = 256;

/// A commit that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Sent {
    /// Its changes.
    pub changes: Vec<Change>,
    /// The nodes whose contents travel with them, and how long those are, in bytes.
    pub brought: BTreeMap<NodeId, u64>,
    /// What the entries that it becomes are to this device.
    pub origin: Origin,
}

/// See the module's page.
#[derive(Debug, Clone, Default, Hash)]
pub(super) struct Outbox {
    waiting: VecDeque<Change>,
    /// Changes whose small content is being read again.
    aside: BTreeMap<NodeId, Change>,
    sent: BTreeMap<u64, Sent>,
}

impl Outbox {
    /// Adds a change to the end.
    pub(super) fn push(&mut self, change: Change) {
        self.waiting.push_back(change);
    }

    /// Takes the first change that waits, if the pipeline has room for one more commit.
    pub(super) fn pop(&mut self) -> Option<Change> {
        let has_room = self.sent.len() < COMMITS_UNDER_WAY && self.aside.len() < ASIDE_MAX;
        if has_room { self.waiting.pop_front() } else { None }
    }

    /// Sets a change aside until its content has been read.
    pub(super) fn set_aside(&mut self, id: NodeId, change: Change) {
        self.aside.insert(id, change);
    }

    /// Takes the change of a node that was set aside, since its content could not be read.
    pub(super) fn give_up(&mut self, id: NodeId) -> Option<Change> {
        self.aside.remove(&id)
    }

    /// Puts the change of a node that was set aside to the front again.
    pub(super) fn bring_back(&mut self, id: NodeId) {
        if let Some(change) = self.aside.remove(&id) {
            self.waiting.push_front(change);
        }
    }

    /// Notes that a commit was sent with this number.
    pub(super) fn sent(&mut self, request: u64, sent: Sent) {
        self.sent.insert(request, sent);
    }

    /// Returns one change of a commit that was sent, and where it comes from.
    #[must_use]
    pub(super) fn change(&self, request: u64, index: u32) -> Option<(&Change, Origin)> {
        let sent = self.sent.get(&request)?;
        Some((sent.changes.get(usize::try_from(index).ok()?)?, sent.origin))
    }

    /// Tells whether a request is a commit that is not yet answered.
    #[must_use]
    pub(super) fn is_sent(&self, request: u64) -> bool {
        self.sent.contains_key(&request)
    }

    /// Tells whether there is a commit that is not yet answered.
    #[must_use]
    pub(super) fn has_sent(&self) -> bool {
        !self.sent.is_empty()
    }

    /// Takes a commit that was answered.
    pub(super) fn answered(&mut self, request: u64) -> Option<Sent> {
        self.sent.remove(&request)
    }

    /// Takes everything: the session is over, and what became of it will be seen in the journal.
    pub(super) fn drain(&mut self) -> Vec<Change> {
        let waiting = core::mem::take(&mut self.waiting).into_iter();
        let aside = core::mem::take(&mut self.aside).into_values();
        let sent = core::mem::take(&mut self.sent)
            .into_values()
            .flat_map(|sent| sent.changes);
        waiting.chain(aside).chain(sent).collect()
    }

    /// Tells whether nothing waits and nothing is unanswered.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.aside.is_empty() && self.sent.is_empty()
    }
}
