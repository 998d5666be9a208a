//! The prints of all nodes as they were saved.

use sync_engine::NodeId;

/// The prints as they were saved. All of them lie in one piece: a million small ones would leave as many gaps in the
/// memory when they are given back.
#[derive(Debug, Clone, Default)]
pub struct Prints {
    /// Where each print begins and how long it is, in the order of the ids.
    places: Vec<(NodeId, usize, usize)>,
    bytes: Vec<u8>,
}

impl Prints {
    /// Adds the print of another node.
    pub fn push(&mut self, id: NodeId, print: &[u8]) {
        self.places.push((id, self.bytes.len(), print.len()));
        self.bytes.extend_from_slice(print);
    }

    /// Puts them in the order of the ids, in which they are when all are there.
    pub fn sort(&mut self) {
        self.places.sort_unstable();
    }

    /// Iterates over them in the order of the ids.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &[u8])> {
        let print = |(id, from, len): &(NodeId, usize, usize)| (*id, &self.bytes[*from..from + len]);
        self.places.iter().map(print)
    }
}
