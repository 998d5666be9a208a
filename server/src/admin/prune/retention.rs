//! Which contents of an account's history are kept. A version that was replaced is given up only if it is old and has
//! enough newer ones: so no clock that jumps makes less be kept than the newest versions of each file. It counts since
//! when it is not current any more; for a time that runs backwards in the journal the latest before it stands.

use std::collections::{BTreeMap, HashMap, HashSet};
use sync_engine::{Hash, Name, Node, NodeId, Version};

use crate::store::{AccountKey, Records, StoreError};

/// What is kept whatever happens: what is current, and what either rule below keeps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    /// What was current within this time is kept, in milliseconds.
    pub(super) age_ms: u64,
    /// So many of the newest versions of each file are kept for ever.
    pub(super) n_versions: usize,
    /// Whether the latter does not hold for files that are deleted.
    pub(super) drop_deleted: bool,
    /// The time now, in milliseconds since 1970.
    pub(super) now_ms: u64,
}

/// A version of a file that is given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Old {
    /// The file.
    pub(super) id: NodeId,
    /// Its name then.
    pub(super) name: Name,
    /// The entry that made it.
    pub(super) version: Version,
    /// The topmost hash of its content.
    pub(super) hash: Hash,
    /// Its length, in bytes.
    pub(super) size_bytes: u64,
}

/// What an account keeps.
#[derive(Debug, Default)]
pub(super) struct Retention {
    /// The topmost hashes of what is kept.
    pub(super) kept: HashSet<Hash>,
    /// What is given up, unless the same content is kept for another version.
    pub(super) old: Vec<Old>,
}

/// A content that a file had for a while.
#[derive(Debug)]
struct Run {
    old: Old,
    /// The entry that put something else in its place.
    replaced: Option<Version>,
}

/// Decides what an account keeps.
pub(super) fn retention(
    records: &dyn Records,
    account: AccountKey,
    policy: &Policy,
) -> Result<Retention, StoreError> {
    let mut since: Vec<u64> = records.entry_times(account)?;
    for index in 1..since.len() {
        since[index] = since[index].max(since[index - 1]);
    }
    let judge = Judge {
        policy,
        since,
        bases: conflict_bases(records, account)?,
    };
    let mut retention = Retention::default();
    let mut of: Option<NodeId> = None;
    let mut states = Vec::new();
    records.every_state(account, &mut |id, version, node| {
        if of != Some(id) {
            judge.decide(std::mem::take(&mut states), &mut retention);
            of = Some(id);
        }
        states.push((id, version, node));
    })?;
    judge.decide(states, &mut retention);
    let Retention { kept, old } = &mut retention;
    old.retain(|old| !kept.contains(&old.hash));
    Ok(retention)
}

/// Returns, for each node that kept its name in a conflict that stands, the versions that both sides began with: merging needs
/// them.
fn conflict_bases(
    records: &dyn Records,
    account: AccountKey,
) -> Result<HashMap<NodeId, Vec<Version>>, StoreError> {
    let mut bases: HashMap<NodeId, Vec<Version>> = HashMap::new();
    records.tree(account, &mut |_, _, node| {
        if let Some(mark) = node.mark {
            bases.entry(mark.with).or_default().push(mark.base);
        }
        true
    })?;
    Ok(bases)
}

struct Judge<'p> {
    policy: &'p Policy,
    /// The time of each entry, or of one before it if that is later.
    since: Vec<u64>,
    bases: HashMap<NodeId, Vec<Version>>,
}

impl Judge<'_> {
    /// Decides over all states of one node, the oldest first.
    fn decide(&self, states: Vec<(NodeId, Version, Option<Node>)>, retention: &mut Retention) {
        let is_deleted = states.last().is_some_and(|(_, _, node)| node.is_none());
        let runs = runs_of(states);
        let n_runs = runs.len();
        for (index, run) in runs.into_iter().enumerate() {
            let n_newer = n_runs - 1 - index;
            let is_counted = n_newer < self.policy.n_versions && !(is_deleted && self.policy.drop_deleted);
            if is_counted || self.is_recent(&run) || self.is_base(&run) {
                retention.kept.insert(run.old.hash);
            } else {
                retention.old.push(run.old);
            }
        }
    }

    /// Tells whether something is current, or was until a short time ago.
    fn is_recent(&self, run: &Run) -> bool {
        let Some(replaced) = run.replaced else {
            return true;
        };
        let index = usize::try_from(replaced.0.saturating_sub(1)).ok();
        let since = index.and_then(|index| self.since.get(index));
        // What the journal does not tell is not taken for old.
        since.is_none_or(|since| self.policy.now_ms < since.saturating_add(self.policy.age_ms))
    }

    fn is_base(&self, run: &Run) -> bool {
        let spans =
            |base: &Version| run.old.version <= *base && run.replaced.is_none_or(|replaced| *base < replaced);
        self.bases
            .get(&run.old.id)
            .is_some_and(|bases| bases.iter().any(spans))
    }
}

/// Returns the contents that a node had, the oldest first; what is empty needs nothing and is left out.
fn runs_of(states: Vec<(NodeId, Version, Option<Node>)>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (id, version, node) in states {
        let content = node
            .as_ref()
            .and_then(|node| node.kind.file())
            .map(|file| file.content);
        let last = runs.last_mut().filter(|run| run.replaced.is_none());
        if let Some(run) = last {
            if content.is_some_and(|content| content.hash == run.old.hash) {
                continue;
            }
            run.replaced = Some(version);
        }
        let content = content.filter(|content| content.size_bytes != 0);
        if let (Some(content), Some(node)) = (content, node) {
            let old = Old {
                id,
                name: node.name,
                version,
                hash: content.hash,
                size_bytes: content.size_bytes,
            };
            runs.push(Run { old, replaced: None });
        }
    }
    runs
}

/// Returns how many versions and bytes are given up; a content that two versions have counts once.
pub(super) fn sum(old: &[Old]) -> (usize, u64) {
    let sizes: BTreeMap<Hash, u64> = old.iter().map(|old| (old.hash, old.size_bytes)).collect();
    (old.len(), sizes.values().sum())
}
