//! What the memory promises: it gives back what was saved, and damage is found and costs no more than itself.

mod damage;
mod former;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use proptest::prelude::*;
use sync_engine::node::ConflictCause;
use sync_engine::tree::Item;
use sync_engine::{
    Base, ConflictMark, Content, DeviceId, Epoch, FileState, Generations, Kind, Name, Node, Point, RelPath,
    Target, Trail, Tree, Version,
};
use tempfile::TempDir;

use super::*;
use crate::notice::ChangeKind;
use sync_engine::session::Burst;

struct Folder {
    dir: TempDir,
}

impl Folder {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join(STATE_NAME)
    }

    fn open(&self) -> (State, Loaded) {
        State::open(&self.path()).unwrap()
    }
}

fn id(number: u32) -> NodeId {
    let mut id = [7; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    NodeId(id)
}

fn node(parent: NodeId, name: &str, kind: Kind) -> Arc<Node> {
    Arc::new(Node {
        parent,
        name: Name::try_from(name).unwrap(),
        kind,
        mark: None,
    })
}

fn file(content: &[u8]) -> Kind {
    Kind::File(FileState {
        content: Content {
            hash: Hash::of(content),
            size_bytes: content.len() as u64,
            depth: 0,
        },
        exec: true,
        mtime_ns: -5,
    })
}

fn item(node: &Arc<Node>, version: u64) -> Option<Item> {
    Some(Item {
        node: Arc::clone(node),
        version: Version(version),
    })
}

fn base(node: &Arc<Node>, version: u64) -> Option<Base> {
    Some(Base {
        node: Arc::clone(node),
        version: Version(version),
    })
}

/// A node that is only on disk.
fn here(node: Arc<Node>) -> Sides {
    Sides {
        local: Some(node),
        ..Sides::default()
    }
}

fn log_item(number: u64) -> LogItem {
    LogItem {
        version: Version(number),
        time_ms: number,
        device: "tower".into(),
        kind: ChangeKind::Edited,
        path: RelPath::parse(b"a/b").unwrap(),
        size_bytes: Some(3),
    }
}

/// A delta that makes `n_nodes` nodes that are the same in all three trees.
fn synced_files(n_nodes: u32) -> Delta {
    let mut delta = Delta::default();
    for number in 0..n_nodes {
        let node = node(
            NodeId::ROOT,
            &format!("file-{number}"),
            file(&number.to_be_bytes()),
        );
        let version = u64::from(number) + 1;
        let sides = Sides {
            remote: item(&node, version),
            synced: base(&node, version),
            local: Some(node),
        };
        delta.nodes.push((id(number), sides));
        delta
            .prints
            .push((id(number), Some(number.to_be_bytes().repeat(16))));
    }
    delta
}

#[test]
fn a_new_folder_has_an_empty_memory() {
    let folder = Folder::new();
    let (_state, loaded) = folder.open();
    assert_eq!(loaded.origin, Origin::Fresh);
    assert_eq!(loaded.trees, Trees::new());
    assert_eq!(
        State::peek(&folder.dir.path().join("other.db"))
            .unwrap()
            .map(|_| ()),
        None
    );
}

#[test]
fn everything_saved_comes_back_after_a_clean_and_an_unclean_end() {
    let folder = Folder::new();
    let marked = Arc::new(Node {
        mark: Some(Arc::new(ConflictMark {
            with: id(1),
            base: Version(3),
            device: DeviceId([9; 16]),
            name: Name::new(b"caf\xe9").unwrap(),
            cause: ConflictCause::KindSwapped,
        })),
        ..(*node(id(2), "b (conflict)", file(b"mine"))).clone()
    });
    let dir = node(NodeId::ROOT, "dir", Kind::Dir);
    let link = node(id(2), "link", Kind::Symlink(Target::new(b"../\xff").unwrap()));
    let facts = Facts {
        cursor: Some(Cursor {
            epoch: Epoch([4; 16]),
            version: Version(9),
            chain: Hash::of(b"chain"),
        }),
        generation: [1; 16],
        protected_ms: Some(77),
        doubted: true,
        bursts: vec![Removed {
            burst: Burst {
                removals: 300,
                nodes: 301,
                device: DeviceId([3; 16]),
                first: Version(5),
                last: Version(8),
            },
            since_ms: 70,
            until_ms: None,
        }],
        put_back_ms: Some(78),
        boot: Some("a start".into()),
        has_ended: true,
        firm: 7,
        proven: 9,
    };
    let delta = Delta {
        nodes: vec![
            (
                id(2),
                Sides {
                    remote: item(&dir, 4),
                    synced: base(&dir, 2),
                    local: Some(Arc::clone(&dir)),
                },
            ),
            (
                id(3),
                Sides {
                    remote: item(&marked, 5),
                    ..Sides::default()
                },
            ),
            (id(4), here(Arc::clone(&link))),
        ],
        prints: vec![(id(2), Some(vec![1, 2])), (id(4), Some(vec![]))],
        blocked: vec![
            (id(4), Some(Block::NameClash(Name::new(b"LINK").unwrap()))),
            (id(5), Some(Block::Unreadable("denied".into()))),
        ],
        trail: vec![
            (Version(7), Some(Hash::of(b"seven"))),
            (Version(9), Some(Hash::of(b"nine"))),
            (Version(7), None),
        ],
        facts: Some(facts.clone()),
        begun: Some(Generations::restore(&[1; 32])),
        feed: vec![log_item(1), log_item(2)],
        ..Delta::default()
    };
    let (mut state, _) = folder.open();
    state.save(&delta).unwrap();
    state.finish().unwrap();
    let (state, loaded) = folder.open();
    assert_eq!(loaded.origin, Origin::Kept);
    drop(state);
    let (_state, again) = folder.open();
    for loaded in [loaded, again] {
        assert_eq!(loaded.trees.remote().item(id(3)), item(&marked, 5).as_ref());
        assert_eq!(loaded.trees.remote().item(id(2)), item(&dir, 4).as_ref());
        assert_eq!(loaded.trees.base(id(2)).unwrap().version, Version(2));
        assert_eq!(loaded.trees.local().item(id(4)), item(&link, 0).as_ref());
        assert_eq!(loaded.trees.local().item(id(2)), item(&dir, 0).as_ref());
        let shared = loaded.trees.local().node(id(2)).unwrap();
        assert!(Arc::ptr_eq(shared, loaded.trees.remote().node(id(2)).unwrap()));
        assert!(Arc::ptr_eq(shared, &loaded.trees.base(id(2)).unwrap().node));
        assert!(loaded.trees.unsettled().eq([id(3), id(4)]));
        assert_eq!(loaded.trees.blocked().len(), 2);
        assert!(loaded.prints.iter().eq([(id(2), &[1, 2][..]), (id(4), &[])]));
        let point = Point {
            version: Version(9),
            chain: Hash::of(b"nine"),
        };
        assert_eq!(loaded.trail, Trail::restore([point]));
        assert_eq!(loaded.facts, facts);
        assert_eq!(loaded.begun.to_bytes(), [1; 32]);
        assert_eq!(loaded.feed, [log_item(1), log_item(2)]);
    }
}

#[test]
fn the_last_of_several_changes_of_a_node_counts() {
    let folder = Folder::new();
    let (mut state, _) = folder.open();
    let [one, two] = ["one", "two"].map(|name| node(NodeId::ROOT, name, Kind::Dir));
    let delta = Delta {
        nodes: vec![
            (id(1), here(one)),
            (id(0), Sides::default()),
            (id(1), Sides::default()),
            (id(1), here(two)),
        ],
        ..Delta::default()
    };
    state.save(&delta).unwrap();
    drop(state);
    let (_state, loaded) = folder.open();
    assert_eq!(loaded.trees.local().path(id(1)).unwrap().to_bytes(), b"two");
}

#[test]
fn a_print_is_kept_as_long_as_a_tree_has_its_node() {
    let folder = Folder::new();
    let (mut state, _) = folder.open();
    let mut delta = synced_files(2);
    let sides = delta.nodes[0].1.clone();
    delta.prints.push((id(7), Some(vec![7])));
    state.save(&delta).unwrap();
    let only_remote = Sides {
        local: None,
        synced: None,
        ..sides.clone()
    };
    for (given, n_prints) in [(only_remote, 2), (Sides::default(), 1), (sides, 1)] {
        let delta = Delta {
            nodes: vec![(id(0), given)],
            ..Delta::default()
        };
        state.save(&delta).unwrap();
        let loaded = State::peek(&folder.path()).unwrap().unwrap();
        assert_eq!(loaded.prints.iter().count(), n_prints);
    }
}

#[test]
fn the_feed_keeps_the_newest_and_no_more() {
    let folder = Folder::new();
    let (mut state, _) = folder.open();
    for part in 0..3 {
        let feed = (0..700).map(|number| log_item(part * 700 + number)).collect();
        let delta = Delta {
            feed,
            ..Delta::default()
        };
        state.save(&delta).unwrap();
    }
    let loaded = State::peek(&folder.path()).unwrap().unwrap();
    assert_eq!(loaded.feed.len(), FEED_LEN_MAX);
    assert_eq!(loaded.feed.last(), Some(&log_item(2099)));
}

#[test]
fn a_chunk_is_found_until_its_file_is_forgotten() {
    let folder = Folder::new();
    let (mut state, _) = folder.open();
    let row = |byte: u8, offset| ChunkRow {
        hash: Hash([byte; 32]),
        offset,
        len: 70_000,
    };
    let mut delta = Delta {
        chunks: vec![
            (id(1), Some(vec![row(1, 0), row(2, 70_000)])),
            (id(2), Some(vec![row(2, 1 << 40)])),
        ],
        ..Delta::default()
    };
    state.save_durably(&delta).unwrap();
    let place = |node, offset| ChunkPlace {
        node,
        offset,
        len: 70_000,
    };
    assert_eq!(state.find_chunk(&Hash([1; 32])).unwrap(), Some(place(id(1), 0)));
    delta.chunks = vec![(id(1), Some(vec![row(3, 5)]))];
    state.save(&delta).unwrap();
    let hashes = [1, 2, 3, 4].map(|byte| Hash([byte; 32]));
    let expected = [None, Some(place(id(2), 1 << 40)), Some(place(id(1), 5)), None];
    assert_eq!(state.find_chunks(&hashes).unwrap(), expected);
    delta.chunks = vec![(id(1), None), (id(2), None)];
    state.save(&delta).unwrap();
    assert_eq!(state.find_chunks(&hashes).unwrap(), [None; 4]);
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let folder = Folder::new();
    folder.open().0.finish().unwrap();
    let connection = Connection::open(folder.path()).unwrap();
    connection.pragma_update(None, "user_version", 3).unwrap();
    drop(connection);
    let before = fs::read(folder.path()).unwrap();
    assert!(matches!(
        State::open(&folder.path()),
        Err(StateError::Newer { found: 3, .. })
    ));
    assert_eq!(fs::read(folder.path()).unwrap(), before);
    assert_eq!(fs::read_dir(folder.dir.path()).unwrap().count(), 1);
}

#[test]
fn a_strangers_trigger_is_never_run() {
    let folder = Folder::new();
    folder.open().0.finish().unwrap();
    let connection = Connection::open(folder.path()).unwrap();
    connection
        .execute(
            "CREATE TRIGGER t AFTER INSERT ON nodes BEGIN DELETE FROM trail; END",
            [],
        )
        .unwrap();
    drop(connection);
    assert!(folder.open().1.lost());
}

#[cfg(unix)]
#[test]
fn a_link_in_the_place_of_the_memory_is_not_followed() {
    let folder = Folder::new();
    let elsewhere = Folder::new();
    elsewhere.open().0.finish().unwrap();
    let before = fs::read(elsewhere.path()).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), folder.path()).unwrap();
    let (_state, loaded) = folder.open();
    assert!(loaded.lost());
    assert_eq!(fs::read(elsewhere.path()).unwrap(), before);
}

#[cfg(unix)]
#[test]
fn only_its_user_may_read_the_memory() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let (mut state, _) = folder.open();
    state.save(&synced_files(1)).unwrap();
    for entry in fs::read_dir(folder.dir.path()).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
}

/// What a step of the model test does to one node of one of the three trees.
fn any_step() -> impl Strategy<Value = (u8, u32, u32, u8)> {
    (0..5_u8, 0..8_u32, 0..5_u32, 0..4_u8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_series_of_deltas_comes_back_as_the_trees_that_it_made(
        deltas in prop::collection::vec(prop::collection::vec(any_step(), 1..12), 1..5),
    ) {
        let folder = Folder::new();
        let mut model = Trees::new();
        let mut prints = BTreeMap::new();
        for steps in deltas {
            let mut delta = Delta::default();
            for step in steps {
                apply(step, &mut model, &mut delta);
            }
            for (id, print) in &delta.prints {
                match print {
                    Some(print) => prints.insert(*id, print.clone()),
                    None => prints.remove(id),
                };
            }
            // The print of a node goes with it.
            prints.retain(|id, _| !model.sides(*id).is_empty());
            let (mut state, before) = folder.open();
            prop_assert_ne!(before.lost(), true);
            state.save(&delta).unwrap();
            drop(state);
            let (state, loaded) = folder.open();
            prop_assert_eq!(&loaded.trees, &model);
            let expected = prints.iter().map(|(id, print)| (*id, print.as_slice()));
            prop_assert!(loaded.prints.iter().eq(expected));
            state.finish().unwrap();
        }
    }
}

/// Makes a step in the model, if the trees allow it, and in the delta.
fn apply((what, number, parent, value): (u8, u32, u32, u8), model: &mut Trees, delta: &mut Delta) {
    let id = id(number + 1);
    let parent = if parent == 0 {
        NodeId::ROOT
    } else {
        self::id(parent)
    };
    let kind = match value {
        0 => None,
        1 => Some(Kind::Dir),
        2 => Some(file(b"two")),
        _ => Some(Kind::Symlink(Target::new(b"three").unwrap())),
    };
    let node = kind.map(|kind| node(parent, &format!("n{number}"), kind));
    let version = Version(u64::from(value) + 1);
    match what {
        // What is refused has changed nothing, and may be saved all the same.
        0 => drop(model.edit_remote(vec![(id, node.map(|node| Item { node, version }))])),
        1 => model.set_base(id, node.map(|node| Base { node, version })),
        2 => drop(model.edit_local(vec![(id, node)])),
        3 => {
            let block = node.map(|_| Block::Busy);
            model.set_block(id, block.clone());
            delta.blocked.push((id, block));
        }
        _ => delta.prints.push((id, node.map(|_| vec![value; 3]))),
    }
    if what < 3 {
        delta.nodes.push((id, model.sides(id)));
    }
}
