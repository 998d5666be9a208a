//! Looking into a directory that stands where something else was. What is missed elsewhere may be inside it, and the
//! tree has no names for that yet; so what is inside is judged together with the directory itself.

use std::collections::BTreeMap;

use sync_engine::observe::Identities;
use sync_engine::{Block, Bug, NodeId, Place, RelPath, planted};

use super::Observer;
use super::known::identity;
use super::scene::{Detail, Scene, put_off};
use crate::disk::{DiskError, Print, Root, Sight};
use crate::rules::Rules;

/// So many places are looked at inside one directory at most. What moved to others is taken for new.
const PLACES_MAX: usize = 65_536;

/// What was seen inside a directory.
#[derive(Debug, Default)]
pub(super) struct Inside {
    /// What is there, each directory before what is in it.
    pub(super) sights: Vec<(RelPath, Sight)>,
    /// The directories that could not be listed, among them maybe the one that was looked into.
    pub(super) unlistable: Vec<RelPath>,
}

/// Looks at all that is inside a directory, but for what is left out; nothing when something else takes its place, or that
/// of one inside it, meanwhile, and when the system lacks the means just now.
pub(super) fn explore(root: &Root, rules: &Rules, top: &RelPath, print: &Print) -> Option<Inside> {
    let mut inside = Inside::default();
    let mut pending = vec![(top.clone(), *print)];
    while let Some((dir, print)) = pending.pop() {
        let listing = root.list(&dir);
        if matches!(
            &listing,
            Err(DiskError::Blocked {
                block: Block::Lacking,
                ..
            })
        ) {
            return None;
        }
        if root.look(&dir).print().map(Print::identity) != Some(print.identity()) {
            return None;
        }
        let Ok(listing) = listing else {
            inside.unlistable.push(dir);
            continue;
        };
        for (name, sight) in listing.entries {
            let path = dir.join(&name);
            let (is_dir, print) = (matches!(sight, Sight::Dir(_)), sight.print().copied());
            if rules.ignores(&path, is_dir) {
                continue;
            }
            pending.extend(print.filter(|_| is_dir).map(|print| (path.clone(), print)));
            inside.sights.push((path, sight));
        }
        if PLACES_MAX <= inside.sights.len() {
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
        let Some((top_place, detail)) = local
            .place_at(top)
            .and_then(|at| Some((at.clone(), scene.details.get(&at)?)))
        else {
            return;
        };
        let (sight, deep) = (detail.sight.clone(), detail.deep);
        let mut parents = BTreeMap::from([(top.clone(), self.parent_of(scene, top, &sight))]);
        // What is gone from inside it only a walk finds.
        let top_detail = Detail {
            deep,
            ..Detail::of(top.clone(), sight)
        };
        let mut entries = vec![(top_place.clone(), top_detail)];
        for (path, sight) in inside.sights {
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
            let id = made.or_insert_with(|| (self.new_id)());
            if planted(Bug::MadeTwice) {
                *id = (self.new_id)();
            }
            *id
        })
    }

    /// Something inside a directory cannot be judged now, so the directory cannot be either.
    fn abandon(&self, scene: &mut Scene<'_>, top: Place) {
        scene.looks.remove(&top);
        if let Some(detail) = scene.details.remove(&top) {
            self.queue
                .hint(detail.path, put_off().with_inside(), Some(scene.epoch));
        }
        scene.put_off.insert(top);
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::{Event, Finding, Look};
    use super::super::{NoWatch, Remembered, Start};
    use super::*;
    use crate::observer::doubt::Doubt;
    use std::collections::BTreeSet;
    use std::sync::Arc;
    use std::time::Duration;
    use sync_engine::observe::Moment;
    use sync_engine::{Kind, Node, Trees};

    fn rel(path: &str) -> RelPath {
        RelPath::parse(path.as_bytes()).unwrap()
    }

    /// A directory may be looked into by itself, and with one that it is in, which had been in doubt until then.
    #[test]
    fn a_new_directory_that_is_looked_into_twice_at_once_is_one_node() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("old/new/inner")).unwrap();
        let root = Root::open(folder.path()).unwrap();
        let (old, mut last) = (NodeId([1; 16]), 1);
        let mut trees = Trees::new();
        let node = Node {
            parent: NodeId::ROOT,
            name: "old".try_into().unwrap(),
            kind: Kind::Dir,
            mark: None,
        };
        trees.edit_local(vec![(old, Some(Arc::new(node)))]).unwrap();
        let start = Start {
            root: root.clone(),
            rules: Rules::default(),
            remembered: Remembered {
                prints: vec![(old, *root.look(&rel("old")).print().unwrap())],
                ..Remembered::default()
            },
            new_id: Box::new(move || {
                last += 1;
                NodeId([last; 16])
            }),
            rescan_interval: Duration::from_secs(3600),
        };
        let (mut observer, _events, _workers) = Observer::with_workers(start, Box::new(NoWatch));
        let look = |path: &str| {
            let (path, sight) = (rel(path), root.look(&rel(path)));
            let inside = explore(&root, &Rules::default(), &path, sight.print().unwrap());
            let parent = path.split_last().unwrap().0;
            Finding::Look(Look {
                parent: root
                    .look(&parent)
                    .print()
                    .copied()
                    .filter(|_| !parent.0.is_empty()),
                path,
                sight,
                doubt: Doubt::None,
                deep: true,
                is_walked: false,
                inside,
            })
        };
        let event = Event {
            findings: vec![look("old"), look("old/new")],
            glance: observer.changes.clock().begin(),
            epochs: Vec::new(),
            from_looker: false,
            moment: Moment::Settled,
        };
        let update = observer.handle(event, &trees, &BTreeSet::new());
        trees.edit_local(update.edits).unwrap();
        let ids = trees.local().descendants(NodeId::ROOT);
        let mut shown: Vec<_> = ids
            .iter()
            .map(|id| trees.local().path(*id).unwrap().to_string())
            .collect();
        shown.sort();
        assert_eq!(shown, ["old", "old/new", "old/new/inner"]);
    }
}
