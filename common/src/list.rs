//! Lists of chunks: how the pieces of a large file are named as one [`Content`]. A file of one chunk is named by it.
//! The chunks of a larger one are named in lists, those in lists of lists, until one list is left. Where a list ends
//! depends on what it names and not on how many went before, so an edit in the middle of a file makes one new list on
//! each level. All of this is a storage format, frozen by golden tests: equal bytes have equal `Content`, for ever.
//!
//! A list's bytes are its depth (one byte: 1 names chunks, 2 names lists of depth 1, and so on) and then its parts, 40
//! bytes each: the part's hash and the number of plain bytes of the file that it stands for (u64, big-endian). A list
//! is named by a hash of a kind of its own (BLAKE3 in its key derivation mode), so that no chunk can pass for a list.
//! A list ends behind a part whose hash ends in seven zero bits, but has at least 16 parts and at most 512; the last of
//! each level ends where the level ends.

use crate::limits::{CHUNK_LEN_MAX, LIST_DEPTH_MAX};
use sync_engine::{Content, Hash};

/// The fewest parts of a list, but for the last of a level.
pub const PARTS_MIN: usize = 16;
/// The most parts of a list.
pub const PARTS_MAX: usize = 512;
/// A list ends behind a hash whose last byte has none of these bits.
const CUT_MASK: u8 = 0x7f;
/// The length of a part, in bytes.
const PART_LEN: usize = 40;
/// The longest list, in bytes.
pub const LIST_LEN_MAX: usize = 1 + PARTS_MAX * PART_LEN;

/// What a list names: a chunk or another list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Its hash.
    pub hash: Hash,
    /// How many bytes of the file it stands for.
    pub len_bytes: u64,
}

/// A list that is finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// Its name.
    pub hash: Hash,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Says why bytes are not the list that they should be, or why there can be no list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// The bytes are not a depth and whole parts, or too many of them.
    #[error("{len} bytes are not the length of a list")]
    Len {
        /// How many there are.
        len: usize,
    },
    /// The list is of another depth than whoever names it says.
    #[error("a list of depth {found} stands where one of depth {expected} should be")]
    Depth {
        /// What was said.
        expected: u8,
        /// What the list says.
        found: u8,
    },
    /// A part is of a length that no part can have.
    #[error("a part of a list stands for {len_bytes} bytes")]
    PartLen {
        /// Its length, in bytes.
        len_bytes: u64,
    },
    /// The parts are not as long together as whoever names the list says.
    #[error("a list stands for {found} bytes instead of {expected}")]
    Sum {
        /// What was said, in bytes.
        expected: u64,
        /// What the parts have, in bytes.
        found: u64,
    },
    /// The file would need more levels of lists than there can be.
    #[error("the file is too large")]
    TooLarge,
}

/// Returns the name of a list.
#[must_use]
pub fn list_hash(bytes: &[u8]) -> Hash {
    Hash(blake3::derive_key("holdfast 2026 chunk list", bytes))
}

/// Returns the content of a file without bytes. It has no chunk.
#[must_use]
pub fn empty_content() -> Content {
    Content {
        hash: Hash::of(&[]),
        size_bytes: 0,
        depth: 0,
    }
}

/// Reads a list. `depth` and `len_bytes` are what names it says: of a file's topmost list its [`Content`], of another
/// the list above it. That the bytes have the right hash is for the caller to check, before this.
///
/// # Errors
/// When the bytes are not a list, or are another one than was said.
pub fn decode_list(bytes: &[u8], depth: u8, len_bytes: u64) -> Result<Vec<Part>, ListError> {
    let parts = decode_any_list(bytes, depth)?;
    let found = sum_of(&parts)?;
    if found == len_bytes {
        Ok(parts)
    } else {
        Err(ListError::Sum {
            expected: len_bytes,
            found,
        })
    }
}

/// Reads a list of which only the bytes are known, as a server does that is asked to store it, and returns its depth
/// with its parts.
///
/// # Errors
/// When the bytes are not a list.
pub fn decode_unnamed_list(bytes: &[u8]) -> Result<(u8, Vec<Part>), ListError> {
    let depth = bytes.first().copied().unwrap_or(0);
    let parts = decode_any_list(bytes, depth)?;
    sum_of(&parts)?;
    Ok((depth, parts))
}

fn decode_any_list(bytes: &[u8], depth: u8) -> Result<Vec<Part>, ListError> {
    let (found, rest) = bytes.split_first().ok_or(ListError::Len { len: 0 })?;
    if rest.is_empty() || !rest.len().is_multiple_of(PART_LEN) || bytes.len() > LIST_LEN_MAX {
        return Err(ListError::Len { len: bytes.len() });
    }
    if *found != depth || !(1..=LIST_DEPTH_MAX).contains(found) {
        return Err(ListError::Depth {
            expected: depth,
            found: *found,
        });
    }
    rest.chunks_exact(PART_LEN)
        .map(|part| decode_part(part, depth))
        .collect()
}

fn decode_part(bytes: &[u8], depth: u8) -> Result<Part, ListError> {
    let (hash, len) = bytes.split_first_chunk().expect("a part is longer than a hash");
    let len_bytes = u64::from_be_bytes(len.try_into().expect("the rest of a part is its length"));
    if len_bytes == 0 || (depth == 1 && len_bytes > CHUNK_LEN_MAX as u64) {
        return Err(ListError::PartLen { len_bytes });
    }
    Ok(Part {
        hash: Hash(*hash),
        len_bytes,
    })
}

fn sum_of(parts: &[Part]) -> Result<u64, ListError> {
    parts
        .iter()
        .try_fold(0_u64, |sum, part| sum.checked_add(part.len_bytes))
        .ok_or(ListError::TooLarge)
}

fn encode_list(depth: u8, parts: &[Part]) -> List {
    let mut bytes = Vec::with_capacity(1 + parts.len() * PART_LEN);
    bytes.push(depth);
    for part in parts {
        bytes.extend_from_slice(&part.hash.0);
        bytes.extend_from_slice(&part.len_bytes.to_be_bytes());
    }
    List {
        hash: list_hash(&bytes),
        bytes,
    }
}

/// Builds the lists of one file from its chunks. Lists come out as they are finished, each after all that it names, so
/// they can be stored in that order. It holds one unfinished list for each level.
#[derive(Debug, Default)]
pub struct ListBuilder {
    /// What waits to be named by a list: chunks at first, then lists of depth 1, and so on.
    levels: Vec<Level>,
}

#[derive(Debug, Default)]
struct Level {
    parts: Vec<Part>,
    /// Whether a list of this level is finished already.
    has_list: bool,
}

impl ListBuilder {
    /// Returns a builder for a file of which no chunk is known yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the file's next chunk and returns the lists that it finishes.
    ///
    /// # Errors
    /// When the chunk is empty or too long, or the file too large.
    pub fn push(&mut self, hash: Hash, len_bytes: u64) -> Result<Vec<List>, ListError> {
        if len_bytes == 0 || len_bytes > CHUNK_LEN_MAX as u64 {
            return Err(ListError::PartLen { len_bytes });
        }
        let mut lists = Vec::new();
        self.add(0, Part { hash, len_bytes }, &mut lists)?;
        Ok(lists)
    }

    /// Ends the file: returns the lists that were not finished, and what names the whole.
    ///
    /// # Errors
    /// When the file is too large.
    pub fn finish(mut self) -> Result<(Vec<List>, Content), ListError> {
        let mut lists = Vec::new();
        let mut index = 0;
        while let Some(level) = self.levels.get_mut(index) {
            match level.parts.as_slice() {
                [only] if !level.has_list => {
                    let depth = u8::try_from(index).map_err(|_| ListError::TooLarge)?;
                    let content = Content {
                        hash: only.hash,
                        size_bytes: only.len_bytes,
                        depth,
                    };
                    return Ok((lists, content));
                }
                [] => (),
                [..] => {
                    let part = level.end_list(index, &mut lists)?;
                    self.add(index + 1, part, &mut lists)?;
                }
            }
            index += 1;
        }
        Ok((lists, empty_content()))
    }

    /// Adds a part to a level, and to those above it what its end there makes.
    fn add(&mut self, mut index: usize, mut part: Part, lists: &mut Vec<List>) -> Result<(), ListError> {
        loop {
            if index == self.levels.len() {
                self.levels.push(Level::default());
            }
            let level = &mut self.levels[index];
            level.parts.push(part);
            if !level.is_at_end() {
                return Ok(());
            }
            part = level.end_list(index, lists)?;
            index += 1;
        }
    }
}

impl Level {
    fn is_at_end(&self) -> bool {
        let is_cut = self
            .parts
            .last()
            .is_some_and(|part| part.hash.0[31] & CUT_MASK == 0);
        self.parts.len() >= PARTS_MAX || is_cut && self.parts.len() >= PARTS_MIN
    }

    fn end_list(&mut self, index: usize, lists: &mut Vec<List>) -> Result<Part, ListError> {
        let list = encode_list(depth_above(index)?, &self.parts);
        let part = Part {
            hash: list.hash,
            len_bytes: sum_of(&self.parts)?,
        };
        self.parts.clear();
        self.has_list = true;
        lists.push(list);
        Ok(part)
    }
}

/// Returns the depth of a list that names the parts of a level.
fn depth_above(index: usize) -> Result<u8, ListError> {
    match u8::try_from(index + 1) {
        Ok(depth) if depth <= LIST_DEPTH_MAX => Ok(depth),
        Ok(_) | Err(_) => Err(ListError::TooLarge),
    }
}

#[cfg(test)]
mod tests;
