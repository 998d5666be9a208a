//! Finds local nodes and remote nodes that are the same thing under two ids: each was made on its own side at one
//! path. Directories are taken for one, and so are equal files and equal links; then what is inside a directory is
//! looked at. This is how two folders that hold the same are joined without any transfer.

use super::{Policy, Record};
use crate::{Kind, Node, NodeId, Trees};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// Returns a record for each local node that is to be known by its remote id.
pub(super) fn unify(trees: &Trees, policy: &Policy, busy: &BTreeSet<NodeId>) -> Vec<Record> {
    if trees.arrivals().is_empty() {
        return Vec::new();
    }
    let mut unifier = Unifier {
        trees,
        policy,
        busy,
        known: BTreeMap::new(),
    };
    let mut records = Vec::new();
    for &id in trees.altered().difference(busy) {
        if let Some(to) = unifier.remote_id(id) {
            records.push(Record::Reidentify { from: id, to });
        }
    }
    records
}

/// Tells whether two nodes at one place are one thing.
pub(super) fn is_one_thing(local: &Node, remote: &Node, policy: &Policy) -> bool {
    match (&local.kind, &remote.kind) {
        (Kind::File(local), Kind::File(remote)) => {
            local.content == remote.content && (local.exec == remote.exec || !policy.has_exec_bits)
        }
        (Kind::Dir | Kind::Symlink(_) | Kind::File(_), _) => local.kind == remote.kind,
    }
}

/// Returns the directory that the server has, and this disk has not, in the place of a directory of this disk that the
/// server has no more: it was deleted and made again elsewhere. What is here becomes the new one, and whatever it holds
/// that is not synchronised stays in it.
pub(crate) fn made_again(trees: &Trees, id: NodeId) -> Option<NodeId> {
    let local = trees.local().node(id).filter(|local| local.kind.is_dir())?;
    if trees.remote().node(id).is_some() || !trees.base(id)?.node.same_place(local) {
        return None;
    }
    let to = trees.remote().child(local.parent, &local.name)?;
    (trees.arrivals().contains(&to) && trees.remote().is_dir(to)).then_some(to)
}

/// Tells whether a local node may be given another id now: neither it nor anything in it is busy or blocked.
pub(super) fn may_reidentify(trees: &Trees, busy: &BTreeSet<NodeId>, id: NodeId) -> bool {
    let is_free = |id: &NodeId| !busy.contains(id);
    is_free(&id)
        && !trees.blocked().contains_key(&id)
        && (busy.is_empty() || trees.local().children(id).all(|(_, child)| is_free(&child)))
}

struct Unifier<'a> {
    trees: &'a Trees,
    policy: &'a Policy,
    busy: &'a BTreeSet<NodeId>,
    /// What was found out of local-only directories: the remote id of each that has one.
    known: BTreeMap<NodeId, Option<NodeId>>,
}

impl Unifier<'_> {
    /// Returns the remote id of a local-only node, after that of every local-only directory above it.
    fn remote_id(&mut self, id: NodeId) -> Option<NodeId> {
        if let Some(known) = self.known.get(&id) {
            return *known;
        }
        if !self.is_only_local(id) {
            return None;
        }
        let mut chain = Vec::new();
        let mut at = self.trees.local().node(id)?.parent;
        while !self.known.contains_key(&at) && self.is_only_local(at) {
            chain.push(at);
            at = self.trees.local().node(at)?.parent;
        }
        for at in chain.into_iter().rev() {
            let found = self.twin(at);
            self.known.insert(at, found);
        }
        let found = self.twin(id);
        if self.trees.local().is_dir(id) {
            self.known.insert(id, found);
        }
        found
    }

    fn is_only_local(&self, id: NodeId) -> bool {
        self.trees.local().node(id).is_some()
            && self.trees.base(id).is_none()
            && self.trees.remote().node(id).is_none()
    }

    /// Returns the node that only the server has at the place where only this disk has `id`.
    fn twin(&self, id: NodeId) -> Option<NodeId> {
        let local = self.trees.local().node(id)?;
        let parent = match self.known.get(&local.parent) {
            Some(twin) => (*twin)?,
            None => local.parent,
        };
        let twin = self.trees.remote().child(parent, &local.name)?;
        let is_only_remote = self.trees.arrivals().contains(&twin);
        let is_free = !self.busy.contains(&twin) && may_reidentify(self.trees, self.busy, id);
        let remote = self.trees.remote().node(twin)?;
        (is_only_remote && is_free && is_one_thing(local, remote, self.policy)).then_some(twin)
    }
}
