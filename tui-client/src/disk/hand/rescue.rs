//! Undoing: what an effect took away by mistake goes back to its name, or beside it when the name is taken by then. If
//! not even that works it stays in the stash, which surfaces it later.

use super::{HandError, Place};
use crate::disk::root::Root;
use crate::disk::stash;
use crate::disk::volume::Dir;
use std::io;
use sync_engine::{Name, RelPath, name};

/// How many names are tried beside a taken one.
const BESIDE_TRIES_MAX: u32 = 1000;

impl Root {
    /// Puts back what was taken into the stash under `key`. Returns what the step is to answer.
    pub(in crate::disk) fn put_back(
        &self,
        key: &str,
        place: &Place<'_>,
        path: &RelPath,
    ) -> Result<HandError, HandError> {
        let stash = &self.private()?.stash;
        match place.dir.rename_new(stash, key.as_bytes(), place.name) {
            Ok(()) => {
                stash::forget(stash, key);
                Ok(place.surprise())
            }
            Err(_) => self.put_beside(key, &place.dir, path),
        }
    }

    /// Puts what is in the stash under `key` beside a path whose name is taken.
    pub(in crate::disk) fn put_beside(
        &self,
        key: &str,
        dir: &Dir,
        path: &RelPath,
    ) -> Result<HandError, HandError> {
        let stash = &self.private()?.stash;
        let Some((parent, taken)) = path.split_last() else {
            return Ok(HandError::Gone);
        };
        for number in 1..=BESIDE_TRIES_MAX {
            let beside = name_beside(taken, number);
            match dir.rename_new(stash, key.as_bytes(), beside.as_bytes()) {
                Ok(()) => {
                    stash::forget(stash, key);
                    let at = parent.join(&beside);
                    return Ok(HandError::Rescued { at });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => (),
                // It stays in the stash, where it is found to be changed and brought back later.
                Err(source) => {
                    let deed = "put back what was taken away by mistake, which stays in the stash";
                    return Err(HandError::Io { deed, source });
                }
            }
        }
        Err(HandError::Taken)
    }
}

/// Makes a visible name beside one that is taken: `stem (rescued 1).ext`.
fn name_beside(taken: &Name, number: u32) -> Name {
    let mark = format!(" (rescued {number})");
    let bytes = taken.as_bytes();
    let dot = bytes
        .iter()
        .rposition(|byte| *byte == b'.')
        .filter(|at| 0 < *at && bytes.len() - at <= 16);
    let (stem, extension) = bytes.split_at(dot.unwrap_or(bytes.len()));
    let len_max = name::NAME_LEN_MAX - mark.len() - extension.len();
    let stem = match std::str::from_utf8(stem) {
        Ok(text) => name::truncate(text, len_max).as_bytes(),
        Err(_) => &stem[..stem.len().min(len_max)],
    };
    Name::new(&[stem, mark.as_bytes(), extension].concat())
        .expect("a part of a name with a mark in it is a name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_beside_keeps_its_extension_and_the_limit() {
        let beside = |name: &[u8]| name_beside(&Name::new(name).unwrap(), 7);
        assert_eq!(beside(b"a.txt").as_bytes(), b"a (rescued 7).txt");
        assert_eq!(beside(b".profile").as_bytes(), b".profile (rescued 7)");
        assert_eq!(beside(b"\xff.x").as_bytes(), b"\xff (rescued 7).x");
        let long = beside("\u{e9}".repeat(127).as_bytes());
        assert!(long.as_bytes().len() <= 255 && long.as_str().is_some());
    }
}
