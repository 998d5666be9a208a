//! Looking into a directory that stands where something else was. What is missed elsewhere may be inside it, and the
//! tree has no names for that yet; so what is inside is judged together with the directory itself.

use std::collections::BTreeMap;

use sync_engine::observe::Identities;
use sync_engine::{NodeId, Place, RelPath};

use super::Observer;
use super::known::identity;
use super::scene::{Detail, Scene, put_off};
use crate::disk::{Print, Root, Sight};
use crate::rules::Rules;

/// So many places are looked at inside one directory at most. What moved to others is taken for new.
const PLACES_MAX: usize = 65_536;

/// What was seen inside a directory: each directory before what is in it.
pub(super) type Inside = Vec<(RelPath, Sight)>;

/// Looks at all that is inside a directory, but for what is left out or cannot be listed; nothing when something else
/// takes its place, or that of one inside it, meanwhile.
pub(super) fn explore(root: &Root, rules: &Rules, top: &RelPath, print: &Print) -> Option<Inside> {
    let mut inside = Vec::new();
    let mut pending = vec![(top.clone(), *print)];
    while let Some((dir, print)) = pending.pop() {
        let listing = root.list(&dir);
        if root.look(&dir).print().map(Print::identity) != Some(print.identity()) {
            return None;
        }
        for (name, sight) in listing.into_iter().flat_map(|listing| listing.entries) {
            let path = dir.join(&name);
            let (is_dir, print) = (matches!(sight, Sight::Dir(_)), sight.print().copied());
            if rules.ignores(&path, is_dir) {
                continue;
            }
            pending.extend(print.filter(|_| is_dir).map(|print| (path.clone(), print)));
            inside.push((path, sight));
        }
        if PLACES_MAX <= inside.len() {
            break;
        }
    }
    Some(inside)
}

impl Observer {
    /// Enters what is inside a directory that was entered itself: each thing at a place in the node that its own
    /// directory is, or would become.
    pub(super) fn enter_inside(&mut self, scene: &mut Scene<'_>, top: &RelPath, inside: Inside) {
        let local = scene.trees.local();
        let top_place = top.split_last().and_then(|(dir, name)| {
            let parent = local.lookup(&dir)?;
            let name = name.clone();
            Some(Place { parent, name })
        });
        let Some((top_place, detail)) = top_place.and_then(|at| Some((at.clone(), scene.details.get(&at)?)))
        else {
            return;
        };
        let sight = detail.sight.clone();
        let mut parents = BTreeMap::from([(top.clone(), self.parent_of(scene, top, &sight))]);
        let mut entries = vec![(top_place.clone(), Detail::of(top.clone(), sight))];
        for (path, sight) in inside {
            let place = path.split_last().and_then(|(dir, name)| {
                let parent = *parents.get(&dir)?;
                let name = name.clone();
                Some(Place { parent, name })
            });
            let Some(place) = place else { continue };
            if matches!(sight, Sight::Dir(_)) {
                parents.insert(path.clone(), self.parent_of(scene, &path, &sight));
            }
            let detail = Detail::of(path, sight);
            if self.put_off(scene, &place, &detail).is_some() {
                return self.abandon(scene, top_place);
            }
            entries.push((place, detail));
        }
        for (place, detail) in entries {
            let seen = self.seen(&detail.sight, parents.get(&detail.path).copied());
            scene.looks.insert(place.clone(), seen);
            scene.details.insert(place, detail);
        }
    }

    /// Returns the node that a directory is, or that it becomes if it is new: the same one however often it was looked into.
    /// A file that is known by its number may have been removed, and the number given to the directory within one tick of
    /// the stamps.
    fn parent_of(&mut self, scene: &mut Scene<'_>, path: &RelPath, sight: &Sight) -> NodeId {
        let local = scene.trees.local();
        let owner = sight.print().and_then(|print| self.known.owner(identity(print)));
        owner.filter(|id| local.is_dir(*id)).unwrap_or_else(|| {
            let made = scene.made.entry(path.clone());
            *made.or_insert_with(|| (self.new_id)())
        })
    }

    /// Something inside a directory cannot be judged now, so the directory cannot be either.
    fn abandon(&self, scene: &mut Scene<'_>, top: Place) {
        scene.looks.remove(&top);
        if let Some(detail) = scene.details.remove(&top) {
            self.queue.hint(detail.path, put_off(), Some(scene.epoch));
        }
        scene.put_off.insert(top);
    }
}
