//! Taking chunks and lists into an account. They were verified before; here it is seen to that a list comes only after
//! all that it names, so that who has a list has the whole file.

use common::message::Failure;
use sync_engine::Hash;
use tokio::sync::oneshot;

use super::Job;
use crate::chunk::{List, Verified};
use crate::store::blobs::NewBlob;
use crate::store::{AccountKey, Blobs, ChunkRow, ChunkState, Draft, Durability, StoreError};

/// What became of the chunks: the lists that were not taken.
pub(crate) type Stored = Result<Vec<Hash>, Failure>;

/// Chunks that a device brings without a commit. They need not be durable before a commit names them.
pub(crate) struct PutJob {
    account: AccountKey,
    chunks: Vec<Verified>,
    incomplete: Vec<Hash>,
    answer: oneshot::Sender<Stored>,
}

impl PutJob {
    /// Returns a job and the way in which it will be answered.
    pub(crate) fn new(account: AccountKey, chunks: Vec<Verified>) -> (Self, oneshot::Receiver<Stored>) {
        let (answer, answered) = oneshot::channel();
        (
            Self {
                account,
                chunks,
                incomplete: Vec::new(),
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

    fn run(&mut self, draft: &dyn Draft, blobs: &dyn Blobs) -> Result<(), StoreError> {
        self.incomplete = take_chunks(draft, blobs, self.account, &self.chunks)?;
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<(), Failure>) {
        let Self {
            incomplete, answer, ..
        } = *self;
        // Whoever asked may have gone.
        let _ = answer.send(outcome.map(|()| incomplete));
    }
}

/// Returns how many bytes chunks have as stored.
pub(super) fn len_of(chunks: &[Verified]) -> usize {
    chunks.iter().map(|chunk| chunk.bytes.len()).sum()
}

/// Takes chunks into an account, in order, and returns the lists that were not taken. What is there already stays as
/// it is, unless it is damaged or was about to be dropped. When the last that was damaged has come again, the lists
/// above are whole again too.
pub(crate) fn take_chunks(
    draft: &dyn Draft,
    blobs: &dyn Blobs,
    account: AccountKey,
    chunks: &[Verified],
) -> Result<Vec<Hash>, StoreError> {
    let mut incomplete = Vec::new();
    let (mut is_healing, mut more_bytes) = (false, 0_i64);
    for chunk in chunks {
        let hash = chunk.head.hash;
        let known = draft.chunk(account, &hash)?;
        if known.is_some_and(|row| row.is_here()) {
            continue;
        }
        is_healing |= known.is_some();
        let (depth, total_bytes) = match &chunk.list {
            None => (0, u64::from(chunk.head.plain_len)),
            Some(list) => match total_of(draft, account, list)? {
                Some(total_bytes) => (list.depth, total_bytes),
                None => {
                    incomplete.push(hash);
                    continue;
                }
            },
        };
        let blob = NewBlob {
            account,
            hash,
            depth,
            encoding: chunk.head.encoding,
            plain_len: chunk.head.plain_len,
            bytes: chunk.bytes.clone(),
        };
        let place = blobs.append(&blob)?;
        let row = ChunkRow {
            hash,
            depth,
            encoding: blob.encoding,
            plain_len: blob.plain_len,
            total_bytes,
            place,
            state: ChunkState::Whole,
        };
        draft.put_chunk(account, &row)?;
        more_bytes += i64::from(place.stored_len);
        more_bytes -= known.map_or(0, |known| i64::from(known.place.stored_len));
    }
    if more_bytes != 0 {
        draft.add_stored(account, more_bytes)?;
    }
    if is_healing {
        crate::damage::complete(draft, blobs, account)?;
    }
    Ok(incomplete)
}

/// Returns how many bytes a list stands for; nothing if something that it names is missing or is not what it says.
fn total_of(draft: &dyn Draft, account: AccountKey, list: &List) -> Result<Option<u64>, StoreError> {
    let mut total_bytes = 0_u64;
    for part in &list.parts {
        let Some(row) = draft.chunk(account, &part.hash)? else {
            return Ok(None);
        };
        if !row.is_here() || row.depth + 1 != list.depth || row.total_bytes != part.len_bytes {
            return Ok(None);
        }
        let Some(sum) = total_bytes.checked_add(part.len_bytes) else {
            return Ok(None);
        };
        total_bytes = sum;
    }
    Ok(Some(total_bytes))
}
