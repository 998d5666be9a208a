//! Changes: what a device asks the server to do with one node, and the entry of the journal that an accepted change
//! becomes. Each change but a creation says on which version it was based; the server takes it only if the node is
//! still at that version, so that a change which arrives twice is harmless.

use crate::{ConflictMark, Content, DeviceId, Hash, Kind, Name, Node, NodeId, Version};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

/// One node's part in a [`Change::Move`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MoveTo {
    /// The node.
    pub id: NodeId,
    /// The version that the device knew.
    pub base: Version,
    /// The directory to move it to.
    pub parent: NodeId,
    /// The name to give it.
    pub name: Name,
}

/// What a device asks for, and what an entry of the journal records.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Change {
    /// Makes a node with an id that was never used before.
    Create {
        /// The id, made by the device.
        id: NodeId,
        /// The node.
        node: Node,
    },
    /// Replaces a file's bytes and attributes, or a symbolic link's target. The type stays.
    Update {
        /// The node.
        id: NodeId,
        /// The version that the device knew.
        base: Version,
        /// The new state.
        kind: Kind,
    },
    /// Renames or moves nodes, all at once, so that names can be swapped. Most often it is one.
    Move {
        /// The nodes, each once.
        moves: Vec<MoveTo>,
    },
    /// Deletes a node; of directories only an empty one.
    Delete {
        /// The node.
        id: NodeId,
        /// The version that the device knew.
        base: Version,
    },
    /// Sets or clears the conflict mark.
    Mark {
        /// The node.
        id: NodeId,
        /// The version that the device knew.
        base: Version,
        /// The mark, or nothing when the conflict is resolved.
        mark: Option<Arc<ConflictMark>>,
    },
}

impl Change {
    /// Returns the file and the content that the server must have to take it.
    #[must_use]
    pub fn content(&self) -> Option<(NodeId, Content)> {
        let (id, kind) = match self {
            Self::Create { id, node } => (id, &node.kind),
            Self::Update { id, kind, .. } => (id, kind),
            Self::Move { .. } | Self::Delete { .. } | Self::Mark { .. } => return None,
        };
        Some((*id, kind.file()?.content))
    }

    /// Returns the nodes that it is about: they are busy while it is in flight.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + '_ {
        let (one, moves) = match self {
            Self::Create { id, .. }
            | Self::Update { id, .. }
            | Self::Delete { id, .. }
            | Self::Mark { id, .. } => (Some(*id), [].as_slice()),
            Self::Move { moves } => (None, moves.as_slice()),
        };
        one.into_iter().chain(moves.iter().map(|to| to.id))
    }
}

/// What a group of changes relies on and does not change itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Guard {
    /// The node.
    pub id: NodeId,
    /// The version that the device knew; nothing when the node must not exist.
    pub version: Option<Version>,
}

/// An accepted change in an account's journal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// Its number: the one before plus one.
    pub number: Version,
    /// The device that made it.
    pub device: DeviceId,
    /// When the server took it, in milliseconds since 1970; shown to people, never compared to decide anything.
    pub time_ms: u64,
    /// The change.
    pub change: Change,
}

/// Why the server did not take a change. Nothing was changed by it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Rejection {
    /// The node is not at the version that the change was based on, or exists no more (nothing).
    Stale(Option<Version>),
    /// A node with this id exists, or did.
    IdUsed,
    /// The parent does not exist or is not a directory.
    NoParent,
    /// The name is taken by another node.
    NameTaken(NodeId),
    /// The node would be inside itself.
    Cycle,
    /// The directory has something in it.
    NotEmpty,
    /// A chunk or a list is not in this account's store.
    MissingContent(Hash),
    /// The new state is of another type than the node.
    TypeChanged,
    /// The node would be deeper than the limit.
    TooDeep,
    /// A limit of the account would be passed.
    Quota,
    /// The change is malformed.
    Malformed,
    /// A node that the group relies on is not as the guard says.
    Guarded(NodeId),
    /// Another change of the group was not taken, and so this one was not either.
    Group,
}

impl fmt::Display for Rejection {
    /// Says it to a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stale(Some(_)) => "it was changed by another device meanwhile",
            Self::Stale(None) => "it was deleted by another device meanwhile",
            Self::IdUsed => "it was there before",
            Self::NoParent => "the directory that it belongs in is gone",
            Self::NameTaken(_) => "its name is taken by something else",
            Self::Cycle => "a directory would be inside itself",
            Self::NotEmpty => "the directory has something in it",
            Self::MissingContent(_) => "a part of its content is not on the server",
            Self::TypeChanged => "a file cannot become a directory, or the other way round",
            Self::TooDeep => "it would be too deep",
            Self::Quota => "the account's quota on the server is used up",
            Self::Malformed => "the server did not understand it",
            Self::Guarded(_) => "what it relies on was changed by another device meanwhile",
            Self::Group => "what belongs to it was not taken",
        })
    }
}
