//! What can go wrong with the store.

use std::io;
use std::path::{Path, PathBuf};

/// What went wrong with the store.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The database refused.
    #[error("the database could not {deed}")]
    Sql {
        /// What was tried.
        deed: &'static str,
        /// Why it failed.
        source: rusqlite::Error,
    },
    /// The database could not make a transaction durable; what it holds now is known only after a restart.
    #[error("the database could not make a transaction durable")]
    NotCommitted {
        /// Why it failed.
        source: rusqlite::Error,
    },
    /// A file could not be flushed. The system may have dropped the data, so trying again would prove nothing.
    #[error("{} could not be flushed to the disk", path.display())]
    NotFlushed {
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A file or directory refused.
    #[error("{} could not be {deed}", path.display())]
    File {
        /// What was tried, as a participle.
        deed: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The store was written by a newer server.
    #[error("the store has format {found}, and this server knows formats up to {known}")]
    TooNew {
        /// The format of the store.
        found: i64,
        /// The newest that is known.
        known: i64,
    },
    /// The store was written by an older server, and no newer one has served it yet.
    #[error(
        "the store has format {found}, which this server brings forward to {known} when it is started to serve it"
    )]
    TooOld {
        /// The format of the store.
        found: i64,
        /// The one that is needed.
        known: i64,
    },
    /// The file is a database of something else.
    #[error("{} is not a store of Holdfast", path.display())]
    NotAStore {
        /// The file.
        path: PathBuf,
    },
    /// Retention gave it up.
    #[error("{what} was given up by `server prune`")]
    GivenUp {
        /// What.
        what: String,
    },
    /// What was read is not what was written.
    #[error("{what} is damaged")]
    Damaged {
        /// Where.
        what: String,
    },
}

impl StoreError {
    /// Returns a closure that wraps a database error.
    pub(crate) fn sql(deed: &'static str) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| Self::Sql { deed, source }
    }

    /// Returns a closure that wraps a file error.
    pub(crate) fn file(deed: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { deed, path, source }
    }

    /// Tells whether there was no room left on the disk.
    pub(crate) fn is_full(&self) -> bool {
        match self {
            Self::Sql { source, .. } | Self::NotCommitted { source } => {
                source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
            }
            Self::File { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
            ),
            Self::NotFlushed { .. }
            | Self::TooNew { .. }
            | Self::TooOld { .. }
            | Self::NotAStore { .. }
            | Self::GivenUp { .. }
            | Self::Damaged { .. } => false,
        }
    }

    /// Tells whether what the disk holds is no longer known, so that only a restart can help.
    pub(crate) fn is_fatal(&self) -> bool {
        match self {
            Self::NotFlushed { .. } => true,
            Self::NotCommitted { .. } => !self.is_full(),
            Self::Sql { .. }
            | Self::File { .. }
            | Self::TooNew { .. }
            | Self::TooOld { .. }
            | Self::NotAStore { .. }
            | Self::GivenUp { .. }
            | Self::Damaged { .. } => false,
        }
    }
}
