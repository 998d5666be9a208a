//! What to do when the server did not take a change. Most often nothing: the change was planned from what is past, and
//! the journal brings what is new.

use crate::{Block, Change, Hash, NodeId, Policy, Record, Rejection, Trees};
use alloc::string::ToString;
use alloc::vec::Vec;

/// What to do about a rejection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reaction {
    /// Plan again once the journal is read up to the answer. If the same change is then rejected in the same way, wait
    /// before asking again.
    PlanAgain,
    /// The id is used up: know the local node by another one, then plan again.
    Record(Record),
    /// Bring the chunks first, then plan again. The hash is what the server missed first.
    Upload(NodeId, Hash),
    /// It will never be taken like this: enter the block for these nodes. A change of the node or of its place lifts it.
    Block(Vec<NodeId>, Block),
}

/// Returns what to do about a change that was rejected.
#[must_use]
pub fn react(trees: &Trees, policy: &Policy, change: &Change, rejection: &Rejection) -> Reaction {
    match (rejection, change) {
        (
            Rejection::Stale(_)
            | Rejection::NoParent
            | Rejection::NameTaken(_)
            | Rejection::Cycle
            | Rejection::NotEmpty
            | Rejection::Guarded(_)
            | Rejection::Group,
            _,
        ) => Reaction::PlanAgain,
        (Rejection::IdUsed, Change::Create { id, .. }) => {
            // Here the creation may have been accepted before: then the journal brings it.
            if trees.remote().node(*id).is_some() || trees.local().node(*id).is_none() {
                return Reaction::PlanAgain;
            }
            let to = NodeId::derive("reborn", *id, policy.device, &policy.cursor.0.to_le_bytes());
            Reaction::Record(Record::Reidentify { from: *id, to })
        }
        (Rejection::MissingContent(hash), Change::Create { id, .. } | Change::Update { id, .. }) => {
            Reaction::Upload(*id, *hash)
        }
        (Rejection::TypeChanged, _) => refused(change, "the type of a node cannot change"),
        (Rejection::TooDeep, _) => refused(change, "too many directories inside each other"),
        (Rejection::Quota, _) => Reaction::Block(change.ids().collect(), Block::Quota),
        (Rejection::Malformed | Rejection::IdUsed | Rejection::MissingContent(_), _) => {
            refused(change, "the server does not understand the change")
        }
    }
}

fn refused(change: &Change, reason: &str) -> Reaction {
    Reaction::Block(change.ids().collect(), Block::Refused(reason.to_string()))
}
