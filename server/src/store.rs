//! The store: everything that the server keeps. Records (accounts, devices, nodes, journal, where each chunk is) are
//! reached through [`metadata`], chunks through [`blobs`]; this module only puts the two together, and knows in which
//! order they become durable: a pack is flushed before the transaction that relies on it is committed.

pub(crate) mod blobs;
mod clock;
mod directory;
mod encoding;
mod error;
mod files;
mod memory;
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
pub use clock::Clock;
pub(crate) use clock::SystemClock;
pub(crate) use directory::Directory;
pub(crate) use error::StoreError;
pub use files::{PackFile, PackFiles};
pub use memory::Commits;
pub use metadata::Durability;
pub(crate) use metadata::{Draft, Metadata, PlaceOf, Records};
pub(crate) use packs::Packs;
pub(crate) use rows::{
    AccountKey, AccountRow, CHUNK_LEN, ChunkRow, ChunkState, DeviceRow, ENTRY_LEN, Extent, KeyHash,
    NewDevice, STATE_LEN, StoredEntry,
};
pub(crate) use sqlite::Sqlite;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use sync_engine::{Hash, Kind, RelPath, Version};

use crate::admin::Verification;
use crate::trouble::{StartError, Trouble};

/// An open store.
pub struct Store {
    /// The records.
    pub(crate) metadata: Sqlite,
    /// The chunks.
    pub(crate) packs: Packs,
    /// Held as long as anyone writes, so that no other server begins meanwhile.
    _lock: Option<common::file::Lock>,
}

/// What a store is made of that is kept in memory.
#[derive(Debug)]
pub struct Parts<'d> {
    /// What its database was when it was last told of; nothing makes a new one.
    pub database: Option<&'d [u8]>,
    /// Is told of the database's transactions.
    pub commits: Arc<dyn Commits>,
    /// The files of its packs.
    pub packs: Arc<dyn PackFiles>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

/// An account as it is now.
#[derive(Debug)]
pub struct Head {
    /// The newest entry of its journal.
    pub version: Version,
    /// What is in its tree, by path.
    pub tree: BTreeMap<RelPath, Kind>,
}

impl Store {
    /// Opens the store of a directory to serve it, and makes it when there is none. What a crash left behind is
    /// brought in order: rows whose chunk was never flushed are dropped, and the torn end of a pack is cut off.
    ///
    /// # Errors
    /// When another server has the directory, or it cannot be used.
    pub fn open(path: &Path) -> Result<Self, StartError> {
        let directory = Directory::new(path);
        let lock = directory.make().and_then(|()| directory.lock());
        let lock = lock
            .map_err(StartError::store(path))?
            .ok_or_else(|| StartError::InUse {
                path: path.to_owned(),
            })?;
        let metadata = Sqlite::create(&directory.database());
        metadata
            .and_then(|metadata| Self::recover(metadata, directory.pack_files(), Some(lock)))
            .map_err(StartError::store(path))
    }

    /// Opens a store whose database is in memory, as [`Store::open`] does: a simulation has such a one.
    ///
    /// # Errors
    /// When what is there is no store, or cannot be brought in order.
    pub fn in_memory(parts: Parts<'_>) -> Result<Self, StartError> {
        let Parts {
            database,
            commits,
            packs,
            clock,
        } = parts;
        let path = packs.directory().to_owned();
        let metadata = Sqlite::in_memory(database, commits, clock);
        metadata
            .and_then(|metadata| Self::recover(metadata, packs, None))
            .map_err(StartError::store(&path))
    }

    fn recover(
        metadata: Sqlite,
        packs: Arc<dyn PackFiles>,
        lock: Option<common::file::Lock>,
    ) -> Result<Self, StoreError> {
        let packs = recovery::recover(&metadata, packs)?;
        Ok(Self {
            metadata,
            packs,
            _lock: lock,
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

    /// Reads everything in the store and returns what is damaged, as `server verify` does.
    ///
    /// # Errors
    /// When it cannot be read at all.
    pub fn damages(&self) -> Result<Vec<String>, Trouble> {
        crate::admin::damages(self)
    }

    /// Reads everything in the store as [`Store::damages`] does; [`Store::note`] then writes down what was found.
    ///
    /// # Errors
    /// When it cannot be read at all.
    pub fn verification(&self) -> Result<Verification, Trouble> {
        Verification::of(self)
    }

    /// Notes what a verification has found, as `server verify` does.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note(&self, verification: Verification) -> Result<(), Trouble> {
        verification.note(self)
    }

    /// Returns what gives up and collects, as `server prune` does, one step at each call until it says that it has
    /// ended. So many of the newest versions of each file that is there are kept, whatever their age, and a step changes
    /// at most so many chunks. Only one may be at work at a time.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn collection(
        &self,
        n_versions: usize,
        n_max: usize,
    ) -> Result<impl FnMut() -> Result<bool, Trouble> + Send, Trouble> {
        crate::admin::collection(self, n_versions, n_max)
    }

    /// Returns the contents of all files that any account has, or has had in its history.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn contents(&self) -> Result<BTreeSet<Hash>, Trouble> {
        crate::admin::contents(self)
    }

    /// Returns the head of each account.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn heads(&self) -> Result<Vec<Head>, Trouble> {
        crate::admin::heads(self)
    }

    /// Gives the store another epoch, as `server new-epoch` does.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn renew_epoch(&self) -> Result<(), Trouble> {
        crate::admin::renew_epoch(self)
    }
}
