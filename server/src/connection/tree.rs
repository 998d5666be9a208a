//! Reading out a whole tree, present or past, in parts that fit into frames: a thread reads at the pace at which the
//! device takes, from one consistent view.

use common::codec::encoded_len;
use common::limits::ENTRIES_MAX;
use std::sync::Arc;
use sync_engine::{Hash, Node, NodeId, Version};
use tokio::sync::mpsc;

use super::ConnectionError;
use crate::house::House;
use crate::store::{AccountKey, Metadata, Records, StoreError};

/// What the nodes of a part come to, in bytes.
const PART_LEN_AIM: usize = 384 * 1024;
/// Parts that are ready before the device has taken those before.
const PARTS_MAX: usize = 2;

/// A part of a tree, parents before children.
pub(super) struct Part {
    /// The entry after which the tree is so; the same in all parts.
    pub(super) version: Version,
    /// The chain's hash at that entry.
    pub(super) chain: Hash,
    /// The nodes.
    pub(super) nodes: Vec<(NodeId, Version, Node)>,
    /// Whether this is the last part.
    pub(super) last: bool,
}

/// Begins to read a tree: as it is, or as it was after an entry. The parts end without a last one if the store cannot
/// be read.
pub(super) async fn tree_parts(
    house: Arc<House>,
    account: AccountKey,
    at: Option<Version>,
) -> Result<mpsc::Receiver<Part>, ConnectionError> {
    let permit = house
        .trees
        .clone()
        .acquire_owned()
        .await
        .map_err(|_| ConnectionError::BrokenOff)?;
    // Law: the reading thread sends, the outbox receives; the last part says so; an end without it is a failure.
    let receiver = common::offload::stream(PARTS_MAX, move |give| {
        let read = house
            .store
            .metadata
            .read(|records| read_out(records, account, at, give));
        if let Err(error) = read {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a tree could not be read"
            );
        }
        drop(permit);
    });
    Ok(receiver)
}

fn read_out(
    records: &dyn Records,
    account: AccountKey,
    at: Option<Version>,
    give: &mut dyn FnMut(Part) -> bool,
) -> Result<(), StoreError> {
    let head = records.account(account)?.map_or(Version::ZERO, |row| row.head);
    let version = at.unwrap_or(head);
    let chain = records.chain(account, version)?.unwrap_or(Hash([0; 32]));
    let mut nodes = Vec::new();
    let mut len = 0;
    let mut visit = |id, node_version, node: Node| {
        // What cannot be measured was never taken from a frame; it is counted as long, so that it travels alone.
        len += encoded_len(&(id, node_version, &node)).unwrap_or(PART_LEN_AIM);
        nodes.push((id, node_version, node));
        if len < PART_LEN_AIM && nodes.len() < ENTRIES_MAX {
            return true;
        }
        len = 0;
        let part = Part {
            version,
            chain,
            nodes: std::mem::take(&mut nodes),
            last: false,
        };
        give(part)
    };
    match at {
        None => records.tree(account, &mut visit)?,
        Some(at) => records.past_tree(account, at, &mut visit)?,
    }
    // The device may have gone.
    let _ = give(Part {
        version,
        chain,
        nodes,
        last: true,
    });
    Ok(())
}
