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
