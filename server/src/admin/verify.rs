//! Reading everything that the store holds, and saying what is damaged: the database by its own check, every chunk by
//! its hash, every journal by its chain, every state and tree against the journal, every file by what it needs, and the
//! sums for the quota by counting anew. Chunks that are found damaged, and lists above what is gone, are noted as missing,
//! so that a device which has them is asked for them.

mod replay;

use std::collections::BTreeMap;
use sync_engine::{Node, NodeId, Version};

use crate::chunk;
use crate::damage::{self, Damage, all_here};
use crate::program::print_line;
use crate::store::{
    AccountKey, AccountRow, Blobs, ChunkRow, ChunkState, Durability, Metadata, Records, Store, StoreError,
};
use crate::trouble::Trouble;

/// What there is in a store.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What is damaged.
    pub(super) damages: Vec<String>,
    n_accounts: u64,
    n_chunks: u64,
    n_entries: u64,
    /// Chunks whose bytes are not what they should be, by account.
    broken: BTreeMap<AccountKey, Vec<ChunkRow>>,
    /// Lists that count as whole and name something that is not there.
    n_hollow: usize,
    /// Chunks that were noted as damaged, and whose bytes are right, and lists that lack nothing any more, by account.
    absolved: BTreeMap<AccountKey, Vec<ChunkRow>>,
}

/// A chunk or list that is not as it should be.
struct Suspect {
    account: AccountKey,
    row: ChunkRow,
    problem: String,
    fault: Fault,
}

/// What is to be done about it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It is noted already, or may be right the next time.
    Known,
    /// Its bytes are wrong.
    Damaged,
    /// It names what is not there.
    Hollow,
}

/// Reads everything.
pub(super) fn look(store: &Store) -> Result<Found, StoreError> {
    let mut found = Found {
        damages: store.metadata.check_itself()?,
        ..Found::default()
    };
    let mut suspects = Vec::new();
    store.metadata.read(|records| {
        verify_chunks(store, records, &mut found, &mut suspects)?;
        for account in records.accounts()? {
            found.n_accounts += 1;
            replay::verify(records, &account, &mut found)?;
            verify_tree(records, &account, &mut found)?;
            verify_sums(records, &account, &mut found)?;
        }
        Ok(())
    })?;
    store
        .metadata
        .read(|records| judge(records, suspects, &mut found))?;
    Ok(found)
}

/// Keeps of what was suspected what still is as it was: bytes that were dropped or came again while the store was read
/// are no damage.
fn judge(records: &dyn Records, suspects: Vec<Suspect>, found: &mut Found) -> Result<(), StoreError> {
    let mut damages = Vec::new();
    for Suspect {
        account,
        row,
        problem,
        fault,
    } in suspects
    {
        if records.chunk(account, &row.hash)? != Some(row) {
            continue;
        }
        damages.push(format!("account {} chunk {}: {problem}", account.0, row.hash));
        let broken = found.broken.entry(account).or_default();
        match fault {
            Fault::Known => (),
            Fault::Damaged => broken.push(row),
            Fault::Hollow => found.n_hollow += 1,
        }
    }
    damages.append(&mut found.damages);
    found.damages = damages;
    Ok(())
}

/// Notes in the store what was found.
pub(super) fn mend(store: &Store, found: Found) -> Result<(), StoreError> {
    absolve(store, &found.absolved)?;
    note(store, found.broken)
}

/// Verifies a store.
pub(super) fn verify(store: &Store) -> Result<(), Trouble> {
    let mut found = look(store).map_err(Trouble::from)?;
    let n_absolved: usize = found.absolved.values().map(Vec::len).sum();
    if n_absolved != 0 {
        absolve(store, &found.absolved).map_err(Trouble::from)?;
        print_line(&format!(
            "sound again: {n_absolved} chunks that were noted as damaged"
        ))?;
        found = look(store).map_err(Trouble::from)?;
    }
    for damage in &found.damages {
        print_line(&format!("damaged: {damage}"))?;
    }
    let n_damages = found.damages.len();
    print_line(&format!(
        "verified accounts={} entries={} chunks={} damages={n_damages}",
        found.n_accounts, found.n_entries, found.n_chunks
    ))?;
    if n_damages == 0 {
        return Ok(());
    }
    let n_broken = found.broken.values().map(Vec::len).sum::<usize>() + found.n_hollow;
    let done = match mend(store, found) {
        Ok(()) => {
            format!("{n_broken} chunks count as missing now; a damaged chunk is never sent to a device")
        }
        Err(error) => format!(
            "nothing was changed, since the store cannot be written ({}); a damaged chunk is never sent to a device",
            crate::trouble::with_reasons(&error)
        ),
    };
    Err(Trouble::new(
        format!("{n_damages} things in the store are damaged; they are named above"),
        done,
        "check the disk; let the devices connect, since they send what the server misses again; what they no longer \
         have, put back from a backup",
    ))
}

/// Notes which chunks are damaged, and which files are not whole for it.
fn note(store: &Store, broken: BTreeMap<AccountKey, Vec<ChunkRow>>) -> Result<(), StoreError> {
    for (account, rows) in broken {
        let find = |records: &dyn Records| Damage::find(records, &store.packs, account, rows);
        let damage = store.metadata.read(find)?;
        store
            .metadata
            .write(Durability::Flushed, |draft| damage.note(draft, &store.packs))?;
    }
    Ok(())
}

/// Takes chunks for whole that were noted as damaged and are not.
fn absolve(store: &Store, absolved: &BTreeMap<AccountKey, Vec<ChunkRow>>) -> Result<(), StoreError> {
    store.metadata.write(Durability::Flushed, |draft| {
        absolved
            .iter()
            .try_for_each(|(account, rows)| damage::absolve(draft, &store.packs, *account, rows))
    })
}

fn verify_chunks(
    store: &Store,
    records: &dyn Records,
    found: &mut Found,
    suspects: &mut Vec<Suspect>,
) -> Result<(), StoreError> {
    records.chunks_behind(crate::store::blobs::Mark::default(), &mut |account, row| {
        found.n_chunks += 1;
        let read = store.packs.read(account, &row.hash, row.place);
        let is_right = read.as_ref().is_ok_and(|stored| is_right(&row, stored));
        // What cannot be read for another reason may be readable the next time.
        let is_broken = match &read {
            Ok(_) => !is_right,
            Err(StoreError::File { source, .. }) => source.kind() == std::io::ErrorKind::NotFound,
            Err(error) => matches!(error, StoreError::Damaged { .. }),
        };
        let problem = match (row.state, read) {
            // Nothing needs it any more.
            (ChunkState::Condemned, _) => return,
            (ChunkState::Damaged, _) if is_right => {
                found.absolved.entry(account).or_default().push(row);
                return;
            }
            (ChunkState::Damaged, _) => Some("was found damaged before".to_owned()),
            (ChunkState::Incomplete, Ok(stored))
                if is_right && misses_parts(records, account, &row, &stored).is_none() =>
            {
                found.absolved.entry(account).or_default().push(row);
                return;
            }
            (ChunkState::Incomplete, _) => Some("something that the list names is damaged".to_owned()),
            (ChunkState::Whole, Ok(stored)) if is_right => misses_parts(records, account, &row, &stored),
            (ChunkState::Whole, Ok(_)) => Some("the bytes are not what the name says".to_owned()),
            (ChunkState::Whole, Err(error)) => Some(crate::trouble::with_reasons(&error)),
        };
        let fault = match row.is_here() {
            true if is_broken => Fault::Damaged,
            true if is_right => Fault::Hollow,
            true | false => Fault::Known,
        };
        suspects.extend(problem.map(|problem| Suspect {
            account,
            row,
            problem,
            fault,
        }));
    })
}

fn is_right(row: &ChunkRow, stored: &[u8]) -> bool {
    let is_counted = row.depth != 0 || row.total_bytes == u64::from(row.plain_len);
    is_counted && chunk::is_whole(row, stored)
}

fn misses_parts(records: &dyn Records, account: AccountKey, row: &ChunkRow, stored: &[u8]) -> Option<String> {
    if row.depth == 0 {
        return None;
    }
    let parts = chunk::parts(row, stored)?;
    let total_bytes: u64 = parts.iter().map(|part| part.len_bytes).sum();
    let is_whole = all_here(records, account, row, &parts).is_ok_and(|all| all);
    (!is_whole || total_bytes != row.total_bytes)
        .then(|| "something that the list names is missing".to_owned())
}

/// Verifies what is held against the quota.
fn verify_sums(records: &dyn Records, account: &AccountRow, found: &mut Found) -> Result<(), StoreError> {
    let (stored, journal) = records.sums(account.key)?;
    if (stored, journal) != (account.stored_bytes, account.journal_bytes) {
        found.damages.push(format!(
            "account {}: {} bytes count for its quota, and {} are noted",
            account.key.0,
            stored + journal,
            account.used_bytes()
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
    let mut problems = Vec::new();
    for (id, (version, node)) in &now {
        let content = node.kind.file().map(|file| file.content);
        if let Some(content) = content
            && !records.has_content(account.key, &content)?
            && records.is_thinned(account.key, &content.hash)?
        {
            problems.push(format!(
                "account {} node {id} version {version}: it is current, and its bytes were given up",
                account.key.0
            ));
        }
    }
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
    records.every_state(account.key, &mut |id, version, node| {
        let content = node
            .as_ref()
            .and_then(|node| node.kind.file())
            .map(|file| file.content);
        if let Some(content) = content
            && !records.has_content(account.key, &content).is_ok_and(|has| has)
            && !records.is_thinned(account.key, &content.hash).is_ok_and(|is| is)
        {
            problems.push(format!(
                "account {} node {id} version {version}: bytes are missing",
                account.key.0
            ));
        }
    })?;
    found.damages.extend(problems);
    Ok(())
}
