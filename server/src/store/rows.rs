//! The values that the store keeps, as plain rows.

use common::message::Encoding;
use sync_engine::{Bug, Content, DeviceId, Entry, Hash, Version, planted};

use super::Place;
use super::blobs::Mark;
use super::pack_file::HEADER_LEN;

/// An account within this store. It never leaves the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AccountKey(pub(crate) i64);

/// The SHA-256 of a device's public key, as TLS shows it.
pub(crate) type KeyHash = [u8; 32];

/// What a chunk or list counts for an account's quota besides its bytes as stored, in bytes: its header in the pack, and
/// about what its rows take in the database.
pub(crate) const CHUNK_LEN: u64 = 192;
/// What an entry of the journal counts besides its change as stored, in bytes.
pub(crate) const ENTRY_LEN: u64 = 128;
/// What a state of a node counts besides name and state as stored, in bytes. These count twice, since the tree as it is
/// has them too.
pub(crate) const STATE_LEN: u64 = 128;

/// An account.
#[derive(Debug, Clone)]
pub(crate) struct AccountRow {
    /// The account.
    pub(crate) key: AccountKey,
    /// The newest entry.
    pub(crate) head: Version,
    /// The chain's hash at that entry.
    pub(crate) chain: Hash,
    /// When it was made, in milliseconds since 1970.
    pub(crate) created_ms: u64,
    /// How many bytes its chunks count, those that nothing needs any more included.
    pub(crate) stored_bytes: u64,
    /// How many bytes its journal and the states of its nodes count.
    pub(crate) journal_bytes: u64,
    /// How many it may have, if that was set for this account.
    pub(crate) quota_bytes: Option<u64>,
}

impl AccountRow {
    /// Returns how many bytes it has in all, as they are held against its quota.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.stored_bytes.saturating_add(self.journal_bytes)
    }
}

/// A device.
#[derive(Debug, Clone)]
pub(crate) struct DeviceRow {
    /// Its account.
    pub(crate) account: AccountKey,
    /// Its id there.
    pub(crate) id: DeviceId,
    /// Its key.
    pub(crate) key: KeyHash,
    /// Its name.
    pub(crate) name: String,
    /// When it was enrolled, in milliseconds since 1970.
    pub(crate) enrolled_ms: u64,
    /// When it was last connected, in milliseconds since 1970.
    pub(crate) seen_ms: u64,
    /// The generation that it confirmed.
    pub(crate) generation: [u8; 16],
    /// The generation that it was told to begin, and has not confirmed yet.
    pub(crate) next_generation: [u8; 16],
    /// Whether it is shut out.
    pub(crate) revoked: bool,
}

/// A device that is about to be enrolled.
#[derive(Debug, Clone)]
pub(crate) struct NewDevice {
    /// Its id.
    pub(crate) id: DeviceId,
    /// Its key.
    pub(crate) key: KeyHash,
    /// Its name.
    pub(crate) name: String,
    /// The generation that it begins.
    pub(crate) next_generation: [u8; 16],
}

/// An entry of a journal with what the store knows of it.
#[derive(Debug, Clone)]
pub(crate) struct StoredEntry {
    /// The entry.
    pub(crate) entry: Entry,
    /// The chain's hash at this entry.
    pub(crate) chain: Hash,
    /// The length of the change as stored, in bytes: a measure for filling frames.
    pub(crate) len: usize,
}

/// A chunk or a list, and where its bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChunkRow {
    /// Its name.
    pub(crate) hash: Hash,
    /// Zero for a piece of a file; of a list, how many levels stand above the chunks.
    pub(crate) depth: u8,
    /// How it is encoded in the pack.
    pub(crate) encoding: Encoding,
    /// Its length when decoded, in bytes.
    pub(crate) plain_len: u32,
    /// How many bytes of a file it stands for.
    pub(crate) total_bytes: u64,
    /// Where it is.
    pub(crate) place: Place,
    /// Whether it can be used.
    pub(crate) state: ChunkState,
}

/// What a chunk or a list stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// As of [`ChunkRow`].
    pub(crate) depth: u8,
    /// How many bytes of a file.
    pub(crate) total_bytes: u64,
}

impl Extent {
    /// Tells whether it is all of a content.
    pub(crate) fn is_all_of(self, content: &Content) -> bool {
        self.depth == content.depth && self.total_bytes == content.size_bytes
    }
}

impl ChunkRow {
    /// Returns what it stands for.
    pub(crate) fn extent(&self) -> Extent {
        Extent {
            depth: self.depth,
            total_bytes: self.total_bytes,
        }
    }

    /// Tells whether it can be used; if not, it counts as missing until a device brings it again.
    pub(crate) fn is_here(&self) -> bool {
        self.state == ChunkState::Whole
            || self.state == ChunkState::Condemned && planted(Bug::CondemnedCounts)
    }

    /// Tells whether its bytes may be sent, if they are what its name says.
    pub(crate) fn can_be_read(&self) -> bool {
        self.state != ChunkState::Damaged
    }

    /// Returns where its record ends.
    pub(crate) fn end(&self) -> Mark {
        Mark {
            pack: self.place.pack,
            len: self.place.offset + HEADER_LEN as u64 + u64::from(self.place.stored_len),
        }
    }
}

/// Whether a chunk or a list can be used. Law: all that a whole list names is whole, at every moment that anybody can
/// see. So a list is condemned before what it names and taken back after it, and whatever makes a chunk less than whole
/// does the same to the lists above it in one transaction. Of what is condemned only a collection takes anything back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChunkState {
    /// It can.
    Whole,
    /// Its bytes were found damaged.
    Damaged,
    /// Its bytes are right, but something below this list is damaged or gone.
    Incomplete,
    /// Nothing that is kept needs it. Its bytes are still there, and the next collection drops it.
    Condemned,
}
