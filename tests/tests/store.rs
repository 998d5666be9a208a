//! Looking after a store with the server's own commands, beside devices that go on.

use crate::support::{expected, picture};
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::time::Instant;
use tests::tree::differences;
use tests::{Device, World, settle, tree};

/// The number of the first account of a store.
const ACCOUNT: &str = "1";

fn version(device: &Device) -> Result<String> {
    let status = device.json("status", &[])?;
    let journal = status.first().and_then(|status| status.number("journal"));
    Ok(journal.context("status tells no journal number")?.to_string())
}

#[test]
fn what_is_exported_is_what_the_devices_have_and_what_they_had() -> Result<()> {
    let (world, [first, second]) = World::with_devices()?;
    first.write("album/one.txt", "1")?;
    first.write("large.bin", tests::noise::Noise::new(5).bytes(3_000_000))?;
    fs::create_dir(first.path("empty"))?;
    let before = settle(&[&first, &second])?;
    let then = version(&first)?;
    first.rename("album", "pictures")?;
    second.write("large.bin", "small now")?;
    let after = settle(&[&first, &second])?;

    for (name, moment, wanted) in [("now", &[][..], &after), ("then", &["--version", &then], &before)] {
        let goal = world.home().join(name);
        let goal_text = goal
            .to_str()
            .context("the temporary directory has no text for a name")?;
        let args = [&["export", ACCOUNT, goal_text], moment].concat();
        world.server.admin(&args)?.ok()?;
        let exported = tree(&goal)?;
        assert_eq!(&exported, wanted, "{:?}", differences(&exported, wanted));
    }
    Ok(())
}

#[test]
fn a_whole_account_is_brought_back_while_its_devices_are_connected() -> Result<()> {
    let (world, [first, second]) = World::with_devices()?;
    first.write("one.txt", "1")?;
    first.write("box/two.txt", "2")?;
    let before = settle(&[&first, &second])?;
    let then = version(&first)?;
    first.rename("one.txt", "box/one.txt")?;
    second.delete("box/two.txt")?;
    second.write("box/three.txt", "3")?;
    settle(&[&first, &second])?;
    world
        .server
        .admin(&["restore", ACCOUNT, "--version", &then])?
        .ok()?;
    let restored = tests::settle_apart(&[&first, &second], |trees| {
        trees.iter().all(|tree| *tree == before)
    })?;
    assert_eq!(restored.len(), 2);
    Ok(())
}

#[test]
fn a_backup_that_is_put_back_loses_nothing_that_a_device_has() -> Result<()> {
    let (mut world, [first, second]) = World::with_devices()?;
    first.write("old.txt", "old")?;
    settle(&[&first, &second])?;
    let backup = world.home().join("backup");
    let backup_text = backup
        .to_str()
        .context("the temporary directory has no text for a name")?
        .to_owned();
    world.server.admin(&["backup", &backup_text])?.ok()?;
    first.write("new.txt", "new")?;
    settle(&[&first, &second])?;

    world.server.terminate()?;
    fs::remove_dir_all(world.server.data())?;
    fs::rename(&backup, world.server.data())?;
    world.server.start_again()?;
    settle(&[&first, &second])?;
    let late = world.device("late")?;
    settle(&[&first, &second, &late])?;
    assert_eq!(
        picture(&late)?,
        expected([("new.txt", "new"), ("old.txt", "old")])
    );
    Ok(())
}

#[test]
fn a_new_epoch_makes_the_devices_compare_and_changes_nothing() -> Result<()> {
    let (mut world, [first, second]) = World::with_devices()?;
    first.write("a.txt", "a")?;
    settle(&[&first, &second])?;
    world.server.admin(&["new-epoch"])?.with_code(1)?;
    world.server.terminate()?;
    world.server.admin(&["new-epoch"])?.ok()?;
    world.server.start_again()?;
    first.write("b.txt", "b")?;
    settle(&[&first, &second])?;
    assert_eq!(picture(&second)?, expected([("a.txt", "a"), ("b.txt", "b")]));
    Ok(())
}

/// Flips a byte in the middle of every pack of a server that does not run.
fn damage_packs(world: &World) -> Result<()> {
    for pack in fs::read_dir(world.server.data().join("packs"))? {
        let path = pack?.path();
        let mut bytes = fs::read(&path)?;
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        fs::write(&path, bytes)?;
    }
    Ok(())
}

/// Waits until the store is sound again.
fn wait_until_sound(world: &World) -> Result<()> {
    let deadline = Instant::now() + tests::device::PATIENCE;
    loop {
        let verified = world.server.admin(&["verify"])?;
        if verified.code == Some(0) {
            return Ok(());
        }
        if deadline < Instant::now() {
            bail!(
                "the store is not sound again: {verified:?}\n{}",
                world.server.output()
            );
        }
    }
}

#[test]
fn a_device_heals_what_verify_finds_damaged_while_the_server_runs() -> Result<()> {
    let (mut world, [first, second]) = World::with_devices()?;
    first.put("large.bin", tests::noise::Noise::new(6).bytes(3_000_000))?;
    let before = settle(&[&first, &second])?;
    world.server.terminate()?;
    world.server.admin(&["verify"])?.ok()?;
    damage_packs(&world)?;
    world.server.start_again()?;
    settle(&[&first, &second])?;
    world.server.admin(&["verify"])?.with_code(1)?;
    wait_until_sound(&world)?;
    let third = world.device("late")?;
    assert_eq!(settle(&[&first, &second, &third])?, before);
    Ok(())
}

#[test]
fn a_device_heals_what_another_finds_damaged_when_it_fetches() -> Result<()> {
    let (mut world, [first]) = World::with_devices()?;
    first.put("large.bin", tests::noise::Noise::new(7).bytes(3_000_000))?;
    first.write("small.txt", "small")?;
    first.wait_synced()?;
    world.server.terminate()?;
    damage_packs(&world)?;
    world.server.start_again()?;
    let second = world.device("late")?;
    settle(&[&first, &second])?;
    wait_until_sound(&world)
}

#[test]
fn a_pack_that_is_gone_is_filled_again_by_the_devices() -> Result<()> {
    let (mut world, [first, second]) = World::with_devices()?;
    for n in 0..20 {
        first.write(&format!("box/{n}.txt"), format!("{n}"))?;
    }
    first.put("large.bin", tests::noise::Noise::new(8).bytes(3_000_000))?;
    let before = settle(&[&first, &second])?;
    world.server.terminate()?;
    fs::remove_file(world.server.data().join("packs").join("00000001.pack"))?;
    world.server.admin(&["verify"])?.with_code(1)?;
    world.server.start_again()?;
    first.write("new.txt", "new")?;
    settle(&[&first, &second])?;
    wait_until_sound(&world)?;
    let third = world.device("late")?;
    let after = settle(&[&first, &second, &third])?;
    assert_eq!(after.len(), before.len() + 1);
    Ok(())
}

#[test]
fn a_full_quota_is_said_and_holds_up_nothing_else_and_room_lets_it_go_on() -> Result<()> {
    let (world, [first, second]) = World::with_devices()?;
    first.write("small.txt", "small")?;
    settle(&[&first, &second])?;
    world.server.admin(&["account", "quota", ACCOUNT, "100K"])?.ok()?;
    first.write("large.bin", tests::noise::Noise::new(9).bytes(3_000_000))?;
    first.wait_for("the large file is blocked", |event| {
        event.is("blocked") && event.text("reason").contains("quota")
    })?;
    first.rename("small.txt", "renamed.txt")?;
    second.wait_for("the renaming", |event| {
        event.is("change") && event.text("path") == "renamed.txt"
    })?;
    world.server.admin(&["account", "quota", ACCOUNT, "none"])?.ok()?;
    let after = settle(&[&first, &second])?;
    assert_eq!(after.len(), 2);
    Ok(())
}

#[test]
fn what_retention_gave_up_is_said_to_be_gone_and_the_newest_versions_are_there() -> Result<()> {
    let (world, [first, second]) = World::with_devices()?;
    for n in 0..5 {
        first.write("note.txt", format!("version {n}"))?;
        settle(&[&first, &second])?;
    }
    let prune = ["prune", "--keep-days", "0", "--keep-versions", "2"];
    for _ in 0..2 {
        world.server.admin(&prune)?.ok()?;
        world.server.admin(&["verify"])?.ok()?;
    }
    let mut versions: Vec<u64> = first
        .json("history", &["note.txt"])?
        .iter()
        .filter_map(|item| item.number("journal"))
        .collect();
    versions.sort_unstable();
    assert_eq!(versions.len(), 5);
    let restore = |version: u64| {
        let version = version.to_string();
        first.command("restore", &["note.txt", "--version", &version, "--to", "old.txt"])
    };
    let refused = restore(versions[0])?.with_code(1)?;
    assert!(format!("{refused:?}").contains("given up"), "{refused:?}");
    restore(versions[3])?.ok()?;
    settle(&[&first, &second])?;
    assert_eq!(second.read("old.txt")?, "version 3");
    Ok(())
}
