//! Conflicts are objects of the account: every device lists them until someone resolves them on one.

use crate::support::{Picture, apart, expected, n_conflicts, picture};
use anyhow::{Context as _, Result};
use tests::{Device, World, settle};

/// Makes one conflict about `plan.txt`: `this` is of `a`, `that` of `b`.
fn in_conflict() -> Result<(World, Device, Device)> {
    let (world, [first, mut second]) = World::with_devices()?;
    first.write("plan.txt", "base")?;
    settle(&[&first, &second])?;
    apart(
        &first,
        &mut second,
        |first| first.write("plan.txt", "of a"),
        |second| second.write("plan.txt", "of b"),
    )?;
    Ok((world, first, second))
}

/// Resolves the conflict and checks what is left on both devices.
fn check_resolved(choice: &str, outcome: &Picture) -> Result<()> {
    let (_world, first, second) = in_conflict()?;
    second.command("resolve", &["plan.txt", choice])?.ok()?;
    settle(&[&first, &second])?;
    for device in [&first, &second] {
        assert_eq!(&picture(device)?, outcome);
        assert_eq!(n_conflicts(device)?, 0);
    }
    Ok(())
}

#[test]
fn choosing_this_leaves_the_side_that_has_the_name() -> Result<()> {
    check_resolved("this", &expected([("plan.txt", "of a")]))
}

#[test]
fn choosing_that_gives_the_name_to_the_other_side() -> Result<()> {
    check_resolved("that", &expected([("plan.txt", "of b")]))
}

#[test]
fn choosing_both_leaves_two_files_and_no_conflict() -> Result<()> {
    let both = expected([("plan.txt", "of a"), ("plan (conflict, b).txt", "of b")]);
    check_resolved("both", &both)
}

#[test]
fn deleting_the_copy_by_hand_resolves_the_conflict() -> Result<()> {
    let (_world, first, second) = in_conflict()?;
    let copy = first
        .tree()?
        .into_keys()
        .find(|path| path != b"plan.txt")
        .context("no copy")?;
    first.delete(&String::from_utf8(copy)?)?;
    settle(&[&first, &second])?;
    assert_eq!(n_conflicts(&second)?, 0);
    assert_eq!(picture(&second)?, expected([("plan.txt", "of a")]));
    Ok(())
}

#[test]
fn a_conflict_is_an_event_and_an_exit_code_until_it_is_resolved() -> Result<()> {
    let (_world, first, mut second) = in_conflict()?;
    first.wait_for("conflict", |event| event.is("conflict"))?;
    second.stop()?;
    second.once(&[])?.with_code(3)?;
    first.command("resolve", &["plan.txt", "this"])?.ok()?;
    first.wait_synced()?;
    second.once(&[])?.with_code(0)?;
    Ok(())
}

#[test]
fn what_is_not_in_conflict_cannot_be_resolved() -> Result<()> {
    let (_world, [first]) = World::with_devices()?;
    first.write("a.txt", "a")?;
    first.wait_synced()?;
    first.command("resolve", &["a.txt", "this"])?.with_code(1)?;
    first.command("resolve", &["a.txt", "nonsense"])?.with_code(2)?;
    assert_eq!(first.read("a.txt")?, "a");
    Ok(())
}
