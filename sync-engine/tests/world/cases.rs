//! What two people do at the same time, and what becomes of it.

use crate::event::Event;
use crate::script::{FIRST, SECOND, both_have};
use crate::world::World;
use sync_engine::Step;

const COPY_OF_A: &str = "a (conflict, D2, 2026-11-22)";

#[test]
fn equal_edits_are_no_conflict_and_need_no_transfer() {
    let mut world = both_have(&[("a", "old")]);
    world.write(FIRST, "a", "new");
    world.write(SECOND, "a", "new");
    world.meet();
    world.has(&[("a", "new")]);
    assert!(world.steps_taken().is_empty(), "{}", world.trace());
}

#[test]
fn of_two_edits_the_first_keeps_the_name_and_the_other_is_kept_beside_it() {
    let mut world = both_have(&[("a", "old"), ("x.tar.gz", "old")]);
    for n in [FIRST, SECOND] {
        world.write(n, "a", ["one", "two"][n]);
        world.write(n, "x.tar.gz", ["one", "two"][n]);
    }
    world.meet();
    let copy = "x.tar (conflict, D2, 2026-11-22).gz";
    world.has(&[
        ("a", "one"),
        (COPY_OF_A, "two"),
        ("x.tar.gz", "one"),
        (copy, "two"),
    ]);
    assert_eq!(world.conflicts().len(), 2);
}

#[test]
fn an_edit_beats_a_deletion_whichever_comes_first() {
    for (editor, deleter) in [(FIRST, SECOND), (SECOND, FIRST)] {
        let mut world = both_have(&[("d/", ""), ("d/a", "old"), ("d/b", "old")]);
        world.write(editor, "d/a", "new");
        world.delete(deleter, "d");
        world.meet();
        world.has(&[("d/", ""), ("d/a", "new")]);
        assert!(world.conflicts().is_empty());
    }
}

#[test]
fn a_touch_is_no_edit_against_a_deletion_whichever_comes_first() {
    for (toucher, deleter) in [(FIRST, SECOND), (SECOND, FIRST)] {
        let mut world = both_have(&[
            ("d/", ""),
            ("d/a", "old"),
            ("b", "old"),
            ("c", "old"),
            ("x", "old"),
        ]);
        for path in ["d/a", "b", "c"] {
            world.touch(toucher, path, 7);
        }
        world.delete(deleter, "d");
        world.delete(deleter, "b");
        // Programs also save so: what was there goes, and something new takes its name.
        world.delete(deleter, "c");
        world.make(deleter, "c", "new");
        world.meet();
        world.has(&[("c", "new"), ("x", "old")]);
        assert!(world.conflicts().is_empty());
    }
}

#[test]
fn a_touch_is_no_edit_against_an_edit_and_reaches_those_who_do_nothing() {
    for (toucher, other) in [(FIRST, SECOND), (SECOND, FIRST)] {
        let mut world = both_have(&[("a", "old"), ("b", "old")]);
        world.touch(toucher, "a", 7);
        world.touch(toucher, "b", 7);
        world.write(other, "a", "new");
        world.meet();
        assert_eq!(world.time_of(other, "b"), 7);
        world.touch(other, "b", 0);
        world.meet();
        world.has(&[("a", "new"), ("b", "old")]);
        assert!(world.conflicts().is_empty());
    }
}

#[test]
fn an_edit_and_a_rename_both_apply() {
    for (editor, mover) in [(FIRST, SECOND), (SECOND, FIRST)] {
        let mut world = both_have(&[("a", "old"), ("d/", "")]);
        world.write(editor, "a", "new");
        world.rename(mover, "a", "d/b");
        world.meet();
        world.has(&[("d/", ""), ("d/b", "new")]);
    }
}

#[test]
fn of_two_renames_the_first_stands() {
    let mut world = both_have(&[("a", "old")]);
    world.rename(FIRST, "a", "b");
    world.rename(SECOND, "a", "c");
    world.meet();
    world.has(&[("b", "old")]);
}

#[test]
fn of_two_new_files_under_one_name_the_first_keeps_it() {
    let mut world = both_have(&[]);
    world.make(FIRST, "a", "one");
    world.make(SECOND, "a", "two");
    world.meet();
    world.has(&[("a", "one"), (COPY_OF_A, "two")]);
    assert_eq!(world.conflicts(), [COPY_OF_A]);
}

#[test]
fn equal_new_files_become_one_and_equal_folders_are_joined_without_transfer() {
    let mut world = both_have(&[]);
    for n in [FIRST, SECOND] {
        for (path, text) in [("d/", ""), ("d/e/", ""), ("d/e/a", "same"), ("b", "same")] {
            world.make(n, path, text);
        }
    }
    world.make(SECOND, "d/e/c", "more");
    world.meet();
    world.has(&[
        ("d/", ""),
        ("d/e/", ""),
        ("d/e/a", "same"),
        ("b", "same"),
        ("d/e/c", "more"),
    ]);
    let fetched = world
        .steps_taken()
        .into_iter()
        .filter(|step| matches!(step, Step::Fetch { .. }))
        .count();
    assert_eq!(fetched, 0, "{}", world.trace());
}

#[test]
fn of_two_nodes_moved_to_one_name_the_first_keeps_it() {
    let mut world = both_have(&[("a", "one"), ("b", "two")]);
    world.rename(FIRST, "a", "c");
    world.rename(SECOND, "b", "c");
    world.meet();
    world.has(&[("c", "one"), ("c (conflict, D2, 2026-11-22)", "two")]);
    assert_eq!(world.conflicts().len(), 1);
}

#[test]
fn equal_files_moved_to_one_name_become_one() {
    let mut world = both_have(&[("a", "same"), ("b", "same")]);
    world.rename(FIRST, "a", "c");
    world.rename(SECOND, "b", "c");
    world.meet();
    world.has(&[("c", "same")]);
}

#[test]
fn a_deleted_directory_lives_on_with_just_what_is_new_in_it() {
    for (deleter, other) in [(FIRST, SECOND), (SECOND, FIRST)] {
        let mut world = both_have(&[
            ("d/", ""),
            ("d/e/", ""),
            ("d/e/old", "old"),
            ("d/b", "old"),
            ("c", "moved"),
        ]);
        world.delete(deleter, "d");
        world.make(other, "d/e/new", "new");
        world.rename(other, "c", "d/e/c");
        world.meet();
        world.has(&[("d/", ""), ("d/e/", ""), ("d/e/new", "new"), ("d/e/c", "moved")]);
    }
}

#[test]
fn what_is_made_in_a_directory_lands_where_the_directory_went() {
    for (mover, maker) in [(FIRST, SECOND), (SECOND, FIRST)] {
        let mut world = both_have(&[("d/", ""), ("d/a", "old")]);
        world.rename(mover, "d", "e");
        world.make(maker, "d/b", "new");
        world.meet();
        world.has(&[("e/", ""), ("e/a", "old"), ("e/b", "new")]);
    }
}

#[test]
fn of_two_moves_that_make_a_circle_the_first_stands() {
    let mut world = both_have(&[("d/", ""), ("e/", ""), ("f/", ""), ("e/a", "kept")]);
    world.rename(FIRST, "d", "e/d");
    world.rename(SECOND, "f", "d/f");
    world.rename(SECOND, "e", "d/f/e");
    world.meet();
    world.has(&[("e/", ""), ("e/a", "kept"), ("e/d/", ""), ("e/d/f/", "")]);
}

#[test]
fn a_file_here_and_a_directory_there_are_both_kept() {
    let mut world = both_have(&[]);
    world.make(FIRST, "a", "file");
    world.make(SECOND, "a/", "");
    world.make(SECOND, "a/b", "inside");
    world.meet();
    let copy = format!("{COPY_OF_A}/b");
    world.has(&[("a", "file"), (&format!("{COPY_OF_A}/"), ""), (&copy, "inside")]);
}

#[test]
fn a_file_edited_here_and_replaced_by_a_directory_there_is_kept() {
    for (editor, swapper) in [(FIRST, SECOND), (SECOND, FIRST)] {
        let mut world = both_have(&[("a", "old")]);
        world.write(editor, "a", "edited");
        world.delete(swapper, "a");
        world.make(swapper, "a/", "");
        world.make(swapper, "a/b", "new");
        world.meet();
        let (copy, inside) = (format!("{COPY_OF_A}/"), format!("{COPY_OF_A}/b"));
        if editor == FIRST {
            world.has(&[("a", "edited"), (&copy, ""), (&inside, "new")]);
        } else {
            world.has(&[("a/", ""), ("a/b", "new"), (COPY_OF_A, "edited")]);
        }
    }
}

#[test]
fn swapped_and_rotated_names_come_out_exactly_so() {
    let mut world = both_have(&[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4"), ("e", "5")]);
    world.swap(FIRST, "a", "b");
    world.swap(FIRST, "c", "d");
    world.swap(FIRST, "d", "e");
    world.write(SECOND, "a", "1, edited");
    world.meet();
    world.has(&[("a", "2"), ("b", "1, edited"), ("c", "4"), ("d", "5"), ("e", "3")]);
    let parked = world
        .steps_taken()
        .into_iter()
        .any(|step| matches!(step, Step::Park { .. }));
    assert!(!parked, "{}", world.trace());
}

#[test]
fn a_directory_and_what_is_in_it_change_places() {
    let mut world = both_have(&[("a/", ""), ("a/b/", ""), ("a/b/c", "deep")]);
    world.rename(FIRST, "a/b", "b");
    world.rename(FIRST, "a", "b/a");
    world.rename(FIRST, "b", "a2");
    world.rename(FIRST, "a2/a", "a2/b");
    world.rename(FIRST, "a2", "a");
    world.meet();
    world.has(&[("a/", ""), ("a/b/", ""), ("a/c", "deep")]);
}

#[test]
fn what_was_in_a_directory_takes_its_name_and_what_had_a_name_goes_into_a_directory_of_that_name() {
    let mut world = both_have(&[("a/", ""), ("a/a", "inner"), ("b", "outer")]);
    world.rename(FIRST, "a/a", "tmp");
    world.delete(FIRST, "a");
    world.rename(FIRST, "tmp", "a");
    world.rename(FIRST, "b", "tmp");
    world.make(FIRST, "b/", "");
    world.rename(FIRST, "tmp", "b/b");
    world.meet();
    world.has(&[("a", "inner"), ("b/", ""), ("b/b", "outer")]);
}

#[test]
fn a_second_conflict_on_one_day_gets_a_number() {
    let mut world = both_have(&[("a", "old")]);
    for (one, two) in [("one", "two"), ("three", "four")] {
        world.write(FIRST, "a", one);
        world.write(SECOND, "a", two);
        world.meet();
    }
    world.has(&[
        ("a", "three"),
        (COPY_OF_A, "two"),
        ("a (conflict, D2, 2026-11-22-2)", "four"),
    ]);
}

#[test]
fn a_copy_that_stands_already_after_a_crash_is_not_made_twice() {
    let mut world = both_have(&[("a", "old")]);
    world.write(FIRST, "a", "one");
    world.write(SECOND, "a", "two");
    world.make(SECOND, COPY_OF_A, "two");
    world.meet();
    world.has(&[("a", "one"), (COPY_OF_A, "two")]);
    assert_eq!(world.conflicts(), [COPY_OF_A]);
}

/// Cases that random worlds have found. They only have to come to rest, with all that they promise.
#[test]
fn what_was_found_once_is_not_found_again() {
    use Event::{Plan, Scan, Send, Sync, User};
    let two_losers_of_one_name = [
        (1, User(0, 0, 0, 9)),
        (1, Scan),
        (1, Plan),
        (2, User(0, 0, 0, 0)),
        (1, Send),
        (2, User(8, 0, 0, 0)),
        (1, User(6, 0, 0, 10)),
        (0, User(0, 0, 0, 7)),
        (2, Sync),
        (0, User(3, 0, 0, 0)),
        (2, User(6, 0, 0, 2)),
        (0, User(0, 0, 0, 8)),
    ];
    let edited_and_moved_onto_its_equal = [
        (0, User(0, 8, 0, 3)),
        (0, User(0, 0, 0, 10)),
        (0, Sync),
        (1, Sync),
        (0, User(3, 6, 0, 4)),
        (0, User(3, 5, 0, 1)),
        (0, User(6, 1, 0, 2)),
        (1, User(0, 0, 0, 2)),
        (1, User(8, 2, 0, 0)),
        (1, User(6, 8, 0, 2)),
        (1, User(0, 0, 0, 3)),
        (1, User(3, 21, 0, 0)),
        (0, Sync),
    ];
    let edited_under_the_name_of_its_copy = [
        (0, User(0, 8, 0, 1)),
        (1, User(0, 2, 0, 8)),
        (2, User(0, 9, 0, 2)),
        (2, Sync),
        (0, User(0, 0, 0, 9)),
        (1, Sync),
        (1, User(3, 2, 0, 0)),
        (0, User(0, 0, 0, 0)),
        (0, Sync),
        (1, Scan),
        (0, User(3, 13, 0, 1)),
        (0, User(0, 0, 0, 0)),
        (0, User(6, 21, 0, 8)),
        (1, Plan),
        (0, User(0, 0, 0, 0)),
    ];
    let cases: [&[(usize, Event)]; 3] = [
        &two_losers_of_one_name,
        &edited_and_moved_onto_its_equal,
        &edited_under_the_name_of_its_copy,
    ];
    for events in cases {
        let mut world = World::new(3);
        events.iter().for_each(|(n, event)| world.happen(*n, *event));
        world.quiet();
    }
}
