//! The journal told again from its beginning: its numbers, its chain, and the state that each entry gave to each node.

use std::collections::BTreeMap;
use sync_engine::chain::chain_next;
use sync_engine::{Change, Hash, Node, NodeId, Version};

use super::Found;
use crate::store::{AccountRow, Records, StoreError};

/// Entries that are read at a time.
const PAGE_MAX: usize = 1024;
/// The length of those, in bytes.
const PAGE_LEN: usize = 4 * 1024 * 1024;

/// Verifies the journal of an account, and every state by it.
pub(super) fn verify(
    records: &dyn Records,
    account: &AccountRow,
    found: &mut Found,
) -> Result<(), StoreError> {
    let (mut at, mut chain) = (Version::ZERO, Hash([0; 32]));
    let mut nodes: BTreeMap<NodeId, Node> = BTreeMap::new();
    let mut n_states = 0_usize;
    loop {
        let page = records.entries(account.key, at, PAGE_MAX, PAGE_LEN)?;
        if page.is_empty() {
            break;
        }
        for stored in page {
            found.n_entries += 1;
            chain = chain_next(&chain, &stored.entry);
            let number = stored.entry.number;
            let mut problem = None;
            if number != at.next() || chain != stored.chain {
                problem = Some("the chain is broken");
                chain = stored.chain;
            }
            for (id, state) in effects(&nodes, &stored.entry.change) {
                n_states += 1;
                if records.state_after(account.key, id, number)? != Some(state.clone()) {
                    problem.get_or_insert("the history does not have what it changed");
                }
                match state {
                    Some(node) => nodes.insert(id, node),
                    None => nodes.remove(&id),
                };
            }
            if let Some(problem) = problem {
                let damage = format!("account {} entry {number}: {problem}", account.key.0);
                found.damages.push(damage);
            }
            at = number;
        }
    }
    let mut n_kept = 0;
    records.every_state(account.key, &mut |_, _, _| n_kept += 1)?;
    if (at, chain, n_states) != (account.head, account.chain, n_kept) {
        found.damages.push(format!(
            "account {}: the journal does not end where it should, or the history has more than it tells",
            account.key.0
        ));
    }
    Ok(())
}

/// What a change did, given the nodes before it. It was admitted, so of what does not fit it is enough to see nothing.
fn effects(nodes: &BTreeMap<NodeId, Node>, change: &Change) -> Vec<(NodeId, Option<Node>)> {
    let changed = |id: &NodeId, change: &dyn Fn(&mut Node)| {
        let mut node = nodes.get(id)?.clone();
        change(&mut node);
        Some((*id, Some(node)))
    };
    match change {
        Change::Create { id, node } => vec![(*id, Some(node.clone()))],
        Change::Update { id, kind, .. } => changed(id, &|node| node.kind = kind.clone())
            .into_iter()
            .collect(),
        Change::Move { moves } => moves
            .iter()
            .filter_map(|to| {
                changed(&to.id, &|node| {
                    (node.parent, node.name) = (to.parent, to.name.clone());
                })
            })
            .collect(),
        Change::Delete { id, .. } => vec![(*id, None)],
        Change::Mark { id, mark, .. } => changed(id, &|node| node.mark.clone_from(mark))
            .into_iter()
            .collect(),
    }
}
