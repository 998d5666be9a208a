//! A record of a pack, as bytes: a header that says what follows, then the chunk as stored. A pack is readable without
//! the database, record after record, so that the index can be checked against it. All numbers are big-endian.
//!
//! | bytes | what |
//! | --- | --- |
//! | 4 | `HFCK` |
//! | 8 | the account |
//! | 32 | the chunk's hash |
//! | 1 | 0 for a piece of a file, else the level of the list |
//! | 1 | the encoding: 0 plain, 1 Zstandard |
//! | 2 | zeros |
//! | 4 | the length when decoded |
//! | 4 | the length as stored |
//! | 8 | the first bytes of the BLAKE3 hash of all this |

use common::limits::CHUNK_LEN_MAX;
use common::message::Encoding;
use sync_engine::Hash;

use super::AccountKey;
use super::blobs::NewBlob;

/// The length of a header, in bytes.
pub(crate) const HEADER_LEN: usize = 64;
const MAGIC: &[u8; 4] = b"HFCK";
const SUMMED_LEN: usize = HEADER_LEN - 8;

/// The header of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    /// The account that the chunk belongs to.
    pub(crate) account: AccountKey,
    /// Its name.
    pub(crate) hash: Hash,
    /// Zero for a piece of a file, else the level of the list.
    pub(crate) depth: u8,
    /// How it is encoded.
    pub(crate) encoding: Encoding,
    /// Its length when decoded, in bytes.
    pub(crate) plain_len: u32,
    /// Its length as stored, in bytes.
    pub(crate) stored_len: u32,
}

impl Header {
    /// Returns the header of a chunk's record.
    pub(crate) fn of(blob: &NewBlob) -> Self {
        Self {
            account: blob.account,
            hash: blob.hash,
            depth: blob.depth,
            encoding: blob.encoding,
            plain_len: blob.plain_len,
            stored_len: u32::try_from(blob.bytes.len()).expect("a chunk is shorter than 4 GiB"),
        }
    }

    /// Returns the header as bytes.
    pub(crate) fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[4..12].copy_from_slice(&self.account.0.to_be_bytes());
        bytes[12..44].copy_from_slice(&self.hash.0);
        bytes[44] = self.depth;
        bytes[45] = encoding_number(self.encoding);
        bytes[48..52].copy_from_slice(&self.plain_len.to_be_bytes());
        bytes[52..56].copy_from_slice(&self.stored_len.to_be_bytes());
        seal(&mut bytes);
        bytes
    }

    /// Reads a header; nothing if these bytes are none.
    pub(crate) fn from_bytes(bytes: &[u8; HEADER_LEN]) -> Option<Self> {
        let sum = blake3::hash(&bytes[..SUMMED_LEN]);
        if &bytes[..4] != MAGIC || bytes[SUMMED_LEN..] != sum.as_bytes()[..8] || bytes[46..48] != [0, 0] {
            return None;
        }
        let header = Self {
            account: AccountKey(i64::from_be_bytes(bytes[4..12].try_into().ok()?)),
            hash: Hash(bytes[12..44].try_into().ok()?),
            depth: bytes[44],
            encoding: encoding_of(bytes[45])?,
            plain_len: u32::from_be_bytes(bytes[48..52].try_into().ok()?),
            stored_len: u32::from_be_bytes(bytes[52..56].try_into().ok()?),
        };
        let len_max = u32::try_from(CHUNK_LEN_MAX).ok()?;
        (header.stored_len <= len_max && header.plain_len <= len_max).then_some(header)
    }
}

/// Puts the sum over a header behind it.
fn seal(bytes: &mut [u8; HEADER_LEN]) {
    let sum = blake3::hash(&bytes[..SUMMED_LEN]);
    bytes[SUMMED_LEN..].copy_from_slice(&sum.as_bytes()[..8]);
}

/// Returns as much of some bytes as fits into a header, with the sum that they would have there.
pub(crate) fn sealed(bytes: &[u8]) -> [u8; HEADER_LEN] {
    let len = bytes.len().min(SUMMED_LEN);
    let mut sealed = [0; HEADER_LEN];
    sealed[..len].copy_from_slice(&bytes[..len]);
    seal(&mut sealed);
    sealed
}

/// Returns the number that stands for an encoding in packs and in the database.
pub(crate) fn encoding_number(encoding: Encoding) -> u8 {
    match encoding {
        Encoding::Plain => 0,
        Encoding::Zstd => 1,
    }
}

/// Returns the encoding that a number stands for.
pub(crate) fn encoding_of(number: u8) -> Option<Encoding> {
    match number {
        0 => Some(Encoding::Plain),
        1 => Some(Encoding::Zstd),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back_what_it_writes_and_a_flipped_bit_is_seen() {
        let header = Header {
            account: AccountKey(7),
            hash: Hash::of(b"x"),
            depth: 2,
            encoding: Encoding::Zstd,
            plain_len: 70_000,
            stored_len: 4_000,
        };
        let bytes = header.to_bytes();
        assert_eq!(Header::from_bytes(&bytes), Some(header));
        for bit in 0..HEADER_LEN * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::from_bytes(&flipped), None, "bit {bit}");
        }
    }
}
