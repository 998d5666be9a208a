//! The driver's side of the observer: from what was seen to an edit of the local tree.

use std::collections::{BTreeMap, BTreeSet};

use sync_engine::Place;
use sync_engine::observe::{Moment, Observation, Verdict, observe, unlisted};
use sync_engine::plan::{FoldedNames, Folding};
use sync_engine::{Block, FileState, Kind, Name, Node, NodeId, RelPath, Trees};

use super::Observer;
use super::bytes::exec;
use super::doubt::Doubt;
use super::draft::Draft;
use super::finding::{Event, Finding, Look};
use super::freshness::Spot;
use super::known::identity;
use super::queue::Approach;
use super::scene::{Detail, Scene, Through, put_off};
use super::settle::Urgency;
use super::update::LocalUpdate;
use crate::disk::{Listing, Print, Sight};
use crate::words::odd_in_words;

/// After so many events in a row that fit no valid tree the whole folder is looked at anew.
const MISFITS_MAX: u32 = 8;

impl Observer {
    /// Says what an event means for the local tree. `busy` are the nodes that the driver is working on, on disk or
    /// with the server's answer; their places are looked at again later. It touches no disk and never waits.
    pub fn handle(&mut self, event: Event, trees: &Trees, busy: &BTreeSet<NodeId>) -> LocalUpdate {
        let Event {
            findings,
            glance,
            epochs,
            from_looker,
            moment,
        } = event;
        let epoch = epochs.iter().min().copied();
        let mut scene = Scene {
            trees,
            busy,
            glance,
            epoch: epoch.unwrap_or_else(|| self.queue.lock().ledger.epoch()),
            rules: self.queue.rules(),
            looks: BTreeMap::new(),
            details: BTreeMap::new(),
            put_off: BTreeSet::new(),
            // Of all disks, these take most names for one.
            spellings: FoldedNames::new(Folding::CaseAndForm),
            made: BTreeMap::new(),
        };
        let mut draft = Draft::default();
        for finding in findings {
            self.take(&mut scene, finding, &mut draft.update);
        }
        let mut update = self.judge(&mut scene, moment, draft);
        update.caught_up = self.queue.handled(&epochs, from_looker, scene.put_off.len());
        update
    }

    fn take(&mut self, scene: &mut Scene<'_>, finding: Finding, update: &mut LocalUpdate) {
        match finding {
            Finding::Look(Look {
                path,
                sight,
                parent,
                doubt,
                deep,
                is_walked,
                inside,
            }) => {
                let detail = Detail {
                    doubt,
                    deep,
                    is_walked,
                    ..Detail::of(path.clone(), sight)
                };
                self.enter(scene, detail, Through::Dir(parent));
                if let Some(inside) = inside {
                    self.enter_inside(scene, &path, inside);
                }
            }
            Finding::Listing {
                dir,
                print,
                listing,
                doubted,
            } => self.take_listing(scene, &dir, &print, (listing, &doubted), update),
            Finding::Reading { path, parent, result } => {
                let (sight, reading) = match result {
                    Ok(reading) => (Sight::File(reading.print), Some(reading)),
                    Err(block) => return self.take_failure(scene, path, block, update),
                };
                let detail = Detail {
                    reading,
                    ..Detail::of(path, sight)
                };
                self.enter(scene, detail, Through::Dir(parent));
            }
            Finding::Walked => update.scan_finished = true,
            Finding::Walking(n_seen) => update.scanned = Some(n_seen),
            Finding::RootLost(lost) => update.root_lost = Some(lost),
            Finding::Trouble(trouble) => update.notices.push(trouble),
        }
    }

    fn take_listing(
        &mut self,
        scene: &mut Scene<'_>,
        dir: &RelPath,
        print: &Print,
        (listing, doubted): (Listing, &BTreeSet<Name>),
        update: &mut LocalUpdate,
    ) {
        let local = scene.trees.local();
        let id = local.lookup(dir).filter(|id| local.is_dir(*id));
        let Some(id) = id.filter(|id| self.leads_to(*id, Through::Dir(Some(*print)))) else {
            // Once it is known as one that the driver has made, only a listing tells what others have put into it.
            let urgency = self.urgency_of_unknown(local, dir);
            return self.queue.hint(dir.clone(), urgency, Some(scene.epoch));
        };
        self.lift(scene.trees, id, update);
        self.oddities.remove(dir);
        if !listing.odd.is_empty() {
            self.oddities
                .insert(dir.clone(), Block::Contains(odd_in_words(&listing.odd)));
        }
        let names: BTreeSet<Name> = listing.entries.iter().map(|(name, _)| name.clone()).collect();
        let unlisted = unlisted(local, id, &names).into_iter().map(|place| place.name);
        let missing: BTreeSet<Name> = unlisted.chain(self.odd_names(dir, &names)).collect();
        let missing = missing.iter().map(|name| dir.join(name));
        self.queue.look_late(missing, Some(scene.epoch));
        for (name, sight) in listing.entries {
            let detail = Detail {
                // The word of a write may have been lost.
                doubt: if doubted.contains(&name) {
                    Doubt::Full
                } else {
                    Doubt::IfUnproven
                },
                deep: true,
                is_walked: true,
                ..Detail::of(dir.join(&name), sight)
            };
            self.enter(scene, detail, Through::Checked);
        }
    }

    /// Returns the names in a directory under which there was something odd, and that are not listed.
    fn odd_names(&self, dir: &RelPath, listed: &BTreeSet<Name>) -> BTreeSet<Name> {
        let odd = self.oddities.range(dir..).map(|(path, _)| path);
        let inside = odd.take_while(|path| path.starts_with(dir));
        let names = inside.filter_map(|path| path.0.get(dir.0.len()));
        names.filter(|name| !listed.contains(*name)).cloned().collect()
    }

    /// A file could not be read.
    fn take_failure(&mut self, scene: &Scene<'_>, path: RelPath, block: Block, update: &mut LocalUpdate) {
        match scene.trees.local().lookup(&path) {
            Some(id) if self.changes.is_after(&scene.glance, &Spot::Node(id)) => {
                self.queue.hint(path, Urgency::Now, Some(scene.epoch));
            }
            Some(id) => {
                self.doubted.cannot_read(id);
                update.blocks.push((id, Some(block)));
            }
            None => {
                let place = scene.trees.local().place_at(&path);
                let is_past = |place| self.changes.is_after(&scene.glance, &Spot::Place(place));
                if place.is_some_and(is_past) {
                    // It was seen to be gone meanwhile.
                    return self.queue.hint(path, Urgency::Now, Some(scene.epoch));
                }
                self.oddities.insert(path, block);
            }
        }
    }

    /// Lifts a block that was one of the observer's.
    pub(super) fn lift(&self, trees: &Trees, id: NodeId, update: &mut LocalUpdate) {
        if trees.blocked().get(&id).is_some_and(is_of_sight) {
            update.blocks.push((id, None));
        }
    }

    fn judge(&mut self, scene: &mut Scene<'_>, moment: Moment, mut draft: Draft) -> LocalUpdate {
        let observation = observe(scene.trees.local(), &self.known, &scene.looks, moment);
        tracing::trace!(looks = ?scene.looks, ?moment, ?observation, "judging");
        self.ask(scene, &observation);
        let moved = observation.verdicts.iter().filter_map(|verdict| match verdict {
            Verdict::Moved(id, _) => Some(*id),
            Verdict::Stays(_)
            | Verdict::New(..)
            | Verdict::Gone(_)
            | Verdict::Blocked(..)
            | Verdict::Odd(..) => None,
        });
        let moved: BTreeSet<NodeId> = moved.collect();
        self.note_unchanged(scene, &moved);
        self.look_beside_absences(scene);
        let again = |detail: &Detail| (detail.path.clone(), detail.again(put_off()));
        let again: Vec<(RelPath, Urgency)> = scene.details.values().map(again).collect();
        for verdict in observation.verdicts {
            self.apply(scene, verdict, &moved, &mut draft);
        }
        if !draft.fits(scene.trees.local()) {
            tracing::trace!(nodes = ?draft.nodes, "what was seen fits no tree");
            return self.look_again(scene.epoch, again, draft.update);
        }
        self.n_misfits = 0;
        for id in observation.outdated {
            self.known.disown(id);
        }
        let gone = draft.nodes.iter().filter(|(_, node)| node.is_none());
        let lost = gone.map(|(id, _)| *id).filter(|id| self.doubted.is_suspect(*id));
        draft.update.lost = lost.collect();
        draft.seen.iter().for_each(|id| self.doubted.settle(*id));
        draft.young.iter().for_each(|id| self.doubted.expect_reading(*id));
        for id in &draft.read {
            self.changes.note(Spot::Bytes(*id));
        }
        for (id, print) in &draft.prints {
            if let Some(known) = self.known.get(*id) {
                let is_same = print.is_some_and(|print| identity(&print) == identity(known));
                if print.is_none() {
                    draft.update.left_modes.push((*id, known.mode));
                }
                if !is_same {
                    // Whatever was done to the file by this name is reported for no other.
                    self.look_at_other_names(scene, *id, known);
                }
            }
            self.known.set(*id, *print);
            self.changes.note(Spot::Node(*id));
            if print.is_none() {
                self.doubted.settle(*id);
            }
        }
        let mut update = draft.update;
        update.edits = draft.nodes.into_iter().collect();
        update.prints = draft.prints.into_iter().collect();
        update
    }

    /// Asks for the looks without which places could not be judged.
    fn ask(&mut self, scene: &Scene<'_>, observation: &Observation) {
        if observation.undecided.is_empty() {
            return;
        }
        for place in &observation.undecided {
            self.doubt_if_moved(scene, place);
        }
        let paths = |places: &[Place]| -> BTreeSet<RelPath> {
            let paths = places.iter().filter_map(|place| scene.path_of(place));
            paths.collect()
        };
        let (mut inside, mut open) = (paths(&observation.need_inside), paths(&observation.undecided));
        open.extend(paths(&observation.need_look));
        let is_put_off = |place| scene.put_off.contains(place);
        if observation.need_look.iter().any(is_put_off) {
            for path in open {
                self.queue.hint(path, put_off(), Some(scene.epoch));
            }
        } else if observation.need_look.is_empty() || !inside.is_empty() {
            let places = observation.undecided.iter();
            let deep = places.filter_map(|place| scene.details.get(place).filter(|detail| detail.is_deep()));
            inside.extend(deep.map(|detail| detail.path.clone()));
            self.queue.look_late(open, Some(scene.epoch));
            self.queue.look_inside(inside, Some(scene.epoch));
        } else {
            self.queue.look_together(open.into_iter().collect(), scene.epoch);
        }
    }

    /// The looks contradict each other: nothing is entered, and the places are looked at again.
    fn look_again(&mut self, epoch: u64, again: Vec<(RelPath, Urgency)>, update: LocalUpdate) -> LocalUpdate {
        self.n_misfits += 1;
        if MISFITS_MAX <= self.n_misfits {
            self.n_misfits = 0;
            self.queue.rescan(Some(epoch));
        }
        for (path, urgency) in again {
            self.queue.hint(path, urgency, Some(epoch));
        }
        LocalUpdate {
            blocks: Vec::new(),
            spoiled: Vec::new(),
            chunked: Vec::new(),
            small: Vec::new(),
            ..update
        }
    }

    fn apply(
        &mut self,
        scene: &mut Scene<'_>,
        verdict: Verdict,
        moved: &BTreeSet<NodeId>,
        draft: &mut Draft,
    ) {
        let local = scene.trees.local();
        if let Verdict::Moved(_, place) | Verdict::New(place, _) = &verdict {
            self.look_at_other_spellings(scene, place);
        }
        match verdict {
            Verdict::Stays(id) => {
                if let Some(node) = local.node(id) {
                    let place = Place {
                        parent: node.parent,
                        name: node.name.clone(),
                    };
                    self.place(scene, id, &place, draft);
                }
            }
            Verdict::Moved(id, place) => self.place(scene, id, &place, draft),
            Verdict::New(place, _) => self.create(scene, &place, draft),
            Verdict::Gone(id) => remove(scene.trees, id, moved, draft),
            Verdict::Blocked(id, block) => {
                // It stays in the node's place when that has gone elsewhere.
                if let (Block::UnsupportedType, Some(path)) = (&block, local.path(id)) {
                    self.oddities.insert(path, block.clone());
                }
                if scene.trees.blocked().get(&id) != Some(&block) {
                    draft.update.blocks.push((id, Some(block)));
                }
            }
            Verdict::Odd(place, block) => {
                if let Some(detail) = scene.details.get(&place) {
                    self.oddities.insert(detail.path.clone(), block);
                }
            }
        }
    }

    /// Enters a node at the place where it is now, with what was seen there.
    fn place(&mut self, scene: &mut Scene<'_>, id: NodeId, place: &Place, draft: &mut Draft) {
        let (Some(old), Some(detail)) = (scene.trees.local().node(id).cloned(), scene.details.remove(place))
        else {
            return;
        };
        let is_dir = matches!(detail.sight, Sight::Dir(_));
        // What is in a directory only a listing tells.
        if !(is_dir && matches!(self.oddities.get(&detail.path), Some(Block::Contains(_)))) {
            self.oddities.remove(&detail.path);
        }
        let has_moved = old.parent != place.parent || old.name != place.name;
        let mut node = Node {
            parent: place.parent,
            name: place.name.clone(),
            kind: old.kind.clone(),
            mark: old.mark.clone(),
        };
        let known = self.known.get(id).copied();
        match (&detail.sight, &old.kind) {
            (Sight::Dir(print), Kind::Dir) => {
                draft.seen.push(id);
                draft.note(id, known, print);
                let is_other = known.is_some_and(|known| identity(&known) != identity(print));
                let is_blocked = scene.trees.blocked().get(&id).is_some_and(is_of_sight);
                if !detail.is_walked && (detail.deep || has_moved || is_other || is_blocked) {
                    self.queue.walk(detail.path, scene.epoch, Approach::Barrier);
                }
            }
            (Sight::Symlink(print, target), Kind::Symlink(_)) => {
                draft.seen.push(id);
                node.kind = Kind::Symlink(target.clone());
                draft.note(id, known, print);
                self.lift(scene.trees, id, &mut draft.update);
            }
            (Sight::File(print), Kind::File(file)) => {
                let is_blocked = scene.trees.blocked().get(&id).is_some_and(is_of_sight);
                let known = known.filter(|_| !is_blocked);
                if has_moved && detail.doubt == Doubt::IfMoved {
                    self.doubted.expect_reading(id);
                }
                let state = self.file(scene, id, known, *file, *print, detail, draft);
                node.kind = Kind::File(state);
            }
            // The verdict was about another type; the look is then made anew.
            _ => {
                let urgency = detail.again(Urgency::Now);
                return self.queue.hint(detail.path, urgency, Some(scene.epoch));
            }
        }
        draft.put(scene.trees.local(), id, node);
    }

    /// Makes a node of something new; a file only once it was read.
    fn create(&mut self, scene: &mut Scene<'_>, place: &Place, draft: &mut Draft) {
        let Some(detail) = scene.details.remove(place) else {
            return;
        };
        let (print, kind) = match (&detail.sight, &detail.reading) {
            (Sight::Dir(print), _) => (*print, Kind::Dir),
            (Sight::Symlink(print, target), _) => (*print, Kind::Symlink(target.clone())),
            (Sight::File(print), Some(reading)) => {
                let state = FileState {
                    content: reading.chunked.content,
                    exec: exec(print, false),
                    mtime_ns: print.mtime_ns,
                };
                (*print, Kind::File(state))
            }
            (Sight::File(print), None) => {
                return self.queue.read(detail.path, print.size_bytes, scene.epoch);
            }
            (Sight::Other(_) | Sight::Absent | Sight::Unknown(_), _) => return,
        };
        self.oddities.remove(&detail.path);
        let id = scene.inside(place).unwrap_or_else(|| (self.new_id)());
        if kind.is_dir() && !detail.is_walked {
            self.queue.walk(detail.path, scene.epoch, Approach::Barrier);
        }
        let node = Node {
            parent: place.parent,
            name: place.name.clone(),
            kind,
            mark: None,
        };
        draft.put(scene.trees.local(), id, node);
        draft.note(id, None, &print);
        if matches!(detail.sight, Sight::File(_)) {
            self.look_at_other_names(scene, id, &print);
        }
        if let Some(reading) = detail.reading {
            draft.read.push(id);
            draft.young.extend(reading.is_young.then_some(id));
            draft.content(id, reading);
        }
    }
}

/// Enters that a node and what is inside it are gone, but for what has moved out.
fn remove(trees: &Trees, id: NodeId, moved: &BTreeSet<NodeId>, draft: &mut Draft) {
    let mut pending = vec![id];
    while let Some(id) = pending.pop() {
        if moved.contains(&id) {
            continue;
        }
        draft.nodes.insert(id, None);
        draft.prints.insert(id, None);
        if trees.blocked().contains_key(&id) {
            draft.update.blocks.push((id, None));
        }
        pending.extend(trees.local().children(id).map(|(_, child)| child));
    }
}

/// Tells whether a block is one of those that a good look lifts.
fn is_of_sight(block: &Block) -> bool {
    match block {
        Block::Unreadable(_)
        | Block::UnsupportedType
        | Block::Busy
        | Block::Ignored
        | Block::OtherFileSystem
        | Block::Lacking
        | Block::OtherFolder
        | Block::Store
        | Block::Secret
        | Block::Contains(_) => true,
        Block::IllegalName
        | Block::NameClash(_)
        | Block::NoSymlinks
        | Block::NoSpace
        | Block::ServerFull
        | Block::MissingContent
        | Block::Refused(_)
        | Block::Quota
        | Block::NotEmpty => false,
    }
}
