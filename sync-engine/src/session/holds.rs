//! Nodes that the planner has to leave alone for now: those that something is being done with, and those whose last try
//! failed and that wait for their next.

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

/// A node whose last tries failed.
#[derive(Debug, Clone)]
struct Failing {
    tries: u32,
    due: Instant,
    resting: bool,
    block: Option<Block>,
}

/// See the module's page.
#[derive(Debug, Clone, Default)]
pub(super) struct Holds {
    /// How often each node is taken: a commit and a step may be under way with one node at once.
    busy: BTreeMap<NodeId, u32>,
    failing: BTreeMap<NodeId, Failing>,
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
        if is_free && self.failing.get(&id).is_none_or(|failing| !failing.resting) {
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
        self.give_back(id);
        let failing = self.failing.entry(id).or_insert(Failing {
            tries: 0,
            due: now,
            resting: true,
            block: None,
        });
        let pause = PAUSE_MIN
            .saturating_mul(1 << failing.tries.min(16))
            .min(PAUSE_MAX);
        failing.tries += 1;
        failing.due = now + pause;
        failing.resting = true;
        failing.block = block;
        self.held.insert(id);
    }

    /// Lets every node whose pause is over be tried again. Returns whether there was one.
    pub(super) fn wake(&mut self, now: Instant) -> bool {
        let mut woken = false;
        for (id, failing) in &mut self.failing {
            if failing.resting && failing.due <= now {
                failing.resting = false;
                woken = true;
                if !self.busy.contains_key(id) {
                    self.held.remove(id);
                }
            }
        }
        woken
    }

    /// Lets every node be tried at once, since something has changed that may help.
    pub(super) fn wake_all(&mut self) {
        self.failing
            .values_mut()
            .for_each(|failing| failing.resting = false);
        self.held = self.busy.keys().copied().collect();
    }

    /// Lets one node be tried at once, since it is not any more what it was.
    pub(super) fn retry(&mut self, id: NodeId) {
        if let Some(failing) = self.failing.get_mut(&id) {
            failing.resting = false;
            if !self.busy.contains_key(&id) {
                self.held.remove(&id);
            }
        }
    }

    /// Tells whether all that still fails has failed often, for whatever reason a person was told.
    #[must_use]
    pub(super) fn all_stuck(&self) -> bool {
        self.failing
            .values()
            .all(|failing| HOPELESS_TRIES <= failing.tries && failing.block.is_some())
    }

    /// Tells whether nothing that still fails can be expected to succeed by itself. What waits for space or for a file to
    /// come to rest can.
    #[must_use]
    pub(super) fn all_hopeless(&self) -> bool {
        let may_pass =
            |failing: &Failing| matches!(failing.block, Some(Block::NoSpace | Block::Quota | Block::Busy));
        self.all_stuck() && !self.failing.values().any(may_pass)
    }

    /// When the next pause is over.
    #[must_use]
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.failing
            .values()
            .filter(|failing| failing.resting)
            .map(|failing| failing.due)
            .min()
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
            .retain(|id, failing| failing.resting || busy.contains_key(id));
    }

    /// Forgets failures of nodes that are settled by now: nothing will be tried with them that could succeed.
    pub(super) fn forget_settled(&mut self, unsettled: &BTreeSet<NodeId>) {
        let Self { busy, failing, held } = self;
        failing.retain(|id, _| {
            let keep = unsettled.contains(id) || busy.contains_key(id);
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
        holds.forget_settled(&BTreeSet::from([id]));
        assert!(!holds.all_hopeless());
        holds.forget_settled(&BTreeSet::new());
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
