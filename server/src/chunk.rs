//! Chunks and lists at the door: decoded with a hard limit, hashed, and of lists read what they name, before anything
//! of them is believed. It is work for a blocking thread.

use bytes::Bytes;
use common::limits::CHUNK_LEN_MAX;
use common::list::{Part, decode_unnamed_list, list_hash};
use common::message::{Attachment, AttachmentHead, Encoding, Form};
use common::squeeze;
use std::borrow::Cow;
use sync_engine::Hash;

use crate::store::ChunkRow;

/// A chunk or list whose bytes are what its name says.
#[derive(Debug, Clone)]
pub(crate) struct Verified {
    /// What the frame said of it, all of it true.
    pub(crate) head: AttachmentHead,
    /// Its bytes as encoded.
    pub(crate) bytes: Bytes,
    /// Zero for a chunk. Of a list, how many levels stand above the chunks: 1 if it names chunks, 2 if it names lists of
    /// chunks.
    pub(crate) depth: u8,
}

impl Verified {
    /// Returns what a list names; nothing of a chunk. It is read again whenever it is asked for, since many lists, of a
    /// few bytes each when they are compressed, would take much memory while they wait.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let plain = decode(self.head.encoding, self.head.plain_len, &self.bytes);
        let list = plain.and_then(|plain| decode_unnamed_list(&plain).ok());
        list.map_or_else(Vec::new, |(_, parts)| parts)
    }
}

/// Says that the bytes of a chunk are not what its name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes sent as {0} are something else")]
pub(crate) struct Mismatch(pub(crate) Hash);

/// Verifies what a device has sent.
pub(crate) fn verify(attachment: Attachment) -> Result<Verified, Mismatch> {
    let Attachment { head, bytes } = attachment;
    match open(head.form, head.encoding, head.plain_len, &bytes, &head.hash) {
        Some(opened) if (opened.depth == 0) == (head.form == Form::Data) => Ok(Verified {
            head,
            // The frame's bytes share one allocation, which a chunk that waits to be written would keep alive.
            bytes: Bytes::copy_from_slice(&bytes),
            depth: opened.depth,
        }),
        Some(_) | None => Err(Mismatch(head.hash)),
    }
}

/// Tells whether bytes as stored are those that a row of the index names.
pub(crate) fn is_whole(row: &ChunkRow, stored: &[u8]) -> bool {
    let form = form_of(row.depth);
    open(form, row.encoding, row.plain_len, stored, &row.hash).is_some_and(|opened| opened.depth == row.depth)
}

/// Returns what a list names, from its bytes as stored; nothing of a chunk.
pub(crate) fn parts(row: &ChunkRow, stored: &[u8]) -> Option<Vec<Part>> {
    let opened = open(form_of(row.depth), row.encoding, row.plain_len, stored, &row.hash)?;
    (opened.depth != 0).then_some(opened.parts)
}

/// Returns the form of what stands at a depth.
pub(crate) fn form_of(depth: u8) -> Form {
    if depth == 0 { Form::Data } else { Form::List }
}

/// Decodes the bytes of a chunk; nothing if they are damaged.
pub(crate) fn decode(encoding: Encoding, plain_len: u32, stored: &[u8]) -> Option<Cow<'_, [u8]>> {
    let plain_len = usize::try_from(plain_len)
        .ok()
        .filter(|len| *len <= CHUNK_LEN_MAX)?;
    let plain = match encoding {
        Encoding::Plain => Cow::Borrowed(stored),
        Encoding::Zstd => Cow::Owned(squeeze::decompress(stored, plain_len).ok()?),
    };
    (plain.len() == plain_len).then_some(plain)
}

/// What bytes are, once they are known to be what their name says.
struct Opened {
    depth: u8,
    parts: Vec<Part>,
}

/// Decodes and hashes; nothing if the bytes are not what they are said to be.
fn open(form: Form, encoding: Encoding, plain_len: u32, stored: &[u8], hash: &Hash) -> Option<Opened> {
    let plain = decode(encoding, plain_len, stored)?;
    match form {
        Form::Data => (Hash::of(&plain) == *hash).then(|| Opened {
            depth: 0,
            parts: Vec::new(),
        }),
        Form::List => open_list(&plain, hash),
    }
}

fn open_list(plain: &[u8], hash: &Hash) -> Option<Opened> {
    if list_hash(plain) != *hash {
        return None;
    }
    let (depth, parts) = decode_unnamed_list(plain).ok()?;
    Some(Opened { depth, parts })
}
