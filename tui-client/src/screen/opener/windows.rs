//! Names and programs on Windows.

use std::ffi::OsString;
use std::path::{Component, Path};
use std::process::Command;

use sync_engine::Name;

/// The editor that is there when none is named.
pub(super) const EDITOR: &str = "notepad";

/// Returns a name as this system has it; nothing for one that it would take for something else than one component.
pub(super) fn os_name(name: &Name) -> Option<OsString> {
    let text = name.as_str()?;
    let mut components = Path::new(text).components();
    match (components.next(), components.next()) {
        (Some(Component::Normal(only)), None) if only == text && !text.contains(':') => Some(only.to_owned()),
        _ => None,
    }
}

/// Returns the command that opens a path with the desktop's program.
pub(super) fn opener(path: &Path) -> Command {
    let mut command = Command::new("explorer");
    command.arg(path);
    command
}
