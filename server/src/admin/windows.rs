//! Writing exported files on Windows.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::Path;
use sync_engine::Name;

/// Characters that Windows does not take in a name.
const ILLEGAL: &[char] = &['<', '>', ':', '"', '\\', '|', '?', '*'];
/// Names that mean devices here, with or without an extension.
const DEVICES: &[&str] = &["con", "prn", "aux", "nul", "conin$", "conout$"];

/// Returns a name as this system takes it; nothing if it cannot be held here.
pub(super) fn os_name(name: &Name) -> Option<OsString> {
    let text = name.as_str()?;
    let stem = text.split('.').next().unwrap_or(text).trim_end().to_lowercase();
    let is_port = stem.len() == 4 && (stem.starts_with("com") || stem.starts_with("lpt"));
    let is_legal = !text.contains(ILLEGAL)
        && !text.contains(char::is_control)
        && !text.ends_with(['.', ' '])
        && !DEVICES.contains(&stem.as_str())
        && !(is_port && stem.ends_with(|c: char| c.is_ascii_digit()));
    is_legal.then(|| text.into())
}

/// Makes a symbolic link, which this system lets only some users do.
pub(super) fn make_link(target: &[u8], path: &Path) -> io::Result<()> {
    let target = std::str::from_utf8(target).map_err(io::Error::other)?;
    std::os::windows::fs::symlink_file(target, path)
}

/// Does nothing: what may be executed is said by the name here.
pub(super) fn make_executable(_file: &File) -> io::Result<()> {
    Ok(())
}
