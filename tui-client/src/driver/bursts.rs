//! Bursts of removals that came from the account. Each is told, and remembered until a person lets it stand or brings it
//! back; until then the stash keeps what it took for 30 days, unless room is short. What is brought back is made anew out
//! of the history, at its place, if that is free; nothing else is changed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use common::message::{At, Request};
use sync_engine::session::Burst;
use sync_engine::{Change, Node, NodeId, Parts, Tree, Version};
use tokio::sync::oneshot;

use super::Driver;
use super::orders::Order;
use super::questions::{Question, failed, give, no_tree};
use super::transfers::Transferred;
use super::turn::LIMITS;
use crate::control::{Answer, Ask};
use crate::disk::Spared;
use crate::ids::NewIds;
use crate::notice::Notice;
use crate::state::Removed;

/// What a burst took stays in the stash for at least this long.
const AGE_MIN: Duration = Duration::from_secs(30 * 24 * 3600);
/// A burst may have begun so long before it is told.
const BEGAN_BEFORE: Duration = Duration::from_secs(60);
/// So many bursts are remembered each for itself; of more, the oldest two are taken for one.
const BURSTS_MAX: usize = 16;

/// What is being brought back; the account's tree before and after each burst is asked for.
pub(super) struct Revert {
    /// The bursts, of which the last is looked at.
    bursts: Vec<Burst>,
    /// The tree before it, when that is there.
    before: Option<Tree>,
    parts: Parts,
    /// What the bursts took.
    gone: BTreeMap<NodeId, Arc<Node>>,
    reply: oneshot::Sender<Answer>,
}

impl Revert {
    /// Returns the way back.
    #[must_use]
    pub(super) fn into_reply(self) -> oneshot::Sender<Answer> {
        self.reply
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// How many nodes bursts took, and how many there were before.
pub(crate) fn figures(bursts: &[Removed]) -> Option<(u64, u64)> {
    let removals: usize = bursts.iter().map(|removed| removed.burst.removals).sum();
    let nodes = bursts.iter().map(|removed| removed.burst.nodes).max()?;
    Some((removals as u64, nodes as u64))
}

/// What in the stash is kept for longer. That the server has a content does not prove that its history has it: when it was
/// put back, the content may have been on its way there.
fn spared(bursts: &[Removed], put_back_ms: Option<u64>) -> Option<Spared> {
    let of_burst = |removed: &Removed| (removed.since_ms, removed.until_ms.unwrap_or(u64::MAX));
    let before_put_back = put_back_ms.map(|at_ms| (0, at_ms));
    let spans = || bursts.iter().map(of_burst).chain(before_put_back);
    Some(Spared {
        since_ms: spans().map(|(since_ms, _)| since_ms).min()?,
        until_ms: spans().map(|(_, until_ms)| until_ms).max()?,
        age_ms_min: ms(AGE_MIN),
    })
}

impl Driver {
    /// Remembers a burst, or how it went on, and tells of it.
    pub(super) fn on_burst(&mut self, burst: Burst) {
        let now_ms = self.now_ms();
        let until_ms = self.session.is_synced().then_some(now_ms);
        match self
            .bursts
            .last_mut()
            .filter(|last| last.burst.first == burst.first)
        {
            Some(last) => (last.burst, last.until_ms) = (burst, until_ms),
            None => self.bursts.push(Removed {
                burst,
                since_ms: now_ms.saturating_sub(ms(BEGAN_BEFORE)),
                until_ms,
            }),
        }
        if BURSTS_MAX < self.bursts.len() {
            let first = self.bursts.remove(0);
            let next = &mut self.bursts[0];
            next.burst.removals += first.burst.removals;
            (next.burst.first, next.since_ms) = (first.burst.first, first.since_ms);
        }
        self.facts_changed = true;
        self.tell_removed(&self.name_of(burst.device));
    }

    fn tell_removed(&self, device: &str) {
        let (removals, nodes) = figures(&self.bursts).unwrap_or_default();
        self.tell(Notice::Removed {
            removals,
            nodes,
            device: device.to_owned(),
        });
    }

    /// All is synced: what comes to the stash from now on is of no burst that was told.
    pub(super) fn close_bursts(&mut self) {
        let now_ms = self.now_ms();
        for removed in self
            .bursts
            .iter_mut()
            .filter(|removed| removed.until_ms.is_none())
        {
            removed.until_ms = Some(now_ms);
            self.facts_changed = true;
        }
    }

    /// Forgets the bursts: a person lets them stand, or has brought back what they took.
    pub(super) fn forget_bursts(&mut self) {
        if !std::mem::take(&mut self.bursts).is_empty() {
            self.facts_changed = true;
            self.tell_removed("");
        }
    }

    /// What in the stash is kept for longer: what bursts took, and all that was there when the server was put back.
    pub(super) fn spared(&self) -> Option<Spared> {
        spared(&self.bursts, self.put_back.at_ms)
    }

    /// Brings back what the brake holds back, and what bursts took.
    pub(super) fn revert(&mut self, reply: oneshot::Sender<Answer>) {
        let n_held = self.session.revert_removals();
        if self.bursts.is_empty() {
            return give(reply, Answer::Restored(n_held as u64));
        }
        self.ask_server(Ask::Revert, reply);
    }

    /// Begins to bring back what bursts took.
    pub(super) fn revert_bursts(&mut self, reply: oneshot::Sender<Answer>) {
        self.ask_for_tree(Box::new(Revert {
            bursts: self.bursts.iter().map(|removed| removed.burst).collect(),
            before: None,
            parts: Parts::default(),
            gone: BTreeMap::new(),
            reply,
        }));
    }

    fn ask_for_tree(&mut self, revert: Box<Revert>) {
        let Some(burst) = revert.bursts.last() else {
            return self.bring_back_gone(*revert);
        };
        let at = match revert.before {
            None => Version(burst.first.0.saturating_sub(1)),
            Some(_) => burst.last,
        };
        let at = At::Version(at);
        self.ask_or_fail(
            |request| Request::Browse { request, at },
            Question::Revert(revert),
        );
    }

    /// A part of a tree that was asked for is there.
    pub(super) fn on_past_of_burst(
        &mut self,
        request: u64,
        mut revert: Box<Revert>,
        nodes: Vec<(NodeId, Version, Node)>,
        last: bool,
    ) {
        if let Err(error) = revert.parts.add(nodes, last, LIMITS.tree_len_max) {
            return give(revert.reply, no_tree(&error));
        }
        if !last {
            if let Some(connection) = &mut self.connection {
                connection.questions.insert(request, Question::Revert(revert));
            }
            return;
        }
        let items = std::mem::take(&mut revert.parts).into_items().into_iter();
        let mut tree = Tree::new();
        if let Err(error) = tree.edit(items.map(|(id, item)| (id, Some(item)))) {
            return give(revert.reply, no_tree(&error));
        }
        match revert.before.take() {
            None => revert.before = Some(tree),
            Some(before) => {
                let gone = before.iter().filter(|(id, _)| tree.node(*id).is_none());
                revert.gone.extend(gone.map(|(id, item)| (id, item.node.clone())));
                revert.bursts.pop();
            }
        }
        self.ask_for_tree(revert);
    }

    fn bring_back_gone(&mut self, revert: Revert) {
        let mut ids = NewIds::default();
        let changes = made_anew(self.trees().remote(), &revert.gone, &mut || ids.make());
        let (answered, answer) = oneshot::channel();
        let results = self.transfers.results();
        let order = Order {
            answer: Answer::Restored(changes.len() as u64),
            changes,
            guards: Vec::new(),
            unmark: None,
        };
        self.commit_ordered(order, answered);
        tokio::spawn(async move {
            let answer = answer
                .await
                .unwrap_or_else(|_| failed("the client ended", "start it and try again"));
            if matches!(answer, Answer::Restored(_)) {
                // The driver may have ended.
                let _ = results.send(Transferred::Reverted).await;
            }
            give(revert.reply, answer);
        });
    }
}

/// The changes that make nodes anew, each in the directory that it was in, or that is made anew for it; parents first. What
/// would be in a place that is taken is left out, unless both are directories, and so is what has no directory any more.
fn made_anew(
    remote: &Tree,
    gone: &BTreeMap<NodeId, Arc<Node>>,
    new_id: &mut dyn FnMut() -> NodeId,
) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut found: BTreeMap<NodeId, Option<NodeId>> = BTreeMap::new();
    for id in gone.keys() {
        let (mut chain, mut at) = (Vec::new(), *id);
        while let Some(node) = gone.get(&at).filter(|_| !found.contains_key(&at)) {
            chain.push((at, node));
            at = node.parent;
        }
        for (id, was) in chain.into_iter().rev() {
            let stands = |dir: NodeId| dir == NodeId::ROOT || remote.is_dir(dir);
            let parent = match found.get(&was.parent) {
                Some(parent) => *parent,
                None => Some(was.parent).filter(|parent| stands(*parent)),
            };
            let there = parent.and_then(|parent| remote.child(parent, &was.name));
            let now = match (parent, there) {
                (None, _) => None,
                (Some(_), Some(there)) => {
                    Some(there).filter(|there| was.kind.is_dir() && remote.is_dir(*there))
                }
                (Some(parent), None) => {
                    let id = new_id();
                    let node = Node {
                        parent,
                        mark: None,
                        ..Node::clone(was)
                    };
                    changes.push(Change::Create { id, node });
                    Some(id)
                }
            };
            found.insert(id, now);
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sync_engine::tree::Item;
    use sync_engine::{Kind, Target};

    /// Of a tree, each node is in one of those before it, or at the top.
    fn tree(shape: &[(usize, bool)]) -> Tree {
        let id = |n: usize| NodeId([u8::try_from(n).unwrap() + 1; 16]);
        let mut tree = Tree::new();
        for (n, (above, is_dir)) in shape.iter().enumerate() {
            let above = above % (n + 1);
            let parent = if above == 0 { NodeId::ROOT } else { id(above - 1) };
            let parent = if parent == NodeId::ROOT || tree.is_dir(parent) {
                parent
            } else {
                NodeId::ROOT
            };
            let kind = match is_dir {
                true => Kind::Dir,
                false => Kind::Symlink(Target::new(b"x").unwrap()),
            };
            let node = Node {
                parent,
                name: format!("{n}").as_str().try_into().unwrap(),
                kind,
                mark: None,
            };
            let version = Version(1);
            tree.edit([(
                id(n),
                Some(Item {
                    node: node.into(),
                    version,
                }),
            )])
            .unwrap();
        }
        tree
    }

    fn paths(tree: &Tree) -> Vec<String> {
        let mut paths: Vec<String> = tree
            .iter()
            .map(|(id, _)| tree.path(id).unwrap().to_string())
            .collect();
        paths.sort();
        paths
    }

    proptest! {
        /// Whatever part of a tree is removed: what is brought back makes the tree that it was, and each change fits.
        #[test]
        fn what_a_burst_took_comes_back_as_it_was(
            shape in prop::collection::vec((any::<usize>(), any::<bool>()), 1..40),
            roots in prop::collection::btree_set(0_usize..40, 0..10),
        ) {
            let before = tree(&shape);
            let mut after = before.clone();
            let mut gone = BTreeMap::new();
            for root in roots.into_iter().filter(|root| *root < shape.len()) {
                let root = NodeId([u8::try_from(root).unwrap() + 1; 16]);
                let inside: Vec<NodeId> = after.descendants(root);
                let all = inside.into_iter().rev().chain([root]).filter(|id| before.node(*id).is_some());
                for id in all.collect::<Vec<_>>() {
                    if let Some(node) = after.node(id).cloned() {
                        gone.insert(id, node);
                        after.edit([(id, None)]).unwrap();
                    }
                }
            }
            let mut n = 200;
            let changes = made_anew(&after, &gone, &mut || {
                n += 1;
                NodeId([n; 16])
            });
            prop_assert_eq!(changes.len(), gone.len());
            for change in changes {
                let Change::Create { id, node } = change else { panic!("{change:?}") };
                let item = Item { node: node.into(), version: Version(2) };
                after.edit([(id, Some(item))]).unwrap();
            }
            prop_assert_eq!(paths(&after), paths(&before));
        }
    }

    #[test]
    fn what_was_in_the_stash_when_the_server_was_put_back_is_kept_as_long_as_what_a_burst_took() {
        let removed = Removed {
            burst: Burst {
                removals: 60,
                nodes: 100,
                device: sync_engine::DeviceId([1; 16]),
                first: Version(1),
                last: Version(2),
            },
            since_ms: 50,
            until_ms: Some(70),
        };
        let span = |bursts: &[Removed], put_back_ms| {
            let spared = spared(bursts, put_back_ms)?;
            assert_eq!(spared.age_ms_min, ms(AGE_MIN));
            Some((spared.since_ms, spared.until_ms))
        };
        assert_eq!(span(&[], None), None);
        assert_eq!(span(&[removed], None), Some((50, 70)));
        assert_eq!(span(&[], Some(60)), Some((0, 60)));
        assert_eq!(span(&[removed], Some(60)), Some((0, 70)));
    }

    #[test]
    fn what_stands_in_the_place_of_something_that_is_brought_back_stays() {
        let before = tree(&[(0, true), (1, false), (1, false), (0, false)]);
        let gone: BTreeMap<NodeId, Arc<Node>> =
            before.iter().map(|(id, item)| (id, item.node.clone())).collect();
        // The directory was made anew, and the link at the top.
        let mut now = tree(&[(0, true), (0, true), (0, true), (0, true)]);
        now.edit([(NodeId([2; 16]), None), (NodeId([3; 16]), None)])
            .unwrap();
        let mut n = 200;
        let changes = made_anew(&now, &gone, &mut || {
            n += 1;
            NodeId([n; 16])
        });
        let parents: Vec<NodeId> = changes
            .iter()
            .map(|change| match change {
                Change::Create { node, .. } => node.parent,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(parents, [NodeId([1; 16]), NodeId([1; 16])]);
    }
}
