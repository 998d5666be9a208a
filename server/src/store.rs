//! The store: everything that the server keeps. Records (accounts, devices, nodes, journal, where each chunk is) are
//! reached through [`metadata`], chunks through [`blobs`]; this module only puts the two together, and knows in which
//! order they become durable: a pack is flushed before the transaction that relies on it is committed.

pub(crate) mod blobs;
mod directory;
mod encoding;
mod error;
pub(crate) mod files;
pub(crate) mod metadata;
pub(crate) mod pack_file;
mod packs;
mod recovery;
mod rows;
mod schema;
mod sqlite;
#[cfg(unix)]
#[path = "store/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "store/windows.rs"]
mod system;

pub(crate) use blobs::{Blobs, Place};
pub(crate) use directory::{Directory, DirectoryLock};
pub(crate) use error::StoreError;
pub(crate) use metadata::{Draft, Durability, Metadata, Records};
pub(crate) use packs::Packs;
pub(crate) use rows::{
    AccountKey, AccountRow, ChunkRow, ChunkState, DeviceRow, KeyHash, NewDevice, StoredEntry, now_ms,
};
pub(crate) use sqlite::Sqlite;

/// An open store.
pub(crate) struct Store {
    /// The records.
    pub(crate) metadata: Sqlite,
    /// The chunks.
    pub(crate) packs: Packs,
    /// Held as long as anyone writes, so that no other server begins meanwhile.
    _lock: Option<DirectoryLock>,
}

impl Store {
    /// Opens the store of a directory to serve it, and makes it when there is none. What a crash left behind is
    /// brought in order: rows whose chunk was never flushed are dropped, and the torn end of a pack is cut off.
    pub(crate) fn open(directory: &Directory, lock: DirectoryLock) -> Result<Self, StoreError> {
        let metadata = Sqlite::create(&directory.database())?;
        let packs = recovery::recover(&metadata, directory.pack_files())?;
        Ok(Self {
            metadata,
            packs,
            _lock: Some(lock),
        })
    }

    /// Opens an existing store beside a server that may be serving it. Chunks can be read, not added.
    pub(crate) fn open_beside(directory: &Directory) -> Result<Self, StoreError> {
        let metadata = Sqlite::open(&directory.database())?;
        let packs = Packs::open_for_reading(directory.pack_files());
        Ok(Self {
            metadata,
            packs,
            _lock: None,
        })
    }
}
