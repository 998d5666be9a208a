//! The narrow door to the chunks' bytes. An implementation appends and never changes what it has appended.

use bytes::Bytes;
use common::message::Encoding;
use sync_engine::Hash;

use super::{AccountKey, StoreError};

/// Where a chunk's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The number of the pack.
    pub(crate) pack: u32,
    /// Where its record begins, in bytes from the start of the pack.
    pub(crate) offset: u64,
    /// The length of its bytes as stored.
    pub(crate) stored_len: u32,
}

/// A chunk about to be appended, verified already.
#[derive(Debug, Clone)]
pub(crate) struct NewBlob {
    /// The account that it belongs to.
    pub(crate) account: AccountKey,
    /// Its name.
    pub(crate) hash: Hash,
    /// Zero for a piece of a file, else the level of the list.
    pub(crate) depth: u8,
    /// How the bytes are encoded.
    pub(crate) encoding: Encoding,
    /// The length when decoded, in bytes.
    pub(crate) plain_len: u32,
    /// The bytes as encoded.
    pub(crate) bytes: Bytes,
}

/// How far the packs were written. All before it is older than all behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Mark {
    /// The newest pack.
    pub(crate) pack: u32,
    /// Its length, in bytes.
    pub(crate) len: u64,
}

/// Keeps chunks' bytes.
pub(crate) trait Blobs: Send + Sync {
    /// Appends chunks and says where each is. They are not durable before [`Blobs::flush`].
    fn append(&self, blobs: &[NewBlob]) -> Result<Vec<Place>, StoreError>;

    /// Returns how far has been written.
    fn mark(&self) -> Mark;

    /// Makes all that was appended durable, and says how far that is.
    fn flush(&self) -> Result<Mark, StoreError>;

    /// Forgets all that was appended after `mark`; nothing may refer to it.
    fn rewind(&self, mark: Mark) -> Result<(), StoreError>;

    /// Reads a chunk's bytes as stored. That they are the right ones is for the caller to verify.
    fn read(&self, account: AccountKey, hash: &Hash, place: Place) -> Result<Bytes, StoreError>;
}
