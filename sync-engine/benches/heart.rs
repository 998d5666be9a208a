//! How the heart's work grows with a folder. `cargo bench -p sync-engine` runs it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use divan::{Bencher, black_box, black_box_drop};
use sync_engine::chain::{CHAIN_START, chain_next};
use sync_engine::plan::{Folding, NameRules, Plan, Policy, Removals, plan};
use sync_engine::tree::Item;
use sync_engine::{
    Base, Change, Content, DeviceId, Entry, FileState, Hash, Kind, Name, Node, NodeId, PackedMap, Tree,
    Trees, Version,
};

/// Files in a folder.
const SIZES: [u32; 3] = [10_000, 100_000, 1_000_000];
/// Files in each directory.
const FILES_A_DIRECTORY: u32 = 100;
/// Files that something has happened to.
const N_CHANGED: u32 = 100;

fn main() {
    divan::main();
}

fn policy() -> Policy {
    Policy {
        device: DeviceId([1; 16]),
        device_name: "bench".into(),
        date: (2026, 11, 22),
        names: NameRules::Unix,
        folding: Folding::None,
        has_symlinks: true,
        has_exec_bits: true,
        cursor: Version(1),
        removals: Removals::default(),
        arrivals_max: usize::MAX,
    }
}

/// Ids are random in earnest, so those that follow each other must not be neighbours here either.
fn id_of(number: u32) -> NodeId {
    let hash = Hash::of(&number.to_le_bytes());
    NodeId(*hash.0.first_chunk().expect("a hash is longer than an id"))
}

fn file(number: u32) -> Node {
    let content = Content {
        hash: Hash::of(&number.to_be_bytes()),
        size_bytes: 5_000,
        depth: 0,
    };
    Node {
        parent: id_of(u32::MAX - number / FILES_A_DIRECTORY),
        name: Name::new(format!("f{number:07}.txt").as_bytes()).expect("it is a legal name"),
        kind: Kind::File(FileState {
            content,
            exec: false,
            mtime_ns: i64::from(number),
        }),
        mark: None,
    }
}

fn dir(number: u32) -> Node {
    Node {
        parent: NodeId::ROOT,
        name: Name::new(format!("d{number:07}").as_bytes()).expect("it is a legal name"),
        kind: Kind::Dir,
        mark: None,
    }
}

/// The directories of a folder with so many files, and then the files.
fn nodes(n_files: u32) -> Vec<(NodeId, Arc<Node>)> {
    let dirs = (0..n_files.div_ceil(FILES_A_DIRECTORY)).map(|number| (id_of(u32::MAX - number), dir(number)));
    let files = (0..n_files).map(|number| (id_of(number), file(number)));
    dirs.chain(files).map(|(id, node)| (id, Arc::new(node))).collect()
}

fn tree(nodes: &[(NodeId, Arc<Node>)]) -> Tree {
    let version = Version(1);
    let item = |node: &Arc<Node>| Item {
        node: node.clone(),
        version,
    };
    let mut tree = Tree::new();
    let edits = nodes.iter().map(|(id, node)| (*id, Some(item(node))));
    tree.edit(edits).expect("it is a valid tree");
    tree
}

/// A folder in which some files were edited, and all else is settled.
fn edited(n_files: u32) -> Trees {
    let nodes = nodes(n_files);
    let version = Version(1);
    let base = |(id, node): &(NodeId, Arc<Node>)| {
        let node = node.clone();
        (*id, Base { node, version })
    };
    let bases = nodes.iter().map(base).collect();
    let mut trees = Trees::restore(tree(&nodes), bases, tree(&nodes), BTreeMap::new());
    let edits = (0..N_CHANGED).map(|number| {
        let kind = file(n_files + number).kind;
        let node = Node { kind, ..file(number) };
        (id_of(number), Some(Arc::new(node)))
    });
    trees.edit_local(edits.collect()).expect("the edits fit");
    trees
}

/// A folder of which the server knows nothing yet.
fn unknown(n_files: u32) -> Trees {
    Trees::restore(
        Tree::new(),
        PackedMap::default(),
        tree(&nodes(n_files)),
        BTreeMap::new(),
    )
}

/// A folder of which the disk has nothing yet.
fn to_come(n_files: u32) -> Trees {
    Trees::restore(
        tree(&nodes(n_files)),
        PackedMap::default(),
        Tree::new(),
        BTreeMap::new(),
    )
}

/// A call of its own, so that its instructions can be counted: see docs/performance.md.
#[inline(never)]
fn planned(trees: &Trees, policy: &Policy, busy: &BTreeSet<NodeId>) -> Plan {
    plan(black_box(trees), policy, busy)
}

#[divan::bench(args = SIZES, sample_count = 10, sample_size = 1)]
fn a_plan_of_100_edits(bencher: Bencher<'_, '_>, n_files: u32) {
    let (trees, policy, busy) = (edited(n_files), policy(), BTreeSet::new());
    bencher.bench_local(|| black_box_drop(planned(&trees, &policy, &busy)));
}

#[divan::bench(args = SIZES, sample_count = 10, sample_size = 1)]
fn a_plan_of_100_files_while_all_others_are_under_way(bencher: Bencher<'_, '_>, n_files: u32) {
    let (trees, policy) = (unknown(n_files), policy());
    let busy = trees.unsettled().skip(N_CHANGED as usize).collect();
    bencher.bench_local(|| black_box_drop(planned(&trees, &policy, &busy)));
}

#[divan::bench(args = SIZES, sample_count = 3, sample_size = 1)]
fn a_plan_of_all(bencher: Bencher<'_, '_>, n_files: u32) {
    let (trees, policy, busy) = (unknown(n_files), policy(), BTreeSet::new());
    bencher.bench_local(|| black_box_drop(planned(&trees, &policy, &busy)));
}

#[divan::bench(args = SIZES, sample_count = 3, sample_size = 1)]
fn a_plan_of_all_that_is_to_come(bencher: Bencher<'_, '_>, n_files: u32) {
    let (trees, policy, busy) = (to_come(n_files), policy(), BTreeSet::new());
    bencher.bench_local(|| black_box_drop(planned(&trees, &policy, &busy)));
}

#[divan::bench(args = SIZES, sample_count = 3, sample_size = 1)]
fn a_tree_made_of_all_its_nodes(bencher: Bencher<'_, '_>, n_files: u32) {
    let nodes = nodes(n_files);
    bencher.bench_local(|| black_box_drop(tree(black_box(&nodes))));
}

#[divan::bench]
fn the_chain_over_one_entry(bencher: Bencher<'_, '_>) {
    let entry = Entry {
        number: Version(1),
        device: DeviceId([1; 16]),
        time_ms: 0,
        change: Change::Create {
            id: id_of(1),
            node: file(1),
        },
    };
    bencher.bench_local(|| chain_next(black_box(&CHAIN_START), black_box(&entry)));
}
