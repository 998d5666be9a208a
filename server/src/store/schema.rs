//! The tables, and how a database is opened. The format's number is in the database itself: a newer one is refused,
//! an older one is brought forward here.

use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::Duration;

use super::StoreError;
use super::memory;
use super::system::append_private;

/// Tells a store of Holdfast from other databases ("HFST").
const APPLICATION_ID: i64 = 0x4846_5354;
/// The format of the tables below.
const FORMAT: i64 = 3;
/// How long one process waits for another's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// What the connection that writes keeps of the database in memory, in KiB. Ids and hashes are random, so a batch of changes
/// goes to pages all over: what is not kept is read again in each batch, and written more than once.
const WRITER_CACHE_KIB: i64 = 8 * 1024;
/// Pages that are written before they are moved from the log to the database: a page that changes in many batches is
/// moved once.
const CHECKPOINT_PAGES: i64 = 4096;
/// Statements kept ready in each connection.
const STATEMENTS_MAX: usize = 96;

/// Why each table is as it is: `node` holds the tree as it is, and of a deleted node only the id, so that it is never
/// used again. `node_version` holds each state that a node ever had: from it the tree of any time is read without
/// replaying the journal. A chunk belongs to one account, so that no account learns what another has. `thinned` names
/// the contents that retention gave up, so that they are told from what was lost. `stored_bytes` is the sum of what its chunks
/// count for the quota, and `journal_bytes` of what all else counts.
const TABLES: &str = "
CREATE TABLE store (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    epoch BLOB NOT NULL,
    flushed_pack INTEGER NOT NULL,
    flushed_len INTEGER NOT NULL,
    pruned_pack INTEGER NOT NULL DEFAULT 0,
    pruned_len INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE account (
    account INTEGER PRIMARY KEY AUTOINCREMENT,
    id_hash BLOB NOT NULL UNIQUE,
    head INTEGER NOT NULL,
    chain BLOB NOT NULL,
    created_ms INTEGER NOT NULL,
    stored_bytes INTEGER NOT NULL DEFAULT 0,
    quota_bytes INTEGER,
    journal_bytes INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE device (
    ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL REFERENCES account,
    id BLOB NOT NULL,
    key BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL,
    enrolled_ms INTEGER NOT NULL,
    seen_ms INTEGER NOT NULL,
    generation BLOB NOT NULL,
    next_generation BLOB NOT NULL,
    revoked INTEGER NOT NULL,
    UNIQUE (account, id)
) STRICT;
CREATE TABLE node (
    account INTEGER NOT NULL,
    id BLOB NOT NULL,
    version INTEGER NOT NULL,
    parent BLOB,
    name BLOB,
    state BLOB,
    PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX node_place ON node (account, parent, name) WHERE parent IS NOT NULL;
CREATE TABLE node_version (
    account INTEGER NOT NULL,
    id BLOB NOT NULL,
    version INTEGER NOT NULL,
    parent BLOB,
    name BLOB,
    state BLOB,
    PRIMARY KEY (account, id, version)
) STRICT, WITHOUT ROWID;
CREATE TABLE entry (
    account INTEGER NOT NULL,
    number INTEGER NOT NULL,
    device BLOB NOT NULL,
    time_ms INTEGER NOT NULL,
    change BLOB NOT NULL,
    chain BLOB NOT NULL,
    PRIMARY KEY (account, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE chunk (
    account INTEGER NOT NULL,
    hash BLOB NOT NULL,
    depth INTEGER NOT NULL,
    encoding INTEGER NOT NULL,
    plain_len INTEGER NOT NULL,
    total_bytes INTEGER NOT NULL,
    pack INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    stored_len INTEGER NOT NULL,
    state INTEGER NOT NULL,
    PRIMARY KEY (account, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX chunk_place ON chunk (pack, offset);
CREATE INDEX chunk_missing ON chunk (account, state) WHERE state <> 0;
CREATE TABLE thinned (
    account INTEGER NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (account, hash)
) STRICT, WITHOUT ROWID;
";

/// Brings a database of format 1 forward.
const FROM_1: &str = "
ALTER TABLE store ADD COLUMN pruned_pack INTEGER NOT NULL DEFAULT 0;
ALTER TABLE store ADD COLUMN pruned_len INTEGER NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN stored_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN quota_bytes INTEGER;
UPDATE account SET stored_bytes =
    (SELECT coalesce(sum(stored_len), 0) FROM chunk WHERE chunk.account = account.account);
ALTER TABLE chunk RENAME COLUMN damaged TO state;
CREATE INDEX chunk_missing ON chunk (account, state) WHERE state <> 0;
CREATE TABLE thinned (
    account INTEGER NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (account, hash)
) STRICT, WITHOUT ROWID;
";

/// Brings a database of format 2 forward, in which chunks counted with their bytes alone, and entries by their number.
const FROM_2: &str = "
ALTER TABLE account ADD COLUMN journal_bytes INTEGER NOT NULL DEFAULT 0;
";

/// Opens the database and makes the tables when there are none.
pub(super) fn create(path: &Path) -> Result<Connection, StoreError> {
    // The database's other files take their mode from this one.
    append_private(path, true).map_err(StoreError::file("opened", path))?;
    let connection = connect(path, OpenFlags::SQLITE_OPEN_CREATE)?;
    connection
        .pragma_update(None, "cache_size", -WRITER_CACHE_KIB)
        .and_then(|()| connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES))
        .map_err(StoreError::sql("set what it keeps"))?;
    make_tables(&connection, path)?;
    check(&connection, path)?;
    // A copy of a store is not in this mode any more.
    connection
        .execute_batch("PRAGMA journal_mode = WAL")
        .map_err(StoreError::sql("set how it is written"))?;
    Ok(connection)
}

/// Opens a database in memory from what it was, and makes the tables when there are none.
pub(super) fn in_memory(database: Option<&[u8]>) -> Result<Connection, StoreError> {
    let path = Path::new(memory::NAME);
    let mut connection = Connection::open_in_memory().map_err(StoreError::sql("be opened"))?;
    if let Some(bytes) = database {
        connection
            .deserialize_read_exact("main", bytes, bytes.len(), false)
            .map_err(StoreError::sql("be read"))?;
    }
    set_up(&connection, path)?;
    make_tables(&connection, path)?;
    check(&connection, path)?;
    Ok(connection)
}

fn make_tables(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let format = number(connection, "user_version")?;
    let tables = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| {
            row.get::<_, i64>(0)
        })
        .map_err(|source| not_a_database(path, source))?;
    if format == 0 && tables == 0 {
        let mut epoch = [0_u8; 16];
        common::entropy::fill(&mut epoch).map_err(|e| StoreError::Damaged {
            what: format!("the system's random source ({e})"),
        })?;
        let script = format!(
            "BEGIN IMMEDIATE; {TABLES} INSERT INTO store VALUES (1, x'{}', 0, 0, 0, 0);
             PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT}; COMMIT;",
            sync_engine::Epoch(epoch)
        );
        connection
            .execute_batch(&script)
            .map_err(StoreError::sql("make its tables"))?;
    }
    if format == 1 && number(connection, "application_id")? == APPLICATION_ID {
        connection
            .execute_batch(&format!(
                "BEGIN IMMEDIATE; {FROM_1} PRAGMA user_version = 2; COMMIT;"
            ))
            .map_err(StoreError::sql("bring its tables forward"))?;
    }
    if number(connection, "user_version")? == 2 && number(connection, "application_id")? == APPLICATION_ID {
        let sums = super::sqlite::sums_sql("account.account");
        connection
            .execute_batch(&format!(
                "BEGIN IMMEDIATE; {FROM_2} UPDATE account SET (stored_bytes, journal_bytes) = ({sums});
                 PRAGMA user_version = {FORMAT}; COMMIT;"
            ))
            .map_err(StoreError::sql("bring its tables forward"))?;
    }
    Ok(())
}

/// Opens another connection to a database that is there.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    let connection = connect(path, OpenFlags::empty())?;
    check(&connection, path)?;
    Ok(connection)
}

fn connect(path: &Path, more: OpenFlags) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
    let connection = Connection::open_with_flags(path, flags).map_err(StoreError::sql("be opened"))?;
    set_up(&connection, path)?;
    Ok(connection)
}

fn set_up(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    connection
        .busy_timeout(BUSY_TIMEOUT)
        .map_err(StoreError::sql("set its waiting time"))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection
        .execute_batch(
            "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;
             PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 67108864;",
        )
        .map_err(|source| not_a_database(path, source))
}

fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    if number(connection, "application_id")? != APPLICATION_ID {
        return Err(StoreError::NotAStore {
            path: path.to_owned(),
        });
    }
    match number(connection, "user_version")? {
        FORMAT => Ok(()),
        found if found < FORMAT => Err(StoreError::TooOld { found, known: FORMAT }),
        found => Err(StoreError::TooNew { found, known: FORMAT }),
    }
}

fn number(connection: &Connection, pragma: &str) -> Result<i64, StoreError> {
    connection
        .pragma_query_value(None, pragma, |row| row.get(0))
        .map_err(StoreError::sql("say what it is"))
}

fn not_a_database(path: &Path, source: rusqlite::Error) -> StoreError {
    match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => StoreError::NotAStore {
            path: path.to_owned(),
        },
        Some(_) | None => StoreError::Sql {
            deed: "be opened",
            source,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{CHUNK_LEN, ENTRY_LEN, STATE_LEN};

    #[test]
    fn what_a_database_of_format_2_holds_is_counted_when_it_is_brought_forward() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("store.db");
        let connection = create(&path).unwrap();
        let back = "ALTER TABLE account DROP COLUMN journal_bytes;
             INSERT INTO account VALUES (1, x'01', 2, zeroblob(32), 0, 7, NULL);
             INSERT INTO chunk VALUES (1, x'02', 0, 0, 10, 10, 1, 0, 7, 0), (2, x'03', 0, 0, 10, 10, 1, 71, 9, 0);
             INSERT INTO entry VALUES (1, 1, zeroblob(16), 0, zeroblob(100), zeroblob(32)),
                 (1, 2, zeroblob(16), 0, zeroblob(50), zeroblob(32));
             INSERT INTO node_version VALUES (1, x'04', 1, zeroblob(16), x'616263', x'0100'), (1, x'04', 2, NULL, NULL, NULL);
             PRAGMA user_version = 2;";
        connection.execute_batch(back).unwrap();
        drop(connection);
        let connection = create(&path).unwrap();
        let sums = connection.query_row("SELECT stored_bytes, journal_bytes FROM account", [], |row| {
            Ok([row.get::<_, i64>(0)?, row.get::<_, i64>(1)?])
        });
        let journal = 2 * ENTRY_LEN + 150 + 2 * STATE_LEN + 2 * 5;
        let expected = [7 + CHUNK_LEN, journal].map(|sum| i64::try_from(sum).unwrap());
        assert_eq!(sums.unwrap(), expected);
    }

    #[test]
    fn a_database_of_format_1_is_refused_beside_and_brought_forward_by_a_server() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("store.db");
        let connection = create(&path).unwrap();
        // What format 2 has more than format 1 is taken away again.
        let back = "DROP TABLE thinned; DROP INDEX chunk_missing; ALTER TABLE chunk RENAME COLUMN state TO damaged;
             ALTER TABLE account DROP COLUMN journal_bytes; ALTER TABLE account DROP COLUMN stored_bytes; ALTER TABLE account DROP COLUMN quota_bytes;
             ALTER TABLE store DROP COLUMN pruned_pack; ALTER TABLE store DROP COLUMN pruned_len;
             INSERT INTO account VALUES (1, x'01', 0, zeroblob(32), 0);
             INSERT INTO chunk VALUES (1, x'02', 0, 0, 10, 10, 1, 0, 7, 0), (1, x'03', 0, 0, 10, 10, 1, 71, 9, 1);
             PRAGMA user_version = 1;";
        connection.execute_batch(back).unwrap();
        drop(connection);
        assert!(matches!(open(&path), Err(StoreError::TooOld { found: 1, .. })));
        let connection = create(&path).unwrap();
        assert_eq!(number(&connection, "user_version").unwrap(), FORMAT);
        let sum = connection.query_row("SELECT stored_bytes FROM account", [], |row| row.get::<_, i64>(0));
        assert_eq!(sum.unwrap(), 16 + 2 * i64::try_from(CHUNK_LEN).unwrap());
        let states = connection.query_row("SELECT sum(state) FROM chunk", [], |row| row.get::<_, i64>(0));
        assert_eq!(states.unwrap(), 1);
        open(&path).unwrap();
    }
}
