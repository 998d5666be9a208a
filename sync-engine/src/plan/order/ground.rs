//! A picture of a tree in which nodes can be placed and taken away, without touching the tree. Names are compared as the
//! disk does.

use crate::plan::{Folding, Place};
use crate::{Name, NodeId, Tree};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// See the module's page.
pub(super) struct Ground<'a> {
    tree: &'a Tree,
    folding: Folding,
    /// The tree that nodes come from that are being made in this one, and which of its nodes these may be.
    coming: Option<(&'a Tree, &'a BTreeSet<NodeId>)>,
    /// Where nodes are now that were placed or taken away.
    places: BTreeMap<NodeId, Option<Place>>,
    /// The names that were given or taken away, by key.
    names: BTreeMap<(NodeId, Vec<u8>), Option<NodeId>>,
    /// The names of the tree by key, of directories that were asked for, when the disk folds.
    folded: BTreeMap<NodeId, BTreeMap<Vec<u8>, NodeId>>,
    /// The nodes that were ever placed in a directory here.
    entered: BTreeMap<NodeId, BTreeSet<NodeId>>,
    /// How many nodes are in a directory, where that has changed.
    counts: BTreeMap<NodeId, usize>,
    new_dirs: BTreeSet<NodeId>,
}

impl<'a> Ground<'a> {
    pub(super) fn new(tree: &'a Tree, folding: Folding) -> Self {
        Self {
            tree,
            folding,
            coming: None,
            places: BTreeMap::new(),
            names: BTreeMap::new(),
            folded: BTreeMap::new(),
            entered: BTreeMap::new(),
            counts: BTreeMap::new(),
            new_dirs: BTreeSet::new(),
        }
    }

    /// Returns a picture in which those of `busy` that `tree` does not have yet, have their names in `from` already, as
    /// far as these are free.
    pub(super) fn with_coming(
        tree: &'a Tree,
        folding: Folding,
        from: &'a Tree,
        busy: &'a BTreeSet<NodeId>,
    ) -> Self {
        Self {
            coming: Some((from, busy)),
            ..Self::new(tree, folding)
        }
    }

    pub(super) fn key(&self, name: &Name) -> Vec<u8> {
        self.folding.key(name)
    }

    pub(super) fn place(&self, id: NodeId) -> Option<Place> {
        match self.places.get(&id) {
            Some(place) => place.clone(),
            None => self.tree.node(id).map(|node| Place::of(node)),
        }
    }

    pub(super) fn is_dir(&self, id: NodeId) -> bool {
        match self.places.get(&id) {
            Some(None) => false,
            Some(Some(_)) | None => self.new_dirs.contains(&id) || self.tree.is_dir(id),
        }
    }

    pub(super) fn n_children(&self, dir: NodeId) -> usize {
        self.counts
            .get(&dir)
            .copied()
            .unwrap_or_else(|| self.tree.n_children(dir))
    }

    pub(super) fn children(&self, dir: NodeId) -> Vec<NodeId> {
        let is_still = |id: &NodeId| self.place(*id).is_some_and(|place| place.parent == dir);
        let old = self.tree.children(dir).map(|(_, id)| id);
        let new = self.entered.get(&dir).into_iter().flatten().copied();
        let all: BTreeSet<NodeId> = old.chain(new).filter(is_still).collect();
        all.into_iter().collect()
    }

    /// Returns the node that has a name that is the same to the disk.
    pub(super) fn occupant(&mut self, place: &Place) -> Option<NodeId> {
        let key = self.key(&place.name);
        if let Some(there) = self.names.get(&(place.parent, key.clone())) {
            return *there;
        }
        if self.folding == Folding::None {
            let there = self.tree.child(place.parent, &place.name);
            return there.or_else(|| {
                let (from, _) = self.coming?;
                let coming = from.child(place.parent, &place.name)?;
                self.is_coming(coming).then_some(coming)
            });
        }
        if !self.folded.contains_key(&place.parent) {
            let children = self.folded_children(place.parent);
            self.folded.insert(place.parent, children);
        }
        self.folded.get(&place.parent)?.get(&key).copied()
    }

    /// Tells whether a node is being made here.
    fn is_coming(&self, id: NodeId) -> bool {
        let is_busy = self.coming.is_some_and(|(_, busy)| busy.contains(&id));
        is_busy && self.tree.node(id).is_none()
    }

    /// Returns what is in a directory by the keys of the names, with what is coming where a name is free.
    fn folded_children(&self, dir: NodeId) -> BTreeMap<Vec<u8>, NodeId> {
        let from = self.coming.into_iter().flat_map(|(from, _)| from.children(dir));
        let coming = from.filter(|(_, id)| self.is_coming(*id));
        let all = coming.chain(self.tree.children(dir));
        all.map(|(name, id)| (self.folding.key(name), id)).collect()
    }

    /// Iterates over the directories above a node, with the root.
    pub(super) fn ancestors(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        core::iter::successors(self.parent(id), |at| self.parent(*at))
    }

    fn parent(&self, id: NodeId) -> Option<NodeId> {
        match self.places.get(&id) {
            Some(place) => place.as_ref().map(|place| place.parent),
            None => self.tree.node(id).map(|node| node.parent),
        }
    }

    pub(super) fn is_within(&self, id: NodeId, dir: NodeId) -> bool {
        id == dir || self.ancestors(id).any(|at| at == dir)
    }

    /// Takes a node away and returns where it was.
    pub(super) fn take(&mut self, id: NodeId) -> Option<Place> {
        let place = self.place(id)?;
        let n_left = self.n_children(place.parent) - 1;
        self.counts.insert(place.parent, n_left);
        if self.occupant(&place) == Some(id) {
            self.names.insert((place.parent, self.key(&place.name)), None);
        }
        self.places.insert(id, None);
        Some(place)
    }

    /// Places a node that is nowhere.
    pub(super) fn put(&mut self, id: NodeId, place: Place, is_dir: bool) {
        self.counts
            .insert(place.parent, self.n_children(place.parent) + 1);
        self.names.insert((place.parent, self.key(&place.name)), Some(id));
        self.entered.entry(place.parent).or_default().insert(id);
        self.places.insert(id, Some(place));
        if is_dir {
            self.new_dirs.insert(id);
        }
    }
}
