//! Chunks whose bytes are not what was written, and chunks that are gone. They count as missing, and so does every list
//! above them, so that one look at the topmost list of a file still tells whether the whole file is there, and who has
//! it is asked for all of it. When a device has brought again what was missing, the lists are whole again.

use common::list::Part;
use std::collections::HashSet;
use sync_engine::Hash;

use crate::chunk;
use crate::store::blobs::Mark;
use crate::store::{AccountKey, Blobs, ChunkRow, ChunkState, Draft, Records, StoreError};

/// What was found damaged in an account, and the lists above it and above what is gone.
pub(crate) struct Damage {
    account: AccountKey,
    damaged: Vec<ChunkRow>,
    hollow: Vec<ChunkRow>,
    /// What came to the store behind this came after the lists were looked through.
    looked: Mark,
}

impl Damage {
    /// Looks which lists stand above damaged chunks, and above such as are not there. That takes long in a large store,
    /// so it is not done while others wait to write.
    pub(crate) fn find(
        records: &dyn Records,
        blobs: &dyn Blobs,
        account: AccountKey,
        damaged: Vec<ChunkRow>,
    ) -> Result<Self, StoreError> {
        let mut broken: HashSet<Hash> = damaged.iter().map(|row| row.hash).collect();
        let mut hollow = Vec::new();
        // Those that are named come before those that name them. Also such as do not count as whole now may do so when
        // this is noted.
        for row in records.lists(account)? {
            // One whose own bytes cannot be read is found damaged when somebody needs it.
            let Some(parts) = read_parts(blobs, account, &row) else {
                continue;
            };
            let is_broken = parts.iter().any(|part| broken.contains(&part.hash));
            if is_broken || !all_here(records, account, &row, &parts)? {
                broken.insert(row.hash);
                hollow.push(row);
            }
        }
        Ok(Self {
            account,
            hollow,
            looked: records.end_of_chunks()?,
            damaged,
        })
    }

    /// Notes it in the store, as far as it is still so: what was damaged or gone may have come again.
    pub(crate) fn note(&self, draft: &dyn Draft, blobs: &dyn Blobs) -> Result<(), StoreError> {
        for row in &self.damaged {
            draft.set_chunk_state(self.account, row, ChunkState::Damaged)?;
        }
        let mut lists = self.hollow.clone();
        draft.chunks_behind(self.looked, &mut |account, row| {
            if account == self.account && row.depth != 0 {
                lists.push(row);
            }
        })?;
        lists.sort_by_key(|row| row.depth);
        for row in lists {
            let Some(row) = draft.chunk(self.account, &row.hash)?.filter(ChunkRow::is_here) else {
                continue;
            };
            let Some(parts) = read_parts(blobs, self.account, &row) else {
                continue;
            };
            if !all_here(draft, self.account, &row, &parts)? {
                draft.set_chunk_state(self.account, &row, ChunkState::Incomplete)?;
            }
        }
        Ok(())
    }
}

/// Notes which lists are whole again, once nothing is damaged any more.
pub(crate) fn complete(draft: &dyn Draft, blobs: &dyn Blobs, account: AccountKey) -> Result<(), StoreError> {
    if draft.chunks_in(account, ChunkState::Damaged)?.is_empty() {
        settle(draft, blobs, account)?;
    }
    Ok(())
}

/// Takes chunks that were noted as damaged for whole, since their bytes were found to be right after all: a disk may
/// have been away for a while.
pub(crate) fn absolve(
    draft: &dyn Draft,
    blobs: &dyn Blobs,
    account: AccountKey,
    rows: &[ChunkRow],
) -> Result<(), StoreError> {
    for row in rows {
        let state = match row.depth {
            0 => ChunkState::Whole,
            _ => ChunkState::Incomplete,
        };
        draft.set_chunk_state(account, row, state)?;
    }
    settle(draft, blobs, account)
}

/// Notes which incomplete lists are whole, the lowest first.
fn settle(draft: &dyn Draft, blobs: &dyn Blobs, account: AccountKey) -> Result<(), StoreError> {
    for row in draft.chunks_in(account, ChunkState::Incomplete)? {
        let Some(parts) = read_parts(blobs, account, &row) else {
            draft.set_chunk_state(account, &row, ChunkState::Damaged)?;
            continue;
        };
        if all_here(draft, account, &row, &parts)? {
            draft.set_chunk_state(account, &row, ChunkState::Whole)?;
        }
    }
    Ok(())
}

/// Tells whether all that a list names is there and is what the list says.
pub(crate) fn all_here(
    records: &dyn Records,
    account: AccountKey,
    list: &ChunkRow,
    parts: &[Part],
) -> Result<bool, StoreError> {
    for part in parts {
        let child = records.chunk(account, &part.hash)?;
        let fits = child.is_some_and(|child| {
            child.is_here() && child.depth + 1 == list.depth && child.total_bytes == part.len_bytes
        });
        if !fits {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Reads what a list names; nothing if its bytes are not what its name says.
pub(crate) fn read_parts(blobs: &dyn Blobs, account: AccountKey, list: &ChunkRow) -> Option<Vec<Part>> {
    let stored = blobs.read(account, &list.hash, list.place).ok()?;
    chunk::parts(list, &stored)
}
