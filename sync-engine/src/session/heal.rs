//! Healing the server's store: when chunks that it had are damaged or gone, it says so, and a device that has the file
//! sends what is missing, without anybody having to touch the file. What cannot be sent now is asked for again with the
//! next connection.

use super::Session;
use crate::{Content, Hash, NodeId};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

impl Session {
    /// Notes what the account should have and the server has lost: the names of chunks and lists. Of the folder's files,
    /// those with such a content are sent with the next orders.
    pub fn lacking(&mut self, hashes: &BTreeSet<Hash>) {
        let files = self.trees.local().iter();
        let contents = files.filter_map(|(id, item)| Some((id, item.node.kind.file()?.content)));
        self.heals = contents
            .filter(|(_, content)| hashes.contains(&content.hash))
            .collect();
        if !self.heals.is_empty() {
            self.disturb();
        }
    }

    /// Orders the contents that the server asked for to be sent, as far as they are still what is on disk.
    pub(super) fn order_heals(&mut self) -> Vec<(NodeId, Content)> {
        let Self { heals, trees, .. } = self;
        let on_disk = |id| Some(trees.local().node(id)?.kind.file()?.content);
        heals.retain(|id, content| on_disk(*id) == Some(*content));
        let free: Vec<(NodeId, Content)> = self
            .heals
            .iter()
            .filter(|(id, _)| !self.holds.held().contains(id))
            .filter(|(id, content)| self.holds.may_have_room(**id, content.size_bytes))
            .map(|(id, content)| (*id, *content))
            .collect();
        for (id, _) in &free {
            self.holds.take(*id);
            self.uploading.insert(*id);
            self.proof.disturb();
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::super::Limits;
    use super::*;
    use crate::time::Instant;
    use crate::{FileState, Kind, Name, Node, Trail, Trees};
    use core::time::Duration;

    fn session(content: Content) -> Session {
        let file = FileState {
            content,
            exec: false,
            mtime_ns: 0,
        };
        let node = Node {
            parent: NodeId::ROOT,
            name: Name::try_from("f").unwrap(),
            kind: Kind::File(file),
            mark: None,
        };
        let mut trees = Trees::new();
        trees.edit_local([(ID, Some(node.into()))].into()).unwrap();
        let limits = Limits {
            inline_len_max: 0,
            commit_len_aim: 1,
            changes_aim: 1,
            tree_len_max: 1 << 20,
        };
        Session::new(trees, None, Trail::default(), limits, Instant(Duration::ZERO))
    }

    const ID: NodeId = NodeId([1; 16]);

    #[test]
    fn what_the_server_has_lost_is_sent_once_by_who_has_it() {
        let content = Content {
            hash: Hash::of(b"x"),
            size_bytes: 1,
            depth: 0,
        };
        let mut session = session(content);
        session.lacking(&[Hash::of(b"something else")].into());
        assert_eq!(session.order_heals(), []);
        session.lacking(&[content.hash].into());
        assert_eq!(session.order_heals(), [(ID, content)]);
        assert_eq!(session.order_heals(), [], "it is under way");
        // It was cut into pieces first, and is ordered again.
        session.upload_given_up(ID);
        assert_eq!(session.order_heals(), [(ID, content)]);
        session.uploaded(ID, content.hash);
        assert_eq!(session.order_heals(), []);
        assert!(session.uploading.is_empty());
    }

    #[test]
    fn what_could_not_be_sent_waits_until_the_server_asks_again() {
        let content = Content {
            hash: Hash::of(b"x"),
            size_bytes: 1,
            depth: 0,
        };
        let mut session = session(content);
        session.lacking(&[content.hash].into());
        assert_eq!(session.order_heals().len(), 1);
        session.upload_failed(ID, None, Instant(Duration::ZERO));
        assert_eq!(session.order_heals(), []);
    }
}
