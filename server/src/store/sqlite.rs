//! Records in SQLite: one connection that writes, and a pool of connections that read. In its journal mode (WAL)
//! readers and the writer do not wait for each other.

mod read;
mod write;

use rusqlite::{Connection, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::schema;
use super::{Draft, Durability, Metadata, Records, StoreError};

/// Connections for reading that are kept when nobody needs them.
const IDLE_READERS_MAX: usize = 8;

/// An open database.
#[derive(Debug)]
pub(crate) struct Sqlite {
    path: PathBuf,
    writer: Mutex<Connection>,
    idle_readers: Mutex<Vec<Connection>>,
}

/// A connection inside a transaction, as view and draft.
pub(super) struct View<'c>(&'c Connection);

impl Sqlite {
    /// Opens a database and makes it when there is none.
    pub(crate) fn create(path: &Path) -> Result<Self, StoreError> {
        Ok(Self::new(path, schema::create(path)?))
    }

    /// Opens a database that is there.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self::new(path, schema::open(path)?))
    }

    fn new(path: &Path, writer: Connection) -> Self {
        Self {
            path: path.to_owned(),
            writer: Mutex::new(writer),
            idle_readers: Mutex::default(),
        }
    }

    /// Returns a number that changes when another process has written; `last` is this process's own connection to ask on.
    pub(crate) fn watch_others(&self) -> Result<impl FnMut() -> Result<i64, StoreError> + use<>, StoreError> {
        let connection = schema::open(&self.path)?;
        Ok(move || {
            connection
                .pragma_query_value(None, "data_version", |row| row.get(0))
                .map_err(StoreError::sql("say whether it changed"))
        })
    }

    /// Asks the database to check itself; returns what it found.
    pub(crate) fn check_itself(&self) -> Result<Vec<String>, StoreError> {
        let connection = schema::open(&self.path)?;
        let failed = || StoreError::sql("check itself");
        let mut statement = connection
            .prepare("PRAGMA integrity_check(20)")
            .map_err(failed())?;
        let found = statement
            .query_map([], |row| row.get::<_, String>(0))
            .map_err(failed())?;
        let lines: Vec<String> = found.collect::<Result<_, _>>().map_err(failed())?;
        Ok(lines.into_iter().filter(|line| line != "ok").collect())
    }

    /// Writes a copy of the database as it is at one moment.
    pub(crate) fn copy_to(&self, path: &Path) -> Result<(), StoreError> {
        let connection = schema::open(&self.path)?;
        let target = path.to_string_lossy();
        connection
            .execute("VACUUM INTO ?1", [target])
            .map_err(StoreError::sql("be copied"))?;
        Ok(())
    }

    fn take_reader(&self) -> Result<Connection, StoreError> {
        let idle = self
            .idle_readers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        idle.map_or_else(|| schema::open(&self.path), Ok)
    }

    fn put_back(&self, connection: Connection) {
        let mut idle = self.idle_readers.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_READERS_MAX {
            idle.push(connection);
        }
    }
}

impl Metadata for Sqlite {
    fn read<T>(&self, work: impl FnOnce(&dyn Records) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut connection = self.take_reader()?;
        let result = {
            let transaction = connection
                .transaction_with_behavior(TransactionBehavior::Deferred)
                .map_err(StoreError::sql("begin to read"))?;
            work(&View(&transaction))
        };
        self.put_back(connection);
        result
    }

    fn write<T>(
        &self,
        durability: Durability,
        work: impl FnOnce(&dyn Draft) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let synchronous = match durability {
            Durability::Flushed => "FULL",
            Durability::Later => "NORMAL",
        };
        connection
            .pragma_update(None, "synchronous", synchronous)
            .map_err(StoreError::sql("set how it flushes"))?;
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(StoreError::sql("begin to write"))?;
        let result = work(&View(&transaction))?;
        transaction
            .commit()
            .map_err(|source| StoreError::NotCommitted { source })?;
        Ok(result)
    }
}
