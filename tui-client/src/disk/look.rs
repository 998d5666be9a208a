//! Looking: the listing of a directory, the sight of a place, and opening a file to read it. An error is never an
//! absence.

use super::apart;
use super::error::{DiskError, block_of, is_gone};
use super::root::{PRIVATE, Root};
use super::sight::{FileType, Listing, Print, Seen, Sight};
use super::volume::{Dir, File};
use crate::words::RESERVED;
use std::collections::BTreeMap;
use std::io;
use sync_engine::{Block, Bug, Name, NameError, RelPath, Target, planted};

/// How often a directory that changes while it is read is read anew.
const LIST_TRIES_MAX: usize = 4;
/// How often a place that changes while it is looked at is looked at anew.
const LOOK_TRIES_MAX: usize = 8;

impl Root {
    /// Lists a directory: everything in it, or an error. The private directory of the root is left out.
    ///
    /// # Errors
    /// When the directory cannot be read completely, is gone, or is on another file system.
    pub fn list(&self, path: &RelPath) -> Result<Listing, DiskError> {
        let failed = |error: io::Error| DiskError::of_look(path, &error);
        let dir = self.dir().descend_to_read(&path.0).map_err(failed)?;
        let is_root = path.0.is_empty();
        let mut seen = BTreeMap::new();
        let mut restless = true;
        for _ in 0..LIST_TRIES_MAX {
            let before = dir.stat_self().map_err(failed)?.print;
            let names = dir.names().map_err(failed)?;
            // What an earlier reading found and this one did not may have been renamed past it: it is looked at by name.
            let again = seen.into_keys().chain(names);
            seen = again.map(|name| (name, ())).collect::<BTreeMap<Vec<u8>, ()>>();
            restless = before != dir.stat_self().map_err(failed)?.print;
            if !restless {
                break;
            }
        }
        // A removed directory lists as empty; that must not be believed of its last contents.
        if dir.is_removed().map_err(failed)? {
            return Err(DiskError::Gone { path: path.clone() });
        }
        if !is_root && seen.contains_key(PRIVATE.as_bytes()) && apart::is_folder(&dir) {
            return Err(DiskError::Blocked {
                path: path.clone(),
                block: Block::OtherFolder,
            });
        }
        let mut listing = Listing {
            entries: Vec::with_capacity(seen.len()),
            odd: Vec::new(),
            restless,
        };
        for bytes in seen.into_keys() {
            if !(is_root && self.is_own_private(&dir, &bytes)) {
                sort_in(&dir, &bytes, &mut listing);
            }
        }
        Ok(listing)
    }

    /// Tells whether a name in the folder itself is that of the private directory, as the disk spells it.
    fn is_own_private(&self, dir: &Dir, bytes: &[u8]) -> bool {
        let identity = |name: &[u8]| dir.stat(name).map(|seen| seen.print.identity()).ok();
        bytes == PRIVATE.as_bytes()
            || is_private(bytes)
                && identity(bytes).is_some_and(|own| Some(own) == identity(PRIVATE.as_bytes()))
    }

    /// Looks at a name that no node can have, above which there is this directory. Tells whether it is that of the private
    /// directory; nothing when it is not there.
    ///
    /// # Errors
    /// When that cannot be told.
    pub fn look_at_reserved(&self, above: &RelPath, name: &str) -> Result<Option<bool>, DiskError> {
        let look = || -> io::Result<bool> {
            let dir = self.descend(&above.0)?;
            dir.stat(name.as_bytes())?;
            Ok(above.0.is_empty() && self.is_own_private(&dir, name.as_bytes()))
        };
        match look() {
            Err(error) if is_gone(&error) => Ok(None),
            result => result
                .map(Some)
                .map_err(|error| DiskError::of_look(above, &error)),
        }
    }

    /// Returns what was seen of a directory, if it can be listed still: its rights may be others now.
    #[must_use]
    pub fn if_listable(&self, path: &RelPath, sight: Sight) -> Sight {
        let opened = self.dir().descend_to_read(&path.0);
        match opened.map_err(|error| DiskError::of_look(path, &error)) {
            Err(DiskError::Blocked { block, .. }) => Sight::Unknown(block),
            Ok(_) | Err(_) => sight,
        }
    }

    /// Looks at a place. Absent is said only when the directory that would hold it could be searched, or is itself
    /// absent or no directory.
    #[must_use]
    pub fn look(&self, path: &RelPath) -> Sight {
        self.look_by(path, sight)
    }

    fn look_by(&self, path: &RelPath, see: impl Fn(&Dir, &[u8]) -> io::Result<Sight>) -> Sight {
        let Some((name, parents)) = path.0.split_last() else {
            return self.look_at_root();
        };
        let dir = match self.descend(parents) {
            Ok(dir) => dir,
            Err(error) => return self.sight_of(&error),
        };
        match see(&dir, name.as_bytes()) {
            Ok(sight) => sight,
            Err(error) => self.sight_of(&error),
        }
    }

    /// Looks at a place as [`Root::look`] does, and takes for absent what the disk finds by a name that is not its own: one
    /// that differs in case or Unicode form from the one asked for. What has to stay apart from the folder is unknown.
    #[must_use]
    pub fn look_exactly(&self, path: &RelPath) -> Sight {
        let guarded = |dir: &Dir, name: &[u8]| {
            let sight = sight(dir, name)?;
            if 1 < path.0.len() && apart::is_folder(dir) {
                return Ok(Sight::Unknown(Block::OtherFolder));
            }
            Ok(apart::guarded(dir, name, sight))
        };
        let sight = self.look_by(path, guarded);
        match path.0.split_last() {
            Some((name, parents)) if self.folds_names() && sight != Sight::Absent => {
                match self.has_name(parents, name) {
                    Ok(is_its) if is_its || planted(Bug::OtherNameTaken) => sight,
                    Ok(_) => Sight::Absent,
                    Err(error) => self.sight_of(&error),
                }
            }
            Some(_) | None => sight,
        }
    }

    fn has_name(&self, parents: &[Name], name: &Name) -> io::Result<bool> {
        let names = self.dir().descend_to_read(parents)?.names()?;
        Ok(names.iter().any(|other| other == name.as_bytes()))
    }

    /// Opens a regular file for reading, with its print as of the opening. Nothing is followed, nothing is waited for.
    ///
    /// # Errors
    /// When it is gone, cannot be read, or is not a regular file.
    pub fn open_file(&self, path: &RelPath) -> Result<(File, Print), DiskError> {
        let parents = path.0.split_last().map_or(&[][..], |(_, parents)| parents);
        let dir = self.descend(parents);
        open_in(&dir.map_err(|error| DiskError::of_look(path, &error))?, path)
    }

    fn look_at_root(&self) -> Sight {
        match self.dir().stat_self() {
            Ok(_) if self.dir().is_removed().unwrap_or(true) => Sight::Unknown(root_is_gone()),
            Ok(seen) => Sight::Dir(seen.print),
            Err(error) => Sight::Unknown(block_of(&error)),
        }
    }

    /// Tells absence from everything else. Below a root that was itself removed nothing is said to be absent.
    fn sight_of(&self, error: &io::Error) -> Sight {
        if !is_gone(error) {
            return Sight::Unknown(block_of(error));
        }
        match self.dir().is_removed() {
            Ok(false) => Sight::Absent,
            Ok(true) => Sight::Unknown(root_is_gone()),
            Err(error) => Sight::Unknown(block_of(&error)),
        }
    }
}

fn root_is_gone() -> Block {
    Block::Unreadable("the folder itself is gone".to_owned())
}

fn is_private(bytes: &[u8]) -> bool {
    bytes.eq_ignore_ascii_case(PRIVATE.as_bytes())
}

/// Returns the print of a regular file, or why it is none.
fn regular(seen: &Seen) -> Result<Print, Block> {
    match seen.file_type {
        _ if seen.elsewhere => Err(Block::OtherFileSystem),
        FileType::File => Ok(seen.print),
        FileType::Dir | FileType::Symlink | FileType::Other => Err(Block::UnsupportedType),
    }
}

/// Opens a file in the directory that its path leads through, with its print.
pub(super) fn open_in(dir: &Dir, path: &RelPath) -> Result<(File, Print), DiskError> {
    let failed = |error: io::Error| DiskError::of_look(path, &error);
    let blocked = |block| DiskError::Blocked {
        path: path.clone(),
        block,
    };
    let Some((name, _)) = path.0.split_last() else {
        return Err(blocked(Block::UnsupportedType));
    };
    // Looking first keeps the hands off devices, whose very opening may do something.
    regular(&dir.stat(name.as_bytes()).map_err(failed)?).map_err(blocked)?;
    let file = dir.open_file(name.as_bytes()).map_err(failed)?;
    if apart::is_secret(name.as_bytes(), &file).map_err(failed)? {
        return Err(blocked(Block::Secret));
    }
    let print = regular(&dir.stat_file(&file).map_err(failed)?).map_err(blocked)?;
    Ok((file, print))
}

/// Looks at one name of a directory and enters what is seen; what has vanished meanwhile is left out.
fn sort_in(dir: &Dir, bytes: &[u8], listing: &mut Listing) {
    let sight = match sight(dir, bytes) {
        Ok(sight) => apart::guarded(dir, bytes, sight),
        Err(error) if is_gone(&error) => return,
        Err(error) => Sight::Unknown(block_of(&error)),
    };
    match Name::new(bytes) {
        Ok(name) => listing.entries.push((name, sight)),
        Err(error) => {
            let shown = sync_engine::name::visible(&String::from_utf8_lossy(bytes));
            let block = match error {
                NameError::Reserved => Block::Contains(RESERVED.to_owned()),
                NameError::Empty | NameError::TooLong | NameError::Separator | NameError::Dots => {
                    Block::IllegalName
                }
            };
            listing.odd.push((shown, block));
        }
    }
}

/// Looks at a name in a directory. That it is not there is an error here, for the caller to judge.
pub(super) fn sight(dir: &Dir, name: &[u8]) -> io::Result<Sight> {
    for _ in 0..LOOK_TRIES_MAX {
        let seen = dir.stat(name)?;
        if seen.elsewhere {
            return Ok(Sight::Unknown(Block::OtherFileSystem));
        }
        match seen.file_type {
            FileType::File => return Ok(Sight::File(seen.print)),
            FileType::Dir => return Ok(Sight::Dir(seen.print)),
            FileType::Other => return Ok(Sight::Other(seen.print)),
            FileType::Symlink => (),
        }
        // A link is never rewritten, but its name may have been given to something else between the two calls.
        let target = match dir.read_link(name) {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => continue,
            result => result?,
        };
        if dir.stat(name)?.print.identity() == seen.print.identity() {
            let target = Target::new(&target).map_err(io::Error::other)?;
            return Ok(Sight::Symlink(seen.print, target));
        }
    }
    Ok(Sight::Unknown(Block::Busy))
}
