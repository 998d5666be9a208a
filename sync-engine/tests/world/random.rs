//! Worlds in which anything happens in any order.

use crate::event::Event;
use crate::world::{World, listing};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use std::collections::BTreeSet;
use sync_engine::{Content, Folding, NameRules, Tree};

/// How many cases each property is tried with, unless `HOLDFAST_CASES` says otherwise.
const CASES: u32 = 200;

/// How many cases a search tries.
const CASES_VARIABLE: &str = "HOLDFAST_CASES";

fn config() -> Config {
    let cases = std::env::var(CASES_VARIABLE)
        .ok()
        .and_then(|text| text.parse().ok());
    Config {
        cases: cases.unwrap_or(CASES),
        failure_persistence: None,
        max_shrink_iters: 200_000,
        ..Config::default()
    }
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => (0u8..10, 0u8..24, 0u8..8, 0u8..12).prop_map(|(a, b, c, d)| Event::User(a, b, c, d)),
        3 => Just(Event::Scan),
        4 => Just(Event::Plan),
        6 => any::<u8>().prop_map(Event::Step),
        3 => Just(Event::Send),
        4 => Just(Event::Read),
        1 => Just(Event::Crash),
        2 => Just(Event::Sync),
    ]
}

/// Tries a property; tells the smallest case in which it does not hold.
pub(crate) fn prove<S: Strategy>(cases: S, property: impl Fn(&S::Value))
where
    S::Value: Clone,
{
    // The gate takes the same cases each time; a search, which says how many it wants, takes others.
    let mut runner = if std::env::var_os(CASES_VARIABLE).is_none() {
        let dice = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        TestRunner::new_with_rng(config(), dice)
    } else {
        TestRunner::new(config())
    };
    let result = runner.run(&cases, |case| {
        property(&case);
        Ok(())
    });
    match result {
        Err(TestError::Fail(reason, case)) => panic!("{reason}\n{case:?}"),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
        Ok(()) => (),
    }
}

/// What either side wrote is there, and what one side deleted and the other left alone, or only touched, is not.
fn account(base: &Tree, sides: &[Tree; 2], world: &World) {
    let contents = |tree: &Tree| -> BTreeSet<Content> {
        tree.iter()
            .filter_map(|(_, item)| item.node.kind.file().map(|file| file.content))
            .collect()
    };
    let (old, end) = (contents(base), contents(&world.ledger.tree));
    for side in sides {
        let lost = |content: &&Content| !old.contains(content) && !end.contains(content);
        assert_eq!(contents(side).iter().find(lost), None, "lost\n{}", world.trace());
    }
    for (id, item) in base.iter().filter(|(_, item)| !item.node.kind.is_dir()) {
        let is_same = |tree: &Tree| {
            tree.node(id)
                .is_some_and(|node| node.is_equal_but_for_time(&item.node))
        };
        let [one, other] = sides;
        // What was made anew at its place is the same node again.
        let is_empty = |tree: &Tree| {
            let by_path = base.path(id).and_then(|path| tree.lookup(&path));
            by_path
                .or(tree.child(item.node.parent, &item.node.name))
                .is_none()
        };
        let is_deleted = |a: &Tree, b: &Tree| a.node(id).is_none() && is_empty(a) && is_same(b);
        if is_deleted(one, other) || is_deleted(other, one) {
            assert!(
                world.ledger.tree.node(id).is_none(),
                "{id} is back\n{}",
                world.trace()
            );
        }
    }
}

fn check(events: impl Strategy<Value = Vec<(usize, Event)>>, n_devices: u8) {
    prove(events, |events| {
        let mut world = World::new(n_devices);
        events.iter().for_each(|(n, event)| world.happen(*n, *event));
        world.quiet();
    });
}

#[test]
fn two_devices_come_to_the_same_whatever_happens() {
    check(prop::collection::vec((0usize..2, event()), 1..60), 2);
}

#[test]
fn three_devices_come_to_the_same_whatever_happens() {
    check(prop::collection::vec((0usize..3, event()), 1..80), 3);
}

#[test]
fn one_tree_changed_twice_becomes_one_again() {
    let users = |n| prop::collection::vec((0u8..10, 0u8..24, 0u8..8, 0u8..12), 0..n);
    prove(
        (users(12), users(10), users(10), any::<bool>()),
        |(first, one, other, which)| {
            let mut world = World::new(2);
            let edit = |world: &mut World, n, edits: &[(u8, u8, u8, u8)]| {
                edits
                    .iter()
                    .for_each(|(a, b, c, d)| world.happen(n, Event::User(*a, *b, *c, *d)));
            };
            edit(&mut world, 0, first);
            world.quiet();
            let base = world.ledger.tree.clone();
            edit(&mut world, 0, one);
            edit(&mut world, 1, other);
            let sides = [world.devices[0].disk.clone(), world.devices[1].disk.clone()];
            world.happen(usize::from(*which), Event::Sync);
            world.quiet();
            account(&base, &sides, &world);
        },
    );
}

#[test]
fn nothing_is_ever_done_to_the_disk_of_the_only_one_who_edits() {
    let only = |(n, event)| match event {
        Event::User(..) => (0, event),
        // A creation that was accepted but not heard of before a crash is no deletion's base: it comes back.
        Event::Crash => (1, event),
        _ => (n, event),
    };
    let events = prop::collection::vec((0usize..2, event()).prop_map(only), 1..60);
    prove(events, |events| {
        let mut world = World::new(2);
        for &(n, event) in events {
            let before = listing(&world.devices[0].disk);
            world.happen(n, event);
            if !matches!(event, Event::User(..)) {
                assert_eq!(before, listing(&world.devices[0].disk), "\n{}", world.trace());
            }
        }
        let before = listing(&world.devices[0].disk);
        world.quiet();
        assert_eq!(before, listing(&world.devices[0].disk), "\n{}", world.trace());
        let is_marked = |(_, item): (_, &sync_engine::tree::Item)| item.node.mark.is_some();
        assert!(!world.ledger.tree.iter().any(is_marked));
    });
}

#[test]
fn devices_that_join_anew_and_servers_that_are_put_back_lose_nothing() {
    let rare = prop_oneof![12 => event(), 1 => Just(Event::Rejoin), 1 => Just(Event::PutBack)];
    check(prop::collection::vec((0usize..2, rare), 1..60), 2);
}

#[test]
fn a_disk_that_cannot_hold_everything_holds_the_rest() {
    // The user of such a disk only changes and deletes what is there.
    let fit = |(n, event)| match event {
        Event::User(what, which, whither, how) if n == 1 => (
            n,
            Event::User([3, 4, 5, 8][usize::from(what) % 4], which, whither, how),
        ),
        _ => (n, event),
    };
    let events = prop::collection::vec((0usize..2, event()).prop_map(fit), 1..60);
    prove(events, |events| {
        let mut world = World::new(2);
        world.names = ["a", "A", "con"];
        let policy = &mut world.devices[1].policy;
        (policy.folding, policy.names, policy.has_symlinks) = (Folding::Case, NameRules::Windows, false);
        for (n, event) in events {
            let is_empty = world.devices[1].disk.is_empty();
            if *n == 0 || !is_empty || !matches!(event, Event::User(..)) {
                world.happen(*n, *event);
            }
        }
        world.quiet_but_for_blocked();
    });
}
