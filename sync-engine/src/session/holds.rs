//! Nodes that the planner has to leave alone for now: those that something is being done with, those whose last try
//! failed and that wait for their next, and those that wait until the server has room for their contents.

use super::room::Room;
use crate::time::Instant;
use crate::{Block, NodeId};
use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

/// The first pause after a failed try.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// So many tries make a failure one that a person has to see to.
const HOPELESS_TRIES: u32 = 3;

/// Until when a node is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Rest {
    /// It may be tried.
    Over,
    /// Until then.
    Until(Instant),
    /// Until the server has room, or until it is its turn to ask whether there is.
    ForRoom,
}

/// A node whose last tries failed.
#[derive(Debug, Clone, Hash)]
struct Failing {
    tries: u32,
    rest: Rest,
    block: Option<Block>,
}

/// Returns how long to wait after so many tries.
pub(super) fn pause(tries: u32) -> Duration {
    PAUSE_MIN.saturating_mul(1 << tries.min(16)).min(PAUSE_MAX)
}

/// See the module's page.
#[derive(Debug, Clone, Default, Hash)]
pub(super) struct Holds {
    /// How often each node is taken: a commit and a step may be under way with one node at once.
    busy: BTreeMap<NodeId, u32>,
    failing: BTreeMap<NodeId, Failing>,
    room: Room,
    /// The union of busy nodes and of those that rest: what the planner is given.
    held: BTreeSet<NodeId>,
}

impl Holds {
    /// Takes a node for as long as something is done with it.
    pub(super) fn take(&mut self, id: NodeId) {
        *self.busy.entry(id).or_default() += 1;
        self.held.insert(id);
    }

    /// Gives a node back.
    pub(super) fn release(&mut self, id: NodeId) {
        let is_free = self.give_back(id);
        if is_free
            && self
                .failing
                .get(&id)
                .is_none_or(|failing| failing.rest == Rest::Over)
        {
            self.held.remove(&id);
        }
    }

    /// Ends one taking. Returns whether it was the last.
    fn give_back(&mut self, id: NodeId) -> bool {
        match self.busy.get_mut(&id) {
            Some(count) if 1 < *count => {
                *count -= 1;
                false
            }
            Some(_) | None => {
                self.busy.remove(&id);
                true
            }
        }
    }

    /// Gives a node back after what was done with it succeeded.
    pub(super) fn succeed(&mut self, id: NodeId) {
        self.failing.remove(&id);
        self.release(id);
    }

    /// Gives a node back after a failure: it rests for a while, longer each time. With a reason that a person should
    /// know, it counts as blocked until a try succeeds.
    pub(super) fn fail(&mut self, id: NodeId, now: Instant, block: Option<Block>) {
        let tries = self.failing.get(&id).map_or(0, |failing| failing.tries);
        self.rest(id, tries + 1, Rest::Until(now + pause(tries)), block);
    }

    /// Gives a node back whose content the server has no room for, for a reason that a person should know.
    pub(super) fn fail_for_room(&mut self, id: NodeId, size_bytes: u64, block: Block, now: Instant) {
        self.room.refused(id, size_bytes, block, now);
        self.wait_for_room(id);
    }

    /// Gives a node back for whose content there is no room, as is known without asking.
    pub(super) fn wait_for_room(&mut self, id: NodeId) {
        let tries = self.failing.get(&id).map_or(0, |failing| failing.tries);
        self.rest(id, tries, Rest::ForRoom, self.room.block().cloned());
    }

    fn rest(&mut self, id: NodeId, tries: u32, rest: Rest, block: Option<Block>) {
        self.give_back(id);
        self.failing.insert(id, Failing { tries, rest, block });
        self.held.insert(id);
    }

    /// Tells whether the server may have room for a node's content.
    #[must_use]
    pub(super) fn may_have_room(&self, id: NodeId, size_bytes: u64) -> bool {
        self.room.may_have(id, size_bytes)
    }

    /// The server has taken a content. Returns whether others that waited for room can go now.
    pub(super) fn found_room(&mut self, size_bytes: u64) -> bool {
        let is_found = self.room.found(size_bytes);
        if is_found {
            self.end_rests(|rest| rest == Rest::ForRoom);
        }
        is_found
    }

    /// Lets every node be tried again whose rest is of this kind. Returns whether there was one.
    fn end_rests(&mut self, is_over: impl Fn(Rest) -> bool) -> bool {
        let mut is_any = false;
        for (id, failing) in &mut self.failing {
            if failing.rest != Rest::Over && is_over(failing.rest) {
                failing.rest = Rest::Over;
                is_any = true;
                if !self.busy.contains_key(id) {
                    self.held.remove(id);
                }
            }
        }
        is_any
    }

    /// Lets every node whose pause is over be tried again. Returns whether there was one.
    pub(super) fn wake(&mut self, now: Instant) -> bool {
        let is_any = self.end_rests(|rest| matches!(rest, Rest::Until(due) if due <= now));
        let asks = self.room_due().is_some_and(|due| due <= now) && self.ask_for_room(now);
        is_any || asks
    }

    /// Lets one of those that wait for room be tried, each in its turn.
    fn ask_for_room(&mut self, now: Instant) -> bool {
        let waiting = self
            .failing
            .iter_mut()
            .filter(|(_, failing)| failing.rest == Rest::ForRoom);
        let Some((id, failing)) = waiting.min_by_key(|(_, failing)| failing.tries) else {
            return false;
        };
        failing.tries += 1;
        failing.rest = Rest::Over;
        self.room.ask(*id, now);
        if !self.busy.contains_key(id) {
            self.held.remove(id);
        }
        true
    }

    /// When it is to be asked whether the server has room, if something waits for that.
    fn room_due(&self) -> Option<Instant> {
        self.room.due().filter(|_| self.waits_for_room())
    }

    fn waits_for_room(&self) -> bool {
        let mut failing = self.failing.values();
        failing.any(|failing| failing.rest == Rest::ForRoom)
    }

    /// Lets every node be tried at once, since something has changed that may help. Whether the server has room, one of
    /// them asks.
    pub(super) fn wake_all(&mut self) {
        self.end_rests(|rest| rest != Rest::ForRoom);
        if self.waits_for_room() {
            self.room.hurry();
        } else {
            // Nothing would ask, so nothing may be kept from trying.
            self.room = Room::default();
        }
    }

    /// Lets one node be tried at once, since it is not any more what it was.
    pub(super) fn retry(&mut self, id: NodeId) {
        if let Some(failing) = self.failing.get_mut(&id) {
            failing.rest = Rest::Over;
            if !self.busy.contains_key(&id) {
                self.held.remove(&id);
            }
        }
    }

    /// Tells whether all that still fails has failed often, for whatever reason a person was told.
    #[must_use]
    pub(super) fn all_stuck(&self) -> bool {
        let tries = |failing: &Failing| match failing.rest {
            Rest::ForRoom => self.room.tries(),
            Rest::Over | Rest::Until(_) => failing.tries,
        };
        self.failing
            .values()
            .all(|failing| HOPELESS_TRIES <= tries(failing) && failing.block.is_some())
    }

    /// Tells whether nothing that still fails can be expected to succeed by itself. What waits for space or for a file to
    /// come to rest can.
    #[must_use]
    pub(super) fn all_hopeless(&self) -> bool {
        let may_pass = |failing: &Failing| {
            let block = failing.block.as_ref();
            block.is_some_and(|block| {
                matches!(
                    block,
                    Block::NoSpace | Block::ServerFull | Block::Quota | Block::Busy | Block::Lacking
                )
            })
        };
        self.all_stuck() && !self.failing.values().any(may_pass)
    }

    /// When the next pause is over.
    #[must_use]
    pub(super) fn next_due(&self) -> Option<Instant> {
        let pauses = self.failing.values().filter_map(|failing| match failing.rest {
            Rest::Until(due) => Some(due),
            Rest::Over | Rest::ForRoom => None,
        });
        pauses.chain(self.room_due()).min()
    }

    /// The nodes that the planner has to leave alone.
    #[must_use]
    pub(super) fn held(&self) -> &BTreeSet<NodeId> {
        &self.held
    }

    /// How many nodes something is being done with.
    #[must_use]
    pub(super) fn n_busy(&self) -> usize {
        self.busy.len()
    }

    /// The nodes whose last try failed for a reason that a person should know.
    pub(super) fn blocked(&self) -> impl Iterator<Item = (NodeId, &Block)> {
        self.failing
            .iter()
            .filter_map(|(id, failing)| Some((*id, failing.block.as_ref()?)))
    }

    /// Forgets failures of nodes that could be tried again and that a plan has found nothing to do with: such as those
    /// that the planner has a reason of its own to leave alone by now.
    pub(super) fn forget_needless(&mut self) {
        let busy = &self.busy;
        self.failing
            .retain(|id, failing| failing.rest != Rest::Over || busy.contains_key(id));
    }

    /// Forgets failures of nodes that are settled by now: nothing will be tried with them that could succeed.
    pub(super) fn forget_settled(&mut self, is_unsettled: impl Fn(NodeId) -> bool) {
        let Self {
            busy, failing, held, ..
        } = self;
        failing.retain(|id, _| {
            let keep = is_unsettled(*id) || busy.contains_key(id);
            if !keep {
                held.remove(id);
            }
            keep
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_node_rests_longer_each_time_and_is_blocked_meanwhile() {
        let (mut holds, id, now) = (Holds::default(), NodeId([1; 16]), Instant::default());
        holds.take(id);
        holds.fail(id, now, Some(Block::NoSpace));
        assert_eq!(holds.next_due(), Some(now + PAUSE_MIN));
        assert!(!holds.wake(now));
        assert!(holds.wake(now + PAUSE_MIN));
        assert!(holds.held().is_empty());
        assert_eq!(holds.blocked().count(), 1);
        assert!(!holds.all_stuck());
        holds.fail(id, now, None);
        assert_eq!(holds.next_due(), Some(now + 2 * PAUSE_MIN));
        holds.succeed(id);
        assert!(holds.held().is_empty() && holds.next_due().is_none());
    }

    #[test]
    fn a_node_that_is_taken_twice_is_held_until_both_are_done_with_it() {
        let (mut holds, id) = (Holds::default(), NodeId([1; 16]));
        holds.take(id);
        holds.take(id);
        holds.succeed(id);
        assert!(holds.n_busy() == 1 && holds.held().contains(&id));
        holds.succeed(id);
        assert!(holds.n_busy() == 0 && holds.held().is_empty());
    }

    #[test]
    fn a_failure_of_what_is_settled_by_now_is_forgotten() {
        let (mut holds, id, now) = (Holds::default(), NodeId([1; 16]), Instant::default());
        holds.fail(id, now, None);
        assert!(!holds.all_hopeless());
        holds.forget_settled(|other| other == id);
        assert!(!holds.all_hopeless());
        holds.forget_settled(|_| false);
        assert!(holds.all_hopeless() && holds.held().is_empty());
    }

    #[test]
    fn a_failure_is_forgotten_when_nothing_is_to_be_done_with_the_node_any_more() {
        let (mut holds, id, now) = (Holds::default(), NodeId([1; 16]), Instant::default());
        holds.fail(id, now, None);
        holds.forget_needless();
        assert!(!holds.all_hopeless(), "it rests, so the plan was made without it");
        assert!(holds.wake(now + PAUSE_MAX));
        holds.take(id);
        holds.forget_needless();
        assert!(!holds.all_hopeless(), "it is being tried");
        holds.release(id);
        holds.forget_needless();
        assert!(holds.all_hopeless());
    }

    #[test]
    fn what_waits_for_space_is_stuck_but_not_hopeless() {
        let (mut holds, id, now) = (Holds::default(), NodeId([1; 16]), Instant::default());
        for _ in 0..HOPELESS_TRIES {
            holds.fail(id, now, Some(Block::NoSpace));
        }
        assert!(holds.all_stuck() && !holds.all_hopeless());
        holds.fail(id, now, Some(Block::IllegalName));
        assert!(holds.all_hopeless());
    }
}
