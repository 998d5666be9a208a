//! Reading records.

use rusqlite::types::{FromSql, ValueRef};
use rusqlite::{Connection, OptionalExtension, Params, Row, StatementStatus};
use std::collections::{HashMap, VecDeque};
use sync_engine::admit::Inside;
use sync_engine::{Bug, Entry, Epoch, Hash, Name, Node, NodeId, Version, planted};

use super::View;
use crate::store::blobs::{Mark, Place};
use crate::store::encoding::{decode_change, decode_state, state_number, state_of};
use crate::store::metadata::{Visit, VisitState};
use crate::store::pack_file::encoding_of;
use crate::store::{
    AccountKey, AccountRow, ChunkRow, ChunkState, DeviceRow, KeyHash, Records, StoreError, StoredEntry,
};

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// A node as it was found.
type Found = (NodeId, (Version, Node));

const ACCOUNT: &str = "SELECT account, head, chain, created_ms, stored_bytes, quota_bytes FROM account";
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

/// Returns a number as SQLite keeps it; those beyond its range stand for its end.
pub(super) fn sql_number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn own_number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column)
        .map(|number| u64::try_from(number).unwrap_or(0))
}

fn conversion(column: usize, what: &'static str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Blob, what.into())
}

fn account(row: &Row<'_>) -> rusqlite::Result<AccountRow> {
    Ok(AccountRow {
        key: AccountKey(row.get(0)?),
        head: Version(own_number(row, 1)?),
        chain: Hash(row.get(2)?),
        created_ms: own_number(row, 3)?,
        stored_bytes: own_number(row, 4)?,
        quota_bytes: row
            .get::<_, Option<i64>>(5)?
            .map(|number| u64::try_from(number).unwrap_or(0)),
    })
}

fn device(row: &Row<'_>) -> rusqlite::Result<DeviceRow> {
    Ok(DeviceRow {
        account: AccountKey(row.get(0)?),
        id: sync_engine::DeviceId(row.get(1)?),
        key: row.get(2)?,
        name: row.get(3)?,
        enrolled_ms: own_number(row, 4)?,
        seen_ms: own_number(row, 5)?,
        generation: row.get(6)?,
        next_generation: row.get(7)?,
        revoked: row.get(8)?,
    })
}

fn stored_entry(row: &Row<'_>) -> rusqlite::Result<StoredEntry> {
    let change = row.get_ref(3)?.as_blob()?;
    let len = change.len();
    let entry = Entry {
        number: Version(own_number(row, 0)?),
        device: sync_engine::DeviceId(row.get(1)?),
        time_ms: own_number(row, 2)?,
        change: decode_change(change).ok_or_else(|| conversion(3, "a damaged change"))?,
    };
    Ok(StoredEntry {
        entry,
        chain: Hash(row.get(4)?),
        len,
    })
}

fn mark(row: &Row<'_>) -> rusqlite::Result<Mark> {
    Ok(Mark {
        pack: row.get(0)?,
        len: own_number(row, 1)?,
    })
}

fn chunk(row: &Row<'_>) -> rusqlite::Result<ChunkRow> {
    Ok(ChunkRow {
        hash: Hash(row.get(0)?),
        depth: row.get(1)?,
        encoding: encoding_of(row.get(2)?).ok_or_else(|| conversion(2, "an unknown encoding"))?,
        plain_len: row.get(3)?,
        total_bytes: own_number(row, 4)?,
        place: Place {
            pack: row.get(5)?,
            offset: own_number(row, 6)?,
            stored_len: row.get(7)?,
        },
        state: state_of(row.get(8)?).ok_or_else(|| conversion(8, "a damaged state"))?,
    })
}

/// Reads a node from the columns version, parent, name, state, which begin at `column`.
fn node(row: &Row<'_>, column: usize) -> rusqlite::Result<(Version, Node)> {
    let name = Name::new(row.get_ref(column + 2)?.as_blob()?);
    let (kind, mark) = decode_state(row.get_ref(column + 3)?.as_blob()?)
        .ok_or_else(|| conversion(column + 3, "a damaged node"))?;
    let node = Node {
        parent: NodeId(row.get(column + 1)?),
        name: name.map_err(|_| conversion(column + 2, "a damaged name"))?,
        kind,
        mark,
    };
    Ok((Version(own_number(row, column)?), node))
}

/// Reads a node as [`node`] does; nothing if it was deleted.
fn state(row: &Row<'_>, column: usize) -> rusqlite::Result<(Version, Option<Node>)> {
    if row.get_ref(column + 1)? == ValueRef::Null {
        return Ok((Version(own_number(row, column)?), None));
    }
    node(row, column).map(|(version, node)| (version, Some(node)))
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

    fn visit_nodes(&self, sql: &str, params: impl Params, visit: Visit<'_>) -> Result<()> {
        let failed = || StoreError::sql("read a tree");
        let mut statement = self.0.prepare_cached(sql).map_err(failed())?;
        let mut rows = statement.query(params).map_err(failed())?;
        while let Some(row) = rows.next().map_err(failed())? {
            let id = NodeId(row.get(0).map_err(failed())?);
            let (version, node) = node(row, 1).map_err(failed())?;
            if !visit(id, version, node) {
                break;
            }
        }
        Ok(())
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
                levels: row.get(0)?,
                nodes: row.get(1)?,
            })
        })?;
        found.into_iter().next().ok_or_else(|| StoreError::Damaged {
            what: "the table of nodes".into(),
        })
    }

    fn tree(&self, account: AccountKey, visit: Visit<'_>) -> Result<()> {
        self.visit_nodes(TREE, (account.0, NodeId::ROOT.0), visit)
    }

    fn every_state(&self, account: AccountKey, visit: VisitState<'_>) -> Result<()> {
        let failed = || StoreError::sql("read the history");
        let mut statement = self.0.prepare_cached(EVERY_STATE).map_err(failed())?;
        let mut rows = statement.query([account.0]).map_err(failed())?;
        while let Some(row) = rows.next().map_err(failed())? {
            let id = NodeId(row.get(0).map_err(failed())?);
            let (version, node) = state(row, 1).map_err(failed())?;
            visit(id, version, node);
        }
        Ok(())
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
        let failed = || StoreError::sql("read the journal");
        let sql = format!("{ENTRY} WHERE account = ?1 AND number > ?2 ORDER BY number");
        let mut statement = self.0.prepare_cached(&sql).map_err(failed())?;
        let mut rows = statement
            .query((account.0, sql_number(after.0)))
            .map_err(failed())?;
        let mut entries: Vec<StoredEntry> = Vec::new();
        let mut len = 0;
        while entries.len() < n_max {
            let Some(row) = rows.next().map_err(failed())? else {
                break;
            };
            let next = stored_entry(row).map_err(failed())?;
            len += next.len;
            if len_max < len && !entries.is_empty() {
                break;
            }
            entries.push(next);
        }
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
    ) -> Result<Vec<Entry>> {
        let before = sql_number(before.0);
        let n_max = sql_number(n_max as u64);
        let found = if let Some(id) = node {
            let sql = format!(
                "{ENTRY} WHERE account = ?1 AND number IN (SELECT version FROM node_version
                 WHERE account = ?1 AND id = ?2 AND version < ?3 ORDER BY version DESC LIMIT ?4) ORDER BY number DESC"
            );
            self.all(&sql, (account.0, id.0, before, n_max), stored_entry)?
        } else {
            let sql = format!("{ENTRY} WHERE account = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3");
            self.all(&sql, (account.0, before, n_max), stored_entry)?
        };
        Ok(found.into_iter().map(|stored| stored.entry).collect())
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
        let failed = || StoreError::sql("read the chunks");
        let sql = format!("{CHUNK} WHERE (pack, offset) >= (?1, ?2) ORDER BY pack, offset");
        let mut statement = self.0.prepare_cached(&sql).map_err(failed())?;
        let mut rows = statement
            .query((mark.pack, sql_number(mark.len)))
            .map_err(failed())?;
        while let Some(row) = rows.next().map_err(failed())? {
            let account = AccountKey(row.get(9).map_err(failed())?);
            visit(account, chunk(row).map_err(failed())?);
        }
        Ok(())
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
