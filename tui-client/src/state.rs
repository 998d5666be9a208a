//! The client's memory: `FOLDER/.holdfast/state.db`. It keeps what the device has seen (the three trees, the prints of
//! the files, which chunk is where) and never what it means to do: after a crash the client looks again and plans again.
//!
//! What a power cut may cost: the last transactions of [`State::save`]. The database is in WAL mode with
//! `synchronous=NORMAL`, so it is never torn, only older. That is harmless, because the driver flushes the disk before it
//! saves: the disk is then ahead of the memory, a look at the folder finds it equal to what the server says, and the plan
//! is to adopt it. 'Synced' is a claim about disk and server, and both are flushed by then; it does not rest on this
//! file. What must not be forgotten once a peer has heard it (the generation of a connection) goes through
//! [`State::save_durably`].
//!
//! All that is remembered of one node is one row of one table: what the three trees hold of it, where the same node is
//! kept once, and its print. So a node that has changed costs one row, in however many trees it did, and one pass over one
//! table makes the three trees.
//!
//! Damage is found, not trusted: every row of the trees carries a seal, the whole must form valid trees, and SQLite's own
//! check runs after an unclean end. A damaged file is moved aside and a new one is made; the driver then joins as a union
//! of both sides, which deletes nothing.

mod error;
mod file;
mod former;
mod load;
mod pieces;
mod prints;
pub(crate) mod row;
mod save;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use common::message::Cursor;
use rusqlite::{Connection, OptionalExtension as _};
use serde::{Deserialize, Serialize};
use sync_engine::session::Burst;
use sync_engine::{Block, Generations, Hash, NodeId, Sides, Trail, Trees, Version};

use crate::control::LogItem;
pub use error::StateError;
pub use prints::Prints;

/// The name of the database inside `.holdfast`.
pub const STATE_NAME: &str = "state.db";
/// The most changes that the feed keeps; older ones are in the server's journal.
pub const FEED_LEN_MAX: usize = 1000;

/// The open memory of one folder. Its calls block on the disk: they belong on a blocking thread.
#[derive(Debug)]
pub struct State {
    connection: Connection,
    path: PathBuf,
}

/// What was remembered.
#[derive(Debug)]
pub struct Loaded {
    /// The three trees and the blocks. Nodes that are the same in several trees share one allocation.
    pub trees: Trees,
    /// The prints, in the order of the ids.
    pub prints: Prints,
    /// The points of the journal that were passed.
    pub trail: Trail,
    /// The single values.
    pub facts: Facts,
    /// The generations that the device has begun.
    pub begun: Generations,
    /// The newest changes, oldest first.
    pub feed: Vec<LogItem>,
    /// Where all this comes from.
    pub origin: Origin,
}

impl Loaded {
    /// Tells whether there was a memory and it is lost: the driver then joins as a union of both sides.
    #[must_use]
    pub fn lost(&self) -> bool {
        matches!(self.origin, Origin::Lost { .. })
    }

    fn nothing(origin: Origin) -> Self {
        Self {
            trees: Trees::new(),
            prints: Prints::default(),
            trail: Trail::default(),
            facts: Facts::default(),
            begun: Generations::default(),
            feed: Vec::new(),
            origin,
        }
    }
}

/// Where a loaded memory comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It was there, and sound.
    Kept,
    /// There was none.
    Fresh,
    /// It was damaged.
    Lost {
        /// Where the damaged file was moved.
        aside: PathBuf,
        /// What was wrong with it.
        damage: String,
    },
}

/// A burst of removals that came from the account, and when what it took was put into the stash here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// The burst.
    pub burst: Burst,
    /// Since then, in milliseconds since 1970.
    pub since_ms: u64,
    /// Until then; nothing while it goes on.
    pub until_ms: Option<u64>,
}

/// The single values of the memory. They are always saved together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Where in the journal the remote tree stands; nothing before the first snapshot.
    pub cursor: Option<Cursor>,
    /// The generation that the last `Welcome` confirmed; zeros at first.
    pub generation: [u8; 16],
    /// When everything here was last on the server, in milliseconds since 1970.
    pub protected_ms: Option<u64>,
    /// Whether the bases may be another device's, or older than the folder.
    #[serde(default)]
    pub doubted: bool,
    /// Bursts of removals that a person has not answered.
    #[serde(default)]
    pub bursts: Vec<Removed>,
    /// When it was last noticed that the server was put back, in milliseconds since 1970.
    #[serde(default)]
    pub put_back_ms: Option<u64>,
    /// The start of the computer in which this was saved, where the system tells.
    #[serde(default)]
    pub boot: Option<String>,
    /// Whether the client had ended in good order when this was saved.
    #[serde(default)]
    pub has_ended: bool,
    /// Prints up to this number are of what was flushed.
    #[serde(default)]
    pub firm: u64,
    /// Prints up to this number were found to be true when they were not young any more.
    #[serde(default)]
    pub proven: u64,
}

/// Where a chunk of a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkRow {
    /// The chunk's name.
    pub hash: Hash,
    /// Where it begins in the file, in bytes.
    pub offset: u64,
    /// Its length, in bytes.
    pub len: u32,
}

/// A place in a local file that held a chunk when it was last read. Whoever reads it checks the hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkPlace {
    /// The file.
    pub node: NodeId,
    /// Where the chunk begins, in bytes.
    pub offset: u64,
    /// Its length, in bytes.
    pub len: u32,
}

/// What has changed since the last save. For each list: a value replaces what was remembered of the node, nothing (or a
/// node in no tree) forgets it; of several for one node the last counts. The trees that result must be valid, as those of [`Trees`] are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delta {
    /// All that the three trees hold of the nodes that have changed in any of them.
    pub nodes: Vec<(NodeId, Sides)>,
    /// Changes to the prints, as bytes that only their owner understands. The print of a node that is in no tree is not
    /// kept.
    pub prints: Vec<(NodeId, Option<Vec<u8>>)>,
    /// Changes to the blocks.
    pub blocked: Vec<(NodeId, Option<Block>)>,
    /// The chunks of files that have more than one.
    pub chunks: Vec<(NodeId, Option<Vec<ChunkRow>>)>,
    /// Changes to the trail.
    pub trail: Vec<(Version, Option<Hash>)>,
    /// The single values, if any of them changed.
    pub facts: Option<Facts>,
    /// All generations that the device has begun, if there are more of them.
    pub begun: Option<Generations>,
    /// New changes for the feed, oldest first.
    pub feed: Vec<LogItem>,
}

impl Delta {
    /// Tells whether there is nothing to save.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Where the memory is kept: a file, or what a simulation has instead. See [`State`], whose methods these are.
pub trait Store: Send {
    /// Saves what has changed, all or nothing. A power cut may undo it.
    ///
    /// # Errors
    /// When it cannot be written; then nothing was saved, and the same may be tried again.
    fn save(&mut self, delta: &Delta) -> Result<(), StateError>;

    /// Saves what has changed, all or nothing, and with it makes all that was saved before durable.
    ///
    /// # Errors
    /// When it cannot be written; then nothing was saved, and the same may be tried again.
    fn save_durably(&mut self, delta: &Delta) -> Result<(), StateError>;

    /// Returns, for each chunk in the same order, a place where it was seen.
    ///
    /// # Errors
    /// When it cannot be read.
    fn find_chunks(&self, hashes: &[Hash]) -> Result<Vec<Option<ChunkPlace>>, StateError>;

    /// Returns the chunks of a file in order, as they were when it was last read.
    ///
    /// # Errors
    /// When it cannot be read.
    fn chunks_of(&self, id: NodeId) -> Result<Vec<ChunkRow>, StateError>;

    /// Gives back the memory that is only of use while there is something to do.
    fn rest(&self);

    /// Closes it in good order.
    ///
    /// # Errors
    /// When it cannot be written.
    fn finish(self: Box<Self>) -> Result<(), StateError>;
}

impl Store for State {
    fn save(&mut self, delta: &Delta) -> Result<(), StateError> {
        Self::save(self, delta)
    }

    fn save_durably(&mut self, delta: &Delta) -> Result<(), StateError> {
        Self::save_durably(self, delta)
    }

    fn find_chunks(&self, hashes: &[Hash]) -> Result<Vec<Option<ChunkPlace>>, StateError> {
        Self::find_chunks(self, hashes)
    }

    fn chunks_of(&self, id: NodeId) -> Result<Vec<ChunkRow>, StateError> {
        Self::chunks_of(self, id)
    }

    fn rest(&self) {
        Self::rest(self);
    }

    fn finish(self: Box<Self>) -> Result<(), StateError> {
        Self::finish(*self)
    }
}

impl State {
    /// Opens the memory, or makes an empty one. The caller holds the folder's lock. A damaged file is moved aside as
    /// `state.db.damaged-N` and an empty one takes its place.
    ///
    /// # Errors
    /// When the disk refuses, or when a newer Holdfast wrote the file; then nothing was changed.
    pub fn open(path: &Path) -> Result<(Self, Loaded), StateError> {
        let path = file::resolve(path)?;
        let origin = if file::is_there(&path)? {
            Origin::Kept
        } else {
            Origin::Fresh
        };
        match Self::open_sound(&path, origin)? {
            Ok(opened) => Ok(opened),
            Err(damage) => {
                let aside = file::move_aside(&path)?;
                tracing::warn!(%damage, aside = %aside.display(), "the memory was damaged and is moved aside");
                match Self::open_sound(&path, Origin::Lost { aside, damage })? {
                    Ok(opened) => Ok(opened),
                    Err(damage) => Err(StateError::StillDamaged { path, damage }),
                }
            }
        }
    }

    /// Opens the file; the inner error says what is damaged.
    fn open_sound(path: &Path, origin: Origin) -> Result<Result<(Self, Loaded), String>, StateError> {
        error::damage_aside(path, || {
            let connection = file::open(path)?;
            let loaded = load::load(&connection, path, origin)?;
            file::mark_running(&connection)?;
            let path = path.to_owned();
            Ok((Self { connection, path }, loaded))
        })
    }

    /// Reads the memory of a folder on which no client runs, and changes nothing. There is none yet: nothing.
    ///
    /// # Errors
    /// When it cannot be read, or is damaged.
    pub fn peek(path: &Path) -> Result<Option<Loaded>, StateError> {
        let path = file::resolve(path)?;
        if !file::is_there(&path)? {
            return Ok(None);
        }
        let peeked = error::damage_aside(&path, || {
            let connection = file::open_to_read(&path)?;
            load::load(&connection, &path, Origin::Kept)
        })?;
        peeked
            .map(Some)
            .map_err(|damage| StateError::StillDamaged { path, damage })
    }

    /// Saves what has changed, all or nothing. A power cut may undo it; see the module's page.
    ///
    /// # Errors
    /// When the disk refuses; then nothing was saved, and the same may be tried again.
    pub fn save(&mut self, delta: &Delta) -> Result<(), StateError> {
        save::save(&mut self.connection, delta).map_err(|source| StateError::write(&self.path, source))
    }

    /// Saves what has changed, all or nothing, and with it makes all that was saved before durable: when this returns, a
    /// power cut undoes none of it.
    ///
    /// # Errors
    /// When the disk refuses; then nothing was saved, and the same may be tried again.
    pub fn save_durably(&mut self, delta: &Delta) -> Result<(), StateError> {
        let saved =
            file::set_durable(&self.connection, true).and_then(|()| save::save(&mut self.connection, delta));
        let reset = file::set_durable(&self.connection, false);
        saved
            .and(reset)
            .map_err(|source| StateError::write(&self.path, source))
    }

    /// Returns a place where a chunk was seen.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn find_chunk(&self, hash: &Hash) -> Result<Option<ChunkPlace>, StateError> {
        self.find_chunk_by_key(hash)
            .map_err(|source| StateError::read(&self.path, source))
    }

    /// Returns, for each chunk in the same order, a place where it was seen.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn find_chunks(&self, hashes: &[Hash]) -> Result<Vec<Option<ChunkPlace>>, StateError> {
        hashes.iter().map(|hash| self.find_chunk(hash)).collect()
    }

    fn find_chunk_by_key(&self, hash: &Hash) -> rusqlite::Result<Option<ChunkPlace>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT node, offset, len FROM chunks WHERE hash = ?1 LIMIT 1")?;
        statement
            .query_row([&hash.0], |row| {
                Ok(ChunkPlace {
                    node: NodeId(row.get(0)?),
                    offset: row.get::<_, i64>(1)?.cast_unsigned(),
                    len: row.get(2)?,
                })
            })
            .optional()
    }

    /// Gives back the pages that are kept for the next question.
    pub fn rest(&self) {
        if let Err(error) = self.connection.execute_batch("PRAGMA shrink_memory") {
            tracing::debug!(%error, "the database keeps its pages");
        }
    }

    /// Closes the memory in good order, so that the next start need not check the whole file.
    ///
    /// # Errors
    /// When the disk refuses; what was saved is still there.
    pub fn finish(self) -> Result<(), StateError> {
        let Self { connection, path } = self;
        file::mark_finished(&connection).map_err(|source| StateError::write(&path, source))?;
        connection
            .close()
            .map_err(|(_, source)| StateError::write(&path, source))
    }
}
