//! A correction of the trees by the planner.

use super::agree::{agree, keep};
use super::{AdvanceError, Delta, local, put, set_base};
use crate::{Base, Node, NodeId, Record, Trees};
use alloc::sync::Arc;
use alloc::vec::Vec;

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
        Record::LetGo { id } => {
            let mut ids = trees.local().descendants(*id);
            ids.push(*id);
            ids.retain(|id| trees.local().node(*id).is_some());
            put(trees, ids.iter().map(|id| (*id, None)).collect(), &mut delta)?;
            for id in ids {
                set_base(trees, id, None, &mut delta);
                trees.set_block(id, None);
                delta.blocked.insert(id);
            }
        }
        Record::Reidentify { from, to } => reidentify(trees, *from, *to, &mut delta)?,
        Record::Recognize { id, version } => {
            local(trees, *id)?;
            keep(trees, *id, &mut delta);
            if let Some(base) = trees.base(*id).cloned() {
                let version = *version;
                set_base(trees, *id, Some(Base { version, ..base }), &mut delta);
            }
            agree(trees, *id, &mut delta);
        }
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
