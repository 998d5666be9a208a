//! Writing the memory: one transaction for each delta, through statements that are prepared once, in the order of the
//! ids, so that many rows cost few pages.

use std::collections::BTreeMap;

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use sync_engine::{NodeId, Sides};

use super::load::{BEGUN_KEY, FACTS_KEY};
use super::{ChunkRow, Delta, FEED_LEN_MAX, row};

/// Saves a delta, all or nothing.
pub(super) fn save(connection: &mut Connection, delta: &Delta) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    save_nodes(&transaction, delta)?;
    save_blocked(&transaction, delta)?;
    save_chunks(&transaction, delta)?;
    save_trail(&transaction, delta)?;
    save_facts(&transaction, delta)?;
    save_begun(&transaction, delta)?;
    save_feed(&transaction, delta)?;
    transaction.commit()
}

/// What is to be done to one row.
#[derive(Default)]
struct Change<'d> {
    sides: Option<&'d Sides>,
    print: Option<Option<&'d [u8]>>,
}

/// Writes each node that has changed once, by one statement.
fn save_nodes(transaction: &Transaction<'_>, delta: &Delta) -> rusqlite::Result<()> {
    let mut changes: BTreeMap<NodeId, Change<'_>> = BTreeMap::new();
    for (id, sides) in &delta.nodes {
        changes.entry(*id).or_default().sides = Some(sides);
    }
    for (id, print) in &delta.prints {
        changes.entry(*id).or_default().print = Some(print.as_deref());
    }
    let mut put = transaction.prepare_cached(
        "INSERT INTO nodes (id, row, print) VALUES (?1, ?2, ?3) \
         ON CONFLICT (id) DO UPDATE SET row = excluded.row, print = excluded.print",
    )?;
    let mut put_sides = transaction.prepare_cached(
        "INSERT INTO nodes (id, row) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET row = excluded.row",
    )?;
    let mut put_print = transaction.prepare_cached("UPDATE nodes SET print = ?2 WHERE id = ?1")?;
    let mut forget = transaction.prepare_cached("DELETE FROM nodes WHERE id = ?1")?;
    let mut buffer = Vec::with_capacity(256);
    for (id, Change { sides, print }) in changes {
        if let Some(sides) = sides {
            row::encode(id, sides, &mut buffer);
        }
        match (sides, print) {
            (Some(sides), _) if sides.is_empty() => forget.execute([id.0])?,
            (Some(_), Some(print)) => put.execute(params![id.0, buffer.as_slice(), print])?,
            (Some(_), None) => put_sides.execute(params![id.0, buffer.as_slice()])?,
            (None, Some(print)) => put_print.execute(params![id.0, print])?,
            (None, None) => 0,
        };
    }
    Ok(())
}

/// Sorts changes by id. The sort is stable: of several for one node the last still comes last.
fn in_order<T>(changes: &[(NodeId, Option<T>)]) -> Vec<(NodeId, Option<&T>)> {
    let mut sorted: Vec<_> = changes.iter().map(|(id, value)| (*id, value.as_ref())).collect();
    sorted.sort_by_key(|(id, _)| *id);
    sorted
}

fn save_blocked(transaction: &Transaction<'_>, delta: &Delta) -> rusqlite::Result<()> {
    for (id, block) in in_order(&delta.blocked) {
        match block {
            Some(block) => transaction
                .prepare_cached("INSERT OR REPLACE INTO blocked VALUES (?1, ?2)")?
                .execute(params![id.0, to_json(block)])?,
            None => transaction
                .prepare_cached("DELETE FROM blocked WHERE id = ?1")?
                .execute([id.0])?,
        };
    }
    Ok(())
}

fn save_chunks(transaction: &Transaction<'_>, delta: &Delta) -> rusqlite::Result<()> {
    let mut forget = transaction.prepare_cached("DELETE FROM chunks WHERE node = ?1")?;
    let mut put = transaction.prepare_cached("INSERT OR REPLACE INTO chunks VALUES (?1, ?2, ?3, ?4)")?;
    for (id, rows) in in_order(&delta.chunks) {
        forget.execute([id.0])?;
        for ChunkRow { hash, offset, len } in rows.into_iter().flatten() {
            put.execute(params![id.0, offset.cast_signed(), len, hash.0])?;
        }
    }
    Ok(())
}

fn save_trail(transaction: &Transaction<'_>, delta: &Delta) -> rusqlite::Result<()> {
    let mut put = transaction.prepare_cached("INSERT OR REPLACE INTO trail VALUES (?1, ?2)")?;
    let mut forget = transaction.prepare_cached("DELETE FROM trail WHERE number = ?1")?;
    for (version, chain) in &delta.trail {
        let number = version.0.cast_signed();
        match chain {
            Some(chain) => put.execute(params![number, chain.0])?,
            None => forget.execute([number])?,
        };
    }
    Ok(())
}

fn save_facts(transaction: &Transaction<'_>, delta: &Delta) -> rusqlite::Result<()> {
    match &delta.facts {
        Some(facts) => save_sealed(transaction, FACTS_KEY, to_json(facts).into_bytes()),
        None => Ok(()),
    }
}

fn save_begun(transaction: &Transaction<'_>, delta: &Delta) -> rusqlite::Result<()> {
    match &delta.begun {
        Some(begun) => save_sealed(transaction, BEGUN_KEY, begun.to_bytes()),
        None => Ok(()),
    }
}

fn save_sealed(transaction: &Transaction<'_>, key: &str, mut sealed: Vec<u8>) -> rusqlite::Result<()> {
    let seal = row::seal(key.as_bytes(), &sealed);
    sealed.extend_from_slice(&seal);
    transaction
        .prepare_cached("INSERT OR REPLACE INTO meta VALUES (?1, ?2)")?
        .execute(params![key, sealed])?;
    Ok(())
}

fn save_feed(transaction: &Transaction<'_>, delta: &Delta) -> rusqlite::Result<()> {
    if delta.feed.is_empty() {
        return Ok(());
    }
    let newest = delta.feed.len().saturating_sub(FEED_LEN_MAX);
    let mut put = transaction.prepare_cached("INSERT INTO feed (item) VALUES (?1)")?;
    for item in &delta.feed[newest..] {
        put.execute([to_json(item)])?;
    }
    transaction
        .prepare_cached("DELETE FROM feed WHERE number <= (SELECT max(number) FROM feed) - ?1")?
        .execute([i64::try_from(FEED_LEN_MAX).unwrap_or(i64::MAX)])?;
    Ok(())
}

fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("these values have text keys and finite numbers")
}
