//! A copy of the store, made while the server runs: the database as it is at one moment, and then the packs, which only
//! grow. The copy gets an epoch of its own, so that devices which meet it compare anew and delete nothing.

use std::path::Path;

use super::{epoch, file_failed, make_empty};
use crate::program::print_line;
use crate::store::{Directory, Sqlite, Store};
use crate::trouble::Trouble;

/// Copies the store.
pub(super) fn backup(store: &Store, from: &Directory, to: &Path) -> Result<(), Trouble> {
    // What is dropped meanwhile would be missing in the copy.
    let _lock = super::prune::lock(from)?;
    make_empty(to)?;
    let copy = Directory::new(to);
    copy.make().map_err(Trouble::from)?;
    store.metadata.copy_to(&copy.database()).map_err(Trouble::from)?;
    for pack in store.packs.numbers().map_err(Trouble::from)? {
        let name = format!("{pack:08}.pack");
        let target = copy.packs().join(&name);
        std::fs::copy(from.packs().join(&name), &target)
            .and_then(|_| std::fs::File::open(&target)?.sync_all())
            .map_err(|error| file_failed("copied", &target, &error))?;
    }
    let metadata = Sqlite::open(&copy.database()).map_err(Trouble::from)?;
    epoch::set_new(&metadata).map_err(Trouble::from)?;
    print_line(&format!("copied to={}", to.display()))
}
