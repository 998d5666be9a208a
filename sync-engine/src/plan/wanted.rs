//! What is wanted of each unsettled node, and the repair that makes a valid tree of it: a directory with something
//! wanted in it lives, and no directory is inside itself. Nodes that are not unsettled are wanted as they are, and so is
//! what something is being done with already: that is not gone over again, however much it is.

use super::arrivals::Arrivals;
use super::merge::{Merged, merge};
use super::unify::{made_again, may_reidentify};
use super::{Place, Policy, Record, Remark};
use crate::{Block, Bug, ConflictMark, Node, NodeId, Trees, planted};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// What keeps a node from being written, or its place from being changed, in this plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hold {
    /// Nothing.
    Free,
    /// It is in flight or being written.
    Busy,
    /// It is blocked, or inside something that is.
    Frozen,
    /// Its local bytes are kept aside first, as this node.
    Keep(NodeId, Arc<Node>),
    /// It gets this mark on the server before it gets a conflict name.
    MarkFirst(Arc<ConflictMark>),
    /// It is to be removed or overwritten, but the brake is on.
    Braked,
}

/// What is wanted of one unsettled node.
#[derive(Debug, Clone)]
pub(super) struct Want {
    /// The node, or nothing if it is to be gone.
    pub(super) node: Option<Arc<Node>>,
    /// Its place is the local one, and the remote tree has it elsewhere.
    pub(super) is_place_local: bool,
    /// Both sides changed its bytes.
    pub(super) is_conflict: bool,
    /// The mark that it gets on disk, together with a conflict name.
    pub(super) new_mark: Option<Arc<ConflictMark>>,
    /// What keeps it.
    pub(super) hold: Hold,
}

impl Want {
    fn new(node: Option<Arc<Node>>, hold: Hold) -> Self {
        Self {
            node,
            is_place_local: false,
            is_conflict: false,
            new_mark: None,
            hold,
        }
    }
}

/// See the module's page.
pub(super) struct Wanted<'a> {
    pub(super) trees: &'a Trees,
    pub(super) policy: &'a Policy,
    pub(super) busy: &'a BTreeSet<NodeId>,
    arrivals: &'a Arrivals<'a>,
    /// The unsettled nodes that are neither busy nor put off.
    pub(super) map: BTreeMap<NodeId, Want>,
    pub(super) remarks: BTreeSet<Remark>,
}

impl<'a> Wanted<'a> {
    pub(super) fn new(
        trees: &'a Trees,
        policy: &'a Policy,
        busy: &'a BTreeSet<NodeId>,
        arrivals: &'a Arrivals<'a>,
    ) -> Self {
        Self {
            trees,
            policy,
            busy,
            arrivals,
            map: BTreeMap::new(),
            remarks: BTreeSet::new(),
        }
    }

    /// Returns what is wanted of any node.
    pub(super) fn node(&self, id: NodeId) -> Option<&Arc<Node>> {
        match self.map.get(&id) {
            Some(want) => want.node.as_ref(),
            None if self.is_under_way(id) => {
                let remote = self.trees.remote().node(id);
                remote.or_else(|| self.trees.local().node(id))
            }
            None => self.trees.remote().node(id),
        }
    }

    /// Tells whether a node is unsettled, and something is being done with it, or will be.
    pub(super) fn is_under_way(&self, id: NodeId) -> bool {
        self.is_busy(id) && self.trees.is_unsettled(id)
    }

    /// Tells whether a node is busy, or put off.
    pub(super) fn is_busy(&self, id: NodeId) -> bool {
        self.busy.contains(&id) || self.arrivals.is_put_off(id)
    }

    /// Tells whether a node, or a directory that it is in on disk, is blocked.
    pub(super) fn is_frozen(&self, id: NodeId) -> bool {
        let blocked = self.trees.blocked();
        !(blocked.is_empty() || planted(Bug::BlockedNotFrozen))
            && (blocked.contains_key(&id)
                || self
                    .trees
                    .local()
                    .ancestors(id)
                    .any(|at| blocked.contains_key(&at)))
    }

    /// Tells whether a node is, here, where the rules leave it out or where something stands that can be no node, while
    /// others have moved it elsewhere.
    fn is_left_behind(&self, id: NodeId) -> bool {
        let (blocked, local) = (self.trees.blocked(), self.trees.local());
        let (Some(remote), Some(here), Some(base)) =
            (self.trees.remote().node(id), local.node(id), self.trees.base(id))
        else {
            return false;
        };
        if blocked.is_empty() || !here.same_place(&base.node) || remote.same_place(&base.node) {
            return false;
        }
        let mut blocks = core::iter::once(id)
            .chain(local.ancestors(id))
            .filter_map(|at| blocked.get(&at))
            .peekable();
        blocks.peek().is_some()
            && blocks.all(|block| matches!(block, Block::Ignored | Block::UnsupportedType))
            && !local.descendants(id).iter().any(|inside| self.is_busy(*inside))
    }

    /// Merges every unsettled node that nothing is being done with.
    pub(super) fn merge_all(&mut self, records: &mut Vec<Record>) {
        let altered = self.trees.altered().difference(self.busy).copied();
        let due = altered.chain(self.arrivals.iter(self.busy));
        self.map = due.map(|id| (id, self.merge_one(id, records))).collect();
    }

    fn merge_one(&mut self, id: NodeId, records: &mut Vec<Record>) -> Want {
        let remote = self.trees.remote().node(id);
        let local = self.trees.local().node(id);
        let base = self.trees.base(id).map(|base| &base.node);
        if self.is_left_behind(id) {
            records.push(Record::LetGo { id });
            return Want::new(remote.cloned(), Hold::Busy);
        }
        if self.is_frozen(id) {
            return Want::new(remote.cloned(), Hold::Frozen);
        }
        let node = match (base, remote, local) {
            (_, None, None) => {
                records.push(Record::Forget { id });
                None
            }
            (None, None, Some(local)) => Some(local.clone()),
            (None, Some(remote), None) => Some(remote.clone()),
            (Some(base), Some(remote), None)
                if base.is_equal_but_for_time(remote) || planted(Bug::DeleteBeatsRemoteEdit) =>
            {
                None
            }
            (Some(_), Some(remote), None) => {
                self.remarks.insert(Remark::EditBeatDelete(id));
                Some(remote.clone())
            }
            (Some(base), None, Some(local)) => {
                if let Some(to) = made_again(self.trees, id).filter(|to| self.may_become(id, *to)) {
                    records.push(Record::Reidentify { from: id, to });
                    return Want::new(None, Hold::Busy);
                }
                if !self.is_same_on_disk(base, local) && !planted(Bug::DeleteBeatsLocalEdit) {
                    self.rebear(id, records);
                    return Want::new(None, Hold::Busy);
                }
                None
            }
            (base, Some(remote), Some(local)) => {
                let base = base.map(Arc::as_ref);
                return self.merge_both(id, base, local, remote, records);
            }
        };
        Want::new(node, Hold::Free)
    }

    fn merge_both(
        &mut self,
        id: NodeId,
        base: Option<&Node>,
        local: &Node,
        remote: &Node,
        records: &mut Vec<Record>,
    ) -> Want {
        if !local.kind.same_type(&remote.kind) {
            self.rebear(id, records);
            return Want::new(Some(Arc::new(remote.clone())), Hold::Busy);
        }
        if local.mark != remote.mark {
            records.push(Record::CopyMark { id });
        } else if agrees_anew(base, local, remote) {
            records.push(Record::Adopt { id });
        }
        let merged = merge(base, local, remote, self.policy.has_exec_bits);
        let Merged {
            node,
            is_conflict,
            is_move_lost,
            is_place_local,
        } = merged;
        if is_move_lost {
            self.remarks.insert(Remark::MoveLost(id));
        }
        Want {
            is_place_local,
            is_conflict,
            ..Want::new(Some(Arc::new(node)), Hold::Free)
        }
    }

    /// Tells whether a local node is as it was, but for its time. Its mark is no observation, and neither are bits that the
    /// disk lacks.
    fn is_same_on_disk(&self, base: &Node, local: &Node) -> bool {
        let same_kind = if self.policy.has_exec_bits {
            base.kind.is_equal_but_for_time(&local.kind)
        } else {
            base.kind.same_content(&local.kind)
        };
        same_kind && base.same_place(local)
    }

    /// Tells whether nothing is being done with either of a node and the one that it is to become.
    fn may_become(&self, id: NodeId, to: NodeId) -> bool {
        !self.is_busy(to) && may_reidentify(self.trees, self.busy, id)
    }

    /// Lets a local node live on under a new id, since its old one is gone for good.
    fn rebear(&mut self, id: NodeId, records: &mut Vec<Record>) {
        if !may_reidentify(self.trees, self.busy, id) {
            return;
        }
        let to = NodeId::derive(
            "reborn",
            id,
            self.policy.device,
            &self.policy.cursor.0.to_le_bytes(),
        );
        if self.remarks.insert(Remark::Reborn(id, to)) {
            records.push(Record::Reidentify { from: id, to });
        }
    }

    /// Repairs what is wanted until each node is in a directory that is wanted and no directory is inside itself.
    pub(super) fn repair(&mut self, records: &mut Vec<Record>) {
        loop {
            self.revive_directories(records);
            if !self.undo_cycle() {
                return;
            }
        }
    }

    fn revive_directories(&mut self, records: &mut Vec<Record>) {
        let is_gone = |want: &Want| want.node.is_none() && want.hold == Hold::Free;
        if !self.map.values().any(is_gone) {
            return;
        }
        let mut parents: Vec<NodeId> = self
            .map
            .values()
            .filter(|want| want.hold != Hold::Busy)
            .filter_map(|want| want.node.as_ref().map(|node| node.parent))
            .collect();
        while let Some(id) = parents.pop() {
            let Some(want) = self.map.get_mut(&id) else {
                continue;
            };
            if !is_gone(want) {
                continue;
            }
            if let Some(remote) = self.trees.remote().node(id) {
                want.node = Some(remote.clone());
                parents.push(remote.parent);
                self.remarks.insert(Remark::DirectoryLives(id));
            } else if let Some(local) = self.trees.local().node(id) {
                parents.push(local.parent);
                want.hold = Hold::Busy;
                self.rebear(id, records);
            }
        }
    }

    /// Undoes one local move that puts a directory inside itself, if there is one.
    fn undo_cycle(&mut self) -> bool {
        let found = self
            .map
            .iter()
            .filter(|(_, want)| want.is_place_local)
            .find_map(|(id, _)| self.is_inside_itself(*id).then_some(*id));
        let Some(id) = found else { return false };
        let remote = self.trees.remote().node(id).map(|node| Place::of(node));
        let want = self.map.get_mut(&id).expect("the node was just found there");
        if let (Some(node), Some(place)) = (&mut want.node, remote) {
            let node = Arc::make_mut(node);
            (node.parent, node.name) = (place.parent, place.name);
        }
        want.is_place_local = false;
        self.remarks.insert(Remark::CycleUndone(id));
        true
    }

    fn is_inside_itself(&self, id: NodeId) -> bool {
        let mut seen = BTreeSet::new();
        let mut at = id;
        while let Some(node) = self.node(at) {
            at = node.parent;
            if at == id {
                return true;
            }
            if !seen.insert(at) {
                return false;
            }
        }
        false
    }
}

/// Tells whether both sides agree in a field in which the base differs, or in their bytes when there is no base.
fn agrees_anew(base: Option<&Node>, local: &Node, remote: &Node) -> bool {
    let Some(base) = base else {
        return local.kind.same_content(&remote.kind);
    };
    let file = |node: &Node| node.kind.file().copied();
    let same_kind = match (file(base), file(local), file(remote)) {
        (Some(base), Some(local), Some(remote)) => {
            (local.content == remote.content && local.content != base.content)
                || (local.exec == remote.exec && local.exec != base.exec)
                || (local.mtime_ns == remote.mtime_ns && local.mtime_ns != base.mtime_ns)
        }
        _ => local.kind == remote.kind && local.kind != base.kind,
    };
    same_kind
        || (local.same_place(remote) && !local.same_place(base))
        || (local.mark == remote.mark && local.mark != base.mark)
}

#[cfg(test)]
mod tests {
    use crate::advance::record;
    use crate::plan::{Folding, NameRules, Policy, Record, Removals, Step, plan};
    use crate::tree::Item;
    use crate::{Base, Block, Content, DeviceId, FileState, Hash, Kind, Name, Node, NodeId, Trees, Version};
    use alloc::collections::BTreeSet;
    use alloc::sync::Arc;
    use alloc::vec::Vec;

    const ID: NodeId = NodeId([1; 16]);

    fn policy() -> Policy {
        Policy {
            device: DeviceId([1; 16]),
            device_name: "a".into(),
            date: (2026, 12, 1),
            names: NameRules::Unix,
            folding: Folding::None,
            has_symlinks: true,
            has_exec_bits: true,
            cursor: Version(2),
            removals: Removals::default(),
            arrivals_max: usize::MAX,
        }
    }

    fn named(name: &str) -> Arc<Node> {
        let content = Content {
            hash: Hash::of(b"bytes"),
            size_bytes: 5,
            depth: 0,
        };
        let state = FileState {
            content,
            exec: false,
            mtime_ns: 0,
        };
        Arc::new(Node {
            parent: NodeId::ROOT,
            name: Name::try_from(name).unwrap(),
            kind: Kind::File(state),
            mark: None,
        })
    }

    /// A file that is blocked here as `a.tmp`, and is `name` in the account.
    fn blocked(block: Block, name: &str) -> Trees {
        let (mut trees, node) = (Trees::new(), named("a.tmp"));
        let item = Item {
            node: named(name),
            version: Version(2),
        };
        trees.edit_remote([(ID, Some(item))].into()).unwrap();
        trees.edit_local([(ID, Some(node.clone()))].into()).unwrap();
        let version = Version(1);
        trees.set_base(ID, Some(Base { node, version }));
        trees.set_block(ID, Some(block));
        trees
    }

    /// Makes a plan's only record, and returns the nodes that the next plan fetches or makes.
    fn come_anew(trees: &mut Trees) -> Vec<(NodeId, Arc<Node>)> {
        let none = BTreeSet::new();
        let first = plan(trees, &policy(), &none);
        assert!(
            matches!(first.records[..], [Record::LetGo { id: ID }]),
            "{:?}",
            first.records
        );
        record(trees, &first.records[0]).unwrap();
        let next = plan(trees, &policy(), &none);
        assert!(next.records.is_empty() && next.commits.is_empty());
        let come = |step: &Step| match step {
            Step::Fetch { id, node, .. } | Step::MakeDir { id, node, .. } => (*id, node.clone()),
            other => panic!("{other:?}"),
        };
        next.batches.iter().flatten().map(come).collect()
    }

    #[test]
    fn what_is_left_out_or_displaced_here_and_was_renamed_elsewhere_comes_anew_by_its_new_name() {
        for block in [Block::Ignored, Block::UnsupportedType] {
            let come = come_anew(&mut blocked(block.clone(), "a.txt"));
            assert_eq!(come, [(ID, named("a.txt"))]);
            let stays = plan(&blocked(block, "a.tmp"), &policy(), &BTreeSet::new());
            assert!(stays.records.is_empty() && stays.batches.is_empty());
        }
        let unread = blocked(Block::Unreadable("no".into()), "a.txt");
        let waits = plan(&unread, &policy(), &BTreeSet::new());
        assert!(waits.records.is_empty() && waits.batches.is_empty());
    }

    #[test]
    fn a_directory_that_is_left_behind_comes_anew_with_all_in_it_once_nothing_is_done_with_that() {
        let mut trees = blocked(Block::Ignored, "dir");
        let dir = |name: &str| {
            Arc::new(Node {
                kind: Kind::Dir,
                ..Node::clone(&named(name))
            })
        };
        let (inside, version) = (NodeId([2; 16]), Version(1));
        let file = Arc::new(Node {
            parent: ID,
            ..Node::clone(&named("file"))
        });
        let item = |node: &Arc<Node>| Item {
            node: node.clone(),
            version,
        };
        trees.set_base(
            ID,
            Some(Base {
                node: dir("a.tmp"),
                version,
            }),
        );
        trees
            .edit_local([(ID, Some(dir("a.tmp"))), (inside, Some(file.clone()))].into())
            .unwrap();
        trees
            .edit_remote([(ID, Some(item(&dir("dir")))), (inside, Some(item(&file)))].into())
            .unwrap();
        trees.set_base(
            inside,
            Some(Base {
                node: file.clone(),
                version,
            }),
        );
        let busy = plan(&trees, &policy(), &[inside].into());
        assert!(busy.records.is_empty() && busy.batches.is_empty());
        assert_eq!(come_anew(&mut trees), [(ID, dir("dir")), (inside, file)]);
    }
}
