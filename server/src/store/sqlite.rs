//! Records in SQLite: one connection that writes, and a pool of connections that read. In its journal mode (WAL)
//! readers and the writer do not wait for each other.

mod columns;
mod read;
mod write;

pub(super) use read::sums_sql;

use rusqlite::{Connection, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::clock::{Clock, SystemClock};
use super::memory::{self, Commits};
use super::schema;
use super::{Draft, Durability, Metadata, Records, StoreError};

/// Connections for reading that are kept when nobody needs them.
const IDLE_READERS_MAX: usize = 8;

/// An open database.
#[derive(Debug)]
pub(crate) struct Sqlite {
    place: Place,
    writer: Mutex<Connection>,
    idle_readers: Mutex<Vec<Connection>>,
    clock: Arc<dyn Clock>,
}

/// Where a database is.
#[derive(Debug)]
enum Place {
    /// In a file, to which there can be any number of connections.
    File(PathBuf),
    /// In memory, where the connection that writes is the only one.
    Memory(Arc<dyn Commits>),
}

/// A connection inside a transaction, as view and draft, and the clock.
pub(super) struct View<'c>(&'c Connection, &'c dyn Clock);

impl Sqlite {
    /// Opens a database and makes it when there is none.
    pub(crate) fn create(path: &Path) -> Result<Self, StoreError> {
        let place = Place::File(path.to_owned());
        Ok(Self::new(place, schema::create(path)?, Arc::new(SystemClock)))
    }

    /// Opens a database that is there.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let place = Place::File(path.to_owned());
        Ok(Self::new(place, schema::open(path)?, Arc::new(SystemClock)))
    }

    /// Opens a database in memory from what it was, or makes one.
    pub(super) fn in_memory(
        database: Option<&[u8]>,
        commits: Arc<dyn Commits>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let writer = schema::in_memory(database)?;
        Ok(Self::new(Place::Memory(commits), writer, clock))
    }

    fn new(place: Place, writer: Connection, clock: Arc<dyn Clock>) -> Self {
        Self {
            place,
            writer: Mutex::new(writer),
            idle_readers: Mutex::default(),
            clock,
        }
    }

    /// Returns what tells a number that changes when another process has written.
    pub(crate) fn watch_others(&self) -> Result<impl FnMut() -> Result<i64, StoreError> + use<>, StoreError> {
        let connection = match &self.place {
            Place::File(path) => Some(schema::open(path)?),
            Place::Memory(_) => None,
        };
        Ok(move || match &connection {
            Some(connection) => connection
                .pragma_query_value(None, "data_version", |row| row.get(0))
                .map_err(StoreError::sql("say whether it changed")),
            // No other process reaches this one's memory.
            None => Ok(0),
        })
    }

    /// Asks the database to check itself; returns what it found.
    pub(crate) fn check_itself(&self) -> Result<Vec<String>, StoreError> {
        self.with_reader(|connection| {
            let failed = || StoreError::sql("check itself");
            let mut statement = connection
                .prepare("PRAGMA integrity_check(20)")
                .map_err(failed())?;
            let found = statement
                .query_map([], |row| row.get::<_, String>(0))
                .map_err(failed())?;
            let lines: Vec<String> = found.collect::<Result<_, _>>().map_err(failed())?;
            Ok(lines.into_iter().filter(|line| line != "ok").collect())
        })
    }

    /// Writes a copy of the database as it is at one moment.
    pub(crate) fn copy_to(&self, path: &Path) -> Result<(), StoreError> {
        let target = path.to_string_lossy();
        self.with_reader(|connection| {
            connection
                .execute("VACUUM INTO ?1", [target])
                .map_err(StoreError::sql("be copied"))?;
            Ok(())
        })
    }

    /// Runs `work` on a connection to read with.
    fn with_reader<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let path = match &self.place {
            Place::File(path) => path,
            Place::Memory(_) => return work(&mut self.lock_writer()),
        };
        let idle = self.lock_readers().pop();
        let mut connection = idle.map_or_else(|| schema::open(path), Ok)?;
        let result = work(&mut connection);
        let mut idle = self.lock_readers();
        if idle.len() < IDLE_READERS_MAX {
            idle.push(connection);
        }
        result
    }

    fn lock_writer(&self) -> MutexGuard<'_, Connection> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_readers(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle_readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Metadata for Sqlite {
    fn read<T>(&self, work: impl FnOnce(&dyn Records) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.with_reader(|connection| {
            let transaction = connection
                .transaction_with_behavior(TransactionBehavior::Deferred)
                .map_err(StoreError::sql("begin to read"))?;
            work(&View(&transaction, &*self.clock))
        })
    }

    fn write<T>(
        &self,
        durability: Durability,
        work: impl FnOnce(&dyn Draft) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.lock_writer();
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
        let result = work(&View(&transaction, &*self.clock))?;
        if let Place::Memory(commits) = &self.place {
            commits
                .before(durability)
                .map_err(|error| memory::not_committed(&error))?;
        }
        transaction
            .commit()
            .map_err(|source| StoreError::NotCommitted { source })?;
        if let Place::Memory(commits) = &self.place {
            memory::tell(commits.as_ref(), durability, &connection)?;
        }
        Ok(result)
    }
}
