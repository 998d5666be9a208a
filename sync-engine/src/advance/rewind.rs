//! A server that was put back to an older state. What this device knew of the lost part of the journal is what it has on
//! disk; so what the server has now is the base, as far as it surely is an earlier state of the same: then everything
//! newer on disk is a plain change, and is sent again without a conflict.

use super::{Delta, set_base};
use crate::tree::Item;
use crate::{Base, Bug, NodeId, Tree, TreeError, Trees, Version, planted};
use alloc::vec::Vec;

/// Enters the tree of a server that was put back. The old remote tree is what was known before.
///
/// A node that is not on disk gets no base: it comes back, since nothing is to be deleted by this.
///
/// # Errors
/// When what the server has is no valid tree. Then nothing is known of the server any more.
pub fn rewind(trees: &mut Trees, items: Vec<(NodeId, Item)>) -> Result<Delta, TreeError> {
    let common = common_past(trees.remote(), &items);
    trees.forget_bases();
    trees.forget_remote();
    let edits = items.iter().map(|(id, item)| (*id, Some(item.clone())));
    trees.edit_remote(edits.collect())?;
    let mut delta = Delta::default();
    for (id, Item { node, version }) in items {
        delta.remote.insert(id);
        let local = trees.local().node(id);
        let is_here = local.is_some_and(|local| local.kind.same_type(&node.kind));
        if version <= common && (is_here || planted(Bug::RewindDeletes)) {
            set_base(trees, id, Some(Base { node, version }), &mut delta);
        }
    }
    Ok(delta)
}

/// Returns up to which number the two histories are surely one: the newest version that a node has in both trees, with
/// the same value. What was changed later, in either, has a higher number.
fn common_past(known: &Tree, items: &[(NodeId, Item)]) -> Version {
    let is_same = |(id, item): &&(NodeId, Item)| known.item(*id) == Some(item);
    let same = items.iter().filter(is_same);
    same.map(|(_, item)| item.version).max().unwrap_or(Version::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, FileState, Hash, Kind, Name, Node};
    use alloc::sync::Arc;

    fn item(n: u8, version: u64, bytes: &str) -> (NodeId, Item) {
        let content = Content {
            hash: Hash::of(bytes.as_bytes()),
            size_bytes: bytes.len() as u64,
            depth: 0,
        };
        let node = Node {
            parent: NodeId::ROOT,
            name: Name::try_from(alloc::format!("{n}").as_str()).unwrap(),
            kind: Kind::File(FileState {
                content,
                exec: false,
                mtime_ns: 0,
            }),
            mark: None,
        };
        let version = Version(version);
        let node = Arc::new(node);
        (NodeId([n; 16]), Item { node, version })
    }

    fn trees(known: &[(NodeId, Item)]) -> Trees {
        let mut trees = Trees::new();
        let edits = known.iter().map(|(id, item)| (*id, Some(item.clone())));
        trees.edit_remote(edits.collect()).unwrap();
        let edits = known.iter().map(|(id, item)| (*id, Some(item.node.clone())));
        trees.edit_local(edits.collect()).unwrap();
        trees
    }

    #[test]
    fn what_the_server_lost_is_a_change_on_disk() {
        let mut trees = trees(&[item(1, 1, "a"), item(2, 5, "new"), item(3, 3, "c")]);
        rewind(
            &mut trees,
            [item(1, 1, "a"), item(2, 2, "old"), item(3, 3, "c")].into(),
        )
        .unwrap();
        let old = item(2, 2, "old").1;
        assert_eq!(
            trees.base(item(2, 0, "").0).map(|base| &base.node),
            Some(&old.node)
        );
        assert_eq!(trees.unsettled().len(), 1);
    }

    #[test]
    fn what_was_changed_after_the_server_was_put_back_has_no_base() {
        let mut trees = trees(&[item(1, 1, "a"), item(2, 5, "mine")]);
        rewind(&mut trees, [item(1, 1, "a"), item(2, 4, "theirs")].into()).unwrap();
        assert_eq!(trees.base(item(2, 0, "").0), None);
    }

    #[test]
    fn what_is_not_on_disk_is_not_taken_for_deleted() {
        let mut trees = trees(&[item(1, 1, "a"), item(3, 3, "c")]);
        trees.edit_local([(item(1, 0, "").0, None)].into()).unwrap();
        rewind(&mut trees, [item(1, 1, "a"), item(3, 3, "c")].into()).unwrap();
        assert_eq!(trees.base(item(1, 0, "").0), None);
    }
}
