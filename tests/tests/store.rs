//! Looking after a store with the server's own commands, beside devices that go on.

use crate::support::{expected, picture};
use anyhow::{Context as _, Result};
use std::fs;
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

#[test]
fn a_damaged_chunk_is_found_by_verify_and_no_device_loses_its_file() -> Result<()> {
    let (mut world, [first, second]) = World::with_devices()?;
    first.write("large.bin", tests::noise::Noise::new(6).bytes(200_000))?;
    let before = settle(&[&first, &second])?;
    world.server.terminate()?;
    world.server.admin(&["verify"])?.ok()?;
    let pack = world.server.data().join("packs").join("00000001.pack");
    let mut bytes = fs::read(&pack)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&pack, bytes)?;
    world.server.admin(&["verify"])?.with_code(1)?;
    world.server.start_again()?;
    // The devices have the file; a store that is damaged is no reason to touch it.
    first.write("small.txt", "small")?;
    settle(&[&first, &second])?;
    assert_eq!(
        first.tree()?.get(b"large.bin".as_slice()),
        before.get(b"large.bin".as_slice())
    );
    Ok(())
}
