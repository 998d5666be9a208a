//! The planner's steps on their way to the disk, and what came of each.

use super::Session;
use crate::plan::Step;
use crate::time::Instant;
use crate::{AdvanceError, Block, advance};
use alloc::vec::Vec;

/// How many steps are on their way at most; the rest is planned again when these are done.
const UNDER_WAY_MAX: usize = 20_000;

/// Tells whether a step changes the paths of nodes that are there already.
fn changes_paths(step: &Step) -> bool {
    matches!(
        step,
        Step::Move { .. } | Step::Park { .. } | Step::Exchange { .. }
    )
}

impl Session {
    /// Begins steps. After a batch that changes paths nothing more is begun, since a shell resolves paths when it is given
    /// a step. Returns whether all were begun.
    pub(super) fn begin_steps(&mut self, batches: Vec<Vec<Step>>, begun: &mut Vec<Step>) -> bool {
        for batch in batches {
            let paths_change = batch.iter().any(changes_paths);
            for step in batch {
                if UNDER_WAY_MAX <= self.in_hand.len() {
                    return false;
                }
                for id in step.ids() {
                    self.holds.take(id);
                    self.in_hand.insert(id);
                }
                begun.push(step);
            }
            if paths_change {
                return false;
            }
        }
        true
    }

    /// A step was taken.
    ///
    /// # Errors
    /// When the local tree has changed since it was planned. The node is free again; all is to be looked at anew.
    pub fn step_done(&mut self, step: &Step) -> Result<(), AdvanceError> {
        let completed = advance::complete(&mut self.trees, step).map(|delta| self.touch(delta));
        for id in step.ids() {
            self.in_hand.remove(&id);
            self.holds.succeed(id);
        }
        if self.in_hand.is_empty() || self.has_more_steps && self.in_hand.len() < UNDER_WAY_MAX / 2 {
            self.pace.want();
        }
        self.proof.disturb();
        completed
    }

    /// A step could not be taken. With a reason that a person should know, its nodes count as blocked until a try succeeds.
    pub fn step_failed(&mut self, step: &Step, block: Option<&Block>, now: Instant) {
        for id in step.ids() {
            self.in_hand.remove(&id);
            self.holds.fail(id, now, block.cloned());
        }
        // The next plan leaves these nodes alone for a while. Only a plan that finds nothing else to do lets 'synced' be
        // said of the rest.
        self.proof.retry();
        self.pace.want();
    }

    /// A step will not be taken, since its content will not come; a new plan sees to it.
    pub fn step_given_up(&mut self, step: &Step) {
        for id in step.ids() {
            self.in_hand.remove(&id);
            self.holds.release(id);
        }
    }
}
