//! A device: three trees, a disk that its user may change at any time, steps that are being taken and commits that are
//! in flight.

use crate::ledger::Ledger;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use sync_engine::{
    Change, Content, DeviceId, Entry, Folding, Kind, NameRules, Node, NodeId, Origin, Place, Plan, Policy,
    Reaction, Record, Rejection, Removals, Step, Tree, Trees, Version, accept, complete, plan, react, record,
};

/// What the server tells a device.
#[derive(Debug, Clone)]
pub(crate) enum Message {
    Entry(Entry, Origin),
    Rejected(Change, Rejection),
}

/// See the module's page.
pub(crate) struct Device {
    pub(crate) trees: Trees,
    /// What users see. It has the ids that a perfect scan would find.
    pub(crate) disk: Tree,
    pub(crate) policy: Policy,
    pub(crate) running: Vec<VecDeque<Vec<Step>>>,
    pub(crate) outbox: VecDeque<Change>,
    pub(crate) inbox: VecDeque<Message>,
    in_flight: Vec<Change>,
    pub(crate) trace: Vec<String>,
    pub(crate) taken: Vec<Step>,
    /// What was copied aside in a conflict. Its user may change the copy before the server has it.
    kept: BTreeSet<Content>,
}

pub(crate) fn policy(device: u8) -> Policy {
    Policy {
        device: DeviceId([device; 16]),
        device_name: format!("D{device}"),
        date: (2026, 11, 22),
        names: NameRules::Unix,
        folding: Folding::None,
        has_symlinks: true,
        has_exec_bits: true,
        cursor: Version::ZERO,
        removals: Removals {
            is_confirmed: true,
            ..Removals::default()
        },
        // Some see to all that comes from the server at once, others to one after the other.
        arrivals_max: if device.is_multiple_of(2) { 1 } else { usize::MAX },
    }
}

/// Tells whether a local tree is as a step expects it.
pub(crate) fn fits(local: &Tree, step: &Step) -> bool {
    let is_at = |id: &NodeId, place: &Place| local.node(*id).is_some_and(|node| Place::of(node) == *place);
    match step {
        Step::Fetch { id, .. } | Step::MakeDir { id, .. } => local.node(*id).is_none(),
        Step::Replace { id, expect, .. } => local.node(*id).is_some_and(|node| node.kind == *expect),
        Step::SetAttributes { id, expect, .. } => local
            .node(*id)
            .is_some_and(|node| node.kind == Kind::File(*expect)),
        Step::Move { id, from, .. } | Step::Park { id, from, .. } => is_at(id, from),
        Step::Exchange { a, a_from, b, b_from } => is_at(a, a_from) && is_at(b, b_from),
        Step::Remove { id, expect } => local.node(*id) == Some(expect),
        Step::KeepCopy { of, node, .. } => local.node(*of).is_some_and(|of| of.kind == node.kind),
    }
}

impl Device {
    pub(crate) fn new(device: u8) -> Self {
        Self {
            trees: Trees::new(),
            disk: Tree::new(),
            policy: policy(device),
            running: Vec::new(),
            outbox: VecDeque::new(),
            inbox: VecDeque::new(),
            in_flight: Vec::new(),
            trace: Vec::new(),
            taken: Vec::new(),
            kept: BTreeSet::new(),
        }
    }

    /// Looks at the whole disk.
    pub(crate) fn scan(&mut self) {
        let local = self.trees.local();
        let node = |tree: &Tree, id| tree.node(id).cloned();
        let ids: BTreeSet<NodeId> = local.iter().chain(self.disk.iter()).map(|(id, _)| id).collect();
        let seen = |mut new: Node, old: Option<Arc<Node>>| {
            new.mark = old.and_then(|old| old.mark.clone());
            Arc::new(new)
        };
        let edits: Vec<_> = ids
            .into_iter()
            .map(|id| (id, node(local, id), node(&self.disk, id)))
            .map(|(id, old, new)| (id, old.clone(), new.map(|new| seen(Node::clone(&new), old))))
            .filter(|(_, old, new)| old != new)
            .map(|(id, _, new)| (id, new))
            .collect();
        self.trees.edit_local(edits).unwrap();
    }

    pub(crate) fn busy(&self) -> BTreeSet<NodeId> {
        let steps = self.running.iter().flatten().flatten().flat_map(Step::ids);
        steps.chain(self.in_flight.iter().flat_map(Change::ids)).collect()
    }

    pub(crate) fn plan(&self) -> Plan {
        plan(&self.trees, &self.policy, &self.busy())
    }

    /// Plans, corrects the trees, sends the commits and begins the steps.
    pub(crate) fn begin(&mut self) -> bool {
        for _ in 0..50 {
            let plan = self.plan();
            assert_eq!(plan, self.plan(), "planning is not deterministic");
            if plan.records.is_empty() {
                let is_empty = plan.is_empty();
                self.trace.push(format!(
                    "{} plans {:?} {:?}",
                    self.policy.device_name, plan.commits, plan.batches
                ));
                for change in plan.commits {
                    self.in_flight.push(change.clone());
                    self.outbox.push_back(change);
                }
                if !plan.batches.is_empty() {
                    self.running.push(plan.batches.into());
                }
                return !is_empty;
            }
            assert!(plan.commits.is_empty() && plan.batches.is_empty());
            for correction in plan.records {
                self.trace
                    .push(format!("{} records {correction:?}", self.policy.device_name));
                self.correct(&correction);
            }
        }
        panic!("records without end: {:?}", self.plan().records);
    }

    fn correct(&mut self, correction: &Record) {
        let Ok(_) = record(&mut self.trees, correction) else {
            return;
        };
        let Record::Reidentify { from, to } = correction else {
            return;
        };
        let Some(item) = self.disk.item(*from).cloned() else {
            return;
        };
        let children: Vec<_> = self.disk.children(*from).map(|(_, id)| id).collect();
        let mut edits = vec![(*from, None), (*to, Some(item))];
        for child in children {
            let mut item = self.disk.item(child).unwrap().clone();
            Arc::make_mut(&mut item.node).parent = *to;
            edits.push((child, Some(item)));
        }
        self.disk.edit(edits).unwrap();
    }

    /// Takes one of the steps that can be taken now.
    pub(crate) fn step(&mut self, ledger: &Ledger, pick: usize) -> bool {
        self.running
            .retain(|batches| batches.iter().any(|batch| !batch.is_empty()));
        if self.running.is_empty() {
            return false;
        }
        let n = pick % self.running.len();
        let batches = &mut self.running[n];
        while batches[0].is_empty() {
            batches.pop_front();
        }
        let step = pick / 7 % batches[0].len();
        let step = batches[0].swap_remove(step);
        let result = self.take(ledger, &step);
        self.trace
            .push(format!("{} takes {step:?}: {result:?}", self.policy.device_name));
        match result {
            Ok(()) => {
                if let Step::KeepCopy { node, .. } = &step {
                    self.kept.extend(node.kind.file().map(|file| file.content));
                }
                self.taken.push(step);
            }
            Err(_) => self.scan(),
        }
        true
    }

    fn take(&mut self, ledger: &Ledger, step: &Step) -> Result<(), String> {
        for id in step.ids() {
            let same = match (self.trees.local().node(id), self.disk.node(id)) {
                (Some(local), Some(disk)) => local.kind == disk.kind && local.same_place(disk),
                (None, None) => true,
                _ => false,
            };
            if !same {
                return Err("changed on disk".into());
            }
        }
        self.expect(ledger, step)?;
        let mut trees = self.trees.clone();
        let delta = complete(&mut trees, step).map_err(|error| error.to_string())?;
        let edits = delta
            .local
            .iter()
            .map(|id| (*id, trees.local().item(*id).cloned()));
        self.disk
            .edit(edits.collect::<Vec<_>>())
            .map_err(|error| error.to_string())?;
        if step.ids().any(|id| self.is_folded(id)) {
            let edits = delta
                .local
                .iter()
                .map(|id| (*id, self.trees.local().item(*id).cloned()));
            self.disk.edit(edits.collect::<Vec<_>>()).unwrap();
            return Err("the name is taken".into());
        }
        self.trees = trees;
        Ok(())
    }

    /// Tells whether the disk takes a node's name for that of another one.
    fn is_folded(&self, id: NodeId) -> bool {
        let Some(node) = self.disk.node(id) else {
            return false;
        };
        let key = |name| self.policy.folding.key(name);
        let same = |(name, other): (_, NodeId)| other != id && key(name) == key(&node.name);
        self.disk.children(node.parent).any(same)
    }

    /// Looks for what the step expects, and whether what it takes away is safe elsewhere.
    fn expect(&self, ledger: &Ledger, step: &Step) -> Result<(), String> {
        if !fits(self.trees.local(), step) {
            return Err("not as expected".into());
        }
        if let Step::Replace {
            id,
            expect: Kind::File(file),
            ..
        } = step
        {
            assert!(self.is_safe(ledger, *id, file), "{step:?} would lose bytes");
        }
        if let Step::Remove { id, expect } = step {
            let is_safe = expect
                .kind
                .file()
                .is_none_or(|file| self.is_safe(ledger, *id, file));
            assert!(is_safe, "{step:?} would lose bytes");
        }
        Ok(())
    }

    fn is_safe(&self, ledger: &Ledger, id: NodeId, file: &sync_engine::FileState) -> bool {
        let mut others = self.disk.iter().filter(|(other, _)| *other != id);
        ledger.contents.contains(&file.content)
            || self.kept.contains(&file.content)
            || others.any(|(_, item)| {
                item.node
                    .kind
                    .file()
                    .is_some_and(|other| other.content == file.content)
            })
    }

    /// Reads one message of the server's.
    pub(crate) fn read(&mut self) -> bool {
        let Some(message) = self.inbox.pop_front() else {
            return false;
        };
        match message {
            Message::Entry(entry, origin) => {
                accept(&mut self.trees, &entry, origin).unwrap();
                self.policy.cursor = entry.number;
                if origin == Origin::Planned {
                    self.landed(&entry.change);
                }
            }
            Message::Rejected(change, rejection) => {
                self.trace.push(format!(
                    "{}: {change:?} rejected: {rejection:?}",
                    self.policy.device_name
                ));
                self.landed(&change);
                if let Reaction::Record(correction) = react(&self.trees, &self.policy, &change, &rejection) {
                    self.correct(&correction);
                }
            }
        }
        true
    }

    fn landed(&mut self, change: &Change) {
        if let Some(at) = self.in_flight.iter().position(|other| other == change) {
            self.in_flight.remove(at);
        }
    }

    /// Joins without bases, as after a loss of memory.
    pub(crate) fn rejoin(&mut self, ledger: &Ledger) {
        self.policy.cursor = Version(ledger.entries.len() as u64);
        self.crash(ledger);
        self.trees.forget_bases();
        self.trees.forget_remote();
        let rows = ledger.tree.iter().map(|(id, item)| (id, Some(item.clone())));
        self.trees.edit_remote(rows.collect()).unwrap();
    }

    /// Forgets everything that is not in the trees, and connects anew.
    pub(crate) fn crash(&mut self, ledger: &Ledger) {
        self.running.clear();
        self.outbox.clear();
        self.inbox.clear();
        self.in_flight.clear();
        let cursor = usize::try_from(self.policy.cursor.0).unwrap();
        for entry in &ledger.entries[cursor..] {
            let is_own = entry.device == self.policy.device;
            let origin = if is_own { Origin::Recalled } else { Origin::Foreign };
            self.inbox.push_back(Message::Entry(entry.clone(), origin));
        }
        self.trace.push(format!("{} crashes", self.policy.device_name));
    }
}
