//! What a crash of the machine leaves behind, and how the next start brings it in order. A commit flushes the packs,
//! notes how far, and only then counts; so all before that note is whole. Behind it there may be chunks that were
//! brought but never committed: each is read and verified, and forgotten if it is not whole. The device that brought
//! it asks again which are missing. What then lies behind the last chunk that is known is cut off.

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
    let mut broken = Vec::new();
    for (account, row) in rows {
        let stored = reading.read(account, &row.hash, row.place);
        if stored.is_ok_and(|bytes| chunk::is_whole(&row, &bytes)) {
            end = end.max(end_of(&row));
        } else {
            broken.push((account, row.hash));
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
