//! The ids of new nodes. No two devices ever make the same: each source of ids draws the first half of them once, and the
//! last quarter anew for each. Between them it counts, so that nodes which are made together lie together in every table
//! and tree that is in the order of the ids, here and on the server, and are found there at little cost. Their order
//! means nothing else, and no clock has a part in it.

use sync_engine::NodeId;

/// A source of ids.
#[derive(Debug)]
pub(crate) struct NewIds {
    source: [u8; 8],
    next: u32,
}

impl Default for NewIds {
    fn default() -> Self {
        let source = random();
        Self { source, next: 0 }
    }
}

impl NewIds {
    /// Returns an id that no other node has.
    pub(crate) fn make(&mut self) -> NodeId {
        let mut id = [0; 16];
        let (source, rest) = id.split_at_mut(8);
        let (number, own) = rest.split_at_mut(4);
        source.copy_from_slice(&self.source);
        number.copy_from_slice(&self.next.to_be_bytes());
        own.copy_from_slice(&random::<4>());
        match self.next.checked_add(1) {
            Some(next) => self.next = next,
            None => *self = Self::default(),
        }
        NodeId(id)
    }
}

fn random<const LEN: usize>() -> [u8; LEN] {
    let mut bytes = [0; LEN];
    common::entropy::fill(&mut bytes).expect("the system has random numbers");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_and_those_of_two_sources_differ() {
        let (mut one, mut other) = (NewIds::default(), NewIds::default());
        let ids: Vec<NodeId> = (0..1000).map(|_| one.make()).collect();
        assert!(ids.is_sorted_by(|a, b| a < b));
        assert_ne!(other.make().0[..8], ids[0].0[..8]);
    }

    #[test]
    fn a_source_that_has_counted_to_its_end_begins_anew() {
        let mut ids = NewIds::default();
        let first = ids.make();
        ids.next = u32::MAX;
        assert_eq!(ids.make().0[..8], first.0[..8]);
        let after = ids.make();
        assert_ne!(after.0[..8], first.0[..8]);
        assert_eq!(after.0[8..12], [0; 4]);
    }
}
