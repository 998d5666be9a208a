//! Whether the server has room. When it has said that it has none for a content, those that are no smaller wait for each
//! other: from time to time one of them is sent. So a full server is asked as seldom for a thousand files as for one, and
//! what is small and may still fit goes on.

use super::holds::pause;
use crate::time::Instant;
use crate::{Block, NodeId};

/// See the module's page.
#[derive(Debug, Clone, Default, Hash)]
pub(super) struct Room {
    want: Option<Want>,
}

/// There is no room for some contents.
#[derive(Debug, Clone, Hash)]
struct Want {
    /// The smallest content that was refused, in bytes.
    least_bytes: u64,
    /// What a person is told of it.
    block: Block,
    /// How often it was asked since.
    tries: u32,
    /// When it is asked again.
    due: Instant,
    /// The node whose content asks.
    asks: Option<NodeId>,
}

impl Room {
    /// The server had no room for a node's content.
    pub(super) fn refused(&mut self, id: NodeId, size_bytes: u64, block: Block, now: Instant) {
        let want = self.want.get_or_insert_with(|| Want {
            least_bytes: size_bytes,
            block: block.clone(),
            tries: 0,
            due: now + pause(0),
            asks: None,
        });
        want.least_bytes = want.least_bytes.min(size_bytes);
        want.block = block;
        if want.asks == Some(id) {
            want.asks = None;
        }
    }

    /// The server had room for a content. Returns whether there may be room for what waits.
    pub(super) fn found(&mut self, size_bytes: u64) -> bool {
        let is_over = |want: &mut Want| want.least_bytes <= size_bytes;
        self.want.take_if(is_over).is_some()
    }

    /// A node's content is sent to ask whether there is room.
    pub(super) fn ask(&mut self, id: NodeId, now: Instant) {
        if let Some(want) = &mut self.want {
            want.tries = want.tries.saturating_add(1);
            want.due = now + pause(want.tries);
            want.asks = Some(id);
        }
    }

    /// Lets it be asked at once.
    pub(super) fn hurry(&mut self) {
        if let Some(want) = &mut self.want {
            want.due = Instant::default();
        }
    }

    /// Tells whether there may be room for a node's content.
    #[must_use]
    pub(super) fn may_have(&self, id: NodeId, size_bytes: u64) -> bool {
        self.want
            .as_ref()
            .is_none_or(|want| size_bytes < want.least_bytes || want.asks == Some(id))
    }

    /// When it is asked again.
    #[must_use]
    pub(super) fn due(&self) -> Option<Instant> {
        self.want.as_ref().map(|want| want.due)
    }

    /// How often it was asked.
    #[must_use]
    pub(super) fn tries(&self) -> u32 {
        self.want.as_ref().map_or(0, |want| want.tries)
    }

    /// Why there is no room.
    #[must_use]
    pub(super) fn block(&self) -> Option<&Block> {
        self.want.as_ref().map(|want| &want.block)
    }
}

#[cfg(test)]
mod tests {
    use super::super::holds::Holds;
    use super::*;
    use alloc::vec::Vec;
    use core::time::Duration;

    const NODES: [NodeId; 3] = [NodeId([1; 16]), NodeId([2; 16]), NodeId([3; 16])];

    #[test]
    fn of_many_that_wait_for_room_one_asks_at_a_time_each_in_its_turn() {
        let (mut holds, mut now) = (Holds::default(), Instant::default());
        NODES
            .iter()
            .for_each(|id| holds.fail_for_room(*id, 10, Block::NoSpace, now));
        let mut asked = Vec::new();
        while asked.len() < 12 {
            now = holds.next_due().unwrap();
            assert!(holds.wake(now));
            let asks: Vec<&NodeId> = NODES.iter().filter(|id| !holds.held().contains(id)).collect();
            assert_eq!(asks.len(), 1);
            assert!(holds.may_have_room(*asks[0], 10));
            asked.push(*asks[0]);
            holds.fail_for_room(*asks[0], 10, Block::NoSpace, now);
            assert!(!holds.may_have_room(*asked.last().unwrap(), 10));
        }
        assert_eq!(asked[9..], NODES);
        assert_eq!(holds.next_due(), Some(now + Duration::from_secs(10)));
        assert!(holds.all_stuck() && !holds.all_hopeless());
    }

    #[test]
    fn what_is_smaller_than_all_that_was_refused_goes_and_what_was_as_large_frees_all() {
        let (mut holds, now) = (Holds::default(), Instant::default());
        let [large, small, other] = NODES;
        holds.fail_for_room(large, 100, Block::Quota, now);
        assert!(holds.may_have_room(small, 99) && !holds.may_have_room(other, 100));
        holds.wait_for_room(other);
        assert!(holds.blocked().all(|(_, block)| *block == Block::Quota));
        assert!(!holds.found_room(99));
        assert_eq!(holds.held().len(), 2);
        assert!(holds.found_room(100));
        assert!(holds.held().is_empty() && holds.may_have_room(other, u64::MAX));
    }

    #[test]
    fn nothing_asks_for_room_that_nothing_waits_for() {
        let (mut holds, now) = (Holds::default(), Instant::default());
        holds.fail_for_room(NODES[0], 10, Block::NoSpace, now);
        assert!(holds.next_due().is_some());
        holds.forget_settled(|_| false);
        assert_eq!(holds.next_due(), None);
        holds.wake_all();
        assert!(holds.may_have_room(NODES[0], 10));
    }
}
