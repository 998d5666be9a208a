//! Reading everything that the store holds, and saying what is damaged: the database by its own check, every chunk by
//! its hash, every journal by its chain, every tree against the journal's, every file by what it needs.

use std::collections::BTreeMap;
use sync_engine::chain::chain_next;
use sync_engine::{Hash, Node, NodeId, Version};

use crate::chunk;
use crate::program::print_line;
use crate::store::{AccountKey, AccountRow, Blobs, ChunkRow, Metadata, Records, Store, StoreError};
use crate::trouble::Trouble;

/// Entries that are read at a time.
const PAGE_MAX: usize = 1024;
/// The length of those, in bytes.
const PAGE_LEN: usize = 4 * 1024 * 1024;

/// What there is in a store.
#[derive(Default)]
pub(super) struct Found {
    /// What is damaged.
    pub(super) damages: Vec<String>,
    n_accounts: usize,
    n_chunks: u64,
    n_entries: u64,
}

/// Verifies a store.
pub(super) fn verify(store: &Store) -> Result<(), Trouble> {
    let found = look(store).map_err(Trouble::from)?;
    for damage in &found.damages {
        print_line(&format!("damaged: {damage}"))?;
    }
    let Found {
        damages,
        n_accounts,
        n_chunks,
        n_entries,
    } = found;
    print_line(&format!(
        "verified accounts={n_accounts} entries={n_entries} chunks={n_chunks} damages={}",
        damages.len()
    ))?;
    if damages.is_empty() {
        return Ok(());
    }
    Err(Trouble::new(
        format!(
            "{} things in the store are damaged; they are named above",
            damages.len()
        ),
        "nothing was changed; a damaged chunk is never sent to a device",
        "check the disk; let the devices connect, since they send what the server misses again; what they no longer \
         have, put back from a backup",
    ))
}

/// Reads everything in a store.
pub(super) fn look(store: &Store) -> Result<Found, StoreError> {
    let mut found = Found {
        damages: store.metadata.check_itself()?,
        ..Found::default()
    };
    store.metadata.read(|records| {
        verify_chunks(store, records, &mut found)?;
        let accounts = records.accounts()?;
        for account in &accounts {
            verify_journal(records, account, &mut found)?;
            verify_tree(records, account, &mut found)?;
        }
        found.n_accounts = accounts.len();
        Ok(())
    })?;
    Ok(found)
}

fn verify_chunks(store: &Store, records: &dyn Records, found: &mut Found) -> Result<(), StoreError> {
    records.chunks_behind(crate::store::blobs::Mark::default(), &mut |account, row| {
        found.n_chunks += 1;
        let problem = match store.packs.read(account, &row.hash, row.place) {
            _ if row.damaged => Some("was found damaged before".to_owned()),
            Ok(bytes) => problem_of(records, account, &row, &bytes),
            Err(error) => Some(crate::trouble::with_reasons(&error)),
        };
        if let Some(problem) = problem {
            found
                .damages
                .push(format!("account {} chunk {}: {problem}", account.0, row.hash));
        }
    })
}

fn problem_of(records: &dyn Records, account: AccountKey, row: &ChunkRow, stored: &[u8]) -> Option<String> {
    if !chunk::is_whole(row, stored) {
        return Some("the bytes are not what the name says".to_owned());
    }
    let parts = chunk::parts(row, stored)?;
    let is_missing = |part: &&common::list::Part| {
        let child = records.chunk(account, &part.hash);
        !child.is_ok_and(|child| child.is_some_and(|child| child.total_bytes == part.len_bytes))
    };
    parts
        .iter()
        .find(is_missing)
        .map(|part| format!("the list names {}, which is missing", part.hash))
}

fn verify_journal(records: &dyn Records, account: &AccountRow, found: &mut Found) -> Result<(), StoreError> {
    let (mut at, mut chain) = (Version::ZERO, Hash([0; 32]));
    loop {
        let page = records.entries(account.key, at, PAGE_MAX, PAGE_LEN)?;
        if page.is_empty() {
            break;
        }
        for stored in page {
            found.n_entries += 1;
            chain = chain_next(&chain, &stored.entry);
            let number = stored.entry.number;
            if number != at.next() || chain != stored.chain {
                found.damages.push(format!(
                    "account {} entry {number}: the chain is broken",
                    account.key.0
                ));
                chain = stored.chain;
            }
            at = number;
        }
    }
    if (at, chain) != (account.head, account.chain) {
        found.damages.push(format!(
            "account {}: the journal does not end where it should",
            account.key.0
        ));
    }
    Ok(())
}

fn verify_tree(records: &dyn Records, account: &AccountRow, found: &mut Found) -> Result<(), StoreError> {
    let mut now: BTreeMap<NodeId, (Version, Node)> = BTreeMap::new();
    records.tree(account.key, &mut |id, version, node| {
        now.insert(id, (version, node));
        true
    })?;
    let mut different = 0_usize;
    records.past_tree(account.key, account.head, &mut |id, version, node| {
        different += usize::from(now.remove(&id) != Some((version, node)));
        true
    })?;
    different += now.len();
    if different != 0 {
        found.damages.push(format!(
            "account {}: {different} nodes are not as the journal says",
            account.key.0
        ));
    }
    let mut problems = Vec::new();
    records.every_state(account.key, &mut |id, version, node| {
        let content = node.kind.file().map(|file| file.content);
        if let Some(content) = content
            && !records.has_content(account.key, &content).is_ok_and(|has| has)
        {
            problems.push(format!(
                "account {} node {id} version {version}: bytes are missing",
                account.key.0
            ));
        }
        true
    })?;
    found.damages.extend(problems);
    Ok(())
}
