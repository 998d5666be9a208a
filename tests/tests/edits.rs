//! The rows of the table of concurrent changes that are about one file: edits, deletions, renames.

use crate::support::{check_apart, expected, n_conflicts, picture};
use anyhow::Result;
use tests::{Device, Tokens, World, settle};

fn a_plan(device: &Device) -> Result<()> {
    device.write("plan.txt", "base")
}

#[test]
fn two_edits_with_the_same_bytes_are_no_conflict() -> Result<()> {
    check_apart(
        a_plan,
        |first| first.write("plan.txt", "better"),
        |second| second.write("plan.txt", "better"),
        [("plan.txt", "better")],
        0,
    )
}

#[test]
fn of_two_different_edits_the_first_accepted_keeps_the_name_and_the_other_is_kept_beside_it() -> Result<()> {
    check_apart(
        a_plan,
        |first| first.write("plan.txt", "of a"),
        |second| second.write("plan.txt", "of b"),
        [("plan.txt", "of a"), ("plan (conflict, b).txt", "of b")],
        1,
    )
}

#[test]
fn an_edit_beats_a_deletion_that_was_first() -> Result<()> {
    check_apart(
        a_plan,
        |first| first.delete("plan.txt"),
        |second| second.write("plan.txt", "edited"),
        [("plan.txt", "edited")],
        0,
    )
}

#[test]
fn a_deletion_does_not_beat_an_edit_that_was_first() -> Result<()> {
    check_apart(
        a_plan,
        |first| first.write("plan.txt", "edited"),
        |second| second.delete("plan.txt"),
        [("plan.txt", "edited")],
        0,
    )
}

#[test]
fn two_deletions_of_one_file_are_one() -> Result<()> {
    check_apart(
        a_plan,
        |first| first.delete("plan.txt"),
        |second| second.delete("plan.txt"),
        [],
        0,
    )
}

#[test]
fn an_edit_and_a_rename_both_apply() -> Result<()> {
    check_apart(
        a_plan,
        |first| first.rename("plan.txt", "scheme.txt"),
        |second| second.write("plan.txt", "edited"),
        [("scheme.txt", "edited")],
        0,
    )
}

#[test]
fn an_edit_and_a_move_into_a_new_directory_both_apply() -> Result<()> {
    check_apart(
        a_plan,
        |first| first.write("plan.txt", "edited"),
        |second| {
            std::fs::create_dir(second.path("drawer"))?;
            second.rename("plan.txt", "drawer/plan.txt")
        },
        [("drawer/", ""), ("drawer/plan.txt", "edited")],
        0,
    )
}

#[test]
fn of_two_renames_of_one_file_the_first_accepted_stands() -> Result<()> {
    check_apart(
        a_plan,
        |first| first.rename("plan.txt", "first.txt"),
        |second| second.rename("plan.txt", "second.txt"),
        [("first.txt", "base")],
        0,
    )
}

#[test]
fn an_edit_and_a_change_of_the_executable_bit_both_apply() -> Result<()> {
    let (_world, [first, mut second]) = World::with_devices()?;
    first.write("run.sh", "base")?;
    settle(&[&first, &second])?;
    second.stop()?;
    first.write("run.sh", "edited")?;
    first.wait_synced()?;
    make_executable(&second, "run.sh")?;
    second.start()?;
    let tree = settle(&[&first, &second])?;
    assert_eq!(picture(&second)?, expected([("run.sh", "edited")]));
    let is_executable = matches!(&tree[b"run.sh".as_slice()], tests::Seen::File { exec: true, .. });
    assert_eq!(is_executable, cfg!(unix));
    Ok(())
}

#[cfg(unix)]
fn make_executable(device: &Device, path: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(std::fs::set_permissions(
        device.path(path),
        std::fs::Permissions::from_mode(0o755),
    )?)
}

#[cfg(windows)]
fn make_executable(_device: &Device, _path: &str) -> Result<()> {
    Ok(())
}

#[test]
fn three_devices_that_edit_one_file_apart_keep_all_three_edits() -> Result<()> {
    let (_world, [first, mut second, mut third]) = World::with_devices()?;
    first.write("plan.txt", "base")?;
    settle(&[&first, &second, &third])?;
    second.stop()?;
    third.stop()?;
    let mut tokens = Tokens::new();
    for device in [&first, &second, &third] {
        tokens.write(&device.path("plan.txt"))?;
    }
    first.wait_synced()?;
    second.start()?;
    settle(&[&first, &second])?;
    third.start()?;
    settle(&[&first, &second, &third])?;
    let names: Vec<String> = picture(&third)?.into_keys().collect();
    assert_eq!(
        names,
        ["plan (conflict, b).txt", "plan (conflict, c).txt", "plan.txt"]
    );
    tokens.all_in(&[&first.folder, &second.folder, &third.folder])?;
    assert_eq!(n_conflicts(&first)?, 2);
    Ok(())
}

#[test]
fn a_second_conflict_on_one_day_gets_a_number() -> Result<()> {
    let (_world, [first, mut second]) = World::with_devices()?;
    first.write("plan.txt", "base")?;
    settle(&[&first, &second])?;
    for n_round in 1..=2 {
        second.stop()?;
        first.write("plan.txt", format!("of a, {n_round}"))?;
        first.wait_synced()?;
        second.write("plan.txt", format!("of b, {n_round}"))?;
        second.start()?;
        settle(&[&first, &second])?;
    }
    let mut contents: Vec<String> = picture(&first)?.into_values().collect();
    contents.sort();
    assert_eq!(contents, ["of a, 2", "of b, 1", "of b, 2"]);
    assert_eq!(n_conflicts(&second)?, 2);
    Ok(())
}

#[test]
fn a_device_that_was_away_does_not_bring_back_what_was_deleted() -> Result<()> {
    check_apart(
        |device| {
            device.write("old.txt", "old")?;
            device.write("kept.txt", "kept")
        },
        |first| first.delete("old.txt"),
        |second| second.write("new.txt", "new"),
        [("kept.txt", "kept"), ("new.txt", "new")],
        0,
    )
}
