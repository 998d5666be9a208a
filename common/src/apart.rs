//! What must stay apart: the folder of one account, the store of a server, the secrets of a device. None of them may hold
//! or be in another, or a folder would take up what is not its user's work: secrets would travel, a store would store
//! itself. Each is known by what is in it and not by where it is, and a directory by its identity and not by its path, so
//! that links and mounts change nothing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

#[cfg(target_os = "linux")]
mod mounts;
#[cfg(unix)]
#[path = "apart/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "apart/windows.rs"]
mod system;

pub use system::identity;

/// The private directory of a synchronised folder.
pub const PRIVATE: &str = ".holdfast";
/// The marker in it, which makes a directory a synchronised folder.
pub const MARKER: &str = "folder-id";
/// The database of a store.
pub const DATABASE: &str = "store.db";
/// The directory of a store's packs.
pub const PACKS: &str = "packs";
/// A device's key.
pub const KEY: &str = "device.key";
/// What a device knows of its account, which is beside its key.
pub const ACCOUNT: &str = "account.toml";
/// How that file begins.
pub const ACCOUNT_BEGINS: &str = "# Keep this to yourself: whoever knows the ID can join the account.\n";

/// What a directory is, that has to stay apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Apart {
    /// The folder of an account.
    Folder,
    /// The store of a server, or a copy of one.
    Store,
    /// The secrets of a device.
    Secrets,
}

impl Apart {
    /// Says what a directory is by what is in it: `has` tells whether there is something at a path of names.
    #[must_use]
    pub fn known_by(has: impl Fn(&[&str]) -> bool) -> Option<Self> {
        if has(&[PRIVATE, MARKER]) {
            Some(Self::Folder)
        } else if has(&[DATABASE]) && has(&[PACKS]) {
            Some(Self::Store)
        } else if has(&[KEY]) && has(&[ACCOUNT]) {
            Some(Self::Secrets)
        } else {
            None
        }
    }

    /// Says what the directory at a path is.
    #[must_use]
    pub fn at(path: &Path) -> Option<Self> {
        Self::known_by(|names| {
            let path = names.iter().fold(path.to_owned(), |path, name| path.join(name));
            match path.symlink_metadata() {
                Ok(_) => true,
                // Another user's private directory is closed to this one, and there all the same.
                Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
            }
        })
    }

    /// Finds the nearest directory above a path, or at it, that is `meant`.
    #[must_use]
    pub fn above(path: &Path, meant: impl Fn(Self) -> bool) -> Option<(Self, PathBuf)> {
        path.ancestors().find_map(|dir| {
            let apart = Self::at(dir).filter(|apart| meant(*apart))?;
            Some((apart, dir.to_owned()))
        })
    }

    /// Names it, for people.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Folder => "a synchronised folder",
            Self::Store => "the store of a Holdfast server",
            Self::Secrets => "the secrets of a device",
        }
    }
}

/// Returns all paths by which the nearest directory that exists, at a path or above it, can be reached: over no link, and
/// through each mount that shows it.
///
/// # Errors
/// When the path cannot be followed.
pub fn ways_to(path: &Path) -> io::Result<Vec<PathBuf>> {
    let path = std::path::absolute(path)?;
    let mut found = Err(io::ErrorKind::NotFound.into());
    for dir in path.ancestors() {
        found = fs::canonicalize(dir);
        let is_missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        if !found.as_ref().is_err_and(is_missing) {
            break;
        }
    }
    let found = found?;
    let mut ways = other_ways_to(&found);
    ways.insert(0, found);
    Ok(ways)
}

#[cfg(target_os = "linux")]
fn other_ways_to(path: &Path) -> Vec<PathBuf> {
    let table = fs::read("/proc/self/mountinfo").unwrap_or_default();
    let is_same = |other: &PathBuf| is_one_directory(path, other);
    mounts::other_ways(&table, path)
        .into_iter()
        .filter(is_same)
        .collect()
}

#[cfg(not(target_os = "linux"))]
fn other_ways_to(_: &Path) -> Vec<PathBuf> {
    Vec::new()
}

/// Tells whether two paths lead to one directory.
#[must_use]
pub fn is_one_directory(one: &Path, other: &Path) -> bool {
    matches!((identity(one), identity(other)), (Ok(one), Ok(other)) if one == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_stay_apart_is_known_by_what_is_in_it() {
        let home = tempfile::tempdir().unwrap();
        let make = |path: &str| {
            let path = home.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        };
        for path in [
            "folder/.holdfast/folder-id",
            "store/store.db",
            "store/packs/1",
            "config/id/device.key",
            "config/id/account.toml",
            "plain/device.key",
            "plain/store.db",
            "plain/.holdfast/lock",
        ] {
            make(path);
        }
        let at = |path: &str| Apart::at(&home.path().join(path));
        assert_eq!(at("folder"), Some(Apart::Folder));
        assert_eq!(at("store"), Some(Apart::Store));
        assert_eq!(at("config/id"), Some(Apart::Secrets));
        for path in ["", "plain", "config", "none"] {
            assert_eq!(at(path), None, "{path}");
        }
        let inner = home.path().join("folder/a/b");
        let (apart, dir) = Apart::above(&inner, |apart| apart == Apart::Folder).unwrap();
        assert_eq!((apart, dir), (Apart::Folder, home.path().join("folder")));
        assert_eq!(Apart::above(&inner, |apart| apart == Apart::Store), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_way_leads_over_no_link_to_what_is_there() {
        let home = tempfile::tempdir().unwrap();
        let real = fs::canonicalize(home.path()).unwrap().join("real");
        fs::create_dir(&real).unwrap();
        let link = home.path().join("link");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert_eq!(ways_to(&link.join("none/at all")).unwrap()[0], real);
        assert!(is_one_directory(&link, &real) && !is_one_directory(&real, home.path()));
    }
}
