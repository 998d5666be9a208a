//! Reading the memory: one pass over the nodes, in the order in which they lie in the file. What is the same in several
//! trees is read once and shared.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;
use sync_engine::tree::Item;
use sync_engine::{Base, Block, Generations, Hash, NodeId, Point, Sides, Trail, Tree, Trees, Version};

use super::error::Fault;
use super::{Facts, Loaded, Origin, Prints, file, former, row};
use crate::control::LogItem;

/// The key under which the facts are kept and sealed.
pub(super) const FACTS_KEY: &str = "facts";
/// The key under which the generations are kept and sealed.
pub(super) const BEGUN_KEY: &str = "generations";

/// Reads everything but the chunks, as of one moment.
pub(super) fn load(connection: &Connection, path: &Path, origin: Origin) -> Result<Loaded, Fault> {
    if origin != Origin::Kept {
        return Ok(Loaded::nothing(origin));
    }
    let moment = connection.unchecked_transaction()?;
    let (trees, prints) = load_nodes(connection)?;
    let loaded = Loaded {
        trees,
        prints,
        trail: load_trail(connection)?,
        facts: load_facts(connection)?,
        begun: load_begun(connection)?,
        feed: load_feed(connection)?,
        origin,
    };
    drop(moment);
    tracing::debug!(path = %path.display(), nodes = loaded.trees.local().len(), "the memory is read");
    Ok(loaded)
}

/// What the pass has gathered.
#[derive(Default)]
struct Gathered {
    remote: Vec<(NodeId, Option<Item>)>,
    synced: Vec<(NodeId, Base)>,
    local: Vec<(NodeId, Option<Item>)>,
    prints: Prints,
}

impl Gathered {
    fn add(&mut self, id: NodeId, sides: Sides, print: Option<&[u8]>) {
        let Sides {
            remote,
            synced,
            local,
        } = sides;
        if let Some(item) = remote {
            self.remote.push((id, Some(item)));
        }
        if let Some(base) = synced {
            self.synced.push((id, base));
        }
        if let Some(node) = local {
            let version = Version::ZERO;
            self.local.push((id, Some(Item { node, version })));
        }
        if let Some(print) = print {
            self.prints.push(id, print);
        }
    }
}

fn load_nodes(connection: &Connection) -> Result<(Trees, Prints), Fault> {
    let mut gathered = Gathered::default();
    let add = |id, sides, print: Option<&[u8]>| {
        gathered.add(id, sides, print);
        Ok(())
    };
    if file::format(connection)? == former::FORMAT {
        former::read_nodes(connection, add)?;
    } else {
        read_nodes(connection, add)?;
    }
    let Gathered {
        remote,
        synced,
        local,
        mut prints,
    } = gathered;
    let tree = |items| {
        let mut tree = Tree::new();
        let made = tree.edit(items).map(|()| tree);
        made.map_err(|error| Fault::Damaged(error.to_string()))
    };
    let (remote, local) = (tree(remote)?, tree(local)?);
    prints.sort();
    let synced = synced.into_iter().collect();
    let trees = Trees::restore(remote, synced, local, load_blocked(connection)?);
    Ok((trees, prints))
}

/// Reads all nodes, with their prints.
fn read_nodes(
    connection: &Connection,
    mut each: impl FnMut(NodeId, Sides, Option<&[u8]>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut statement = connection.prepare("SELECT rowid, id, row, print FROM nodes NOT INDEXED")?;
    let mut rows = statement.query([])?;
    let mut places = Vec::new();
    while let Some(row) = rows.next()? {
        let id = NodeId(row.get(1)?);
        let bytes = row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?;
        let sides = row::decode(id, bytes)
            .ok_or_else(|| Fault::Damaged(format!("the row of node {id} is broken")))?;
        places.push((id, row.get(0)?));
        let print = row.get_ref(3)?.as_blob_or_null().map_err(rusqlite::Error::from)?;
        each(id, sides, print)?;
    }
    places.sort_unstable();
    check_index(connection, &places)
}

/// Checks that each node is found by its id, and nothing else is: a row that is not found could be neither changed nor
/// forgotten. `places` are all rows in the order of the ids.
fn check_index(connection: &Connection, places: &[(NodeId, i64)]) -> Result<(), Fault> {
    let mut statement =
        connection.prepare("SELECT id, rowid FROM nodes INDEXED BY sqlite_autoindex_nodes_1 ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut places = places.iter();
    let mut is_sound = true;
    while let Some(row) = rows.next()? {
        is_sound &= places.next() == Some(&(NodeId(row.get(0)?), row.get(1)?));
    }
    if is_sound && places.len() == 0 {
        Ok(())
    } else {
        Err(Fault::Damaged("the index of its nodes is broken".into()))
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
    let Some(body) = load_sealed(connection, FACTS_KEY)? else {
        return Ok(Facts::default());
    };
    serde_json::from_slice(&body).map_err(|_| broken(FACTS_KEY))
}

fn load_begun(connection: &Connection) -> Result<Generations, Fault> {
    let body = load_sealed(connection, BEGUN_KEY)?;
    Ok(Generations::restore(&body.unwrap_or_default()))
}

fn load_sealed(connection: &Connection, key: &str) -> Result<Option<Vec<u8>>, Fault> {
    let mut statement = connection.prepare("SELECT value FROM meta WHERE key = ?1")?;
    let mut rows = statement.query([key])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let sealed = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
    let body = row::unseal(key.as_bytes(), sealed).ok_or_else(|| broken(key))?;
    Ok(Some(body.to_vec()))
}

fn broken(key: &str) -> Fault {
    Fault::Damaged(format!("its {key} are broken"))
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
