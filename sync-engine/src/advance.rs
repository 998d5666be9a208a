//! How the three trees move on: when the server has accepted a change, when a step was taken on disk, when the planner
//! corrects them. Each function says which rows it has touched, so that a shell can store just those.
//!
//! Laws of the base, which tells later who has changed what:
//! - A field in which remote and local tree agree is the base from then on.
//! - What this device has planned and the server accepted was on disk when it was planned: the base takes it, even if
//!   the disk has changed again since. Then that newer change is still to be committed.
//! - What a step brought to disk is what the server had when it was planned: the base takes it, even if the server has
//!   something newer by now. Then that is still to come.
//! - A node that was parked, or was moved as the other one of an exchange, was not moved by its user: the base takes its
//!   new place with the local tree, so that it still follows the server.
//! - Once the local bytes of a conflict are kept in a copy, the base takes them: what is left is a plain change from the
//!   server.

mod accept;
mod agree;
mod complete;
mod record;
mod rewind;

pub use accept::{Origin, accept};
pub use complete::complete;
pub use record::record;
pub use rewind::{common_past, rewind};

use crate::{Base, Node, NodeId, TreeError, Trees, Version};
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The rows that were touched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delta {
    /// Of the remote tree.
    pub remote: BTreeSet<NodeId>,
    /// Of the bases.
    pub synced: BTreeSet<NodeId>,
    /// Of the local tree.
    pub local: BTreeSet<NodeId>,
    /// Of the blocks.
    pub blocked: BTreeSet<NodeId>,
    /// Local nodes that have another id from now on: from, to. What a shell knows of them goes along.
    pub reidentified: Vec<(NodeId, NodeId)>,
}

impl Delta {
    /// Adds the rows of another.
    pub fn merge(&mut self, other: Self) {
        self.remote.extend(other.remote);
        self.synced.extend(other.synced);
        self.local.extend(other.local);
        self.blocked.extend(other.blocked);
        self.reidentified.extend(other.reidentified);
    }
}

/// Says why the trees could not move on. They are as before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdvanceError {
    /// The entry does not follow from what is known of the server: the remote tree has to be read anew.
    #[error("entry {0} does not fit the remote tree")]
    Diverged(Version),
    /// The local tree has changed since the plan was made: look and plan again.
    #[error("the local tree is not as planned")]
    Local(#[from] TreeError),
    /// The node is not there any more: look and plan again.
    #[error("node {0} is not there any more")]
    Gone(NodeId),
}

fn local(trees: &Trees, id: NodeId) -> Result<Node, AdvanceError> {
    trees
        .local()
        .node(id)
        .map(|node| Node::clone(node))
        .ok_or(AdvanceError::Gone(id))
}

fn put(
    trees: &mut Trees,
    edits: Vec<(NodeId, Option<Arc<Node>>)>,
    delta: &mut Delta,
) -> Result<(), AdvanceError> {
    let ids: Vec<NodeId> = edits.iter().map(|(id, _)| *id).collect();
    trees.edit_local(edits)?;
    delta.local.extend(ids);
    Ok(())
}

fn set_base(trees: &mut Trees, id: NodeId, base: Option<Base>, delta: &mut Delta) {
    trees.set_base(id, base);
    delta.synced.insert(id);
}
