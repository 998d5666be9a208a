//! Replacing a file or a symbolic link by swap-then-verify: new and old change places in one call, then what came out is
//! verified to be what was expected, and goes back if it is not. At every instant the name holds one complete file.
//!
//! On a disk that cannot exchange, the old file first gets a second name in the stash (or is copied there), is verified,
//! and is then replaced by a rename. There, a file that is put under the name between the last look and the rename is
//! lost; no better call exists on such a disk.

use super::{ContentOf, HandError, Known, Place, failed};
use crate::disk::error::is_gone;
use crate::disk::platform;
use crate::disk::root::Root;
use crate::disk::sight::{FileType, Print, Sight};
use crate::disk::staging::Sealed;
use crate::disk::stash::{self, Kept};
use crate::disk::volume::Dir;
use std::io;
use sync_engine::{Bug, Content, RelPath, Target, planted};

impl Root {
    /// Puts a sealed file, whose content is `new`, in the place of the known one, which goes to the stash.
    ///
    /// # Errors
    /// A surprise when anything else is there, before or after the swap; it is left, or put back, as it was.
    pub fn replace(
        &self,
        mut sealed: Sealed,
        new: &Content,
        path: &RelPath,
        known: &Known<'_>,
        content_of: &ContentOf<'_>,
    ) -> Result<Print, HandError> {
        sealed.flush()?;
        let place = self.place(path)?;
        place.expect_file(known.print)?;
        let kept = Kept::File(*known.content, Some(*new));
        let key = stash::record(&self.private()?.stash, path, Some(known.node), &kept, known.print)?;
        if self.can_exchange() {
            match self.swap(&mut sealed, &key, &place) {
                Err(error) if platform::is_unsupported(&error) => self.forget_exchange(),
                Err(error) => {
                    stash::forget(&self.private()?.stash, &key);
                    return Err(failed("swap the new file into place")(error));
                }
                Ok(()) => {
                    self.stashed(&key);
                    return self.verify_swap(sealed, &key, &place, path, known, content_of);
                }
            }
        }
        let print = self.replace_by_link(sealed, &key, &place, known, content_of)?;
        self.stashed(&key);
        Ok(print)
    }

    /// First half: the new file goes to the stash under the old one's key, and both change places. So the old file is
    /// in the stash from the very instant at which it leaves its name, and a crash at any point leaves nothing to mend.
    pub(in crate::disk) fn swap(&self, sealed: &mut Sealed, key: &str, place: &Place<'_>) -> io::Result<()> {
        let private = self.private().map_err(io::Error::other)?;
        private
            .stash
            .rename_new(&private.staging, sealed.name(), key.as_bytes())?;
        sealed.moved()?;
        place
            .dir
            .exchange(&private.stash, key.as_bytes(), place.name)
            .inspect_err(|_| {
                // If even this fails the new bytes stay in the stash, and go once they are known to be in the history.
                if private
                    .staging
                    .rename_new(&private.stash, key.as_bytes(), sealed.name())
                    .is_ok()
                {
                    sealed.moved_back();
                }
            })
    }

    /// Second half: what came out must be what was expected.
    fn verify_swap(
        &self,
        mut sealed: Sealed,
        key: &str,
        place: &Place<'_>,
        path: &RelPath,
        known: &Known<'_>,
        content_of: &ContentOf<'_>,
    ) -> Result<Print, HandError> {
        match is_known(&self.private()?.stash, key, known, content_of) {
            Ok(true) => sealed.moved().map_err(failed("look at the new file")),
            Ok(false) => Err(self.swap_back(&sealed, key, place, path)?),
            Err(error) => {
                self.swap_back(&sealed, key, place, path)?;
                Err(failed("verify the old file")(error))
            }
        }
    }

    /// Undoes a swap. What comes out now should be our own new file; it stays in the stash, since somebody may have it
    /// open. If it is not, or was written to, it is somebody's work and goes beside.
    fn swap_back(
        &self,
        sealed: &Sealed,
        key: &str,
        place: &Place<'_>,
        path: &RelPath,
    ) -> Result<HandError, HandError> {
        let stash = &self.private()?.stash;
        match place.dir.exchange(stash, key.as_bytes(), place.name) {
            Ok(()) => (),
            Err(error) if is_gone(&error) => return self.put_back(key, place, path),
            Err(_) => return self.put_beside(key, &place.dir, path),
        }
        match stash.stat(key.as_bytes()) {
            Ok(seen) if seen.print.same_stamp(sealed.print()) => Ok(place.surprise()),
            _ => self.put_beside(key, &place.dir, path),
        }
    }

    /// The way of disks that cannot exchange.
    fn replace_by_link(
        &self,
        mut sealed: Sealed,
        key: &str,
        place: &Place<'_>,
        known: &Known<'_>,
        content_of: &ContentOf<'_>,
    ) -> Result<Print, HandError> {
        let private = self.private()?;
        let give_up = |error: HandError| {
            // The old file still has its own name; only the second one goes.
            let _ = private.stash.unlink(key.as_bytes());
            stash::forget(&private.stash, key);
            error
        };
        self.keep_second(key, place, known).map_err(give_up)?;
        match is_content(&private.stash, key, known, content_of) {
            Ok(true) => (),
            Ok(false) => return Err(give_up(place.surprise())),
            Err(error) => return Err(give_up(failed("verify the old file")(error))),
        }
        match place.look()? {
            Sight::File(print) if print.same_stamp(known.print) && print.mode == known.print.mode => (),
            found => return Err(give_up(super::surprise(found))),
        }
        place
            .dir
            .rename_over(&private.staging, sealed.name(), place.name)
            .map_err(failed("move the new file into place"))
            .map_err(give_up)?;
        sealed.moved().map_err(failed("look at the new file"))
    }

    /// Gives the old file a second name in the stash, or copies it there.
    fn keep_second(&self, key: &str, place: &Place<'_>, known: &Known<'_>) -> Result<(), HandError> {
        let stash = &self.private()?.stash;
        if stash.link_from(&place.dir, place.name, key.as_bytes()).is_ok() {
            return Ok(());
        }
        let mut file = place
            .dir
            .open_file(place.name)
            .map_err(failed("open the old file"))?;
        let mut copy = || -> io::Result<()> {
            let mut copy = stash.create_file(key.as_bytes(), 0o600)?;
            copy.copy_from(&mut file)?;
            copy.set_mtime(known.print.mtime_ns)?;
            copy.sync_all()
        };
        copy().map_err(failed("copy the old file to the stash"))
    }

    /// Gives a symbolic link another target, by putting a new link in its place.
    ///
    /// # Errors
    /// A surprise when anything else is there; it is left, or put back, as it was.
    pub fn replace_symlink(
        &self,
        path: &RelPath,
        expect: &Print,
        old: &Target,
        new: &Target,
    ) -> Result<Print, HandError> {
        let place = self.place(path)?;
        place.expect_symlink(expect, old)?;
        let stash = &self.private()?.stash;
        let key = stash::record(
            stash,
            path,
            None,
            &Kept::Symlink(old.clone(), Some(new.clone())),
            expect,
        )?;
        stash
            .make_symlink(new.as_bytes(), key.as_bytes())
            .map_err(super::symlink_failed)?;
        let made = stash
            .stat(key.as_bytes())
            .map_err(failed("look at the new link"))?
            .print;
        let swapped = match self.can_exchange() {
            true => place.dir.exchange(stash, key.as_bytes(), place.name),
            false => Err(platform::unsupported()),
        };
        match swapped {
            Ok(()) => (),
            Err(error) if platform::is_unsupported(&error) => {
                let renamed = place.dir.rename_over(stash, key.as_bytes(), place.name);
                renamed.map_err(failed("move the new link into place"))?;
                stash::forget(stash, &key);
                return place.expect_identity(&made);
            }
            Err(error) => {
                discard(stash, &key)?;
                return Err(failed("swap the new link into place")(error));
            }
        }
        if is_symlink(stash, &key, expect, old) {
            discard(stash, &key)?;
            return place.expect_identity(&made);
        }
        match place.dir.exchange(stash, key.as_bytes(), place.name) {
            Ok(()) if is_symlink(stash, &key, &made, new) => {
                discard(stash, &key)?;
                Err(place.surprise())
            }
            Ok(()) => Err(self.put_beside(&key, &place.dir, path)?),
            Err(_) => Err(self.put_back(&key, &place, path)?),
        }
    }
}

/// Tells whether what is in the stash under `key` is the very file that was expected, with its bytes.
pub(super) fn is_known(
    stash: &Dir,
    key: &str,
    known: &Known<'_>,
    content_of: &ContentOf<'_>,
) -> io::Result<bool> {
    if planted(Bug::NoLookAfter) {
        return Ok(true);
    }
    let seen = stash.stat(key.as_bytes())?;
    // Had its owner closed it just now, the new file would be open to others.
    let is_same = seen.print.same_stamp(known.print) && seen.print.mode == known.print.mode;
    if seen.file_type != FileType::File || !is_same {
        return Ok(false);
    }
    is_content(stash, key, known, content_of)
}

/// Tells whether what is in the stash under `key` has the expected bytes, and keeps them while they are read.
fn is_content(stash: &Dir, key: &str, known: &Known<'_>, content_of: &ContentOf<'_>) -> io::Result<bool> {
    let mut file = stash.open_file(key.as_bytes())?;
    let before = stash.stat_file(&file)?.print;
    let is_equal = content_of(&mut file)? == *known.content;
    Ok(is_equal && stash.stat_file(&file)?.print.same_file_state(&before))
}

/// Tells whether what is in the stash under `key` is the very link that was expected.
pub(super) fn is_symlink(stash: &Dir, key: &str, expect: &Print, target: &Target) -> bool {
    let seen = crate::disk::look::sight(stash, key.as_bytes());
    matches!(seen, Ok(Sight::Symlink(print, found)) if print.identity() == expect.identity() && found == *target)
}

/// Removes a link from the stash: it cannot change, and its target is in the history.
pub(super) fn discard(stash: &Dir, key: &str) -> Result<(), HandError> {
    stash
        .unlink(key.as_bytes())
        .map_err(failed("remove a link from the stash"))?;
    stash::forget(stash, key);
    Ok(())
}
