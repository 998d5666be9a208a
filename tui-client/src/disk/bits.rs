//! The permission bits of what the engine puts in the place of something else: they are those of what was there, and only
//! who may execute it follows the account. So what its owner has closed to others stays closed, also when it is made anew
//! where it stood.
//!
//! Law: at no moment does anything under a final name have a bit that what was known there did not have, but for the
//! execute bits, which follow the read bits.

use super::root::Root;
use super::sight::Print;
use super::staging::Staged;
use super::volume::File;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use sync_engine::RelPath;

/// So many places are remembered at most.
const PLACES_MAX: usize = 10_000;
/// What access lists leave when they cannot be kept: they may have closed a file to its own group.
const OWNER_ONLY: u32 = 0o700;

/// The unusual bits of what is not there any more, by place, since the client began.
#[derive(Debug, Default)]
pub(super) struct LeftBits(Mutex<BTreeMap<RelPath, u32>>);

impl Root {
    /// Remembers the permission bits of what is taken away from a place, if they are not those that new things get.
    pub fn remember_bits(&self, path: &RelPath, mode: u32) {
        let mode = mode & 0o777;
        if self.is_usual(mode) {
            return;
        }
        let mut left = self.left_bits().0.lock().unwrap_or_else(PoisonError::into_inner);
        left.insert(path.clone(), mode);
        if PLACES_MAX < left.len() {
            left.pop_first();
        }
    }

    /// Tells whether bits are those that new files or directories get; then they need not be remembered.
    #[must_use]
    pub fn is_usual(&self, mode: u32) -> bool {
        let usual = self.private().map_or(0o777, |private| private.mode_exec);
        [usual, usual & 0o666].contains(&(mode & 0o777))
    }

    /// Returns the bits that what stood at a place had, if they were unusual.
    #[must_use]
    pub fn bits_left_at(&self, path: &RelPath) -> Option<u32> {
        let left = self.left_bits().0.lock().unwrap_or_else(PoisonError::into_inner);
        left.get(path).copied()
    }

    /// Gives a file that is to replace another what that has and the account does not know: its access list and its
    /// extended attributes, as far as the system lets. Returns the bits that the new one is to be sealed with.
    pub(crate) fn bits_of_replaced(&self, path: &RelPath, print: &Print, staged: &mut Staged) -> u32 {
        let copied = match self.open_file(path) {
            Ok((old, found)) if found.identity() == print.identity() => {
                staged.file().copy_attributes_of(&old)
            }
            // What is there is another by now, and is not replaced.
            Ok(_) | Err(_) => Ok(()),
        };
        match copied {
            Ok(()) => print.mode,
            Err(error) => {
                tracing::debug!(%error, %path, "an access list could not be kept");
                print.mode & OWNER_ONLY
            }
        }
    }
}

impl File {
    /// Takes over another file's access list and extended attributes. Fails when there is an access list that cannot be
    /// kept; other attributes are kept as far as the system lets.
    fn copy_attributes_of(&self, from: &Self) -> io::Result<()> {
        match (from.platform(), self.platform()) {
            (Ok(from), Ok(to)) => super::platform::copy_attributes(from, to),
            // Another disk has none.
            _ => Ok(()),
        }
    }
}

/// Changes who may execute a file, along with who may read it.
pub(super) fn mode_with_exec(mode: u32, exec: bool, mode_exec: u32) -> u32 {
    let readers = (mode & 0o444) >> 2;
    match exec {
        // The owner's bit is the one that is synchronised; it is set even for a file that only others may read.
        true if mode & 0o100 == 0 => (mode & 0o777) | (readers & mode_exec) | 0o100,
        false if mode & 0o100 != 0 => mode & 0o666,
        true | false => mode & 0o777,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn execute_bits_follow_the_read_bits_and_the_mask() {
        assert_eq!(mode_with_exec(0o644, true, 0o755), 0o755);
        assert_eq!(mode_with_exec(0o640, true, 0o755), 0o750);
        assert_eq!(mode_with_exec(0o644, true, 0o700), 0o744);
        assert_eq!(mode_with_exec(0o6755, true, 0o755), 0o755);
        assert_eq!(mode_with_exec(0o4755, false, 0o755), 0o644);
    }

    #[test]
    fn bits_are_kept_when_who_may_execute_does_not_change_and_never_widened() {
        for mode in 0..=0o777 {
            let is_exec = mode & 0o100 != 0;
            assert_eq!(mode_with_exec(mode, is_exec, 0o755), mode);
            let changed = mode_with_exec(mode, !is_exec, 0o755);
            assert_eq!(changed & 0o666, mode & 0o666, "{mode:o}");
            let readers = (mode & 0o444) >> 2;
            assert_eq!(changed & 0o011 & !mode & !readers, 0, "{mode:o}");
        }
    }
}
