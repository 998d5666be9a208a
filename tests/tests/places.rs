//! The rows of the table of concurrent changes that are about names and places: two nodes to one name, types that
//! differ, names that are swapped.

use crate::support::{check_apart, expected, picture};
use anyhow::Result;
use std::fs;
use tests::{Device, World, settle};

fn nothing(_device: &Device) -> Result<()> {
    Ok(())
}

fn one_and_two(device: &Device) -> Result<()> {
    device.write("one.txt", "1")?;
    device.write("two.txt", "2")
}

#[test]
fn of_two_new_files_with_one_name_the_second_gets_a_conflict_name() -> Result<()> {
    check_apart(
        nothing,
        |first| first.write("new.txt", "of a"),
        |second| second.write("new.txt", "of b"),
        [("new.txt", "of a"), ("new (conflict, b).txt", "of b")],
        1,
    )
}

#[test]
fn two_new_files_with_one_name_and_the_same_bytes_become_one() -> Result<()> {
    check_apart(
        nothing,
        |first| first.write("new.txt", "same"),
        |second| second.write("new.txt", "same"),
        [("new.txt", "same")],
        0,
    )
}

#[test]
fn two_new_directories_with_one_name_become_one_with_the_content_of_both() -> Result<()> {
    check_apart(
        nothing,
        |first| first.write("box/a.txt", "of a"),
        |second| second.write("box/b.txt", "of b"),
        [("box/", ""), ("box/a.txt", "of a"), ("box/b.txt", "of b")],
        0,
    )
}

#[test]
fn two_files_renamed_to_one_name_are_both_kept() -> Result<()> {
    check_apart(
        one_and_two,
        |first| first.rename("one.txt", "goal.txt"),
        |second| second.rename("two.txt", "goal.txt"),
        [("goal.txt", "1"), ("goal (conflict, b).txt", "2")],
        1,
    )
}

#[test]
fn equal_files_renamed_to_one_name_become_one() -> Result<()> {
    check_apart(
        |device| {
            device.write("one.txt", "same")?;
            device.write("two.txt", "same")
        },
        |first| first.rename("one.txt", "goal.txt"),
        |second| second.rename("two.txt", "goal.txt"),
        [("goal.txt", "same")],
        0,
    )
}

#[test]
fn a_new_file_and_one_that_is_renamed_to_its_name_are_both_kept() -> Result<()> {
    check_apart(
        one_and_two,
        |first| first.write("goal.txt", "new"),
        |second| second.rename("two.txt", "goal.txt"),
        [
            ("goal.txt", "new"),
            ("goal (conflict, b).txt", "2"),
            ("one.txt", "1"),
        ],
        1,
    )
}

#[test]
fn a_file_here_and_a_directory_there_are_both_kept() -> Result<()> {
    check_apart(
        nothing,
        |first| first.write("thing/inside.txt", "in the directory"),
        |second| second.write("thing", "the file"),
        [
            ("thing/", ""),
            ("thing/inside.txt", "in the directory"),
            ("thing (conflict, b)", "the file"),
        ],
        1,
    )
}

#[test]
fn a_directory_here_and_a_file_there_are_both_kept() -> Result<()> {
    check_apart(
        nothing,
        |first| first.write("thing", "the file"),
        |second| second.write("thing/inside.txt", "in the directory"),
        [
            ("thing", "the file"),
            ("thing (conflict, b)/", ""),
            ("thing (conflict, b)/inside.txt", "in the directory"),
        ],
        1,
    )
}

#[test]
fn an_edit_survives_when_the_file_was_replaced_by_a_directory() -> Result<()> {
    let (_world, [first, mut second]) = World::with_devices()?;
    first.write("thing", "base")?;
    settle(&[&first, &second])?;
    second.stop()?;
    first.delete("thing")?;
    first.write("thing/inside.txt", "new")?;
    first.wait_synced()?;
    second.write("thing", "edited")?;
    second.start()?;
    settle(&[&first, &second])?;
    let seen = picture(&first)?;
    assert_eq!(seen.get("thing/inside.txt").map(String::as_str), Some("new"));
    assert!(seen.values().any(|text| text == "edited"), "{seen:?}");
    Ok(())
}

#[test]
fn swapped_names_arrive_as_the_exact_permutation() -> Result<()> {
    check_apart(
        one_and_two,
        |first| {
            first.rename("one.txt", "spare")?;
            first.rename("two.txt", "one.txt")?;
            first.rename("spare", "two.txt")
        },
        nothing,
        [("one.txt", "2"), ("two.txt", "1")],
        0,
    )
}

#[test]
fn names_rotated_offline_arrive_as_the_exact_permutation_with_an_edit_from_elsewhere() -> Result<()> {
    check_apart(
        |device| {
            one_and_two(device)?;
            device.write("three.txt", "3")
        },
        |first| first.write("one.txt", "1, edited"),
        |second| {
            second.rename("one.txt", "spare")?;
            second.rename("three.txt", "one.txt")?;
            second.rename("two.txt", "three.txt")?;
            second.rename("spare", "two.txt")
        },
        [("one.txt", "3"), ("three.txt", "2"), ("two.txt", "1, edited")],
        0,
    )
}

#[test]
fn swapped_directories_arrive_with_all_that_is_in_them() -> Result<()> {
    check_apart(
        |device| {
            device.write("left/l.txt", "l")?;
            device.write("right/r.txt", "r")
        },
        nothing,
        |second| {
            second.rename("left", "spare")?;
            second.rename("right", "left")?;
            second.rename("spare", "right")
        },
        [
            ("left/", ""),
            ("left/r.txt", "r"),
            ("right/", ""),
            ("right/l.txt", "l"),
        ],
        0,
    )
}

#[test]
fn a_name_that_was_freed_can_be_taken_at_once() -> Result<()> {
    check_apart(
        one_and_two,
        nothing,
        |second| {
            second.delete("one.txt")?;
            second.rename("two.txt", "one.txt")?;
            second.write("two.txt", "new")
        },
        [("one.txt", "2"), ("two.txt", "new")],
        0,
    )
}

#[test]
fn a_file_that_becomes_a_directory_and_a_directory_that_becomes_a_file_arrive_so() -> Result<()> {
    let (_world, [first, second]) = World::with_devices()?;
    first.write("a", "file")?;
    first.write("b/inside.txt", "inside")?;
    settle(&[&first, &second])?;
    first.delete("a")?;
    fs::create_dir(first.path("a"))?;
    first.delete("b")?;
    first.write("b", "file now")?;
    settle(&[&first, &second])?;
    assert_eq!(picture(&second)?, expected([("a/", ""), ("b", "file now")]));
    Ok(())
}
