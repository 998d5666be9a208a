//! The brake: a plan that would remove a large part of a folder from the account waits for a person. Only the removals
//! wait.
//!
//! The law. What counts is what would be lost: a node that is gone here and not in the account, whose bytes are nowhere
//! else in the folder; and a directory only if it is empty, or something in it counts. What was removed lately counts
//! along as long as nothing stands in its place and its bytes are nowhere. The figure that is shown is how many nodes
//! would be removed now, no more and no less. So the brake comes off by itself when nothing is missing any more.

use super::Place;
use super::wanted::{Hold, Wanted};
use crate::{Bug, Content, Kind, Name, Node, NodeId, Target, Tree, Trees, planted};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// So many removals never need a person.
const REMOVALS_FREE: usize = 50;

/// Says what waits for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Brake {
    /// How many nodes would be removed now.
    pub removals: usize,
    /// How many nodes there were before, with those that were removed lately.
    pub nodes: usize,
}

/// What is known of removals besides the trees.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct Removals {
    /// The nodes that this device has had removed from the account lately: a large removal that is seen bit by bit is one.
    pub lately: Arc<Vec<Arc<Node>>>,
    /// Whether removals wait for now, since more of them may follow at once.
    pub is_held: bool,
    /// Whether the brake is on, and what is missing may be coming back still: what is left waits, however few it is.
    pub is_on: bool,
    /// Whether a person has confirmed that much may be removed: the brake is off.
    pub is_confirmed: bool,
}

/// Tells whether so many removals, of so many nodes, need a person.
#[must_use]
pub(crate) fn is_much(n_removals: usize, n_nodes: usize) -> bool {
    let n_free = REMOVALS_FREE.max(n_nodes / 4);
    n_free < n_removals || n_free == n_removals && planted(Bug::BrakeOneTooSoon)
}

/// Takes removals out of what is wanted of the account, if they are too many or are to wait.
///
/// Only what this device would remove from the account is counted. What comes from the account is in the history, and
/// the session counts it for itself.
pub(super) fn apply(wanted: &mut Wanted<'_>) -> Option<Brake> {
    let removals = &wanted.policy.removals;
    let (is_held, is_on) = (removals.is_held, removals.is_on);
    let is_confirmed = removals.is_confirmed || planted(Bug::BrakeOff);
    if is_confirmed && !is_held {
        return None;
    }
    let trees = wanted.trees;
    let missing = |id: NodeId| trees.local().node(id).is_none() && trees.remote().node(id).is_some();
    let gone: Vec<NodeId> = wanted
        .map
        .iter()
        .filter(|(id, want)| want.hold == Hold::Free && want.node.is_none() && missing(**id))
        .map(|(id, _)| *id)
        .collect();
    if gone.is_empty() {
        return None;
    }
    let away = away(trees, &gone, &removals.lately);
    let nodes = trees.n_bases() + away.len();
    let stops = !is_confirmed && (is_on || is_loss(trees, &gone, &away, nodes));
    if !(stops || is_held) {
        return None;
    }
    let removals = gone.len();
    for id in gone {
        if let Some(want) = wanted.map.get_mut(&id) {
            want.hold = Hold::Braked;
        }
    }
    stops.then_some(Brake { removals, nodes })
}

/// Returns what was removed lately and has not come back, nor is gone anew.
fn away<'a>(trees: &Trees, gone: &[NodeId], lately: &'a [Arc<Node>]) -> Vec<&'a Node> {
    if lately.is_empty() {
        return Vec::new();
    }
    let nodes = gone.iter().filter_map(|id| trees.remote().node(*id));
    let places: BTreeSet<Place> = nodes.map(|node| Place::of(node)).collect();
    let is_away = |node: &&Node| {
        let is_back = trees.local().child(node.parent, &node.name).is_some();
        !is_back && !places.contains(&Place::of(node))
    };
    lately.iter().map(Arc::as_ref).filter(is_away).collect()
}

/// Tells whether so much is lost that a person has to be asked.
fn is_loss(trees: &Trees, gone: &[NodeId], away: &[&Node], nodes: usize) -> bool {
    let n_removed = gone.len() + away.len();
    if 2 <= n_removed && trees.local().is_empty() {
        return true;
    }
    // To look for bytes elsewhere costs as much as there is in the folder; few removals need no person in any case.
    is_much(n_removed, nodes) && is_much(n_lost(trees, gone, away), nodes)
}

/// What of a node can be elsewhere too.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Bytes<'a> {
    Content(Content),
    Target(&'a Target),
    /// Of a file without bytes only the name is something.
    Name(&'a Name),
}

fn bytes(node: &Node) -> Option<Bytes<'_>> {
    match &node.kind {
        Kind::File(file) if file.content.size_bytes == 0 => Some(Bytes::Name(&node.name)),
        Kind::File(file) => Some(Bytes::Content(file.content)),
        Kind::Symlink(target) => Some(Bytes::Target(target)),
        Kind::Dir => None,
    }
}

/// Counts what is lost of what is gone now, and of what was removed lately.
fn n_lost(trees: &Trees, gone: &[NodeId], away: &[&Node]) -> usize {
    let remote = trees.remote();
    let gone: Vec<(NodeId, &Node)> = gone
        .iter()
        .filter_map(|id| Some((*id, &**remote.node(*id)?)))
        .collect();
    let is_empty_dir = |id: NodeId| remote.children(id).next().is_none();
    lost(trees.local(), &gone, away, is_empty_dir)
}

/// Counts what is lost of what is gone from a tree now, and of what was removed from it lately.
pub(crate) fn lost(
    tree: &Tree,
    gone: &[(NodeId, &Node)],
    away: &[&Node],
    is_empty_dir: impl Fn(NodeId) -> bool,
) -> usize {
    let mut gone_bytes: BTreeSet<Bytes<'_>> = gone.iter().filter_map(|(_, node)| bytes(node)).collect();
    let mut away_bytes: BTreeSet<Bytes<'_>> = away.iter().filter_map(|node| bytes(node)).collect();
    away_bytes.retain(|bytes| !gone_bytes.contains(bytes));
    for bytes in tree.iter().filter_map(|(_, item)| bytes(&item.node)) {
        let _ = gone_bytes.remove(&bytes) || away_bytes.remove(&bytes);
    }
    let is_lost = |id: NodeId, node: &Node| {
        bytes(node).map_or_else(|| is_empty_dir(id), |bytes| gone_bytes.contains(&bytes))
    };
    let mut lost: BTreeSet<NodeId> = BTreeSet::new();
    let parents: BTreeMap<NodeId, NodeId> = gone.iter().map(|(id, node)| (*id, node.parent)).collect();
    for (id, node) in gone.iter().filter(|(id, node)| is_lost(*id, node)) {
        lost.insert(*id);
        let mut above = node.parent;
        while let Some(parent) = parents.get(&above)
            && lost.insert(above)
        {
            above = *parent;
        }
    }
    let is_lost_lately = |node: &&&Node| bytes(node).is_some_and(|bytes| away_bytes.contains(&bytes));
    lost.len() + away.iter().filter(is_lost_lately).count()
}
