//! The looks of one event, brought to places of the local tree. What cannot be judged now is put off or left out here:
//! places that the driver is working on, places that a path led to through another directory than it should, and what
//! the rules leave out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use sync_engine::Place;
use sync_engine::observe::{Identities, Looks, NodeType, Seen};
use sync_engine::plan::FoldedNames;
use sync_engine::{Block, Bug, NodeId, RelPath, Tree, Trees, planted};
use tokio::time::Instant;

use super::Observer;
use super::doubt::Doubt;
use super::finding::Reading;
use super::freshness::{Glance, Spot};
use super::known::identity;
use super::looker::AGAIN;
use super::settle::Urgency;
use crate::disk::{Print, Sight};
use crate::rules::{Rules, odd_rules};

/// A place that the driver works on is looked at again after this time.
pub(super) const BUSY_DELAY: Duration = Duration::from_millis(30);
/// A place that changed while it was looked at is looked at again after this time.
const RESTLESS_DELAY: Duration = Duration::from_millis(60);

/// A directory that a path did not lead through is looked at after this time, before what was looked for in it.
const ASTRAY_DELAY: Duration = Duration::from_millis(10);

/// What is known of a place besides what the heart judges by.
#[derive(Debug)]
pub(super) struct Detail {
    pub(super) path: RelPath,
    pub(super) sight: Sight,
    pub(super) reading: Option<Reading>,
    /// How far an equal print is believed, if it is a file.
    pub(super) doubt: Doubt,
    /// What is inside it is to be seen as well, if it is a directory.
    pub(super) deep: bool,
    /// A directory's contents come by themselves.
    pub(super) is_walked: bool,
}

impl Detail {
    /// Returns what a look alone says.
    pub(super) fn of(path: RelPath, sight: Sight) -> Self {
        Self {
            path,
            sight,
            reading: None,
            doubt: Doubt::None,
            deep: false,
            is_walked: false,
        }
    }

    /// Returns how the place is looked at again when nothing can be made of what was seen. Until it was, what is inside a
    /// directory is still to be seen.
    pub(super) fn again(&self, urgency: Urgency) -> Urgency {
        if self.is_deep() {
            return urgency.with_inside();
        }
        urgency
    }

    /// Tells whether what is inside is to be seen as well, as far as it is known to be a directory.
    pub(super) fn is_deep(&self) -> bool {
        self.deep && matches!(self.sight, Sight::Dir(_) | Sight::Unknown(_))
    }
}

/// See the module's page.
pub(super) struct Scene<'a> {
    pub(super) trees: &'a Trees,
    pub(super) busy: &'a BTreeSet<NodeId>,
    pub(super) glance: Glance,
    pub(super) epoch: u64,
    pub(super) rules: Arc<Rules>,
    pub(super) looks: Looks,
    pub(super) details: BTreeMap<Place, Detail>,
    /// Places that are looked at again later by themselves.
    pub(super) put_off: BTreeSet<Place>,
    /// What is in directories whose disk folds names.
    pub(super) spellings: FoldedNames,
    /// What directories that are no nodes yet become, by their paths: one may be inside another that was looked into too.
    pub(super) made: BTreeMap<RelPath, NodeId>,
}

/// Whether a path led through the directory that it should.
#[derive(Debug, Clone, Copy)]
pub(super) enum Through {
    /// Through this.
    Dir(Option<Print>),
    /// That was checked once for all.
    Checked,
}

/// Returns how urgent a look is that has to wait for others.
pub(super) fn put_off() -> Urgency {
    Urgency::After(BUSY_DELAY)
}

impl Scene<'_> {
    /// Returns the path of a place of the local tree.
    pub(super) fn path_of(&self, place: &Place) -> Option<RelPath> {
        Some(self.trees.local().path(place.parent)?.join(&place.name))
    }

    /// Returns the parent under which there are looks inside a new directory.
    pub(super) fn inside(&self, place: &Place) -> Option<NodeId> {
        match self.looks.get(place)? {
            Seen::Present { inside, .. } => inside.filter(|id| self.trees.local().node(*id).is_none()),
            Seen::Absent | Seen::Unreachable | Seen::Unknown(_) => None,
        }
    }
}

impl Observer {
    /// Enters what was seen at a place.
    pub(super) fn enter(&mut self, scene: &mut Scene<'_>, detail: Detail, through: Through) {
        let Some((dir, name)) = detail.path.split_last() else {
            return;
        };
        let local = scene.trees.local();
        let Some(parent) = local.lookup(&dir).filter(|id| local.is_dir(*id)) else {
            return self.look_above(scene, &detail);
        };
        let name = name.clone();
        let place = Place { parent, name };
        if !self.leads_to(parent, through) {
            return self.lost_way(scene, place, &detail, dir);
        }
        if let Some(urgency) = self.put_off(scene, &place, &detail) {
            // What was read is not used, so the file is read again.
            let doubt = match detail.reading {
                Some(_) => Doubt::Full,
                None => detail.doubt,
            };
            let urgency = detail.again(urgency);
            self.queue
                .hint_in_doubt(detail.path, urgency, doubt, Some(scene.epoch));
            scene.put_off.insert(place);
            return;
        }
        if detail.sight == Sight::Unknown(Block::Lacking) && detail.deep {
            self.queue.hint(detail.path.clone(), AGAIN, Some(scene.epoch));
        }
        let occupant = local.child(parent, &place.name);
        self.doubt_as_told(&detail, occupant);
        if let (Some(id), Some(print)) = (occupant, detail.sight.print()) {
            self.doubt_if_displaced(id, print);
        }
        let is_dir = match detail.sight {
            Sight::Dir(_) => true,
            Sight::File(_) | Sight::Symlink(..) | Sight::Other(_) => false,
            Sight::Absent | Sight::Unknown(_) => occupant.is_some_and(|id| local.is_dir(id)),
        };
        let seen = if scene.rules.ignores(&detail.path, is_dir) {
            if occupant.is_none() {
                return;
            }
            Seen::Unknown(Block::Ignored)
        } else if let Some(block) = odd_rules(&detail.path, &detail.sight) {
            Seen::Unknown(block)
        } else {
            self.seen(&detail.sight, None)
        };
        if !self.oddities.is_empty() && !matches!(seen, Seen::Unknown(_)) {
            let is_dir = matches!(detail.sight, Sight::Dir(_));
            // A file is one of them until it is a node, which may take a reading.
            let is_open = matches!(detail.sight, Sight::File(_));
            self.oddities.retain(|path, block| {
                if *path == detail.path {
                    // What is in a directory only a listing tells.
                    is_open || is_dir && matches!(block, Block::Contains(_))
                } else {
                    is_dir || !path.starts_with(&detail.path)
                }
            });
        }
        scene.looks.insert(place.clone(), seen);
        scene.details.insert(place, detail);
    }

    /// Doubts what is known of the nodes that a file may be, as far as the look was told to.
    fn doubt_as_told(&mut self, detail: &Detail, occupant: Option<NodeId>) {
        let Sight::File(print) = &detail.sight else {
            return;
        };
        let owner = self.known.owner(identity(print));
        let ids = occupant.into_iter().chain(owner);
        match detail.doubt {
            Doubt::Full => self.doubted.doubt(ids, print, &self.known),
            Doubt::IfUnproven => ids.for_each(|id| self.doubted.doubt_unproven(id)),
            Doubt::None | Doubt::IfMoved | Doubt::IfYoung => (),
        }
    }

    /// Doubts what is known of a file that may have moved to a place, which is looked at again to be judged: it may be young
    /// no longer by then.
    pub(super) fn doubt_if_moved(&mut self, scene: &Scene<'_>, place: &Place) {
        let detail = scene
            .details
            .get(place)
            .filter(|detail| detail.doubt == Doubt::IfMoved);
        if let Some(Sight::File(print)) = detail.map(|detail| &detail.sight)
            && let Some(id) = self.known.owner(identity(print))
        {
            self.doubted.expect_reading(id);
        }
    }

    /// Doubts what is known of a node when something else is seen at its place, as long as its stamps are young: what comes
    /// there next may have its number and the same stamps, and be another file.
    fn doubt_if_displaced(&mut self, id: NodeId, print: &Print) {
        let Some(known) = self
            .known
            .get(id)
            .filter(|known| identity(known) != identity(print))
        else {
            return;
        };
        let is_young = |time| known.young_for(time).is_some();
        if self.queue.wall().times(Instant::now()).any(is_young) {
            self.doubted.expect_reading(id);
        }
    }

    /// A path led through another directory than it should: that is looked at, and then this place again.
    fn lost_way(&self, scene: &mut Scene<'_>, place: Place, detail: &Detail, dir: RelPath) {
        let local = scene.trees.local();
        let mut above = std::iter::once(place.parent).chain(local.ancestors(place.parent));
        let is_blocked = above.any(|id| scene.trees.blocked().contains_key(&id));
        // What is below a blocked directory stays as it is until that is seen again, and walked.
        let again = (!is_blocked).then(|| (detail.path.clone(), detail.again(put_off())));
        // Whatever the path shows, it is not in that directory. What is known of the place otherwise stands.
        scene.looks.entry(place).or_insert(Seen::Unreachable);
        if detail.sight == Sight::Absent {
            // Nothing presses, and whatever asked for this look may be waiting for things to settle.
            self.queue.look_late(
                again
                    .map(|(path, _)| path)
                    .into_iter()
                    .chain([dir])
                    .collect::<Vec<_>>(),
                Some(scene.epoch),
            );
        } else {
            // Not at once: directories that have changed places would be looked at, each for another's sake, without a pause.
            self.queue
                .hint(dir, Urgency::After(ASTRAY_DELAY), Some(scene.epoch));
            if let Some((path, urgency)) = again {
                self.queue.hint(path, urgency, Some(scene.epoch));
            }
        }
    }

    /// Tells whether a path to a directory's child led through that directory.
    pub(super) fn leads_to(&self, parent: NodeId, through: Through) -> bool {
        match through {
            Through::Checked => true,
            Through::Dir(_) if planted(Bug::WayIgnored) => true,
            Through::Dir(_) if parent == NodeId::ROOT => true,
            Through::Dir(None) => false,
            Through::Dir(Some(print)) => self
                .known
                .get(parent)
                .is_none_or(|known| identity(known) == identity(&print)),
        }
    }

    /// Tells how a place is to be looked at again, if it is to be left alone now.
    pub(super) fn put_off(&self, scene: &Scene<'_>, place: &Place, detail: &Detail) -> Option<Urgency> {
        if detail.sight == Sight::Unknown(Block::Busy) {
            return Some(Urgency::After(RESTLESS_DELAY));
        }
        let trees = [scene.trees.local(), scene.trees.remote()];
        let here = trees
            .iter()
            .filter_map(|tree| tree.child(place.parent, &place.name));
        let print = detail.sight.print();
        let owner = print.and_then(|print| self.known.owner(identity(print)));
        let ids: Vec<NodeId> = here.chain(owner).collect();
        if ids.iter().any(|id| scene.busy.contains(id)) || self.reserved.contains_key(place) {
            return Some(put_off());
        }
        let again = match detail.sight {
            // Only a walk finds out that a directory cannot be read.
            Sight::Unknown(_) => Urgency::FreshAfter(BUSY_DELAY),
            Sight::File(_) | Sight::Dir(_) | Sight::Symlink(..) | Sight::Other(_) | Sight::Absent => {
                Urgency::Now
            }
        };
        self.is_past(scene, place, detail, &ids).then_some(again)
    }

    /// Tells whether what is known of a place has changed since it was looked at, to something else than was seen.
    fn is_past(&self, scene: &Scene<'_>, place: &Place, detail: &Detail, ids: &[NodeId]) -> bool {
        if self.changes.is_empty() {
            return false;
        }
        let sight = &detail.sight;
        let is_known = |id: &NodeId| {
            let is_there = scene.trees.local().child(place.parent, &place.name) == Some(*id);
            is_there && sight.print().is_some() && sight.print() == self.known.get(*id)
        };
        let is_after = |spot: &Spot| self.changes.is_after(&scene.glance, spot);
        let is_read_since = |id: &NodeId| detail.reading.is_some() && is_after(&Spot::Bytes(*id));
        is_after(&Spot::Place(place.clone()))
            || ids.iter().any(is_read_since)
            || ids.iter().any(|id| is_after(&Spot::Node(*id)) && !is_known(id))
    }

    /// Notes what was seen although nothing is entered for it, while files are being read: who read something else there did
    /// so before, and is judged only now.
    pub(super) fn note_unchanged(&mut self, scene: &Scene<'_>, moved: &BTreeSet<NodeId>) {
        if !self.changes.are_files_read_beside(&scene.glance) || planted(Bug::UnchangedUnnoted) {
            return;
        }
        // That may be read under its old path.
        moved.iter().for_each(|id| self.changes.note(Spot::Node(*id)));
        for (place, detail) in &scene.details {
            match &detail.sight {
                Sight::File(print) | Sight::Dir(print) | Sight::Symlink(print, _) => {
                    let occupant = scene.trees.local().child(place.parent, &place.name);
                    // What differs is entered, or read once more; and an equal reading says the same.
                    if let Some(id) = occupant.filter(|id| self.known.get(*id) == Some(print)) {
                        self.changes.note(Spot::Node(id));
                    }
                }
                Sight::Other(_) | Sight::Absent | Sight::Unknown(_) => {
                    self.changes.note(Spot::Place(place.clone()));
                }
            }
        }
    }

    /// What came to a name and is gone from it again may have taken the place of what had another spelling of it.
    pub(super) fn look_beside_absences(&self, scene: &mut Scene<'_>) {
        if !self.folds_names {
            return;
        }
        let absent = scene.details.iter().filter(|(place, detail)| {
            let occupant = scene.trees.local().child(place.parent, &place.name);
            detail.sight == Sight::Absent && occupant.is_none()
        });
        let absent: Vec<Place> = absent.map(|(place, _)| place.clone()).collect();
        for place in absent {
            self.look_at_other_spellings(scene, &place);
        }
    }

    /// Returns what a sight is to the heart; `inside` is the parent of what was seen inside it.
    pub(super) fn seen(&self, sight: &Sight, inside: Option<NodeId>) -> Seen {
        let present = |print: &Print, node_type| Seen::Present {
            node_type,
            identity: self.known.identity(print, node_type == NodeType::File),
            inside,
        };
        match sight {
            Sight::Absent => Seen::Absent,
            Sight::Unknown(_) if planted(Bug::UnreadableTakenForGone) => Seen::Absent,
            Sight::Unknown(block) => Seen::Unknown(block.clone()),
            Sight::Other(_) => Seen::Unknown(Block::UnsupportedType),
            Sight::File(print) => present(print, NodeType::File),
            Sight::Dir(print) => present(print, NodeType::Dir),
            Sight::Symlink(print, _) => present(print, NodeType::Symlink),
        }
    }

    /// A place in a directory that is not known yet: the first such directory on the way is looked at.
    fn look_above(&self, scene: &Scene<'_>, detail: &Detail) {
        if detail.sight == Sight::Absent {
            return;
        }
        let local = scene.trees.local();
        let mut at = NodeId::ROOT;
        for (depth, name) in detail.path.0.iter().enumerate() {
            match local.child(at, name) {
                Some(id) if local.is_dir(id) => at = id,
                Some(_) | None => {
                    let path = RelPath(detail.path.0[..=depth].to_vec());
                    if path != detail.path && !self.oddities.contains_key(&path) {
                        let urgency = self.urgency_of_unknown(local, &path);
                        self.queue.hint(path, urgency, Some(scene.epoch));
                    }
                    return;
                }
            }
        }
    }

    /// Returns how a directory that is not known is to be looked at. While the driver is making it, it is looked into after
    /// that: it is known then, and nobody else would see what was put into it meanwhile.
    pub(super) fn urgency_of_unknown(&self, local: &Tree, dir: &RelPath) -> Urgency {
        let is_being_made = local
            .place_at(dir)
            .is_some_and(|place| self.reserved.contains_key(&place));
        if is_being_made && !planted(Bug::MadeUnlisted) {
            return Urgency::FreshAfter(BUSY_DELAY);
        }
        Urgency::Now
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::{Event, Finding};
    use super::super::{NoWatch, Remembered, Start};
    use super::*;
    use crate::disk::{Listing, Root};
    use sync_engine::observe::Moment;

    /// The driver makes a directory, somebody puts something into it, and a walk lists it before the driver's doing is entered:
    /// by the time of the next look it is known, and equal.
    #[test]
    fn a_directory_that_is_listed_while_the_driver_makes_it_is_listed_again() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("made")).unwrap();
        let root = Root::open(folder.path()).unwrap();
        let path = RelPath::parse(b"made").unwrap();
        let start = Start {
            root: root.clone(),
            rules: Rules::default(),
            remembered: Remembered::default(),
            new_id: Box::new(|| NodeId([1; 16])),
            rescan_interval: Duration::from_secs(3600),
        };
        let (mut observer, _events, _workers) = Observer::with_workers(start, Box::new(NoWatch));
        let name = "made".try_into().unwrap();
        observer.reserve(Place {
            parent: NodeId::ROOT,
            name,
        });
        let listing = Finding::Listing {
            dir: path.clone(),
            print: *root.look(&path).print().unwrap(),
            listing: Listing {
                entries: Vec::new(),
                odd: Vec::new(),
                restless: false,
            },
            doubted: BTreeSet::new(),
        };
        let event = Event {
            findings: vec![listing],
            glance: observer.changes.clock().begin(),
            epochs: Vec::new(),
            from_looker: false,
            moment: Moment::Fleeting,
        };
        observer.handle(event, &Trees::new(), &BTreeSet::new());
        let due = observer
            .queue
            .lock()
            .hints
            .take_due(Instant::now() + BUSY_DELAY, 9);
        let due: Vec<_> = due.iter().map(|due| (&due.path, due.deep)).collect();
        assert_eq!(due, [(&path, true)]);
    }
}
