//! What local files hold of a content that is to be fetched: the database says where, and the driver where those files
//! are now.

use std::collections::BTreeMap;

use bytes::Bytes;
use common::list::{ListBuilder, ListError};
use sync_engine::{Hash, NodeId};
use tokio::sync::{mpsc, oneshot};

use super::memory::Memory;
use super::transfers::Transferred;
use crate::transfer::download::{LocalPiece, LocalPieces};

/// What the database knows of local contents.
pub(super) struct Pieces {
    memory: Memory,
    done: mpsc::Sender<Transferred>,
    id: NodeId,
}

impl Pieces {
    /// Looks for what a node needs; `done` leads to who knows where files are.
    #[must_use]
    pub(super) fn new(memory: Memory, done: mpsc::Sender<Transferred>, id: NodeId) -> Self {
        Self { memory, done, id }
    }
}

impl LocalPieces for Pieces {
    async fn lists(&self) -> BTreeMap<Hash, Bytes> {
        let chunks = self.memory.chunks_of(self.id).await;
        lists_of(chunks.iter().map(|chunk| (chunk.hash, u64::from(chunk.len)))).unwrap_or_default()
    }

    async fn find(&self, hashes: Vec<Hash>) -> BTreeMap<Hash, LocalPiece> {
        let places = self.memory.find(hashes.clone()).await;
        let ids: Vec<NodeId> = places.iter().flatten().map(|place| place.node).collect();
        let (reply, answer) = oneshot::channel();
        if ids.is_empty() || self.done.send(Transferred::Where(ids, reply)).await.is_err() {
            return BTreeMap::new();
        }
        let paths = answer.await.unwrap_or_default();
        hashes
            .into_iter()
            .zip(places)
            .filter_map(|(hash, place)| Some((hash, place?)))
            .zip(paths)
            .filter_map(|((hash, place), path)| {
                Some((
                    hash,
                    LocalPiece {
                        path: path?,
                        offset: place.offset,
                        len: place.len,
                    },
                ))
            })
            .collect()
    }
}

/// Makes the lists that stand above chunks.
fn lists_of(chunks: impl Iterator<Item = (Hash, u64)>) -> Result<BTreeMap<Hash, Bytes>, ListError> {
    let mut builder = ListBuilder::new();
    let mut lists = Vec::new();
    for (hash, len_bytes) in chunks {
        lists.extend(builder.push(hash, len_bytes)?);
    }
    lists.extend(builder.finish()?.0);
    Ok(lists
        .into_iter()
        .map(|list| (list.hash, list.bytes.into()))
        .collect())
}
