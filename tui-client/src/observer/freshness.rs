//! Which looks are out of date. Between a look at the disk and its judgement the driver may have changed the very place,
//! or a later look may have been judged first. What such a look saw is past; entered, it would undo what came after it,
//! for all devices. So every change of what is known is counted, and a look counts only if it began after the last
//! change of its place and of the node that it shows. A look that changes nothing counts as a change too while files are
//! being read: what is read may have been gone again when it looked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sync_engine::{NodeId, Place};

/// Counts changes, and knows when the looks that are under way began.
#[derive(Debug, Default)]
pub(super) struct Clock(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    now: u64,
    /// How many looks are under way that began at each count.
    under_way: BTreeMap<u64, usize>,
    /// How many of them read files.
    n_readings: usize,
}

/// A look, or several, from before the disk was asked until what it saw is judged.
#[derive(Debug)]
pub(super) struct Glance {
    clock: Arc<Clock>,
    began: u64,
    reads: bool,
}

impl Clock {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to look.
    pub(super) fn begin(self: &Arc<Self>) -> Glance {
        self.begin_as(false)
    }

    /// Begins to read files, of which others may look at some meanwhile.
    pub(super) fn begin_reading(self: &Arc<Self>) -> Glance {
        self.begin_as(true)
    }

    fn begin_as(self: &Arc<Self>, reads: bool) -> Glance {
        let mut counts = self.counts();
        let began = counts.now;
        *counts.under_way.entry(began).or_default() += 1;
        counts.n_readings += usize::from(reads);
        Glance {
            clock: Arc::clone(self),
            began,
            reads,
        }
    }

    /// Counts a change. Returns its number, and when the oldest look that is under way began.
    fn tick(&self) -> (u64, u64) {
        let mut counts = self.counts();
        counts.now += 1;
        let oldest = counts.under_way.keys().next().copied().unwrap_or(counts.now);
        (counts.now, oldest)
    }
}

impl Drop for Glance {
    fn drop(&mut self) {
        let mut counts = self.clock.counts();
        counts.n_readings -= usize::from(self.reads);
        if let Some(count) = counts.under_way.get_mut(&self.began) {
            *count -= 1;
            if *count == 0 {
                counts.under_way.remove(&self.began);
            }
        }
    }
}

/// What a change concerns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Spot {
    /// A node, wherever it is.
    Node(NodeId),
    /// A place, whatever is there.
    Place(Place),
    /// The bytes of a file. Of two who read it, the later one is right, and their prints may be equal.
    Bytes(NodeId),
}

/// The changes that a look under way may have missed; no more are kept.
#[derive(Debug, Default)]
pub(super) struct Changes {
    clock: Arc<Clock>,
    last: BTreeMap<Spot, u64>,
    in_order: VecDeque<(u64, Spot)>,
}

impl Changes {
    pub(super) fn clock(&self) -> Arc<Clock> {
        Arc::clone(&self.clock)
    }

    /// Notes a change.
    pub(super) fn note(&mut self, spot: Spot) {
        let (now, oldest) = self.clock.tick();
        while let Some((number, spot)) = self.in_order.front().filter(|(number, _)| *number <= oldest) {
            if self.last.get(spot) == Some(number) {
                self.last.remove(spot);
            }
            self.in_order.pop_front();
        }
        if oldest < now {
            self.last.insert(spot.clone(), now);
            self.in_order.push_back((now, spot));
        }
    }

    /// Tells whether files are being read beside a look.
    pub(super) fn are_files_read_beside(&self, glance: &Glance) -> bool {
        usize::from(glance.reads) < self.clock.counts().n_readings
    }

    /// Tells whether a change came after a look had begun.
    pub(super) fn is_after(&self, glance: &Glance, spot: &Spot) -> bool {
        self.last.get(spot).is_some_and(|number| glance.began < *number)
    }

    /// Tells whether nothing is kept.
    pub(super) fn is_empty(&self) -> bool {
        self.last.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(n: u8) -> Spot {
        Spot::Node(NodeId([n; 16]))
    }

    #[test]
    fn a_look_is_out_of_date_after_a_change_of_what_it_saw_and_of_nothing_else() {
        let mut changes = Changes::default();
        let before = changes.clock().begin();
        changes.note(spot(1));
        let after = changes.clock().begin();
        assert!(changes.is_after(&before, &spot(1)) && !changes.is_after(&before, &spot(2)));
        assert!(!changes.is_after(&after, &spot(1)));
        changes.note(spot(1));
        assert!(changes.is_after(&after, &spot(1)));
    }

    #[test]
    fn a_look_knows_of_those_who_read_beside_it() {
        let changes = Changes::default();
        let (look, reading) = (changes.clock().begin(), changes.clock().begin_reading());
        assert!(changes.are_files_read_beside(&look) && !changes.are_files_read_beside(&reading));
        let other = changes.clock().begin_reading();
        assert!(changes.are_files_read_beside(&reading));
        drop((reading, other));
        assert!(!changes.are_files_read_beside(&look));
    }

    #[test]
    fn nothing_is_kept_that_no_look_under_way_can_have_missed() {
        let mut changes = Changes::default();
        changes.note(spot(1));
        assert!(changes.is_empty());
        let glance = changes.clock().begin();
        changes.note(spot(1));
        changes.note(spot(2));
        assert!(!changes.is_empty());
        drop(glance);
        changes.note(spot(3));
        assert!(changes.is_empty() && changes.in_order.is_empty());
    }
}
