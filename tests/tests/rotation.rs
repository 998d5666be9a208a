//! Case 35 and threat S18: the server gets another key. One for which the old key vouches is taken up by devices that are
//! connected and by those that were away; any other is refused until a person says otherwise.

use anyhow::{Context as _, Result};
use std::fs;
use std::path::{Path, PathBuf};
use tests::{Device, Finished, Join, Tokens, World, account, settle};

/// Runs the client of an enrolled device once, with nothing but what it remembers and these options.
fn once_from_memory(device: &Device, options: &[&str]) -> Result<Finished> {
    let mut command = device.client()?;
    command
        .args(["--headless", "--json", "--once"])
        .args(options)
        .arg(&device.folder);
    tests::process::run(&device.name, &mut command, tests::device::PATIENCE)
}

/// Returns the fingerprint of the key that a device trusts.
fn trusted(device: &Device) -> Result<String> {
    let link = device.link()?;
    let (_, fingerprint) = link.split_once('#').context("the link has no fingerprint")?;
    Ok(fingerprint.to_owned())
}

/// Copies the server's certificate and key.
fn keep_key(world: &World, name: &str) -> Result<PathBuf> {
    let kept = world.home().join(name);
    copy_key(&world.server.certs(), &kept)?;
    Ok(kept)
}

fn copy_key(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for file in ["server.crt", "server.key"] {
        fs::copy(from.join(file), to.join(file))?;
    }
    Ok(())
}

#[test]
fn a_rotated_key_is_taken_up_by_devices_that_are_connected_and_by_those_that_were_away() -> Result<()> {
    let (mut world, [mut online, mut offline]) = World::with_devices()?;
    let mut tokens = Tokens::new();
    let link = online.link()?;
    offline.stop()?;

    // The server goes on while its key is rotated.
    let mark = online.events()?.mark();
    let second = world.server.rotate_key()?;
    let told = online.wait_after(mark, "account", |event| {
        event.is("account") && event.text("fingerprint") == second
    })?;
    assert_ne!(told.text("fingerprint"), world.server.fingerprint());
    online.wait_after(mark, "connected", |event| event.is("connected"))?;
    tokens.write(&online.path("after.txt"))?;
    online.wait_synced()?;
    assert_eq!(trusted(&online)?, second);

    // Once more while it does not run; the link from before the first time still leads there.
    world.server.terminate()?;
    let third = world.server.rotate_key()?;
    world.server.start_again()?;
    assert_eq!(world.server.fingerprint(), third);
    let newcomer = Device::join(world.home(), "newcomer", Join::Link(link))?;
    assert_eq!(trusted(&newcomer)?, third);
    tokens.write(&offline.path("while away.txt"))?;
    once_from_memory(&offline, &[])?.with_code(0)?;
    assert_eq!(trusted(&offline)?, third);
    offline.start()?;
    online.wait_after(mark, "account with the third key", |event| {
        event.is("account") && event.text("fingerprint") == third
    })?;
    online.stop()?;
    once_from_memory(&online, &[])?.with_code(0)?;
    online.start()?;
    settle(&[&online, &offline, &newcomer])?;
    account(&world, &[&online, &offline, &newcomer], tokens)
}

#[test]
fn a_key_that_was_left_behind_is_not_trusted_any_more_until_a_person_says_so() -> Result<()> {
    let (mut world, [mut device]) = World::with_devices()?;
    let first = world.server.fingerprint().to_owned();
    let kept = keep_key(&world, "kept")?;
    device.stop()?;
    world.server.terminate()?;
    let second = world.server.rotate_key()?;
    world.server.start_again()?;
    once_from_memory(&device, &[])?.with_code(0)?;

    world.server.terminate()?;
    copy_key(&kept, &world.server.certs())?;
    world.server.start_again()?;
    assert_eq!(world.server.fingerprint(), first);
    device.write("kept to itself.txt", "private")?;
    let refused = once_from_memory(&device, &[])?.with_code(5)?;
    let said = format!("{}{}", refused.stdout, refused.stderr);
    assert!(said.contains(&first) && said.contains(&second), "{said}");
    assert_eq!(trusted(&device)?, second);
    // What a person says once is kept.
    once_from_memory(&device, &["--fingerprint", &first, &world.address()])?.with_code(0)?;
    once_from_memory(&device, &[])?.with_code(0)?;
    assert_eq!(trusted(&device)?, first);
    Ok(())
}

#[test]
fn another_key_for_which_nobody_vouches_is_not_shown_before_the_next_start_and_refused_then() -> Result<()> {
    let (mut world, [mut first, mut second]) = World::with_devices()?;
    first.stop()?;
    // This server has a key and a rotated one of its own, of the same names.
    let (other, [_stranger]) = World::with_devices()?;
    other.server.rotate_key()?;
    copy_key(&other.server.certs(), &world.server.certs())?;
    world
        .server
        .wait_for_log("for which the one in use does not vouch")?;
    once_from_memory(&first, &[])?.with_code(0)?;
    second.write("still.txt", "still")?;
    second.wait_synced()?;
    world.server.restart()?;
    once_from_memory(&first, &[])?.with_code(5)?;
    let ended = second.finish()?;
    assert_eq!(ended.code, Some(5), "{ended:?}");
    Ok(())
}

#[test]
fn a_client_that_has_just_met_its_server_trusts_no_other_when_it_comes_back() -> Result<()> {
    let (mut world, [mut device]) = World::with_devices()?;
    world.server.terminate()?;
    fs::remove_dir_all(world.server.certs())?;
    world.server.start_again()?;
    let ended = device.finish()?;
    assert_eq!(ended.code, Some(5), "{ended:?}");
    Ok(())
}
