//! Nodes: files, directories and symbolic links, as values.

use crate::{DeviceId, Hash, Name, NodeId, Version};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileState {
    /// The bytes.
    pub content: Content,
    /// Whether the owner may execute it.
    pub exec: bool,
    /// When it was last modified, in nanoseconds since 1970; data only, never compared to decide who is newer.
    pub mtime_ns: i64,
}

/// Where a symbolic link points: 1 to 4096 bytes without NUL, which are never followed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target(Arc<[u8]>);

/// Says why bytes are not a [`Target`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// There are no bytes.
    #[error("a link's target must not be empty")]
    Empty,
    /// There are more than [`TARGET_LEN_MAX`] bytes.
    #[error("a link's target has at most 4096 bytes")]
    TooLong,
    /// There is a NUL in it.
    #[error("a link's target has no NUL in it")]
    Nul,
}

impl Target {
    /// Checks bytes and makes a target of them.
    ///
    /// # Errors
    /// When no system could hold them as a link's target.
    pub fn new(bytes: &[u8]) -> Result<Self, TargetError> {
        match bytes {
            [] => Err(TargetError::Empty),
            _ if bytes.len() > TARGET_LEN_MAX => Err(TargetError::TooLong),
            _ if bytes.contains(&0) => Err(TargetError::Nul),
            _ => Ok(Self(bytes.into())),
        }
    }

    /// Returns the bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Target;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the bytes of a link's target")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Target, E> {
                Target::new(bytes).map_err(E::custom)
            }

            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Target, E> {
                self.visit_bytes(&bytes)
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Target, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = seq.next_element()? {
                    if bytes.len() == TARGET_LEN_MAX {
                        return Err(de::Error::custom(TargetError::TooLong));
                    }
                    bytes.push(byte);
                }
                Target::new(&bytes).map_err(de::Error::custom)
            }
        }
        deserializer.deserialize_bytes(Visitor)
    }
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

    /// Tells whether both are equal, but perhaps for the time of a file. Law: a time alone is no edit; whoever only touches a
    /// file keeps nobody from deleting it.
    #[must_use]
    pub fn is_equal_but_for_time(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(a), Self::File(b)) => a.content == b.content && a.exec == b.exec,
            (Self::File(_) | Self::Dir | Self::Symlink(_), _) => self == other,
        }
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
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ConflictCause {
    /// Both sides changed the bytes of one node.
    BothEdited,
    /// Two nodes were given one name.
    SameName,
    /// A file was edited on one side and replaced by something of another type on the other.
    KindSwapped,
}

/// A node as a value: equal nodes are interchangeable.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// Tells whether both are equal, but perhaps for the time of a file.
    #[must_use]
    pub fn is_equal_but_for_time(&self, other: &Self) -> bool {
        self.same_place(other) && self.mark == other.mark && self.kind.is_equal_but_for_time(&other.kind)
    }

    /// Tells whether both are at the same place.
    #[must_use]
    pub fn same_place(&self, other: &Self) -> bool {
        self.parent == other.parent && self.name == other.name
    }
}

/// A device's name as people gave it; shown, never compared.
pub type DeviceName = String;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_targets_are_refused() {
        assert_eq!(Target::new(b""), Err(TargetError::Empty));
        assert_eq!(Target::new(b"a\0b"), Err(TargetError::Nul));
        assert_eq!(Target::new(&[b'x'; 4097]), Err(TargetError::TooLong));
        assert!(Target::new(&[b'x'; 4096]).is_ok());
    }
}
