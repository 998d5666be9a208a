//! Bringing back a file or a folder as it was. What is missing is made anew from contents that the server still has, what
//! differs gets its old bytes back, and what came later stays: a restore removes nothing.

use common::limits::CHANGES_MAX;
use sync_engine::{Change, Kind, Name, Node, NodeId, Parts, RelPath, Tree, Version};
use tokio::sync::oneshot;

use super::Driver;
use super::orders::Order;
use super::questions::{Question, give, no_tree, unchanged};
use super::turn::LIMITS;
use crate::control::Answer;
use crate::ids::NewIds;
use crate::notice::Trouble;

/// A restore that waits for the tree as it was.
pub(super) struct Restore {
    path: RelPath,
    to: RelPath,
    nodes: Parts,
    reply: oneshot::Sender<Answer>,
}

impl Restore {
    /// Begins a restore of `path`, to `to` or back to where it was.
    #[must_use]
    pub(super) fn new(path: RelPath, to: Option<RelPath>, reply: oneshot::Sender<Answer>) -> Self {
        let to = to.unwrap_or_else(|| path.clone());
        Self {
            path,
            to,
            nodes: Parts::default(),
            reply,
        }
    }

    /// Returns the way back.
    #[must_use]
    pub(super) fn into_reply(self) -> oneshot::Sender<Answer> {
        self.reply
    }
}

impl Driver {
    pub(super) fn on_past(
        &mut self,
        request: u64,
        mut restore: Box<Restore>,
        nodes: Vec<(NodeId, Version, Node)>,
        last: bool,
    ) {
        if let Err(error) = restore.nodes.add(nodes, last, LIMITS.tree_len_max) {
            return give(restore.reply, no_tree(&error));
        }
        if !last {
            if let Some(connection) = &mut self.connection {
                connection.questions.insert(request, Question::Browse(restore));
            }
            return;
        }
        let Restore {
            path,
            to,
            nodes,
            reply,
        } = *restore;
        let mut past = Tree::new();
        let items = nodes.into_items().into_iter().map(|(id, item)| (id, Some(item)));
        let mut ids = NewIds::default();
        let answer = match past.edit(items) {
            Err(error) => return give(reply, no_tree(&error)),
            Ok(()) => changes(self.trees().remote(), &past, &path, &to, &mut || ids.make()),
        };
        match answer {
            Ok(changes) if changes.len() > 64 * CHANGES_MAX => {
                // Who asked may have gone.
                let _ = reply.send(Answer::Failed(unchanged(
                    "that is too much to restore at once",
                    "restore a part of it",
                )));
            }
            Ok(changes) => {
                let n_changes = changes.len() as u64;
                let order = Order {
                    changes,
                    guards: Vec::new(),
                    answer: Answer::Restored(n_changes),
                    unmark: None,
                };
                self.commit_ordered(order, reply);
            }
            Err(trouble) => drop(reply.send(Answer::Failed(trouble))),
        }
    }
}

/// The changes that bring what was at `path` in the past tree to `to` in the present one.
pub(super) fn changes(
    remote: &Tree,
    past: &Tree,
    path: &RelPath,
    to: &RelPath,
    new_id: &mut dyn FnMut() -> NodeId,
) -> Result<Vec<Change>, Trouble> {
    let was = past.lookup(path).ok_or_else(|| {
        unchanged(
            format!("there was no '{path}' then"),
            "run 'history' or 'log' to see what there was when",
        )
    })?;
    let mut changes = Vec::new();
    let place = match to.split_last() {
        None => None,
        Some((dir, name)) => Some((make_dirs(remote, &dir, new_id, &mut changes)?, name.clone())),
    };
    match place {
        None if was == NodeId::ROOT => {
            for (_, child) in past.children(NodeId::ROOT) {
                restore_node(remote, past, child, NodeId::ROOT, None, new_id, &mut changes)?;
            }
        }
        None => {
            return Err(unchanged(
                "only the whole folder can be put in place of the folder",
                "give a path for --to",
            ));
        }
        Some((parent, name)) if was == NodeId::ROOT => {
            let dir = enter_dir(remote, parent, &name, new_id, &mut changes)?;
            for (_, child) in past.children(NodeId::ROOT) {
                restore_node(remote, past, child, dir, None, new_id, &mut changes)?;
            }
        }
        Some((parent, name)) => restore_node(remote, past, was, parent, Some(name), new_id, &mut changes)?,
    }
    Ok(changes)
}

/// Finds the directories of a path, and makes those that are missing.
fn make_dirs(
    remote: &Tree,
    path: &RelPath,
    new_id: &mut dyn FnMut() -> NodeId,
    changes: &mut Vec<Change>,
) -> Result<NodeId, Trouble> {
    path.0.iter().try_fold(NodeId::ROOT, |parent, name| {
        enter_dir(remote, parent, name, new_id, changes)
    })
}

fn enter_dir(
    remote: &Tree,
    parent: NodeId,
    name: &Name,
    new_id: &mut dyn FnMut() -> NodeId,
    changes: &mut Vec<Change>,
) -> Result<NodeId, Trouble> {
    match remote.child(parent, name) {
        Some(id) if remote.is_dir(id) => Ok(id),
        Some(_) => Err(in_the_way(name)),
        None => {
            let id = new_id();
            let node = Node {
                parent,
                name: name.clone(),
                kind: Kind::Dir,
                mark: None,
            };
            changes.push(Change::Create { id, node });
            Ok(id)
        }
    }
}

fn in_the_way(name: &Name) -> Trouble {
    unchanged(
        format!("'{name}' is now something of another type"),
        "restore to another place with --to",
    )
}

/// Brings back one past node and all inside it, parents first.
fn restore_node(
    remote: &Tree,
    past: &Tree,
    was: NodeId,
    parent: NodeId,
    name: Option<Name>,
    new_id: &mut dyn FnMut() -> NodeId,
    changes: &mut Vec<Change>,
) -> Result<(), Trouble> {
    let mut waiting = vec![(was, parent, name)];
    while let Some((was, parent, name)) = waiting.pop() {
        let Some(node) = past.node(was) else { continue };
        let name = name.unwrap_or_else(|| node.name.clone());
        let id = match remote.child(parent, &name).map(|id| (id, remote.item(id))) {
            None | Some((_, None)) => {
                let id = new_id();
                let restored = Node {
                    parent,
                    name,
                    kind: node.kind.clone(),
                    mark: None,
                };
                changes.push(Change::Create { id, node: restored });
                id
            }
            Some((_, Some(now))) if !now.node.kind.same_type(&node.kind) => return Err(in_the_way(&name)),
            Some((id, Some(now))) => {
                if now.node.kind != node.kind {
                    changes.push(Change::Update {
                        id,
                        base: now.version,
                        kind: node.kind.clone(),
                    });
                }
                id
            }
        };
        waiting.extend(past.children(was).map(|(_, child)| (child, id, None)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sync_engine::tree::Item;

    fn tree(nodes: &[(u8, u8, &str)]) -> Tree {
        let mut tree = Tree::new();
        let id = |n: u8| NodeId([n; 16]);
        let item = |parent: u8, name: &str| {
            let name = Name::try_from(name).unwrap();
            let node = Node {
                parent: id(parent),
                name,
                kind: Kind::Dir,
                mark: None,
            };
            Some(Item {
                node: node.into(),
                version: Version(1),
            })
        };
        tree.edit(
            nodes
                .iter()
                .map(|(n, parent, name)| (id(*n), item(*parent, name))),
        )
        .unwrap();
        tree
    }

    fn path(text: &str) -> RelPath {
        RelPath::parse(text.as_bytes()).unwrap()
    }

    fn ids() -> impl FnMut() -> NodeId {
        let mut n = 100;
        move || {
            n += 1;
            NodeId([n; 16])
        }
    }

    #[test]
    fn what_is_missing_is_made_anew_and_what_is_there_stays() {
        let past = tree(&[(1, 0, "a"), (2, 1, "b"), (3, 2, "c")]);
        let now = tree(&[(1, 0, "a"), (9, 1, "later")]);
        let made = changes(&now, &past, &path("a"), &path("a"), &mut ids()).unwrap();
        let names: Vec<String> = made
            .iter()
            .map(|change| match change {
                Change::Create { node, .. } => node.name.to_string(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(names, ["b", "c"]);
    }

    #[test]
    fn a_restore_to_another_place_makes_its_directories() {
        let past = tree(&[(1, 0, "a")]);
        let made = changes(&Tree::new(), &past, &path("a"), &path("x/y/z"), &mut ids()).unwrap();
        assert_eq!(made.len(), 3);
        assert!(changes(&Tree::new(), &past, &path("b"), &path("b"), &mut ids()).is_err());
    }
}
