//! Changes on their way to the server: when their contents are there, how many share a commit, and what becomes of them.

use super::Session;
use super::outbox::Sent;
use crate::advance::Origin;
use crate::plan::{Policy, is_moving_name};
use crate::time::Instant;
use crate::{Block, Change, Content, Hash, Node, NodeId, Reaction, Rejection, Trees, Version, react};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// What one change takes in a frame besides its content, about, in bytes.
const CHANGE_LEN: usize = 160;

/// The limits of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limits {
    /// A content up to this size travels inside its commit, in bytes.
    pub inline_len_max: u64,
    /// A commit that has reached this length is sent, in bytes.
    pub commit_len_aim: usize,
    /// So many changes go into one commit: enough to share a flush, few enough to keep the pipeline full.
    pub changes_aim: usize,
    /// No larger tree is taken from a server, in bytes as [`Parts`](crate::Parts) counts them.
    pub tree_len_max: usize,
}

/// Changes to be sent as one commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commit {
    /// The changes, in order.
    pub changes: Vec<Change>,
    /// Small contents that travel with them.
    pub contents: Vec<Hash>,
    /// Small contents that are not at hand: they have to be read again before their changes can go.
    pub loads: Vec<(NodeId, Content)>,
}

/// What became of a commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answered {
    /// Contents that the account has now: nobody needs to keep them to be sent.
    pub done: Vec<Hash>,
    /// Why a change was not taken, if one was not; the last, if several.
    pub refused: Option<Rejection>,
}

impl Session {
    /// Puts a change into the outbox once the server can have its content. Returns the content if that has to go first.
    pub(super) fn order_commit(&mut self, change: Change) -> Option<(NodeId, Content)> {
        change.ids().for_each(|id| self.holds.take(id));
        let wanting = self.wanting(&change);
        if let Some((id, content)) = wanting {
            if !self.holds.may_have_room(id, content.size_bytes) {
                self.wait_for_room(id);
                return None;
            }
            self.uploading.insert(id);
        }
        match wanting {
            Some((_, content)) if !self.is_inline(content) => wanting,
            Some(_) | None => {
                self.outbox.push(change);
                None
            }
        }
    }

    /// Lets a change wait, since the server has no room for its content.
    fn wait_for_room(&mut self, id: NodeId) {
        self.uploading.remove(&id);
        self.holds.wait_for_room(id);
        self.pace.want();
    }

    /// Tells whether a content travels inside its commit.
    fn is_inline(&self, content: Content) -> bool {
        content.depth == 0 && content.size_bytes <= self.limits.inline_len_max
    }

    /// The content that has to reach the server before, or with, a change.
    fn wanting(&self, change: &Change) -> Option<(NodeId, Content)> {
        let (id, content) = change.content()?;
        let at_server = self
            .trees
            .remote()
            .node(id)
            .and_then(|node| node.kind.file())
            .map(|file| file.content);
        let is_there =
            content.size_bytes == 0 || at_server == Some(content) || self.on_server.contains(&content.hash);
        (!is_there).then_some((id, content))
    }

    /// Takes as many changes as fill a commit. `attach` attaches a small content that is at hand and says how long it is in
    /// the frame, in bytes. A change that does not hold any more is dropped; one whose content is not at hand is set aside
    /// until [`Session::loaded`]. A commit without changes is not to be sent. All changes of a commit that is to be sent have
    /// to be given to [`Session::sent`] or to [`Session::not_sent`].
    pub fn next_commit(&mut self, attach: &mut dyn FnMut(Hash) -> Option<usize>) -> Commit {
        let (mut commit, mut len) = (Commit::default(), 0);
        if self.link.is_none() {
            return commit;
        }
        while len < self.limits.commit_len_aim
            && commit.changes.len() < self.limits.changes_aim
            && let Some(change) = self.outbox.pop()
        {
            if !is_current(&self.trees, &change) {
                self.not_sent(&[change]);
                continue;
            }
            if let Some((id, content)) = self.wanting(&change) {
                if !self.holds.may_have_room(id, content.size_bytes) {
                    self.wait_for_room(id);
                    continue;
                }
                match attach(content.hash) {
                    Some(attached_len) => {
                        len += attached_len;
                        commit.contents.push(content.hash);
                    }
                    None => {
                        commit.loads.push((id, content));
                        self.outbox.set_aside(id, change);
                        continue;
                    }
                }
            }
            len += CHANGE_LEN;
            commit.changes.push(change);
        }
        commit
    }

    /// Notes that changes were sent with this number.
    pub fn sent(&mut self, request: u64, changes: Vec<Change>) {
        let brought = changes.iter().filter_map(|change| self.wanting(change));
        let sent = Sent {
            brought: brought.map(|(id, content)| (id, content.size_bytes)).collect(),
            changes,
            origin: Origin::Planned,
        };
        self.outbox.sent(request, sent);
    }

    /// Tells whether there is a commit that the server has not answered yet.
    #[must_use]
    pub fn awaits_answer(&self) -> bool {
        self.outbox.has_sent()
    }

    /// Notes that changes were sent that a person ordered. What they do to the folder is planned when they are taken.
    pub fn sent_for_person(&mut self, request: u64, changes: Vec<Change>) {
        changes
            .iter()
            .flat_map(Change::ids)
            .for_each(|id| self.holds.take(id));
        let sent = Sent {
            changes,
            brought: BTreeMap::new(),
            origin: Origin::Foreign,
        };
        self.outbox.sent(request, sent);
        self.proof.disturb();
    }

    /// Gives back the nodes of changes that will not be sent; a new plan sees to them.
    pub fn not_sent(&mut self, changes: &[Change]) {
        self.release(changes);
        self.pace.want();
    }

    /// A small content that was read again is at hand: its change goes on.
    pub fn loaded(&mut self, id: NodeId) {
        self.outbox.bring_back(id);
    }

    /// A content has reached the server: its change can be planned.
    pub fn uploaded(&mut self, id: NodeId, content: Hash) {
        if self.heals.remove(&id).is_some() {
            self.uploading.remove(&id);
        }
        self.holds.found_room(self.size_bytes(id));
        self.on_server.insert(content);
        self.holds.release(id);
        self.disturb();
    }

    /// A content did not reach the server, or could not be read for it. With a reason that a person should know, the node
    /// counts as blocked until a try succeeds.
    pub fn upload_failed(&mut self, id: NodeId, block: Option<Block>, now: Instant) {
        // The change is planned again from what is seen then.
        drop(self.outbox.give_up(id));
        // What the server has lost it asks for again with the next connection.
        self.heals.remove(&id);
        self.uploading.remove(&id);
        let size_bytes = self.size_bytes(id);
        match block {
            Some(block @ (Block::NoSpace | Block::ServerFull | Block::Quota)) => {
                self.holds.fail_for_room(id, size_bytes, block, now);
            }
            block => self.holds.fail(id, now, block),
        }
        self.proof.retry();
        self.pace.want();
    }

    /// How long a file is as it was seen last, in bytes.
    fn size_bytes(&self, id: NodeId) -> u64 {
        let file = self.trees.local().node(id).and_then(|node| node.kind.file());
        file.map_or(0, |file| file.content.size_bytes)
    }

    /// Gives a node back whose content will not be sent; a new plan sees to it.
    pub fn upload_given_up(&mut self, id: NodeId) {
        self.uploading.remove(&id);
        self.holds.release(id);
        self.pace.want();
    }

    /// Tells whether a request is a commit that is not yet answered.
    #[must_use]
    pub fn is_sent(&self, request: u64) -> bool {
        self.outbox.is_sent(request)
    }

    /// Notes what became of a commit, change by change. Nothing if there is no such commit.
    pub fn committed(
        &mut self,
        request: u64,
        outcomes: impl IntoIterator<Item = Result<Version, Rejection>>,
        now: Instant,
        policy: &Policy,
    ) -> Option<Answered> {
        let Sent { changes, brought, .. } = self.outbox.answered(request)?;
        let mut answered = Answered::default();
        for (change, outcome) in changes.iter().zip(outcomes) {
            match outcome {
                Ok(_) => {
                    for id in change.ids() {
                        if brought
                            .get(&id)
                            .is_some_and(|size_bytes| self.holds.found_room(*size_bytes))
                        {
                            self.pace.want();
                        }
                        self.holds.succeed(id);
                        self.uploading.remove(&id);
                    }
                    if let Some((_, content)) = change.content() {
                        self.on_server.remove(&content.hash);
                        answered.done.push(content.hash);
                    }
                }
                Err(rejection) => {
                    self.rejected(change, &rejection, now, policy);
                    // Of a group this is what stood in its way.
                    if matches!(answered.refused, None | Some(Rejection::Group)) {
                        answered.refused = Some(rejection);
                    }
                }
            }
        }
        if self.outbox.is_empty() {
            self.pace.want();
        }
        Some(answered)
    }

    fn rejected(&mut self, change: &Change, rejection: &Rejection, now: Instant, policy: &Policy) {
        let mut block = None;
        match react(&self.trees, &self.complete_policy(policy), change, rejection) {
            Reaction::PlanAgain => (),
            Reaction::Record(record) => {
                // If the trees have moved on meanwhile, the next plan finds what there is to correct.
                self.record(&record);
            }
            Reaction::Upload(..) => {
                if let Some((_, content)) = change.content() {
                    self.on_server.remove(&content.hash);
                }
            }
            Reaction::Block(_, reason) => block = Some(reason),
        }
        for id in change.ids() {
            self.uploading.remove(&id);
            match (&block, change.content()) {
                (Some(block @ Block::Quota), Some((_, content))) => {
                    self.holds
                        .fail_for_room(id, content.size_bytes, block.clone(), now);
                }
                _ => self.holds.fail(id, now, block.clone()),
            }
        }
    }

    /// Notes that the server could not carry out a commit, and why. Of one for which it had no room, what brings no
    /// contents is planned again without those.
    pub fn commit_failed(&mut self, request: u64, block: &Block, now: Instant) {
        let Some(Sent { changes, brought, .. }) = self.outbox.answered(request) else {
            return;
        };
        let is_for_room = *block == Block::ServerFull && !brought.is_empty();
        for id in changes.iter().flat_map(Change::ids) {
            self.uploading.remove(&id);
            match brought.get(&id) {
                Some(size_bytes) if is_for_room => {
                    self.holds.fail_for_room(id, *size_bytes, block.clone(), now);
                }
                None if is_for_room => self.holds.release(id),
                Some(_) | None => self.holds.fail(id, now, Some(block.clone())),
            }
        }
        self.pace.want();
    }
}

/// Tells whether a change still says what is on disk, based on what the server last said.
fn is_current(trees: &Trees, change: &Change) -> bool {
    let version = |id: NodeId| trees.remote().item(id).map(|item| item.version);
    let local = |id: NodeId| trees.local().node(id);
    match change {
        Change::Create { id, node } => version(*id).is_none() && local(*id).is_some_and(|now| **now == *node),
        Change::Update { id, base, kind } => {
            version(*id) == Some(*base) && local(*id).is_some_and(|now| now.kind == *kind)
        }
        Change::Move { moves } => moves.iter().all(|to| {
            let is_there = |now: &Node| now.parent == to.parent && now.name == to.name;
            // One that makes room for another on the server goes on from there with the next plan.
            let makes_room = |now: &Node| {
                let remote = trees.remote().node(to.id);
                is_moving_name(&to.name) && remote.is_some_and(|remote| !remote.same_place(now))
            };
            version(to.id) == Some(to.base)
                && local(to.id).is_some_and(|now| is_there(now) || makes_room(now))
        }),
        Change::Delete { id, base } => version(*id) == Some(*base) && local(*id).is_none(),
        Change::Mark { id, base, .. } => version(*id) == Some(*base),
    }
}
