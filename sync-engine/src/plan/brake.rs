//! The brake: a plan that would remove or overwrite a large part of a folder waits for a person. Only the removals wait.

use super::wanted::{Hold, Wanted};
use crate::NodeId;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// So many removals never need a person.
const REMOVALS_FREE: usize = 50;

/// Which way the removals would go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Flow {
    /// From the server to this disk.
    Down,
    /// From this disk to the server.
    Up,
}

/// Says what waits for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brake {
    /// How many nodes would be removed or, on this disk, overwritten.
    pub removals: usize,
    /// How many nodes both sides last agreed on.
    pub nodes: usize,
    /// Which way.
    pub flow: Flow,
}

/// Takes removals out of what is wanted, if they are too many.
pub(super) fn apply(wanted: &mut Wanted<'_>) -> Option<Brake> {
    if wanted.policy.is_removal_confirmed {
        return None;
    }
    let trees = wanted.trees;
    let nodes = trees.n_bases();
    let (mut down, mut over, mut up) = (Vec::new(), Vec::new(), Vec::new());
    for (&id, want) in wanted.map.iter().filter(|(_, want)| want.hold == Hold::Free) {
        match (&want.node, trees.local().node(id), trees.remote().node(id)) {
            (None, Some(_), _) if trees.base(id).is_some() => down.push(id),
            (None, None, Some(_)) => up.push(id),
            (Some(node), Some(local), _) if !node.kind.same_content(&local.kind) => over.push(id),
            (Some(_) | None, _, _) => (),
        }
    }
    let is_much = |n: usize| n > REMOVALS_FREE.max(nodes / 4);
    let is_all = |n: usize, left: usize| 2 <= n && n == nodes && left == 0;
    let stops = |ids: &[NodeId], is_all: bool| is_much(ids.len()) || is_all;
    let mut brake = None;
    for (ids, is_all, flow) in [
        (&up, is_all(up.len(), trees.local().len()), Flow::Up),
        (&over, false, Flow::Down),
        (&down, is_all(down.len(), trees.remote().len()), Flow::Down),
    ] {
        if !stops(ids, is_all) {
            continue;
        }
        for id in ids {
            if let Some(want) = wanted.map.get_mut(id) {
                want.hold = Hold::Braked;
            }
        }
        brake = Some(Brake {
            removals: ids.len(),
            nodes,
            flow,
        });
    }
    brake
}
