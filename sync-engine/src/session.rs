//! A device's session: all that it decides between what it sees of its disk and hears of its server, and what it does
//! about it. It is a state machine without I/O: a shell reports what happened (things seen, entries of the journal,
//! answers, steps taken), asks for a plan, and carries out the orders that follow. Whatever surprises it, it has one way
//! to recover: look again, plan again.
//!
//! Laws:
//! - Only the trees, the cursor, the trail and whether the bases are doubted have to be remembered; all else is found
//!   anew.
//! - A node that something is being done with, here or at the server, gets no order; whatever the shell took on for a
//!   node it reports as done, failed or given back.
//! - Nothing is written to the folder before all of it was looked at once, and nothing is planned before the remote tree
//!   is the one that the server had when the connection began.
//! - 'Synced' is said only after a proof that began when nothing was under way ([`Session::probe`]).

mod burst;
mod claim;
mod commits;
mod heal;
mod holds;
mod journal;
mod lookback;
mod mishap;
mod outbox;
mod pace;
mod proof;
mod removals;
mod room;
mod search;
mod state;
mod steps;

pub use burst::Burst;
pub use claim::{Claim, Evidence, SILENCE_MAX, claim};
pub use commits::{Answered, Commit, Limits};
pub use journal::SnapshotError;
pub use lookback::Suspect;
pub use proof::WaiterId;
pub use state::Synced;

use crate::advance::{self, Delta};
use crate::chain::Cursor;
use crate::plan::{Brake, Folding, Plan, Policy, Record, Remark, Step, made_again, plan};
use crate::time::Instant;
use crate::trail::{Point, Trail};
use crate::{Block, Change, Content, FileState, Hash, Kind, Node, NodeId, Parts, TreeError, Trees, Version};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use burst::Bursts;
use holds::Holds;
use outbox::Outbox;
use pace::Pace;
use proof::Proof;
use removals::Removals;
use search::Search;

/// How often the trees are corrected and planned anew at once; more is done with the next plan.
const ROUNDS_MAX: usize = 64;

/// Which rows a shell has to save. What they hold is read from the session when they are saved, so that however often a
/// node changes in between, it is written once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Unsaved {
    /// Nodes of which one of the three trees holds something else than before, or nothing any more.
    pub nodes: BTreeSet<NodeId>,
    /// Rows of the blocks.
    pub blocked: BTreeSet<NodeId>,
    /// The cursor, or whether the bases are doubted.
    pub facts: bool,
    /// Points of the trail.
    pub trail: BTreeSet<Version>,
}

/// What a shell has to hear after it has reported something or planned.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Tell {
    /// A local node has another id from now on; what the shell knows of it goes along.
    Reidentified {
        /// Its id so far.
        from: NodeId,
        /// Its id from now on.
        to: NodeId,
    },
    /// What people should be told of a merge, with the change that it leads to.
    Remark(Remark),
    /// The brake was put on, or released.
    Brake(Option<Brake>),
    /// So much was removed by another device that it would have waited for a person here.
    Burst(Burst),
    /// The server's journal is not the one that this device followed. Both sides are united, and nothing is deleted.
    Diverged,
    /// The server is to be asked which of these points is the newest that its journal has. The answer has to come back with
    /// [`Session::compared`].
    Compare(Vec<Point>),
    /// The journal is to be asked for, from here on; from a snapshot, if there is no cursor.
    Pull(Option<Cursor>),
    /// What is known of the disk does not fit together: all of it is to be looked at again.
    LookAgain,
}

/// What follows from a plan. All of it counts as under way from now on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Orders {
    /// Contents that have to reach the server before their changes can.
    pub uploads: Vec<(NodeId, Content)>,
    /// Steps to take on disk, in this order.
    pub steps: Vec<Step>,
    /// Local bytes that the history is to be asked about.
    pub questions: Vec<Suspect>,
}

/// What belongs to one connection to the server.
#[derive(Debug, Clone, Default, Hash)]
struct Link {
    /// Whether the remote tree is up to date with what the server said at first.
    is_pulled: bool,
    /// The newest entry that the server has told of.
    head: Version,
    snapshot: Parts,
    /// The search for what its journal has in common with the one that was followed, until its tree is here.
    search: Option<Search>,
}

/// See the module's page.
#[derive(Debug, Clone, Hash)]
pub struct Session {
    trees: Trees,
    cursor: Option<Cursor>,
    trail: Trail,
    /// Whether the bases may be another device's, or older than the folder.
    is_doubted: bool,
    limits: Limits,
    link: Option<Link>,
    is_halted: bool,
    /// Whether all of the folder was looked at since the start.
    has_looked: bool,
    outbox: Outbox,
    holds: Holds,
    pace: Pace,
    removals: Removals,
    bursts: Bursts,
    proof: Proof,
    /// Contents that were sent and that no accepted change names yet.
    on_server: BTreeSet<Hash>,
    /// Files whose contents the server has lost and asks for.
    heals: BTreeMap<NodeId, Content>,
    /// Nodes whose content is on its way to the server.
    uploading: BTreeSet<NodeId>,
    /// Nodes that a step is being taken with.
    in_hand: BTreeSet<NodeId>,
    /// Nodes with local contents that the account never had, as its history has shown.
    looked_back: BTreeMap<NodeId, Kind>,
    /// Files whose bytes came about in a crash, with what was found, until the account was heard.
    spoiled: BTreeMap<NodeId, FileState>,
    /// What the last plan could not place on this disk.
    unplaceable: Vec<(NodeId, Block)>,
    /// Which names were one to this disk when the last plan was made.
    folding: Folding,
    brake: Option<Brake>,
    /// Whether the last plan had more steps than were begun.
    has_more_steps: bool,
    unsaved: Unsaved,
    tells: Vec<Tell>,
}

impl Session {
    /// Begins with what was remembered. Nothing is done before the folder was looked at and the server was heard.
    #[must_use]
    pub fn new(trees: Trees, cursor: Option<Cursor>, trail: Trail, limits: Limits, now: Instant) -> Self {
        Self {
            trees,
            cursor,
            trail,
            is_doubted: false,
            limits,
            link: None,
            is_halted: false,
            has_looked: false,
            outbox: Outbox::default(),
            holds: Holds::default(),
            pace: Pace::new(now),
            removals: Removals::default(),
            bursts: Bursts::default(),
            proof: Proof::default(),
            on_server: BTreeSet::new(),
            heals: BTreeMap::new(),
            uploading: BTreeSet::new(),
            in_hand: BTreeSet::new(),
            spoiled: BTreeMap::new(),
            looked_back: BTreeMap::new(),
            unplaceable: Vec::new(),
            folding: Folding::None,
            brake: None,
            has_more_steps: false,
            unsaved: Unsaved::default(),
            tells: Vec::new(),
        }
    }

    /// Takes what the shell has to hear, in order. Law: it is heard before anything else is reported.
    #[must_use]
    pub fn take_tells(&mut self) -> Vec<Tell> {
        core::mem::take(&mut self.tells)
    }

    /// Takes the names of the rows that have to be saved.
    #[must_use]
    pub fn take_unsaved(&mut self) -> Unsaved {
        core::mem::take(&mut self.unsaved)
    }

    /// Enters what was seen on disk: nodes as they are now (nothing where none is any more), and blocks set or lifted.
    ///
    /// # Errors
    /// When what was seen does not fit the local tree; then nothing was entered, and all is to be looked at again.
    pub fn observed(
        &mut self,
        edits: Vec<(NodeId, Option<Arc<Node>>)>,
        blocks: Vec<(NodeId, Option<Block>)>,
        now: Instant,
    ) -> Result<(), TreeError> {
        if edits.is_empty() && blocks.is_empty() {
            return Ok(());
        }
        self.disturb();
        let ids: Vec<NodeId> = edits.iter().map(|(id, _)| *id).collect();
        if edits.iter().any(|(_, node)| node.is_none()) {
            self.removals.seen(now);
        }
        self.trees.edit_local(edits)?;
        self.unsaved.nodes.extend(&ids);
        for (id, block) in blocks {
            self.unsaved.blocked.insert(id);
            self.trees.set_block(id, block);
        }
        // Whatever was tried with these nodes was tried with what they were before.
        ids.iter().for_each(|id| self.holds.retry(*id));
        Ok(())
    }

    /// Notes that all of the folder was looked at.
    pub fn looked(&mut self) {
        self.has_looked = true;
        self.pace.want();
    }

    /// Notes that something happened: 'synced' does not hold any more, and there may be something to plan.
    pub fn disturb(&mut self) {
        self.proof.disturb();
        self.pace.want();
    }

    /// Stops for good: nothing is planned any more.
    pub fn halt(&mut self) {
        self.is_halted = true;
        self.proof.disturb();
    }

    /// Begins again after [`Session::halt`].
    pub fn resume(&mut self) {
        self.is_halted = false;
    }

    /// Notes that a person has confirmed the removals that the brake holds back. Where it holds nothing back, nothing is
    /// confirmed: that would count for the next removals, of which nobody knows yet.
    pub fn confirm_removals(&mut self) {
        if self.brake.is_some() {
            self.removals.confirm();
            self.pace.want();
        }
    }

    /// Brings back what the brake holds back: what is missing on disk has not been there, and comes anew from the account.
    /// Returns how many nodes that are.
    pub fn revert_removals(&mut self) -> usize {
        if self.brake.is_none() {
            return 0;
        }
        let trees = &self.trees;
        let is_missing = |id: &NodeId| {
            trees.local().node(*id).is_none()
                && trees.remote().node(*id).is_some()
                && trees.base(*id).is_some()
        };
        let missing: Vec<NodeId> = trees.altered().iter().copied().filter(is_missing).collect();
        for id in &missing {
            self.trees.set_base(*id, None);
        }
        self.unsaved.nodes.extend(&missing);
        self.disturb();
        missing.len()
    }

    /// Plans, if it is time to, until the trees need no correction. The plan has to come back with [`Session::order`], or
    /// to be dropped. `policy` need not know the cursor and the removals. [`Session::rest`] ends the planning in any case.
    pub fn plan(&mut self, now: Instant, policy: &Policy) -> Option<Plan> {
        self.holds.forget_settled(|id| self.trees.is_unsettled(id));
        if !self.works() || !self.pace.is_time(now, self.holds.n_busy() == 0) {
            return None;
        }
        self.pace.begin(now);
        self.folding = policy.folding;
        self.bursts.take_in(policy.device, now);
        self.retry_made_again();
        let policy = Policy {
            removals: self.removals.now(now),
            ..self.complete_policy(policy)
        };
        for _ in 0..ROUNDS_MAX {
            self.holds.forget_settled(|id| self.trees.is_unsettled(id));
            let plan = plan(&self.trees, &policy, self.holds.held());
            self.tells.extend(plan.remarks.iter().copied().map(Tell::Remark));
            if plan.records.is_empty() {
                return Some(plan);
            }
            if !plan.records.iter().all(|record| self.record(record)) {
                self.tells.push(Tell::LookAgain);
                break;
            }
        }
        self.pace.want();
        None
    }

    /// Lets go of the directories that could not be removed, since something in them is not synchronised, where the server
    /// has a new one in their place: that is what they become.
    fn retry_made_again(&mut self) {
        let is_due = |id: &NodeId| made_again(&self.trees, *id).is_some();
        let failing = self.holds.blocked().map(|(id, _)| id);
        let due: Vec<NodeId> = failing.filter(is_due).collect();
        due.into_iter().for_each(|id| self.holds.retry(id));
    }

    /// Notes how late it is when planning and ordering are over.
    pub fn rest(&mut self, now: Instant) {
        self.pace.end(now);
    }

    /// Makes orders out of a plan.
    pub fn order(&mut self, plan: Plan, now: Instant) -> Orders {
        if plan.is_empty() {
            self.pace.found_nothing();
            self.holds.forget_needless();
        } else {
            self.proof.retry();
        }
        self.set_unplaceable(plan.blocked, plan.is_partial);
        // While more of a large removal is being seen its figure would be short.
        if self.brake.is_some() || !self.removals.waits(now) {
            self.set_brake(plan.brake, now);
        }
        let mut orders = Orders::default();
        for change in plan.commits {
            if let Change::Delete { id, .. } = change
                && let Some(node) = self.trees.remote().node(id)
            {
                self.removals.count(node.clone(), now);
            }
            orders.uploads.extend(self.order_commit(change));
        }
        orders.uploads.extend(self.order_heals());
        self.has_more_steps = false;
        if self.has_looked {
            let (batches, questions) = self.look_back(plan.batches);
            let is_all = self.begin_steps(batches, &mut orders.steps);
            self.has_more_steps = !is_all || !questions.is_empty() || plan.is_partial;
            orders.questions = questions;
        }
        orders
    }

    /// Completes a policy with what the session knows.
    fn complete_policy(&self, policy: &Policy) -> Policy {
        Policy {
            cursor: self.version(),
            ..policy.clone()
        }
    }

    /// Corrects the trees. Returns whether that was possible.
    fn record(&mut self, record: &Record) -> bool {
        match advance::record(&mut self.trees, record) {
            Ok(delta) => {
                self.touch(delta);
                true
            }
            Err(_) => false,
        }
    }

    fn touch(&mut self, delta: Delta) {
        for ids in [delta.remote, delta.synced, delta.local] {
            self.unsaved.nodes.extend(ids);
        }
        self.unsaved.blocked.extend(delta.blocked);
        let reidentified = delta.reidentified.into_iter();
        self.tells
            .extend(reidentified.map(|(from, to)| Tell::Reidentified { from, to }));
    }

    /// Notes what a plan could not place. One that is partial says nothing of the arrivals that it has put off.
    fn set_unplaceable(&mut self, blocked: Vec<(NodeId, Block)>, is_partial: bool) {
        let before = core::mem::replace(&mut self.unplaceable, blocked);
        if is_partial {
            let found: BTreeSet<NodeId> = self.unplaceable.iter().map(|(id, _)| *id).collect();
            let is_still = |id: &NodeId| !found.contains(id) && self.trees.arrivals().contains(id);
            let stays = before.into_iter().filter(|(id, _)| is_still(id));
            self.unplaceable.extend(stays);
        }
    }

    fn set_brake(&mut self, brake: Option<Brake>, now: Instant) {
        if self.brake != brake {
            self.brake = brake;
            self.removals.braked(brake, now);
            self.proof.disturb();
            self.tells.push(Tell::Brake(brake));
        }
    }

    /// Gives back all nodes of changes that will not be answered.
    fn release(&mut self, changes: &[Change]) {
        for id in changes.iter().flat_map(Change::ids) {
            self.uploading.remove(&id);
            self.holds.release(id);
        }
    }
}
