//! What a crash of the machine leaves behind, and how the next start brings it in order. A commit flushes the packs,
//! notes how far, and only then counts; so all before that note is whole. Behind it there may be chunks that were
//! brought but never committed: each is read and verified, and forgotten if it is not whole, with the lists above it; an
//! older list above one is incomplete. The device that brought it asks again which are missing. What the history needs (it was damaged before, and had
//! come again) counts as damaged instead. What then lies behind the last chunk that is known is cut off.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use sync_engine::Hash;

use super::blobs::{Blobs, Mark};
use super::files::PackFiles;
use super::{AccountKey, ChunkRow, Durability, Metadata, Packs, Records, Sqlite, StoreError};
use crate::chunk;
use crate::damage::Damage;
use crate::reach::Reach;

/// Brings a store in order and opens its packs to append.
pub(super) fn recover(metadata: &Sqlite, files: Arc<dyn PackFiles>) -> Result<Packs, StoreError> {
    let reading = Packs::open_for_reading(files.clone());
    let (flushed, found) = metadata.read(|records| {
        let flushed = records.flushed()?;
        Ok((flushed, look(records, &reading, flushed)?))
    })?;
    for (account, rows) in &found.broken {
        tracing::warn!(
            account = account.0,
            chunks = rows.len(),
            "chunks that were never committed were lost in a crash; devices will send them again"
        );
        forget(metadata, &reading, *account, rows)?;
    }
    Packs::open(files, flushed, found.end)
}

/// What lies behind the note of how far the packs were flushed.
struct Behind {
    /// Where the last whole chunk ends.
    end: Mark,
    /// Chunks that are not whole, and lists that name one of them.
    broken: BTreeMap<AccountKey, Vec<ChunkRow>>,
}

fn look(records: &dyn Records, blobs: &dyn Blobs, flushed: Mark) -> Result<Behind, StoreError> {
    let mut rows = Vec::new();
    records.chunks_behind(flushed, &mut |account, row| rows.push((account, row)))?;
    let mut behind = Behind {
        end: flushed,
        broken: BTreeMap::new(),
    };
    let mut lost: HashSet<(AccountKey, Hash)> = HashSet::new();
    // A list comes after all that it names.
    for (account, row) in rows {
        let stored = blobs.read(account, &row.hash, row.place).ok();
        let stored = stored.filter(|stored| chunk::is_whole(&row, stored));
        let parts = stored.as_ref().and_then(|stored| chunk::parts(&row, stored));
        let misses = |part: &common::list::Part| lost.contains(&(account, part.hash));
        if stored.is_some() && !parts.unwrap_or_default().iter().any(misses) {
            behind.end = behind.end.max(row.end());
        } else {
            lost.insert((account, row.hash));
            behind.broken.entry(account).or_default().push(row);
        }
    }
    Ok(behind)
}

fn forget(
    metadata: &Sqlite,
    blobs: &dyn Blobs,
    account: AccountKey,
    rows: &[ChunkRow],
) -> Result<(), StoreError> {
    metadata.write(Durability::Flushed, |draft| {
        let needed = Reach::of_history(draft, blobs, account)?.hashes;
        let is_loose = |row: &&ChunkRow| !needed.contains(&row.hash);
        // A list that nobody needs yet may stand above any of them.
        let damage = Damage::find(draft, blobs, account, rows.to_vec())?;
        rows.iter()
            .filter(is_loose)
            .try_for_each(|row| draft.drop_chunk(account, row))?;
        damage.note(draft, blobs)
    })
}
