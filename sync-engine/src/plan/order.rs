//! Puts placements and removals in an order in which each can be done: it tries them on a picture of the tree that they
//! are for ([`ground`]). A job that cannot be done yet waits for the one thing that is in its way and is tried again when
//! that is gone. What waits for each other in a circle ([`knots`]) is untied: on the server by one move of all, on disk
//! by exchanging pairs, and else by moving one node aside. What waits for something that no job brings about is left.

mod ground;
mod knots;

use super::conflict_name::moving_name;
use super::wanted::{Hold, Wanted};
use super::{Folding, Place};
use crate::admit::MOVES_MAX;
use crate::{Node, NodeId};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use ground::{Ground, Key};

/// Which tree the jobs are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// The remote one.
    Up,
    /// The local one.
    Down,
}

/// Where a node is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    /// Its place; nothing removes it.
    pub(super) to: Option<Place>,
    is_dir: bool,
}

impl Job {
    pub(super) fn place(node: &Node) -> Self {
        Self {
            to: Some(Place::of(node)),
            is_dir: node.kind.is_dir(),
        }
    }

    pub(super) fn gone() -> Self {
        Self {
            to: None,
            is_dir: false,
        }
    }
}

/// Something that can be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    /// A job.
    Do(NodeId, Job),
    /// Moves a node aside.
    Park(NodeId, Place),
    /// Moves all these at once. Only on the server.
    Together(Vec<(NodeId, Place)>),
    /// Swaps two places; the first node comes to where it is wanted. Only on disk.
    Exchange(NodeId, NodeId),
}

impl Act {
    /// Returns the nodes that it is about.
    pub(super) fn ids(&self) -> impl Iterator<Item = NodeId> {
        let (one, other, moves): (_, _, &[_]) = match self {
            Self::Do(id, _) | Self::Park(id, _) => (Some(*id), None, &[]),
            Self::Exchange(a, b) => (Some(*a), Some(*b), &[]),
            Self::Together(moves) => (None, None, moves),
        };
        let moved = moves.iter().map(|(id, _)| *id);
        one.into_iter().chain(other).chain(moved)
    }
}

/// What a job waits for, and what happens when another is done.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// The directory is made.
    Made(NodeId),
    /// The last node in the directory has left it.
    Emptied(NodeId),
    /// The node has moved.
    Moved(NodeId),
    /// The name in the directory has become free.
    Freed(NodeId, Key),
}

/// See the module's page.
pub(super) struct Order<'a> {
    wanted: &'a Wanted<'a>,
    way: Way,
    ground: Ground<'a>,
    jobs: BTreeMap<NodeId, Job>,
    queue: VecDeque<NodeId>,
    waiting: BTreeMap<Event, Vec<NodeId>>,
    /// The batch in which each event happens.
    batches: BTreeMap<Event, usize>,
    acts: Vec<(usize, Act)>,
    /// Nodes that were moved, but are not where they are wanted yet.
    unfinished: BTreeSet<NodeId>,
}

impl<'a> Order<'a> {
    pub(super) fn new(wanted: &'a Wanted<'a>, way: Way, jobs: BTreeMap<NodeId, Job>) -> Self {
        let (tree, folding) = match way {
            Way::Up => (wanted.trees.remote(), Folding::None),
            Way::Down => (wanted.trees.local(), wanted.policy.folding),
        };
        let mut ids: Vec<NodeId> = jobs.keys().copied().collect();
        // Of two new names that are one to the disk, the one that is older on the server comes first. On the server no
        // two names are one, but directories come first, so that little has to wait for them.
        ids.sort_by_cached_key(|id| match way {
            Way::Up => (!jobs[id].is_dir, None),
            Way::Down => (false, wanted.trees.remote().item(*id).map(|item| item.version)),
        });
        let ground = match way {
            Way::Up => Ground::new(tree, folding),
            // What is being made on disk right now will have its name before it is in the local tree.
            Way::Down => Ground::with_coming(wanted),
        };
        Self {
            wanted,
            way,
            ground,
            jobs,
            queue: ids.into(),
            waiting: BTreeMap::new(),
            batches: BTreeMap::new(),
            acts: Vec::new(),
            unfinished: BTreeSet::new(),
        }
    }

    /// Returns what can be done, in order, each with the number of its batch.
    pub(super) fn run(&mut self) -> Vec<(usize, Act)> {
        loop {
            self.drain();
            if !self.untie() {
                return core::mem::take(&mut self.acts);
            }
        }
    }

    /// Returns the nodes that cannot come to their place because another stays there, with that one.
    pub(super) fn clashes(&mut self) -> BTreeMap<NodeId, NodeId> {
        let mut clashes = BTreeMap::new();
        let mut stuck = BTreeSet::new();
        let ids: Vec<NodeId> = self.jobs.keys().copied().collect();
        loop {
            let n_before = stuck.len();
            for &id in &ids {
                let Some(job) = self.jobs.get(&id).cloned() else {
                    continue;
                };
                let is_stuck = match &job.to {
                    None => self
                        .ground
                        .children(id)
                        .iter()
                        .any(|child| self.stays(*child, &stuck)),
                    Some(to) => {
                        let other = self.ground.occupant(to).filter(|other| *other != id);
                        let other = other.filter(|other| self.stays(*other, &stuck));
                        clashes.extend(other.map(|other| (id, other)));
                        other.is_some() || (!self.is_open(to.parent) && self.stays(to.parent, &stuck))
                    }
                };
                if is_stuck {
                    stuck.insert(id);
                }
            }
            if stuck.len() == n_before {
                return clashes;
            }
        }
    }

    /// Tells whether nothing will change a node's place as long as nothing else happens.
    fn stays(&self, id: NodeId, stuck: &BTreeSet<NodeId>) -> bool {
        let is_still = match self.wanted.map.get(&id) {
            Some(want) => matches!(want.hold, Hold::Free | Hold::Frozen),
            None => !self.wanted.is_under_way(id),
        };
        let is_done = is_still && !self.jobs.contains_key(&id) && !self.unfinished.contains(&id);
        is_done || stuck.contains(&id)
    }

    /// Does all jobs that can be done.
    fn drain(&mut self) {
        while let Some(id) = self.queue.pop_front() {
            let Some(job) = self.jobs.remove(&id) else {
                continue;
            };
            match self.obstacle(id, &job) {
                Some(event) => {
                    self.waiting.entry(event).or_default().push(id);
                    self.jobs.insert(id, job);
                }
                None => {
                    let batch = self.batch(id, job.to.as_ref());
                    self.settle(batch, &[(id, job.to.clone(), job.is_dir)]);
                    self.acts.push((batch, Act::Do(id, job)));
                }
            }
        }
    }

    /// Returns the first thing that is in a job's way.
    fn obstacle(&mut self, id: NodeId, job: &Job) -> Option<Event> {
        let Some(to) = &job.to else {
            return (self.ground.n_children(id) > 0).then_some(Event::Emptied(id));
        };
        if !self.is_open(to.parent) {
            return Some(Event::Made(to.parent));
        }
        if job.is_dir && self.ground.is_within(to.parent, id) {
            let movers = self.movers_between(to.parent, id);
            return Some(Event::Moved(movers.first().copied().unwrap_or(id)));
        }
        let other = self.ground.occupant(to).filter(|other| *other != id);
        other.map(|_| Event::Freed(to.parent, self.ground.key(&to.name)))
    }

    /// Tells whether nodes can be put into a directory.
    fn is_open(&self, dir: NodeId) -> bool {
        match self.way {
            // A directory whose creation is in flight will be there before what is sent after it.
            Way::Up => self.ground.is_dir(dir) || self.is_being_created(dir),
            Way::Down => self.ground.is_dir(dir) && !self.wanted.is_frozen(dir),
        }
    }

    fn is_being_created(&self, dir: NodeId) -> bool {
        let trees = self.wanted.trees;
        self.wanted.busy.contains(&dir) && trees.local().is_dir(dir) && trees.base(dir).is_none()
    }

    /// Returns the nodes from `at` up to below `id` that are to be moved.
    fn movers_between(&self, at: NodeId, id: NodeId) -> Vec<NodeId> {
        let above = core::iter::once(at).chain(self.ground.ancestors(at));
        above
            .take_while(|at| *at != id)
            .filter(|at| self.jobs.contains_key(at))
            .collect()
    }

    /// Returns the batch after all those that a job depends on. Changes for the server are in one order, without batches.
    fn batch(&self, id: NodeId, to: Option<&Place>) -> usize {
        if self.batches.is_empty() {
            return 0;
        }
        let mut events = Vec::new();
        let mut dirs = Vec::new();
        match to {
            None => events.push(Event::Emptied(id)),
            Some(to) => {
                events.push(Event::Made(to.parent));
                events.push(Event::Freed(to.parent, self.ground.key(&to.name)));
                dirs.push(to.parent);
            }
        }
        dirs.extend(self.ground.place(id).map(|place| place.parent));
        for dir in dirs {
            events.push(Event::Moved(dir));
            events.extend(self.ground.ancestors(dir).map(Event::Moved));
        }
        let after = events.iter().filter_map(|event| self.batches.get(event)).max();
        after.map_or(0, |batch| batch + 1)
    }

    /// Enters new places into the picture, all at once, and tries again what has waited for them.
    fn settle(&mut self, batch: usize, changes: &[(NodeId, Option<Place>, bool)]) {
        let mut events = Vec::new();
        let olds: Vec<Option<Place>> = changes.iter().map(|(id, _, _)| self.ground.take(*id)).collect();
        for ((id, to, is_dir), old) in changes.iter().zip(olds) {
            match (&old, to) {
                (None, Some(_)) if *is_dir => events.push(Event::Made(*id)),
                (Some(_), Some(_)) => events.push(Event::Moved(*id)),
                (None, Some(_)) | (_, None) => (),
            }
            if let Some(old) = old {
                events.push(Event::Emptied(old.parent));
                events.push(Event::Freed(old.parent, self.ground.key(&old.name)));
            }
            if let Some(to) = to {
                self.ground.put(*id, to.clone(), *is_dir);
            }
        }
        for event in events {
            self.queue
                .extend(self.waiting.remove(&event).into_iter().flatten());
            if self.way == Way::Down {
                let known = self.batches.entry(event).or_insert(batch);
                *known = batch.max(*known);
            }
        }
    }

    /// Unties what waits for each other in a circle. Tells whether there was any.
    fn untie(&mut self) -> bool {
        let ids: Vec<NodeId> = self.jobs.keys().copied().collect();
        let graph: BTreeMap<NodeId, Option<Vec<NodeId>>> =
            ids.into_iter().map(|id| (id, self.blockers(id))).collect();
        let mut is_untied = false;
        for knot in knots::knots(&graph) {
            let members: BTreeSet<NodeId> = knot.iter().copied().collect();
            let inside = |id: &NodeId| members.contains(id);
            let is_closed = knot.iter().all(|id| {
                graph[id]
                    .as_ref()
                    .is_some_and(|blockers| blockers.iter().all(inside))
            });
            if knot.len() > 1 && is_closed {
                self.untie_one(&knot, &graph);
                is_untied = true;
            }
        }
        is_untied
    }

    /// Returns the jobs that are in this one's way, or nothing if something is in its way that no job removes.
    fn blockers(&mut self, id: NodeId) -> Option<Vec<NodeId>> {
        let Some(to) = self.jobs.get(&id)?.to.clone() else {
            let children = self.ground.children(id);
            return children
                .iter()
                .all(|child| self.jobs.contains_key(child))
                .then_some(children);
        };
        let mut blockers = Vec::new();
        if !self.is_open(to.parent) {
            self.jobs.get(&to.parent)?;
            blockers.push(to.parent);
        } else if self.ground.is_within(to.parent, id) {
            let movers = self.movers_between(to.parent, id);
            if movers.is_empty() {
                return None;
            }
            blockers.extend(movers);
        }
        if let Some(other) = self.ground.occupant(&to).filter(|other| *other != id) {
            self.jobs.get(&other)?;
            blockers.push(other);
        }
        Some(blockers)
    }

    fn untie_one(&mut self, knot: &[NodeId], graph: &BTreeMap<NodeId, Option<Vec<NodeId>>>) {
        let is_move = |id: &NodeId| self.ground.place(*id).is_some() && self.jobs[id].to.is_some();
        let are_moves = knot.iter().all(is_move);
        match self.way {
            Way::Up if are_moves && knot.len() <= MOVES_MAX => self.move_together(knot),
            Way::Down if are_moves => match self.ring(knot, graph) {
                Some(ring) => ring
                    .chunks_exact(2)
                    .for_each(|pair| self.exchange(pair[0], pair[1])),
                None => self.park(knot),
            },
            Way::Up | Way::Down => self.park(knot),
        }
    }

    fn move_together(&mut self, knot: &[NodeId]) {
        let mut moves = Vec::new();
        let mut changes = Vec::new();
        let mut batch = 0;
        for id in knot {
            let Some(job) = self.jobs.remove(id) else { continue };
            batch = batch.max(self.batch(*id, job.to.as_ref()));
            moves.extend(job.to.clone().map(|to| (*id, to)));
            changes.push((*id, job.to, job.is_dir));
        }
        self.settle(batch, &changes);
        self.acts.push((batch, Act::Together(moves)));
    }

    /// Returns a knot as a ring in which each node wants the place of the next, if it is nothing but that.
    fn ring(&self, knot: &[NodeId], graph: &BTreeMap<NodeId, Option<Vec<NodeId>>>) -> Option<Vec<NodeId>> {
        let mut ring = Vec::from([knot[0]]);
        while ring.len() < knot.len() {
            let [next] = graph[ring.last()?].as_deref()? else {
                return None;
            };
            ring.push(*next);
        }
        let is_apart = |a: NodeId, b: NodeId| !self.ground.is_within(a, b) && !self.ground.is_within(b, a);
        let wants =
            |a: NodeId, b: NodeId| self.jobs.get(&a).and_then(|job| job.to.clone()) == self.ground.place(b);
        let is_ring = ring
            .chunks_exact(2)
            .all(|pair| is_apart(pair[0], pair[1]) && wants(pair[0], pair[1]));
        is_ring.then_some(ring)
    }

    fn exchange(&mut self, a: NodeId, b: NodeId) {
        let (Some(a_place), Some(b_place)) = (self.ground.place(a), self.ground.place(b)) else {
            return;
        };
        let batch = self.batch(a, Some(&b_place)).max(self.batch(b, Some(&a_place)));
        let (Some(a_job), Some(b_job)) = (self.jobs.remove(&a), self.jobs.remove(&b)) else {
            return;
        };
        if b_job.to.as_ref() != Some(&a_place) {
            self.unfinished.insert(b);
        }
        self.settle(
            batch,
            &[(a, Some(b_place), a_job.is_dir), (b, Some(a_place), b_job.is_dir)],
        );
        self.acts.push((batch, Act::Exchange(a, b)));
    }

    /// Moves one node of a knot aside: best into the directory that it is wanted in, or in one above it.
    fn park(&mut self, knot: &[NodeId]) {
        let mut movers = knot.iter().filter_map(|id| {
            let from = self.ground.place(*id)?;
            let to = self.jobs.get(id)?.to.clone()?;
            let aim = self
                .open_above(to.parent)
                .filter(|dir| !self.ground.is_within(*dir, *id));
            let cost = (aim.is_none(), aim != Some(to.parent));
            Some((cost, *id, aim.unwrap_or(from.parent), to.name))
        });
        let Some(first) = movers.next() else { return };
        let (_, id, parent, name) =
            movers.fold(first, |best, next| if next.0 < best.0 { next } else { best });
        let places = (1..).map(|number| Place {
            parent,
            name: moving_name(&name, number),
        });
        let Some(to) = places
            .into_iter()
            .find(|place| self.ground.occupant(place).is_none())
        else {
            return;
        };
        let batch = self.batch(id, Some(&to));
        let Some(job) = self.jobs.remove(&id) else { return };
        self.unfinished.insert(id);
        self.settle(batch, &[(id, Some(to.clone()), job.is_dir)]);
        self.acts.push((batch, Act::Park(id, to)));
    }

    /// Returns the first directory that is there, from one that is wanted on upwards.
    fn open_above(&self, dir: NodeId) -> Option<NodeId> {
        let mut at = dir;
        while !self.is_open(at) {
            at = self.jobs.get(&at)?.to.as_ref()?.parent;
        }
        Some(at)
    }
}
