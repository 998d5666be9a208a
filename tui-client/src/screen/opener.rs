//! Paths of the folder as the system names them, and the programs that open and edit them.

use std::path::{Path, PathBuf};
use std::process::Command;

use sync_engine::RelPath;

#[cfg(unix)]
#[path = "opener/unix.rs"]
mod platform;
#[cfg(windows)]
#[path = "opener/windows.rs"]
mod platform;

/// Returns where a node is on this disk; nothing when this system cannot name it.
pub(super) fn os_path(folder: &Path, path: &RelPath) -> Option<PathBuf> {
    let mut full = folder.to_owned();
    for name in &path.0 {
        full.push(platform::os_name(name)?);
    }
    Some(full)
}

/// Returns the command that opens a path with the desktop's program.
pub(super) fn opener(path: &Path) -> Command {
    platform::opener(path)
}

/// Returns the command that edits a file: `$VISUAL` or `$EDITOR` with its arguments, or the system's editor.
pub(super) fn editor(path: &Path) -> Command {
    let named = ["VISUAL", "EDITOR"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.trim().is_empty()))
        .unwrap_or_else(|| platform::EDITOR.to_owned());
    let mut words = named.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or(platform::EDITOR));
    command.args(words).arg(path);
    command
}
