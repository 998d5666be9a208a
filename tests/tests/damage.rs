//! Stores and databases that are lost, old or damaged: nothing is deleted for it, on no device.

use crate::support::{copy_dir, n_conflicts, picture, scaled};
use anyhow::{Context as _, Result, ensure};
use std::fs;
use tests::noise::Noise;
use tests::{Device, Tokens, World, account, settle};

/// Returns the paths of the client's database, whatever belongs to it included.
fn database(device: &Device) -> Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(device.folder.join(".holdfast"))? {
        let path = entry?.path();
        if path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"state.db"))
        {
            found.push(path);
        }
    }
    Ok(found)
}

fn two_with_files() -> Result<(World, Device, Device, Tokens)> {
    let (world, [first, second]) = World::with_devices()?;
    let mut tokens = Tokens::new();
    for n in 0..12 {
        tokens.write(&first.path(&format!("box {}/{n}.txt", n % 3)))?;
    }
    settle(&[&first, &second])?;
    Ok((world, first, second, tokens))
}

#[test]
fn a_lost_database_is_rebuilt_without_a_deletion_or_a_conflict() -> Result<()> {
    let (_world, first, mut second, tokens) = two_with_files()?;
    let before = picture(&first)?;
    second.kill()?;
    for path in database(&second)? {
        fs::remove_file(path)?;
    }
    second.start()?;
    settle(&[&first, &second])?;
    assert_eq!(picture(&first)?, before);
    assert_eq!(n_conflicts(&first)?, 0);
    tokens.all_in(&[&first.folder, &second.folder])
}

#[test]
fn a_damaged_database_is_put_aside_and_rebuilt() -> Result<()> {
    let (_world, first, mut second, tokens) = two_with_files()?;
    second.kill()?;
    for path in database(&second)? {
        let len = fs::metadata(&path)?.len();
        fs::write(&path, vec![0xa5; usize::try_from(len)?])?;
    }
    second.start()?;
    settle(&[&first, &second])?;
    assert_eq!(n_conflicts(&first)?, 0);
    tokens.all_in(&[&first.folder, &second.folder])
}

/// I14: whatever has become of the database, no deletion comes of it, and what was edited while it was damaged is not
/// lost.
#[test]
fn a_database_damaged_in_any_way_costs_no_file_and_no_edit() -> Result<()> {
    let (world, first, mut second, mut tokens) = two_with_files()?;
    let n_damages: u64 = scaled(5, 10);
    for seed in 0..n_damages {
        let mut noise = Noise::new(seed);
        second.kill()?;
        for path in database(&second)? {
            let mut bytes = fs::read(&path)?;
            let at = |number: u64, len: usize| usize::try_from(number % len.max(1) as u64);
            match seed % 5 {
                0 => bytes.truncate(at(noise.number(), bytes.len())?),
                1 => bytes.fill(0),
                2 => bytes = noise.bytes(bytes.len()),
                3 => (0..40).try_for_each(|_| -> Result<()> {
                    let index = at(noise.number(), bytes.len())?;
                    bytes.get_mut(index).into_iter().for_each(|byte| *byte ^= 0x41);
                    Ok(())
                })?,
                _ => bytes.clear(),
            }
            fs::write(&path, bytes)?;
        }
        // Edited while there is no base to compare with: both sides are kept.
        let edited = second.path(&format!("box 0/{}.txt", 3 * (seed % 4)));
        tokens.write(&edited)?;
        tokens.write(&second.path(&format!("made when damaged {seed}.txt")))?;
        second.start()?;
        settle(&[&first, &second]).with_context(|| format!("with seed {seed}"))?;
    }
    let tree = settle(&[&first, &second])?;
    // Some damage is found where it does no harm; then an edit is just an edit.
    let (n_before, n_damages) = (12 + 3, usize::try_from(n_damages)?);
    assert!(
        (n_before + n_damages..=n_before + 2 * n_damages).contains(&tree.len()),
        "{tree:?}"
    );
    assert!((0..12).all(|n| first.path(&format!("box {}/{n}.txt", n % 3)).exists()));
    account(&world, &[&first, &second], tokens)
}

#[test]
fn a_server_put_back_to_an_older_store_heals_and_deletes_nothing() -> Result<()> {
    let (mut world, first, mut second, mut tokens) = two_with_files()?;
    // What was changed last before the backup is changed again after it.
    let edited = first.path("box 0/0.txt");
    tokens.retire_under(&edited)?;
    tokens.write(&edited)?;
    settle(&[&first, &second])?;
    world.server.terminate()?;
    let backup = world.home().join("backup");
    copy_dir(&world.server.data(), &backup)?;
    world.server.start_again()?;
    for n in 0..5 {
        tokens.write(&first.path(&format!("after the backup/{n}.txt")))?;
    }
    first.rename("box 1", "crate 1")?;
    tokens.retire_under(&edited)?;
    tokens.write(&edited)?;
    settle(&[&first, &second])?;
    let third = world.device("c")?;
    let before = settle(&[&first, &second, &third])?;

    // One device comes only after the others have sent again what the server lost.
    second.stop()?;
    world.server.terminate()?;
    fs::remove_dir_all(world.server.data())?;
    copy_dir(&backup, &world.server.data())?;
    world.server.start_again()?;
    assert_eq!(settle(&[&first, &third])?, before);
    second.start()?;
    assert_eq!(settle(&[&first, &second, &third])?, before);
    tokens.all_in(&[&first.folder, &second.folder, &third.folder])?;
    let fourth = world.device("d")?;
    assert_eq!(settle(&[&first, &fourth])?, before);
    Ok(())
}

#[test]
fn a_folder_that_was_copied_with_its_state_becomes_a_device_of_its_own() -> Result<()> {
    let (world, mut first, second, tokens) = two_with_files()?;
    first.stop()?;
    let copy = world.home().join("copy");
    copy_dir(&first.folder, &copy.join("a").join("folder"))?;
    copy_dir(&first.config, &copy.join("a").join("config"))?;
    // On another computer the original is not to be found.
    fs::remove_dir_all(copy.join("a").join("config").join("folders"))?;
    first.start()?;
    first.write("from the original.txt", "1")?;
    first.wait_synced()?;
    let clone = Device::prepare(&copy, "a", tests::Join::New(world.address()))?;
    clone.write("from the copy.txt", "2")?;
    clone.once(&[])?.with_code(0)?;
    let devices = first.json("devices", &[])?;
    assert_eq!(devices.len(), 3, "{devices:?}");
    first.write("from the original.txt", "3")?;
    settle(&[&first, &second])?;
    assert_eq!(second.read("from the copy.txt")?, "2");
    assert_eq!(n_conflicts(&first)?, 0);
    clone.once(&[])?.with_code(0)?;
    assert_eq!(clone.read("from the original.txt")?, "3");
    tokens.all_in(&[&first.folder, &second.folder, &clone.folder])
}

#[test]
fn a_copy_beside_its_original_is_refused_and_a_moved_folder_is_not() -> Result<()> {
    let (world, mut first, second, tokens) = two_with_files()?;
    first.stop()?;
    let mut copy = Device::prepare(world.home(), "copy", tests::Join::New(world.address()))?;
    copy.config.clone_from(&first.config);
    copy_dir(&first.folder, &copy.folder)?;
    copy.once(&[])?.with_code(1)?;
    fs::remove_dir_all(&first.folder)?;
    copy.once(&[])?.with_code(0)?;
    copy.write("from the new place.txt", "1")?;
    copy.once(&[])?.with_code(0)?;
    second.wait_synced()?;
    assert_eq!(second.read("from the new place.txt")?, "1");
    assert_eq!(second.json("devices", &[])?.len(), 2);
    tokens.all_in(&[&copy.folder, &second.folder])
}

#[test]
fn a_second_server_on_one_store_is_refused() -> Result<()> {
    let world = World::start()?;
    let mut command = std::process::Command::new(&tests::binaries::binaries()?.server);
    command
        .args(["--listen", "127.0.0.1:0"])
        .arg("--data")
        .arg(world.server.data())
        .arg("--certs")
        .arg(world.server.certs());
    let finished = tests::process::run("a second server", &mut command, tests::device::PATIENCE)?;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    ensure!(
        finished.stderr.contains("another server is using"),
        "{finished:?}"
    );
    Ok(())
}
