//! The client's hand on the disk: the only door to the folder. Every path is relative to the opened root; no symbolic
//! link is followed on the way and no other file system is entered. Looking tells three things apart: present, absent
//! and unknown. Every effect looks again before it acts, verifies what it took away, and yields when it is surprised.

mod error;
mod lock;
mod look;
mod marker;
mod root;
mod sight;
#[cfg(unix)]
#[path = "disk/unix.rs"]
mod platform;
#[cfg(windows)]
#[path = "disk/windows.rs"]
mod platform;

pub use error::{DiskError, RootLost};
pub use lock::FolderLock;
pub use marker::FolderId;
pub use root::{Folds, Root};
pub use sight::{Identity, Listing, Print, Sight};
