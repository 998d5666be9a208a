//! Two nodes that are wanted at one place. The one that the server has there keeps it. The other becomes one with it if
//! both are the same thing, and gets a conflict name if not. Conflicts of bytes find the name of their copy here too.

use super::unify::{is_one_thing, may_reidentify};
use super::wanted::{Hold, Want, Wanted};
use super::{Folding, Place, Record, Remark, conflict_name};
use crate::node::ConflictCause;
use crate::{Bug, ConflictMark, Name, Node, NodeId, Version, planted};
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Resolves all clashes of names, and prepares the copies of bytes in conflict.
pub(super) fn resolve(wanted: &mut Wanted<'_>, records: &mut Vec<Record>) {
    let places = places(wanted);
    let clashes = clashes(wanted, &places);
    if clashes.is_empty() && !wanted.map.values().any(|want| want.is_conflict) {
        return;
    }
    let place = |(parent, name, _): &(NodeId, &Name, NodeId)| Place {
        parent: *parent,
        name: Name::clone(name),
    };
    let mut taken: BTreeSet<Place> = places.iter().map(place).collect();
    for Clash { keeper, ids } in clashes {
        for id in ids {
            if id != keeper {
                part(wanted, records, &mut taken, id, keeper);
            }
        }
    }
    keep_copies(wanted, records, &mut taken);
}

/// Two or more nodes that are wanted at one place.
struct Clash {
    /// The one that keeps it.
    keeper: NodeId,
    /// All of them.
    ids: Vec<NodeId>,
}

/// Returns where nodes are wanted, with them, in the order of the places.
fn places<'a>(wanted: &'a Wanted<'_>) -> Vec<(NodeId, &'a Name, NodeId)> {
    let nodes = wanted.map.iter().filter_map(|(id, want)| {
        let node = want.node.as_ref().filter(|_| want.hold != Hold::Busy)?;
        Some((node.parent, &node.name, *id))
    });
    let mut places: Vec<_> = nodes.collect();
    places.sort_unstable();
    places
}

fn clashes(wanted: &Wanted<'_>, places: &[(NodeId, &Name, NodeId)]) -> Vec<Clash> {
    let remote = wanted.trees.remote();
    let at_one_place = places.chunk_by(|one, next| (one.0, one.1) == (next.0, next.1));
    let clashes = at_one_place.filter_map(|at| {
        let there = remote.child(at[0].0, at[0].1);
        let settled = there.filter(|there| !wanted.trees.is_unsettled(*there));
        let ids: Vec<NodeId> = at.iter().map(|(_, _, id)| *id).chain(settled).collect();
        let keeper = there.filter(|there| ids.contains(there)).unwrap_or(ids[0]);
        (2 <= ids.len()).then_some(Clash { keeper, ids })
    });
    clashes.collect()
}

/// Finds what becomes of `id`, whose place `keeper` keeps.
fn part(
    wanted: &mut Wanted<'_>,
    records: &mut Vec<Record>,
    taken: &mut BTreeSet<Place>,
    id: NodeId,
    keeper: NodeId,
) {
    let (Some(node), Some(kept)) = (wanted.node(id).cloned(), wanted.node(keeper).cloned()) else {
        return;
    };
    // What is in conflict has its bytes kept aside first; its name can wait.
    if wanted
        .map
        .get(&id)
        .is_none_or(|want| want.hold != Hold::Free || want.is_conflict)
    {
        return;
    }
    let trees = wanted.trees;
    let remote = trees.remote().node(id);
    let is_one = is_one_thing(&node, &kept, wanted.policy);
    if is_one && remote.is_none() && trees.local().node(keeper).is_none() {
        if may_reidentify(trees, wanted.busy, id) && !wanted.busy.contains(&keeper) {
            records.push(Record::Reidentify { from: id, to: keeper });
        } else {
            hold(wanted, id, Hold::Busy);
        }
        return;
    }
    let is_unchanged = remote.is_none_or(|remote| remote.kind.same_content(&node.kind));
    if is_one && !node.kind.is_dir() && is_unchanged && node.mark.is_none() {
        if let Some(want) = wanted.map.get_mut(&id) {
            want.node = None;
        }
        return;
    }
    let cause = if node.kind.same_type(&kept.kind) {
        ConflictCause::SameName
    } else {
        ConflictCause::KindSwapped
    };
    let mark = mark(wanted, id, keeper, &node.name, cause);
    wanted.remarks.insert(Remark::NameLost(id, keeper));
    // A mark that is there already stays: two devices that lose one node's names would else mark it by turns.
    if remote.is_some_and(|remote| remote.mark.is_none()) {
        hold(wanted, id, Hold::MarkFirst(mark));
        return;
    }
    let name = free_name(wanted, taken, node.parent, &node.name, id);
    let Some(want) = wanted.map.get_mut(&id) else {
        return;
    };
    let mut renamed = Node {
        name,
        ..(*node).clone()
    };
    if remote.is_none() {
        want.new_mark = Some(mark.clone());
        renamed.mark = Some(mark);
    }
    want.node = Some(Arc::new(renamed));
}

fn hold(wanted: &mut Wanted<'_>, id: NodeId, hold: Hold) {
    if let Some(want) = wanted.map.get_mut(&id) {
        want.hold = hold;
    }
}

fn mark(
    wanted: &Wanted<'_>,
    id: NodeId,
    with: NodeId,
    name: &Name,
    cause: ConflictCause,
) -> Arc<ConflictMark> {
    Arc::new(ConflictMark {
        with,
        base: wanted.trees.base(id).map_or(Version::ZERO, |base| base.version),
        device: wanted.policy.device,
        name: name.clone(),
        cause,
    })
}

/// Returns the first conflict name that nothing has or wants in the directory, but for `own`.
fn free_name(
    wanted: &Wanted<'_>,
    taken: &mut BTreeSet<Place>,
    parent: NodeId,
    name: &Name,
    own: NodeId,
) -> Name {
    let mut number = 1;
    loop {
        let name = conflict_name(name, &wanted.policy.device_name, wanted.policy.date, number);
        let place = Place { parent, name };
        let is_free = is_free(wanted, &place, own) && taken.insert(place.clone());
        if is_free || planted(Bug::ConflictNameTaken) {
            return place.name;
        }
        number += 1;
    }
}

fn is_free(wanted: &Wanted<'_>, place: &Place, own: NodeId) -> bool {
    let trees = wanted.trees;
    let others = |found: Option<NodeId>| found.is_none_or(|found| found == own);
    let folding = wanted.policy.folding;
    let is_folded = folding != Folding::None && {
        let key = folding.key(&place.name);
        let mut children = trees.local().children(place.parent);
        children.any(|(name, id)| id != own && folding.key(name) == key)
    };
    !is_folded
        && others(trees.remote().child(place.parent, &place.name))
        && others(trees.local().child(place.parent, &place.name))
}

/// Prepares a copy beside each node whose bytes both sides changed.
fn keep_copies(wanted: &mut Wanted<'_>, records: &mut Vec<Record>, taken: &mut BTreeSet<Place>) {
    let is_due =
        |want: &Want| want.is_conflict && want.hold == Hold::Free && !planted(Bug::ConflictForgotten);
    let due = wanted.map.iter().filter(|(_, want)| is_due(want));
    let ids: Vec<NodeId> = due.map(|(id, _)| *id).collect();
    for id in ids {
        keep_copy(wanted, records, taken, id);
    }
}

fn keep_copy(wanted: &mut Wanted<'_>, records: &mut Vec<Record>, taken: &mut BTreeSet<Place>, id: NodeId) {
    let (Some(node), Some(local)) = (wanted.node(id).cloned(), wanted.trees.local().node(id)) else {
        return;
    };
    let is_there = |dir: NodeId| {
        wanted.trees.local().is_dir(dir) && !wanted.is_frozen(dir) && !wanted.busy.contains(&dir)
    };
    let parent = if is_there(node.parent) {
        node.parent
    } else {
        local.parent
    };
    let name = wanted
        .trees
        .remote()
        .node(id)
        .map_or(&local.name, |remote| &remote.name)
        .clone();
    let mark = mark(wanted, id, id, &name, ConflictCause::BothEdited);
    if let Some(copy) = standing_copy(wanted, parent, &name, local) {
        records.push(Record::Kept { of: id, copy, mark });
        return;
    }
    let copy = copy_id(wanted, id, local);
    wanted.remarks.insert(Remark::Conflict(id, copy));
    let node = Node {
        parent,
        name: free_name(wanted, taken, parent, &name, copy),
        kind: local.kind.clone(),
        mark: Some(mark),
    };
    hold(wanted, id, Hold::Keep(copy, Arc::new(node)));
}

/// Derives the copy's id from what it is a copy of, so that a step that is taken twice makes one node.
fn copy_id(wanted: &Wanted<'_>, id: NodeId, local: &Node) -> NodeId {
    let mut salt: Vec<u8> = wanted.policy.cursor.0.to_le_bytes().into();
    match &local.kind {
        crate::Kind::File(file) => salt.extend(file.content.hash.0),
        crate::Kind::Symlink(target) => salt.extend(target.as_bytes()),
        crate::Kind::Dir => (),
    }
    NodeId::derive("copy", id, wanted.policy.device, &salt)
}

/// Returns a node under one of the conflict names that only this disk has, with the same bytes: a copy that was made
/// just before a crash.
fn standing_copy(wanted: &Wanted<'_>, parent: NodeId, name: &Name, local: &Node) -> Option<NodeId> {
    let trees = wanted.trees;
    let mut number = 1;
    loop {
        let name = conflict_name(name, &wanted.policy.device_name, wanted.policy.date, number);
        let found = trees.local().child(parent, &name)?;
        let is_only_local = trees.remote().node(found).is_none() && trees.base(found).is_none();
        let is_same = trees
            .local()
            .node(found)
            .is_some_and(|node| node.kind.same_content(&local.kind));
        if is_only_local && is_same && !wanted.busy.contains(&found) {
            return Some(found);
        }
        number += 1;
    }
}
