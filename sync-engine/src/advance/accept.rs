//! An accepted change, as it comes in the journal.

use super::agree::agree;
use super::{AdvanceError, Delta, set_base};
use crate::tree::{Edit, Item};
use crate::{Base, Bug, Change, Entry, Node, NodeId, Trees, Version, planted};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Where an entry of the journal comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// This device planned the change and has not forgotten it.
    Planned,
    /// This device sent the change before it was started anew; it may have been planned, or ordered by a person.
    Recalled,
    /// Another device made the change, or a person ordered it here (a restore, the end of a conflict).
    Foreign,
}

/// Enters an entry of the journal.
///
/// # Errors
/// When it does not fit the remote tree.
pub fn accept(trees: &mut Trees, entry: &Entry, origin: Origin) -> Result<Delta, AdvanceError> {
    let edits = effects(trees, entry).ok_or(AdvanceError::Diverged(entry.number))?;
    let ids: Vec<NodeId> = edits.iter().map(|(id, _)| *id).collect();
    trees
        .edit_remote(edits)
        .map_err(|_| AdvanceError::Diverged(entry.number))?;
    let mut delta = Delta::default();
    for id in ids {
        delta.remote.insert(id);
        let is_ours = match origin {
            Origin::Planned => true,
            Origin::Recalled => has_local_part(trees, id, &entry.change),
            Origin::Foreign => false,
        };
        if is_ours && !planted(Bug::BaseNotTaken) {
            agree_on_ours(trees, id, &entry.change, &mut delta);
        }
        agree(trees, id, &mut delta);
    }
    Ok(delta)
}

/// Returns an entry's effects on the remote tree, if it fits.
fn effects(trees: &Trees, entry: &Entry) -> Option<Vec<Edit>> {
    let version = entry.number;
    let edit = |id: NodeId, node: Node| {
        // What this device has made itself is kept once for both trees.
        let own = trees.local().node(id).filter(|own| ***own == node);
        let node = own.cloned().unwrap_or_else(|| Arc::new(node));
        (id, Some(Item { node, version }))
    };
    let current = |id: NodeId, base: Version| {
        let item = trees.remote().item(id).filter(|item| item.version == base)?;
        Some(Node::clone(&item.node))
    };
    match &entry.change {
        Change::Create { id, node } => {
            let is_new = trees.remote().item(*id).is_none();
            is_new.then(|| [edit(*id, node.clone())].into())
        }
        Change::Update { id, base, kind } => {
            let node = current(*id, *base).filter(|node| node.kind.same_type(kind))?;
            let kind = kind.clone();
            Some([edit(*id, Node { kind, ..node })].into())
        }
        Change::Move { moves } => {
            let moved = moves.iter().map(|to| {
                let (parent, name) = (to.parent, to.name.clone());
                let node = current(to.id, to.base)?;
                Some(edit(to.id, Node { parent, name, ..node }))
            });
            moved.collect()
        }
        Change::Delete { id, base } => current(*id, *base).map(|_| [(*id, None)].into()),
        Change::Mark { id, base, mark } => {
            let node = current(*id, *base)?;
            let mark = mark.clone();
            Some([edit(*id, Node { mark, ..node })].into())
        }
    }
}

/// Tells whether the disk has (or had) what this device's change told of it. Bytes that are still the base's, under another
/// time, are no part of a change of bytes: a power cut may leave them so when it takes the new ones.
fn has_local_part(trees: &Trees, id: NodeId, change: &Change) -> bool {
    let local = trees.local().node(id);
    let base = trees.base(id).map(|base| &base.node);
    match (change, local, base) {
        (Change::Create { .. }, Some(_), None) | (Change::Delete { .. }, None, _) => true,
        (Change::Update { kind, .. }, Some(local), Some(base)) => {
            let is_of_time = kind.is_equal_but_for_time(&base.kind);
            local.kind != base.kind && (is_of_time || !local.kind.is_equal_but_for_time(&base.kind))
        }
        (Change::Move { .. }, Some(local), Some(base)) => !local.same_place(base),
        (
            Change::Create { .. }
            | Change::Update { .. }
            | Change::Move { .. }
            | Change::Delete { .. }
            | Change::Mark { .. },
            _,
            _,
        ) => false,
    }
}

fn agree_on_ours(trees: &mut Trees, id: NodeId, change: &Change, delta: &mut Delta) {
    let Some(item) = trees.remote().item(id).cloned() else {
        set_base(trees, id, None, delta);
        return;
    };
    let version = item.version;
    let Some(mut base) = trees.base(id).cloned() else {
        if let Change::Create { .. } = change {
            set_base(
                trees,
                id,
                Some(Base {
                    node: item.node,
                    version,
                }),
                delta,
            );
        }
        return;
    };
    let node = Arc::make_mut(&mut base.node);
    match change {
        Change::Create { .. } | Change::Delete { .. } => return,
        Change::Update { .. } => node.kind = item.node.kind.clone(),
        Change::Move { .. } => (node.parent, node.name) = (item.node.parent, item.node.name.clone()),
        Change::Mark { .. } => node.mark.clone_from(&item.node.mark),
    }
    base.version = version;
    set_base(trees, id, Some(base), delta);
    if let (Change::Mark { mark, .. }, Some(local)) = (change, trees.local().node(id)) {
        let node = Node {
            mark: mark.clone(),
            ..Node::clone(local)
        };
        // A mark is no part of what makes a tree valid.
        if trees.edit_local([(id, Some(Arc::new(node)))].into()).is_ok() {
            delta.local.insert(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, DeviceId, FileState, Hash, Kind, Name};

    const ID: NodeId = NodeId([1; 16]);

    fn kind(bytes: &str, mtime_ns: i64) -> Kind {
        let content = Content {
            hash: Hash::of(bytes.as_bytes()),
            size_bytes: bytes.len() as u64,
            depth: 0,
        };
        Kind::File(FileState {
            content,
            exec: false,
            mtime_ns,
        })
    }

    /// A device that knows a file at version 1, has it as `local` now, and hears that it sent `sent` before.
    fn recalled(local: Kind, sent: Kind) -> Trees {
        let node = |kind| {
            Arc::new(Node {
                parent: NodeId::ROOT,
                name: Name::try_from("file").unwrap(),
                kind,
                mark: None,
            })
        };
        let (mut trees, old, version) = (Trees::new(), node(kind("old", 0)), Version(1));
        let item = Item {
            node: old.clone(),
            version,
        };
        trees.edit_remote([(ID, Some(item))].into()).unwrap();
        trees.edit_local([(ID, Some(node(local)))].into()).unwrap();
        trees.set_base(ID, Some(Base { node: old, version }));
        let entry = Entry {
            number: Version(2),
            device: DeviceId([1; 16]),
            time_ms: 0,
            change: Change::Update {
                id: ID,
                base: version,
                kind: sent,
            },
        };
        accept(&mut trees, &entry, Origin::Recalled).unwrap();
        trees
    }

    #[test]
    fn of_what_this_device_sent_and_forgot_old_bytes_under_a_new_time_are_no_later_edit() {
        let base = |trees: &Trees| trees.base(ID).unwrap().node.kind.clone();
        let new = kind("new", 1);
        assert_eq!(base(&recalled(kind("old", 3), new.clone())), kind("old", 0));
        assert_eq!(base(&recalled(kind("newer", 2), new.clone())), new);
        assert_eq!(base(&recalled(new.clone(), new.clone())), new);
        // A change of the time alone.
        assert_eq!(base(&recalled(kind("old", 2), kind("old", 1))), kind("old", 1));
    }
}
