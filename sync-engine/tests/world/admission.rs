//! Any changes at all, right or wrong, against the server's admission.

use crate::ledger::Ledger;
use crate::random::prove;
use crate::user::{file, name};
use proptest::prelude::*;
use std::cell::Cell;
use std::convert::Infallible;
use sync_engine::admit::Inside;
use sync_engine::name::DEPTH_MAX;
use sync_engine::{
    Change, Content, DeviceId, Entry, Kind, MoveTo, Name, Node, NodeId, Rejection, Version, View, admit,
};

fn id() -> impl Strategy<Value = NodeId> {
    (0u8..5).prop_map(|n| NodeId([n; 16]))
}

fn place() -> impl Strategy<Value = (NodeId, Name)> {
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

/// The id of a directory in a chain.
fn link(chain: u8, n: usize) -> NodeId {
    let mut id = [chain; 16];
    id[..8].copy_from_slice(&(n as u64).to_be_bytes());
    NodeId(id)
}

fn make(ledger: &mut Ledger, id: NodeId, parent: NodeId, text: &str) -> Result<Entry, Rejection> {
    let node = Node {
        parent,
        name: name(text),
        kind: Kind::Dir,
        mark: None,
    };
    ledger.commit(DeviceId([1; 16]), Change::Create { id, node })
}

/// Makes directories one in the other, and returns the last.
fn make_chain(ledger: &mut Ledger, chain: u8, n: usize) -> NodeId {
    (1..=n).fold(NodeId::ROOT, |parent, level| {
        let text = format!("{chain}");
        make(ledger, link(chain, level), parent, &text).unwrap();
        link(chain, level)
    })
}

fn to(ledger: &Ledger, id: NodeId, parent: NodeId, text: &str) -> MoveTo {
    MoveTo {
        id,
        base: ledger.tree.item(id).unwrap().version,
        parent,
        name: name(text),
    }
}

#[test]
fn a_node_is_as_deep_as_the_limit_and_no_deeper() {
    let mut ledger = Ledger::default();
    let last = make_chain(&mut ledger, 1, DEPTH_MAX);
    let beyond = make(&mut ledger, link(2, 1), last, "d");
    assert_eq!(beyond.unwrap_err(), Rejection::TooDeep);
}

#[test]
fn a_directory_moves_only_as_deep_as_what_is_in_it_may_stand() {
    let mut ledger = Ledger::default();
    make_chain(&mut ledger, 1, DEPTH_MAX - 10);
    make_chain(&mut ledger, 2, 11);
    let into = |ledger: &Ledger, level| Change::Move {
        moves: vec![to(ledger, link(2, 1), link(1, level), "in")],
    };
    let too_deep = into(&ledger, DEPTH_MAX - 10);
    let refused = ledger.commit(DeviceId([1; 16]), too_deep);
    assert_eq!(refused.unwrap_err(), Rejection::TooDeep);
    for level in [DEPTH_MAX - 11, 5] {
        let allowed = into(&ledger, level);
        ledger.commit(DeviceId([1; 16]), allowed).unwrap();
    }
}

/// Counts what is asked.
struct Counting<'l>(&'l Ledger, Cell<usize>);

impl Counting<'_> {
    fn ask(&self) -> &Ledger {
        self.1.set(self.1.get() + 1);
        self.0
    }
}

impl View for Counting<'_> {
    type Error = Infallible;

    fn item(&self, id: NodeId) -> Result<Option<(Version, Node)>, Infallible> {
        self.ask().item(id)
    }

    fn child(&self, parent: NodeId, name: &Name) -> Result<Option<NodeId>, Infallible> {
        self.ask().child(parent, name)
    }

    fn has_children(&self, id: NodeId) -> Result<bool, Infallible> {
        self.ask().has_children(id)
    }

    fn id_used(&self, id: NodeId) -> Result<bool, Infallible> {
        self.ask().id_used(id)
    }

    fn has_content(&self, content: &Content) -> Result<bool, Infallible> {
        self.ask().has_content(content)
    }

    fn inside(&self, id: NodeId, n_max: usize) -> Result<Inside, Infallible> {
        self.ask().inside(id, n_max)
    }
}

#[test]
fn moves_cost_what_they_move_and_what_is_above_and_not_the_one_times_the_other() {
    prove(
        (2..40_usize, 1..30_usize, any::<bool>()),
        |(n_deep, n_moves, is_taken)| {
            let mut ledger = Ledger::default();
            let last = make_chain(&mut ledger, 1, *n_deep);
            for n in 0..=*n_moves {
                make(&mut ledger, link(2, n), last, &format!("n{n}")).unwrap();
            }
            let new_name = |n| {
                if *is_taken && n == n_moves - 1 {
                    format!("n{n_moves}")
                } else {
                    format!("m{n}")
                }
            };
            let moves = (0..*n_moves).map(|n| to(&ledger, link(2, n), last, &new_name(n)));
            let change = Change::Move {
                moves: moves.collect(),
            };
            let counting = Counting(&ledger, Cell::new(0));
            let Ok(admitted) = admit(&counting, &change);
            assert_eq!(admitted.is_err(), *is_taken);
            let n_asked = counting.1.get();
            assert!(n_asked <= 3 * n_moves + n_deep + 2, "{n_asked} questions");
        },
    );
}
