//! A whole tree out of all its nodes: everything is sorted first and entered in that order. Entered one by one, random
//! ids would each time be looked for in another corner of the memory.

use super::{Edit, Tree};
use crate::packed::keep_last;
use crate::{Name, Node, NodeId, PackedMap};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// A node by its place: the directory, the name there, and the node.
type Link<'a> = (NodeId, &'a Name, NodeId);

/// Builds a tree of edits to an empty one, which are in the order of their ids. Of several edits to one node the last
/// counts. Edits that do not make a valid tree are given back, without those that do not count.
pub(super) fn build(mut edits: Vec<Edit>) -> Result<Tree, Vec<Edit>> {
    keep_last(&mut edits);
    let Some(children) = children(&edits) else {
        return Err(edits);
    };
    let items = edits.into_iter();
    let items = items.filter_map(|(id, item)| Some((id, item?))).collect();
    Ok(Tree { items, children })
}

/// Returns the names in each directory, or nothing if this is no valid tree.
fn children(edits: &[Edit]) -> Option<BTreeMap<NodeId, PackedMap<Name, NodeId>>> {
    if edits.first().is_some_and(|(id, _)| *id == NodeId::ROOT) {
        return None;
    }
    let nodes = edits
        .iter()
        .filter_map(|(id, item)| Some((*id, &item.as_ref()?.node)));
    let mut links: Vec<Link<'_>> = nodes.map(|(id, node)| (node.parent, &node.name, id)).collect();
    links.sort_unstable();
    let is_taken = |pair: &[Link<'_>]| (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1);
    if links.windows(2).any(is_taken) {
        return None;
    }
    let dirs = || links.chunk_by(|one, next| one.0 == next.0);
    if !are_rooted(edits, dirs().map(|links| links[0].0)) {
        return None;
    }
    let names = |links: &[Link<'_>]| links.iter().map(|(_, name, id)| ((*name).clone(), *id)).collect();
    Some(dirs().map(|links| (links[0].0, names(links))).collect())
}

/// Tells whether all these are directories, in a directory each, and so on up to the root.
fn are_rooted(edits: &[Edit], dirs: impl Iterator<Item = NodeId>) -> bool {
    let mut rooted = BTreeSet::from([NodeId::ROOT]);
    let mut path = BTreeSet::new();
    for dir in dirs {
        let mut at = dir;
        while !rooted.contains(&at) {
            match node(edits, at) {
                // Here the way up does not come back to where it has been.
                Some(node) if node.kind.is_dir() && path.insert(at) => at = node.parent,
                Some(_) | None => return false,
            }
        }
        rooted.extend(core::mem::take(&mut path));
    }
    true
}

fn node(edits: &[Edit], id: NodeId) -> Option<&Node> {
    let at = edits.binary_search_by_key(&id, |(id, _)| *id).ok()?;
    edits[at].1.as_ref().map(|item| &*item.node)
}
