//! What a person is told when something went wrong, in three parts: what happened, what was done about it, and what
//! they can do.

use common::certificate::CertificateError;
use common::words::write_parts;
use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::store::StoreError;

/// A message of three parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What happened.
    pub happened: String,
    /// What was done about it.
    pub done: String,
    /// What the person can do.
    pub todo: String,
}

impl Trouble {
    /// Returns a message of these parts.
    pub fn new(happened: impl Into<String>, done: impl Into<String>, todo: impl Into<String>) -> Self {
        Self {
            happened: happened.into(),
            done: done.into(),
            todo: todo.into(),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_parts(f, &self.happened, &self.done, &self.todo)
    }
}

impl From<StoreError> for Trouble {
    /// Says that a store could not be looked after.
    fn from(error: StoreError) -> Self {
        Self::new(
            with_reasons(&error),
            "nothing was changed",
            "see that the directory is yours to read and write and has room, and try again; `server verify` looks for \
             damage",
        )
    }
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It cannot listen.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A directory of the server's is in a folder that a client synchronises.
    #[error("{} is in the synchronised folder {}", path.display(), folder.display())]
    InFolder {
        /// The directory.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// Another server has the data directory.
    #[error("another server is using {}", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The store cannot be opened.
    #[error("the store in {} cannot be opened", path.display())]
    Store {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// There is no certificate to show.
    #[error("the certificate in {} cannot be used", path.display())]
    Certificate {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: Box<CertificateError>,
    },
    /// The cryptography or a thread could not be set up.
    #[error("the system did not give what a server needs")]
    System(#[source] Box<dyn Error + Send + Sync>),
}

impl StartError {
    pub(crate) fn store(path: &Path) -> impl FnOnce(StoreError) -> Self {
        let path = path.to_owned();
        move |source| Self::Store {
            path,
            source: source.into(),
        }
    }

    /// Returns what a person is told of it.
    #[must_use]
    pub fn trouble(&self) -> Trouble {
        let happened = with_reasons(self);
        let done = "the server did not start, and nothing was changed";
        let todo = match self {
            Self::Listen { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => {
                "stop the program that uses this port, or name another: server 7744 (0 picks a free one)"
            }
            Self::Listen { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                "take a port above 1023, or give the program the right to use this one"
            }
            Self::Listen { .. } => "name an address of this computer with --listen ADDRESS:PORT",
            Self::InFolder { .. } => {
                "keep store and key outside of it, with --data DIR and --certs DIR: they would be sent to all its devices"
            }
            Self::InUse { .. } => "stop the other server first, or name another directory with --data DIR",
            Self::Store { source, .. } => match source.downcast_ref::<StoreError>() {
                Some(StoreError::TooNew { .. }) => {
                    "install the newer version of the server that wrote this store"
                }
                Some(StoreError::NotAStore { .. }) => {
                    "name the right directory, or an empty one, with --data DIR"
                }
                Some(_) | None => {
                    "see that the directory is yours to read and write and has room; or name another with --data DIR"
                }
            },
            Self::Certificate { source, .. } => certificate_todo(source),
            Self::System(_) => "see the reason above; more memory or another computer may be needed",
        };
        Trouble::new(happened, done, todo)
    }
}

/// Returns what a person can do about a certificate that cannot be used.
pub(crate) fn certificate_todo(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::KeyReadableByOthers { .. } => {
            "make the key readable by its owner alone: chmod 600 on that file; if others may have read it, make a new \
             one with --gen-cert --force (devices have to be told the new fingerprint)"
        }
        CertificateError::WriteFile { source, .. } if source.kind() == std::io::ErrorKind::AlreadyExists => {
            "keep the certificate that is there; to replace it add --force (every device then has to be told the new \
             fingerprint)"
        }
        CertificateError::KeyMissing { .. } | CertificateError::KeyMismatch => {
            "put both files back from a backup; or make new ones with --gen-cert --force (every device then has to be \
             told the new fingerprint)"
        }
        CertificateError::BeingRotated { .. } => {
            "wait until the other program has ended, and see what it did"
        }
        CertificateError::ReadFile { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            "name the directory of certificate and key with --certs DIR; when there are none yet, make them with --gen-cert"
        }
        CertificateError::ReadFile { .. } | CertificateError::WriteFile { .. } => {
            "see that the directory and both files are yours to read, or name another directory with --certs DIR"
        }
        _ => {
            "put the right files back from a backup; or make new ones with --gen-cert --force (every device then has \
             to be told the new fingerprint)"
        }
    }
}

/// Returns an error with all its reasons on one line.
pub(crate) fn with_reasons(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let reason = source.to_string();
        if !text.ends_with(&reason) {
            text.push_str(": ");
            text.push_str(&reason);
        }
        next = source.source();
    }
    text
}
