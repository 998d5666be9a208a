//! A copy of the store, made while the server runs: the database as it is at one moment, and then the packs, which only
//! grow. The copy gets an epoch of its own, so that devices which meet it compare anew and delete nothing. It is as
//! closed to others as the store itself from its first byte on, and whatever they put in the way, it is written nowhere
//! else. Its database comes last: a copy that was interrupted is no store.

use common::beneath::Dir;
use std::fs::File;
use std::io;
use std::path::Path;

use super::{epoch, file_failed, open_empty};
use crate::program::print_line;
use crate::store::{Directory, Sqlite, Store};
use crate::trouble::Trouble;

/// Copies the store.
pub(super) fn backup(store: &Store, from: &Directory, to: &Path) -> Result<(), Trouble> {
    // What is dropped meanwhile would be missing in the copy.
    let _lock = super::prune::lock(from)?;
    let target = open_empty(to, 0o700)?;
    target.close_to_others().map_err(|error| not_closed(to, &error))?;
    let database = from.new_database().map_err(Trouble::from)?;
    let copied = store
        .metadata
        .copy_to(&database)
        .and_then(|()| epoch::set_new(&Sqlite::open(&database)?))
        .map_err(Trouble::from)
        .and_then(|_| write(store, from, &database, &target, to));
    // The next backup removes it too.
    let removed = from.remove_new_database().map_err(Trouble::from);
    copied.and(removed)?;
    print_line(&format!("copied to={}", to.display()))
}

/// Writes the packs, and then the database.
fn write(store: &Store, from: &Directory, database: &Path, target: &Dir, to: &Path) -> Result<(), Trouble> {
    let made = || {
        target.make_dir(b"packs", 0o700)?;
        target.enter("packs")
    };
    let packs = made().map_err(|error| file_failed("made", &to.join("packs"), &error))?;
    for pack in store.packs.numbers().map_err(Trouble::from)? {
        let name = Directory::pack_name(pack);
        copy(&from.packs().join(&name), &packs, &name)
            .map_err(|error| file_failed("copied", &to.join("packs").join(&name), &error))?;
    }
    let flush = |dir: &Dir| dir.flush().map_err(|error| file_failed("flushed", to, &error));
    flush(&packs)?;
    copy(database, target, Directory::DATABASE)
        .map_err(|error| file_failed("copied", &to.join(Directory::DATABASE), &error))?;
    flush(target)
}

/// Copies a file of the store and flushes it.
fn copy(from: &Path, to: &Dir, name: &str) -> io::Result<()> {
    let mut file = to.create_file(name.as_bytes(), 0o600)?;
    io::copy(&mut File::open(from)?, &mut file)?;
    file.sync_all()
}

fn not_closed(to: &Path, error: &io::Error) -> Trouble {
    Trouble::new(
        format!("{} cannot be closed to others: {error}", to.display()),
        "nothing was copied, since others could read or replace the copy there",
        "name a directory that is yours, or one that does not exist yet",
    )
}
