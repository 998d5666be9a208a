//! One turn: plan, correct the trees, give orders to the wire and to the hand, save, tell. A turn costs what has changed.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use common::limits::{CHANGES_MAX, FRAME_LEN_AIM, INLINE_LEN_MAX};
use common::message::{Attachment, Form, Request};
use sync_engine::plan::{NameRules, Plan, Policy, Step, plan};
use sync_engine::{Change, Content, DeviceId, NodeId, Version, advance};

use super::Driver;
use super::outbox::Outbox;
use super::questions::Question;
use crate::chunker::Chunked;
use crate::control::State as StateWord;
use crate::notice::Notice;
use crate::transfer::compress::attach;

/// While the hand has more than this to write, no more small contents are fetched, in bytes.
const HAND_LEN_MAX: u64 = 16 * 1024 * 1024;
/// What one change takes in a frame besides its content, about, in bytes.
const CHANGE_LEN: usize = 160;
/// How many changes go into one commit: enough to share a flush, few enough to keep the pipeline full.
const CHANGES_AIM: usize = 512;

const _: () = assert!(CHANGES_AIM <= CHANGES_MAX);

/// How often the trees are corrected and planned anew in one turn at most; more is done in the next.
const ROUNDS_A_TURN_MAX: usize = 64;

impl Driver {
    /// See the module's page.
    pub(super) async fn turn(&mut self) {
        if self.is_connecting && self.works() {
            self.ask_early();
        }
        self.holds.forget_settled(self.trees.unsettled());
        let now = Instant::now();
        if self.works() && self.pace.is_time(now, self.holds.n_busy() == 0) {
            self.pace.begin(now);
            let was_empty = self.plan_and_order();
            self.pace.end(Instant::now(), was_empty);
        }
        self.heal();
        self.transfers.begin(self.hand_len < HAND_LEN_MAX);
        self.feed_hand();
        self.send_commits();
        self.save().await;
        self.tell_state();
    }

    /// Tells whether plans may be made now.
    pub(super) fn works(&self) -> bool {
        self.trouble.is_none() && self.session.as_ref().is_some_and(|session| session.pulled)
    }

    /// Plans until the trees need no correction, and gives orders. Returns whether there was nothing to do.
    fn plan_and_order(&mut self) -> bool {
        let policy = self.policy();
        for _ in 0..ROUNDS_A_TURN_MAX {
            self.holds.forget_settled(self.trees.unsettled());
            let made = plan(&self.trees, &policy, self.holds.held());
            self.note_remarks(&made.remarks);
            if made.records.is_empty() {
                return self.order(made);
            }
            for record in &made.records {
                match advance::record(&mut self.trees, record) {
                    Ok(touched) => self.touch(&touched),
                    Err(error) => {
                        tracing::error!(%error, ?record, "a correction does not fit the trees");
                        self.observer.rescan();
                        self.pace.want();
                        return false;
                    }
                }
            }
        }
        self.pace.want();
        false
    }

    fn order(&mut self, made: Plan) -> bool {
        let (nothing, removes) = (made.is_empty(), removes(&made));
        self.unplaceable = made.blocked;
        self.note_brake(made.brake);
        if !nothing {
            self.settled.disturb();
        }
        if removes && !self.root_is_there() {
            return false;
        }
        for change in made.commits {
            if matches!(change, Change::Delete { .. }) {
                self.removals.count(Instant::now());
            }
            self.order_commit(change);
        }
        if self.looked {
            let (batches, withheld) = self.look_back(made.batches);
            self.more_steps = !self.begin_steps(batches) || withheld;
        } else {
            self.more_steps = false;
        }
        nothing
    }

    /// Puts a change into the outbox once the server can have its content; otherwise its content goes first.
    fn order_commit(&mut self, change: Change) {
        let ids: Vec<NodeId> = change.ids().collect();
        ids.iter().for_each(|id| self.holds.take(*id));
        match self.wanting(&change) {
            Some((id, content)) if !is_small(content) => {
                self.uploading.insert(id);
                self.order_content(id, content);
            }
            Some((id, _)) => {
                self.uploading.insert(id);
                self.outbox.push(change);
            }
            None => self.outbox.push(change),
        }
    }

    /// The content that has to reach the server before, or with, a change.
    fn wanting(&self, change: &Change) -> Option<(NodeId, Content)> {
        let (id, file) = match change {
            Change::Create { id, node } => (*id, node.kind.file()?),
            Change::Update { id, kind, .. } => (*id, kind.file()?),
            Change::Move { .. } | Change::Delete { .. } | Change::Mark { .. } => return None,
        };
        let content = file.content;
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

    pub(super) fn order_content(&mut self, id: NodeId, content: Content) {
        let Some(path) = self.trees.local().path(id) else {
            return self.holds.release(id);
        };
        if let Some(chunked) = self.chunks_of(id, content) {
            self.transfers.send(id, path, chunked);
        } else {
            self.transfers.cut_and_send(id, path, content);
        }
    }

    fn chunks_of(&self, id: NodeId, content: Content) -> Option<Arc<Chunked>> {
        self.chunked
            .get(&id)
            .filter(|chunked| chunked.content == content)
            .cloned()
    }

    fn send_commits(&mut self) {
        let mut outbox = std::mem::take(&mut self.outbox);
        while let Some((changes, attachments)) = self.next_commit(&mut outbox) {
            let Some(session) = &mut self.session else { break };
            let request = session.next_request();
            let commit = Request::Commit {
                request,
                changes: changes.clone(),
            };
            if session.send(commit, attachments) {
                outbox.sent(request, changes);
            } else {
                changes.iter().for_each(|change| self.drop_change(change));
                break;
            }
        }
        self.outbox = outbox;
    }

    /// Takes as many changes as fill a commit. A change that does not hold any more is dropped; one whose content is not
    /// at hand is set aside until it has been read again.
    fn next_commit(&mut self, outbox: &mut Outbox) -> Option<(Vec<Change>, Vec<Attachment>)> {
        self.session.as_ref()?;
        let (mut changes, mut attachments, mut len) = (Vec::new(), Vec::new(), 0);
        while len < FRAME_LEN_AIM
            && changes.len() < CHANGES_AIM
            && let Some(change) = outbox.pop()
        {
            if !is_current(&self.trees, &change) {
                self.drop_change(&change);
                continue;
            }
            if let Some((id, content)) = self.wanting(&change) {
                let Some(bytes) = self.going.get(content.hash) else {
                    if let Some(path) = self.trees.local().path(id) {
                        self.transfers.load(id, path, content);
                        outbox.set_aside(id, change);
                    }
                    continue;
                };
                let attachment = attach(content.hash, Form::Data, bytes);
                len += attachment.bytes.len();
                attachments.push(attachment);
            }
            len += CHANGE_LEN;
            changes.push(change);
        }
        (!changes.is_empty()).then_some((changes, attachments))
    }

    /// Gives back the nodes of a change that will not be sent; a new plan sees to them.
    fn drop_change(&mut self, change: &Change) {
        for id in change.ids() {
            self.uploading.remove(&id);
            self.holds.release(id);
        }
        self.pace.want();
    }

    pub(super) fn policy(&mut self) -> Policy {
        let today = jiff::Zoned::now().date();
        Policy {
            device: self.account.device.unwrap_or(DeviceId([0; 16])),
            device_name: self.account.device_name.clone(),
            date: (
                today.year(),
                today.month().unsigned_abs(),
                today.day().unsigned_abs(),
            ),
            names: if cfg!(windows) {
                NameRules::Windows
            } else {
                NameRules::Unix
            },
            folding: self.folding,
            has_symlinks: !cfg!(windows),
            has_exec_bits: !cfg!(windows),
            cursor: self.facts.cursor.map_or(Version::ZERO, |cursor| cursor.version),
            removals: self.removals.now(Instant::now()),
        }
    }

    fn root_is_there(&mut self) -> bool {
        match self.root.check() {
            Ok(()) => true,
            Err(lost) => {
                self.on_root_lost(&lost);
                false
            }
        }
    }

    /// Saves what this turn changed.
    pub(super) async fn save(&mut self) {
        let facts = std::mem::take(&mut self.facts_changed).then(|| self.facts.clone());
        let delta = self.touched.take(&self.trees, facts);
        if !delta.is_empty() {
            self.memory.save(delta).await;
        }
    }

    pub(super) async fn save_durably(&mut self) {
        self.facts_changed = false;
        let delta = self.touched.take(&self.trees, Some(self.facts.clone()));
        self.memory.save_durably(delta).await;
    }

    /// Probes, says 'synced', answers those who wait.
    fn tell_state(&mut self) {
        let quiet = self.works() && self.pace.is_done() && self.is_quiet();
        if quiet && let Some(number) = self.settled.begin() {
            let token = self.observer.sync();
            self.settled.expect_cookie(token);
            if let Some(session) = &mut self.session {
                session.ask(|request| Request::Ping { request }, Question::Probe(number));
            }
        }
        let version = self.facts.cursor.map_or(Version::ZERO, |cursor| cursor.version);
        if quiet && self.settled.proven(version) {
            self.on_synced(version);
        }
        self.tell_blocked();
        self.tell_pending();
        let stopped = self.brake.is_some() || self.holds.all_stuck() && !self.holds.all_hopeless();
        let halted = stopped && self.works() && self.pace.is_done() && self.holds.n_busy() == 0;
        for waiter in self.settled.overdue(Instant::now(), halted) {
            let status = self.status();
            // Who waited may have gone.
            let _ = waiter.reply.send(crate::control::Answer::TimedOut(status));
        }
    }

    /// Tells whether nothing is under way in either direction, as far as is known.
    fn is_quiet(&self) -> bool {
        self.looked
            && self.brake.is_none()
            && self.outbox.is_empty()
            && self.holds.n_busy() == 0
            && !self.removals.waits(Instant::now())
            && self.holds.all_hopeless()
            && self.observer.idle()
    }

    fn on_synced(&mut self, version: Version) {
        if self.settled.announce(version) {
            self.facts.protected_ms = Some(now_ms());
            self.facts.joining = false;
            self.facts_changed = true;
            self.removals.forget_confirmation();
            self.chunked.clear();
            self.on_server.clear();
            self.going.clear();
            self.looked_back.clear();
            self.tell(Notice::Synced { version });
            self.clear_stash(false);
        }
        for waiter in self.settled.answered() {
            let status = self.status();
            // Who waited may have gone.
            let _ = waiter.reply.send(crate::control::Answer::Status(status));
        }
    }

    /// The state in one word.
    pub(super) fn state_word(&self) -> StateWord {
        match (&self.trouble, &self.session) {
            (Some((word, _)), _) => *word,
            (None, _) if self.brake.is_some() => StateWord::Halted,
            (None, None) => StateWord::Offline,
            (None, Some(_)) if self.settled.is_announced() => StateWord::Synced,
            (None, Some(_)) => StateWord::Syncing,
        }
    }
}

/// Tells whether a content travels inside the commit.
fn is_small(content: Content) -> bool {
    content.depth == 0 && content.size_bytes <= INLINE_LEN_MAX as u64
}

/// Tells whether a change still says what is on disk, based on what the server last said.
fn is_current(trees: &sync_engine::Trees, change: &Change) -> bool {
    let version = |id: NodeId| trees.remote().item(id).map(|item| item.version);
    let local = |id: NodeId| trees.local().node(id);
    match change {
        Change::Create { id, node } => version(*id).is_none() && local(*id).is_some_and(|now| **now == *node),
        Change::Update { id, base, kind } => {
            version(*id) == Some(*base) && local(*id).is_some_and(|now| now.kind == *kind)
        }
        Change::Move { moves } => moves.iter().all(|to| {
            version(to.id) == Some(to.base)
                && local(to.id).is_some_and(|now| now.parent == to.parent && now.name == to.name)
        }),
        Change::Delete { id, base } => version(*id) == Some(*base) && local(*id).is_none(),
        Change::Mark { id, base, .. } => version(*id) == Some(*base),
    }
}

/// The time of day, for people; nothing is decided by it.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Tells whether a plan takes anything away, here or on the server.
fn removes(plan: &Plan) -> bool {
    let deletes = |change: &Change| matches!(change, Change::Delete { .. });
    let removes = |step: &Step| matches!(step, Step::Remove { .. });
    plan.brake.is_some() || plan.commits.iter().any(deletes) || plan.batches.iter().flatten().any(removes)
}
