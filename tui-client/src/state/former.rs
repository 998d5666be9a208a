//! The format before this one: a table for each of the three trees and one for the prints. It is read, and brought forward
//! in one transaction, so that after a crash the file is of the one format or of the other.

use rusqlite::{Connection, Row, params};
use std::sync::Arc;
use sync_engine::tree::Item;
use sync_engine::{Base, Node, NodeId, Sides, Version};

use super::error::Fault;
use super::{file, row};

/// Its number.
pub(super) const FORMAT: i64 = 1;
/// The tables that this format has not any more.
pub(super) const TABLES: &[(&str, &str)] = &[
    (
        "local",
        "CREATE TABLE local (id BLOB PRIMARY KEY, row BLOB NOT NULL) STRICT, WITHOUT ROWID",
    ),
    (
        "prints",
        "CREATE TABLE prints (id BLOB PRIMARY KEY, print BLOB NOT NULL) STRICT, WITHOUT ROWID",
    ),
    (
        "remote",
        "CREATE TABLE remote (id BLOB PRIMARY KEY, row BLOB NOT NULL) STRICT, WITHOUT ROWID",
    ),
    (
        "synced",
        "CREATE TABLE synced (id BLOB PRIMARY KEY, row BLOB NOT NULL) STRICT, WITHOUT ROWID",
    ),
];
/// All nodes that a tree has.
const ALL: &str = "SELECT id, remote.row, synced.row, local.row, print \
    FROM (SELECT id FROM remote UNION SELECT id FROM synced UNION SELECT id FROM local) \
    LEFT JOIN remote USING (id) LEFT JOIN synced USING (id) LEFT JOIN local USING (id) LEFT JOIN prints USING (id)";

/// Reads all nodes that a tree has, with their prints.
pub(super) fn read_nodes(
    connection: &Connection,
    mut each: impl FnMut(NodeId, Sides, Option<&[u8]>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut statement = connection.prepare(ALL)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id = NodeId(row.get(0)?);
        let remote = take(id, row, 1)?.map(|(node, version)| Item { node, version });
        let synced = take(id, row, 2)?.map(|(node, version)| Base { node, version });
        let local = take(id, row, 3)?.map(|(node, _)| node);
        let sides = Sides {
            remote,
            synced,
            local,
        };
        let print = row.get_ref(4)?.as_blob_or_null().map_err(rusqlite::Error::from)?;
        each(id, sides, print)?;
    }
    Ok(())
}

/// Takes what one tree has of a node.
fn take(id: NodeId, from: &Row<'_>, column: usize) -> Result<Option<(Arc<Node>, Version)>, Fault> {
    let bytes = from
        .get_ref(column)?
        .as_blob_or_null()
        .map_err(rusqlite::Error::from)?;
    let Some(bytes) = bytes else { return Ok(None) };
    let found = decode(id, bytes).ok_or_else(|| Fault::Damaged(format!("the row of node {id} is broken")))?;
    Ok(Some(found))
}

fn decode(id: NodeId, bytes: &[u8]) -> Option<(Arc<Node>, Version)> {
    let mut rest = row::unseal(&id.0, bytes)?;
    let node = row::take_node(&mut rest)?;
    let version = row::take_version(&mut rest)?;
    rest.is_empty().then(|| (Arc::new(node), version))
}

/// Makes a sound file of this format one of the present format, or changes nothing.
pub(super) fn bring_forward(connection: &Connection) -> Result<(), Fault> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute(file::NODES.1, [])?;
    let mut put = transaction.prepare("INSERT INTO nodes (id, row, print) VALUES (?1, ?2, ?3)")?;
    let mut buffer = Vec::new();
    read_nodes(connection, |id, sides, print| {
        row::encode(id, &sides, &mut buffer);
        put.execute(params![id.0, buffer, print])?;
        Ok(())
    })?;
    drop(put);
    for (table, _) in TABLES {
        transaction.execute(&format!("DROP TABLE {table}"), [])?;
    }
    file::set_format(&transaction)?;
    transaction.commit()?;
    tracing::info!("the memory is of the present format now");
    Ok(())
}
