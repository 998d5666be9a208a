//! Reading out a whole tree, present or past, in parts that fit into frames, at the pace at which a device takes them.
//! First it is noted, in one short look, which nodes the tree has and which entry gave each its state. What an entry gave
//! a node never changes, so each part is then read by itself, and the tree is that of one moment however long it takes.
//! Nobody who is slow holds anything of the store, or a place that another account could use: only that note, of 24
//! bytes for each node. Those of an account who read the present tree share it.

use common::codec::encoded_len;
use common::limits::ENTRIES_MAX;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use sync_engine::{Hash, Node, NodeId, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::connection::ConnectionError;
use crate::feed::Feed;
use crate::house::House;
use crate::room::OWN_LEN;
use crate::store::{AccountKey, PlaceOf, Records, StoreError};

/// What the nodes of a part come to, in bytes.
const PART_LEN_AIM: usize = 384 * 1024;
/// A present tree that others read is good enough for who comes up to so many entries later: these follow on it.
const ENTRIES_LATE_MAX: u64 = 4096;
/// Present trees of an account that are kept for those who read them. Who comes when there are so many takes the newest.
const PRESENT_MAX: usize = 2;
/// Past trees that an account reads at a time.
const PAST_MAX: usize = 2;

/// Trees of an account that are read out.
#[derive(Debug)]
pub(crate) struct Trees {
    present: Mutex<Vec<Weak<Tree>>>,
    /// One at a time looks for the present tree, and the others find what it found.
    looking: Arc<Semaphore>,
    past: Arc<Semaphore>,
}

impl Default for Trees {
    fn default() -> Self {
        Self {
            present: Mutex::default(),
            looking: Arc::new(Semaphore::new(1)),
            past: Arc::new(Semaphore::new(PAST_MAX)),
        }
    }
}

impl Trees {
    /// Returns a present tree that others read, if it will do for one who comes now.
    fn shared(&self, head: Version) -> Option<Arc<Tree>> {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        present.retain(|tree| tree.strong_count() != 0);
        let newest = present
            .iter()
            .filter_map(Weak::upgrade)
            .max_by_key(|tree| tree.version)?;
        let will_do =
            head.0 <= newest.version.0.saturating_add(ENTRIES_LATE_MAX) || PRESENT_MAX <= present.len();
        will_do.then_some(newest)
    }

    fn share(&self, tree: &Arc<Tree>) {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        present.push(Arc::downgrade(tree));
    }
}

/// Which nodes a tree has.
#[derive(Debug)]
pub(crate) struct Tree {
    account: AccountKey,
    /// The entry after which the tree is so.
    pub(crate) version: Version,
    /// The chain's hash at that entry.
    pub(crate) chain: Hash,
    /// The nodes, parents before children, each with the entry that gave it its state.
    order: Vec<(NodeId, Version)>,
    /// Held as long as a past tree is read.
    _turn: Option<OwnedSemaphorePermit>,
}

/// A part of a tree, parents before children.
pub(crate) struct Part {
    /// The nodes.
    pub(crate) nodes: Vec<(NodeId, Version, Node)>,
    /// Whether this is the last part.
    pub(crate) last: bool,
}

/// Returns the tree as it is, or was a little while ago.
pub(crate) async fn present_tree(house: &House, feed: &Feed) -> Result<Arc<Tree>, ConnectionError> {
    let trees = feed.trees();
    let turn = trees.looking.acquire().await;
    let _turn = turn.map_err(|_| ConnectionError::BrokenOff)?;
    if let Some(tree) = trees.shared(feed.head()) {
        return Ok(tree);
    }
    let tree = Arc::new(look(house, feed.account(), None, None).await?);
    trees.share(&tree);
    Ok(tree)
}

/// Returns the tree as it was after an entry.
pub(crate) async fn past_tree(house: &House, feed: &Feed, at: Version) -> Result<Arc<Tree>, ConnectionError> {
    let turn = feed.trees().past.clone().acquire_owned().await;
    let turn = turn.map_err(|_| ConnectionError::BrokenOff)?;
    let tree = look(house, feed.account(), Some(at), Some(turn)).await?;
    Ok(Arc::new(tree))
}

async fn look(
    house: &House,
    account: AccountKey,
    at: Option<Version>,
    turn: Option<OwnedSemaphorePermit>,
) -> Result<Tree, ConnectionError> {
    house
        .read(account, move |records| {
            let head = records.account(account)?.map_or(Version::ZERO, |row| row.head);
            let version = at.unwrap_or(head);
            Ok(Tree {
                account,
                version,
                chain: records.chain(account, version)?.unwrap_or(Hash([0; 32])),
                order: parents_first(records.places(account, at)?),
                _turn: turn,
            })
        })
        .await
}

/// Reads the part of a tree that follows on so many nodes: a short one, for which no room is needed, if there is none.
pub(crate) async fn tree_part(
    house: &House,
    tree: &Arc<Tree>,
    n_read: &mut usize,
    is_short: bool,
) -> Result<Part, ConnectionError> {
    let (of, from) = (tree.clone(), *n_read);
    let len_aim = if is_short { OWN_LEN } else { PART_LEN_AIM };
    let part = house
        .read(tree.account, move |records| {
            read_part(records, &of, from, len_aim)
        })
        .await?;
    *n_read += part.nodes.len();
    Ok(part)
}

fn read_part(records: &dyn Records, tree: &Tree, from: usize, len_aim: usize) -> Result<Part, StoreError> {
    let (mut nodes, mut len) = (Vec::new(), 0);
    for (id, version) in &tree.order[from..] {
        let state = records.state_after(tree.account, *id, *version)?;
        let Some(node) = state.flatten() else {
            return Err(StoreError::Damaged {
                what: "the table of the states of nodes".into(),
            });
        };
        // What cannot be measured was never taken from a frame; it is counted as long, so that it travels alone.
        len += encoded_len(&(id, version, &node)).unwrap_or(PART_LEN_AIM);
        nodes.push((*id, *version, node));
        if len_aim <= len || ENTRIES_MAX <= nodes.len() {
            break;
        }
    }
    let last = from + nodes.len() == tree.order.len();
    Ok(Part { nodes, last })
}

/// Puts nodes in order, level by level. Law: each comes once, behind the directory that it is in; what is in no directory
/// below the root is left out.
fn parents_first(mut places: Vec<PlaceOf>) -> Vec<(NodeId, Version)> {
    places.sort_unstable_by_key(|place| (place.parent, place.id));
    let mut inside: HashMap<NodeId, Range<usize>> = HashMap::new();
    let mut begin = 0;
    for siblings in places.chunk_by(|one, other| one.parent == other.parent) {
        let end = begin + siblings.len();
        inside.insert(siblings[0].parent, begin..end);
        begin = end;
    }
    let mut order = Vec::with_capacity(places.len());
    let (mut n_done, mut dir) = (0, NodeId::ROOT);
    loop {
        if let Some(range) = inside.remove(&dir) {
            order.extend(places[range].iter().map(|place| (place.id, place.version)));
        }
        let Some((next, _)) = order.get(n_done) else {
            return order;
        };
        dir = *next;
        n_done += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn id(n: usize) -> NodeId {
        let mut id = [0; 16];
        id[8..].copy_from_slice(&(n as u64).to_be_bytes());
        NodeId(id)
    }

    #[test]
    fn each_node_comes_once_and_behind_its_directory() {
        for seed in 1..50_usize {
            // Each is in one that was made before it, or in none that is in the tree.
            let places: Vec<PlaceOf> = (1..200_usize)
                .map(|n| PlaceOf {
                    parent: if n % 20 == 7 {
                        id(5000 + n)
                    } else {
                        id(n * seed * 7919 % n)
                    },
                    id: id(n),
                    version: Version(n as u64),
                })
                .collect();
            let order = parents_first(places.clone());
            let mut seen = HashSet::from([NodeId::ROOT]);
            for (id, version) in &order {
                let place = places.iter().find(|place| place.id == *id).unwrap();
                assert_eq!(place.version, *version);
                assert!(seen.contains(&place.parent), "a child comes before its directory");
                assert!(seen.insert(*id), "a node comes twice");
            }
            let is_left_out = |place: &&PlaceOf| !seen.contains(&place.id);
            assert!(
                places
                    .iter()
                    .filter(is_left_out)
                    .all(|place| !seen.contains(&place.parent))
            );
        }
    }
}
