//! Sending the content of one file. The lists are asked for first: one that the server has stands for all below it, so
//! that a small edit of a large file costs one question, the chunks that changed and the lists above them. Of a file with
//! few chunks all is asked for at once, and goes in one frame if it fits: of these there may be thousands, and each
//! question is a round trip.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use common::limits::{FRAME_LEN_AIM, HASHES_MAX};
use common::list::decode_unnamed_list;
use common::message::{Attachment, Form};
use common::offload;
use sync_engine::{Hash, RelPath};
use tokio::task::JoinSet;

use super::compress::attach;
use crate::chunker::{ChunkRef, Chunked};
use crate::disk::{DiskError, File, Root};
use crate::net::{Bulk, BulkError};

/// How many frames with chunks are under way at once for one file.
const FRAMES_UNDER_WAY: usize = 4;
/// Up to so many chunks are asked for together with the lists above them.
const ASKED_AT_ONCE_MAX: usize = 256;

/// Why a content could not be sent.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The file is not any more what was hashed; it has to be looked at again.
    #[error("the file changed while it was being sent")]
    Changed,
    /// The file cannot be read.
    #[error("the file cannot be read: {0}")]
    Unreadable(String),
    /// The connection or the server failed.
    #[error(transparent)]
    Bulk(#[from] BulkError),
}

impl From<DiskError> for UploadError {
    fn from(error: DiskError) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// Where the bytes of a file are.
#[derive(Debug, Clone)]
pub enum Source {
    /// In the folder, at this path.
    Folder(RelPath),
    /// In the stash, under this name.
    Stash(String),
}

impl Source {
    fn open(&self, root: &Root) -> Result<File, DiskError> {
        match self {
            Self::Folder(path) => root.open_file(path).map(|(file, _)| file),
            Self::Stash(key) => root.open_stashed(key),
        }
    }
}

/// Sends what the server lacks of a file; afterwards a commit may name its content. Calls `progress` with the bytes
/// that are through, those that the server had included.
///
/// # Errors
/// See [`UploadError`]; trying again is harmless and sends only what is still missing.
pub async fn upload(
    root: Root,
    source: Source,
    chunked: Arc<Chunked>,
    bulk: Bulk,
    progress: impl Fn(u64),
) -> Result<(), UploadError> {
    let all_lists = chunked.lists.iter().map(|(hash, _)| *hash);
    let is_small = chunked.chunks.len() <= ASKED_AT_ONCE_MAX;
    let along = chunked.chunks.iter().filter(|_| is_small).map(|chunk| chunk.hash);
    let asked: BTreeSet<Hash> = all_lists.clone().chain(along).collect();
    let lacking = missing(&bulk, asked.into_iter().collect()).await?;
    let lists: BTreeSet<Hash> = all_lists.filter(|hash| lacking.contains(hash)).collect();
    if chunked.content.depth > 0 && lists.is_empty() {
        progress(chunked.content.size_bytes);
        return Ok(());
    }
    let candidates = chunks_below(&chunked, &lists);
    let absent = if is_small {
        lacking
    } else {
        missing(&bulk, candidates.keys().copied().collect()).await?
    };
    let to_send: Vec<ChunkRef> = {
        let mut chunks: Vec<ChunkRef> = candidates
            .into_iter()
            .filter(|(hash, _)| absent.contains(hash))
            .map(|(_, chunk)| chunk)
            .collect();
        chunks.sort_by_key(|chunk| chunk.offset);
        chunks
    };
    let n_absent: u64 = to_send.iter().map(|chunk| u64::from(chunk.len)).sum();
    let mut through = chunked.content.size_bytes.saturating_sub(n_absent);
    progress(through);
    if is_small && n_absent <= FRAME_LEN_AIM as u64 {
        return send_whole(root, source, chunked, to_send, lists, &bulk).await;
    }
    send_chunks(&root, &source, to_send, &bulk, |sent| {
        through += sent;
        progress(through);
    })
    .await?;
    send_lists(&chunked, &lists, &bulk).await
}

/// Asks for any number of hashes.
async fn missing(bulk: &Bulk, hashes: Vec<Hash>) -> Result<BTreeSet<Hash>, BulkError> {
    let mut missing = BTreeSet::new();
    for part in hashes.chunks(HASHES_MAX) {
        missing.extend(bulk.have(part.to_vec()).await?);
    }
    Ok(missing)
}

/// The chunks that the missing lists name; of a file of one chunk, that chunk.
fn chunks_below(chunked: &Chunked, lists: &BTreeSet<Hash>) -> BTreeMap<Hash, ChunkRef> {
    let all = chunked.chunks.iter().map(|chunk| (chunk.hash, *chunk));
    if chunked.content.depth == 0 {
        return all.collect();
    }
    let named: BTreeSet<Hash> = chunked
        .lists
        .iter()
        .filter(|(hash, _)| lists.contains(hash))
        .filter_map(|(_, bytes)| decode_unnamed_list(bytes).ok())
        .filter(|(depth, _)| *depth == 1)
        .flat_map(|(_, parts)| parts.into_iter().map(|part| part.hash))
        .collect();
    all.filter(|(hash, _)| named.contains(hash)).collect()
}

/// Sends chunks and lists that fit into one frame.
async fn send_whole(
    root: Root,
    source: Source,
    chunked: Arc<Chunked>,
    chunks: Vec<ChunkRef>,
    lists: BTreeSet<Hash>,
    bulk: &Bulk,
) -> Result<(), UploadError> {
    let read = move || {
        let mut frame = if chunks.is_empty() {
            Vec::new()
        } else {
            read_group(&source.open(&root)?, &chunks)?
        };
        let lists = chunked.lists.iter().filter(|(hash, _)| lists.contains(hash));
        frame.extend(lists.map(|(hash, bytes)| attach(*hash, Form::List, Bytes::clone(bytes))));
        Ok::<_, UploadError>(frame)
    };
    put_whole(bulk, offload::run(read).await?).await
}

async fn send_chunks(
    root: &Root,
    source: &Source,
    chunks: Vec<ChunkRef>,
    bulk: &Bulk,
    mut sent: impl FnMut(u64),
) -> Result<(), UploadError> {
    if chunks.is_empty() {
        return Ok(());
    }
    let (root, source) = (root.clone(), source.clone());
    let file = offload::run(move || source.open(&root)).await?;
    let file = Arc::new(file);
    let mut under_way = JoinSet::new();
    for group in groups(chunks) {
        if under_way.len() >= FRAMES_UNDER_WAY {
            sent(joined(under_way.join_next().await)?);
        }
        let (file, bulk) = (file.clone(), bulk.clone());
        under_way.spawn(async move {
            let n_bytes = group.iter().map(|chunk| u64::from(chunk.len)).sum();
            let attachments = offload::run(move || read_group(&file, &group)).await?;
            bulk.put(attachments).await?;
            Ok(n_bytes)
        });
    }
    while !under_way.is_empty() {
        sent(joined(under_way.join_next().await)?);
    }
    Ok(())
}

fn joined(
    result: Option<Result<Result<u64, UploadError>, tokio::task::JoinError>>,
) -> Result<u64, UploadError> {
    match result {
        Some(Ok(outcome)) => outcome,
        Some(Err(_)) => Err(UploadError::Bulk(BulkError::Lost)),
        None => Ok(0),
    }
}

/// Parts chunks into groups that fill a frame each.
fn groups(chunks: Vec<ChunkRef>) -> Vec<Vec<ChunkRef>> {
    let mut groups: Vec<Vec<ChunkRef>> = Vec::new();
    let mut len = usize::MAX;
    for chunk in chunks {
        let chunk_len = chunk.len as usize;
        if len.saturating_add(chunk_len) > FRAME_LEN_AIM {
            groups.push(Vec::new());
            len = 0;
        }
        len += chunk_len;
        groups
            .last_mut()
            .expect("one was pushed at the first chunk")
            .push(chunk);
    }
    groups
}

fn read_group(file: &File, group: &[ChunkRef]) -> Result<Vec<Attachment>, UploadError> {
    group
        .iter()
        .map(|chunk| {
            let mut bytes = vec![0; chunk.len as usize];
            match file.read_exact_at(&mut bytes, chunk.offset) {
                Ok(()) => (),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(UploadError::Changed);
                }
                Err(error) => return Err(UploadError::Unreadable(error.to_string())),
            }
            if Hash::of(&bytes) == chunk.hash {
                Ok(attach(chunk.hash, Form::Data, bytes.into()))
            } else {
                Err(UploadError::Changed)
            }
        })
        .collect()
}

/// Sends lists, those that are named before those that name them (the order in which they were made).
async fn send_lists(chunked: &Chunked, missing: &BTreeSet<Hash>, bulk: &Bulk) -> Result<(), UploadError> {
    let mut frame: Vec<Attachment> = Vec::new();
    let mut len = 0;
    for (hash, bytes) in chunked.lists.iter().filter(|(hash, _)| missing.contains(hash)) {
        if len + bytes.len() > FRAME_LEN_AIM {
            put_whole(bulk, std::mem::take(&mut frame)).await?;
            len = 0;
        }
        len += bytes.len();
        frame.push(attach(*hash, Form::List, Bytes::clone(bytes)));
    }
    put_whole(bulk, frame).await
}

/// Brings a frame, of which every list has to be taken.
async fn put_whole(bulk: &Bulk, frame: Vec<Attachment>) -> Result<(), UploadError> {
    if frame.is_empty() {
        return Ok(());
    }
    match bulk.put(frame).await?.first() {
        None => Ok(()),
        Some(hash) => Err(BulkError::Failed(format!("list {hash} is incomplete")).into()),
    }
}
