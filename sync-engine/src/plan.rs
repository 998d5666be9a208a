//! The planner: a pure function of the three trees that says what would bring them together. It looks at the unsettled
//! nodes and at what they touch, and at nothing else, so a plan costs what has changed and not what there is.
//!
//! Method: each unsettled node is merged on its own into what is *wanted* of it ([`merge`]); the wanted nodes are
//! repaired into a valid tree ([`wanted`], [`clash`]); then commits bring the remote tree to it and steps the local
//! one ([`order`] puts both in order by trying them on the tree that they are for).
//!
//! Laws:
//! - Only what is on disk is committed: a commit's value is the local tree's. What differs is first brought to disk by a
//!   step. So an accepted commit is always something that both sides agreed on.
//! - A plan with records has nothing else. They only correct what the trees say; apply them, and plan again.
//! - A node that is busy gets no step and no commit, and what waits for it is left out. One plan has at most one commit
//!   for a node.
//! - A blocked node is neither written nor committed, nor is what is inside it; it is never taken for absent.
//! - Steps of one batch may be taken in any order; each batch after the one before. A step that cannot be taken any more
//!   is dropped without harm, and so is every step after it that then finds something else than it expects.
//! - After a step is taken, call [`crate::advance::complete`] before planning again.

mod arrivals;
mod brake;
mod clash;
mod commits;
mod conflict_name;
mod merge;
mod names;
mod order;
mod returned;
mod steps;
mod unify;
mod wanted;

pub use brake::{Brake, Removals};
pub(crate) use brake::{is_much, lost};
pub(crate) use conflict_name::is_moving_name;
pub use conflict_name::{Date, conflict_name};
pub use names::{FoldedNames, Folding, NameRules};
pub(crate) use unify::made_again;

use crate::{Block, Change, ConflictMark, DeviceId, FileState, Kind, Name, Node, NodeId, Trees, Version};
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use arrivals::Arrivals;

/// Where nothing could be begun with the arrivals of a plan, the next sees to so many times as many.
const ARRIVALS_GROWTH: usize = 16;

/// What the planner has to know of the device.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Policy {
    /// This device.
    pub device: DeviceId,
    /// Its name, for conflict names.
    pub device_name: String,
    /// Today, for conflict names.
    pub date: Date,
    /// Which names the disk can hold.
    pub names: NameRules,
    /// Which names are one to the disk.
    pub folding: Folding,
    /// Whether the disk can hold symbolic links.
    pub has_symlinks: bool,
    /// Whether the disk knows which files may be executed. If not, a file keeps what the account says.
    pub has_exec_bits: bool,
    /// The journal number up to which the remote tree is known. Ids that the planner derives depend on it.
    pub cursor: Version,
    /// What is known of removals besides the trees.
    pub removals: Removals,
    /// How many arrivals a plan sees to, about, if there is something to do with one of them. The others are put off: they
    /// count as busy.
    pub arrivals_max: usize,
}

/// Where a node is: its directory and its name there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The directory.
    pub parent: NodeId,
    /// The name.
    pub name: Name,
}

impl Place {
    /// Returns the place of a node.
    #[must_use]
    pub fn of(node: &Node) -> Self {
        Self {
            parent: node.parent,
            name: node.name.clone(),
        }
    }
}

/// A correction of what the trees say. Nothing happens on disk or on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// The node is gone on both sides: its base goes too.
    Forget {
        /// The node.
        id: NodeId,
    },
    /// Both sides have come to the same by themselves: the base becomes that, field by field.
    Adopt {
        /// The node.
        id: NodeId,
    },
    /// The local node takes the mark that the account has.
    CopyMark {
        /// The node.
        id: NodeId,
    },
    /// This device lets go of a node, and of all in it, that its rules leave out here, or in whose place something stands that
    /// can be no node, and that the account has elsewhere by now. What is on disk stays there, as something that only this
    /// disk has, and the node comes anew.
    LetGo {
        /// The node.
        id: NodeId,
    },
    /// The local node is known under another id from now on, its children are inside of that, and its base is dropped.
    Reidentify {
        /// Its id so far.
        from: NodeId,
        /// Its id from now on; the local tree does not have it yet.
        to: NodeId,
    },
    /// The local bytes (or target) are some that the account had lately: they came from there, though nothing tells of
    /// it any more. The base becomes them.
    Recognize {
        /// The node.
        id: NodeId,
        /// The version at which the account had them.
        version: Version,
    },
    /// The local bytes of a node in conflict stand already in another local node, which bears the mark from now on.
    Kept {
        /// The node in conflict.
        of: NodeId,
        /// The node that has the same bytes.
        copy: NodeId,
        /// Its mark.
        mark: Arc<ConflictMark>,
    },
}

/// Why a node moves on disk.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MoveCause {
    /// The server has it there.
    Remote,
    /// It gets a conflict name, which the server is told next. The local node takes the mark, if the account has no such
    /// node yet.
    Conflict(Option<Arc<ConflictMark>>),
}

/// Something to do on disk, with what it expects to find there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// Puts a new file or symbolic link at a place that must be free.
    Fetch {
        /// The node.
        id: NodeId,
        /// What it is to be.
        node: Arc<Node>,
        /// The version that the server has of it.
        version: Version,
    },
    /// Makes a directory at a place that must be free.
    MakeDir {
        /// The node.
        id: NodeId,
        /// What it is to be.
        node: Arc<Node>,
        /// The version that the server has of it.
        version: Version,
    },
    /// Replaces a file's bytes (and attributes) or a symbolic link's target.
    Replace {
        /// The node.
        id: NodeId,
        /// What must be there.
        expect: Kind,
        /// What is to be there.
        with: Kind,
        /// The version that the server has of it.
        version: Version,
    },
    /// Sets a file's attributes; the bytes stay.
    SetAttributes {
        /// The node.
        id: NodeId,
        /// What must be there.
        expect: FileState,
        /// What is to be there.
        with: FileState,
    },
    /// Renames or moves a node to a place that must be free.
    Move {
        /// The node.
        id: NodeId,
        /// Where it must be.
        from: Place,
        /// Where it is to be.
        to: Place,
        /// Why.
        cause: MoveCause,
    },
    /// Moves a node out of the way for a moment, to a place that must be free. The next plan moves it on.
    Park {
        /// The node.
        id: NodeId,
        /// Where it must be.
        from: Place,
        /// Where it is to be.
        to: Place,
    },
    /// Swaps two nodes' places. `a` comes to where it is wanted; the next plan moves `b` on, if it is not there too.
    Exchange {
        /// The one.
        a: NodeId,
        /// Where it must be.
        a_from: Place,
        /// The other.
        b: NodeId,
        /// Where it must be.
        b_from: Place,
    },
    /// Removes a file, a symbolic link or an empty directory.
    Remove {
        /// The node.
        id: NodeId,
        /// What must be there.
        expect: Arc<Node>,
    },
    /// Copies a node's local bytes (or target) to a new node beside it, at a place that must be free. Once that is
    /// recorded, the base of the node in conflict has its local bytes, so that the next plan replaces them.
    KeepCopy {
        /// The node in conflict.
        of: NodeId,
        /// The new node's id.
        copy: NodeId,
        /// The new node: what must be there as `of`, at another place and with a mark.
        node: Arc<Node>,
    },
}

impl Step {
    /// Returns the nodes that the step is about: they are busy while it is being taken.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        let (one, other) = match self {
            Self::Fetch { id, .. }
            | Self::MakeDir { id, .. }
            | Self::Replace { id, .. }
            | Self::SetAttributes { id, .. }
            | Self::Move { id, .. }
            | Self::Park { id, .. }
            | Self::Remove { id, .. } => (*id, None),
            Self::Exchange { a, b, .. } => (*a, Some(*b)),
            Self::KeepCopy { of, copy, .. } => (*of, Some(*copy)),
        };
        core::iter::once(one).chain(other)
    }
}

/// Something that people should be told of a merge. It is said in each plan until it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Remark {
    /// The node was changed on the server and deleted here: it comes back.
    EditBeatDelete(NodeId),
    /// The node was changed here and deleted on the server: it lives on, under a new id (the second).
    Reborn(NodeId, NodeId),
    /// The directory was deleted here, but something in it is wanted: it comes back with just that.
    DirectoryLives(NodeId),
    /// Both sides moved the node: the place that the server accepted first stands.
    MoveLost(NodeId),
    /// The local move would put directories inside each other in a circle: it is undone.
    CycleUndone(NodeId),
    /// Both sides changed the bytes: the local ones are kept in a conflict copy (the second).
    Conflict(NodeId, NodeId),
    /// The first node gets a conflict name, because the second has its name.
    NameLost(NodeId, NodeId),
}

/// What to do. See the module's page for its laws.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Corrections of the trees. If there are any, there is nothing else but remarks.
    pub records: Vec<Record>,
    /// Changes to ask the server for, in this order.
    pub commits: Vec<Change>,
    /// Steps on disk.
    pub batches: Vec<Vec<Step>>,
    /// The nodes that this disk cannot hold where they are wanted, and why. What is inside them waits too. They are found
    /// anew by every plan and must not be entered in [`Trees::set_block`].
    pub blocked: Vec<(NodeId, Block)>,
    /// What people should be told.
    pub remarks: Vec<Remark>,
    /// Set when removals wait for a person; they are left out, all else is in the plan.
    pub brake: Option<Brake>,
    /// Whether arrivals were put off. Then there is a step for one that was not.
    pub is_partial: bool,
}

impl Plan {
    /// Tells whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.commits.is_empty() && self.batches.is_empty()
    }

    /// Tells whether anything is to be taken away, here or on the server, now or once a person has confirmed it.
    #[must_use]
    pub fn removes(&self) -> bool {
        let deletes = |change: &Change| matches!(change, Change::Delete { .. });
        let removes = |step: &Step| matches!(step, Step::Remove { .. });
        self.brake.is_some() || self.commits.iter().any(deletes) || self.batches.iter().flatten().any(removes)
    }
}

/// Plans. `busy` are the nodes that are in flight to the server or are being written on disk.
///
/// What comes from the server is planned for bit by bit, so that neither the time nor the memory that a plan takes depends
/// on how much there is of it.
#[must_use]
pub fn plan(trees: &Trees, policy: &Policy, busy: &BTreeSet<NodeId>) -> Plan {
    let mut arrivals_max = policy.arrivals_max;
    loop {
        let arrivals = Arrivals::choose(trees, busy, arrivals_max);
        let plan = plan_with(trees, policy, busy, &arrivals);
        let has_begun = |step: &Step| step.ids().any(|id| trees.arrivals().contains(&id));
        if !plan.is_partial || !plan.records.is_empty() || plan.batches.iter().flatten().any(has_begun) {
            return plan;
        }
        // Something holds up all that were chosen, and may do so for ever; it must not hold up the others.
        arrivals_max = arrivals_max.saturating_mul(ARRIVALS_GROWTH);
    }
}

/// Plans for the chosen arrivals and for all else.
fn plan_with(trees: &Trees, policy: &Policy, busy: &BTreeSet<NodeId>, arrivals: &Arrivals<'_>) -> Plan {
    let mut records = unify::unify(trees, policy, busy);
    let mut wanted = wanted::Wanted::new(trees, policy, busy, arrivals);
    wanted.merge_all(&mut records);
    returned::reclaim(&wanted, &mut records);
    if records.is_empty() {
        wanted.repair(&mut records);
        clash::resolve(&mut wanted, &mut records);
    }
    if !records.is_empty() {
        let remarks = wanted.remarks.into_iter().collect();
        return Plan {
            records,
            remarks,
            is_partial: arrivals.is_any_put_off(),
            ..Plan::default()
        };
    }
    let brake = brake::apply(&mut wanted);
    let commits = commits::commits(&wanted);
    let (batches, blocked) = steps::steps(&wanted);
    Plan {
        records,
        commits,
        batches,
        blocked,
        remarks: wanted.remarks.into_iter().collect(),
        brake,
        is_partial: arrivals.is_any_put_off(),
    }
}
