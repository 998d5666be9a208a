//! A picture of a tree in which nodes can be placed and taken away, without touching the tree. Names are compared as the
//! disk does.

use crate::plan::wanted::Wanted;
use crate::plan::{Folding, Place};
use crate::{Name, NodeId, Tree};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// What stands for a name: equal keys are one name to the disk.
pub(super) type Key = Arc<[u8]>;

/// See the module's page.
pub(super) struct Ground<'a> {
    tree: &'a Tree,
    folding: Folding,
    /// Tells which nodes are being made here, or will be.
    coming: Option<&'a Wanted<'a>>,
    /// Where nodes are now that were placed or taken away.
    places: BTreeMap<NodeId, Option<Place>>,
    /// What has changed in directories.
    changed: BTreeMap<NodeId, Changed>,
    /// The names of the tree by key, of directories that were asked for, when the disk folds.
    folded: BTreeMap<NodeId, BTreeMap<Key, NodeId>>,
    /// The directories that were placed.
    new_dirs: BTreeSet<NodeId>,
}

/// What has changed in a directory.
struct Changed {
    /// How many nodes are in it.
    n_children: usize,
    /// The names that were given in it or taken away.
    names: BTreeMap<Key, Option<NodeId>>,
}

impl<'a> Ground<'a> {
    pub(super) fn new(tree: &'a Tree, folding: Folding) -> Self {
        Self {
            tree,
            folding,
            coming: None,
            places: BTreeMap::new(),
            changed: BTreeMap::new(),
            folded: BTreeMap::new(),
            new_dirs: BTreeSet::new(),
        }
    }

    /// Returns a picture of the local tree in which those that are busy, and that it does not have yet, have their names of
    /// the remote tree already, as far as these are free.
    pub(super) fn with_coming(wanted: &'a Wanted<'a>) -> Self {
        Self {
            coming: Some(wanted),
            ..Self::new(wanted.trees.local(), wanted.policy.folding)
        }
    }

    pub(super) fn key(&self, name: &Name) -> Key {
        match self.folding {
            Folding::None => name.shared(),
            Folding::Case | Folding::CaseAndForm => self.folding.key(name).into(),
        }
    }

    pub(super) fn place(&self, id: NodeId) -> Option<Place> {
        match self.places.get(&id) {
            Some(place) => place.clone(),
            None => self.tree.node(id).map(|node| Place::of(node)),
        }
    }

    pub(super) fn is_dir(&self, id: NodeId) -> bool {
        let is_taken = || matches!(self.places.get(&id), Some(None));
        self.new_dirs.contains(&id) || self.tree.is_dir(id) && !is_taken()
    }

    pub(super) fn n_children(&self, dir: NodeId) -> usize {
        match self.changed.get(&dir) {
            Some(changed) => changed.n_children,
            None => self.tree.n_children(dir),
        }
    }

    pub(super) fn children(&self, dir: NodeId) -> Vec<NodeId> {
        let is_still = |id: &NodeId| self.place(*id).is_some_and(|place| place.parent == dir);
        let old = self.tree.children(dir).map(|(_, id)| id);
        let changed = self.changed.get(&dir);
        let new = changed
            .into_iter()
            .flat_map(|changed| changed.names.values().flatten().copied());
        let all: BTreeSet<NodeId> = old.chain(new).filter(is_still).collect();
        all.into_iter().collect()
    }

    /// Returns the node that has a name that is the same to the disk.
    pub(super) fn occupant(&mut self, place: &Place) -> Option<NodeId> {
        let key = self.key(&place.name);
        let changed = self.changed.get(&place.parent);
        if let Some(there) = changed.and_then(|changed| changed.names.get(&key)) {
            return *there;
        }
        if self.folding == Folding::None {
            let there = self.tree.child(place.parent, &place.name);
            return there.or_else(|| {
                let from = self.coming?.trees.remote();
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
        let is_busy = self.coming.is_some_and(|wanted| wanted.is_busy(id));
        is_busy && self.tree.node(id).is_none()
    }

    /// Returns what is in a directory by the keys of the names, with what is coming where a name is free.
    fn folded_children(&self, dir: NodeId) -> BTreeMap<Key, NodeId> {
        let from = self.coming.map(|wanted| wanted.trees.remote());
        let from = from.into_iter().flat_map(|remote| remote.children(dir));
        let coming = from.filter(|(_, id)| self.is_coming(*id));
        let all = coming.chain(self.tree.children(dir));
        all.map(|(name, id)| (self.key(name), id)).collect()
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
        let has_name = self.occupant(&place) == Some(id);
        let key = self.key(&place.name);
        let changed = self.changed(place.parent);
        changed.n_children -= 1;
        if has_name {
            changed.names.insert(key, None);
        }
        self.places.insert(id, None);
        self.new_dirs.remove(&id);
        Some(place)
    }

    /// Places a node that is nowhere.
    pub(super) fn put(&mut self, id: NodeId, place: Place, is_dir: bool) {
        let key = self.key(&place.name);
        let changed = self.changed(place.parent);
        changed.n_children += 1;
        changed.names.insert(key, Some(id));
        self.places.insert(id, Some(place));
        if is_dir {
            self.new_dirs.insert(id);
        }
    }

    fn changed(&mut self, dir: NodeId) -> &mut Changed {
        self.changed.entry(dir).or_insert_with(|| Changed {
            n_children: self.tree.n_children(dir),
            names: BTreeMap::new(),
        })
    }
}
