//! Changing records.

use rusqlite::{Params, params};
use sync_engine::{DeviceId, Entry, Epoch, Hash, Node, NodeId, Version};

use super::View;
use super::columns::sql_number;
use crate::store::blobs::Mark;
use crate::store::encoding::{encode_change, encode_state, state_number};
use crate::store::pack_file::encoding_number;
use crate::store::{
    AccountKey, CHUNK_LEN, ChunkRow, ChunkState, Draft, KeyHash, NewDevice, STATE_LEN, StoreError,
};

type Result<T, E = StoreError> = std::result::Result<T, E>;

impl View<'_> {
    /// Runs a statement and returns how many rows it changed.
    fn run(&self, sql: &str, params: impl Params) -> Result<usize> {
        self.connection()
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params))
            .map_err(StoreError::sql("be written"))
    }
}

impl Draft for View<'_> {
    fn whole_or_nothing(&self, part: &mut dyn FnMut() -> Result<bool>) -> Result<()> {
        self.run("SAVEPOINT part", [])?;
        // On an error the whole transaction is given up, and the part with it.
        if !part()? {
            self.run("ROLLBACK TO part", [])?;
        }
        self.run("RELEASE part", []).map(|_| ())
    }

    fn now_ms(&self) -> u64 {
        self.1.now_ms()
    }

    fn set_epoch(&self, epoch: Epoch) -> Result<()> {
        self.run("UPDATE store SET epoch = ?1", [epoch.0]).map(|_| ())
    }

    fn set_flushed(&self, mark: Mark) -> Result<()> {
        let sql = "UPDATE store SET flushed_pack = ?1, flushed_len = ?2";
        self.run(sql, (mark.pack, sql_number(mark.len))).map(|_| ())
    }

    fn add_account(&self, id_hash: &Hash, time_ms: u64) -> Result<AccountKey> {
        let sql = "INSERT INTO account (id_hash, head, chain, created_ms) VALUES (?1, 0, zeroblob(32), ?2)";
        self.run(sql, (id_hash.0, sql_number(time_ms)))?;
        Ok(AccountKey(self.connection().last_insert_rowid()))
    }

    fn set_account_id(&self, account: AccountKey, id_hash: &Hash) -> Result<()> {
        self.run(
            "UPDATE account SET id_hash = ?2 WHERE account = ?1",
            (account.0, id_hash.0),
        )
        .map(|_| ())
    }

    fn set_head(&self, account: AccountKey, head: Version, chain: &Hash, more_bytes: u64) -> Result<()> {
        let sql =
            "UPDATE account SET head = ?2, chain = ?3, journal_bytes = journal_bytes + ?4 WHERE account = ?1";
        self.run(
            sql,
            (account.0, sql_number(head.0), chain.0, sql_number(more_bytes)),
        )
        .map(|_| ())
    }

    fn add_device(&self, account: AccountKey, device: &NewDevice, time_ms: u64) -> Result<()> {
        let sql = "INSERT INTO device
            (account, id, key, name, enrolled_ms, seen_ms, generation, next_generation, revoked)
            VALUES (?1, ?2, ?3, ?4, ?5, ?5, zeroblob(16), ?6, 0)";
        let time_ms = sql_number(time_ms);
        let params = (
            account.0,
            device.id.0,
            device.key,
            &device.name,
            time_ms,
            device.next_generation,
        );
        self.run(sql, params).map(|_| ())
    }

    fn set_generation(&self, key: &KeyHash, current: &[u8; 16], next: &[u8; 16]) -> Result<()> {
        let sql = "UPDATE device SET generation = ?2, next_generation = ?3 WHERE key = ?1";
        self.run(sql, (key, current, next)).map(|_| ())
    }

    fn set_seen(&self, account: AccountKey, device: DeviceId, time_ms: u64) -> Result<()> {
        let sql = "UPDATE device SET seen_ms = ?3 WHERE account = ?1 AND id = ?2";
        self.run(sql, (account.0, device.0, sql_number(time_ms)))
            .map(|_| ())
    }

    fn rename_device(&self, account: AccountKey, device: DeviceId, name: &str) -> Result<bool> {
        let sql = "UPDATE device SET name = ?3 WHERE account = ?1 AND id = ?2";
        Ok(self.run(sql, (account.0, device.0, name))? == 1)
    }

    fn revoke_device(&self, account: AccountKey, device: DeviceId) -> Result<bool> {
        let sql = "UPDATE device SET revoked = 1 WHERE account = ?1 AND id = ?2";
        Ok(self.run(sql, (account.0, device.0))? == 1)
    }

    fn forget_device(&self, account: AccountKey, device: DeviceId) -> Result<()> {
        let sql = "DELETE FROM device WHERE account = ?1 AND id = ?2 AND revoked <> 0";
        self.run(sql, (account.0, device.0)).map(|_| ())
    }

    fn put_nodes(
        &self,
        account: AccountKey,
        version: Version,
        nodes: &[(NodeId, Option<Node>)],
    ) -> Result<u64> {
        let mut counted = 0;
        // First all names are given up, so that names can be swapped without passing through a taken one.
        if 1 < nodes.len() {
            for (id, _) in nodes {
                let sql = "UPDATE node SET parent = NULL WHERE account = ?1 AND id = ?2";
                self.run(sql, (account.0, id.0))?;
            }
        }
        for (id, node) in nodes {
            let parent = node.as_ref().map(|node| node.parent.0);
            let name = node.as_ref().map(|node| node.name.as_bytes());
            let state = node
                .as_ref()
                .map(|node| encode_state(&node.kind, node.mark.as_ref()));
            let len = name.map_or(0, <[u8]>::len) + state.as_ref().map_or(0, Vec::len);
            counted += STATE_LEN + 2 * len as u64;
            let params = params![account.0, id.0, sql_number(version.0), parent, name, state];
            let sql = "INSERT INTO node VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (account, id) DO UPDATE
                SET version = ?3, parent = ?4, name = ?5, state = ?6";
            self.run(sql, params)?;
            self.run("INSERT INTO node_version VALUES (?1, ?2, ?3, ?4, ?5, ?6)", params)?;
        }
        Ok(counted)
    }

    fn add_entry(&self, account: AccountKey, entry: &Entry, chain: &Hash) -> Result<usize> {
        let change = encode_change(&entry.change);
        let sql = "INSERT INTO entry VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let number = sql_number(entry.number.0);
        self.run(
            sql,
            (
                account.0,
                number,
                entry.device.0,
                sql_number(entry.time_ms),
                &change,
                chain.0,
            ),
        )?;
        Ok(change.len())
    }

    fn put_chunk(&self, account: AccountKey, chunk: &ChunkRow) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO chunk VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        let params = (
            account.0,
            chunk.hash.0,
            chunk.depth,
            encoding_number(chunk.encoding),
            chunk.plain_len,
            sql_number(chunk.total_bytes),
            chunk.place.pack,
            sql_number(chunk.place.offset),
            chunk.place.stored_len,
            state_number(chunk.state),
        );
        self.run(sql, params).map(|_| ())
    }

    fn set_chunk_state(&self, account: AccountKey, row: &ChunkRow, state: ChunkState) -> Result<()> {
        let sql = "UPDATE chunk SET state = ?5 WHERE account = ?1 AND hash = ?2 AND pack = ?3 AND offset = ?4
            AND (state <> ?7 OR ?6 = ?7)";
        let params = (
            account.0,
            row.hash.0,
            row.place.pack,
            sql_number(row.place.offset),
            state_number(state),
            state_number(row.state),
            state_number(ChunkState::Condemned),
        );
        self.run(sql, params).map(|_| ())
    }

    fn drop_chunk(&self, account: AccountKey, row: &ChunkRow) -> Result<()> {
        let sql = "DELETE FROM chunk WHERE account = ?1 AND hash = ?2 AND pack = ?3 AND offset = ?4
            AND (?5 <> ?6 OR state = ?6)";
        let params = (
            account.0,
            row.hash.0,
            row.place.pack,
            sql_number(row.place.offset),
            state_number(row.state),
            state_number(ChunkState::Condemned),
        );
        if self.run(sql, params)? == 0 {
            return Ok(());
        }
        let counted = CHUNK_LEN + u64::from(row.place.stored_len);
        self.add_stored(account, -sql_number(counted))
    }

    fn add_stored(&self, account: AccountKey, more_bytes: i64) -> Result<()> {
        let sql = "UPDATE account SET stored_bytes = stored_bytes + ?2 WHERE account = ?1";
        self.run(sql, (account.0, more_bytes)).map(|_| ())
    }

    fn set_quota(&self, account: AccountKey, quota_bytes: Option<u64>) -> Result<()> {
        let sql = "UPDATE account SET quota_bytes = ?2 WHERE account = ?1";
        self.run(sql, (account.0, quota_bytes.map(sql_number)))
            .map(|_| ())
    }

    fn set_thinned(&self, account: AccountKey, hash: &Hash, is_thinned: bool) -> Result<()> {
        let sql = if is_thinned {
            "INSERT OR IGNORE INTO thinned VALUES (?1, ?2)"
        } else {
            "DELETE FROM thinned WHERE account = ?1 AND hash = ?2"
        };
        self.run(sql, (account.0, hash.0)).map(|_| ())
    }

    fn set_pruned(&self, mark: Mark) -> Result<()> {
        let sql = "UPDATE store SET pruned_pack = ?1, pruned_len = ?2";
        self.run(sql, (mark.pack, sql_number(mark.len))).map(|_| ())
    }
}
