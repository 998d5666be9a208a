//! Names and programs on Unix.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;

use sync_engine::Name;

/// The editor that is there when none is named.
pub(super) const EDITOR: &str = "vi";

/// Returns a name as this system has it: the same bytes.
#[expect(clippy::unnecessary_wraps, reason = "the same on every platform")]
pub(super) fn os_name(name: &Name) -> Option<OsString> {
    Some(OsStr::from_bytes(name.as_bytes()).to_owned())
}

/// Returns the command that opens a path with the desktop's program.
pub(super) fn opener(path: &Path) -> Command {
    let program = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    let mut command = Command::new(program);
    command.arg(path);
    command
}
