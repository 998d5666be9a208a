//! The bases: what remote and local tree have come to agree on.

use super::{Delta, set_base};
use crate::tree::Item;
use crate::{Base, Kind, Node, NodeId, Place, Trees, Version};
use alloc::sync::Arc;

/// Makes the base of each field what remote and local tree have both.
pub(super) fn agree(trees: &mut Trees, id: NodeId, delta: &mut Delta) {
    let (remote, local, base) = (trees.remote().item(id), trees.local().node(id), trees.base(id));
    let agreed = match (remote, local, base) {
        (None, None, _) => None,
        (Some(remote), Some(local), _) if remote.node == *local => Some(Base {
            node: remote.node.clone(),
            version: remote.version,
        }),
        (Some(remote), Some(local), Some(base)) => Some(Base {
            node: Arc::new(agreed_fields(&remote.node, local, &base.node)),
            version: agreed_version(remote, local, base),
        }),
        // Here nothing is known of what both had in common, but the bytes are the same: the rest follows the server.
        (Some(remote), Some(local), None) if remote.node.kind.same_content(&local.kind) => Some(Base {
            node: local.clone(),
            version: remote.version,
        }),
        (_, _, base) => base.cloned(),
    };
    if agreed.as_ref() != trees.base(id) {
        set_base(trees, id, agreed, delta);
    }
}

/// The base's version is one at which the server had the base's bytes.
fn agreed_version(remote: &Item, local: &Node, base: &Base) -> Version {
    let is_new = remote.node.kind.same_content(&local.kind) && !base.node.kind.same_content(&local.kind);
    if is_new { remote.version } else { base.version }
}

fn agreed_fields(remote: &Node, local: &Node, base: &Node) -> Node {
    let mut agreed = base.clone();
    if remote.same_place(local) {
        (agreed.parent, agreed.name) = (local.parent, local.name.clone());
    }
    if remote.mark == local.mark {
        agreed.mark.clone_from(&local.mark);
    }
    match (&mut agreed.kind, &remote.kind, &local.kind) {
        (Kind::File(agreed), Kind::File(remote), Kind::File(local)) => {
            if remote.content == local.content {
                agreed.content = local.content;
            }
            if remote.exec == local.exec {
                agreed.exec = local.exec;
            }
            if remote.mtime_ns == local.mtime_ns {
                agreed.mtime_ns = local.mtime_ns;
            }
        }
        (agreed, remote, local) if remote == local => *agreed = local.clone(),
        (Kind::File(_) | Kind::Dir | Kind::Symlink(_), _, _) => (),
    }
    agreed
}

/// Lets the base of a node that was moved for another's sake have its new place.
pub(super) fn follow(trees: &mut Trees, id: NodeId, place: &Place, delta: &mut Delta) {
    if let Some(base) = trees.base(id).cloned() {
        let node = Arc::new(Node {
            parent: place.parent,
            name: place.name.clone(),
            ..Node::clone(&base.node)
        });
        set_base(trees, id, Some(Base { node, ..base }), delta);
    }
}

/// Lets the base of a node in conflict have the local bytes, which are safe in a copy.
pub(super) fn keep(trees: &mut Trees, of: NodeId, delta: &mut Delta) {
    let Some(local) = trees.local().node(of).cloned() else {
        return;
    };
    let base = match trees.base(of) {
        Some(base) => Base {
            node: Arc::new(Node {
                kind: local.kind.clone(),
                ..Node::clone(&base.node)
            }),
            version: base.version,
        },
        None => Base {
            node: local,
            version: Version::ZERO,
        },
    };
    set_base(trees, of, Some(base), delta);
}
