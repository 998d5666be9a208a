//! What can go wrong with the folder itself: opening it, looking at it, its private directory.

use std::io;
use std::path::PathBuf;
use sync_engine::{Block, RelPath};

use super::lock::Holder;

/// Says why the folder could not be opened, looked at or prepared.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The folder could not be opened.
    #[error("could not open the folder {}", path.display())]
    OpenRoot {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A part of the private directory is not what it has to be, such as a symbolic link.
    #[error(".holdfast/{name} is not a plain file or directory of this user's on the folder's file system")]
    ForeignPrivate {
        /// Its name inside `.holdfast`; empty for `.holdfast` itself.
        name: String,
    },
    /// A file or directory in the private directory could not be made, read or written.
    #[error("could not {deed} .holdfast/{name}")]
    Private {
        /// What was tried.
        deed: &'static str,
        /// Its name inside `.holdfast`; empty for `.holdfast` itself.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// The marker does not hold a folder id.
    #[error(".holdfast/folder-id does not hold a folder id")]
    DamagedMarker,
    /// Another client runs on the folder.
    #[error("another client runs on this folder{}", pid.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    InUse {
        /// The other client's process, when it says so.
        pid: Option<u32>,
        /// What it is, when it says so.
        holder: Option<Holder>,
    },
    /// The directory or file is not there, or a directory on the way to it is not.
    #[error("{path} is not there")]
    Gone {
        /// Its path.
        path: RelPath,
    },
    /// It cannot be read, or this client does not deal with it.
    #[error("could not read {path}")]
    Blocked {
        /// Its path.
        path: RelPath,
        /// Why.
        block: Block,
    },
    /// New bytes could not be gathered in staging.
    #[error("could not {deed} a file in staging")]
    Stage {
        /// What was tried.
        deed: &'static str,
        /// Why.
        source: io::Error,
    },
    /// Bytes or names could not be flushed to the disk. What was written must be written anew, not flushed again.
    #[error("could not flush to the disk")]
    Flush {
        /// Why.
        source: io::Error,
    },
}

impl DiskError {
    /// Tells whether the disk was full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.block() == Some(Block::NoSpace)
    }

    /// Returns why a node is blocked by this error, or nothing when it is simply not there.
    #[must_use]
    pub fn block(&self) -> Option<Block> {
        match self {
            Self::Gone { .. } => None,
            Self::Blocked { block, .. } => Some(block.clone()),
            Self::OpenRoot { source, .. }
            | Self::Private { source, .. }
            | Self::Stage { source, .. }
            | Self::Flush { source } => Some(block_of(source)),
            Self::ForeignPrivate { .. } | Self::DamagedMarker | Self::InUse { .. } => {
                Some(Block::Unreadable(self.to_string()))
            }
        }
    }

    /// Makes an error of a look at a path out of the system's.
    pub(super) fn of_look(path: &RelPath, error: &io::Error) -> Self {
        if is_gone(error) {
            return Self::Gone { path: path.clone() };
        }
        Self::Blocked {
            path: path.clone(),
            block: block_of(error),
        }
    }
}

/// Tells whether the system says that a place is not there: no such name, or something on the way is no directory (a
/// symbolic link counts as none).
pub(super) fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    ) || super::platform::is_link_in_the_way(error)
}

/// Tells whether the system only had no descriptor or memory left. That passes, and says nothing about the place.
fn is_lack(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::OutOfMemory || super::platform::is_short_of_files(error)
}

/// Turns the system's reason into one that can be kept and shown.
pub(super) fn block_of(error: &io::Error) -> Block {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::CrossesDevices => Block::OtherFileSystem,
        Kind::InvalidFilename => Block::IllegalName,
        Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => Block::NoSpace,
        Kind::ResourceBusy | Kind::ExecutableFileBusy => Block::Busy,
        _ if super::platform::is_busy(error) => Block::Busy,
        _ if is_lack(error) => Block::Lacking,
        _ => Block::Unreadable(error.to_string()),
    }
}

/// Says why the folder is no longer the one that was opened. Nothing that was seen since may be believed.
#[derive(Debug, thiserror::Error)]
pub enum RootLost {
    /// Nothing is at its path.
    #[error("the folder is gone")]
    Gone,
    /// Another directory is at its path.
    #[error("another folder is at its path")]
    Replaced,
    /// Its path cannot be read.
    #[error("the folder cannot be read")]
    Unreadable {
        /// Why.
        source: io::Error,
    },
    /// The marker `.holdfast/folder-id` is missing or damaged.
    #[error("the folder's marker .holdfast/folder-id is missing")]
    MarkerMissing,
    /// The marker is that of another folder.
    #[error("the folder's marker .holdfast/folder-id is that of another folder")]
    MarkerForeign,
    /// The private directory, or a file that the client holds open in it, was removed or replaced.
    #[error(".holdfast/{name} was removed or replaced while the client ran")]
    Private {
        /// Its name inside `.holdfast`; empty for `.holdfast` itself.
        name: String,
    },
}

impl RootLost {
    /// Tells whether the folder could only not be looked at for the moment, since the system lacked what it will have again.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unreadable { source } if is_lack(source))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_lacks_for_a_moment_is_told_from_what_is_lost() {
        for (code, passes) in [
            (rustix::io::Errno::MFILE, true),
            (rustix::io::Errno::NFILE, true),
            (rustix::io::Errno::NOMEM, true),
            (rustix::io::Errno::ACCESS, false),
            (rustix::io::Errno::IO, false),
        ] {
            let source = io::Error::from(code);
            assert_eq!(block_of(&source) == Block::Lacking, passes, "{source}");
            assert_eq!(RootLost::Unreadable { source }.is_passing(), passes, "{code}");
        }
        assert!(!RootLost::Gone.is_passing() && !RootLost::MarkerMissing.is_passing());
    }
}
