//! What comes from the server is planned for bit by bit.

use crate::device::policy;
use crate::user::{file, name};
use std::collections::BTreeSet;
use std::sync::Arc;
use sync_engine::tree::Item;
use sync_engine::{Kind, NameRules, Node, NodeId, Plan, Policy, Step, Trees, Version, complete, plan};

fn id(n: u8) -> NodeId {
    NodeId([n; 16])
}

/// Returns trees in which the server alone has something: numbers of nodes with their directories, names and kinds.
fn only_remote(nodes: &[(u8, NodeId, &str, Kind)]) -> Trees {
    let item = |(number, parent, called, kind): &(u8, NodeId, &str, Kind)| {
        let node = Arc::new(Node {
            parent: *parent,
            name: name(called),
            kind: kind.clone(),
            mark: None,
        });
        let version = Version(u64::from(*number));
        (id(*number), Some(Item { node, version }))
    };
    let mut trees = Trees::new();
    trees.edit_remote(nodes.iter().map(item).collect()).unwrap();
    trees
}

fn at_most(arrivals_max: usize) -> Policy {
    Policy {
        arrivals_max,
        ..policy(1)
    }
}

fn begun(plan: &Plan) -> Vec<NodeId> {
    plan.batches.iter().flatten().flat_map(Step::ids).collect()
}

#[test]
fn what_comes_is_planned_for_bit_by_bit_until_all_is_here() {
    let files: Vec<String> = (1..=9).map(|n| format!("f{n}")).collect();
    let nodes: Vec<_> = (1..=9)
        .map(|n| (n, NodeId::ROOT, files[usize::from(n) - 1].as_str(), file("x")))
        .collect();
    let mut trees = only_remote(&nodes);
    let policy = at_most(4);
    let mut sizes = Vec::new();
    loop {
        let plan = plan(&trees, &policy, &BTreeSet::new());
        if plan.is_empty() {
            break;
        }
        sizes.push((begun(&plan).len(), plan.is_partial));
        for step in plan.batches.into_iter().flatten() {
            complete(&mut trees, &step).unwrap();
        }
    }
    assert_eq!(sizes, [(4, true), (4, true), (1, false)]);
    assert_eq!(trees.n_unsettled(), 0);
}

#[test]
fn while_some_are_on_their_way_others_are_begun() {
    let nodes = [1, 2, 3].map(|n| (n, NodeId::ROOT, ["a", "b", "c"][usize::from(n) - 1], file("x")));
    let plan = plan(&only_remote(&nodes), &at_most(1), &BTreeSet::from([id(1)]));
    assert_eq!((begun(&plan), plan.is_partial), (vec![id(2)], true));
}

#[test]
fn what_is_chosen_comes_with_the_directories_that_it_is_in() {
    let nodes = [
        (1, id(9), "inside", file("x")),
        (5, NodeId::ROOT, "beside", file("x")),
        (9, NodeId::ROOT, "d", Kind::Dir),
    ];
    let plan = plan(&only_remote(&nodes), &at_most(1), &BTreeSet::new());
    assert_eq!((begun(&plan), plan.is_partial), (vec![id(9), id(1)], true));
}

#[test]
fn what_cannot_be_placed_does_not_hold_up_the_others() {
    let mut nodes: Vec<_> = (1..=40).map(|n| (n, id(99), "con", file("x"))).collect();
    let names: Vec<String> = (1..=40).map(|n| format!("con.{n}")).collect();
    for (node, called) in nodes.iter_mut().zip(&names) {
        (node.1, node.2) = (NodeId::ROOT, called);
    }
    nodes.push((50, NodeId::ROOT, "good", file("x")));
    let policy = Policy {
        names: NameRules::Windows,
        ..at_most(1)
    };
    let plan = plan(&only_remote(&nodes), &policy, &BTreeSet::new());
    assert_eq!((begun(&plan), plan.blocked.len()), (vec![id(50)], 40));
}

#[test]
fn a_name_that_something_put_off_will_have_is_not_given_to_another() {
    let mut nodes = vec![
        (7, NodeId::ROOT, "Name", file("older")),
        (2, NodeId::ROOT, "other", file("x")),
    ];
    nodes.push((1, NodeId::ROOT, "x", file("x")));
    let mut trees = only_remote(&nodes);
    // Now one whose id comes first is newer, and its name is the same to the disk.
    let newer = Arc::new(Node {
        parent: NodeId::ROOT,
        name: name("NAME"),
        kind: file("newer"),
        mark: None,
    });
    let version = Version(90);
    trees
        .edit_remote(vec![
            (id(0x10), None),
            (id(0x01), Some(Item { node: newer, version })),
        ])
        .unwrap();
    let policy = Policy {
        folding: sync_engine::Folding::Case,
        ..at_most(2)
    };
    let plan = plan(&trees, &policy, &BTreeSet::new());
    assert_eq!((begun(&plan), plan.is_partial), (vec![id(2)], true), "{plan:?}");
}
