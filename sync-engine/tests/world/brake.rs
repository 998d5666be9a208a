//! What must not go without a person's word, and what may.

use crate::device::Device;
use crate::script::{FIRST, SECOND, both_have};
use crate::world::World;
use proptest::prelude::*;
use sync_engine::{Change, NodeId};

/// Returns two devices that have these files, each with bytes of its own, of which the first one's brake works.
fn with_brake(files: &[String]) -> World {
    let all: Vec<_> = files.iter().map(|path| (path.as_str(), path.as_str())).collect();
    let mut world = both_have(&all);
    world.devices[FIRST].policy.removals.is_confirmed = false;
    world.devices[SECOND].policy.arrivals_max = usize::MAX;
    world
}

fn files(dir: &str, n: usize) -> Vec<String> {
    (0..n).map(|n| format!("{dir}{n}")).collect()
}

/// Lets both devices work until nothing more happens; not all may be the same.
fn settle(world: &mut World) {
    world.devices.iter_mut().for_each(Device::scan);
    while world.settle_round() {}
}

fn n_held(world: &World) -> Option<usize> {
    world.devices[FIRST].plan().brake.map(|brake| brake.removals)
}

#[test]
fn an_emptied_folder_waits_for_a_person_and_all_else_goes_on() {
    let mut world = with_brake(&["a".into(), "b".into()]);
    world.delete(FIRST, "a");
    world.delete(FIRST, "b");
    settle(&mut world);
    let brake = world.devices[FIRST].plan().brake.unwrap();
    assert_eq!((brake.removals, brake.nodes), (2, 2));
    assert_eq!(world.devices[SECOND].disk.len(), 2);
    world.devices[FIRST].policy.removals.is_confirmed = true;
    world.meet();
    world.has(&[]);
}

#[test]
fn many_removals_wait_but_a_renamed_directory_is_none() {
    let mut all = vec!["d/".to_owned(), "keep".to_owned()];
    all.extend(files("d/", 60));
    let mut world = with_brake(&all);
    world.rename(FIRST, "d", "e");
    world.meet();
    world.delete(FIRST, "e");
    settle(&mut world);
    assert_eq!(n_held(&world), Some(61));
    assert_eq!(world.devices[SECOND].disk.len(), 62);
}

#[test]
fn as_many_removals_as_need_no_person_need_none() {
    let all = files("", 60);
    let mut world = with_brake(&all);
    all[..50].iter().for_each(|path| world.delete(FIRST, path));
    settle(&mut world);
    assert_eq!(world.devices[SECOND].disk.len(), 10);
    all[50..].iter().for_each(|path| world.delete(FIRST, path));
    settle(&mut world);
    assert_eq!(world.devices[SECOND].disk.len(), 10, "an emptied folder waits");
}

#[test]
fn bytes_that_are_elsewhere_in_the_folder_may_go_without_a_person() {
    let mut all = vec!["d/".to_owned(), "d/s/".to_owned(), "keep".to_owned()];
    all.extend(files("d/s/", 60));
    let mut world = with_brake(&all);
    world.make(FIRST, "e/", "");
    for (n, path) in files("d/s/", 60).iter().enumerate() {
        world.make(FIRST, &format!("e/{n}"), path);
    }
    world.delete(FIRST, "d");
    settle(&mut world);
    assert_eq!(n_held(&world), None);
    assert_eq!(world.devices[SECOND].disk.len(), 62);
    world.delete(FIRST, "e");
    settle(&mut world);
    assert_eq!(n_held(&world), Some(61), "the only copies wait");
    assert_eq!(world.devices[SECOND].disk.len(), 62);
}

#[test]
fn what_is_back_in_its_place_is_what_was_there() {
    let mut all = vec!["d/".to_owned(), "keep".to_owned()];
    all.extend(files("d/", 60));
    let mut world = with_brake(&all);
    let n_entries = world.ledger.entries.len();
    world.delete(FIRST, "d");
    settle(&mut world);
    assert_eq!(n_held(&world), Some(61));
    world.make(FIRST, "d/", "");
    settle(&mut world);
    assert_eq!(n_held(&world), Some(60), "the directory itself is back");
    for path in files("d/", 60) {
        let text = if path == "d/7" { "edited" } else { &path };
        world.make(FIRST, &path, text);
    }
    settle(&mut world);
    assert_eq!(n_held(&world), None);
    let new: Vec<_> = world.ledger.entries[n_entries..].iter().collect();
    assert!(
        matches!(new[..], [entry] if matches!(entry.change, Change::Update { .. })),
        "{new:?}"
    );
    assert!(world.devices[SECOND].trees.local() == world.devices[FIRST].trees.local());
}

/// What a person does to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Keep,
    Delete,
    /// It is copied elsewhere, and then deleted.
    Copy,
    /// It is deleted, and then there again.
    PutBack,
    /// It is deleted, and written anew.
    Rewrite,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        1 => Just(Deed::Keep),
        4 => Just(Deed::Delete),
        1 => Just(Deed::Copy),
        1 => Just(Deed::PutBack),
        1 => Just(Deed::Rewrite),
    ];
    prop::collection::vec(deed, 40..140)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The brake is on exactly when more is missing than may go without a person, whatever else is done; its figure is
    /// what is missing; and when all is back nothing is removed, and every file is the node that it was.
    #[test]
    fn the_brake_counts_what_is_missing_and_comes_off_when_it_is_back(deeds in deeds()) {
        let all = files("f", deeds.len());
        let mut world = with_brake(&all);
        let ids: Vec<NodeId> = all.iter().map(|path| world.id(FIRST, path)).collect();
        for (path, deed) in all.iter().zip(&deeds) {
            if *deed == Deed::Copy {
                world.make(FIRST, &format!("copy of {path}"), path);
            }
            if *deed != Deed::Keep {
                world.delete(FIRST, path);
            }
            match deed {
                Deed::PutBack => drop(world.make(FIRST, path, path)),
                Deed::Rewrite => drop(world.make(FIRST, path, &format!("{path} anew"))),
                Deed::Keep | Deed::Delete | Deed::Copy => (),
            }
        }
        let count = |wanted: &[Deed]| deeds.iter().filter(|deed| wanted.contains(deed)).count();
        let n_lost = count(&[Deed::Delete]);
        let is_on = n_lost > 50.max(deeds.len() / 4);
        world.devices[FIRST].scan();
        while !world.devices[FIRST].plan().records.is_empty() {
            world.devices[FIRST].begin();
        }
        prop_assert_eq!(n_held(&world), is_on.then_some(n_lost + count(&[Deed::Copy])));
        settle(&mut world);
        for (path, deed) in all.iter().zip(&deeds) {
            if *deed == Deed::Delete {
                world.make(FIRST, path, path);
            }
        }
        settle(&mut world);
        for (id, deed) in ids.into_iter().zip(deeds) {
            let is_removed = deed == Deed::Copy || deed == Deed::Delete && !is_on;
            prop_assert_eq!(world.ledger.tree.node(id).is_none(), is_removed);
        }
        prop_assert_eq!(n_held(&world), None);
        prop_assert!(world.devices[SECOND].trees.local() == world.devices[FIRST].trees.local());
    }
}
