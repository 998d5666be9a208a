//! Which of the nodes that come from the server a plan sees to. The others count as busy, as if they were on their way
//! already: that is right for them whatever else happens, only slow.

use crate::{NodeId, Trees};
use alloc::collections::BTreeSet;

/// See the module's page.
pub(super) struct Arrivals<'a> {
    all: &'a BTreeSet<NodeId>,
    /// Those that are not busy and that the plan sees to; nothing when it sees to all.
    chosen: Option<BTreeSet<NodeId>>,
}

impl<'a> Arrivals<'a> {
    /// Chooses about so many that are not busy, with the directories that they are in.
    pub(super) fn choose(trees: &'a Trees, busy: &BTreeSet<NodeId>, n_max: usize) -> Self {
        let all = trees.arrivals();
        let is_free = |id: &NodeId| all.contains(id) && !busy.contains(id);
        let mut chosen = BTreeSet::new();
        for id in all.difference(busy) {
            if n_max <= chosen.len() {
                let chosen = Some(chosen);
                return Self { all, chosen };
            }
            let mut at = *id;
            while is_free(&at) && chosen.insert(at) {
                at = trees.remote().node(at).map_or(NodeId::ROOT, |node| node.parent);
            }
        }
        Self { all, chosen: None }
    }

    /// Iterates over those that the plan sees to, in the order of their ids.
    pub(super) fn iter<'s>(&'s self, busy: &'s BTreeSet<NodeId>) -> impl Iterator<Item = NodeId> + use<'s> {
        let chosen = self.chosen.as_ref().unwrap_or(self.all);
        chosen.difference(busy).copied()
    }

    /// Tells whether a node is put off.
    pub(super) fn is_put_off(&self, id: NodeId) -> bool {
        let is_chosen = |chosen: &BTreeSet<NodeId>| chosen.contains(&id);
        self.chosen.as_ref().is_some_and(|chosen| !is_chosen(chosen)) && self.all.contains(&id)
    }

    /// Tells whether any node is put off.
    pub(super) fn is_any_put_off(&self) -> bool {
        self.chosen.is_some()
    }
}
