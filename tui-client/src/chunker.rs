//! Cuts files into content-defined chunks while it hashes them, in bounded memory. Where it cuts is part of what is
//! stored for ever: equal bytes must give equal chunks on every device and in every version, so the cutter is pinned
//! and the borders are held by a golden test.

use std::io::{self, Read};

use bytes::Bytes;
use common::list::{ListBuilder, ListError};
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

/// Cuts one file after another with one buffer.
#[derive(Debug)]
pub struct Chunker {
    buffer: Vec<u8>,
}

impl Default for Chunker {
    fn default() -> Self {
        Self::new()
    }
}

impl Chunker {
    /// Returns a cutter with a buffer of its own.
    #[must_use]
    pub fn new() -> Self {
        Self {
            buffer: vec![0; WINDOW_LEN],
        }
    }

    /// Reads to the end, cuts what was read and hands each chunk with its bytes to `sink`, in order.
    ///
    /// # Errors
    /// When reading fails.
    pub fn chunk(
        &mut self,
        mut reader: impl Read,
        mut sink: impl FnMut(&ChunkRef, &[u8]),
    ) -> io::Result<Chunked> {
        let mut chunks = Vec::new();
        // Where the first byte of the buffer is in the file, and how much of the buffer is filled.
        let (mut base, mut filled) = (0_u64, 0);
        loop {
            let ended = fill(&mut reader, &mut self.buffer, &mut filled)?;
            let mut start = 0;
            let cutter = FastCDC::new(
                &self.buffer[..filled],
                CHUNK_LEN_MIN as u32,
                CHUNK_LEN_AVG as u32,
                CHUNK_LEN_MAX as u32,
            );
            // A chunk is cut only when all that can decide its end is there, so borders do not depend on the buffer.
            while start < filled && (ended || CHUNK_LEN_MAX <= filled - start) {
                let (_, end) = cutter.cut(start, filled - start);
                let bytes = &self.buffer[start..end];
                let chunk = ChunkRef {
                    hash: Hash::of(bytes),
                    offset: base + start as u64,
                    len: bytes.len() as u32,
                };
                sink(&chunk, bytes);
                chunks.push(chunk);
                start = end;
            }
            self.buffer.copy_within(start..filled, 0);
            base += start as u64;
            filled -= start;
            if ended {
                return finish(chunks).map_err(io::Error::other);
            }
        }
    }
}

/// Reads until the buffer is full or nothing is left; tells whether nothing is left.
fn fill(reader: &mut impl Read, buffer: &mut [u8], filled: &mut usize) -> io::Result<bool> {
    while *filled < buffer.len() {
        match reader.read(&mut buffer[*filled..]) {
            Ok(0) => return Ok(true),
            Ok(len) => *filled += len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// Names the whole.
fn finish(chunks: Vec<ChunkRef>) -> Result<Chunked, ListError> {
    let mut builder = ListBuilder::new();
    let mut lists = Vec::new();
    for chunk in &chunks {
        lists.extend(builder.push(chunk.hash, u64::from(chunk.len))?);
    }
    let (last, content) = builder.finish()?;
    lists.extend(last);
    let lists = lists
        .into_iter()
        .map(|list| (list.hash, Bytes::from(list.bytes)))
        .collect();
    Ok(Chunked {
        content,
        chunks,
        lists,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the same bytes on every machine: a xorshift sequence.
    fn noise(len: usize) -> Vec<u8> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }

    fn chunk(bytes: &[u8]) -> Chunked {
        Chunker::new().chunk(bytes, |_, _| ()).unwrap()
    }

    /// Gives a few bytes at a time, as a pipe or a slow disk may.
    struct Dribble<'a>(&'a [u8]);

    impl Read for Dribble<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let len = self.0.len().min(buffer.len()).min(4093);
            buffer[..len].copy_from_slice(&self.0[..len]);
            self.0 = &self.0[len..];
            Ok(len)
        }
    }

    #[test]
    fn the_borders_are_those_that_are_stored_for_ever() {
        let lens: Vec<u32> = chunk(&noise(1_000_000))
            .chunks
            .iter()
            .map(|chunk| chunk.len)
            .collect();
        assert_eq!(
            lens,
            [
                44750, 219962, 100125, 28400, 91429, 28467, 19017, 114735, 88164, 66867, 152283, 45801
            ]
        );
    }

    #[test]
    fn the_borders_depend_on_the_bytes_and_not_on_how_they_are_read() {
        let bytes = noise(7 * 1024 * 1024 + 13);
        let whole = chunk(&bytes);
        assert_eq!(Chunker::new().chunk(Dribble(&bytes), |_, _| ()).unwrap(), whole);
        let direct: Vec<(u64, u32)> = FastCDC::new(
            &bytes,
            CHUNK_LEN_MIN as u32,
            CHUNK_LEN_AVG as u32,
            CHUNK_LEN_MAX as u32,
        )
        .map(|chunk| (chunk.offset as u64, chunk.length as u32))
        .collect();
        let ours: Vec<(u64, u32)> = whole
            .chunks
            .iter()
            .map(|chunk| (chunk.offset, chunk.len))
            .collect();
        assert_eq!(ours, direct);
    }

    #[test]
    fn the_chunks_are_the_file() {
        for len in [
            0,
            1,
            CHUNK_LEN_MIN,
            CHUNK_LEN_MIN + 1,
            CHUNK_LEN_MAX,
            WINDOW_LEN,
            WINDOW_LEN + 1,
            5_000_000,
        ] {
            let bytes = noise(len);
            let mut joined = Vec::new();
            let chunked = Chunker::new()
                .chunk(&bytes[..], |chunk, part| {
                    assert_eq!(chunk.offset, joined.len() as u64);
                    assert_eq!(chunk.hash, Hash::of(part));
                    joined.extend_from_slice(part);
                })
                .unwrap();
            assert_eq!(joined, bytes);
            assert_eq!(chunked.content.size_bytes, len as u64);
            if len <= CHUNK_LEN_MIN {
                assert_eq!(chunked.chunks.len(), usize::from(len > 0));
                assert_eq!(
                    chunked.content,
                    Content {
                        hash: Hash::of(&bytes),
                        size_bytes: len as u64,
                        depth: 0
                    }
                );
                assert!(chunked.lists.is_empty());
            }
        }
    }

    #[test]
    fn bytes_put_in_front_change_few_chunks() {
        let bytes = noise(3_000_000);
        let longer = [&b"something in front"[..], &bytes].concat();
        let before = chunk(&bytes);
        let known: std::collections::BTreeSet<Hash> = before.chunks.iter().map(|chunk| chunk.hash).collect();
        let new = chunk(&longer)
            .chunks
            .iter()
            .filter(|chunk| !known.contains(&chunk.hash))
            .count();
        assert!(new <= 3, "{new} of {} chunks are new", before.chunks.len());
    }
}
