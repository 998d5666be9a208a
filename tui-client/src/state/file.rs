//! The file of the memory: opening it, the schema, the mark of an unclean end, and moving a damaged one aside. The file
//! lies in a folder that may have come from anywhere, so its schema has to be ours to the letter: no trigger or view of a
//! stranger is ever run.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::error::Fault;
use super::{StateError, former};

/// `Hfst`: tells the file from another program's.
const APPLICATION_ID: i64 = 0x4866_7374;
/// The format of the tables and rows.
const FORMAT: i64 = 2;
/// Up to this size, in bytes, the whole file is checked at every start; a larger one after an unclean end only.
const CHECKED_ALWAYS_LEN_MAX: u64 = 16 * 1024 * 1024;
/// How many damaged files are kept for inspection. They hold no content of the user's files.
const ASIDE_MAX: u32 = 3;
/// How long another reader is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The table of the three trees and the prints, as SQLite keeps it: name and text. Its rows are numbered as they come, and
/// only an index is in the order of the ids, which are random: so what is saved together lies together.
pub(super) const NODES: (&str, &str) = (
    "nodes",
    "CREATE TABLE nodes (id BLOB PRIMARY KEY NOT NULL, row BLOB NOT NULL, print BLOB) STRICT",
);
/// The other tables.
const OTHERS: &[(&str, &str)] = &[
    (
        "blocked",
        "CREATE TABLE blocked (id BLOB PRIMARY KEY, block TEXT NOT NULL) STRICT, WITHOUT ROWID",
    ),
    (
        "chunks",
        "CREATE TABLE chunks (node BLOB, offset INTEGER, len INTEGER NOT NULL, hash BLOB NOT NULL, \
         PRIMARY KEY (node, offset)) STRICT, WITHOUT ROWID",
    ),
    ("chunks_by_hash", "CREATE INDEX chunks_by_hash ON chunks (hash)"),
    (
        "feed",
        "CREATE TABLE feed (number INTEGER PRIMARY KEY, item TEXT NOT NULL) STRICT",
    ),
    (
        "meta",
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID",
    ),
    (
        "trail",
        "CREATE TABLE trail (number INTEGER PRIMARY KEY, chain BLOB NOT NULL) STRICT",
    ),
];

/// Returns the path with its directory resolved, so that SQLite may refuse a link in the file's own place.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, StateError> {
    let open = |source| StateError::Open {
        path: path.to_owned(),
        source,
    };
    let name = path
        .file_name()
        .ok_or_else(|| open(io::ErrorKind::InvalidInput.into()))?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    let dir = fs::canonicalize(dir.unwrap_or(Path::new("."))).map_err(open)?;
    Ok(dir.join(name))
}

/// Tells whether there is a file with something in it; an empty one is left by a crash in the first moment.
pub(super) fn is_there(path: &Path) -> Result<bool, StateError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(0 < metadata.len() || !metadata.is_file()),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(StateError::Open {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Opens the file, or makes it, and checks that it is ours and sound.
pub(super) fn open(path: &Path) -> Result<Connection, Fault> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_file() => return Err(Fault::Damaged("it is no regular file".into())),
        Ok(_) => (),
        // SQLite gives its other files the mode of this one.
        Err(_) => create_private(path).map_err(|source| StateError::Open {
            path: path.to_owned(),
            source,
        })?,
    }
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    prepare(&connection)?;
    if is_empty(&connection)? {
        create_schema(&connection)?;
    } else {
        let found = check_header(&connection, path)?;
        // Only now is it certain that the file is ours: before this, nothing was written to it.
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        check_schema(&connection, found)?;
        check_pages(&connection, path)?;
        if found == former::FORMAT {
            former::bring_forward(&connection)?;
        }
    }
    Ok(connection)
}

/// Opens a file that is there and changes nothing in it.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, Fault> {
    // SQLite cannot read a WAL without writing its index beside it, so the connection may write; it is told not to.
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    prepare(&connection)?;
    connection.pragma_update(None, "query_only", true)?;
    let found = check_header(&connection, path)?;
    check_schema(&connection, found)?;
    Ok(connection)
}

#[cfg(unix)]
fn create_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    Ok(())
}

#[cfg(windows)]
fn create_private(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(path)?;
    Ok(())
}

/// Sets what holds for the connection alone.
fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    connection.set_prepared_statement_cache_capacity(32);
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -2 * 1024)?;
    connection.pragma_update(None, "journal_size_limit", 16 * 1024 * 1024)
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    let n_objects: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(n_objects == 0 && format(connection)? == 0)
}

fn create_schema(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    let transaction = connection.unchecked_transaction()?;
    for (_, text) in schema(FORMAT) {
        transaction.execute(text, [])?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    set_format(&transaction)?;
    transaction.commit()
}

/// Returns the schema of a format in the order of the names.
fn schema(format: i64) -> Vec<(&'static str, &'static str)> {
    let nodes = if format == former::FORMAT {
        former::TABLES
    } else {
        &[NODES]
    };
    let mut schema = [OTHERS, nodes].concat();
    schema.sort_unstable();
    schema
}

/// Returns the number of the format that a file is of.
pub(super) fn format(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Notes that the file is of the present format.
pub(super) fn set_format(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "user_version", FORMAT)
}

/// Checks that the file is ours and returns its format.
fn check_header(connection: &Connection, path: &Path) -> Result<i64, Fault> {
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application != APPLICATION_ID {
        return Err(Fault::Damaged("it is another program's database".into()));
    }
    match format(connection)? {
        found if FORMAT < found => Err(Fault::Other(StateError::Newer {
            path: path.to_owned(),
            found,
            known: FORMAT,
        })),
        found if found < former::FORMAT => Err(Fault::Damaged(format!("its format {found} never existed"))),
        found => Ok(found),
    }
}

fn check_schema(connection: &Connection, format: i64) -> Result<(), Fault> {
    let mut statement =
        connection.prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")?;
    let found: Vec<(String, String)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let found = found.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    if found.eq(schema(format)) {
        Ok(())
    } else {
        Err(Fault::Damaged("its tables are not ours".into()))
    }
}

/// Lets SQLite check its pages, when the file is small or the last end was unclean.
fn check_pages(connection: &Connection, path: &Path) -> Result<(), Fault> {
    let small = fs::metadata(path).is_ok_and(|metadata| metadata.len() <= CHECKED_ALWAYS_LEN_MAX);
    let running: i64 =
        connection.query_row("SELECT count(*) FROM meta WHERE key = 'running'", [], |row| {
            row.get(0)
        })?;
    if !small && running == 0 {
        return Ok(());
    }
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" {
        Ok(())
    } else {
        Err(Fault::Damaged(verdict))
    }
}

/// Notes that a client works with the file: while the note is there, its end was not clean.
pub(super) fn mark_running(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('running', x'01')", [])?;
    Ok(())
}

/// Takes the note away and brings everything into the one file, flushed.
pub(super) fn mark_finished(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM meta WHERE key = 'running'", [])?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// Makes each transaction from now on durable before it returns, and with it all before it, or ends that.
pub(super) fn set_durable(connection: &Connection, durable: bool) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", if durable { "FULL" } else { "NORMAL" })
}

/// Moves a damaged file and its WAL aside; when there are enough of them, the last is overwritten.
pub(super) fn move_aside(path: &Path) -> Result<PathBuf, StateError> {
    let aside = (1..=ASIDE_MAX)
        .map(|number| with_suffix(path, &format!(".damaged-{number}")))
        .find(|aside| fs::symlink_metadata(aside).is_err())
        .unwrap_or_else(|| with_suffix(path, &format!(".damaged-{ASIDE_MAX}")));
    let failed = |source| StateError::MoveAside {
        path: path.to_owned(),
        source,
    };
    // The WAL goes first: after a crash between the two, the old file is judged again without it, whereas a WAL without
    // its file would be taken for that of the new one.
    move_if_there(&with_suffix(path, "-wal"), &with_suffix(&aside, "-wal")).map_err(failed)?;
    match fs::remove_file(with_suffix(path, "-shm")) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(failed(source)),
        Ok(()) | Err(_) => (),
    }
    move_if_there(path, &aside).map_err(failed)?;
    Ok(aside)
}

fn move_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        renamed => renamed,
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
