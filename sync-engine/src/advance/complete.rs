//! A step that was taken on disk.

use super::agree::{agree, follow, keep};
use super::{AdvanceError, Delta, local, put, set_base};
use crate::{Base, Kind, MoveCause, Node, NodeId, Place, Step, Trees, Version};
use alloc::sync::Arc;

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
