//! Which directory a path leads to, on Windows.

use std::io;
use std::path::Path;

use crate::beneath::{Dir, identity_of};

/// Returns the numbers of the volume and of the directory that a path leads to.
///
/// # Errors
/// When it leads nowhere.
pub fn identity(path: &Path) -> io::Result<(u64, u64)> {
    identity_of(Dir::open_root(path)?.file())
}
