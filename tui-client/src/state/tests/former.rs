//! A memory of the former format: it is read as it is, and brought forward without a loss.

use super::*;
use crate::state::{former, row};

/// Writes a row as the former format has it.
fn encode(id: NodeId, node: &Node, version: Version) -> Vec<u8> {
    let mut row = Vec::new();
    row::put_node(node, &mut row);
    row.extend_from_slice(&version.0.to_le_bytes());
    let seal = row::seal(&id.0, &row);
    row.extend_from_slice(&seal);
    row
}

/// Makes a file of the former format out of one of this.
fn make_former(folder: &Folder) {
    let (state, loaded) = folder.open();
    let put = |table: &str, column: &str, id: NodeId, value: Vec<u8>| {
        let text = format!("INSERT INTO {table} (id, {column}) VALUES (?1, ?2)");
        state.connection.execute(&text, (id.0, value)).unwrap();
    };
    for (_, text) in former::TABLES {
        state.connection.execute(text, []).unwrap();
    }
    for (id, item) in loaded.trees.remote().iter() {
        put("remote", "row", id, encode(id, &item.node, item.version));
    }
    for (id, base) in loaded.trees.bases() {
        put("synced", "row", id, encode(id, &base.node, base.version));
    }
    for (id, item) in loaded.trees.local().iter() {
        put("local", "row", id, encode(id, &item.node, item.version));
    }
    for (id, print) in loaded.prints.iter() {
        put("prints", "print", id, print.to_vec());
    }
    state.connection.execute("DROP TABLE nodes", []).unwrap();
    state
        .connection
        .pragma_update(None, "user_version", former::FORMAT)
        .unwrap();
    state.finish().unwrap();
}

/// A folder whose memory has all that there can be: settled, changed on one side, on both, and gone from one.
fn many_sided() -> Folder {
    let folder = Folder::new();
    let mut delta = synced_files(30);
    let edited = |number: u32, by: &[u8]| node(NodeId::ROOT, &format!("file-{number}"), file(by));
    delta.nodes[3].1.local = Some(edited(3, b"here"));
    delta.nodes[4].1.remote = item(&edited(4, b"there"), 90);
    delta.nodes[5].1.local = Some(edited(5, b"here"));
    delta.nodes[5].1.remote = item(&edited(5, b"there"), 91);
    delta.nodes[6].1.remote = None;
    delta.nodes[7].1.local = None;
    delta.nodes[8].1.synced = None;
    delta.nodes[9].1.synced = base(&edited(9, b"before"), 2);
    delta.prints.truncate(20);
    delta.blocked = vec![(id(11), Some(Block::Busy))];
    delta.trail = vec![(Version(91), Some(Hash::of(b"chain")))];
    delta.facts = Some(Facts {
        protected_ms: Some(5),
        ..Facts::default()
    });
    delta.feed = vec![log_item(1)];
    let (mut state, _) = folder.open();
    state.save(&delta).unwrap();
    state.finish().unwrap();
    folder
}

fn assert_same(found: &Loaded, expected: &Loaded) {
    assert_eq!(found.origin, Origin::Kept);
    assert_eq!(found.trees, expected.trees);
    assert!(found.prints.iter().eq(expected.prints.iter()));
    assert_eq!(found.trail, expected.trail);
    assert_eq!(found.facts, expected.facts);
    assert_eq!(found.feed, expected.feed);
}

#[test]
fn a_memory_of_the_former_format_is_brought_forward_whole() {
    let folder = many_sided();
    let expected = State::peek(&folder.path()).unwrap().unwrap();
    make_former(&folder);
    let before = fs::read(folder.path()).unwrap();
    // Who only looks changes nothing.
    assert_same(&State::peek(&folder.path()).unwrap().unwrap(), &expected);
    assert_eq!(fs::read(folder.path()).unwrap(), before);
    let (state, loaded) = folder.open();
    assert_same(&loaded, &expected);
    let shared = loaded.trees.local().node(id(1)).unwrap();
    assert!(Arc::ptr_eq(shared, loaded.trees.remote().node(id(1)).unwrap()));
    assert!(Arc::ptr_eq(shared, &loaded.trees.base(id(1)).unwrap().node));
    state.finish().unwrap();
    assert_same(&folder.open().1, &expected);
}

#[test]
fn a_damaged_memory_of_the_former_format_is_lost_and_replaced() {
    let folder = many_sided();
    make_former(&folder);
    let connection = Connection::open(folder.path()).unwrap();
    let flip = "UPDATE synced SET row = zeroblob(length(row)) WHERE id = ?1";
    connection.execute(flip, [id(12).0]).unwrap();
    drop(connection);
    assert!(matches!(
        State::peek(&folder.path()),
        Err(StateError::StillDamaged { .. })
    ));
    let (state, loaded) = folder.open();
    assert!(loaded.lost());
    assert_eq!(loaded.trees, Trees::new());
    state.finish().unwrap();
    assert_eq!(folder.open().1.origin, Origin::Kept);
}
