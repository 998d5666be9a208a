//! A server that was put back to an older state. The entries up to some number are still those that this device has
//! followed; what came after them is lost, and the server may have got others since. A base that was agreed on by then
//! stands. One that was agreed on later is lost with the entries; there the server has an earlier state of the same, and
//! that is the base: so what this device knew since then is a plain change, and is sent again without a conflict.

use super::{Delta, set_base};
use crate::tree::Item;
use crate::{Base, Bug, Node, NodeId, Tree, TreeError, Trees, Version, planted};
use alloc::vec::Vec;

/// Enters the tree of a server that was put back. Up to `common` its journal is the one that this device has followed.
///
/// A node that is not on disk gets no base: it comes back, since nothing is to be deleted by this.
///
/// # Errors
/// When what the server has is no valid tree. Then nothing is known of the server any more.
pub fn rewind(trees: &mut Trees, items: Vec<(NodeId, Item)>, common: Version) -> Result<Delta, TreeError> {
    let bases: Vec<Option<Base>> = items
        .iter()
        .map(|(id, item)| base_after(trees, *id, item, common))
        .collect();
    trees.forget_bases();
    trees.forget_remote();
    let edits = items.iter().map(|(id, item)| (*id, Some(item.clone())));
    trees.edit_remote(edits.collect())?;
    let mut delta = Delta::default();
    for ((id, _), base) in items.into_iter().zip(bases) {
        delta.remote.insert(id);
        if base.is_some() {
            set_base(trees, id, base, &mut delta);
        }
    }
    Ok(delta)
}

/// Returns up to which number two histories are one, as far as their trees show it: the newest version, `before` another,
/// that a node has in both, with the same value.
#[must_use]
pub fn common_past(known: &Tree, items: &[(NodeId, Item)], before: Version) -> Version {
    let is_same = |(id, item): &&(NodeId, Item)| item.version < before && known.item(*id) == Some(item);
    let same = items.iter().filter(is_same);
    same.map(|(_, item)| item.version).max().unwrap_or(Version::ZERO)
}

/// Returns what server and disk surely had in common of a node.
fn base_after(trees: &Trees, id: NodeId, item: &Item, common: Version) -> Option<Base> {
    let of_server = || Base {
        node: item.node.clone(),
        version: item.version,
    };
    let is_same_type = |local: &Node| local.kind.same_type(&item.node.kind);
    if !trees.local().node(id).is_some_and(|local| is_same_type(local)) {
        return (planted(Bug::RewindDeletes) && item.version <= common).then(of_server);
    }
    let base = trees.base(id)?;
    if base.version <= common {
        Some(base.clone())
    } else {
        // What was agreed on is lost. What the server got since says nothing of this disk.
        (item.version <= common).then(of_server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, FileState, Hash, Kind, Name};
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

    /// Trees in which all is synced.
    fn trees(known: &[(NodeId, Item)]) -> Trees {
        let mut trees = Trees::new();
        let edits = known.iter().map(|(id, item)| (*id, Some(item.clone())));
        trees.edit_remote(edits.collect()).unwrap();
        for (id, Item { node, version }) in known {
            put(&mut trees, *id, Some(node.clone()));
            let (node, version) = (node.clone(), *version);
            trees.set_base(*id, Some(Base { node, version }));
        }
        trees
    }

    fn put(trees: &mut Trees, id: NodeId, node: Option<Arc<Node>>) {
        trees.edit_local([(id, node)].into()).unwrap();
    }

    fn base(trees: &Trees, n: u8) -> Option<&Arc<Node>> {
        trees.base(NodeId([n; 16])).map(|base| &base.node)
    }

    #[test]
    fn what_the_server_lost_is_a_change_on_disk() {
        let mut trees = trees(&[item(1, 1, "a"), item(2, 5, "new"), item(3, 3, "c")]);
        let put_back = [item(1, 1, "a"), item(2, 2, "old"), item(3, 3, "c")];
        rewind(&mut trees, put_back.into(), Version(3)).unwrap();
        assert_eq!(base(&trees, 2), Some(&item(2, 2, "old").1.node));
        assert_eq!(trees.n_unsettled(), 1);
    }

    #[test]
    fn what_was_changed_last_before_the_backup_and_again_after_it_is_a_change_on_disk() {
        let mut trees = trees(&[item(1, 1, "a"), item(2, 4, "new")]);
        rewind(
            &mut trees,
            [item(1, 1, "a"), item(2, 3, "old")].into(),
            Version(3),
        )
        .unwrap();
        assert_eq!(base(&trees, 2), Some(&item(2, 3, "old").1.node));
    }

    #[test]
    fn what_was_changed_after_the_server_was_put_back_has_no_base() {
        let mut trees = trees(&[item(1, 1, "a"), item(2, 5, "mine")]);
        rewind(
            &mut trees,
            [item(1, 1, "a"), item(2, 4, "theirs")].into(),
            Version(3),
        )
        .unwrap();
        assert_eq!(base(&trees, 2), None);
    }

    #[test]
    fn what_was_changed_only_after_the_server_was_put_back_is_a_change_of_the_servers() {
        let mut trees = trees(&[item(1, 1, "a"), item(2, 5, "new")]);
        rewind(
            &mut trees,
            [item(1, 4, "theirs"), item(2, 5, "new")].into(),
            Version(3),
        )
        .unwrap();
        assert_eq!(base(&trees, 1), Some(&item(1, 1, "a").1.node));
    }

    #[test]
    fn what_had_not_come_down_yet_still_comes() {
        let mut trees = trees(&[item(1, 1, "old")]);
        trees
            .edit_remote(
                [item(1, 2, "new"), item(2, 3, "b")]
                    .map(|(id, item)| (id, Some(item)))
                    .into(),
            )
            .unwrap();
        rewind(&mut trees, [item(1, 2, "new")].into(), Version(2)).unwrap();
        assert_eq!(base(&trees, 1), Some(&item(1, 1, "old").1.node));
    }

    #[test]
    fn what_both_trees_have_shows_how_far_their_histories_are_one() {
        let trees = trees(&[
            item(1, 1, "a"),
            item(2, 6, "new"),
            item(3, 3, "c"),
            item(4, 5, "d"),
        ]);
        let put_back = [
            item(1, 1, "a"),
            item(2, 4, "old"),
            item(3, 3, "c"),
            item(4, 5, "d"),
        ];
        let known = trees.remote();
        assert_eq!(common_past(known, &put_back, Version(6)), Version(5));
        assert_eq!(common_past(known, &put_back, Version(5)), Version(3));
        assert_eq!(common_past(known, &[item(1, 2, "a")], Version(6)), Version::ZERO);
    }

    #[test]
    fn what_is_not_on_disk_is_not_taken_for_deleted() {
        let mut trees = trees(&[item(1, 1, "a"), item(3, 3, "c")]);
        put(&mut trees, NodeId([1; 16]), None);
        rewind(&mut trees, [item(1, 1, "a"), item(3, 3, "c")].into(), Version(3)).unwrap();
        assert_eq!(base(&trees, 1), None);
    }
}
