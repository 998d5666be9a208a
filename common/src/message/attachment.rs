//! What travels with a message: chunks and lists, and what a frame says of each.

use serde::{Deserialize, Serialize};
use sync_engine::Hash;

/// What a frame says of a chunk that is attached to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachmentHead {
    /// Its name: the hash of its plain bytes, of a list's as [`crate::list`] says.
    pub hash: Hash,
    /// Whether it is plain bytes of a file or a list.
    pub form: Form,
    /// How it is encoded.
    pub encoding: Encoding,
    /// Its length when decoded, in bytes.
    pub plain_len: u32,
    /// Its length in the frame, in bytes.
    pub sent_len: u32,
}

/// What the bytes of a chunk are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Form {
    /// A piece of a file.
    Data,
    /// A list of chunks or of lists.
    List,
}

/// How a chunk is encoded on the wire and in packs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoding {
    /// As it is.
    Plain,
    /// Zstandard.
    Zstd,
}

/// A chunk that travels with a message.
#[derive(Clone, PartialEq, Eq)]
pub struct Attachment {
    /// What the frame says of it.
    pub head: AttachmentHead,
    /// Its bytes as encoded.
    pub bytes: bytes::Bytes,
}
