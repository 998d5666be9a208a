//! Cuts files into content-defined chunks while it hashes them, in bounded memory. Where it cuts is part of what is
//! stored for ever: equal bytes must give equal chunks on every device and in every version, so the cutter is pinned
//! and the borders are held by a golden test.

use std::io::{self, Read};

use bytes::Bytes;
use common::list::ListBuilder;
use fastcdc::v2020::FastCDC;
use sync_engine::{Content, Hash};

/// The shortest chunk but for a file's last one, in bytes.
pub const CHUNK_LEN_MIN: usize = 16 * 1024;
/// What the cutter aims at, in bytes.
pub const CHUNK_LEN_AVG: usize = 64 * 1024;
/// The longest chunk, in bytes.
pub const CHUNK_LEN_MAX: usize = 256 * 1024;
/// How much of a file is in memory at a time, in bytes.
const WINDOW_LEN: usize = 2 * 1024 * 1024;

/// A chunk as a part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkRef {
    /// The hash of its bytes.
    pub hash: Hash,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Its length, in bytes.
    pub len: u32,
}

/// A file in pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunked {
    /// The whole.
    pub content: Content,
    /// The chunks in order. An empty file has none.
    pub chunks: Vec<ChunkRef>,
    /// The lists above the chunks, each after all that it names. A file of one chunk has none.
    pub lists: Vec<(Hash, Bytes)>,
}

/// Reads to the end and cuts what was read.
///
/// # Errors
/// When reading fails.
pub fn chunk(reader: impl Read) -> io::Result<Chunked> {
    chunk_with(reader, |_, _| ())
}
