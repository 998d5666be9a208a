//! What the client's memory costs when a folder of many small files is synchronised for the first time, and when the
//! client is started on it again. `cargo bench -p tui-client` runs it; the memory lies where `TMPDIR` says.

use std::path::PathBuf;
use std::sync::Arc;

use divan::Bencher;
use sync_engine::tree::Item;
use sync_engine::{Base, Content, FileState, Hash, Kind, Name, Node, NodeId, Sides, Version};
use tempfile::TempDir;
use tui_client::state::{Delta, STATE_NAME, State};

/// Files in the folder.
const N_FILES: u32 = 20_000;
/// Files in each directory.
const FILES_A_DIRECTORY: u32 = 100;
/// Nodes in each save.
const GROUP: usize = 256;
/// The length of a print as the driver writes it, in bytes.
const PRINT_LEN: usize = 56;

fn main() {
    divan::main();
}

/// Ids are random in earnest, so those that follow each other must not be neighbours here either.
fn id_of(number: u32) -> NodeId {
    let hash = Hash::of(&number.to_le_bytes());
    NodeId(*hash.0.first_chunk().expect("a hash is longer than an id"))
}

fn node(parent: NodeId, name: &str, kind: Kind) -> Arc<Node> {
    Arc::new(Node {
        parent,
        name: Name::try_from(name).expect("it is a legal name"),
        kind,
        mark: None,
    })
}

fn file(number: u32) -> Kind {
    let content = Content {
        hash: Hash::of(&number.to_be_bytes()),
        size_bytes: 5_000,
        depth: 0,
    };
    Kind::File(FileState {
        content,
        exec: false,
        mtime_ns: i64::from(number),
    })
}

/// All nodes, each directory before its files.
fn nodes() -> Vec<(NodeId, Arc<Node>)> {
    let n_dirs = N_FILES.div_ceil(FILES_A_DIRECTORY);
    let dir_id = |number| id_of(u32::MAX - number);
    let dirs = (0..n_dirs).map(|number| {
        let name = format!("d{number:07}");
        (dir_id(number), node(NodeId::ROOT, &name, Kind::Dir))
    });
    let files = (0..N_FILES).map(|number| {
        let name = format!("f{number:07}.txt");
        let parent = dir_id(number / FILES_A_DIRECTORY);
        (id_of(number), node(parent, &name, file(number)))
    });
    dirs.chain(files).collect()
}

/// A node that is the same in all three trees.
fn everywhere(node: &Arc<Node>, version: Version) -> Sides {
    let item = Item {
        node: Arc::clone(node),
        version,
    };
    let base = Base {
        node: Arc::clone(node),
        version,
    };
    Sides {
        remote: Some(item),
        synced: Some(base),
        local: Some(Arc::clone(node)),
    }
}

/// What is saved when nodes are found on the disk, in groups, and then when the server has taken them.
fn deltas() -> Vec<Delta> {
    let nodes = nodes();
    let found = |group: &[(NodeId, Arc<Node>)]| Delta {
        nodes: group
            .iter()
            .map(|(id, node)| {
                let sides = Sides {
                    local: Some(Arc::clone(node)),
                    ..Sides::default()
                };
                (*id, sides)
            })
            .collect(),
        prints: group
            .iter()
            .map(|(id, _)| (*id, Some(vec![id.0[0]; PRINT_LEN])))
            .collect(),
        ..Delta::default()
    };
    let version = Version(7);
    let taken = |group: &[(NodeId, Arc<Node>)]| Delta {
        nodes: group
            .iter()
            .map(|(id, node)| (*id, everywhere(node, version)))
            .collect(),
        ..Delta::default()
    };
    let groups = || nodes.chunks(GROUP);
    groups().map(found).chain(groups().map(taken)).collect()
}

/// A directory for a memory.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().expect("there is room for a memory"))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join(STATE_NAME)
    }

    fn save(self, deltas: &[Delta]) -> Self {
        let (mut state, _) = State::open(&self.path()).expect("it can be made");
        for delta in deltas {
            state.save(delta).expect("there is room for it");
        }
        state.finish().expect("there is room for it");
        self
    }
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn save(bencher: Bencher<'_, '_>) {
    let deltas = deltas();
    bencher
        .with_inputs(Place::new)
        .bench_local_values(|place| place.save(&deltas));
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn load(bencher: Bencher<'_, '_>) {
    let place = Place::new().save(&deltas());
    bencher.bench_local(|| State::open(&place.path()).expect("it is there"));
}
