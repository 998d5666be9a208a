//! Tidying up at the start, after a crash at any instruction: what is incomplete and nameless in staging goes, downloads
//! that can be resumed stay, and whatever an interrupted effect took away goes back or waits in the stash to be judged.

use super::{NOTE, Note, forget, keys, note};
use crate::disk::error::DiskError;
use crate::disk::hand::HandError;
use crate::disk::look::sight;
use crate::disk::root::{Root, random_name};
use crate::disk::sight::{FileType, Sight};
use crate::disk::staging::{NAMED, NAMELESS};
use crate::disk::volume::Dir;
use sync_engine::{Hash, Name, RelPath};

/// What was found at the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Whether all that was on the file system is flushed; false where there is no call for that.
    pub is_flushed: bool,
    /// How many leftovers were removed.
    pub removed: usize,
    /// The keys of the downloads that can be resumed.
    pub resumable: Vec<Hash>,
    /// How many things of others' making lay in staging; they are in the stash now.
    pub stashed: usize,
    /// How many directories and links an interrupted effect had taken away; they are back.
    pub put_back: usize,
}

impl Root {
    /// Flushes what the last run may have left unflushed, since what it moved is taken for done from here on, and tidies
    /// staging and stash. To be called once, with the lock held, before anything is looked at and before any effect;
    /// afterwards [`Root::purge_stash`] surfaces the files that an interrupted effect had taken away unverified.
    ///
    /// # Errors
    /// When the disk cannot be flushed, or the private directory cannot be read.
    pub fn recover(&self, is_wanted: &dyn Fn(&Hash) -> bool) -> Result<Recovered, DiskError> {
        let mut recovered = Recovered {
            is_flushed: self.flush_all()?,
            ..Recovered::default()
        };
        self.recover_staging(is_wanted, &mut recovered)?;
        self.recover_stash(&mut recovered)?;
        Ok(recovered)
    }

    fn recover_staging(
        &self,
        is_wanted: &dyn Fn(&Hash) -> bool,
        recovered: &mut Recovered,
    ) -> Result<(), DiskError> {
        let private = self.private()?;
        let names = private.staging.names().map_err(|source| DiskError::Private {
            deed: "list",
            name: "staging".to_owned(),
            source,
        })?;
        for name in names {
            let text = String::from_utf8_lossy(&name);
            let key = text.strip_prefix(NAMED).and_then(|hex| hex.parse::<Hash>().ok());
            match key {
                Some(key) if is_wanted(&key) => recovered.resumable.push(key),
                _ if key.is_some() || is_own(&text) => {
                    recovered.removed += usize::from(private.staging.unlink(&name).is_ok());
                }
                // Nobody but this client writes here; if someone did, it is theirs.
                _ => {
                    let kept = private
                        .stash
                        .rename_new(&private.staging, &name, random_name().as_bytes());
                    recovered.stashed += usize::from(kept.is_ok());
                }
            }
        }
        recovered.resumable.sort_unstable();
        Ok(())
    }

    fn recover_stash(&self, recovered: &mut Recovered) -> Result<(), DiskError> {
        let stash = &self.private()?.stash;
        let keys = keys(stash)?;
        for key in &keys {
            let note = note(stash, key);
            match stash.stat(key.as_bytes()) {
                // Files are judged by their bytes when the stash is purged.
                Ok(seen) if seen.file_type == FileType::File => continue,
                Ok(_) => (),
                Err(_) => continue,
            }
            if let Some(note) = &note
                && is_known_link(stash, key, note)
            {
                if stash.unlink(key.as_bytes()).is_ok() {
                    forget(stash, key);
                    recovered.removed += 1;
                }
                continue;
            }
            recovered.put_back += usize::from(self.restore(key, note.as_ref()).is_ok());
        }
        for name in stash.names().unwrap_or_default() {
            let text = String::from_utf8_lossy(&name);
            if let Some(key) = text.strip_suffix(NOTE)
                && keys.binary_search_by(|known| known.as_str().cmp(key)).is_err()
            {
                recovered.removed += usize::from(stash.unlink(&name).is_ok());
            }
        }
        Ok(())
    }

    /// Puts back a directory or link that was taken away by surprise: to its name, beside it, or into the root.
    fn restore(&self, key: &str, note: Option<&Note>) -> Result<HandError, HandError> {
        let path = note.and_then(Note::path).filter(|path| !path.0.is_empty());
        if let Some(path) = &path
            && let Ok(place) = self.place(path)
        {
            return self.put_back(key, &place, path);
        }
        let name = path.and_then(|path| path.0.last().cloned());
        let name = name
            .or_else(|| Name::try_from("unknown").ok())
            .ok_or(HandError::Gone)?;
        self.put_beside(key, self.dir(), &RelPath::root().join(&name))
    }
}

/// Tells the names that this client gives to what nobody asks for again.
fn is_own(name: &str) -> bool {
    let is_id = |text: &str| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    name.strip_prefix(NAMELESS).is_some_and(is_id) || is_id(name) || name.starts_with("probe-")
}

/// Tells whether a link in the stash is one of the two that the interrupted effect dealt with.
fn is_known_link(stash: &Dir, key: &str, note: &Note) -> bool {
    match sight(stash, key.as_bytes()) {
        Ok(Sight::Symlink(_, target)) => note.is_known_target(target.as_bytes()),
        Ok(Sight::File(_) | Sight::Dir(_) | Sight::Other(_) | Sight::Absent | Sight::Unknown(_)) | Err(_) => {
            false
        }
    }
}
