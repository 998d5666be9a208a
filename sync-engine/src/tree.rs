//! A tree of nodes that is valid at all times: rooted, without cycles, every parent a directory in it, names unique
//! within a directory (compared as bytes). The only way to change one is [`Tree::edit`], which takes any number of
//! changes as one and refuses what would leave the tree invalid.

mod build;

use crate::plan::Place;
use crate::{Name, Node, NodeId, PackedMap, RelPath, Version};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A node in a tree with the version that the tree holds of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Item {
    /// The node.
    pub node: Arc<Node>,
    /// The journal number of the change that last touched it; zero in a local tree.
    pub version: Version,
}

/// See the module's page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Tree {
    items: PackedMap<NodeId, Item>,
    children: BTreeMap<NodeId, PackedMap<Name, NodeId>>,
}

/// Says why an edit was refused. The tree is as it was before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The parent is not in the tree or is not a directory.
    #[error("node {0} has no directory to be in")]
    NoParent(NodeId),
    /// Another node has the name.
    #[error("the name of node {0} is taken by node {1}")]
    NameTaken(NodeId, NodeId),
    /// The node would be inside itself.
    #[error("node {0} would be inside itself")]
    Cycle(NodeId),
    /// A directory with nodes in it would go.
    #[error("directory {0} is not empty")]
    NotEmpty(NodeId),
    /// The root directory cannot be edited.
    #[error("the root cannot be edited")]
    Root,
}

/// One part of an edit: the node's new item, or nothing to remove it.
pub type Edit = (NodeId, Option<Item>);

impl Tree {
    /// Returns a tree with only the root.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the number of nodes, the root not counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Tells whether there is nothing but the root.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Returns a node with its version. The root has no item.
    #[must_use]
    pub fn item(&self, id: NodeId) -> Option<&Item> {
        self.items.get(&id)
    }

    /// Returns a node. The root has no value.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&Arc<Node>> {
        self.items.get(&id).map(|item| &item.node)
    }

    /// Tells whether the id is a directory here; the root is one.
    #[must_use]
    pub fn is_dir(&self, id: NodeId) -> bool {
        id == NodeId::ROOT || self.node(id).is_some_and(|node| node.kind.is_dir())
    }

    /// Returns the node that has a name in a directory.
    #[must_use]
    pub fn child(&self, parent: NodeId, name: &Name) -> Option<NodeId> {
        self.children.get(&parent)?.get(name).copied()
    }

    /// Iterates over a directory in the order of the names' bytes.
    pub fn children(&self, parent: NodeId) -> impl Iterator<Item = (&Name, NodeId)> {
        let names = self.children.get(&parent);
        names
            .into_iter()
            .flat_map(PackedMap::iter)
            .map(|(name, id)| (name, *id))
    }

    /// Tells whether a directory has anything in it.
    #[must_use]
    pub fn has_children(&self, parent: NodeId) -> bool {
        self.children.contains_key(&parent)
    }

    /// Returns how many nodes are in a directory.
    #[must_use]
    pub fn n_children(&self, parent: NodeId) -> usize {
        self.children.get(&parent).map_or(0, PackedMap::len)
    }

    /// Iterates over all nodes in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Item)> {
        self.items.iter().map(|(id, item)| (*id, item))
    }

    /// Iterates over a node's ancestors from its parent up to, and with, the root.
    pub fn ancestors(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        core::iter::successors(self.node(id).map(|node| node.parent), |at| {
            self.node(*at).map(|node| node.parent)
        })
    }

    /// Tells whether `id` is `dir` or somewhere inside it.
    #[must_use]
    pub fn is_within(&self, id: NodeId, dir: NodeId) -> bool {
        id == dir || self.ancestors(id).any(|at| at == dir)
    }

    /// Returns the path of a node; that of the root is empty.
    #[must_use]
    pub fn path(&self, id: NodeId) -> Option<RelPath> {
        let mut names = Vec::new();
        let mut at = id;
        while at != NodeId::ROOT {
            let node = self.node(at)?;
            names.push(node.name.clone());
            at = node.parent;
        }
        names.reverse();
        Some(RelPath(names))
    }

    /// Returns the node at a path.
    #[must_use]
    pub fn lookup(&self, path: &RelPath) -> Option<NodeId> {
        path.0
            .iter()
            .try_fold(NodeId::ROOT, |at, name| self.child(at, name))
    }

    /// Returns the place that a path leads to; nothing for the root, and if what would hold it is not there.
    #[must_use]
    pub fn place_at(&self, path: &RelPath) -> Option<Place> {
        let (above, name) = path.split_last()?;
        let parent = self.lookup(&above)?;
        let name = name.clone();
        Some(Place { parent, name })
    }

    /// Returns all nodes inside a directory, each after the directory that it is in; the directory itself is left out.
    #[must_use]
    pub fn descendants(&self, dir: NodeId) -> Vec<NodeId> {
        let mut found: Vec<NodeId> = self.children(dir).map(|(_, id)| id).collect();
        let mut next = 0;
        while let Some(id) = found.get(next).copied() {
            found.extend(self.children(id).map(|(_, child)| child));
            next += 1;
        }
        found
    }

    /// Applies all edits as one: only the result has to be valid, so that names can be swapped and directories turned
    /// inside out.
    ///
    /// # Errors
    /// When the result would not be a valid tree; then nothing has changed.
    pub fn edit(&mut self, edits: impl IntoIterator<Item = Edit>) -> Result<(), TreeError> {
        let mut edits: Vec<Edit> = edits.into_iter().collect();
        // What is looked up in the order of the ids is found beside what was looked up before it.
        edits.sort_by_key(|(id, _)| *id);
        if self.is_empty() {
            match build::build(edits) {
                Ok(tree) => {
                    *self = tree;
                    return Ok(());
                }
                // What is wrong with them is found below.
                Err(refused) => edits = refused,
            }
        }
        let mut before = BTreeMap::new();
        for (id, item) in edits {
            if id == NodeId::ROOT {
                self.undo(before);
                return Err(TreeError::Root);
            }
            let old = self.items.remove(&id);
            if let Some(old) = &old {
                self.unlink(id, &old.node);
            }
            before.entry(id).or_insert(old);
            if let Some(item) = item {
                self.items.insert(id, item);
            }
        }
        let linked = self.link_all(before.keys().copied());
        let checked = linked.and_then(|()| self.check(&before));
        if checked.is_err() {
            self.undo(before);
        }
        checked
    }

    /// Enters nodes into their parents' lists, which must not have them yet.
    fn link_all(&mut self, ids: impl Iterator<Item = NodeId>) -> Result<(), TreeError> {
        for id in ids {
            let Some(item) = self.items.get(&id) else { continue };
            let names = self.children.entry(item.node.parent).or_default();
            if let Some(other) = names.get(&item.node.name) {
                return Err(TreeError::NameTaken(id, *other));
            }
            names.insert(item.node.name.clone(), id);
        }
        Ok(())
    }

    fn check(&self, before: &BTreeMap<NodeId, Option<Item>>) -> Result<(), TreeError> {
        for (&id, old) in before {
            let Some(item) = self.items.get(&id) else {
                if self.children.contains_key(&id) {
                    return Err(TreeError::NotEmpty(id));
                }
                continue;
            };
            if !item.node.kind.is_dir() && self.children.contains_key(&id) {
                return Err(TreeError::NotEmpty(id));
            }
            if !self.is_dir(item.node.parent) {
                return Err(TreeError::NoParent(id));
            }
            // In a circle there are only directories with something in them.
            let is_moved = old.as_ref().is_none_or(|old| old.node.parent != item.node.parent);
            if is_moved && self.has_children(id) {
                self.check_above(id)?;
            }
        }
        Ok(())
    }

    /// Walks up from a node. In a cycle the walk would not end; then it is longer than there are nodes.
    fn check_above(&self, id: NodeId) -> Result<(), TreeError> {
        for (n_above, above) in self.ancestors(id).enumerate() {
            if above == id || n_above > self.len() {
                return Err(TreeError::Cycle(id));
            }
        }
        Ok(())
    }

    fn undo(&mut self, before: BTreeMap<NodeId, Option<Item>>) {
        for id in before.keys() {
            if let Some(item) = self.items.remove(id) {
                self.unlink(*id, &item.node);
            }
        }
        for (id, old) in before {
            if let Some(item) = old {
                self.children
                    .entry(item.node.parent)
                    .or_default()
                    .insert(item.node.name.clone(), id);
                self.items.insert(id, item);
            }
        }
    }

    fn unlink(&mut self, id: NodeId, node: &Node) {
        if let Some(names) = self.children.get_mut(&node.parent) {
            if names.get(&node.name) == Some(&id) {
                names.remove(&node.name);
            }
            if names.is_empty() {
                self.children.remove(&node.parent);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    fn id(n: u8) -> NodeId {
        NodeId([n; 16])
    }

    fn dir(parent: NodeId, name: &str) -> Option<Item> {
        let node = Node {
            parent,
            name: Name::try_from(name).unwrap(),
            kind: Kind::Dir,
            mark: None,
        };
        Some(Item {
            node: Arc::new(node),
            version: Version::ZERO,
        })
    }

    fn sample() -> Tree {
        let mut tree = Tree::new();
        tree.edit([
            (id(2), dir(id(1), "b")),
            (id(1), dir(NodeId::ROOT, "a")),
            (id(3), dir(NodeId::ROOT, "c")),
        ])
        .unwrap();
        tree
    }

    #[test]
    fn names_can_be_swapped_and_directories_turned_inside_out_in_one_edit() {
        let mut tree = sample();
        tree.edit([(id(1), dir(NodeId::ROOT, "c")), (id(3), dir(NodeId::ROOT, "a"))])
            .unwrap();
        assert_eq!(tree.child(NodeId::ROOT, &"a".try_into().unwrap()), Some(id(3)));
        tree.edit([(id(1), dir(id(2), "c")), (id(2), dir(NodeId::ROOT, "c"))])
            .unwrap();
        assert_eq!(tree.path(id(1)).unwrap().to_bytes(), b"c/c");
    }

    #[test]
    fn a_whole_tree_at_once_is_the_same_as_one_that_grew() {
        let mut grown = Tree::new();
        for (n, node) in [(1, "a"), (3, "c")] {
            grown.edit([(id(n), dir(NodeId::ROOT, node))]).unwrap();
        }
        grown.edit([(id(2), dir(id(1), "b"))]).unwrap();
        assert_eq!(grown, sample());
        let mut whole = Tree::new();
        let overruled = [(id(1), dir(NodeId::ROOT, "c")), (id(9), dir(id(8), "x"))];
        let edits = [
            (id(9), None),
            (id(1), dir(NodeId::ROOT, "a")),
            (id(2), dir(id(1), "b")),
        ];
        whole
            .edit(
                overruled
                    .into_iter()
                    .chain(edits)
                    .chain([(id(3), dir(NodeId::ROOT, "c"))]),
            )
            .unwrap();
        assert_eq!(whole, grown);
    }

    #[test]
    fn a_whole_tree_that_would_be_invalid_is_none() {
        for (edits, error) in [
            (alloc::vec![(NodeId::ROOT, None)], TreeError::Root),
            (alloc::vec![(id(1), dir(id(2), "x"))], TreeError::NoParent(id(1))),
            (
                alloc::vec![(id(1), dir(id(2), "x")), (id(2), dir(id(1), "x"))],
                TreeError::Cycle(id(1)),
            ),
            (
                alloc::vec![(id(1), dir(NodeId::ROOT, "x")), (id(2), dir(NodeId::ROOT, "x"))],
                TreeError::NameTaken(id(2), id(1)),
            ),
        ] {
            let mut tree = Tree::new();
            assert_eq!(tree.edit(edits), Err(error));
            assert_eq!(tree, Tree::new());
        }
    }

    #[test]
    fn what_would_be_invalid_changes_nothing() {
        let mut tree = sample();
        let before = tree.clone();
        for (edits, error) in [
            (alloc::vec![(id(1), None)], TreeError::NotEmpty(id(1))),
            (alloc::vec![(id(1), dir(id(2), "x"))], TreeError::Cycle(id(1))),
            (
                alloc::vec![(id(3), None), (id(2), dir(id(3), "x"))],
                TreeError::NoParent(id(2)),
            ),
            (
                alloc::vec![(id(3), dir(NodeId::ROOT, "a"))],
                TreeError::NameTaken(id(3), id(1)),
            ),
        ] {
            assert_eq!(tree.edit(edits), Err(error));
            assert_eq!(tree, before);
        }
    }
}
