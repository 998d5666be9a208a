//! Looking back by path: where a node was when an entry was taken, what ever stood at a path, and how far one has to go
//! back to find a deleted directory with all that was in it. All of it is read from the states that nodes had.

use std::collections::{BTreeSet, HashMap};

use common::limits::FRAME_LEN_AIM;
use common::message::Traced;
use sync_engine::name::DEPTH_MAX;
use sync_engine::past::{Stay, Stood, stood};
use sync_engine::{Change, Entry, Kind, Name, NodeId, RelPath, Version};

use crate::store::{AccountKey, Records, StoreError};

/// How many entries are read to find where the deletions began that emptied a directory, at most.
const ENTRIES_MAX: usize = 100_000;
/// How many entries are read at once.
const PAGE_MAX: usize = 1_024;

/// Returns an entry with the path of each of its nodes: after it, or before it if it deleted the node.
pub(crate) fn trace(records: &dyn Records, account: AccountKey, entry: Entry) -> Result<Traced, StoreError> {
    let at = match entry.change {
        Change::Delete { .. } => Version(entry.number.0.saturating_sub(1)),
        Change::Create { .. } | Change::Update { .. } | Change::Move { .. } | Change::Mark { .. } => {
            entry.number
        }
    };
    let paths = entry
        .change
        .ids()
        .map(|id| Ok(path_at(records, account, id, at)?.unwrap_or_default()))
        .collect::<Result<_, StoreError>>()?;
    Ok(Traced { entry, paths })
}

/// Returns the path that a node had after an entry; nothing if it was not in the tree.
fn path_at(
    records: &dyn Records,
    account: AccountKey,
    id: NodeId,
    at: Version,
) -> Result<Option<RelPath>, StoreError> {
    let above = above(records, account, id, at)?;
    Ok(above.map(|above| RelPath(above.into_iter().rev().map(|(_, name)| name).collect())))
}

/// Returns a node and the directories above it, below the root, with their names after an entry.
fn above(
    records: &dyn Records,
    account: AccountKey,
    id: NodeId,
    at: Version,
) -> Result<Option<Vec<(NodeId, Name)>>, StoreError> {
    let mut found = Vec::new();
    let mut next = id;
    while next != NodeId::ROOT {
        // The tree of every version is valid, so only a damaged store is deeper.
        if DEPTH_MAX < found.len() {
            return Ok(None);
        }
        let Some((_, Some(node))) = records.state_at(account, next, at)? else {
            return Ok(None);
        };
        found.push((next, node.name));
        next = node.parent;
    }
    Ok(Some(found))
}

/// Returns the newest entries before `before`, newest first, of all that ever stood at a path: each node's up to the one
/// that took it away from there. Of the root: all of the account's. Whether there are more is told as well.
pub(crate) fn log(
    records: &dyn Records,
    account: AccountKey,
    path: &RelPath,
    before: Version,
    n_max: usize,
) -> Result<(Vec<Entry>, bool), StoreError> {
    if path.0.is_empty() {
        return records.log(account, None, before, n_max, FRAME_LEN_AIM);
    }
    let mut until: HashMap<NodeId, Version> = HashMap::new();
    for stood in stood_at(records, account, path)? {
        let last = until.entry(stood.id).or_default();
        *last = stood.to.max(*last);
    }
    let mut entries: Vec<Entry> = Vec::new();
    // Of a node there may be more entries than were read: then those of others that are older wait as well.
    let (mut more, mut oldest) = (false, Version::ZERO);
    for (id, to) in until {
        let before = before.min(Version(to.0.saturating_add(1)));
        let (of_node, has_more) = records.log(account, Some(id), before, n_max, FRAME_LEN_AIM)?;
        if let Some(last) = of_node.last().filter(|_| has_more) {
            (more, oldest) = (true, oldest.max(last.number));
        }
        entries.extend(of_node);
        entries.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.number));
        entries.dedup_by_key(|entry| entry.number);
        more |= n_max < entries.len();
        entries.truncate(n_max);
    }
    entries.retain(|entry| oldest <= entry.number);
    Ok((entries, more))
}

/// Returns when which nodes stood at a path.
fn stood_at(records: &dyn Records, account: AccountKey, path: &RelPath) -> Result<Vec<Stood>, StoreError> {
    let names: BTreeSet<&Name> = path.0.iter().collect();
    let mut stays: Vec<Stay> = Vec::new();
    let mut last_id = None;
    records.every_state(account, &mut |id, version, node| {
        if let Some(open) = stays.last_mut()
            && last_id == Some(id)
            && open.id == id
            && open.to == Version(u64::MAX)
        {
            open.to = version;
        }
        last_id = Some(id);
        if let Some(node) = node.filter(|node| names.contains(&node.name)) {
            stays.push(Stay {
                id,
                parent: node.parent,
                name: node.name,
                from: version,
                to: Version(u64::MAX),
            });
        }
    })?;
    Ok(stood(&stays, path))
}

/// Returns the version whose tree has what is to be brought back: `at` itself, unless `at` is the deletion of what stood
/// at the path, or the version before it. Then it is that from before the deletion; and of a directory, which can only
/// be deleted when it is empty, that from before the deletions that emptied it, back to where anything else happened in
/// it.
pub(crate) fn before_emptied(
    records: &dyn Records,
    account: AccountKey,
    path: &RelPath,
    at: Version,
) -> Result<Version, StoreError> {
    if path.0.is_empty() {
        return Ok(at);
    }
    let all = stood_at(records, account, path)?;
    let there = all.iter().find(|stood| stood.from <= at && at < stood.to);
    let gone = all.iter().find(|stood| stood.to == at);
    let Some(last) = there.or(gone) else {
        return Ok(at);
    };
    let is_deleted = records.state_after(account, last.id, last.to)? == Some(None);
    if !is_deleted || at.0.saturating_add(1) < last.to.0 {
        return Ok(at);
    }
    let before = Version(last.to.0.saturating_sub(1));
    match records.state_at(account, last.id, before)? {
        Some((_, Some(node))) if node.kind == Kind::Dir => last_other(records, account, last.id, before),
        _ => Ok(before),
    }
}

/// Returns the last entry up to `at` that did something other than delete in a directory, or to one above it.
fn last_other(
    records: &dyn Records,
    account: AccountKey,
    dir: NodeId,
    at: Version,
) -> Result<Version, StoreError> {
    let above: BTreeSet<NodeId> = above(records, account, dir, at)?
        .unwrap_or_default()
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    let is_inside = |id: NodeId, at: Version| {
        let path = self::above(records, account, id, at)?.unwrap_or_default();
        Ok::<bool, StoreError>(path.iter().any(|(id, _)| *id == dir))
    };
    let mut before = Version(at.0.saturating_add(1));
    for _ in 0..ENTRIES_MAX / PAGE_MAX {
        let (page, _) = records.log(account, None, before, PAGE_MAX, FRAME_LEN_AIM)?;
        let Some(oldest) = page.last() else { break };
        before = oldest.number;
        for entry in &page {
            if matches!(entry.change, Change::Delete { .. }) {
                continue;
            }
            let earlier = Version(entry.number.0.saturating_sub(1));
            for id in entry.change.ids() {
                if above.contains(&id) || is_inside(id, entry.number)? || is_inside(id, earlier)? {
                    return Ok(entry.number);
                }
            }
        }
    }
    Ok(before)
}
