//! What is shown of the trees: lists of a directory, conflicts, the reasons of one node. Nothing here changes anything.

use std::collections::{BTreeMap, BTreeSet};

use sync_engine::{Block, DeviceId, Hash, Kind, Node, NodeId, RelPath, Trees};

use crate::control::{ConflictItem, ConflictSide, ItemKind, ItemState, ListItem};
use crate::words::cause_in_words;

/// What the driver knows besides the trees about nodes that are not settled.
pub struct Facts<'a> {
    /// Nodes on their way up.
    pub uploading: &'a BTreeSet<NodeId>,
    /// Nodes on their way down.
    pub downloading: &'a BTreeSet<NodeId>,
    /// Blocked nodes.
    pub blocked: &'a BTreeMap<NodeId, Block>,
}

/// The path of a node where it is on disk, or else where the server has it.
#[must_use]
pub fn path_of(trees: &Trees, id: NodeId) -> Option<RelPath> {
    trees
        .local()
        .path(id)
        .filter(|path| !path.0.is_empty())
        .or_else(|| trees.remote().path(id))
}

/// The node at a path on disk, or else at the server.
#[must_use]
pub fn node_at(trees: &Trees, path: &RelPath) -> Option<NodeId> {
    trees.local().lookup(path).or_else(|| trees.remote().lookup(path))
}

/// The contents whose transfer may have been cut off.
#[must_use]
pub fn wanted_contents(trees: &Trees) -> BTreeSet<Hash> {
    let content = |id| Some(trees.remote().node(id)?.kind.file()?.content.hash);
    trees.unsettled().filter_map(content).collect()
}

/// The state of one node, what is inside it not counted.
fn own_state(trees: &Trees, facts: &Facts<'_>, id: NodeId) -> ItemState {
    let marked = |node: Option<&std::sync::Arc<Node>>| node.is_some_and(|node| node.mark.is_some());
    match facts.blocked.get(&id) {
        Some(Block::Ignored) => return ItemState::Ignored,
        Some(_) => return ItemState::Blocked,
        None => (),
    }
    if marked(trees.remote().node(id)) || marked(trees.local().node(id)) {
        ItemState::Conflict
    } else if facts.uploading.contains(&id) {
        ItemState::Uploading
    } else if facts.downloading.contains(&id) {
        ItemState::Downloading
    } else if trees.is_unsettled(id) {
        ItemState::Waiting
    } else {
        ItemState::Synced
    }
}

/// How many nodes inside each directory are not settled, and the most urgent state in it. Costs what is unsettled.
fn rolled_up(trees: &Trees, facts: &Facts<'_>) -> BTreeMap<NodeId, (u64, ItemState)> {
    let mut above: BTreeMap<NodeId, (u64, ItemState)> = BTreeMap::new();
    let marked = conflict_nodes(trees);
    let ids: BTreeSet<NodeId> = trees
        .unsettled()
        .chain(facts.blocked.keys().copied())
        .chain(marked.iter().copied())
        .collect();
    for id in ids {
        let tree = if trees.local().node(id).is_some() {
            trees.local()
        } else {
            trees.remote()
        };
        let state = own_state(trees, facts, id);
        let counts = u64::from(trees.is_unsettled(id));
        for dir in tree.ancestors(id) {
            let (count, worst) = above.entry(dir).or_insert((0, ItemState::Synced));
            *count += counts;
            *worst = state.max(*worst);
        }
    }
    above
}

/// Lists a directory by name, with what is on its way to it.
#[must_use]
pub fn list(trees: &Trees, facts: &Facts<'_>, dir: NodeId) -> Vec<ListItem> {
    let above = rolled_up(trees, facts);
    let mut ids: BTreeMap<NodeId, &Node> = BTreeMap::new();
    for tree in [trees.remote(), trees.local()] {
        ids.extend(
            tree.children(dir)
                .filter_map(|(_, id)| Some((id, tree.node(id)?.as_ref()))),
        );
    }
    // A node that was moved away here is not listed where the server still has it.
    ids.retain(|id, _| trees.local().node(*id).is_none_or(|node| node.parent == dir));
    // A node deleted here that the server still has is on its way out.
    ids.retain(|id, _| {
        trees.local().node(*id).is_some() || trees.base(*id).is_none() || facts.blocked.contains_key(id)
    });
    let mut items: Vec<(Vec<u8>, ListItem)> = ids
        .into_iter()
        .map(|(id, node)| {
            let (unsettled, inside) = above.get(&id).copied().unwrap_or((0, ItemState::Synced));
            let (kind, size_bytes, mtime_ns) = match &node.kind {
                Kind::File(file) => (ItemKind::File, file.content.size_bytes, file.mtime_ns),
                Kind::Dir => (ItemKind::Dir, 0, 0),
                Kind::Symlink(_) => (ItemKind::Symlink, 0, 0),
            };
            let state = own_state(trees, facts, id).max(inside);
            let item = ListItem {
                id,
                name: node.name.clone(),
                kind,
                size_bytes,
                mtime_ns,
                state,
                unsettled,
            };
            (node.name.as_bytes().to_vec(), item)
        })
        .collect();
    items.sort_by(|(a, item_a), (b, item_b)| {
        (item_a.kind != ItemKind::Dir, a).cmp(&(item_b.kind != ItemKind::Dir, b))
    });
    items.into_iter().map(|(_, item)| item).collect()
}

/// The nodes that bear a conflict mark.
#[must_use]
pub fn conflict_nodes(trees: &Trees) -> Vec<NodeId> {
    trees.marked().iter().copied().collect()
}

/// The unresolved conflicts, by path.
#[must_use]
pub fn conflicts(trees: &Trees, device_name: impl Fn(DeviceId) -> String) -> Vec<ConflictItem> {
    let mut items: Vec<ConflictItem> = conflict_nodes(trees)
        .into_iter()
        .filter_map(|id| {
            let node = trees.local().node(id).or_else(|| trees.remote().node(id))?;
            let mark = node.mark.as_ref()?;
            Some(ConflictItem {
                this: side(trees, mark.with),
                that: side(trees, id)?,
                device: device_name(mark.device),
                cause: cause_in_words(mark.cause).to_owned(),
            })
        })
        .collect();
    items.sort_by(|a, b| a.that.path.cmp(&b.that.path));
    items
}

fn side(trees: &Trees, id: NodeId) -> Option<ConflictSide> {
    let node = trees.local().node(id).or_else(|| trees.remote().node(id))?;
    let (size_bytes, mtime_ns) = node
        .kind
        .file()
        .map_or((0, 0), |file| (file.content.size_bytes, file.mtime_ns));
    Some(ConflictSide {
        id,
        path: path_of(trees, id)?,
        size_bytes,
        mtime_ns,
    })
}
