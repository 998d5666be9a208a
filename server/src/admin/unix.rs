//! Writing exported files on a Unix system.

use std::ffi::OsString;
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use sync_engine::Name;

/// Returns a name as this system takes it; nothing if it cannot be held here.
pub(super) fn os_name(name: &Name) -> Option<OsString> {
    Some(OsString::from_vec(name.as_bytes().to_vec()))
}

/// Makes a symbolic link.
pub(super) fn make_link(target: &[u8], path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(OsString::from_vec(target.to_vec()), path)
}

/// Lets the owner execute a file.
pub(super) fn make_executable(file: &File) -> io::Result<()> {
    let mode = file.metadata()?.permissions().mode();
    file.set_permissions(Permissions::from_mode(mode | (mode & 0o444) >> 2))
}
