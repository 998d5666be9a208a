//! Files, directories and symbolic links as the disk keeps them.

use super::fail::Fail;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// What the disk itself knows a node by. Unlike its number it is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id(pub(super) u64);

/// The top of the disk.
pub(super) const TOP: Id = Id(0);

/// A name as the disk compares names.
pub(super) type Key = Vec<u8>;

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// As it was given.
    pub(super) name: Vec<u8>,
    pub(super) id: Id,
}

/// What is flushed along with a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attributes {
    /// The inode number; that of a node that is gone may be used again.
    pub(super) number: u64,
    pub(super) birth_ns: i64,
    pub(super) mtime_ns: i64,
    pub(super) ctime_ns: i64,
    pub(super) mode: u32,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body {
    File(Arc<Vec<u8>>),
    Dir(BTreeMap<Key, Entry>),
    Symlink(Vec<u8>),
    Pipe,
}

impl Body {
    /// The bytes of a file.
    pub(super) fn file(&self) -> Option<&Arc<Vec<u8>>> {
        match self {
            Self::File(bytes) => Some(bytes),
            Self::Dir(_) | Self::Symlink(_) | Self::Pipe => None,
        }
    }
}

/// What is wrong with a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Troubles {
    /// Nobody may open it.
    pub(super) is_denied: bool,
    /// It cannot be read.
    pub(super) is_damaged: bool,
    /// The next flush fails; what it would have written is never written, though later flushes succeed.
    pub(super) fails_flush: bool,
    /// A flush has failed.
    pub(super) is_unwritten: bool,
}

/// A node as programs see it.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) attributes: Attributes,
    pub(super) body: Body,
    /// Its names: of a file any number, of a directory one or none.
    pub(super) names: Vec<(Id, Key)>,
    /// How often it is open.
    pub(super) n_open: usize,
    pub(super) troubles: Troubles,
}

impl Node {
    pub(super) fn entries(&self) -> io::Result<&BTreeMap<Key, Entry>> {
        match &self.body {
            Body::Dir(entries) => Ok(entries),
            Body::File(_) | Body::Symlink(_) | Body::Pipe => Err(Fail::NotDir.into()),
        }
    }

    pub(super) fn bytes(&self) -> io::Result<&Arc<Vec<u8>>> {
        match &self.body {
            Body::File(bytes) => Ok(bytes),
            Body::Dir(_) => Err(Fail::IsDir.into()),
            Body::Symlink(_) => Err(Fail::Link.into()),
            Body::Pipe => Err(Fail::Invalid.into()),
        }
    }

    pub(super) fn is_dir(&self) -> bool {
        matches!(self.body, Body::Dir(_))
    }

    pub(super) fn len_bytes(&self) -> u64 {
        match &self.body {
            Body::File(bytes) => bytes.len() as u64,
            Body::Dir(_) => 4096,
            Body::Symlink(target) => target.len() as u64,
            Body::Pipe => 0,
        }
    }
}
