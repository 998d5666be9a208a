//! Writing the memory: one transaction for each delta, through statements that are prepared once, in the order of the
//! ids, so that many rows cost few pages.

use rusqlite::{CachedStatement, Connection, Transaction, TransactionBehavior, params};
use sync_engine::{NodeId, Version};

use super::load::FACTS_KEY;
use super::{ChunkRow, Delta, FEED_LEN_MAX, row};

/// Saves a delta, all or nothing.
pub(super) fn save(connection: &mut Connection, delta: &Delta) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if delta.forget_remote {
        transaction.execute("DELETE FROM remote", [])?;
    }
    if delta.forget_bases {
        transaction.execute("DELETE FROM synced", [])?;
    }
    let mut buffer = Vec::with_capacity(256);
    Table::open(&transaction, "remote", "row")?.put_all(&delta.remote, &mut buffer, |id, item, into| {
        row::encode(id, &item.node, item.version, into);
    })?;
    Table::open(&transaction, "synced", "row")?.put_all(&delta.synced, &mut buffer, |id, base, into| {
        row::encode(id, &base.node, base.version, into);
    })?;
    Table::open(&transaction, "local", "row")?.put_all(&delta.local, &mut buffer, |id, node, into| {
        row::encode(id, node, Version::ZERO, into);
    })?;
    Table::open(&transaction, "prints", "print")?.put_all(&delta.prints, &mut buffer, |_, print, into| {
        into.clear();
        into.extend_from_slice(print);
    })?;
    save_blocked(&transaction, delta)?;
    save_chunks(&transaction, delta)?;
    save_trail(&transaction, delta)?;
    save_facts(&transaction, delta)?;
    save_feed(&transaction, delta)?;
    transaction.commit()
}

/// A table of one value for each node.
struct Table<'t> {
    put: CachedStatement<'t>,
    forget: CachedStatement<'t>,
}

impl<'t> Table<'t> {
    fn open(transaction: &'t Transaction<'_>, table: &str, column: &str) -> rusqlite::Result<Self> {
        let put = format!(
            "INSERT INTO {table} (id, {column}) VALUES (?1, ?2) \
             ON CONFLICT (id) DO UPDATE SET {column} = excluded.{column}"
        );
        Ok(Self {
            put: transaction.prepare_cached(&put)?,
            forget: transaction.prepare_cached(&format!("DELETE FROM {table} WHERE id = ?1"))?,
        })
    }

    fn put_all<T>(
        &mut self,
        changes: &[(NodeId, Option<T>)],
        buffer: &mut Vec<u8>,
        encode: impl Fn(NodeId, &T, &mut Vec<u8>),
    ) -> rusqlite::Result<()> {
        for (id, value) in in_order(changes) {
            match value {
                Some(value) => {
                    encode(id, value, buffer);
                    self.put.execute(params![id.0, buffer.as_slice()])?;
                }
                None => {
                    self.forget.execute([id.0])?;
                }
            }
        }
        Ok(())
    }
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
    let Some(facts) = &delta.facts else { return Ok(()) };
    let mut sealed = to_json(facts).into_bytes();
    let seal = row::seal(FACTS_KEY.as_bytes(), &sealed);
    sealed.extend_from_slice(&seal);
    transaction
        .prepare_cached("INSERT OR REPLACE INTO meta VALUES (?1, ?2)")?
        .execute(params![FACTS_KEY, sealed])?;
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
