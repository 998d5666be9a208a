//! What brings the remote tree to what is wanted: changes for the server, in the order in which it can take them.

use super::Place;
use super::order::{Act, Job, Order, Way};
use super::wanted::{Hold, Want, Wanted};
use crate::tree::Item;
use crate::{Change, MoveTo, Node, NodeId};
use alloc::vec::Vec;

/// Returns the changes to ask for. Each tells what is on this disk, so nothing is asked for that is not there yet.
pub(super) fn commits(wanted: &Wanted<'_>) -> Vec<Change> {
    let jobs = wanted
        .map
        .iter()
        .filter_map(|(id, want)| Some((*id, job(wanted, *id, want)?)));
    let mut order = Order::new(wanted, Way::Up, jobs.collect());
    let mut changes = Vec::new();
    let mut changed = Vec::new();
    for (_, act) in order.run() {
        changes.extend(change(wanted, &act));
        changed.extend(act.ids());
    }
    changed.sort_unstable();
    let updates = wanted.map.iter().filter_map(|(&id, want)| {
        let update = update(wanted, id, want)?;
        changed.binary_search(&id).is_err().then_some(update)
    });
    changes.extend(updates);
    changes
}

fn job(wanted: &Wanted<'_>, id: NodeId, want: &Want) -> Option<Job> {
    if !matches!(want.hold, Hold::Free | Hold::Keep(..)) {
        return None;
    }
    let remote = wanted.trees.remote().node(id);
    let local = wanted.trees.local().node(id);
    match (&want.node, remote, local) {
        (Some(node), None, Some(local)) if node == local => Some(Job::place(node)),
        (Some(node), Some(remote), Some(local)) if !node.same_place(remote) && node.same_place(local) => {
            Some(Job::place(node))
        }
        (None, Some(_), None) => Some(Job::gone()),
        (Some(_) | None, _, _) => None,
    }
}

fn change(wanted: &Wanted<'_>, act: &Act) -> Option<Change> {
    let base = |id: NodeId| item(wanted, id).map(|item| item.version).unwrap_or_default();
    let move_to = |id: NodeId, to: &Place| MoveTo {
        id,
        base: base(id),
        parent: to.parent,
        name: to.name.clone(),
    };
    Some(match act {
        Act::Do(id, Job { to: None, .. }) => Change::Delete {
            id: *id,
            base: base(*id),
        },
        Act::Do(id, Job { to: Some(to), .. }) | Act::Park(id, to) => {
            match (item(wanted, *id), wanted.node(*id)) {
                (None, Some(node)) => Change::Create {
                    id: *id,
                    node: Node::clone(node),
                },
                (Some(_) | None, _) => Change::Move {
                    moves: [move_to(*id, to)].into(),
                },
            }
        }
        Act::Together(moves) => Change::Move {
            moves: moves.iter().map(|(id, to)| move_to(*id, to)).collect(),
        },
        Act::Exchange(..) => return None,
    })
}

fn item<'a>(wanted: &Wanted<'a>, id: NodeId) -> Option<&'a Item> {
    wanted.trees.remote().item(id)
}

/// Returns the change of a node's bytes, attributes or mark, if there is to be one.
fn update(wanted: &Wanted<'_>, id: NodeId, want: &Want) -> Option<Change> {
    let (remote, local, node) = (
        item(wanted, id)?,
        wanted.trees.local().node(id)?,
        want.node.as_ref()?,
    );
    let base = remote.version;
    match &want.hold {
        Hold::MarkFirst(mark) => Some(Change::Mark {
            id,
            base,
            mark: Some(mark.clone()),
        }),
        Hold::Free if node.kind != remote.node.kind && node.kind == local.kind => Some(Change::Update {
            id,
            base,
            kind: node.kind.clone(),
        }),
        Hold::Free | Hold::Busy | Hold::Frozen | Hold::Keep(..) | Hold::Braked => None,
    }
}
