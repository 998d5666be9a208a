//! What the observer is told of a step that was carried out: so it takes none of it for somebody else's doing.

use sync_engine::plan::Step;
use sync_engine::{NodeId, Place, RelPath};

use super::Driver;
use crate::disk::Print;

impl Driver {
    /// Returns the directories that a step moves, with the paths that they have before it is entered.
    pub(super) fn moved_dirs(&self, step: &Step, prints: &[(NodeId, Print)]) -> Vec<(NodeId, RelPath)> {
        if !moves(step) {
            return Vec::new();
        }
        let local = self.trees().local();
        let dirs = prints.iter().map(|(id, _)| *id).filter(|id| local.is_dir(*id));
        dirs.filter_map(|id| Some((id, local.path(id)?))).collect()
    }

    /// Tells what has become of the nodes of a step that was entered; `were_at` is what [`Self::moved_dirs`] returned before.
    pub(super) fn note_done(
        &mut self,
        step: &Step,
        prints: Vec<(NodeId, Print)>,
        were_at: Vec<(NodeId, RelPath)>,
    ) {
        if let Step::Remove { id, .. } = step {
            self.observer.note(*id, None);
            self.touched.print(*id, None);
        }
        if let Some(place) = left_by(step) {
            self.observer.note_left(place);
        }
        let local = self.session.trees().local();
        let moved = were_at
            .into_iter()
            .filter_map(|(id, from)| Some((from, local.path(id)?)));
        self.observer.note_dirs_moved(moved.collect());
        for (id, print) in prints {
            let local = self.session.trees().local();
            let is_file = local.node(id).is_some_and(|node| node.kind.file().is_some());
            match local.path(id).filter(|_| moves(step) && is_file) {
                Some(path) => self.observer.note_moved(id, print, &path, self.root.now()),
                None if is_file => self.observer.note_file(id, print),
                None => self.observer.note(id, Some(print)),
            }
            self.touched.print(id, Some(print));
            if let Some(left) = print.young_for(self.root.now()) {
                self.firmness.noted_young(left);
            }
        }
    }
}

/// Tells whether a step gives a node another place.
fn moves(step: &Step) -> bool {
    matches!(
        step,
        Step::Move { .. } | Step::Park { .. } | Step::Exchange { .. }
    )
}

/// The place where nothing is any more after a step.
fn left_by(step: &Step) -> Option<Place> {
    match step {
        Step::Remove { expect, .. } => Some(Place::of(expect)),
        Step::Move { from, .. } | Step::Park { from, .. } => Some(from.clone()),
        Step::Fetch { .. }
        | Step::MakeDir { .. }
        | Step::KeepCopy { .. }
        | Step::Replace { .. }
        | Step::SetAttributes { .. }
        | Step::Exchange { .. } => None,
    }
}
