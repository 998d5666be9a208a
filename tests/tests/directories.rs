//! The rows of the table of concurrent changes that are about directories.

use crate::support::{check_apart, n_conflicts, picture};
use anyhow::Result;
use std::fs;
use tests::{Device, Tokens, World, settle, settle_apart};

fn a_project(device: &Device) -> Result<()> {
    device.write("project/plan.txt", "base")?;
    device.write("project/parts/list.txt", "base")?;
    device.write("loose.txt", "loose")
}

#[test]
fn a_deleted_directory_lives_on_with_just_the_new_file_in_it() -> Result<()> {
    check_apart(
        a_project,
        |first| first.delete("project"),
        |second| second.write("project/parts/new.txt", "new"),
        [
            ("loose.txt", "loose"),
            ("project/", ""),
            ("project/parts/", ""),
            ("project/parts/new.txt", "new"),
        ],
        0,
    )
}

#[test]
fn a_directory_that_was_filled_first_outlives_its_deletion() -> Result<()> {
    check_apart(
        a_project,
        |first| first.write("project/parts/new.txt", "new"),
        |second| second.delete("project"),
        [
            ("loose.txt", "loose"),
            ("project/", ""),
            ("project/parts/", ""),
            ("project/parts/new.txt", "new"),
        ],
        0,
    )
}

#[test]
fn a_deleted_directory_lives_on_with_just_the_file_that_was_edited_in_it() -> Result<()> {
    check_apart(
        a_project,
        |first| first.delete("project"),
        |second| second.write("project/parts/list.txt", "edited"),
        [
            ("loose.txt", "loose"),
            ("project/", ""),
            ("project/parts/", ""),
            ("project/parts/list.txt", "edited"),
        ],
        0,
    )
}

#[test]
fn a_deleted_directory_lives_on_with_just_the_file_that_was_moved_into_it() -> Result<()> {
    check_apart(
        a_project,
        |first| first.delete("project"),
        |second| second.rename("loose.txt", "project/loose.txt"),
        [("project/", ""), ("project/loose.txt", "loose")],
        0,
    )
}

#[test]
fn a_file_that_is_moved_out_of_a_directory_survives_the_directory() -> Result<()> {
    check_apart(
        a_project,
        |first| first.rename("project/plan.txt", "plan.txt"),
        |second| second.delete("project"),
        [("loose.txt", "loose"), ("plan.txt", "base")],
        0,
    )
}

#[test]
fn a_new_file_lands_in_the_directory_that_was_renamed_meanwhile() -> Result<()> {
    check_apart(
        a_project,
        |first| first.rename("project", "work"),
        |second| second.write("project/new.txt", "new"),
        [
            ("loose.txt", "loose"),
            ("work/", ""),
            ("work/new.txt", "new"),
            ("work/parts/", ""),
            ("work/parts/list.txt", "base"),
            ("work/plan.txt", "base"),
        ],
        0,
    )
}

#[test]
fn of_two_moves_that_make_a_cycle_the_first_accepted_stands() -> Result<()> {
    check_apart(
        |device| {
            device.write("a/in a.txt", "a")?;
            device.write("b/in b.txt", "b")
        },
        |first| first.rename("a", "b/a"),
        |second| second.rename("b", "a/b"),
        [
            ("b/", ""),
            ("b/a/", ""),
            ("b/a/in a.txt", "a"),
            ("b/in b.txt", "b"),
        ],
        0,
    )
}

#[test]
fn of_three_moves_that_make_a_cycle_one_is_undone_and_nothing_is_lost() -> Result<()> {
    let (_world, [first, mut second, mut third]) = World::with_devices()?;
    let mut tokens = Tokens::new();
    for path in ["a/file", "b/file", "c/file"] {
        tokens.write(&first.path(path))?;
    }
    settle(&[&first, &second, &third])?;
    second.stop()?;
    third.stop()?;
    first.rename("a", "b/a")?;
    second.rename("b", "c/b")?;
    third.rename("c", "a/c")?;
    first.wait_synced()?;
    second.start()?;
    settle(&[&first, &second])?;
    third.start()?;
    let tree = settle(&[&first, &second, &third])?;
    assert_eq!(tree.len(), 6, "{tree:?}");
    tokens.all_in(&[&first.folder, &second.folder, &third.folder])?;
    assert_eq!(n_conflicts(&first)?, 0);
    Ok(())
}

#[test]
fn a_deep_directory_deleted_on_both_sides_is_gone_from_both() -> Result<()> {
    check_apart(
        a_project,
        |first| first.delete("project"),
        |second| second.delete("project"),
        [("loose.txt", "loose")],
        0,
    )
}

#[test]
fn directories_can_be_turned_inside_out() -> Result<()> {
    check_apart(
        |device| device.write("outer/inner/file.txt", "x"),
        |_first| Ok(()),
        |second| {
            second.rename("outer/inner", "spare")?;
            second.rename("outer", "spare/outer")?;
            second.rename("spare", "inner")
        },
        [("inner/", ""), ("inner/file.txt", "x"), ("inner/outer/", "")],
        0,
    )
}

#[cfg(unix)]
#[test]
fn a_renamed_directory_is_renamed_on_the_other_device_too_and_not_made_anew() -> Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let (_world, [first, second]) = World::with_devices()?;
    a_project(&first)?;
    settle(&[&first, &second])?;
    let inode = fs::metadata(second.path("project/parts/list.txt"))?.ino();
    first.rename("project", "work")?;
    settle(&[&first, &second])?;
    assert_eq!(fs::metadata(second.path("work/parts/list.txt"))?.ino(), inode);
    Ok(())
}

#[test]
fn empty_and_deep_directories_travel_and_vanish() -> Result<()> {
    let (_world, [first, second]) = World::with_devices()?;
    let deep = vec!["a directory with a rather long name that goes on for a while"; 40].join("/");
    fs::create_dir_all(first.path(&deep))?;
    fs::create_dir(first.path("empty"))?;
    let tree = settle(&[&first, &second])?;
    assert_eq!(tree.len(), 41);
    second.write(&format!("{deep}/leaf.txt"), "leaf")?;
    settle(&[&first, &second])?;
    assert_eq!(first.read(&format!("{deep}/leaf.txt"))?, "leaf");
    second.delete("empty")?;
    settle(&[&first, &second])?;
    assert!(!picture(&first)?.contains_key("empty/"));
    Ok(())
}

#[test]
fn a_directory_deleted_and_made_again_elsewhere_becomes_the_one_that_holds_what_is_left_out() -> Result<()> {
    let (_world, [first, second]) = World::with_devices()?;
    first.write(".holdfastignore", "left\n")?;
    first.write("work/plan.txt", "plan")?;
    first.write("work/left/out.o", "object")?;
    first.wait_synced()?;
    let has = |tree: &tests::tree::Tree, path: &str| tree.contains_key(path.as_bytes());
    settle_apart(&[&first, &second], |trees| has(&trees[1], "work/plan.txt"))?;
    second.delete("work")?;
    settle_apart(&[&first, &second], |trees| !has(&trees[0], "work/plan.txt"))?;
    second.write("work/new.txt", "new")?;
    settle_apart(&[&first, &second], |trees| has(&trees[0], "work/new.txt"))?;
    first.command("verify", &[])?.with_code(0)?;
    first.command("status", &[])?.with_code(0)?;
    first.write("work/new.txt", "edited beside what is left out")?;
    settle_apart(&[&first, &second], |_| {
        second
            .read("work/new.txt")
            .is_ok_and(|text| text.starts_with("edited"))
    })?;
    assert_eq!(n_conflicts(&first)? + n_conflicts(&second)?, 0);
    assert_eq!(first.read("work/left/out.o")?, "object");
    second.rename("work", "renamed")?;
    settle_apart(&[&first, &second], |trees| has(&trees[0], "renamed/new.txt"))?;
    assert_eq!(first.read("renamed/left/out.o")?, "object");
    second.delete("renamed")?;
    settle_apart(&[&first, &second], |trees| {
        trees.iter().all(|tree| !has(tree, "renamed/new.txt"))
    })?;
    Ok(())
}
