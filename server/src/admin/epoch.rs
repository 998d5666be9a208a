//! A new epoch for a store that was put back to an older state by other means than this program's.

use super::Place;
use crate::program::print_line;
use crate::store::{Durability, Metadata, Sqlite, StoreError};
use crate::trouble::Trouble;

/// Gives the store another epoch. The server has to be stopped: it knows the epoch by heart.
pub(super) fn renew(place: &Place) -> Result<(), Trouble> {
    let store = place.open()?;
    let lock = place.directory().lock().map_err(Trouble::from)?;
    let Some(_lock) = lock else {
        return Err(Trouble::new(
            "a server is using this store",
            "nothing was changed",
            "stop the server first, and start it again afterwards",
        ));
    };
    let epoch = set_new(&store.metadata).map_err(Trouble::from)?;
    print_line(&format!("epoch={epoch}"))
}

/// Gives a database another epoch and returns it.
pub(super) fn set_new(metadata: &Sqlite) -> Result<sync_engine::Epoch, StoreError> {
    let mut epoch = [0; 16];
    common::entropy::fill(&mut epoch).map_err(|error| StoreError::Damaged {
        what: format!("the system's random source ({error})"),
    })?;
    let epoch = sync_engine::Epoch(epoch);
    metadata.write(Durability::Flushed, |draft| draft.set_epoch(epoch))?;
    Ok(epoch)
}
