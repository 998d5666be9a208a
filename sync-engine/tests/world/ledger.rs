//! The server: a journal, the tree that it makes, and the ids that were ever used.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use sync_engine::admit::Inside;
use sync_engine::tree::Item;
use sync_engine::{
    Change, Content, DeviceId, Entry, Kind, Name, Node, NodeId, Rejection, Tree, Version, View, admit,
};

/// See the module's page.
#[derive(Clone, Default, Hash)]
pub(crate) struct Ledger {
    pub(crate) tree: Tree,
    pub(crate) entries: Vec<Entry>,
    used: BTreeSet<NodeId>,
    /// Every content that is in the tree or in the history.
    pub(crate) contents: BTreeSet<Content>,
    /// The server's clock, by which no two entries are the same.
    now_ms: u64,
}

impl View for Ledger {
    type Error = Infallible;

    fn item(&self, id: NodeId) -> Result<Option<(Version, Node)>, Infallible> {
        Ok(self
            .tree
            .item(id)
            .map(|item| (item.version, Node::clone(&item.node))))
    }

    fn child(&self, parent: NodeId, name: &Name) -> Result<Option<NodeId>, Infallible> {
        Ok(self.tree.child(parent, name))
    }

    fn has_children(&self, id: NodeId) -> Result<bool, Infallible> {
        Ok(self.tree.has_children(id))
    }

    fn id_used(&self, id: NodeId) -> Result<bool, Infallible> {
        Ok(self.used.contains(&id))
    }

    fn has_content(&self, _: &Content) -> Result<bool, Infallible> {
        Ok(true)
    }

    fn inside(&self, id: NodeId, _: usize) -> Result<Inside, Infallible> {
        let mut inside = Inside { levels: 0, nodes: 0 };
        let mut level: Vec<NodeId> = self.tree.children(id).map(|(_, id)| id).collect();
        while !level.is_empty() {
            inside.levels += 1;
            inside.nodes += level.len();
            let below = level.iter().flat_map(|id| self.tree.children(*id));
            level = below.map(|(_, id)| id).collect();
        }
        Ok(inside)
    }
}

impl Ledger {
    /// Takes a change, or says why not.
    pub(crate) fn commit(&mut self, device: DeviceId, change: Change) -> Result<Entry, Rejection> {
        let Ok(admitted) = admit(self, &change);
        let effects = admitted?;
        let number = Version(self.entries.len() as u64 + 1);
        for (id, node) in &effects {
            self.used.insert(*id);
            if let Some(Kind::File(file)) = node.as_ref().map(|node| &node.kind) {
                self.contents.insert(file.content);
            }
        }
        let item = |node| Item {
            node: Arc::new(node),
            version: number,
        };
        self.tree
            .edit(effects.into_iter().map(|(id, node)| (id, node.map(item))))
            .expect("what was admitted leaves a valid tree");
        assert!(
            admit(self, &change).unwrap().is_err(),
            "a change was admitted twice: {change:?}"
        );
        let entry = Entry {
            number,
            device,
            time_ms: self.now_ms,
            change,
        };
        self.now_ms += 1;
        self.entries.push(entry.clone());
        Ok(entry)
    }

    /// Returns the server as it was after some entries.
    pub(crate) fn put_back(&self, n_entries: usize) -> Self {
        let mut past = Self::default();
        for entry in &self.entries[..n_entries] {
            past.now_ms = entry.time_ms;
            past.commit(entry.device, entry.change.clone()).unwrap();
        }
        past.now_ms = self.now_ms;
        past
    }
}
