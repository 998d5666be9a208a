//! The merge of one node that is in the remote and in the local tree: placement, content and attributes are judged
//! each on its own, against what both last agreed on.

use crate::{Bug, FileState, Kind, Node, planted};

/// What a merge wants.
pub(super) struct Merged {
    /// The node. Its mark is the remote one: marks are made on the server.
    pub(super) node: Node,
    /// Both sides changed the bytes, differently. The node has the remote bytes; the local ones must be kept aside.
    pub(super) is_conflict: bool,
    /// Both sides moved the node, differently. The node has the remote place.
    pub(super) is_move_lost: bool,
    /// The place is the local one, and the remote one is another.
    pub(super) is_place_local: bool,
}

/// Whose value of a field stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Here both are the same.
    Both,
    /// Here only the remote value changed.
    Remote,
    /// Here only the local value changed.
    Local,
    /// Here both changed, differently, or nothing is known of what they had in common.
    Neither,
}

fn side<T: PartialEq>(base: Option<T>, local: &T, remote: &T) -> Side {
    if local == remote {
        return Side::Both;
    }
    match base {
        Some(base) if base == *local => Side::Remote,
        Some(base) if base == *remote => Side::Local,
        Some(_) | None => Side::Neither,
    }
}

/// Merges. `has_exec_bits` tells whether the local disk knows which files may be executed.
pub(super) fn merge(base: Option<&Node>, local: &Node, remote: &Node, has_exec_bits: bool) -> Merged {
    let base = base.filter(|_| !planted(Bug::MergeIgnoresBase));
    let place = |node: &Node| (node.parent, node.name.clone());
    let place_side = side(base.map(place), &place(local), &place(remote));
    let is_place_local = place_side == Side::Local;
    let (parent, name) = place(if is_place_local { local } else { remote });
    let (kind, is_conflict) = merge_kind(
        base.map(|base| &base.kind),
        &local.kind,
        &remote.kind,
        has_exec_bits,
    );
    Merged {
        node: Node {
            parent,
            name,
            kind,
            mark: remote.mark.clone(),
        },
        is_conflict,
        is_move_lost: base.is_some() && place_side == Side::Neither,
        is_place_local,
    }
}

fn merge_kind(base: Option<&Kind>, local: &Kind, remote: &Kind, has_exec_bits: bool) -> (Kind, bool) {
    match (local, remote) {
        (Kind::File(local), Kind::File(remote)) => {
            let (file, is_conflict) = merge_file(base.and_then(Kind::file), local, remote, has_exec_bits);
            (Kind::File(file), is_conflict)
        }
        (Kind::Dir | Kind::Symlink(_) | Kind::File(_), _) => match side(base, &local, &remote) {
            Side::Both | Side::Remote => (remote.clone(), false),
            Side::Local => (local.clone(), false),
            Side::Neither => (remote.clone(), true),
        },
    }
}

fn merge_file(
    base: Option<&FileState>,
    local: &FileState,
    remote: &FileState,
    has_exec_bits: bool,
) -> (FileState, bool) {
    let content_side = side(base.map(|base| base.content), &local.content, &remote.content);
    let exec_side = side(base.map(|base| base.exec), &local.exec, &remote.exec);
    let mtime_side = match content_side {
        Side::Both => side(base.map(|base| base.mtime_ns), &local.mtime_ns, &remote.mtime_ns),
        Side::Remote | Side::Local | Side::Neither => content_side,
    };
    let pick = |side| if side == Side::Local { local } else { remote };
    let file = FileState {
        content: pick(content_side).content,
        exec: if has_exec_bits {
            pick(exec_side).exec
        } else {
            remote.exec
        },
        mtime_ns: pick(mtime_side).mtime_ns,
    };
    (file, content_side == Side::Neither)
}
