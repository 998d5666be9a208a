//! Where the pieces of one file are, for making its lists anew.

use super::{ChunkRow, State, StateError};
use sync_engine::{Hash, NodeId};

impl State {
    /// Returns the chunks of a file in order, as they were when it was last read; of a file of one chunk, none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn chunks_of(&self, id: NodeId) -> Result<Vec<ChunkRow>, StateError> {
        self.read_chunks(id)
            .map_err(|source| StateError::read(&self.path, source))
    }

    fn read_chunks(&self, id: NodeId) -> rusqlite::Result<Vec<ChunkRow>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT hash, offset, len FROM chunks WHERE node = ?1 ORDER BY offset")?;
        let rows = statement.query_map([&id.0], |row| {
            Ok(ChunkRow {
                hash: Hash(row.get(0)?),
                offset: row.get::<_, i64>(1)?.cast_unsigned(),
                len: row.get(2)?,
            })
        })?;
        rows.collect()
    }
}
