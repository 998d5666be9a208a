//! Which directory a path leads to, on Unix.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Returns the numbers of the file system and of the directory that a path leads to.
///
/// # Errors
/// When it leads nowhere.
pub fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}
