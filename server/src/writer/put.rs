//! Taking chunks and lists into an account. They were verified before; here it is seen to that a list comes only after
//! all that it names, so that who has a list has the whole file.

use common::list::Part;
use common::message::Failure;
use std::collections::BTreeMap;
use sync_engine::{Bug, Hash, planted};
use tokio::sync::oneshot;

use super::{Job, Work};
use crate::chunk::Verified;
use crate::store::blobs::NewBlob;
use crate::store::{
    AccountKey, Blobs, CHUNK_LEN, ChunkRow, ChunkState, Draft, Durability, Extent, StoreError,
};

/// What became of the chunks: the lists that were not taken.
pub(crate) type Stored = Result<Vec<Hash>, Failure>;

/// Chunks that a device brings without a commit. They need not be durable before a commit names them.
pub(crate) struct PutJob {
    account: AccountKey,
    /// How many bytes the account may have, unless something else was set for it.
    quota_bytes: Option<u64>,
    chunks: Vec<Verified>,
    /// How many of them were taken, or not, for good.
    n_done: usize,
    /// What became of those.
    done: Summary,
    /// What became of those after them, in this transaction.
    taken: Taken,
    answer: oneshot::Sender<Stored>,
}

/// What is to be told of chunks that were brought.
#[derive(Debug, Default)]
struct Summary {
    incomplete: Vec<Hash>,
    is_over_quota: bool,
}

/// What became of chunks that were brought.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// All of them that the account has now, those that it had before included.
    pub(crate) here: BTreeMap<Hash, Extent>,
    /// The lists that were not taken, because something that they name is missing.
    pub(crate) incomplete: Vec<Hash>,
    /// Whether something was not taken because the account has no room for it.
    pub(crate) is_over_quota: bool,
    /// How many were looked at; the others have to wait.
    pub(crate) n_done: usize,
}

impl PutJob {
    /// Returns a job and the way in which it will be answered.
    pub(crate) fn new(
        account: AccountKey,
        quota_bytes: Option<u64>,
        chunks: Vec<Verified>,
    ) -> (Self, oneshot::Receiver<Stored>) {
        let (answer, answered) = oneshot::channel();
        (
            Self {
                account,
                quota_bytes,
                chunks,
                n_done: 0,
                done: Summary::default(),
                taken: Taken::default(),
                answer,
            },
            answered,
        )
    }
}

impl Job for PutJob {
    fn durability(&self) -> Durability {
        Durability::Later
    }

    fn len(&self) -> usize {
        len_of(&self.chunks)
    }

    fn work(&self) -> u64 {
        work_of(&self.chunks)
    }

    fn run(&mut self, draft: &dyn Draft, blobs: &dyn Blobs, work: &Work) -> Result<(), StoreError> {
        let rest = &self.chunks[self.n_done..];
        self.taken = take_some(draft, blobs, self.account, self.quota_bytes, rest, work)?;
        Ok(())
    }

    fn finish(mut self: Box<Self>, outcome: Result<(), Failure>) -> Option<Box<dyn Job>> {
        let taken = std::mem::take(&mut self.taken);
        self.n_done += taken.n_done;
        self.done.incomplete.extend(taken.incomplete);
        self.done.is_over_quota |= taken.is_over_quota;
        if outcome.is_ok() && self.n_done < self.chunks.len() {
            return Some(self);
        }
        let Self { done, answer, .. } = *self;
        let stored = match outcome {
            Ok(()) if done.is_over_quota => Err(Failure::Limit),
            Ok(()) => Ok(done.incomplete),
            Err(failure) => Err(failure),
        };
        // Whoever asked may have gone.
        let _ = answer.send(stored);
        None
    }
}

/// Returns how many bytes chunks have as stored.
pub(super) fn len_of(chunks: &[Verified]) -> usize {
    chunks.iter().map(|chunk| chunk.bytes.len()).sum()
}

/// Returns how much work it is to take chunks, about.
pub(super) fn work_of(chunks: &[Verified]) -> u64 {
    chunks.len() as u64 * (Work::QUESTION + Work::ROW)
}

/// Takes chunks into an account, in order, as far as it has room and there is work left. What is there already stays as
/// it is, unless it is damaged or was about to be dropped. When the last that was damaged has come again, the lists
/// above are whole again too.
pub(super) fn take_some(
    draft: &dyn Draft,
    blobs: &dyn Blobs,
    account: AccountKey,
    quota_bytes: Option<u64>,
    chunks: &[Verified],
    work: &Work,
) -> Result<Taken, StoreError> {
    let mut taken = Taken::default();
    let mut room = Room::new(account, quota_bytes);
    let (mut is_healing, mut more_bytes) = (false, 0_i64);
    let (mut blobs_taken, mut extents) = (Vec::new(), Vec::new());
    for chunk in chunks {
        if work.is_spent() {
            break;
        }
        taken.n_done += 1;
        let hash = chunk.head.hash;
        if taken.here.contains_key(&hash) {
            continue;
        }
        work.spend(Work::QUESTION);
        let known = draft.chunk(account, &hash)?;
        if let Some(row) = known.filter(ChunkRow::is_here) {
            taken.here.insert(hash, row.extent());
            continue;
        }
        let Some(extent) = extent_of(draft, account, &taken.here, chunk, work)? else {
            taken.incomplete.push(hash);
            continue;
        };
        let counted = |len: u64| i64::try_from(len + CHUNK_LEN).unwrap_or(i64::MAX);
        let before = known.map_or(0, |known| counted(u64::from(known.place.stored_len)));
        let more = counted(chunk.bytes.len() as u64) - before;
        if !room.has(draft, more_bytes + more)? {
            taken.is_over_quota = true;
            continue;
        }
        work.spend(Work::ROW);
        is_healing |= known.is_some();
        more_bytes += more;
        taken.here.insert(hash, extent);
        extents.push(extent);
        blobs_taken.push(NewBlob {
            account,
            hash,
            depth: extent.depth,
            encoding: chunk.head.encoding,
            plain_len: chunk.head.plain_len,
            bytes: chunk.bytes.clone(),
        });
    }
    write_blobs(draft, blobs, account, &blobs_taken, extents)?;
    if more_bytes != 0 {
        draft.add_stored(account, more_bytes)?;
    }
    if is_healing {
        crate::damage::complete(draft, blobs, account)?;
    }
    Ok(taken)
}

/// Writes chunks that are taken, and enters them.
fn write_blobs(
    draft: &dyn Draft,
    blobs: &dyn Blobs,
    account: AccountKey,
    taken: &[NewBlob],
    extents: Vec<Extent>,
) -> Result<(), StoreError> {
    let places = blobs.append(taken)?;
    for ((blob, extent), place) in taken.iter().zip(extents).zip(places) {
        let row = ChunkRow {
            hash: blob.hash,
            depth: extent.depth,
            encoding: blob.encoding,
            plain_len: blob.plain_len,
            total_bytes: extent.total_bytes,
            place,
            state: ChunkState::Whole,
        };
        draft.put_chunk(account, &row)?;
    }
    Ok(())
}

/// Takes all of some chunks into an account, as far as it has room.
#[cfg(test)]
pub(crate) fn take_chunks(
    draft: &dyn Draft,
    blobs: &dyn Blobs,
    account: AccountKey,
    quota_bytes: Option<u64>,
    chunks: &[Verified],
) -> Result<Taken, StoreError> {
    take_some(draft, blobs, account, quota_bytes, chunks, &Work::of_batch())
}

/// How much an account may still bring. It is looked up only for something new.
struct Room {
    account: AccountKey,
    default_bytes: Option<u64>,
    found: Option<i64>,
}

impl Room {
    fn new(account: AccountKey, default_bytes: Option<u64>) -> Self {
        Self {
            account,
            default_bytes,
            found: None,
        }
    }

    /// Tells whether there is room for so many bytes more. What takes no more than before always has room.
    fn has(&mut self, draft: &dyn Draft, more_bytes: i64) -> Result<bool, StoreError> {
        let room = match self.found {
            Some(room) => room,
            None => {
                let row = draft.account(self.account)?;
                let quota = row.as_ref().and_then(|row| row.quota_bytes);
                let used = row.map_or(0, |row| row.used_bytes());
                let room = quota.or(self.default_bytes).map_or(i64::MAX, |quota| {
                    i64::try_from(quota.saturating_sub(used)).unwrap_or(i64::MAX)
                });
                *self.found.insert(room)
            }
        };
        Ok(more_bytes <= room.max(0))
    }
}

/// Returns what a chunk or a list stands for; nothing if a list names something that is missing.
fn extent_of(
    draft: &dyn Draft,
    account: AccountKey,
    here: &BTreeMap<Hash, Extent>,
    chunk: &Verified,
    work: &Work,
) -> Result<Option<Extent>, StoreError> {
    if chunk.depth == 0 {
        return Ok(Some(Extent {
            depth: 0,
            total_bytes: u64::from(chunk.head.plain_len),
        }));
    }
    let parts = chunk.parts();
    let total_bytes = total_of(draft, account, here, chunk.depth, &parts, work)?;
    Ok(total_bytes.map(|total_bytes| Extent {
        depth: chunk.depth,
        total_bytes,
    }))
}

/// Returns how many bytes a list stands for; nothing if something that it names is missing or is not what it says.
fn total_of(
    draft: &dyn Draft,
    account: AccountKey,
    here: &BTreeMap<Hash, Extent>,
    depth: u8,
    parts: &[Part],
    work: &Work,
) -> Result<Option<u64>, StoreError> {
    let mut total_bytes = 0_u64;
    for part in parts {
        work.spend(Work::QUESTION);
        let extent = match here.get(&part.hash) {
            Some(extent) => *extent,
            None => match draft.chunk(account, &part.hash)? {
                Some(row) if row.is_here() => row.extent(),
                None if planted(Bug::ListWithoutParts) => {
                    return Ok(Some(parts.iter().map(|part| part.len_bytes).sum()));
                }
                Some(_) | None => return Ok(None),
            },
        };
        if extent.depth + 1 != depth || extent.total_bytes != part.len_bytes {
            return Ok(None);
        }
        let Some(sum) = total_bytes.checked_add(part.len_bytes) else {
            return Ok(None);
        };
        total_bytes = sum;
    }
    Ok(Some(total_bytes))
}
