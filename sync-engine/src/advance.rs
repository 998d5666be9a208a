//! How the three trees move on: when the server has accepted a change, when a step was taken on disk, when the planner
//! corrects them. Each function says which rows it has touched, so that a shell can store just those.
//!
//! Laws of the base, which tells later who has changed what:
//! - A field in which remote and local tree agree is the base from then on.
//! - What this device has planned and the server accepted was on disk when it was planned: the base takes it, even if
//!   the disk has changed again since. Then that newer change is still to be committed.
//! - What a step brought to disk is what the server had when it was planned: the base takes it, even if the server has
//!   something newer by now. Then that is still to come.
//! - A node that was parked, or was moved as the other one of an exchange, was not moved by its user: the base takes its
//!   new place with the local tree, so that it still follows the server.
//! - Once the local bytes of a conflict are kept in a copy, the base takes them: what is left is a plain change from the
//!   server.

use crate::tree::{Edit, Item};
use crate::{
    Base, Change, Entry, Kind, MoveCause, Node, NodeId, Place, Record, Step, TreeError, Trees, Version,
};
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The rows that were touched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delta {
    /// Of the remote tree.
    pub remote: BTreeSet<NodeId>,
    /// Of the bases.
    pub synced: BTreeSet<NodeId>,
    /// Of the local tree.
    pub local: BTreeSet<NodeId>,
    /// Of the blocks.
    pub blocked: BTreeSet<NodeId>,
    /// Local nodes that have another id from now on: from, to. What a shell knows of them goes along.
    pub reidentified: Vec<(NodeId, NodeId)>,
}

impl Delta {
    /// Adds the rows of another.
    pub fn merge(&mut self, other: Self) {
        self.remote.extend(other.remote);
        self.synced.extend(other.synced);
        self.local.extend(other.local);
        self.blocked.extend(other.blocked);
        self.reidentified.extend(other.reidentified);
    }
}

/// Where an entry of the journal comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// This device planned the change and has not forgotten it.
    Planned,
    /// This device sent the change before it was started anew; it may have been planned, or ordered by a person.
    Recalled,
    /// Another device made the change, or a person ordered it here (a restore, the end of a conflict).
    Foreign,
}

/// Says why the trees could not move on. They are as before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdvanceError {
    /// The entry does not follow from what is known of the server: the remote tree has to be read anew.
    #[error("entry {0} does not fit the remote tree")]
    Diverged(Version),
    /// The local tree has changed since the plan was made: look and plan again.
    #[error("the local tree is not as planned")]
    Local(#[from] TreeError),
    /// The node is not there any more: look and plan again.
    #[error("node {0} is not there any more")]
    Gone(NodeId),
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
        if is_ours {
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
        (
            id,
            Some(Item {
                node: Arc::new(node),
                version,
            }),
        )
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

/// Tells whether the disk has (or had) what this device's change told of it.
fn has_local_part(trees: &Trees, id: NodeId, change: &Change) -> bool {
    let local = trees.local().node(id);
    let base = trees.base(id).map(|base| &base.node);
    match (change, local, base) {
        (Change::Create { .. }, Some(_), None) | (Change::Delete { .. }, None, _) => true,
        (Change::Update { .. }, Some(local), Some(base)) => local.kind != base.kind,
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

/// Makes the base of each field what remote and local tree have both.
fn agree(trees: &mut Trees, id: NodeId, delta: &mut Delta) {
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

fn set_base(trees: &mut Trees, id: NodeId, base: Option<Base>, delta: &mut Delta) {
    trees.set_base(id, base);
    delta.synced.insert(id);
}

/// Enters a step that was taken on disk.
///
/// # Errors
/// When the local tree is not as the step expects: it has changed since the plan was made.
pub fn complete(trees: &mut Trees, step: &Step) -> Result<Delta, AdvanceError> {
    let mut delta = Delta::default();
    match step {
        Step::Fetch { id, node, version } | Step::MakeDir { id, node, version } => {
            put(trees, [(*id, Some(node.clone()))].into(), &mut delta)?;
            let (node, version) = (node.clone(), *version);
            set_base(trees, *id, Some(Base { node, version }), &mut delta);
        }
        Step::Remove { id, .. } => put(trees, [(*id, None)].into(), &mut delta)?,
        Step::Replace {
            id,
            expect,
            with,
            version,
        } => rewrite(trees, *id, expect, with, Some(*version), &mut delta)?,
        Step::SetAttributes { id, expect, with } => {
            rewrite(
                trees,
                *id,
                &Kind::File(*expect),
                &Kind::File(*with),
                None,
                &mut delta,
            )?;
        }
        Step::Move { id, to, cause, .. } => {
            let mut node = at(local(trees, *id)?, to);
            if let MoveCause::Conflict(Some(mark)) = cause {
                node.mark = Some(mark.clone());
            }
            put(trees, [(*id, Some(Arc::new(node)))].into(), &mut delta)?;
            if *cause == MoveCause::Remote {
                follow(trees, *id, to, &mut delta);
            }
        }
        Step::Park { id, to, .. } => {
            let node = at(local(trees, *id)?, to);
            put(trees, [(*id, Some(Arc::new(node)))].into(), &mut delta)?;
            follow(trees, *id, to, &mut delta);
        }
        Step::Exchange { a, a_from, b, b_from } => {
            let (a_node, b_node) = (at(local(trees, *a)?, b_from), at(local(trees, *b)?, a_from));
            let edits = [(*a, Some(Arc::new(a_node))), (*b, Some(Arc::new(b_node)))];
            put(trees, edits.into(), &mut delta)?;
            follow(trees, *a, b_from, &mut delta);
            follow(trees, *b, a_from, &mut delta);
        }
        Step::KeepCopy { of, copy, node } => {
            local(trees, *of)?;
            put(trees, [(*copy, Some(node.clone()))].into(), &mut delta)?;
            keep(trees, *of, &mut delta);
        }
    }
    for id in step.ids() {
        agree(trees, id, &mut delta);
    }
    Ok(delta)
}

/// Changes what a local node is. What was changed came from the server, so the base takes it.
fn rewrite(
    trees: &mut Trees,
    id: NodeId,
    expect: &Kind,
    with: &Kind,
    version: Option<Version>,
    delta: &mut Delta,
) -> Result<(), AdvanceError> {
    let kind = with.clone();
    let node = Node {
        kind,
        ..local(trees, id)?
    };
    put(trees, [(id, Some(Arc::new(node)))].into(), delta)?;
    let Some(mut base) = trees.base(id).cloned() else {
        return Ok(());
    };
    let node = Arc::make_mut(&mut base.node);
    match (&mut node.kind, expect, with) {
        (Kind::File(base), Kind::File(expect), Kind::File(with)) => {
            if expect.content != with.content {
                base.content = with.content;
            }
            if expect.exec != with.exec {
                base.exec = with.exec;
            }
            if expect.mtime_ns != with.mtime_ns {
                base.mtime_ns = with.mtime_ns;
            }
        }
        (base, _, with) => *base = with.clone(),
    }
    base.version = version.unwrap_or(base.version);
    set_base(trees, id, Some(base), delta);
    Ok(())
}

fn at(node: Node, place: &Place) -> Node {
    Node {
        parent: place.parent,
        name: place.name.clone(),
        ..node
    }
}

fn local(trees: &Trees, id: NodeId) -> Result<Node, AdvanceError> {
    trees
        .local()
        .node(id)
        .map(|node| Node::clone(node))
        .ok_or(AdvanceError::Gone(id))
}

fn put(
    trees: &mut Trees,
    edits: Vec<(NodeId, Option<Arc<Node>>)>,
    delta: &mut Delta,
) -> Result<(), AdvanceError> {
    let ids: Vec<NodeId> = edits.iter().map(|(id, _)| *id).collect();
    trees.edit_local(edits)?;
    delta.local.extend(ids);
    Ok(())
}

/// Lets the base of a node that was moved for another's sake have its new place.
fn follow(trees: &mut Trees, id: NodeId, place: &Place, delta: &mut Delta) {
    if let Some(base) = trees.base(id).cloned() {
        let node = Arc::new(at(Node::clone(&base.node), place));
        set_base(trees, id, Some(Base { node, ..base }), delta);
    }
}

/// Lets the base of a node in conflict have the local bytes, which are safe in a copy.
fn keep(trees: &mut Trees, of: NodeId, delta: &mut Delta) {
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

/// Enters a correction.
///
/// # Errors
/// When the local tree is not as it was when the plan was made.
pub fn record(trees: &mut Trees, record: &Record) -> Result<Delta, AdvanceError> {
    let mut delta = Delta::default();
    match record {
        Record::Forget { id } | Record::Adopt { id } => agree(trees, *id, &mut delta),
        Record::CopyMark { id } => {
            let mark = trees.remote().node(*id).and_then(|node| node.mark.clone());
            let node = Node {
                mark,
                ..local(trees, *id)?
            };
            put(trees, [(*id, Some(Arc::new(node)))].into(), &mut delta)?;
            agree(trees, *id, &mut delta);
        }
        Record::Reidentify { from, to } => reidentify(trees, *from, *to, &mut delta)?,
        Record::Kept { of, copy, mark } => {
            local(trees, *of)?;
            let mark = Some(mark.clone());
            let node = Node {
                mark,
                ..local(trees, *copy)?
            };
            put(trees, [(*copy, Some(Arc::new(node)))].into(), &mut delta)?;
            keep(trees, *of, &mut delta);
            agree(trees, *of, &mut delta);
        }
    }
    Ok(delta)
}

fn reidentify(trees: &mut Trees, from: NodeId, to: NodeId, delta: &mut Delta) -> Result<(), AdvanceError> {
    if trees.local().node(to).is_some() {
        return Err(AdvanceError::Gone(from));
    }
    let children: Vec<NodeId> = trees.local().children(from).map(|(_, child)| child).collect();
    let inside = |node: Node| Node { parent: to, ..node };
    let mut edits = Vec::from([(from, None), (to, Some(Arc::new(local(trees, from)?)))]);
    for &child in &children {
        edits.push((child, Some(Arc::new(inside(local(trees, child)?)))));
    }
    put(trees, edits, delta)?;
    set_base(trees, from, None, delta);
    for child in children {
        if let Some(base) = trees.base(child).filter(|base| base.node.parent == from).cloned() {
            let node = Arc::new(inside(Node::clone(&base.node)));
            set_base(trees, child, Some(Base { node, ..base }), delta);
        }
        agree(trees, child, delta);
    }
    if let Some(block) = trees.blocked().get(&from).cloned() {
        trees.set_block(from, None);
        trees.set_block(to, Some(block));
        delta.blocked.extend([from, to]);
    }
    delta.reidentified.push((from, to));
    agree(trees, to, delta);
    Ok(())
}
