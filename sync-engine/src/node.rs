//! Nodes: files, directories and symbolic links, as values.

use crate::{DeviceId, Hash, Name, NodeId, Version};
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use serde::{Deserialize, Serialize};

/// The longest target of a symbolic link, in bytes.
pub const TARGET_LEN_MAX: usize = 4096;

/// A file's bytes by name. With `depth` 0 the hash is that of the bytes, as one chunk; with a greater depth it is that
/// of a list of chunks (1), of a list of lists (2), and so on. Equal bytes have equal `Content`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Content {
    /// The hash of the one chunk or of the topmost list.
    pub hash: Hash,
    /// The length of the file, in bytes.
    pub size_bytes: u64,
    /// How many levels of lists stand above the chunks.
    pub depth: u8,
}

/// What a file is, apart from where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    /// The bytes.
    pub content: Content,
    /// Whether the owner may execute it.
    pub exec: bool,
    /// When it was last modified, in nanoseconds since 1970; data only, never compared to decide who is newer.
    pub mtime_ns: i64,
}

/// Where a symbolic link points: bytes that are never followed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target(pub Arc<[u8]>);

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A regular file.
    File(FileState),
    /// A directory.
    Dir,
    /// A symbolic link.
    Symlink(Target),
}

impl Kind {
    /// Tells whether this is a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        matches!(self, Self::Dir)
    }

    /// Returns the file's state if this is a file.
    #[must_use]
    pub fn file(&self) -> Option<&FileState> {
        match self {
            Self::File(file) => Some(file),
            Self::Dir | Self::Symlink(_) => None,
        }
    }

    /// Tells whether both are files, both directories or both symbolic links.
    #[must_use]
    pub fn same_type(&self, other: &Self) -> bool {
        core::mem::discriminant(self) == core::mem::discriminant(other)
    }

    /// Tells whether both hold the same bytes (or the same target); attributes do not count.
    #[must_use]
    pub fn same_content(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(a), Self::File(b)) => a.content == b.content,
            (Self::Dir, Self::Dir) => true,
            (Self::Symlink(a), Self::Symlink(b)) => a == b,
            (Self::File(_) | Self::Dir | Self::Symlink(_), _) => false,
        }
    }
}

/// Marks a node as one side of an unresolved conflict. Resolving is an ordinary change that clears the mark or deletes
/// the node that bears it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictMark {
    /// The node that kept the name.
    pub with: NodeId,
    /// The version that both sides had in common; zero when there was none.
    pub base: Version,
    /// The device whose side this is.
    pub device: DeviceId,
    /// The name that this node would have had.
    pub name: Name,
    /// Why there are two.
    pub cause: ConflictCause,
}

/// Why there are two nodes where there was to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConflictCause {
    /// Both sides changed the bytes of one node.
    BothEdited,
    /// Two nodes were given one name.
    SameName,
    /// A file was edited on one side and replaced by something of another type on the other.
    KindSwapped,
}

/// A node as a value: equal nodes are interchangeable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// The directory that it is in.
    pub parent: NodeId,
    /// Its name there.
    pub name: Name,
    /// What it is.
    pub kind: Kind,
    /// Set while it is one side of an unresolved conflict.
    pub mark: Option<Arc<ConflictMark>>,
}

impl Node {
    /// Tells whether both are at the same place.
    #[must_use]
    pub fn same_place(&self, other: &Self) -> bool {
        self.parent == other.parent && self.name == other.name
    }
}

/// A device's name as people gave it; shown, never compared.
pub type DeviceName = String;
