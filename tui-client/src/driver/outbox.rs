//! Changes on their way to the server: those that wait to be sent, in the planner's order, and those that were sent and
//! not yet answered.

use std::collections::{BTreeMap, VecDeque};

use common::message::RequestId;
use sync_engine::{Change, NodeId};

/// How many commits are sent without an answer at most.
const COMMITS_UNDER_WAY: usize = 8;
/// How many small contents are read again at once.
const ASIDE_MAX: usize = 64;

/// See the module's page.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: VecDeque<Change>,
    /// Changes whose small content is being read again.
    aside: BTreeMap<NodeId, Change>,
    sent: BTreeMap<RequestId, Vec<Change>>,
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
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        let aside = std::mem::take(&mut self.aside).into_values();
        let sent = std::mem::take(&mut self.sent).into_values().flatten();
        waiting.chain(aside).chain(sent).collect()
    }

    /// Tells whether nothing waits and nothing is unanswered.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.aside.is_empty() && self.sent.is_empty()
    }
}
