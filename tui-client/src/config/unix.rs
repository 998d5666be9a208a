//! What unix has to say about configuration: directories of one user alone, and the computer's name.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

/// Makes a directory for this user alone, or checks that one is that.
pub(crate) fn create_own_dir(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    is_own_dir(dir)
}

/// Checks that a directory is this user's own, and closed to others. A link to one is none.
pub(crate) fn is_own_dir(dir: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(dir)?;
    let is_own = metadata.is_dir()
        && metadata.uid() == rustix::process::geteuid().as_raw()
        && metadata.mode() & 0o077 == 0;
    if is_own {
        Ok(())
    } else {
        Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "it exists and others may open it, or it is another user's",
        ))
    }
}

/// Returns the computer's name.
pub(super) fn host_name() -> Option<String> {
    let names = rustix::system::uname();
    let name = names.nodename().to_str().ok()?;
    Some(name.split('.').next().unwrap_or(name).to_owned())
}
