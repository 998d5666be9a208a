//! Which folder was enrolled at which path. An empty directory where an enrolled folder was is most likely a disk that is
//! not mounted: it is neither taken for an empty folder nor joined as a new one.

use std::path::{Path, PathBuf};

use common::file::{self, IfExists, Readers};
use sync_engine::Hash;

use crate::config::Config;
use crate::disk::{FolderId, Root};
use crate::fault::Fault;

fn note_of(config: &Config, folder: &Path) -> PathBuf {
    let hash = Hash::of(folder.as_os_str().as_encoded_bytes()).to_string();
    config.dir().join("folders").join(&hash[..32])
}

fn read(config: &Config, folder: &Path) -> Option<String> {
    let text = std::fs::read_to_string(note_of(config, folder)).ok()?;
    text.lines().next().map(str::to_owned)
}

fn is_gone(config: &Config, folder: &Path) -> Fault {
    Fault::failed(
        format!(
            "the folder {} was synchronised, and what is there now is not that folder",
            folder.display()
        ),
        "nothing was taken for deleted, and nothing was changed",
        format!(
            "mount its disk or put it back; to begin anew with what is there now, join by the account's ID or link, or remove {}",
            note_of(config, folder).display()
        ),
    )
}

/// Returns the folder that was enrolled at a path and is not what is there now, and what is said of that.
pub(crate) fn lost(config: &Config, folder: &Path) -> Option<(FolderId, Fault)> {
    let absolute = std::path::absolute(folder).ok()?;
    let path = absolute.canonicalize().unwrap_or(absolute);
    let id = FolderId::parse(&read(config, &path)?)?;
    (!has_id(&path, id)).then(|| (id, is_gone(config, &path)))
}

/// Refuses a missing folder that was enrolled, unless it `joins` an account anew by an ID or a link.
///
/// # Errors
/// When the path was an enrolled folder.
pub(super) fn check_missing(config: &Config, folder: &Path, joins: bool) -> Result<(), Fault> {
    match read(config, folder) {
        None => Ok(()),
        Some(_) if joins => Ok(()),
        Some(_) => Err(is_gone(config, folder)),
    }
}

/// Refuses a folder at whose path another one was enrolled, unless it `joins` an account anew by an ID or a link.
///
/// # Errors
/// When the path was an enrolled folder with another id.
pub(super) fn check(config: &Config, folder: &Path, id: FolderId, joins: bool) -> Result<(), Fault> {
    match read(config, folder) {
        Some(known) if !joins && known != id.to_string() => Err(is_gone(config, folder)),
        Some(_) | None => Ok(()),
    }
}

/// Refuses a copy of a folder that is still there: both would be one device with one key. A folder that was moved is
/// known at its new path only.
///
/// # Errors
/// When another path leads to a folder with the same id.
pub(super) fn check_copy(config: &Config, folder: &Path, id: FolderId) -> Result<(), Fault> {
    let Ok(notes) = std::fs::read_dir(config.dir().join("folders")) else {
        return Ok(());
    };
    let own = note_of(config, folder);
    for note in notes
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| *path != own)
    {
        let text = std::fs::read_to_string(&note).unwrap_or_default();
        let Some((known, other)) = text.split_once('\n') else {
            continue;
        };
        if known != id.to_string() {
            continue;
        }
        let other = Path::new(other.trim_end_matches('\n'));
        if has_id(other, id) {
            return Err(is_copy(folder, other));
        }
        // If the note stays, the old path is guarded a little longer than it has to be.
        let _ = std::fs::remove_file(note);
    }
    Ok(())
}

fn has_id(folder: &Path, id: FolderId) -> bool {
    let found = Root::open(folder).and_then(|root| {
        if root.is_new()? {
            Ok(None)
        } else {
            root.marker().map(Some)
        }
    });
    found.is_ok_and(|found| found == Some(id))
}

/// Returns what is said of a folder that belongs to an account whose secrets are not in this configuration.
pub(super) fn is_without_secrets(config: &Config, folder: &Path) -> Fault {
    Fault::failed(
        format!(
            "the folder {} belongs to an account, and the configuration in {} has neither its ID nor its device's key",
            folder.display(),
            config.dir().display()
        ),
        "no other account was made, and nothing was changed",
        "start it as the user who set it up, or with HOLDFAST_CONFIG_DIR as it was then; to make it another device, give \
         the account's ID or link; to begin anew, remove its .holdfast (no file of yours is in there)",
    )
}

fn is_copy(folder: &Path, other: &Path) -> Fault {
    Fault::failed(
        format!("the folder {} is a copy of {}", folder.display(), other.display()),
        "nothing was changed",
        "to make it a device of its own, remove its .holdfast (no file of yours is in there) and start again with the \
         pairing link",
    )
}

/// Remembers that a folder is enrolled at a path.
///
/// # Errors
/// When the note cannot be written.
pub(crate) fn remember(config: &Config, folder: &Path, id: FolderId) -> Result<(), Fault> {
    if read(config, folder).is_some_and(|known| known == id.to_string()) {
        return Ok(());
    }
    let path = note_of(config, folder);
    let text = format!("{id}\n{}\n", folder.display());
    let write = || {
        file::create_folders(path.parent().unwrap_or(config.dir()))?;
        file::write(&path, text.as_bytes(), Readers::Owner, IfExists::Replace)
    };
    write().map_err(|error| {
        let what = format!("cannot write {}: {error}", path.display());
        Fault::failed(
            what,
            "nothing was changed",
            "make the configuration directory writable",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_folder_at_a_known_path_is_refused_unless_it_joins_anew() {
        let dir = tempfile::tempdir().unwrap();
        let (config, folder) = (Config::at(dir.path()), dir.path().join("folder"));
        let (first, second) = (FolderId([1; 16]), FolderId([2; 16]));
        assert!(check_missing(&config, &folder, false).is_ok());
        remember(&config, &folder, first).unwrap();
        assert!(check(&config, &folder, first, false).is_ok());
        assert!(check(&config, &folder, second, false).is_err());
        assert!(check_missing(&config, &folder, false).is_err());
        assert!(check(&config, &folder, second, true).is_ok());
        remember(&config, &folder, second).unwrap();
        assert!(check(&config, &folder, second, false).is_ok());
    }
}
