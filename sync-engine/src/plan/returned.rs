//! What has come back. Something that was removed here, and that the account still has, may be made anew at its place
//! before the account hears of it: a directory that was moved out of the folder and in again, a file that was written
//! anew. It is the same node then, as if it had only been edited; so nothing is removed and made anew, and nothing waits
//! for the name.

use super::Record;
use super::unify::may_reidentify;
use super::wanted::{Hold, Wanted};
use crate::NodeId;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Gives nodes that only this disk has the ids of the nodes of the same type that were at their places and are missing.
pub(super) fn reclaim(wanted: &Wanted<'_>, records: &mut Vec<Record>) {
    let missing = wanted
        .map
        .iter()
        .filter(|(_, want)| want.node.is_none() && want.hold == Hold::Free);
    let mut found = BTreeMap::new();
    for (&id, _) in missing {
        successor(wanted, id, &mut found);
    }
    let pairs = found.into_iter().filter_map(|(to, from)| Some((from?, to)));
    records.extend(pairs.map(|(from, to)| Record::Reidentify { from, to }));
}

/// Returns the node that only this disk has where `id` was; that of each directory above is found first.
fn successor(
    wanted: &Wanted<'_>,
    id: NodeId,
    found: &mut BTreeMap<NodeId, Option<NodeId>>,
) -> Option<NodeId> {
    let (local, remote) = (wanted.trees.local(), wanted.trees.remote());
    let mut chain = Vec::new();
    let mut at = id;
    while local.node(at).is_none() && !found.contains_key(&at) && at != NodeId::ROOT {
        chain.push(at);
        at = remote.node(at)?.parent;
    }
    for at in chain.into_iter().rev() {
        let successor = at_place_of(wanted, at, found);
        found.insert(at, successor);
    }
    found.get(&id).copied().flatten()
}

fn at_place_of(wanted: &Wanted<'_>, id: NodeId, found: &BTreeMap<NodeId, Option<NodeId>>) -> Option<NodeId> {
    let trees = wanted.trees;
    let want = wanted.map.get(&id)?;
    if want.node.is_some() || want.hold != Hold::Free {
        return None;
    }
    let was = trees.remote().node(id)?;
    let parent = match found.get(&was.parent) {
        Some(successor) => (*successor)?,
        None => was.parent,
    };
    let at = trees.local().child(parent, &was.name)?;
    let node = trees.local().node(at)?;
    let is_new = trees.base(at).is_none() && trees.remote().node(at).is_none() && node.mark.is_none();
    let is_same = is_new && node.kind.same_type(&was.kind);
    (is_same && may_reidentify(trees, wanted.busy, at)).then_some(at)
}
