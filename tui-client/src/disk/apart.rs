//! What in the folder is no work of its user: another synchronised folder, a server's store, a device's secrets (see
//! [`common::apart`]). It is blocked wherever it turns up, also when it is moved in while the client runs.

use super::error::DiskError;
use super::root::Root;
use super::sight::{FileType, Sight};
use super::volume::{Dir, File};
use common::apart::{ACCOUNT, ACCOUNT_BEGINS, Apart, DATABASE, KEY, MARKER, PACKS, PRIVATE};
use std::io;
use std::path::Path;
use sync_engine::{Block, Name, RelPath};

/// How a device's key begins.
const KEY_BEGINS: &[u8] = b"-----BEGIN PRIVATE KEY-----";

impl Root {
    /// Finds the first directory in the folder that has to stay apart from it, other synchronised folders only as far as a
    /// client runs on them: one that is at rest is left alone. To be asked before a folder is first taken up; what cannot be
    /// listed is passed over, as it cannot be synchronised either.
    ///
    /// # Errors
    /// When the folder itself cannot be listed.
    pub fn find_apart(&self) -> Result<Option<(Apart, RelPath)>, DiskError> {
        let mut pending = vec![RelPath::root()];
        while let Some(path) = pending.pop() {
            let names = self
                .dir()
                .descend_to_read(&path.0)
                .and_then(|dir| Ok((known_by(&dir), dir.names_of_dirs()?)));
            let (apart, names) = match names {
                Ok(found) => found,
                Err(error) if path.0.is_empty() => return Err(DiskError::of_look(&path, &error)),
                Err(_) => continue,
            };
            // Its own marker makes the folder what it is to be.
            if let Some(apart) = apart.filter(|apart| !(path.0.is_empty() && *apart == Apart::Folder)) {
                if apart == Apart::Folder && !is_in_use(&self.path().join(path.to_string())) {
                    continue;
                }
                return Ok(Some((apart, path)));
            }
            let names = names.iter().filter_map(|name| Name::new(name).ok());
            pending.extend(names.map(|name| path.join(&name)));
        }
        Ok(None)
    }
}

/// Tells whether a client runs on a folder, or may.
fn is_in_use(folder: &Path) -> bool {
    Root::open(folder).map_or(true, |root| root.lock_holder().is_some())
}

/// Says what a directory is by what is in it.
fn known_by(dir: &Dir) -> Option<Apart> {
    Apart::known_by(|names| has(dir, names))
}

fn has(dir: &Dir, names: &[&str]) -> bool {
    match names {
        [] => true,
        [name] => is_there(dir, name),
        // The private directory is the only one, and no node has its name.
        [private, marker, ..] => {
            is_there(dir, private)
                && dir
                    .open_own(private)
                    .is_ok_and(|private| is_there(&private, marker))
        }
    }
}

fn is_there(dir: &Dir, name: &str) -> bool {
    dir.stat(name.as_bytes()).is_ok()
}

/// Returns the reason to leave alone what is seen at a name, if there is one.
pub(super) fn block_at(dir: &Dir, name: &[u8], file_type: FileType) -> Option<Block> {
    match file_type {
        FileType::Dir if name == PACKS.as_bytes() && is_there(dir, DATABASE) => Some(Block::Store),
        FileType::Dir => {
            let name = Name::new(name).ok()?;
            let inside = dir.descend(std::slice::from_ref(&name)).ok()?;
            match known_by(&inside)? {
                Apart::Folder => Some(Block::OtherFolder),
                Apart::Store => Some(Block::Store),
                // Beside secrets there may be anything; they themselves are never opened.
                Apart::Secrets => None,
            }
        }
        FileType::File if name.starts_with(DATABASE.as_bytes()) && is_there(dir, PACKS) => Some(Block::Store),
        FileType::File | FileType::Symlink | FileType::Other => None,
    }
}

/// Tells whether an opened file is one of a device's secrets. Its name is asked first, so that nothing is read of others;
/// then its bytes are, as such files come one after the other when they are copied.
pub(super) fn is_secret(name: &[u8], file: &File) -> io::Result<bool> {
    let begins: &[u8] = if name == KEY.as_bytes() {
        KEY_BEGINS
    } else if name.starts_with(ACCOUNT.as_bytes()) {
        ACCOUNT_BEGINS.as_bytes()
    } else {
        return Ok(false);
    };
    let mut bytes = vec![0; begins.len()];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => Ok(bytes == begins),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Looks at what was seen in a directory once more: whether it has to stay apart.
pub(super) fn guarded(dir: &Dir, name: &[u8], sight: Sight) -> Sight {
    let file_type = match sight {
        Sight::File(_) => FileType::File,
        Sight::Dir(_) => FileType::Dir,
        Sight::Symlink(..) | Sight::Other(_) | Sight::Absent | Sight::Unknown(_) => return sight,
    };
    block_at(dir, name, file_type).map_or(sight, Sight::Unknown)
}

/// Tells whether a directory has become another synchronised folder.
pub(super) fn is_folder(dir: &Dir) -> bool {
    has(dir, &[PRIVATE, MARKER])
}
