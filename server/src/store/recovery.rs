//! What a crash of the machine leaves behind, and how the next start brings it in order. A commit flushes the packs,
//! notes how far, and only then counts; so all before that note is whole. Behind it there may be chunks that were
//! brought but never committed: each is read and verified, and forgotten if it is not whole, with the lists above it.
//! The device that brought it asks again which are missing. What then lies behind the last chunk that is known is cut
//! off.

use common::list::Part;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::blobs::{Blobs, Mark};
use super::files::PackFiles;
use super::pack_file::HEADER_LEN;
use super::{ChunkRow, Durability, Metadata, Packs, Sqlite, StoreError};
use crate::chunk;

/// Brings a store in order and opens its packs to append.
pub(super) fn recover(metadata: &Sqlite, files: Arc<dyn PackFiles>) -> Result<Packs, StoreError> {
    let reading = Packs::open_for_reading(files.clone());
    let mut rows = Vec::new();
    let flushed = metadata.read(|records| {
        let flushed = records.flushed()?;
        records.chunks_behind(flushed, &mut |account, row| rows.push((account, row)))?;
        Ok(flushed)
    })?;
    let mut end = flushed;
    let mut broken = BTreeSet::new();
    // A list comes after all that it names.
    for (account, row) in rows {
        let stored = reading.read(account, &row.hash, row.place).ok();
        let stored = stored.filter(|bytes| chunk::is_whole(&row, bytes));
        let parts = stored.as_ref().and_then(|bytes| chunk::parts(&row, bytes));
        let misses = |part: &Part| broken.contains(&(account, part.hash));
        if stored.is_some() && !parts.unwrap_or_default().iter().any(misses) {
            end = end.max(end_of(&row));
        } else {
            broken.insert((account, row.hash));
        }
    }
    if !broken.is_empty() {
        tracing::warn!(
            chunks = broken.len(),
            "chunks that were never committed were lost in a crash; devices will send them again"
        );
        metadata.write(Durability::Flushed, |draft| {
            broken
                .iter()
                .try_for_each(|(account, hash)| draft.drop_chunk(*account, hash))
        })?;
    }
    let packs = Packs::open(files, flushed, end)?;
    Ok(packs)
}

fn end_of(row: &ChunkRow) -> Mark {
    let len = row.place.offset + HEADER_LEN as u64 + u64::from(row.place.stored_len);
    Mark {
        pack: row.place.pack,
        len,
    }
}
