//! The client's hand on the disk: the only door to the folder. Every path is relative to the opened root; no symbolic
//! link is followed on the way and no other file system is entered. Looking tells three things apart: present, absent
//! and unknown. Every effect looks again before it acts, verifies what it took away, and yields when it is surprised.

mod apart;
mod bits;
mod error;
mod hand;
mod held;
mod kept;
mod lock;
mod look;
mod marker;
mod private;
mod root;
mod sight;
mod staging;
mod stash;
#[cfg(unix)]
mod unix;
pub mod volume;
#[cfg(windows)]
mod windows;
mod writers;

#[cfg(unix)]
use unix as platform;
#[cfg(windows)]
use windows as platform;

pub use error::{DiskError, RootLost};
pub use hand::{ContentOf, HandError, Known};
pub use held::Held;
pub use lock::{FolderLock, Holder};
pub use marker::FolderId;
pub use root::{Folds, OWN_DIRS, Root};
pub use sight::{FileType, Identity, Listing, Print, Seen, Sight};
pub use staging::{Sealed, Staged};
pub use stash::{Purge, Recovered, Spared, StashLimits, Stashed};
pub use volume::File;
pub use writers::Writers;

#[cfg(test)]
#[cfg(unix)]
mod tests;
