//! Healing the server's store: when chunks that it had are damaged or gone, it says so, and a device that has the file
//! sends what is missing, without anybody having to touch the file. What cannot be sent now is asked for again with the
//! next connection.

use std::collections::BTreeSet;

use sync_engine::{Content, Hash, Kind, NodeId};

use super::Driver;

impl Driver {
    /// Notes which of this folder's files the server cannot give to anybody any more.
    pub(super) fn on_lacking(&mut self, hashes: &[Hash]) {
        let lacking: BTreeSet<Hash> = hashes.iter().copied().collect();
        let content = |kind: &Kind| kind.file().map(|file| file.content);
        self.heals = self
            .trees
            .local()
            .iter()
            .filter_map(|(id, item)| Some((id, content(&item.node.kind)?)))
            .filter(|(_, content)| lacking.contains(&content.hash))
            .collect();
        let n_files = self.heals.len();
        tracing::info!(
            n_files,
            "the server has lost contents, and this device has some of them"
        );
    }

    /// Sends what the server asked for, as far as it is still what is on disk.
    pub(super) fn heal(&mut self) {
        if self.heals.is_empty() || !self.works() {
            return;
        }
        let free: Vec<(NodeId, Content)> = self
            .heals
            .iter()
            .filter(|(id, _)| !self.holds.held().contains(id))
            .map(|(id, content)| (*id, *content))
            .collect();
        for (id, content) in free {
            let now = self.trees.local().node(id).and_then(|node| node.kind.file());
            if now.is_none_or(|file| file.content != content) {
                // It is sent as what it is by now.
                self.heals.remove(&id);
                continue;
            }
            self.settled.disturb();
            self.holds.take(id);
            self.uploading.insert(id);
            self.order_content(id, content);
        }
    }

    /// Notes that a content was sent, or cannot be sent now.
    pub(super) fn end_heal(&mut self, id: NodeId) {
        if self.heals.remove(&id).is_some() {
            self.uploading.remove(&id);
        }
    }
}
