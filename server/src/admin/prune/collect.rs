//! Collecting the chunks of one account. What is kept is looked up in one view of the store, which takes long and keeps
//! nobody waiting; what came since is looked at again in each short transaction that changes something.

use std::collections::HashSet;
use sync_engine::{Bug, Hash, Version, planted};

use super::retention::{Policy, retention};
use crate::chunk;
use crate::damage::{all_here, read_parts};
use crate::reach::Reach;
use crate::store::blobs::Mark;
use crate::store::{
    AccountKey, Blobs, ChunkRow, ChunkState, Draft, Durability, Metadata, Records, Store, StoreError,
};

/// Chunks that one transaction changes, so that a running server never waits long for its own.
const BATCH_MAX: usize = 2000;
/// Entries that are read at a time.
const ENTRIES_MAX: usize = 4096;
/// The length of those, in bytes.
const ENTRIES_LEN: usize = 4 * 1024 * 1024;

/// Some chunks.
#[derive(Debug, Default)]
pub(super) struct Sum {
    /// How many.
    pub(super) n_chunks: usize,
    /// Their length as stored.
    pub(super) len_bytes: u64,
}

impl Sum {
    fn of(rows: &[ChunkRow]) -> Self {
        Self {
            n_chunks: rows.len(),
            len_bytes: rows.iter().map(|row| u64::from(row.place.stored_len)).sum(),
        }
    }
}

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// Versions that were not given up before.
    pub(super) n_given_up: usize,
    /// Chunks that the next run drops.
    pub(super) condemned: Sum,
    /// Chunks that an earlier run condemned, and that are gone now.
    pub(super) dropped: Sum,
    /// Chunks that an earlier run condemned, and that are kept after all.
    pub(super) n_pardoned: usize,
}

/// What is to be done, as one view of the store has it.
pub(super) struct Finding {
    kept: Kept,
    given_up: Vec<Hash>,
    n_given_up: usize,
    /// Condemned before, and kept after all; chunks before the lists that name them.
    pardoned: Vec<ChunkRow>,
    dropped: Vec<ChunkRow>,
    /// Lists before what they name, so that no list ever stands on something condemned.
    condemned: Vec<ChunkRow>,
}

/// What is kept, and up to where the account was looked at for it.
struct Kept {
    reach: Reach,
    head: Version,
    looked: Mark,
}

/// Collects in an account; nothing if something that is kept is damaged, since what it is made of is then not known.
pub(super) fn collect(
    store: &Store,
    account: AccountKey,
    policy: &Policy,
) -> Result<Option<Collected>, StoreError> {
    let found = find(store, account, policy)?;
    found
        .map(|finding| carry_out(store, account, finding))
        .transpose()
}

/// Finds what is to be done; nothing if something that is kept is damaged.
pub(super) fn find(
    store: &Store,
    account: AccountKey,
    policy: &Policy,
) -> Result<Option<Finding>, StoreError> {
    store
        .metadata
        .read(|records| look(records, &store.packs, account, policy))
}

/// Does what is to be done, as far as nothing that came since speaks against it.
pub(super) fn carry_out(
    store: &Store,
    account: AccountKey,
    mut finding: Finding,
) -> Result<Collected, StoreError> {
    let mut collected = Collected {
        n_given_up: finding.n_given_up,
        n_pardoned: finding.pardoned.len(),
        dropped: Sum::of(&finding.dropped),
        condemned: Sum::default(),
    };
    let write = |work: &mut dyn FnMut(&dyn Draft) -> Result<(), StoreError>| {
        store.metadata.write(Durability::Flushed, |draft| work(draft))
    };
    for rows in finding.pardoned.chunks(BATCH_MAX) {
        write(&mut |draft| {
            rows.iter()
                .try_for_each(|row| pardon(draft, &store.packs, account, row))
        })?;
    }
    for rows in finding.dropped.chunks(BATCH_MAX) {
        write(&mut |draft| rows.iter().try_for_each(|row| draft.drop_chunk(account, row)))?;
    }
    let kept = &mut finding.kept;
    for hashes in finding.given_up.chunks(BATCH_MAX) {
        write(&mut |draft| {
            kept.refresh(draft, &store.packs, account)?;
            let gone = hashes.iter().filter(|hash| !kept.reach.hashes.contains(hash));
            gone.into_iter()
                .try_for_each(|hash| draft.set_thinned(account, hash, true))
        })?;
    }
    for rows in finding.condemned.chunks(BATCH_MAX) {
        let mut gone = Vec::new();
        write(&mut |draft| {
            kept.refresh(draft, &store.packs, account)?;
            let is_gone = |row: &&ChunkRow| !kept.reach.hashes.contains(&row.hash);
            gone = rows.iter().filter(is_gone).copied().collect();
            gone.iter()
                .try_for_each(|row| draft.set_chunk_state(account, row, ChunkState::Condemned))
        })?;
        let sum = Sum::of(&gone);
        collected.condemned.n_chunks += sum.n_chunks;
        collected.condemned.len_bytes += sum.len_bytes;
    }
    Ok(collected)
}

fn look(
    records: &dyn Records,
    blobs: &dyn Blobs,
    account: AccountKey,
    policy: &Policy,
) -> Result<Option<Finding>, StoreError> {
    let is_lacking = !records.lacking(account, 1)?.is_empty();
    let retention = retention(records, account, policy)?;
    let mut reach = Reach::default();
    for top in &retention.kept {
        reach.add(records, blobs, account, *top)?;
    }
    if is_lacking || !reach.unreadable.is_empty() {
        return Ok(None);
    }
    let given_up: HashSet<Hash> = retention.old.iter().map(|old| old.hash).collect();
    let mut of_old = Reach::default();
    for top in &given_up {
        of_old.add(records, blobs, account, *top)?;
    }
    let mut n_given_up = 0;
    for old in &retention.old {
        n_given_up += usize::from(!records.is_thinned(account, &old.hash)?);
    }
    let pruned = records.pruned()?;
    let (mut pardoned, mut dropped, mut condemned) = (Vec::new(), Vec::new(), Vec::new());
    records.chunks_behind(Mark::default(), &mut |of, row| {
        let is_kept = reach.hashes.contains(&row.hash);
        let is_condemned = row.state == ChunkState::Condemned;
        let may_be_coming =
            pruned < row.end() && !of_old.hashes.contains(&row.hash) && !planted(Bug::CollectsWhatComes);
        match (is_condemned, is_kept) {
            _ if of != account => (),
            (true, true) if !planted(Bug::NeverPardons) => pardoned.push(row),
            (true, _) => dropped.push(row),
            (false, false) if !may_be_coming => condemned.push(row),
            (false, _) => (),
        }
    })?;
    pardoned.sort_by_key(|row| row.depth);
    condemned.sort_by_key(|row| std::cmp::Reverse(row.depth));
    Ok(Some(Finding {
        kept: Kept {
            reach,
            head: records.account(account)?.map_or(Version::ZERO, |row| row.head),
            looked: records.end_of_chunks()?,
        },
        given_up: given_up.into_iter().collect(),
        n_given_up,
        pardoned,
        dropped,
        condemned,
    }))
}

impl Kept {
    /// Adds what changes and lists that came since need.
    fn refresh(
        &mut self,
        records: &dyn Records,
        blobs: &dyn Blobs,
        account: AccountKey,
    ) -> Result<(), StoreError> {
        if planted(Bug::CollectsUnrefreshed) {
            return Ok(());
        }
        loop {
            let entries = records.entries(account, self.head, ENTRIES_MAX, ENTRIES_LEN)?;
            let Some(last) = entries.last() else { break };
            self.head = last.entry.number;
            for (_, content) in entries.iter().filter_map(|stored| stored.entry.change.content()) {
                self.reach.add(records, blobs, account, content.hash)?;
            }
        }
        let mut came = Vec::new();
        records.chunks_behind(self.looked, &mut |of, row| {
            if of == account && row.depth != 0 {
                came.push(row.hash);
            }
        })?;
        self.looked = records.end_of_chunks()?;
        came.into_iter()
            .try_for_each(|hash| self.reach.add(records, blobs, account, hash))
    }
}

/// Takes a chunk back that was condemned, in the state in which it is found.
fn pardon(
    draft: &dyn Draft,
    blobs: &dyn Blobs,
    account: AccountKey,
    row: &ChunkRow,
) -> Result<(), StoreError> {
    let stored = blobs.read(account, &row.hash, row.place);
    let state = if !stored.is_ok_and(|stored| chunk::is_whole(row, &stored)) {
        ChunkState::Damaged
    } else if row.depth == 0 {
        ChunkState::Whole
    } else {
        let parts = read_parts(blobs, account, row).unwrap_or_default();
        match all_here(draft, account, row, &parts)? {
            true => ChunkState::Whole,
            false => ChunkState::Incomplete,
        }
    };
    draft.set_chunk_state(account, row, state)?;
    draft.set_thinned(account, &row.hash, false)
}
