//! What a crash of the computer does to a folder: what was not flushed may be gone, or hold other bytes under the time
//! stamps of before. Nobody meant that, so it is no deletion and no edit: what the account has comes back.

use super::Session;
use crate::{Base, Bug, FileState, Kind, Node, NodeId, planted};
use alloc::sync::Arc;
use alloc::vec::Vec;

impl Session {
    /// Notes that a node which was just entered as gone went with a crash. Returns whether the account has it.
    pub fn lost(&mut self, id: NodeId) -> bool {
        let is_theirs = self.trees.base(id).is_some() && self.trees.remote().node(id).is_some();
        if is_theirs && self.trees.local().node(id).is_none() {
            self.set_base(id, None);
        }
        is_theirs
    }

    /// Notes that the bytes of a file which were just entered came about in a crash, in the place of others. Returns
    /// whether the account has the file; then it comes back as it is there, be it the version that the device knew or one
    /// that it has sent since and forgotten, and what is there is put aside. Until the account was heard,
    /// [`Session::take_spoiled`] may still find it there. Otherwise it stays.
    pub fn spoiled(&mut self, id: NodeId) -> bool {
        let Some(Kind::File(found)) = self.trees.local().node(id).map(|node| node.kind.clone()) else {
            return false;
        };
        let is_theirs = self.give_way(id, found);
        if !is_theirs && !self.works() && !planted(Bug::SpoiledSentUnheard) {
            self.spoiled.insert(id, found);
        }
        is_theirs
    }

    /// Returns the files that came about in a crash, and that the account has as this device had sent them and forgotten:
    /// they come back too.
    pub fn take_spoiled(&mut self) -> Vec<NodeId> {
        if self.spoiled.is_empty() || !self.works() {
            return Vec::new();
        }
        let spoiled = core::mem::take(&mut self.spoiled).into_iter();
        let theirs = spoiled.filter(|(id, found)| {
            let local = self.trees.local().node(*id).map(|node| &node.kind);
            local == Some(&Kind::File(*found)) && self.give_way(*id, *found)
        });
        theirs.map(|(id, _)| id).collect()
    }

    /// Lets what is found of a file be what both sides agreed on, so that the account's version comes in its place.
    fn give_way(&mut self, id: NodeId, found: FileState) -> bool {
        let Some(item) = self.trees.remote().item(id).cloned() else {
            return false;
        };
        let (known, version) = match self.trees.base(id) {
            Some(base) => (&base.node, base.version),
            // A file of this id is one that this device has sent.
            None => (&item.node, item.version),
        };
        if known.kind.file().is_none() {
            return false;
        }
        let node = Node {
            kind: Kind::File(found),
            ..Node::clone(known)
        };
        let node = Arc::new(node);
        self.set_base(id, Some(Base { node, version }));
        true
    }

    fn set_base(&mut self, id: NodeId, base: Option<Base>) {
        self.trees.set_base(id, base);
        self.unsaved.nodes.insert(id);
        self.disturb();
    }
}
