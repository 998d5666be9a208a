//! Reading records.

use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension, Params, Row, StatementStatus};
use std::collections::{HashMap, VecDeque};
use sync_engine::admit::Inside;
use sync_engine::{Bug, Entry, Epoch, Hash, Name, Node, NodeId, Version, planted};

use super::View;
use super::columns::{account, chunk, device, mark, node, own_number, sql_number, state, stored_entry};
use crate::store::blobs::Mark;
use crate::store::encoding::state_number;
use crate::store::metadata::{PlaceOf, Visit, VisitState};
use crate::store::{
    AccountKey, AccountRow, CHUNK_LEN, ChunkRow, ChunkState, DeviceRow, ENTRY_LEN, KeyHash, Records,
    STATE_LEN, StoreError, StoredEntry,
};

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// A node as it was found.
type Found = (NodeId, (Version, Node));

const ACCOUNT: &str =
    "SELECT account, head, chain, created_ms, stored_bytes, quota_bytes, journal_bytes FROM account";
const DEVICE: &str =
    "SELECT account, id, key, name, enrolled_ms, seen_ms, generation, next_generation, revoked FROM device";
const ENTRY: &str = "SELECT number, device, time_ms, change, chain FROM entry";
const CHUNK: &str = "SELECT hash, depth, encoding, plain_len, total_bytes, pack, offset, stored_len, state, account FROM chunk";
/// The queue of a recursive query is first in, first out: parents come before children. Left alone, the database would
/// look through the whole account for the children of each node.
const TREE: &str = "
WITH RECURSIVE tree (id, version, parent, name, state) AS (
    SELECT id, version, parent, name, state FROM node INDEXED BY node_place WHERE account = ?1 AND parent = ?2
    UNION ALL
    SELECT node.id, node.version, node.parent, node.name, node.state
    FROM tree CROSS JOIN node INDEXED BY node_place ON node.account = ?1 AND node.parent = tree.id
)
SELECT id, version, parent, name, state FROM tree";
/// The queue of this one too is first in, first out, so the last level is the deepest.
const INSIDE: &str = "
WITH RECURSIVE inside (id, level) AS (
    SELECT id, 1 FROM node INDEXED BY node_place WHERE account = ?1 AND parent = ?2
    UNION ALL
    SELECT node.id, inside.level + 1
    FROM inside CROSS JOIN node INDEXED BY node_place ON node.account = ?1 AND node.parent = inside.id
    LIMIT ?3
)
SELECT coalesce(max(level), 0), count(*) FROM inside";
const EVERY_STATE: &str = "
SELECT id, version, parent, name, state FROM node_version WHERE account = ?1 ORDER BY id, version";
const PAST_TREE: &str = "
SELECT id, version, parent, name, state FROM node_version AS this
WHERE account = ?1 AND parent IS NOT NULL AND version = (
    SELECT max(version) FROM node_version WHERE account = ?1 AND id = this.id AND version <= ?2)";

/// Returns the question for what an account's chunks count, and what all else of it counts.
pub(in crate::store) fn sums_sql(account: &str) -> String {
    format!(
        "SELECT (SELECT coalesce(sum(stored_len + {CHUNK_LEN}), 0) FROM chunk WHERE account = {account}),
        (SELECT coalesce(sum(length(change) + {ENTRY_LEN}), 0) FROM entry WHERE account = {account})
        + (SELECT coalesce(sum({STATE_LEN} + 2 * coalesce(length(name) + length(state), 0)), 0)
           FROM node_version WHERE account = {account})"
    )
}

impl View<'_> {
    pub(super) fn connection(&self) -> &Connection {
        self.0
    }

    fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        let asked = self.0.prepare_cached(sql).and_then(|mut statement| {
            let found = statement.query_row(params, read).optional();
            // Whoever looks for one thing among many must not look at all of them.
            let n_scanned = statement.reset_status(StatementStatus::FullscanStep);
            debug_assert!(n_scanned <= 1 || planted(Bug::ForeignChunks), "{sql}");
            found
        });
        asked.map_err(StoreError::sql("be read"))
    }

    fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        self.0
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_map(params, read)?.collect())
            .map_err(StoreError::sql("be read"))
    }

    /// Reads rows as long as somebody takes them.
    fn each<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
        take: &mut dyn FnMut(T) -> bool,
    ) -> Result<()> {
        let failed = || StoreError::sql("be read");
        let mut statement = self.0.prepare_cached(sql).map_err(failed())?;
        let mut rows = statement.query(params).map_err(failed())?;
        while let Some(row) = rows.next().map_err(failed())? {
            if !take(read(row).map_err(failed())?) {
                break;
            }
        }
        Ok(())
    }

    fn visit_nodes(&self, sql: &str, params: impl Params, visit: Visit<'_>) -> Result<()> {
        let read = |row: &Row<'_>| Ok((NodeId(row.get(0)?), node(row, 1)?));
        self.each(sql, params, read, &mut |(id, (version, node)): Found| {
            visit(id, version, node)
        })
    }

    fn value<T: FromSql>(&self, sql: &str, params: impl Params) -> Result<Option<T>> {
        self.one(sql, params, |row| row.get(0))
    }
}

impl Records for View<'_> {
    fn epoch(&self) -> Result<Epoch> {
        let epoch = self.value("SELECT epoch FROM store", [])?;
        epoch.map(Epoch).ok_or_else(|| StoreError::Damaged {
            what: "the store's epoch".into(),
        })
    }

    fn flushed(&self) -> Result<Mark> {
        let found = self.one("SELECT flushed_pack, flushed_len FROM store", [], mark)?;
        Ok(found.unwrap_or_default())
    }

    fn accounts(&self) -> Result<Vec<AccountRow>> {
        self.all(&format!("{ACCOUNT} ORDER BY account"), [], account)
    }

    fn account(&self, key: AccountKey) -> Result<Option<AccountRow>> {
        self.one(&format!("{ACCOUNT} WHERE account = ?1"), [key.0], account)
    }

    fn sums(&self, key: AccountKey) -> Result<(u64, u64)> {
        let found = self.all(&sums_sql("?1"), [key.0], |row| {
            Ok((own_number(row, 0)?, own_number(row, 1)?))
        })?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    fn account_by_id(&self, id_hash: &Hash) -> Result<Option<AccountRow>> {
        self.one(&format!("{ACCOUNT} WHERE id_hash = ?1"), [id_hash.0], account)
    }

    fn device_by_key(&self, key: &KeyHash) -> Result<Option<DeviceRow>> {
        self.one(&format!("{DEVICE} WHERE key = ?1"), [key], device)
    }

    fn devices(&self, account: AccountKey) -> Result<Vec<DeviceRow>> {
        self.all(
            &format!("{DEVICE} WHERE account = ?1 ORDER BY ordinal"),
            [account.0],
            device,
        )
    }

    fn item(&self, account: AccountKey, id: NodeId) -> Result<Option<(Version, Node)>> {
        let sql = "SELECT version, parent, name, state FROM node WHERE account = ?1 AND id = ?2 AND parent IS NOT NULL";
        self.one(sql, (account.0, id.0), |row| node(row, 0))
    }

    fn id_used(&self, account: AccountKey, id: NodeId) -> Result<bool> {
        let sql = "SELECT 1 FROM node WHERE account = ?1 AND id = ?2";
        Ok(self.value::<i64>(sql, (account.0, id.0))?.is_some())
    }

    fn child(&self, account: AccountKey, parent: NodeId, name: &Name) -> Result<Option<NodeId>> {
        let sql = "SELECT id FROM node WHERE account = ?1 AND parent = ?2 AND name = ?3";
        Ok(self
            .value(sql, (account.0, parent.0, name.as_bytes()))?
            .map(NodeId))
    }

    fn has_children(&self, account: AccountKey, parent: NodeId) -> Result<bool> {
        let sql = "SELECT 1 FROM node WHERE account = ?1 AND parent = ?2 LIMIT 1";
        Ok(self.value::<i64>(sql, (account.0, parent.0))?.is_some())
    }

    fn inside(&self, account: AccountKey, id: NodeId, n_max: usize) -> Result<Inside> {
        let params = (account.0, id.0, sql_number(n_max as u64));
        let found = self.all(INSIDE, params, |row| {
            Ok(Inside {
                levels: row.get::<_, u32>(0)? as usize,
                nodes: row.get::<_, u32>(1)? as usize,
            })
        })?;
        found.into_iter().next().ok_or_else(|| StoreError::Damaged {
            what: "the table of nodes".into(),
        })
    }

    fn tree(&self, account: AccountKey, visit: Visit<'_>) -> Result<()> {
        self.visit_nodes(TREE, (account.0, NodeId::ROOT.0), visit)
    }

    fn places(&self, account: AccountKey, at: Option<Version>) -> Result<Vec<PlaceOf>> {
        let place = |row: &Row<'_>| {
            Ok(PlaceOf {
                id: NodeId(row.get(0)?),
                version: Version(own_number(row, 1)?),
                parent: NodeId(row.get(2)?),
            })
        };
        match at {
            None => {
                let sql = "SELECT id, version, parent FROM node WHERE account = ?1 AND parent IS NOT NULL";
                self.all(sql, [account.0], place)
            }
            Some(at) => self.all(PAST_TREE, (account.0, sql_number(at.0)), place),
        }
    }

    fn every_state(&self, account: AccountKey, visit: VisitState<'_>) -> Result<()> {
        let read = |row: &Row<'_>| Ok((NodeId(row.get(0)?), state(row, 1)?));
        self.each(EVERY_STATE, [account.0], read, &mut |(id, (version, node))| {
            visit(id, version, node);
            true
        })
    }

    fn state_after(&self, account: AccountKey, id: NodeId, entry: Version) -> Result<Option<Option<Node>>> {
        let sql = "SELECT version, parent, name, state FROM node_version
            WHERE account = ?1 AND id = ?2 AND version = ?3";
        self.one(sql, (account.0, id.0, sql_number(entry.0)), |row| state(row, 0))
            .map(|found| found.map(|(_, node)| node))
    }

    fn state_at(
        &self,
        account: AccountKey,
        id: NodeId,
        at: Version,
    ) -> Result<Option<(Version, Option<Node>)>> {
        let sql = "SELECT version, parent, name, state FROM node_version
            WHERE account = ?1 AND id = ?2 AND version <= ?3 ORDER BY version DESC LIMIT 1";
        self.one(sql, (account.0, id.0, sql_number(at.0)), |row| state(row, 0))
    }

    fn past_tree(&self, account: AccountKey, at: Version, visit: Visit<'_>) -> Result<()> {
        let nodes = self.all(PAST_TREE, (account.0, sql_number(at.0)), |row| {
            Ok((NodeId(row.get(0)?), node(row, 1)?))
        })?;
        let mut children: HashMap<NodeId, Vec<Found>> = HashMap::new();
        for (id, item) in nodes {
            children.entry(item.1.parent).or_default().push((id, item));
        }
        let mut parents = VecDeque::from([NodeId::ROOT]);
        while let Some(parent) = parents.pop_front() {
            for (id, (version, node)) in children.remove(&parent).unwrap_or_default() {
                parents.push_back(id);
                if !visit(id, version, node) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn entries(
        &self,
        account: AccountKey,
        after: Version,
        n_max: usize,
        len_max: usize,
    ) -> Result<Vec<StoredEntry>> {
        let sql = format!("{ENTRY} WHERE account = ?1 AND number > ?2 ORDER BY number");
        let mut entries: Vec<StoredEntry> = Vec::new();
        let mut len = 0;
        let params = (account.0, sql_number(after.0));
        self.each(&sql, params, stored_entry, &mut |next| {
            len += next.len;
            let is_full = len_max < len && !entries.is_empty();
            if !is_full {
                entries.push(next);
            }
            !is_full && entries.len() < n_max
        })?;
        Ok(entries)
    }

    fn chain(&self, account: AccountKey, at: Version) -> Result<Option<Hash>> {
        if at == Version::ZERO {
            return Ok(Some(Hash([0; 32])));
        }
        let sql = "SELECT chain FROM entry WHERE account = ?1 AND number = ?2";
        Ok(self.value(sql, (account.0, sql_number(at.0)))?.map(Hash))
    }

    fn log(
        &self,
        account: AccountKey,
        node: Option<NodeId>,
        before: Version,
        n_max: usize,
        len_max: usize,
    ) -> Result<(Vec<Entry>, bool)> {
        let before = sql_number(before.0);
        let n_asked = sql_number(n_max as u64 + 1);
        let mut found: Vec<Entry> = Vec::new();
        let (mut len, mut more) = (0, false);
        let mut take = |next: StoredEntry| {
            len += next.len;
            more = n_max <= found.len() || (len_max < len && !found.is_empty());
            if !more {
                found.push(next.entry);
            }
            !more
        };
        if let Some(id) = node {
            let sql = format!(
                "{ENTRY} WHERE account = ?1 AND number IN (SELECT version FROM node_version
                 WHERE account = ?1 AND id = ?2 AND version < ?3 ORDER BY version DESC LIMIT ?4) ORDER BY number DESC"
            );
            self.each(&sql, (account.0, id.0, before, n_asked), stored_entry, &mut take)?;
        } else {
            let sql = format!("{ENTRY} WHERE account = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3");
            self.each(&sql, (account.0, before, n_asked), stored_entry, &mut take)?;
        }
        Ok((found, more))
    }

    fn version_at(&self, account: AccountKey, time_ms: u64) -> Result<Version> {
        let sql =
            "SELECT number FROM entry WHERE account = ?1 AND time_ms <= ?2 ORDER BY number DESC LIMIT 1";
        let found = self.one(sql, (account.0, sql_number(time_ms)), |row| own_number(row, 0))?;
        Ok(Version(found.unwrap_or(0)))
    }

    fn chunk(&self, account: AccountKey, hash: &Hash) -> Result<Option<ChunkRow>> {
        let whose = if planted(Bug::ForeignChunks) {
            "?1 = ?1"
        } else {
            "account = ?1"
        };
        let sql = format!("{CHUNK} WHERE {whose} AND hash = ?2");
        self.one(&sql, (account.0, hash.0), chunk)
    }

    fn chunks_behind(&self, mark: Mark, visit: &mut dyn FnMut(AccountKey, ChunkRow)) -> Result<()> {
        let sql = format!("{CHUNK} WHERE (pack, offset) >= (?1, ?2) ORDER BY pack, offset");
        let params = (mark.pack, sql_number(mark.len));
        let read = |row: &Row<'_>| Ok((AccountKey(row.get(9)?), chunk(row)?));
        self.each(&sql, params, read, &mut |(account, row)| {
            visit(account, row);
            true
        })
    }

    fn chunks_of(&self, account: AccountKey, visit: &mut dyn FnMut(ChunkRow)) -> Result<()> {
        let failed = || StoreError::sql("read the chunks");
        let sql = format!("{CHUNK} WHERE account = ?1");
        let mut statement = self.0.prepare_cached(&sql).map_err(failed())?;
        let mut rows = statement.query([account.0]).map_err(failed())?;
        while let Some(row) = rows.next().map_err(failed())? {
            visit(chunk(row).map_err(failed())?);
        }
        Ok(())
    }

    fn end_of_chunks(&self) -> Result<Mark> {
        let sql = format!("{CHUNK} ORDER BY pack DESC, offset DESC LIMIT 1");
        Ok(self
            .one(&sql, [], chunk)?
            .map_or(Mark::default(), |row| row.end()))
    }

    fn lists(&self, account: AccountKey) -> Result<Vec<ChunkRow>> {
        self.all(
            &format!("{CHUNK} WHERE account = ?1 AND 0 < depth ORDER BY depth"),
            [account.0],
            chunk,
        )
    }

    fn chunks_in(&self, account: AccountKey, state: ChunkState) -> Result<Vec<ChunkRow>> {
        self.all(
            &format!("{CHUNK} WHERE account = ?1 AND state <> 0 AND state = ?2 ORDER BY depth"),
            (account.0, state_number(state)),
            chunk,
        )
    }

    fn entry_times(&self, account: AccountKey) -> Result<Vec<u64>> {
        let sql = "SELECT time_ms FROM entry WHERE account = ?1 ORDER BY number";
        self.all(sql, [account.0], |row| own_number(row, 0))
    }

    fn is_thinned(&self, account: AccountKey, hash: &Hash) -> Result<bool> {
        let sql = "SELECT 1 FROM thinned WHERE account = ?1 AND hash = ?2";
        Ok(self.value::<i64>(sql, (account.0, hash.0))?.is_some())
    }

    fn has_thinned(&self, account: AccountKey) -> Result<bool> {
        let sql = "SELECT 1 FROM thinned WHERE account = ?1 LIMIT 1";
        Ok(self.value::<i64>(sql, [account.0])?.is_some())
    }

    fn pruned(&self) -> Result<Mark> {
        let found = self.one("SELECT pruned_pack, pruned_len FROM store", [], mark)?;
        Ok(found.unwrap_or_default())
    }

    fn lacking(&self, account: AccountKey, n_max: usize) -> Result<Vec<Hash>> {
        let sql = "SELECT hash FROM chunk WHERE account = ?1 AND state <> 0 AND state IN (?2, ?3) LIMIT ?4";
        let [damaged, incomplete] = [ChunkState::Damaged, ChunkState::Incomplete].map(state_number);
        let params = (account.0, damaged, incomplete, sql_number(n_max as u64));
        self.all(sql, params, |row| row.get(0).map(Hash))
    }
}
