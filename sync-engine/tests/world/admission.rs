//! Any changes at all, right or wrong, against the server's admission.

use crate::ledger::Ledger;
use crate::random::prove;
use crate::user::{file, name};
use proptest::prelude::*;
use sync_engine::name::DEPTH_MAX;
use sync_engine::{Change, DeviceId, Kind, MoveTo, Node, NodeId, Rejection, Version};

fn id() -> impl Strategy<Value = NodeId> {
    (0u8..5).prop_map(|n| NodeId([n; 16]))
}

fn place() -> impl Strategy<Value = (NodeId, sync_engine::Name)> {
    (id(), prop_oneof!["a", "b"]).prop_map(|(parent, text)| (parent, name(&text)))
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![3 => Just(Kind::Dir), 1 => Just(file("x"))]
}

/// Makes a change; the version that it is based on is the right one if `base` is zero.
fn change() -> impl Strategy<Value = (Change, u8)> {
    let base = Version::ZERO;
    let create = (id(), place(), kind()).prop_map(|(id, (parent, name), kind)| {
        let mark = None;
        let node = Node {
            parent,
            name,
            kind,
            mark,
        };
        Change::Create { id, node }
    });
    let to = (id(), place()).prop_map(move |(id, (parent, name))| MoveTo {
        id,
        base,
        parent,
        name,
    });
    let change = prop_oneof![
        3 => create,
        4 => prop::collection::vec(to, 0..4).prop_map(|moves| Change::Move { moves }),
        1 => (id(), kind()).prop_map(move |(id, kind)| Change::Update { id, base, kind }),
        1 => id().prop_map(move |id| Change::Delete { id, base }),
    ];
    (change, prop_oneof![5 => Just(0u8), 1 => Just(1u8)])
}

fn based(ledger: &Ledger, change: Change, late: u8) -> Change {
    let of = |id: NodeId| {
        let version = ledger.tree.item(id).map_or(0, |item| item.version.0);
        Version(version.saturating_sub(late.into()))
    };
    match change {
        Change::Update { id, kind, .. } => Change::Update {
            id,
            base: of(id),
            kind,
        },
        Change::Delete { id, .. } => Change::Delete { id, base: of(id) },
        Change::Move { moves } => {
            let moves = moves.into_iter().map(|to| MoveTo {
                base: of(to.id),
                ..to
            });
            Change::Move {
                moves: moves.collect(),
            }
        }
        other => other,
    }
}

#[test]
fn what_is_admitted_keeps_the_tree_valid_and_is_admitted_once() {
    prove(prop::collection::vec(change(), 1..60), |changes| {
        let mut ledger = Ledger::default();
        for (change, late) in changes {
            let change = based(&ledger, change.clone(), *late);
            let before = ledger.tree.clone();
            let is_stale = *late > 0 && !matches!(change, Change::Create { .. });
            // The ledger itself looks whether the tree stays valid and whether the same is refused when it comes again.
            match ledger.commit(DeviceId([1; 16]), change) {
                Ok(_) => assert!(!is_stale),
                Err(_) => assert_eq!(ledger.tree, before),
            }
        }
    });
}

#[test]
fn a_node_is_as_deep_as_the_limit_and_no_deeper() {
    let mut ledger = Ledger::default();
    let dir = |n: usize| {
        NodeId([
            (n / 256) as u8,
            (n % 256) as u8,
            1,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
        ])
    };
    let mut make = |n: usize| {
        let node = Node {
            parent: if n == 1 { NodeId::ROOT } else { dir(n - 1) },
            name: name("d"),
            kind: Kind::Dir,
            mark: None,
        };
        ledger.commit(DeviceId([1; 16]), Change::Create { id: dir(n), node })
    };
    for n in 1..=DEPTH_MAX {
        make(n).unwrap();
    }
    assert_eq!(make(DEPTH_MAX + 1).unwrap_err(), Rejection::TooDeep);
}
