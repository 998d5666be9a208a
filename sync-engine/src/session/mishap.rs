//! What a crash of the computer does to a folder: what was not flushed may be gone, or hold other bytes under the time
//! stamps of before. Nobody meant that, so it is no deletion and no edit: what the account has comes back.

use super::Session;
use crate::{Base, Kind, Node, NodeId};
use alloc::sync::Arc;

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
    /// that it has sent since and forgotten, and what is there is put aside. Otherwise it stays.
    pub fn spoiled(&mut self, id: NodeId) -> bool {
        let (Some(base), Some(local)) = (self.trees.base(id), self.trees.local().node(id)) else {
            return false;
        };
        let Kind::File(found) = local.kind else {
            return false;
        };
        if base.node.kind.file().is_none() || self.trees.remote().node(id).is_none() {
            return false;
        }
        let node = Node {
            kind: Kind::File(found),
            ..Node::clone(&base.node)
        };
        let (node, version) = (Arc::new(node), base.version);
        self.set_base(id, Some(Base { node, version }));
        true
    }

    fn set_base(&mut self, id: NodeId, base: Option<Base>) {
        self.trees.set_base(id, base);
        self.unsaved.nodes.insert(id);
        self.disturb();
    }
}
