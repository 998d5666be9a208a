//! What the columns of a row stand for.

use rusqlite::Row;
use rusqlite::types::ValueRef;
use sync_engine::{Entry, Hash, Name, Node, NodeId, Version};

use crate::store::blobs::{Mark, Place};
use crate::store::encoding::{decode_change, decode_state, state_of};
use crate::store::pack_file::encoding_of;
use crate::store::{AccountKey, AccountRow, ChunkRow, DeviceRow, StoredEntry};

/// Returns a number as SQLite keeps it; those beyond its range stand for its end.
pub(super) fn sql_number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Reads a number of ours.
pub(super) fn own_number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column)
        .map(|number| u64::try_from(number).unwrap_or(0))
}

/// Says that a column is damaged.
fn conversion(column: usize, what: &'static str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Blob, what.into())
}

/// Reads an account.
pub(super) fn account(row: &Row<'_>) -> rusqlite::Result<AccountRow> {
    Ok(AccountRow {
        key: AccountKey(row.get(0)?),
        head: Version(own_number(row, 1)?),
        chain: Hash(row.get(2)?),
        created_ms: own_number(row, 3)?,
        stored_bytes: own_number(row, 4)?,
        journal_bytes: own_number(row, 6)?,
        quota_bytes: row
            .get::<_, Option<i64>>(5)?
            .map(|number| u64::try_from(number).unwrap_or(0)),
    })
}

/// Reads a device.
pub(super) fn device(row: &Row<'_>) -> rusqlite::Result<DeviceRow> {
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

/// Reads an entry.
pub(super) fn stored_entry(row: &Row<'_>) -> rusqlite::Result<StoredEntry> {
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

/// Reads a place in the packs.
pub(super) fn mark(row: &Row<'_>) -> rusqlite::Result<Mark> {
    Ok(Mark {
        pack: row.get(0)?,
        len: own_number(row, 1)?,
    })
}

/// Reads a chunk or list.
pub(super) fn chunk(row: &Row<'_>) -> rusqlite::Result<ChunkRow> {
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
pub(super) fn node(row: &Row<'_>, column: usize) -> rusqlite::Result<(Version, Node)> {
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
pub(super) fn state(row: &Row<'_>, column: usize) -> rusqlite::Result<(Version, Option<Node>)> {
    if row.get_ref(column + 1)? == ValueRef::Null {
        return Ok((Version(own_number(row, column)?), None));
    }
    node(row, column).map(|(version, node)| (version, Some(node)))
}
