//! What brings the local tree to what is wanted: steps for the disk, in batches, and what this disk cannot hold.

use super::order::{Act, Job, Order, Way};
use super::wanted::{Hold, Want, Wanted};
use super::{MoveCause, Place, Step};
use crate::{Block, Kind, NodeId, Version};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Returns the batches, and the nodes that are blocked.
pub(super) fn steps(wanted: &Wanted<'_>) -> (Vec<Vec<Step>>, Vec<(NodeId, Block)>) {
    let mut jobs = BTreeMap::new();
    let mut blocked = Vec::new();
    for (&id, want) in wanted.map.iter().filter(|(_, want)| want.hold == Hold::Free) {
        let Some(job) = job(wanted, id, want) else {
            continue;
        };
        match obstacle(wanted, id, want) {
            None => {
                jobs.insert(id, job);
            }
            Some(block) => blocked.push((id, block)),
        }
    }
    let mut order = Order::new(wanted, Way::Down, jobs);
    let mut batches = Batches::default();
    let mut moved = BTreeMap::new();
    for (batch, act) in order.run() {
        for id in act.ids() {
            moved.insert(id, batch);
        }
        batches.push(batch, step(wanted, act));
    }
    blocked.extend(order.clashes().into_iter().filter_map(|(id, other)| {
        let other = wanted.trees.local().node(other).or_else(|| wanted.node(other))?;
        Some((id, Block::NameClash(other.name.clone())))
    }));
    for (id, want) in &wanted.map {
        if let Hold::Keep(copy, node) = &want.hold {
            let (of, copy, node) = (*id, *copy, node.clone());
            batches.push(0, Some(Step::KeepCopy { of, copy, node }));
        }
        let batch = moved.get(id).map_or(0, |batch| batch + 1);
        batches.push(batch, rewrite(wanted, *id, want));
    }
    (
        batches.0.into_iter().filter(|batch| !batch.is_empty()).collect(),
        blocked,
    )
}

#[derive(Default)]
struct Batches(Vec<Vec<Step>>);

impl Batches {
    fn push(&mut self, batch: usize, step: Option<Step>) {
        if self.0.len() <= batch {
            self.0.resize_with(batch + 1, Vec::new);
        }
        self.0[batch].extend(step);
    }
}

fn job(wanted: &Wanted<'_>, id: NodeId, want: &Want) -> Option<Job> {
    match (&want.node, wanted.trees.local().node(id)) {
        (None, None) => None,
        (None, Some(_)) => Some(Job::gone()),
        // Most nodes that are the same are one, and this need not be looked up in it.
        (Some(node), Some(local)) if Arc::ptr_eq(node, local) => None,
        (Some(node), Some(local)) if node.same_place(local) => None,
        (Some(node), _) => Some(Job::place(node)),
    }
}

/// Returns why this disk cannot hold a node where it is wanted, apart from other nodes.
fn obstacle(wanted: &Wanted<'_>, id: NodeId, want: &Want) -> Option<Block> {
    let node = want.node.as_ref()?;
    let local = wanted.trees.local().node(id);
    if local.is_none_or(|local| local.name != node.name) && !wanted.policy.names.allow(&node.name) {
        return Some(Block::IllegalName);
    }
    let is_symlink = matches!(node.kind, Kind::Symlink(_));
    (is_symlink && local.is_none() && !wanted.policy.has_symlinks).then_some(Block::NoSymlinks)
}

fn step(wanted: &Wanted<'_>, act: Act) -> Option<Step> {
    let local = wanted.trees.local();
    let from = |id: NodeId| local.node(id).map(|node| Place::of(node));
    Some(match act {
        Act::Do(id, Job { to: None, .. }) => Step::Remove {
            id,
            expect: local.node(id)?.clone(),
        },
        Act::Do(id, Job { to: Some(to), .. }) => match from(id) {
            Some(from) => {
                let cause = cause(wanted, id, &to)?;
                Step::Move { id, from, to, cause }
            }
            None => {
                let (node, version) = (wanted.node(id)?.clone(), version(wanted, id));
                if node.kind.is_dir() {
                    Step::MakeDir { id, node, version }
                } else {
                    Step::Fetch { id, node, version }
                }
            }
        },
        Act::Park(id, to) => {
            let from = from(id)?;
            Step::Park { id, from, to }
        }
        Act::Exchange(a, b) => {
            let (a_from, b_from) = (from(a)?, from(b)?);
            Step::Exchange { a, a_from, b, b_from }
        }
        Act::Together(_) => return None,
    })
}

fn version(wanted: &Wanted<'_>, id: NodeId) -> Version {
    wanted
        .trees
        .remote()
        .item(id)
        .map(|item| item.version)
        .unwrap_or_default()
}

fn cause(wanted: &Wanted<'_>, id: NodeId, to: &Place) -> Option<MoveCause> {
    let remote = wanted.trees.remote().node(id);
    if remote.is_some_and(|remote| Place::of(remote) == *to) {
        return Some(MoveCause::Remote);
    }
    Some(MoveCause::Conflict(wanted.map.get(&id)?.new_mark.clone()))
}

/// Returns the step that changes what a node on disk is, if there is to be one.
fn rewrite(wanted: &Wanted<'_>, id: NodeId, want: &Want) -> Option<Step> {
    let (node, local) = (want.node.as_ref()?, wanted.trees.local().node(id)?);
    if want.hold != Hold::Free || Arc::ptr_eq(node, local) || node.kind == local.kind {
        return None;
    }
    match (&local.kind, &node.kind) {
        (Kind::File(local), Kind::File(node)) if local.content == node.content => Some(Step::SetAttributes {
            id,
            expect: *local,
            with: *node,
        }),
        (local, with) => Some(Step::Replace {
            id,
            expect: local.clone(),
            with: with.clone(),
            version: version(wanted, id),
        }),
    }
}
