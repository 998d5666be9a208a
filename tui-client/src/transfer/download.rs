//! Fetching the content of one large file into staging. What an earlier try left there, and what other local files
//! hold, is not fetched; every piece is checked against its name before it is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use common::limits::{CHUNK_LEN_MAX, LIST_DEPTH_MAX};
use common::list::decode_list;
use common::message::Form;
use common::offload;
use sync_engine::{Content, Hash, RelPath};
use tokio::task::JoinSet;

use super::compress::detach;
use super::space::Space;
use crate::chunker::{self, CHUNK_LEN_MIN};
use crate::disk::{DiskError, File, Root, Staged};
use crate::net::{Bulk, BulkError};
use crate::state::ChunkRow;

/// How many requests for chunks are under way at once for one file.
const REQUESTS_UNDER_WAY: usize = 4;
/// How many bytes one request asks for, about.
const REQUEST_LEN_AIM: u64 = 1024 * 1024;
/// How many lists one request asks for.
const LISTS_A_REQUEST: usize = 64;
/// The most chunks that a file may have: usual ones of a tebibyte.
const CHUNKS_MAX: u64 = 16 * 1024 * 1024;

/// Why a content could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The server does not have a piece, or has it damaged.
    #[error("the server lacks chunk {0}, or has it damaged")]
    Missing(Hash),
    /// What the server sent does not fit together.
    #[error("the lists of the file do not fit together")]
    Inconsistent,
    /// It does not fit on the disk.
    #[error("there is not enough space for the file")]
    NoSpace,
    /// The disk refused.
    #[error("the file cannot be written: {0}")]
    Disk(#[from] io::Error),
    /// The folder refused.
    #[error("the file cannot be staged: {0}")]
    Staging(#[from] DiskError),
    /// The connection or the server failed.
    #[error(transparent)]
    Bulk(#[from] BulkError),
}

impl DownloadError {
    /// Tells whether there is no room on the disk.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::NoSpace => true,
            Self::Disk(error) => {
                matches!(
                    error.kind(),
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
                )
            }
            Self::Staging(error) => error.is_full(),
            Self::Missing(_) | Self::Inconsistent | Self::Bulk(_) => false,
        }
    }
}

/// A piece of a file that is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    hash: Hash,
    offset: u64,
    len: u32,
}

/// Where a local file holds a piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalPiece {
    /// The file.
    pub path: RelPath,
    /// Where in it, in bytes.
    pub offset: u64,
    /// How long it is, in bytes.
    pub len: u32,
}

/// What is known of local contents: asked once for each file that is fetched.
pub trait LocalPieces: Send + Sync {
    /// Returns lists that can be made of what is on disk, among them those of the file's version before.
    fn lists(&self) -> impl Future<Output = BTreeMap<Hash, Bytes>> + Send;
    /// Says where local files hold these chunks. It may be wrong; what is read is checked.
    fn find(&self, hashes: Vec<Hash>) -> impl Future<Output = BTreeMap<Hash, LocalPiece>> + Send;
}

/// Fetches a content of more than one chunk into staging, where a part of it may be already. Calls `progress` with the
/// bytes that are there, and returns which chunk is where in it.
///
/// # Errors
/// See [`DownloadError`]. What was fetched stays in staging, so that trying again goes on from there, unless the disk is
/// full.
pub async fn download(
    space: &Space,
    content: Content,
    local: &impl LocalPieces,
    bulk: &Bulk,
    progress: impl Fn(u64),
) -> Result<(Staged, Vec<ChunkRow>), DownloadError> {
    let (begun, key) = (space.clone(), content.hash);
    let begin = move || {
        let has_begun = begun.root().has_begun(&key)?;
        if !has_begun && !begun.fits(content.size_bytes) {
            return Err(DownloadError::NoSpace);
        }
        Ok((begun.root().stage_named(&key)?, has_begun))
    };
    let (mut staged, has_begun) = offload::run(begin).await?;
    match complete(space, content, (&mut staged, has_begun), local, bulk, progress).await {
        Ok(chunks) => Ok((staged, chunks)),
        Err(error) => {
            if error.is_full() {
                // Beginnings of several files could keep each other from ever being whole.
                staged.discard();
            }
            Err(error)
        }
    }
}

/// Writes what is missing in `staged`, where an earlier try may have begun, and returns which chunk is where in it.
async fn complete(
    space: &Space,
    content: Content,
    (staged, has_begun): (&mut Staged, bool),
    local: &impl LocalPieces,
    bulk: &Bulk,
    progress: impl Fn(u64),
) -> Result<Vec<ChunkRow>, DownloadError> {
    let pieces = pieces(content, local, bulk).await?;
    let rows = pieces.iter().map(|piece| ChunkRow {
        hash: piece.hash,
        offset: piece.offset,
        len: piece.len,
    });
    let rows = rows.collect();
    let file = Arc::new(staged.file().try_clone()?);
    let size_bytes = content.size_bytes;

    let pieces = if has_begun {
        unwritten(file.clone(), pieces).await?
    } else {
        pieces
    };
    let n_unwritten = len_of(&pieces);
    // What nobody has written is zeros already.
    let pieces = if has_begun { pieces } else { without_zeros(pieces) };
    let into = Into { file, has_begun };
    let promise = space.promise(n_unwritten).ok_or(DownloadError::NoSpace)?;
    if has_begun {
        // A new file grows with what is written to it.
        into.set_len(size_bytes).await?;
    }
    let pieces = reuse(space.root(), &into, pieces, local).await?;
    let n_absent = len_of(&pieces);
    promise.used(n_unwritten.saturating_sub(n_absent));
    let mut there = size_bytes.saturating_sub(n_absent);
    progress(there);
    fetch(&into, pieces, bulk, |len| {
        promise.used(len);
        there += len;
        progress(there);
    })
    .await?;
    if !has_begun {
        // It may end with a hole.
        into.set_len(size_bytes).await?;
    }
    Ok(rows)
}

/// The file in staging, and whether an earlier try has begun with it.
#[derive(Clone)]
struct Into {
    file: Arc<File>,
    has_begun: bool,
}

impl Into {
    fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_sparsely_at(bytes, offset, self.has_begun)
    }

    async fn set_len(&self, size_bytes: u64) -> io::Result<()> {
        let file = self.file.clone();
        offload::run(move || file.set_len(size_bytes)).await
    }
}

/// Leaves out what is nothing but zeros, as its name tells. Many zeros are cut into the longest pieces; what is shorter is
/// cheaper to fetch than to tell.
fn without_zeros(mut pieces: Vec<Piece>) -> Vec<Piece> {
    let is_long = |piece: &Piece| piece.len as usize == chunker::CHUNK_LEN_MAX;
    if pieces.iter().any(is_long) {
        let zeros = Hash::of(&vec![0; chunker::CHUNK_LEN_MAX]);
        pieces.retain(|piece| !is_long(piece) || piece.hash != zeros);
    }
    pieces
}

fn len_of(pieces: &[Piece]) -> u64 {
    pieces.iter().map(|piece| u64::from(piece.len)).sum()
}

/// Reads the lists from the topmost down and returns the chunks in order.
async fn pieces(
    content: Content,
    local: &impl LocalPieces,
    bulk: &Bulk,
) -> Result<Vec<Piece>, DownloadError> {
    if content.depth == 0 {
        let len = u32::try_from(content.size_bytes).map_err(|_| DownloadError::Inconsistent)?;
        return check_pieces(vec![Piece {
            hash: content.hash,
            offset: 0,
            len,
        }]);
    }
    if content.depth > LIST_DEPTH_MAX {
        return Err(DownloadError::Inconsistent);
    }
    let known = local.lists().await;
    let mut level = vec![(content.hash, content.size_bytes)];
    for depth in (1..=content.depth).rev() {
        level = level_below(level, depth, n_parts_max(content), &known, bulk).await?;
    }
    let mut offset = 0;
    let mut pieces = Vec::with_capacity(level.len());
    for (hash, len) in level {
        let piece_len = u32::try_from(len).map_err(|_| DownloadError::Inconsistent)?;
        pieces.push(Piece {
            hash,
            offset,
            len: piece_len,
        });
        offset += len;
    }
    check_pieces(pieces)
}

/// Returns how many parts a level of a file's lists has at most: no more than there can be chunks.
fn n_parts_max(content: Content) -> usize {
    let n_chunks = content.size_bytes / CHUNK_LEN_MIN as u64 + 1;
    usize::try_from(n_chunks.min(CHUNKS_MAX)).unwrap_or(usize::MAX)
}

/// Returns what the lists of a level name, in order. Few lists are held at once, however many there are.
async fn level_below(
    level: Vec<(Hash, u64)>,
    depth: u8,
    n_parts_max: usize,
    known: &BTreeMap<Hash, Bytes>,
    bulk: &Bulk,
) -> Result<Vec<(Hash, u64)>, DownloadError> {
    let mut below = Vec::new();
    for group in level.chunks(LISTS_A_REQUEST) {
        let lists = read_lists(group.iter().map(|(hash, _)| *hash).collect(), known, bulk).await?;
        for (hash, len) in group {
            let list = lists.get(hash).ok_or(DownloadError::Missing(*hash))?;
            let parts = decode_list(list, depth, *len).map_err(|_| DownloadError::Inconsistent)?;
            below.extend(parts.into_iter().map(|part| (part.hash, part.len_bytes)));
            if n_parts_max < below.len() {
                return Err(DownloadError::Inconsistent);
            }
        }
    }
    Ok(below)
}

fn check_pieces(pieces: Vec<Piece>) -> Result<Vec<Piece>, DownloadError> {
    if pieces.iter().any(|piece| piece.len as usize > CHUNK_LEN_MAX) {
        return Err(DownloadError::Inconsistent);
    }
    Ok(pieces)
}

async fn read_lists(
    hashes: BTreeSet<Hash>,
    known: &BTreeMap<Hash, Bytes>,
    bulk: &Bulk,
) -> Result<BTreeMap<Hash, Bytes>, DownloadError> {
    let (here, there): (Vec<Hash>, Vec<Hash>) = hashes.into_iter().partition(|hash| known.contains_key(hash));
    let mut lists: BTreeMap<Hash, Bytes> = here
        .into_iter()
        .filter_map(|hash| known.get(&hash).map(|bytes| (hash, bytes.clone())))
        .collect();
    for part in there.chunks(LISTS_A_REQUEST) {
        let got = bulk.get(part.to_vec()).await?;
        for attachment in &got.attachments {
            let plain = detach(attachment).map_err(|damaged| DownloadError::Missing(damaged.0))?;
            if attachment.head.form == Form::List {
                lists.insert(attachment.head.hash, plain);
            }
        }
        if let Some(hash) = part.iter().find(|hash| !lists.contains_key(hash)) {
            return Err(DownloadError::Missing(*hash));
        }
    }
    Ok(lists)
}

/// Leaves out what an earlier try has written already.
async fn unwritten(file: Arc<File>, pieces: Vec<Piece>) -> Result<Vec<Piece>, DownloadError> {
    let check = move || {
        let holds = |piece: &Piece| {
            let mut bytes = vec![0; piece.len as usize];
            file.read_exact_at(&mut bytes, piece.offset).is_ok() && Hash::of(&bytes) == piece.hash
        };
        // Holes read as zeros, so a part that was never written is told by its first bytes without hashing it all.
        pieces
            .into_iter()
            .filter(|piece| !(starts_written(&file, piece) && holds(piece)))
            .collect()
    };
    Ok(offload::run(check).await)
}

fn starts_written(file: &File, piece: &Piece) -> bool {
    let mut start = [0; 64];
    let start = &mut start[..(piece.len as usize).min(64)];
    file.read_exact_at(start, piece.offset).is_ok() && start.iter().any(|byte| *byte != 0)
}

/// Copies what other local files hold, and returns the rest.
async fn reuse(
    root: &Root,
    into: &Into,
    pieces: Vec<Piece>,
    local: &impl LocalPieces,
) -> Result<Vec<Piece>, DownloadError> {
    if pieces.is_empty() {
        return Ok(pieces);
    }
    let found = local.find(pieces.iter().map(|piece| piece.hash).collect()).await;
    if found.is_empty() {
        return Ok(pieces);
    }
    let (root, into) = (root.clone(), into.clone());
    let copy = move || -> Result<Vec<Piece>, DownloadError> {
        let mut open: Option<(RelPath, File)> = None;
        let mut rest = Vec::new();
        for piece in pieces {
            let bytes = found
                .get(&piece.hash)
                .and_then(|at| read_local(&root, &mut open, at, &piece));
            match bytes {
                Some(bytes) => into.write(&bytes, piece.offset)?,
                None => rest.push(piece),
            }
        }
        Ok(rest)
    };
    offload::run(copy).await
}

/// Reads a piece out of a local file, if it still holds it. The file that was read last stays open.
fn read_local(
    root: &Root,
    open: &mut Option<(RelPath, File)>,
    at: &LocalPiece,
    piece: &Piece,
) -> Option<Vec<u8>> {
    if open.as_ref().is_none_or(|(path, _)| *path != at.path) {
        *open = root
            .open_file(&at.path)
            .ok()
            .map(|(file, _)| (at.path.clone(), file));
    }
    let (_, file) = open.as_ref()?;
    let mut bytes = vec![0; piece.len as usize];
    file.read_exact_at(&mut bytes, at.offset).ok()?;
    (at.len == piece.len && Hash::of(&bytes) == piece.hash).then_some(bytes)
}

async fn fetch(
    into: &Into,
    pieces: Vec<Piece>,
    bulk: &Bulk,
    mut there: impl FnMut(u64),
) -> Result<(), DownloadError> {
    let mut under_way: JoinSet<Result<u64, DownloadError>> = JoinSet::new();
    for group in groups(pieces) {
        if under_way.len() >= REQUESTS_UNDER_WAY
            && let Some(outcome) = under_way.join_next().await
        {
            there(outcome.map_err(|_| BulkError::Lost)??);
        }
        under_way.spawn(fetch_group(into.clone(), group, bulk.clone()));
    }
    while let Some(outcome) = under_way.join_next().await {
        there(outcome.map_err(|_| BulkError::Lost)??);
    }
    Ok(())
}

async fn fetch_group(into: Into, group: Vec<Piece>, bulk: Bulk) -> Result<u64, DownloadError> {
    let hashes: BTreeSet<Hash> = group.iter().map(|piece| piece.hash).collect();
    let got = bulk.get(hashes.into_iter().collect()).await?;
    let write = move || {
        let mut plain = BTreeMap::new();
        for attachment in &got.attachments {
            let bytes = detach(attachment).map_err(|damaged| DownloadError::Missing(damaged.0))?;
            plain.insert(attachment.head.hash, bytes);
        }
        let mut n_bytes = 0;
        for piece in &group {
            let bytes = plain.get(&piece.hash).ok_or(DownloadError::Missing(piece.hash))?;
            if bytes.len() != piece.len as usize {
                return Err(DownloadError::Inconsistent);
            }
            into.write(bytes, piece.offset)?;
            n_bytes += u64::from(piece.len);
        }
        Ok(n_bytes)
    };
    offload::run(write).await
}

fn groups(pieces: Vec<Piece>) -> Vec<Vec<Piece>> {
    let mut groups: Vec<Vec<Piece>> = Vec::new();
    let mut len = u64::MAX;
    for piece in pieces {
        if len.saturating_add(u64::from(piece.len)) > REQUEST_LEN_AIM {
            groups.push(Vec::new());
            len = 0;
        }
        len += u64::from(piece.len);
        groups
            .last_mut()
            .expect("one was pushed at the first piece")
            .push(piece);
    }
    groups
}
