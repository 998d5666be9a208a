//! What Windows has to say about configuration: directories in the user's profile are the user's alone by inheritance, and
//! the computer's name.

use std::fs;
use std::io;
use std::path::Path;

/// Makes a directory for this user alone, or checks that one is that.
pub(crate) fn create_own_dir(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    if fs::symlink_metadata(dir)?.is_dir() {
        Ok(())
    } else {
        Err(io::ErrorKind::NotADirectory.into())
    }
}

/// Returns the computer's name.
pub(super) fn host_name() -> Option<String> {
    std::env::var("COMPUTERNAME").ok()
}
