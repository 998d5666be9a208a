//! An edit of the local tree in the making, and the check that it leaves a valid tree. Looks of different moments can
//! contradict each other; what does not fit is not entered, and the places are looked at again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sync_engine::name::DEPTH_MAX;
use sync_engine::{Name, Node, NodeId, Tree};

use super::finding::Reading;
use super::update::LocalUpdate;
use crate::disk::Print;

/// See the module's page.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) nodes: BTreeMap<NodeId, Option<Arc<Node>>>,
    pub(super) prints: BTreeMap<NodeId, Option<Print>>,
    /// Nodes that were seen, and read if they are files.
    pub(super) seen: Vec<NodeId>,
    /// Files among them that are to be read once more.
    pub(super) young: Vec<NodeId>,
    /// Files that were read.
    pub(super) read: Vec<NodeId>,
    /// Blocks, chunks and the like, which go along if the edit fits.
    pub(super) update: LocalUpdate,
}

impl Draft {
    /// Enters a node's print, if it is another than the one known.
    pub(super) fn note(&mut self, id: NodeId, known: Option<Print>, print: &Print) {
        if known != Some(*print) {
            self.prints.insert(id, Some(*print));
        }
    }

    /// Enters the pieces of a file's new bytes.
    pub(super) fn content(&mut self, id: NodeId, reading: Reading) {
        self.update.small.extend(reading.small);
        if reading.chunked.content.depth > 0 {
            self.update.chunked.push((id, Arc::clone(&reading.chunked)));
        }
    }

    /// Enters a node, if it is another than the tree's.
    pub(super) fn put(&mut self, tree: &Tree, id: NodeId, node: Node) {
        if tree.node(id).is_none_or(|old| **old != node) {
            self.nodes.insert(id, Some(Arc::new(node)));
        }
    }

    /// Tells whether the tree would be valid with the edit.
    pub(super) fn fits(&self, tree: &Tree) -> bool {
        let mut taken: BTreeSet<(NodeId, &Name)> = BTreeSet::new();
        self.nodes.iter().all(|(id, node)| match node {
            Some(node) => {
                taken.insert((node.parent, &node.name))
                    && self.is_free(tree, *id, node)
                    && self.is_dir(tree, node.parent)
                    && self.is_rooted(tree, *id)
                    && (node.kind.is_dir() || self.is_left(tree, *id))
            }
            None => self.is_left(tree, *id),
        })
    }

    /// Tells whether no other node of the tree keeps the name.
    fn is_free(&self, tree: &Tree, id: NodeId, node: &Node) -> bool {
        let occupant = tree.child(node.parent, &node.name);
        occupant.is_none_or(|occupant| occupant == id || self.nodes.contains_key(&occupant))
    }

    fn is_dir(&self, tree: &Tree, id: NodeId) -> bool {
        match self.nodes.get(&id) {
            Some(node) => node.as_ref().is_some_and(|node| node.kind.is_dir()),
            None => tree.is_dir(id),
        }
    }

    /// Tells whether a node's way up ends in the root.
    fn is_rooted(&self, tree: &Tree, id: NodeId) -> bool {
        let mut at = id;
        for _ in 0..DEPTH_MAX {
            let node = match self.nodes.get(&at) {
                Some(node) => node.as_ref(),
                None => tree.node(at),
            };
            match node {
                Some(node) if node.parent == NodeId::ROOT => return true,
                Some(node) => at = node.parent,
                None => return false,
            }
        }
        false
    }

    /// Tells whether nothing of the tree stays inside a node.
    fn is_left(&self, tree: &Tree, id: NodeId) -> bool {
        tree.children(id).all(|(_, child)| {
            let edit = self.nodes.get(&child);
            edit.is_some_and(|node| node.as_ref().is_none_or(|node| node.parent != id))
        })
    }
}
