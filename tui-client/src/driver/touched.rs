//! What has to be saved besides the session's rows: prints, chunks and the feed. Values are read when they are saved, so
//! that however often a node changes within a turn, it is written once.

use std::collections::{BTreeMap, BTreeSet};

use sync_engine::session::Unsaved;
use sync_engine::{NodeId, Session};

use crate::control::LogItem;
use crate::disk::Print;
use crate::state::{ChunkRow, Delta, Facts};

/// A print as the database keeps it, with the number that tells whether what it is of was flushed.
fn print_to_bytes(print: &Print, number: u64) -> Vec<u8> {
    common::codec::to_bytes(&(*print, number)).expect("a few numbers can be encoded")
}

/// Reads a print that the database kept, with its number; one that cannot be read makes the file be read anew.
#[must_use]
pub fn print_of_bytes(bytes: &[u8]) -> Option<(Print, u64)> {
    common::codec::from_bytes(bytes).ok()
}

/// See the module's page.
#[derive(Default)]
pub struct Touched {
    prints: BTreeMap<NodeId, Option<Print>>,
    chunks: BTreeMap<NodeId, Option<Vec<ChunkRow>>>,
    feed: Vec<LogItem>,
}

impl Touched {
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

    /// Tells whether there are new prints.
    pub fn has_prints(&self) -> bool {
        !self.prints.is_empty()
    }

    /// Takes everything that is to be saved: the rows that the session names, and what was noted here, with the number
    /// that prints get now.
    pub fn take(&mut self, session: &Session, unsaved: Unsaved, facts: Option<Facts>, number: u64) -> Delta {
        let touched = std::mem::take(self);
        let trees = session.trees();
        let ids = |ids: BTreeSet<NodeId>| ids.into_iter();
        Delta {
            nodes: ids(unsaved.nodes).map(|id| (id, trees.sides(id))).collect(),
            prints: touched
                .prints
                .into_iter()
                .map(|(id, print)| (id, print.as_ref().map(|print| print_to_bytes(print, number))))
                .collect(),
            blocked: ids(unsaved.blocked)
                .map(|id| (id, trees.blocked().get(&id).cloned()))
                .collect(),
            chunks: touched.chunks.into_iter().collect(),
            trail: unsaved
                .trail
                .into_iter()
                .map(|version| (version, session.trail().chain(version)))
                .collect(),
            facts,
            begun: None,
            feed: touched.feed,
        }
    }
}
