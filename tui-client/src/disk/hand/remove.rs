//! Removing a file or a symbolic link: it moves to the stash in one call, is verified there, and goes back if it is not
//! what was expected.

use super::replace::{discard, is_known, is_symlink};
use super::{ContentOf, HandError, Known, failed};
use crate::disk::root::Root;
use crate::disk::sight::Print;
use crate::disk::stash::{self, Kept};
use sync_engine::{Bug, RelPath, Target, planted};

impl Root {
    /// Takes the known file away, into the stash.
    ///
    /// # Errors
    /// A surprise when anything else is there; it is left, or put back, as it was.
    pub fn remove_file(
        &self,
        path: &RelPath,
        known: &Known<'_>,
        content_of: &ContentOf<'_>,
    ) -> Result<(), HandError> {
        let place = self.place(path)?;
        place.expect_file(known.print)?;
        let stash = &self.private()?.stash;
        let kept = Kept::File(*known.content, None);
        let key = stash::record(stash, path, Some(known.node), &kept, known.print)?;
        if let Err(error) = stash.rename_new(&place.dir, place.name, key.as_bytes()) {
            stash::forget(stash, &key);
            return Err(failed("move the file to the stash")(error));
        }
        self.stashed(&key);
        match is_known(stash, &key, known, content_of) {
            Ok(true) if planted(Bug::RemovedForGood) => discard(stash, &key),
            Ok(true) => Ok(()),
            Ok(false) => Err(self.put_back(&key, &place, path)?),
            Err(error) => {
                self.put_back(&key, &place, path)?;
                Err(failed("verify the file")(error))
            }
        }
    }

    /// Takes the known symbolic link away.
    ///
    /// # Errors
    /// A surprise when anything else is there; it is left, or put back, as it was.
    pub fn remove_symlink(&self, path: &RelPath, expect: &Print, target: &Target) -> Result<(), HandError> {
        let place = self.place(path)?;
        place.expect_symlink(expect, target)?;
        let stash = &self.private()?.stash;
        let key = stash::record(stash, path, None, &Kept::Symlink(target.clone(), None), expect)?;
        if let Err(error) = stash.rename_new(&place.dir, place.name, key.as_bytes()) {
            stash::forget(stash, &key);
            return Err(failed("move the link to the stash")(error));
        }
        if is_symlink(stash, &key, expect, target) {
            return discard(stash, &key);
        }
        Err(self.put_back(&key, &place, path)?)
    }
}
