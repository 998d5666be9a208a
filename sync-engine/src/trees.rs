//! The three trees of a device: what the server last said (remote), what server and disk last agreed on (synced), and
//! what is on disk now (local). The synced side is a table of bases, node by node, and not a tree of its own: while a
//! rename is half way round, two bases may for a moment claim one name. `Trees` knows at all times which nodes are not
//! the same in all three, so that planning costs what has changed and not what there is.

use crate::tree::{Edit, Item};
use crate::{Name, Node, NodeId, PackedMap, Tree, TreeError, Version};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What server and disk last agreed on about one node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Base {
    /// The node as both had it.
    pub node: Arc<Node>,
    /// The version of it that both had.
    pub version: Version,
}

/// What the three trees hold of one node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Sides {
    /// What the server last said.
    pub remote: Option<Item>,
    /// What both last agreed on.
    pub synced: Option<Base>,
    /// What is on disk.
    pub local: Option<Arc<Node>>,
}

impl Sides {
    /// Tells whether no tree has the node.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.remote.is_none() && self.synced.is_none() && self.local.is_none()
    }
}

/// Why this device cannot read or cannot hold a node. A blocked node is never taken for deleted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Block {
    /// The disk refused to let it be read or written; the text is the system's reason.
    Unreadable(String),
    /// It is neither file nor directory nor symbolic link.
    UnsupportedType,
    /// This disk cannot hold the name.
    IllegalName,
    /// On this disk its name is taken by another node, whose name may differ in case or Unicode form.
    NameClash(Name),
    /// This device cannot make symbolic links.
    NoSymlinks,
    /// It changed each time that it was read.
    Busy,
    /// The rules of the folder leave it out, though the account has it.
    Ignored,
    /// It is on another file system.
    OtherFileSystem,
    /// The system had no descriptor or memory left to look at it, which passes.
    Lacking,
    /// There is not enough space on this disk.
    NoSpace,
    /// The server lacks a chunk of it, or has it damaged.
    MissingContent,
    /// The server refused it; the text is the server's reason.
    Refused(String),
    /// The account has as many bytes on the server as it may have.
    Quota,
    /// It is a directory that was deleted elsewhere, and here something is in it that is not synchronised.
    NotEmpty,
    /// There is not enough space on the server.
    ServerFull,
    /// It is another synchronised folder.
    OtherFolder,
    /// It is the store of a server.
    Store,
    /// It is a secret of a device.
    Secret,
    /// Something in it can be no node; the text says what, and why.
    Contains(String),
}

/// See the module's page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Trees {
    remote: Tree,
    synced: PackedMap<NodeId, Base>,
    local: Tree,
    blocked: BTreeMap<NodeId, Block>,
    arrivals: BTreeSet<NodeId>,
    altered: BTreeSet<NodeId>,
    marked: BTreeSet<NodeId>,
}

impl Trees {
    /// Returns three empty trees.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts trees together that were kept apart, such as in a database. What is unsettled follows from them.
    #[must_use]
    pub fn restore(
        remote: Tree,
        synced: PackedMap<NodeId, Base>,
        local: Tree,
        blocked: BTreeMap<NodeId, Block>,
    ) -> Self {
        let (mut arrivals, mut altered) = (Vec::new(), Vec::new());
        {
            // All three are in the order of the ids, so one walk side by side sees each node once.
            let mut remotes = remote.iter().map(|(id, item)| (id, &item.node)).peekable();
            let mut bases = synced.iter().map(|(id, base)| (*id, &base.node)).peekable();
            let mut locals = local.iter().map(|(id, item)| (id, &item.node)).peekable();
            while let Some(id) = [
                remotes.peek().map(|head| head.0),
                bases.peek().map(|head| head.0),
                locals.peek().map(|head| head.0),
            ]
            .into_iter()
            .flatten()
            .min()
            {
                let at = |head: &(NodeId, &Arc<Node>)| head.0 == id;
                let (remote, base, local) = (remotes.next_if(at), bases.next_if(at), locals.next_if(at));
                if base.is_none() && local.is_none() {
                    arrivals.push(id);
                } else if remote != base || remote != local {
                    altered.push(id);
                }
            }
        }
        let marks = |(id, item): (NodeId, &Item)| item.node.mark.is_some().then_some(id);
        let marked = remote.iter().chain(local.iter()).filter_map(marks).collect();
        Self {
            arrivals: arrivals.into_iter().collect(),
            altered: altered.into_iter().collect(),
            marked,
            remote,
            synced,
            local,
            blocked,
        }
    }

    /// What the server last said.
    #[must_use]
    pub fn remote(&self) -> &Tree {
        &self.remote
    }

    /// What is on disk.
    #[must_use]
    pub fn local(&self) -> &Tree {
        &self.local
    }

    /// What both last agreed on about a node.
    #[must_use]
    pub fn base(&self, id: NodeId) -> Option<&Base> {
        self.synced.get(&id)
    }

    /// Returns what all three hold of a node.
    #[must_use]
    pub fn sides(&self, id: NodeId) -> Sides {
        Sides {
            remote: self.remote.item(id).cloned(),
            synced: self.synced.get(&id).cloned(),
            local: self.local.node(id).cloned(),
        }
    }

    /// Iterates over all bases in the order of the ids.
    pub fn bases(&self) -> impl Iterator<Item = (NodeId, &Base)> {
        self.synced.iter().map(|(id, base)| (*id, base))
    }

    /// Returns how many nodes both have agreed on.
    #[must_use]
    pub fn n_bases(&self) -> usize {
        self.synced.len()
    }

    /// The local nodes that could not be observed; their local value is the last one that could.
    #[must_use]
    pub fn blocked(&self) -> &BTreeMap<NodeId, Block> {
        &self.blocked
    }

    /// The nodes that are not the same in all three trees, in the order of their ids.
    pub fn unsettled(&self) -> impl Iterator<Item = NodeId> {
        self.arrivals.union(&self.altered).copied()
    }

    /// Returns how many nodes are not the same in all three trees.
    #[must_use]
    pub fn n_unsettled(&self) -> usize {
        self.arrivals.len() + self.altered.len()
    }

    /// Tells whether a node is not the same in all three trees.
    #[must_use]
    pub fn is_unsettled(&self, id: NodeId) -> bool {
        self.altered.contains(&id) || self.arrivals.contains(&id)
    }

    /// The nodes that the server has and that were never here.
    #[must_use]
    pub fn arrivals(&self) -> &BTreeSet<NodeId> {
        &self.arrivals
    }

    /// The nodes that are not the same in all three trees, but for the arrivals.
    #[must_use]
    pub fn altered(&self) -> &BTreeSet<NodeId> {
        &self.altered
    }

    /// The nodes that bear a conflict mark here or on the server, in the order of their ids.
    #[must_use]
    pub fn marked(&self) -> &BTreeSet<NodeId> {
        &self.marked
    }

    /// Edits the remote tree as one.
    ///
    /// # Errors
    /// When the result would not be a valid tree; then nothing has changed.
    pub fn edit_remote(&mut self, edits: Vec<Edit>) -> Result<(), TreeError> {
        let mut ids: Vec<NodeId> = edits.iter().map(|(id, _)| *id).collect();
        self.remote.edit(edits)?;
        ids.sort_unstable();
        ids.into_iter().for_each(|id| self.settle(id));
        Ok(())
    }

    /// Edits the local tree as one.
    ///
    /// # Errors
    /// When the result would not be a valid tree; then nothing has changed.
    pub fn edit_local(&mut self, edits: Vec<(NodeId, Option<Arc<Node>>)>) -> Result<(), TreeError> {
        let mut ids: Vec<NodeId> = edits.iter().map(|(id, _)| *id).collect();
        let item = |node| Item {
            node,
            version: Version::ZERO,
        };
        self.local
            .edit(edits.into_iter().map(|(id, node)| (id, node.map(item))))?;
        ids.sort_unstable();
        ids.into_iter().for_each(|id| self.settle(id));
        Ok(())
    }

    /// Sets or drops what both agreed on about a node.
    pub fn set_base(&mut self, id: NodeId, base: Option<Base>) {
        match base {
            Some(base) => self.synced.insert(id, base),
            None => self.synced.remove(&id),
        };
        self.settle(id);
    }

    /// Sets or lifts the block on a node.
    pub fn set_block(&mut self, id: NodeId, block: Option<Block>) {
        match block {
            Some(block) => self.blocked.insert(id, block),
            None => self.blocked.remove(&id),
        };
    }

    /// Forgets all bases: the next plan is a union of both sides, which deletes nothing.
    pub fn forget_bases(&mut self) {
        let ids: Vec<NodeId> = core::mem::take(&mut self.synced)
            .iter()
            .map(|(id, _)| *id)
            .collect();
        ids.into_iter().for_each(|id| self.settle(id));
    }

    /// Forgets the remote tree, to be read anew.
    pub fn forget_remote(&mut self) {
        let ids: Vec<NodeId> = self.remote.iter().map(|(id, _)| id).collect();
        self.remote = Tree::new();
        ids.into_iter().for_each(|id| self.settle(id));
    }

    /// Enters the node among the unsettled ones, or takes it out.
    fn settle(&mut self, id: NodeId) {
        let remote = self.remote.node(id);
        let local = self.local.node(id);
        let base = self.synced.get(&id).map(|base| &base.node);
        if [remote, local]
            .into_iter()
            .flatten()
            .any(|node| node.mark.is_some())
        {
            self.marked.insert(id);
        } else {
            self.marked.remove(&id);
        }
        let is_arrival = remote.is_some() && local.is_none() && base.is_none();
        let is_altered = !is_arrival && (remote != local || remote != base);
        for (ids, is_in) in [(&mut self.arrivals, is_arrival), (&mut self.altered, is_altered)] {
            if is_in {
                ids.insert(id);
            } else {
                ids.remove(&id);
            }
        }
    }
}
