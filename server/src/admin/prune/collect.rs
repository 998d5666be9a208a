//! Collecting the chunks of one account. What is kept is looked up in one view of the store, which takes long and keeps
//! nobody waiting; what came since is looked at again in each short transaction that changes something.
//!
//! Law: between any two of these transactions, and after the last, all that a whole list names is whole, whatever
//! devices bring and commit meanwhile. So besides what is kept, all stays that is below a list that may be coming: it
//! may be much older than the list.

use std::collections::{HashSet, VecDeque};
use sync_engine::{Bug, Hash, Version, planted};

use super::retention::{Policy, Retention, retention};
use crate::chunk;
use crate::damage::{Damage, all_here, read_parts};
use crate::reach::Reach;
use crate::store::blobs::Mark;
use crate::store::{
    AccountKey, Blobs, ChunkRow, ChunkState, Draft, Durability, Metadata, Records, Store, StoreError,
};

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
    fn add(&mut self, rows: &[ChunkRow]) {
        self.n_chunks += rows.len();
        self.len_bytes += rows
            .iter()
            .map(|row| u64::from(row.place.stored_len))
            .sum::<u64>();
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

/// A collection in one account that is under way. Each piece of its work is one transaction. Between two of them anything
/// may happen to the store, and it may end after any.
pub(super) struct Work {
    account: AccountKey,
    kept: Kept,
    rest: VecDeque<Piece>,
    /// What was done so far.
    pub(super) collected: Collected,
}

/// What one transaction does, as far as nothing that came since speaks against it.
enum Piece {
    /// Chunks that were condemned and are kept after all; chunks before the lists that name them.
    Pardon(Vec<ChunkRow>),
    /// Contents of which it is noted that they are kept.
    Keep(Vec<Hash>),
    /// Contents of which it is noted that they are given up.
    GiveUp(Vec<Hash>),
    /// Lists before what they name, so that no list ever stands on something condemned.
    Condemn(Vec<ChunkRow>),
    /// Chunks that were condemned before; lists before what they name, so that what is left of a content after an
    /// interruption never looks like one that could be kept after all.
    Drop(Vec<ChunkRow>),
}

/// What stays, and up to where the account was looked at for it.
struct Kept {
    reach: Reach,
    head: Version,
    looked: Mark,
}

/// Looks what is to be done in an account, at most so many chunks in one transaction; nothing if something that is kept
/// is damaged or gone, since what it is made of may not be known then.
pub(super) fn find(
    store: &Store,
    account: AccountKey,
    policy: &Policy,
    n_max: usize,
) -> Result<Option<Work>, StoreError> {
    let look = |records: &dyn Records| look(records, &store.packs, account, policy, n_max);
    store.metadata.read(look)
}

/// Notes which lists stand above something that is gone, so that devices are asked for it.
pub(super) fn note_missing(store: &Store, account: AccountKey) -> Result<(), StoreError> {
    let find = |records: &dyn Records| Damage::find(records, &store.packs, account, Vec::new());
    let damage = store.metadata.read(find)?;
    let write = |draft: &dyn Draft| damage.note(draft, &store.packs);
    store.metadata.write(Durability::Flushed, write)
}

impl Work {
    /// Does a piece of it; tells whether there was one left.
    pub(super) fn go_on(&mut self, store: &Store) -> Result<bool, StoreError> {
        let Some(piece) = self.rest.pop_front() else {
            return Ok(false);
        };
        let write = |draft: &dyn Draft| self.carry_out(draft, &store.packs, &piece);
        store.metadata.write(Durability::Flushed, write)?;
        Ok(true)
    }

    fn carry_out(&mut self, draft: &dyn Draft, blobs: &dyn Blobs, piece: &Piece) -> Result<(), StoreError> {
        let account = self.account;
        self.kept.refresh(draft, blobs, account)?;
        let kept = &self.kept.reach.hashes;
        let without_kept = |rows: &[ChunkRow]| -> Vec<ChunkRow> {
            let gone = rows.iter().filter(|row| !kept.contains(&row.hash));
            gone.copied().collect()
        };
        match piece {
            Piece::Pardon(rows) => {
                let mut pardoned = rows.iter();
                pardoned.try_for_each(|row| pardon(draft, blobs, account, row))
            }
            Piece::Keep(hashes) => hashes
                .iter()
                .try_for_each(|hash| draft.set_thinned(account, hash, false)),
            Piece::GiveUp(hashes) => {
                let mut gone = hashes.iter().filter(|hash| !kept.contains(hash));
                gone.try_for_each(|hash| draft.set_thinned(account, hash, true))
            }
            Piece::Condemn(rows) => {
                let rows = without_kept(rows);
                self.collected.condemned.add(&rows);
                let condemn = |row| draft.set_chunk_state(account, row, ChunkState::Condemned);
                rows.iter().try_for_each(condemn)
            }
            Piece::Drop(rows) => {
                let rows = without_kept(rows);
                self.collected.dropped.add(&rows);
                rows.iter().try_for_each(|row| draft.drop_chunk(account, row))
            }
        }
    }
}

fn look(
    records: &dyn Records,
    blobs: &dyn Blobs,
    account: AccountKey,
    policy: &Policy,
    n_max: usize,
) -> Result<Option<Work>, StoreError> {
    let Retention { kept, old } = retention(records, account, policy)?;
    let Some((mut reach, again)) = reach_of_kept(records, blobs, account, &kept)? else {
        return Ok(None);
    };
    let given_up: HashSet<Hash> = old.iter().map(|old| old.hash).collect();
    let mut of_old = Reach::default();
    for top in &given_up {
        of_old.add(records, blobs, account, *top)?;
    }
    let mut n_given_up = 0;
    for old in &old {
        n_given_up += usize::from(!records.is_thinned(account, &old.hash)?);
    }
    let pruned = records.pruned()?;
    let is_coming = |row: &ChunkRow| {
        pruned < row.end() && !of_old.hashes.contains(&row.hash) && !planted(Bug::CollectsWhatComes)
    };
    let (mut rows, mut coming) = (Vec::new(), Vec::new());
    records.chunks_of(account, &mut |row| match row.state {
        ChunkState::Whole | ChunkState::Damaged | ChunkState::Incomplete if is_coming(&row) => {
            coming.extend((row.depth != 0).then_some(row.hash));
        }
        _ if reach.hashes.contains(&row.hash) && row.state != ChunkState::Condemned => (),
        _ => rows.push(row),
    })?;
    for hash in coming
        .into_iter()
        .filter(|_| !planted(Bug::CollectsBelowWhatComes))
    {
        reach.add(records, blobs, account, hash)?;
    }
    if !reach.unreadable.is_empty() {
        return Ok(None);
    }
    let Sorted {
        pardoned,
        condemned,
        dropped,
    } = sort_out(rows, &reach);
    let collected = Collected {
        n_given_up,
        n_pardoned: pardoned.len(),
        ..Collected::default()
    };
    let given_up: Vec<Hash> = given_up.into_iter().collect();
    let rest = pieces(&pardoned, n_max, Piece::Pardon)
        .chain(pieces(&again, n_max, Piece::Keep))
        .chain(pieces(&given_up, n_max, Piece::GiveUp))
        .chain(pieces(&condemned, n_max, Piece::Condemn))
        .chain(pieces(&dropped, n_max, Piece::Drop))
        .collect();
    let kept = Kept {
        reach,
        head: records.account(account)?.map_or(Version::ZERO, |row| row.head),
        looked: records.end_of_chunks()?,
    };
    Ok(Some(Work {
        account,
        kept,
        rest,
        collected,
    }))
}

/// What becomes of chunks, each in the order in which it has to happen.
#[derive(Default)]
struct Sorted {
    pardoned: Vec<ChunkRow>,
    condemned: Vec<ChunkRow>,
    dropped: Vec<ChunkRow>,
}

/// Says what becomes of chunks by what stays.
fn sort_out(rows: Vec<ChunkRow>, stays: &Reach) -> Sorted {
    let mut sorted = Sorted::default();
    for row in rows {
        let is_condemned = row.state == ChunkState::Condemned;
        match (is_condemned, stays.hashes.contains(&row.hash)) {
            (true, true) if !planted(Bug::NeverPardons) => sorted.pardoned.push(row),
            (true, _) => sorted.dropped.push(row),
            (false, true) => (),
            (false, false) => sorted.condemned.push(row),
        }
    }
    sorted.pardoned.sort_by_key(|row| row.depth);
    for rows in [&mut sorted.condemned, &mut sorted.dropped] {
        rows.sort_by_key(|row| std::cmp::Reverse(row.depth));
    }
    sorted
}

/// Returns what contents that are kept are made of, and those of them that were given up once and are there after all;
/// nothing if something is damaged or gone. A content that was given up, and of which anything is gone, stays so.
fn reach_of_kept(
    records: &dyn Records,
    blobs: &dyn Blobs,
    account: AccountKey,
    kept: &HashSet<Hash>,
) -> Result<Option<(Reach, Vec<Hash>)>, StoreError> {
    let has_thinned = records.has_thinned(account)?;
    let (mut reach, mut again) = (Reach::default(), Vec::new());
    for top in kept {
        if has_thinned && records.is_thinned(account, top)? {
            let mut alone = Reach::default();
            alone.add(records, blobs, account, *top)?;
            if alone.is_lacking || !alone.unreadable.is_empty() {
                continue;
            }
            again.push(*top);
        }
        reach.add(records, blobs, account, *top)?;
    }
    let is_whole = !reach.is_lacking && reach.unreadable.is_empty();
    Ok(is_whole.then_some((reach, again)))
}

fn pieces<T: Copy>(all: &[T], n_max: usize, piece: impl Fn(Vec<T>) -> Piece) -> impl Iterator<Item = Piece> {
    all.chunks(n_max.max(1)).map(move |some| piece(some.to_vec()))
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
