//! A database in memory, and what is told of it. Whoever keeps a store so decides what a crash leaves of it, by what it
//! gives to the next start.

use rusqlite::{Connection, ffi};
use std::fmt::Debug;
use std::io;

use super::{Durability, StoreError};

/// How a database in memory is named to people.
pub(super) const NAME: &str = "the database in memory";

/// Is told of the transactions of a database in memory.
pub trait Commits: Debug + Send + Sync {
    /// Is asked before a transaction counts. After an error it does not.
    fn before(&self, durability: Durability) -> io::Result<()>;
    /// Is told that a transaction counts, and what the database is from then on. After an error nobody is answered.
    fn after(&self, durability: Durability, database: &[u8]) -> io::Result<()>;
}

/// Tells of a transaction that counts.
pub(super) fn tell(
    commits: &dyn Commits,
    durability: Durability,
    connection: &Connection,
) -> Result<(), StoreError> {
    let database = connection
        .serialize("main")
        .map_err(|source| StoreError::NotCommitted { source })?;
    commits
        .after(durability, &database)
        .map_err(|error| not_committed(&error))
}

/// Says that a transaction does not count, as the database would.
pub(super) fn not_committed(error: &io::Error) -> StoreError {
    let code = match error.kind() {
        io::ErrorKind::StorageFull => ffi::SQLITE_FULL,
        _ => ffi::SQLITE_IOERR,
    };
    let source = rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some(error.to_string()));
    StoreError::NotCommitted { source }
}
