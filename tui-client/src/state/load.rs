//! Reading the memory: one walk over the three trees side by side, in the order of the ids, so that what is the same in
//! several of them is read once and shared.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, Rows};
use sync_engine::tree::Item;
use sync_engine::{Base, Block, Hash, Node, NodeId, Point, Trail, Tree, Trees, Version};

use super::error::Fault;
use super::{Facts, Loaded, Origin, row};
use crate::control::LogItem;

/// The key under which the facts are kept and sealed.
pub(super) const FACTS_KEY: &str = "facts";

/// Reads everything but the chunks, as of one moment.
pub(super) fn load(connection: &Connection, path: &Path, origin: Origin) -> Result<Loaded, Fault> {
    if origin != Origin::Kept {
        return Ok(Loaded::nothing(origin));
    }
    let moment = connection.unchecked_transaction()?;
    let loaded = Loaded {
        trees: load_trees(connection)?,
        prints: load_prints(connection)?,
        trail: load_trail(connection)?,
        facts: load_facts(connection)?,
        feed: load_feed(connection)?,
        origin,
    };
    drop(moment);
    tracing::debug!(path = %path.display(), nodes = loaded.trees.local().len(), "the memory is read");
    Ok(loaded)
}

/// What the walk has gathered.
#[derive(Default)]
struct Gathered {
    remote: Vec<(NodeId, Option<Item>)>,
    synced: Vec<(NodeId, Base)>,
    local: Vec<(NodeId, Option<Item>)>,
}

fn load_trees(connection: &Connection) -> Result<Trees, Fault> {
    let mut statements = ["remote", "synced", "local"]
        .map(|table| connection.prepare_cached(&format!("SELECT id, row FROM {table} ORDER BY id")));
    let mut walks = Vec::with_capacity(3);
    for statement in &mut statements {
        match statement {
            Ok(statement) => walks.push(Walk::start(statement)?),
            Err(_) => return Err(Fault::Damaged("a tree cannot be read".into())),
        }
    }
    let mut gathered = Gathered::default();
    let [remote, synced, local] = &mut walks[..] else {
        return Err(Fault::Damaged("a tree is missing".into()));
    };
    while let Some(id) = [remote.at, synced.at, local.at].into_iter().flatten().min() {
        gather(id, [remote, synced, local], &mut gathered)?;
    }
    let invalid = |error: sync_engine::TreeError| Fault::Damaged(error.to_string());
    let mut remote = Tree::new();
    remote.edit(gathered.remote).map_err(invalid)?;
    let mut local = Tree::new();
    local.edit(gathered.local).map_err(invalid)?;
    let synced = gathered.synced.into_iter().collect();
    Ok(Trees::restore(remote, synced, local, load_blocked(connection)?))
}

/// Takes what the three trees have of one node.
fn gather(id: NodeId, walks: [&mut Walk<'_>; 3], into: &mut Gathered) -> Result<(), Fault> {
    let [remote, synced, local] = walks;
    let remote_item = remote.take(id, &[])?;
    let base_item = synced.take(id, &[(&remote.row, remote_item.as_ref())])?;
    let local_item = local.take(
        id,
        &[
            (&remote.row, remote_item.as_ref()),
            (&synced.row, base_item.as_ref()),
        ],
    )?;
    if let Some(item) = local_item {
        let version = Version::ZERO;
        into.local.push((id, Some(Item { version, ..item })));
    }
    if let Some(Item { node, version }) = base_item {
        into.synced.push((id, Base { node, version }));
    }
    if let Some(item) = remote_item {
        into.remote.push((id, Some(item)));
    }
    for walk in [remote, synced, local] {
        if walk.at == Some(id) {
            walk.advance()?;
        }
    }
    Ok(())
}

/// A walk over one table: the row that it stands at.
struct Walk<'s> {
    rows: Rows<'s>,
    at: Option<NodeId>,
    row: Vec<u8>,
}

impl<'s> Walk<'s> {
    fn start(statement: &'s mut CachedStatement<'_>) -> Result<Self, Fault> {
        let mut walk = Self {
            rows: statement.query([])?,
            at: None,
            row: Vec::new(),
        };
        walk.advance()?;
        Ok(walk)
    }

    fn advance(&mut self) -> Result<(), Fault> {
        self.row.clear();
        self.at = match self.rows.next()? {
            Some(row) => {
                let bytes = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
                self.row.extend_from_slice(bytes);
                Some(NodeId(row.get(0)?))
            }
            None => None,
        };
        Ok(())
    }

    /// Returns what this table has of a node. `others` are rows of the same node with what they were read as.
    fn take(&self, id: NodeId, others: &[(&Vec<u8>, Option<&Item>)]) -> Result<Option<Item>, Fault> {
        if self.at != Some(id) {
            return Ok(None);
        }
        let damaged = || Fault::Damaged(format!("the row of node {id} is broken"));
        let node_bytes = row::node_bytes(&self.row).ok_or_else(damaged)?;
        for (row, item) in others {
            let Some(item) = item else { continue };
            if **row == self.row {
                return Ok(Some((*item).clone()));
            }
            // The other row was found whole, so these bytes of a node are too. Only the version is still to be read.
            if row::node_bytes(row) == Some(node_bytes) {
                let version = row::version(id, &self.row).ok_or_else(damaged)?;
                let node = Arc::clone(&item.node);
                return Ok(Some(Item { node, version }));
            }
        }
        let (node, version) = row::decode(id, &self.row).ok_or_else(damaged)?;
        Ok(Some(Item {
            node: Arc::<Node>::new(node),
            version,
        }))
    }
}

fn load_blocked(connection: &Connection) -> Result<BTreeMap<NodeId, Block>, Fault> {
    let mut statement = connection.prepare("SELECT id, block FROM blocked")?;
    let mut rows = statement.query([])?;
    let mut blocked = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let id = NodeId(row.get(0)?);
        let text = row.get_ref(1)?.as_bytes().map_err(rusqlite::Error::from)?;
        let block = serde_json::from_slice(text)
            .map_err(|_| Fault::Damaged(format!("the block of node {id} is broken")))?;
        blocked.insert(id, block);
    }
    Ok(blocked)
}

fn load_prints(connection: &Connection) -> Result<Vec<(NodeId, Vec<u8>)>, Fault> {
    let mut statement = connection.prepare("SELECT id, print FROM prints ORDER BY id")?;
    let prints = statement.query_map([], |row| Ok((NodeId(row.get(0)?), row.get(1)?)))?;
    Ok(prints.collect::<Result<_, _>>()?)
}

/// Reads the trail. A point that is damaged is no point of the server's journal, which is found when the two are compared.
fn load_trail(connection: &Connection) -> Result<Trail, Fault> {
    let mut statement = connection.prepare("SELECT number, chain FROM trail")?;
    let points = statement.query_map([], |row| {
        let number: i64 = row.get(0)?;
        Ok(Point {
            version: Version(number.cast_unsigned()),
            chain: Hash(row.get(1)?),
        })
    })?;
    Ok(Trail::restore(points.collect::<Result<Vec<_>, _>>()?))
}

fn load_facts(connection: &Connection) -> Result<Facts, Fault> {
    let mut statement = connection.prepare("SELECT value FROM meta WHERE key = ?1")?;
    let mut rows = statement.query([FACTS_KEY])?;
    let Some(row) = rows.next()? else {
        return Ok(Facts::default());
    };
    let sealed = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
    row::unseal(FACTS_KEY.as_bytes(), sealed)
        .and_then(|body| serde_json::from_slice(body).ok())
        .ok_or_else(|| Fault::Damaged("its facts are broken".into()))
}

/// Reads the feed. It is shown and decides nothing, so an item that cannot be read is passed over.
fn load_feed(connection: &Connection) -> Result<Vec<LogItem>, Fault> {
    let mut statement = connection.prepare("SELECT item FROM feed ORDER BY number")?;
    let mut rows = statement.query([])?;
    let mut feed = Vec::new();
    while let Some(row) = rows.next()? {
        let text = row.get_ref(0)?.as_bytes().map_err(rusqlite::Error::from)?;
        feed.extend(serde_json::from_slice::<LogItem>(text));
    }
    Ok(feed)
}
