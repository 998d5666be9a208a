//! Changes that a person orders directly (resolve, restore): they go to the server as they are, past the planner, and who
//! ordered them is answered when the server has taken all of them.

use std::collections::VecDeque;

use common::message::Request;
use sync_engine::{Change, MoveTo, Node, NodeId, RelPath, Version};
use tokio::sync::oneshot;

use super::Driver;
use super::questions::{failed, give};
use super::turn::LIMITS;
use crate::control::{Answer, Choice};

/// How many commits of one order are sent without an answer at most.
const UNDER_WAY_MAX: usize = 4;
/// Changes that a person ordered; answered when all of them are.
pub(super) struct Ordered {
    /// What is not yet sent.
    parts: VecDeque<Vec<Change>>,
    /// How many commits are not yet answered.
    under_way: usize,
    /// What to answer.
    answer: Answer,
    /// The way back.
    pub reply: oneshot::Sender<Answer>,
    /// The node whose mark is cleared when all are taken.
    unmark: Option<NodeId>,
}

impl Driver {
    pub(super) fn resolve(&mut self, path: &RelPath, choice: Choice, reply: oneshot::Sender<Answer>) {
        let Some((id, node, version)) = self.conflict_at(path) else {
            let what = format!("there is no conflict at '{path}' that the server knows of");
            return give(reply, failed(what, "run 'conflicts' for a list"));
        };
        let with = node.mark.as_ref().map_or(NodeId::ROOT, |mark| mark.with);
        let this = self.trees().remote().item(with).cloned();
        let unmark = Change::Mark {
            id,
            base: version,
            mark: None,
        };
        let changes = match (choice, this) {
            (Choice::Both, _) => vec![unmark],
            (Choice::This, _) => match self.deletions(id) {
                Some(deletions) => deletions,
                None => return give(reply, failed("the tree changed meanwhile", "try again")),
            },
            (Choice::That, Some(this)) if this.node.kind.file().is_some() && node.kind.file().is_some() => {
                vec![
                    Change::Update {
                        id: with,
                        base: this.version,
                        kind: node.kind.clone(),
                    },
                    Change::Delete { id, base: version },
                ]
            }
            (Choice::That, this) => {
                let place = match &this {
                    Some(this) => (this.node.parent, this.node.name.clone()),
                    None => (
                        node.parent,
                        node.mark
                            .as_ref()
                            .map_or_else(|| node.name.clone(), |mark| mark.name.clone()),
                    ),
                };
                let mut changes = if this.is_some() {
                    self.deletions(with).unwrap_or_default()
                } else {
                    Vec::new()
                };
                changes.push(Change::Move {
                    moves: vec![MoveTo {
                        id,
                        base: version,
                        parent: place.0,
                        name: place.1,
                    }],
                });
                return self.commit_ordered(&changes, Answer::Done, reply, Some(id));
            }
        };
        self.commit_ordered(&changes, Answer::Done, reply, None);
    }

    /// The conflict of which a path is either side.
    fn conflict_at(&self, path: &RelPath) -> Option<(NodeId, std::sync::Arc<Node>, Version)> {
        let at = self.remote_at(path)?;
        let marked = |id: NodeId| {
            let item = self.trees().remote().item(id)?;
            item.node.mark.as_ref()?;
            Some((id, item.node.clone(), item.version))
        };
        marked(at).or_else(|| {
            super::views::conflict_nodes(self.trees())
                .into_iter()
                .filter_map(marked)
                .find(|(_, node, _)| node.mark.as_ref().is_some_and(|mark| mark.with == at))
        })
    }

    /// Deletes a node and what is inside it, children first.
    fn deletions(&self, id: NodeId) -> Option<Vec<Change>> {
        let remote = self.trees().remote();
        let mut ids = vec![id];
        ids.extend(remote.descendants(id));
        ids.iter()
            .rev()
            .map(|id| {
                Some(Change::Delete {
                    id: *id,
                    base: remote.item(*id)?.version,
                })
            })
            .collect()
    }

    /// Sends changes that a person ordered, and answers when the server has taken them. A node may be named whose mark is
    /// to be cleared after that.
    pub(super) fn commit_ordered(
        &mut self,
        changes: &[Change],
        answer: Answer,
        reply: oneshot::Sender<Answer>,
        unmark: Option<NodeId>,
    ) {
        if changes.is_empty() {
            return give(reply, answer);
        }
        if self.connection.is_none() {
            return give(reply, self.unconnected());
        }
        self.last_order += 1;
        let parts = changes
            .chunks(LIMITS.changes_aim)
            .map(<[Change]>::to_vec)
            .collect();
        let ordered = Ordered {
            parts,
            under_way: 0,
            answer,
            reply,
            unmark,
        };
        self.ordered.insert(self.last_order, ordered);
        self.send_ordered();
    }

    /// Sends as much of what was ordered as there is room for.
    pub(super) fn send_ordered(&mut self) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        for (number, ordered) in &mut self.ordered {
            while ordered.under_way < UNDER_WAY_MAX
                && let Some(changes) = ordered.parts.pop_front()
            {
                let request = connection.next_request();
                let commit = Request::Commit {
                    request,
                    changes: changes.clone(),
                };
                if !connection.send(commit, Vec::new()) {
                    ordered.parts.push_front(changes);
                    return;
                }
                ordered.under_way += 1;
                self.ordered_by.insert(request, *number);
                self.session.sent_for_person(request, changes);
            }
        }
    }

    /// Notes that a commit was answered, and answers who ordered it when it was the last.
    pub(super) fn note_answered(&mut self, request: u64, refused: Option<String>) {
        let Some(number) = self.ordered_by.remove(&request) else {
            return;
        };
        let Some(ordered) = self.ordered.get_mut(&number) else {
            return;
        };
        ordered.under_way -= 1;
        if let Some(reason) = refused {
            // What follows was planned for what this one would have made.
            ordered.parts.clear();
            ordered.unmark = None;
            ordered.answer = failed(
                format!("the server did not take the change: {reason}"),
                "try again",
            );
        }
        if ordered.under_way == 0
            && ordered.parts.is_empty()
            && let Some(done) = self.ordered.remove(&number)
        {
            let marked = done
                .unmark
                .and_then(|id| Some((id, self.trees().remote().item(id)?.version)));
            match marked {
                Some((id, base)) => {
                    self.commit_ordered(
                        &[Change::Mark { id, base, mark: None }],
                        done.answer,
                        done.reply,
                        None,
                    );
                }
                None => give(done.reply, done.answer),
            }
        }
    }
}
