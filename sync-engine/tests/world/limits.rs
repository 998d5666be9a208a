//! What a disk cannot hold, what cannot be read, and what must not go without a person's word.

use crate::device::Device;
use crate::script::{FIRST, SECOND, both_have};
use crate::world::World;
use sync_engine::{Block, Folding, Kind, NameRules, NodeId, Target};

/// Lets both devices work until nothing more happens; not all may be the same.
fn settle(world: &mut World) {
    world.devices.iter_mut().for_each(Device::scan);
    for _ in 0..20 {
        world.settle_round();
    }
}

fn blocked(world: &World, n: usize) -> Vec<Block> {
    world.devices[n]
        .plan()
        .blocked
        .into_iter()
        .map(|(_, block)| block)
        .collect()
}

#[test]
fn a_name_that_this_disk_cannot_hold_blocks_just_that_until_it_is_renamed() {
    let mut world = both_have(&[]);
    world.devices[SECOND].policy.names = NameRules::Windows;
    world.make(FIRST, "con/", "");
    world.make(FIRST, "con/inside", "x");
    world.make(FIRST, "good", "y");
    settle(&mut world);
    assert_eq!(blocked(&world, SECOND), [Block::IllegalName]);
    assert_eq!(world.devices[SECOND].disk.len(), 1);
    world.rename(FIRST, "con", "fine");
    world.meet();
    world.has(&[("fine/", ""), ("fine/inside", "x"), ("good", "y")]);
}

#[test]
fn a_node_whose_new_name_this_disk_cannot_hold_stays_under_its_old_one() {
    let mut world = both_have(&[("a", "old")]);
    world.devices[SECOND].policy.names = NameRules::Windows;
    world.rename(FIRST, "a", "a:b");
    world.make(FIRST, "a", "another");
    settle(&mut world);
    let clash = Block::NameClash("a".try_into().unwrap());
    assert_eq!(blocked(&world, SECOND), [Block::IllegalName, clash]);
    world.write(SECOND, "a", "edited under the old name");
    settle(&mut world);
    world.has(&[("a:b", "edited under the old name"), ("a", "another")]);
}

#[test]
fn of_names_that_are_one_to_the_disk_the_older_is_held_and_nothing_is_overwritten() {
    let mut world = both_have(&[]);
    world.devices[SECOND].policy.folding = Folding::Case;
    world.make(FIRST, "Foo", "upper");
    settle(&mut world);
    world.make(FIRST, "foo", "lower");
    settle(&mut world);
    assert_eq!(
        blocked(&world, SECOND),
        [Block::NameClash("Foo".try_into().unwrap())]
    );
    world.rename(SECOND, "Foo", "fOO");
    settle(&mut world);
    world.has(&[("fOO", "upper"), ("foo", "lower")]);
    world.delete(SECOND, "fOO");
    world.meet();
    world.has(&[("foo", "lower")]);
}

#[test]
fn a_link_that_this_device_cannot_make_is_blocked_and_not_deleted() {
    let mut world = both_have(&[]);
    world.devices[SECOND].policy.has_symlinks = false;
    let link = Kind::Symlink(Target::new(b"/etc").unwrap());
    world
        .user(FIRST)
        .make(NodeId::ROOT, "link".try_into().unwrap(), link);
    settle(&mut world);
    assert_eq!(blocked(&world, SECOND), [Block::NoSymlinks]);
    assert_eq!(world.ledger.tree.len(), 1);
}

#[test]
fn what_cannot_be_read_is_neither_deleted_nor_written() {
    let mut world = both_have(&[("d/", ""), ("d/a", "old"), ("b", "old")]);
    let dir = world.id(SECOND, "d");
    world.devices[SECOND]
        .trees
        .set_block(dir, Some(Block::Unreadable("EACCES".into())));
    world.delete(FIRST, "d");
    world.make(FIRST, "c", "new");
    settle(&mut world);
    assert_eq!(world.devices[SECOND].disk.len(), 4);
    world.devices[SECOND].trees.set_block(dir, None);
    world.meet();
    world.has(&[("b", "old"), ("c", "new")]);
}

#[test]
fn a_disk_without_exec_bits_leaves_them_as_they_are() {
    let mut world = both_have(&[("a", "old")]);
    world.devices[SECOND].policy.has_exec_bits = false;
    let id = world.id(FIRST, "a");
    let mut state = *world.user(FIRST).node(id).kind.file().unwrap();
    state.exec = true;
    world.user(FIRST).write(id, Kind::File(state));
    world.meet();
    world.write(SECOND, "a", "new");
    world.happen(SECOND, crate::event::Event::Sync);
    world.quiet();
    let node = world.ledger.tree.node(id).unwrap();
    assert!(node.kind.file().unwrap().exec);
}

#[test]
fn a_device_that_has_lost_its_memory_deletes_nothing_and_transfers_nothing() {
    let mut world = both_have(&[("d/", ""), ("d/a", "same"), ("b", "old"), ("c", "same")]);
    world.devices[SECOND].trees.forget_bases();
    world.write(SECOND, "b", "new");
    world.delete(SECOND, "c");
    world.meet();
    let copy = "b (conflict, D2, 2026-11-22)";
    world.has(&[
        ("d/", ""),
        ("d/a", "same"),
        ("b", "old"),
        (copy, "new"),
        ("c", "same"),
    ]);
}
