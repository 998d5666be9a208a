//! What can go wrong with the memory, and what of it counts as damage: only what a new file mends. A full disk, a lock or
//! a missing permission is never taken for damage.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Says why the memory could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file cannot be found, made or opened.
    #[error("cannot open {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// A newer Holdfast wrote the file.
    #[error("{} was written by a newer Holdfast (format {found}, known up to {known})", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format that this program knows.
        known: i64,
    },
    /// The damaged file cannot be moved aside.
    #[error("cannot move the damaged {} aside", path.display())]
    MoveAside {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is damaged, and it is not for this call to move it aside, or a new one is damaged at once.
    #[error("{} is damaged: {damage}", path.display())]
    StillDamaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        damage: String,
    },
}

impl StateError {
    pub(super) fn read(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        Self::Read { path, source }
    }

    pub(super) fn write(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        Self::Write { path, source }
    }

    /// Tells whether there is no space left on the disk.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::Read { source, .. } | Self::Write { source, .. } => {
                code(source) == Some(ErrorCode::DiskFull)
            }
            Self::Open { source, .. } | Self::MoveAside { source, .. } => {
                source.kind() == io::ErrorKind::StorageFull
            }
            Self::Newer { .. } | Self::StillDamaged { .. } => false,
        }
    }

    /// Tells whether the file turned out damaged while it was in use: the client has to open it anew, which moves it
    /// aside.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        match self {
            Self::Read { source, .. } | Self::Write { source, .. } => is_damage(source),
            Self::StillDamaged { .. } => true,
            Self::Open { .. } | Self::MoveAside { .. } | Self::Newer { .. } => false,
        }
    }
}

/// Why a file could not be opened and loaded, before it is decided what to do about it.
#[derive(Debug)]
pub(super) enum Fault {
    /// Its contents are wrong.
    Damaged(String),
    /// SQLite says no.
    Sqlite(rusqlite::Error),
    /// Anything else.
    Other(StateError),
}

impl From<rusqlite::Error> for Fault {
    fn from(source: rusqlite::Error) -> Self {
        Self::Sqlite(source)
    }
}

impl From<StateError> for Fault {
    fn from(error: StateError) -> Self {
        Self::Other(error)
    }
}

/// Runs `open` and tells damage (the inner error) from all else.
pub(super) fn damage_aside<T>(
    path: &Path,
    open: impl FnOnce() -> Result<T, Fault>,
) -> Result<Result<T, String>, StateError> {
    match open() {
        Ok(opened) => Ok(Ok(opened)),
        Err(Fault::Damaged(damage)) => Ok(Err(damage)),
        Err(Fault::Sqlite(source)) if is_damage(&source) => Ok(Err(source.to_string())),
        Err(Fault::Sqlite(source)) => Err(StateError::read(path, source)),
        Err(Fault::Other(error)) => Err(error),
    }
}

fn code(error: &rusqlite::Error) -> Option<ErrorCode> {
    error.sqlite_error_code()
}

/// Tells what a new file would mend. `Unknown` is SQLite's plain error: a table or a column that is not there.
fn is_damage(error: &rusqlite::Error) -> bool {
    match code(error) {
        Some(code) => matches!(
            code,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown | ErrorCode::TooBig
        ),
        // Without a code it is a value of another type than was written.
        None => matches!(
            error,
            rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::Utf8Error(..)
                | rusqlite::Error::QueryReturnedNoRows
        ),
    }
}
