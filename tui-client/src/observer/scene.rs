//! The looks of one event, brought to places of the local tree. What cannot be judged now is put off or left out here:
//! places that the driver is working on, places that a path led to through another directory than it should, and what
//! the rules leave out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use sync_engine::Place;
use sync_engine::observe::{Identities, Looks, NodeType, Seen};
use sync_engine::{Block, Bug, NodeId, RelPath, Tree, Trees, planted};
use tokio::time::Instant;

use super::Observer;
use super::doubt::Doubt;
use super::finding::Reading;
use super::freshness::{Glance, Spot};
use super::known::identity;
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
            is_walked: false,
        }
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
            return self.lost_way(scene, place, detail, dir);
        }
        if let Some(urgency) = self.put_off(scene, &place, &detail) {
            self.queue
                .hint_in_doubt(detail.path, urgency, detail.doubt, Some(scene.epoch));
            scene.put_off.insert(place);
            return;
        }
        let occupant = local.child(parent, &place.name);
        if let Sight::File(print) = &detail.sight {
            let owner = self.known.owner(identity(print));
            let ids = occupant.into_iter().chain(owner);
            match detail.doubt {
                Doubt::Full => self.doubted.doubt(ids, print, &self.known),
                Doubt::IfUnproven => ids.for_each(|id| self.doubted.doubt_unproven(id)),
                Doubt::None | Doubt::IfMoved | Doubt::IfYoung => (),
            }
        }
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
    fn lost_way(&self, scene: &mut Scene<'_>, place: Place, detail: Detail, dir: RelPath) {
        let local = scene.trees.local();
        let mut above = std::iter::once(place.parent).chain(local.ancestors(place.parent));
        let is_blocked = above.any(|id| scene.trees.blocked().contains_key(&id));
        // What is below a blocked directory stays as it is until that is seen again, and walked.
        let again = (!is_blocked).then_some(detail.path);
        // Whatever the path shows, it is not in that directory. What is known of the place otherwise stands.
        scene.looks.entry(place).or_insert(Seen::Unreachable);
        if detail.sight == Sight::Absent {
            // Nothing presses, and whatever asked for this look may be waiting for things to settle.
            self.queue.look_late(
                again.into_iter().chain([dir]).collect::<Vec<_>>(),
                Some(scene.epoch),
            );
        } else {
            // Not at once: directories that have changed places would be looked at, each for another's sake, without a pause.
            self.queue
                .hint(dir, Urgency::After(ASTRAY_DELAY), Some(scene.epoch));
            if let Some(path) = again {
                self.queue.hint(path, put_off(), Some(scene.epoch));
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
            // A walk may meet a directory before a step of ours is known to have brought it to its place.
            let is_walked = detail.is_walked && matches!(detail.sight, Sight::Dir(_));
            return Some(if is_walked {
                Urgency::FreshAfter(BUSY_DELAY)
            } else {
                put_off()
            });
        }
        let again = match detail.sight {
            // Only a walk finds out that a directory cannot be read.
            Sight::Unknown(_) => Urgency::FreshAfter(BUSY_DELAY),
            Sight::File(_) | Sight::Dir(_) | Sight::Symlink(..) | Sight::Other(_) | Sight::Absent => {
                Urgency::Now
            }
        };
        self.is_past(scene, place, &detail.sight, &ids).then_some(again)
    }

    /// Tells whether what is known of a place has changed since it was looked at, to something else than was seen.
    fn is_past(&self, scene: &Scene<'_>, place: &Place, sight: &Sight, ids: &[NodeId]) -> bool {
        if self.changes.is_empty() {
            return false;
        }
        let is_known = |id: &NodeId| {
            let is_there = scene.trees.local().child(place.parent, &place.name) == Some(*id);
            is_there && sight.print().is_some() && sight.print() == self.known.get(*id)
        };
        let is_after = |spot: &Spot| self.changes.is_after(&scene.glance, spot);
        is_after(&Spot::Place(place.clone()))
            || ids.iter().any(|id| is_after(&Spot::Node(*id)) && !is_known(id))
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
        let place = dir.split_last().and_then(|(above, name)| {
            let parent = local.lookup(&above)?;
            let name = name.clone();
            Some(Place { parent, name })
        });
        match place.is_some_and(|place| self.reserved.contains_key(&place)) {
            true => Urgency::FreshAfter(BUSY_DELAY),
            false => Urgency::Now,
        }
    }
}
