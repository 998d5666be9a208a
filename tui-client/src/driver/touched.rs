//! Which rows of the database are out of date. Values are read from the trees when they are saved, so that however often
//! a node changes within a turn, it is written once.

use std::collections::{BTreeMap, BTreeSet};

use sync_engine::{NodeId, Trees};

use crate::control::LogItem;
use crate::disk::Print;
use crate::state::{ChunkRow, Delta, Facts};

/// A print as the database keeps it.
fn print_to_bytes(print: &Print) -> Vec<u8> {
    common::codec::to_bytes(print).expect("a few numbers can be encoded")
}

/// Reads a print that the database kept; one that cannot be read makes the file be read anew.
#[must_use]
pub fn print_of_bytes(bytes: &[u8]) -> Option<Print> {
    common::codec::from_bytes(bytes).ok()
}

/// See the module's page.
#[derive(Default)]
pub struct Touched {
    forget_remote: bool,
    forget_bases: bool,
    remote: BTreeSet<NodeId>,
    synced: BTreeSet<NodeId>,
    local: BTreeSet<NodeId>,
    blocked: BTreeSet<NodeId>,
    prints: BTreeMap<NodeId, Option<Print>>,
    chunks: BTreeMap<NodeId, Option<Vec<ChunkRow>>>,
    feed: Vec<LogItem>,
}

impl Touched {
    /// Notes a node of the remote tree.
    pub fn remote(&mut self, id: NodeId) {
        self.remote.insert(id);
    }

    /// Notes a base.
    pub fn synced(&mut self, id: NodeId) {
        self.synced.insert(id);
    }

    /// Notes a node of the local tree.
    pub fn local(&mut self, id: NodeId) {
        self.local.insert(id);
    }

    /// Notes a block.
    pub fn blocked(&mut self, id: NodeId) {
        self.blocked.insert(id);
    }

    /// Notes a print.
    pub fn print(&mut self, id: NodeId, print: Option<Print>) {
        self.prints.insert(id, print);
    }

    /// Notes the chunks of a file.
    pub fn chunks(&mut self, id: NodeId, chunks: Option<Vec<ChunkRow>>) {
        self.chunks.insert(id, chunks);
    }

    /// Notes a change for the feed.
    pub fn feed(&mut self, item: LogItem) {
        self.feed.push(item);
    }

    /// Notes that the whole remote tree was forgotten.
    pub fn forget_remote(&mut self) {
        self.forget_remote = true;
        self.remote.clear();
    }

    /// Notes that all bases were forgotten.
    pub fn forget_bases(&mut self) {
        self.forget_bases = true;
        self.synced.clear();
    }

    /// Takes everything that is to be saved.
    pub fn take(&mut self, trees: &Trees, facts: Option<Facts>) -> Delta {
        let touched = std::mem::take(self);
        Delta {
            forget_remote: touched.forget_remote,
            forget_bases: touched.forget_bases,
            remote: touched
                .remote
                .into_iter()
                .map(|id| (id, trees.remote().item(id).cloned()))
                .collect(),
            synced: touched
                .synced
                .into_iter()
                .map(|id| (id, trees.base(id).cloned()))
                .collect(),
            local: touched
                .local
                .into_iter()
                .map(|id| (id, trees.local().node(id).cloned()))
                .collect(),
            prints: touched
                .prints
                .into_iter()
                .map(|(id, print)| (id, print.as_ref().map(print_to_bytes)))
                .collect(),
            blocked: touched
                .blocked
                .into_iter()
                .map(|id| (id, trees.blocked().get(&id).cloned()))
                .collect(),
            chunks: touched.chunks.into_iter().collect(),
            facts,
            feed: touched.feed,
        }
    }
}
