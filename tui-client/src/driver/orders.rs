//! Changes that a person orders directly (resolve, restore): they go to the server as they are, past the planner, and who
//! ordered them is answered when the server has taken all of them.
//!
//! Law: the changes of an order mean one thing, so they travel as groups, which the server takes whole or not at all, with
//! guards on what the person relied on. An order that is too long for one group is sent group after group, each once the
//! one before is taken: what is refused leaves a beginning of the order done, and the answer says so.

use std::collections::VecDeque;

use common::codec::encoded_len;
use common::limits::CHANGES_MAX;
use common::message::{Failure, Request};
use sync_engine::{Change, Guard, Kind, MoveTo, Node, NodeId, Rejection, RelPath, Version};
use tokio::sync::oneshot;

use super::Driver;
use super::questions::{failed, failure_in_words, give, unchanged};
use super::turn::LIMITS;
use crate::control::{Answer, Choice};
use crate::notice::Trouble;

/// What a person orders.
pub(super) struct Order {
    /// The changes, those first on which others stand.
    pub changes: Vec<Change>,
    /// What has to be as this device knows it, although nothing changes it.
    pub guards: Vec<Guard>,
    /// What to answer when all is done.
    pub answer: Answer,
    /// The node whose mark is cleared after that.
    pub unmark: Option<NodeId>,
}

/// An order on its way.
pub(super) struct Ordered {
    /// What is not yet sent.
    groups: VecDeque<Vec<Change>>,
    guards: Vec<Guard>,
    /// How many changes were sent and are not yet answered: those of one group.
    n_under_way: usize,
    /// How many changes were taken.
    n_taken: usize,
    /// What to answer.
    answer: Answer,
    /// The way back.
    pub reply: oneshot::Sender<Answer>,
    unmark: Option<NodeId>,
}

/// Why the server did not take a group.
pub(super) enum Refused {
    /// It was judged, and something was not as this device knew it.
    Rejected(Rejection),
    /// It could not be judged.
    Failed(Failure),
}

impl Driver {
    pub(super) fn resolve(&mut self, path: &RelPath, choice: Choice, reply: oneshot::Sender<Answer>) {
        let Some((id, node, version)) = self.conflict_at(path) else {
            let what = format!("there is no conflict at '{path}' that the server knows of");
            return give(reply, failed(what, "run 'conflicts' for a list"));
        };
        let order = match choice {
            Choice::Both => Ok(Order {
                changes: vec![Change::Mark {
                    id,
                    base: version,
                    mark: None,
                }],
                guards: Vec::new(),
                answer: Answer::Done,
                unmark: None,
            }),
            Choice::This => self.keep_this(id, &node),
            Choice::That => self.keep_that(id, &node, version),
        };
        match order {
            Ok(order) => self.commit_ordered(order, reply),
            Err(trouble) => give(reply, Answer::Failed(trouble)),
        }
    }

    /// The node that keeps its name stays, the copy goes.
    fn keep_this(&self, copy: NodeId, node: &Node) -> Result<Order, Trouble> {
        let with = node.mark.as_ref().map_or(NodeId::ROOT, |mark| mark.with);
        let this = self.trees().remote().item(with);
        let is_deleted_here = self.trees().local().node(with).is_none() && self.trees().base(with).is_some();
        let Some(this) = this.filter(|_| !is_deleted_here) else {
            return Err(Trouble {
                what: "the side that was chosen is gone: it was deleted meanwhile".into(),
                done: "the copy was kept".into(),
                todo: "keep the copy by 'that' or 'both', or delete it yourself".into(),
            });
        };
        Ok(Order {
            changes: self.deletions(copy)?,
            guards: vec![Guard {
                id: with,
                version: Some(this.version),
            }],
            answer: Answer::Done,
            unmark: None,
        })
    }

    /// The copy takes the place of the node that it is a copy of.
    fn keep_that(&self, copy: NodeId, node: &Node, version: Version) -> Result<Order, Trouble> {
        let with = node.mark.as_ref().map_or(NodeId::ROOT, |mark| mark.with);
        let this = self.trees().remote().item(with);
        let is_file = |kind: &Kind| kind.file().is_some();
        if let Some(this) = this.filter(|this| is_file(&this.node.kind) && is_file(&node.kind)) {
            let update = Change::Update {
                id: with,
                base: this.version,
                kind: node.kind.clone(),
            };
            let delete = Change::Delete {
                id: copy,
                base: version,
            };
            return Ok(Order {
                changes: vec![update, delete],
                guards: Vec::new(),
                answer: Answer::Done,
                unmark: None,
            });
        }
        let (mut changes, parent, name) = match this {
            Some(this) => (self.deletions(with)?, this.node.parent, this.node.name.clone()),
            None => {
                let lost = node.mark.as_ref().map(|mark| mark.name.clone());
                (Vec::new(), node.parent, lost.unwrap_or_else(|| node.name.clone()))
            }
        };
        changes.push(Change::Move {
            moves: vec![MoveTo {
                id: copy,
                base: version,
                parent,
                name,
            }],
        });
        Ok(Order {
            changes,
            guards: vec![Guard {
                id: copy,
                version: Some(version),
            }],
            answer: Answer::Done,
            unmark: Some(copy),
        })
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
    fn deletions(&self, id: NodeId) -> Result<Vec<Change>, Trouble> {
        let remote = self.trees().remote();
        let mut ids = vec![id];
        ids.extend(remote.descendants(id));
        let deletions = ids.iter().rev().map(|id| {
            let base = remote.item(*id)?.version;
            Some(Change::Delete { id: *id, base })
        });
        deletions
            .collect::<Option<_>>()
            .ok_or_else(|| unchanged("the tree changed meanwhile", "try again"))
    }

    /// Sends changes that a person ordered, and answers when the server has taken them.
    pub(super) fn commit_ordered(&mut self, order: Order, reply: oneshot::Sender<Answer>) {
        let Order {
            changes,
            guards,
            answer,
            unmark,
        } = order;
        if changes.is_empty() {
            return give(reply, answer);
        }
        if self.connection.is_none() {
            return give(reply, self.unconnected());
        }
        self.last_order += 1;
        let ordered = Ordered {
            groups: groups(changes),
            guards,
            n_under_way: 0,
            n_taken: 0,
            answer,
            reply,
            unmark,
        };
        self.ordered.insert(self.last_order, ordered);
        self.send_ordered();
    }

    /// Sends of each order the next group, when the one before is taken.
    pub(super) fn send_ordered(&mut self) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        for (number, ordered) in &mut self.ordered {
            if 0 < ordered.n_under_way {
                continue;
            }
            let Some(changes) = ordered.groups.pop_front() else {
                continue;
            };
            let request = connection.next_request();
            let commit = Request::CommitGroup {
                request,
                guards: ordered.guards.clone(),
                changes: changes.clone(),
            };
            if !connection.send(commit, Vec::new()) {
                ordered.groups.push_front(changes);
                return;
            }
            ordered.n_under_way = changes.len();
            self.ordered_by.insert(request, *number);
            self.session.sent_for_person(request, changes);
        }
    }

    /// Notes that a group was answered, and answers who ordered it when it was the last.
    pub(super) fn note_answered(&mut self, request: u64, refused: Option<&Refused>) {
        let Some(number) = self.ordered_by.remove(&request) else {
            return;
        };
        let Some(mut ordered) = self.ordered.remove(&number) else {
            return;
        };
        if let Some(refused) = refused {
            let trouble = not_taken(refused, ordered.n_taken);
            return give(ordered.reply, Answer::Failed(trouble));
        }
        ordered.n_taken += std::mem::take(&mut ordered.n_under_way);
        if ordered.groups.is_empty()
            && let Some(id) = ordered.unmark.take()
            && let Some(item) = self.trees().remote().item(id)
        {
            // The version that the move gave it was not known before.
            ordered.guards.clear();
            ordered.groups.push_back(vec![Change::Mark {
                id,
                base: item.version,
                mark: None,
            }]);
        }
        if ordered.groups.is_empty() {
            return give(ordered.reply, ordered.answer);
        }
        self.ordered.insert(number, ordered);
        self.send_ordered();
    }
}

/// Cuts changes into groups, as few as the limits of a frame allow.
fn groups(changes: Vec<Change>) -> VecDeque<Vec<Change>> {
    let (mut groups, mut len_bytes) = (VecDeque::from([Vec::new()]), 0);
    for change in changes {
        // What cannot be encoded is found when it is sent.
        let len = encoded_len(&change).unwrap_or(LIMITS.commit_len_aim);
        let is_full = |group: &Vec<Change>| {
            CHANGES_MAX <= group.len() || (!group.is_empty() && LIMITS.commit_len_aim < len_bytes + len)
        };
        if groups.back().is_none_or(is_full) {
            groups.push_back(Vec::new());
            len_bytes = 0;
        }
        len_bytes += len;
        if let Some(group) = groups.back_mut() {
            group.push(change);
        }
    }
    groups
}

/// Says that a group was not taken, after so many changes of the same order that were.
fn not_taken(refused: &Refused, n_taken: usize) -> Trouble {
    let (what, todo) = match refused {
        Refused::Rejected(Rejection::MissingContent(_)) => (
            "the server does not have these bytes any more: they were given up by its retention, or are damaged",
            "run 'history' to see which versions there are",
        ),
        Refused::Rejected(Rejection::Quota) => (
            "the account has no room left on the server",
            "make room, or ask whoever runs the server for more",
        ),
        Refused::Rejected(Rejection::Malformed | Rejection::TypeChanged | Rejection::IdUsed) => (
            "the server does not understand the order",
            "see whether the server and this program are of one version",
        ),
        Refused::Rejected(Rejection::TooDeep) => (
            "there would be too many directories inside each other",
            "restore to another place with --to",
        ),
        Refused::Rejected(
            Rejection::Stale(_)
            | Rejection::NoParent
            | Rejection::NameTaken(_)
            | Rejection::Cycle
            | Rejection::NotEmpty
            | Rejection::Guarded(_)
            | Rejection::Group,
        ) => (
            "another device changed the same thing just before",
            "look at what there is now, and order it again if you still want it",
        ),
        Refused::Failed(failure) => failure_in_words(failure),
    };
    Trouble {
        what: what.into(),
        done: match n_taken {
            0 => "nothing of the order was done".into(),
            n => format!("the first {n} changes were made, and nothing else"),
        },
        todo: todo.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sync_engine::Target;

    fn delete(n: u8) -> Change {
        Change::Delete {
            id: NodeId([n; 16]),
            base: Version(1),
        }
    }

    #[test]
    fn what_fits_into_one_frame_is_one_group() {
        assert_eq!(groups(vec![delete(1); CHANGES_MAX]).len(), 1);
        assert_eq!(groups(vec![delete(1); CHANGES_MAX + 1]).len(), 2);
    }

    #[test]
    fn a_group_is_no_longer_than_a_frame() {
        let link = Change::Update {
            id: NodeId([1; 16]),
            base: Version(1),
            kind: Kind::Symlink(Target::new(&[b'a'; 4000]).unwrap()),
        };
        let groups = groups(vec![link; 600]);
        assert_eq!(groups.iter().map(Vec::len).sum::<usize>(), 600);
        let longest = groups.iter().map(|group| {
            group
                .iter()
                .map(|change| encoded_len(change).unwrap())
                .sum::<usize>()
        });
        assert!(longest.max() <= Some(LIMITS.commit_len_aim));
    }

    #[test]
    fn that_nothing_was_done_is_only_said_when_it_is_so() {
        let refused = Refused::Rejected(Rejection::Stale(None));
        assert!(not_taken(&refused, 0).done.starts_with("nothing of the order"));
        assert!(not_taken(&refused, 3).done.contains("3 changes were made"));
    }
}
