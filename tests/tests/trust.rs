//! Whom a client trusts, whom a server admits, and the exit codes that tell.

use anyhow::{Context as _, Result};
use std::net::TcpListener;
use tests::{Device, Join, World};

/// Returns how a device with this ID and fingerprint would join.
fn by_id(world: &World, id: &str, fingerprint: &str) -> Join {
    Join::Id {
        server: world.address(),
        id: id.to_owned(),
        fingerprint: fingerprint.to_owned(),
    }
}

#[test]
fn another_key_than_the_pinned_one_is_not_trusted() -> Result<()> {
    let (world, [first]) = World::with_devices()?;
    let wrong = "0".repeat(world.server.fingerprint().len());
    let second = Device::prepare(world.home(), "b", by_id(&world, &first.id()?, &wrong))?;
    let finished = second.once(&[])?.with_code(5)?;
    assert!(
        !finished.stdout.is_empty() || !finished.stderr.is_empty(),
        "nobody was told"
    );
    Ok(())
}

#[test]
fn a_server_that_comes_back_with_another_key_is_not_trusted() -> Result<()> {
    let (mut world, [mut first]) = World::with_devices()?;
    first.stop()?;
    world.server.terminate()?;
    std::fs::remove_dir_all(world.server.certs())?;
    world.server.start_again()?;
    first.once(&[])?.with_code(5)?;
    Ok(())
}

#[test]
fn a_mistyped_id_is_wrong_usage_and_the_server_is_not_asked() -> Result<()> {
    let (mut world, [first]) = World::with_devices()?;
    let id = first.id()?;
    let typed = id.chars().next().context("the ID is empty")?;
    let mistyped = format!("{}{}", if typed == '7' { '8' } else { '7' }, &id[1..]);
    let fingerprint = world.server.fingerprint().to_owned();
    world.server.terminate()?;
    let second = Device::prepare(world.home(), "b", by_id(&world, &mistyped, &fingerprint))?;
    second.once(&[])?.with_code(2)?;
    Ok(())
}

#[test]
fn an_id_that_the_server_does_not_know_is_not_admitted_and_makes_no_account() -> Result<()> {
    let (world, [first]) = World::with_devices()?;
    let (_other_world, [other]) = World::with_devices()?;
    let join = by_id(&world, &other.id()?, world.server.fingerprint());
    let second = Device::prepare(world.home(), "b", join)?;
    second.write("private.txt", "private")?;
    second.once(&[])?.with_code(5)?;
    assert_eq!(first.json("devices", &[])?.len(), 1);
    Ok(())
}

#[test]
fn an_id_is_not_sent_to_a_server_that_nobody_vouches_for() -> Result<()> {
    let (world, [first]) = World::with_devices()?;
    let second = Device::prepare(world.home(), "b", Join::New(world.address()))?;
    let id = first.id()?;
    second.once(&["--id", &id])?.with_code(5)?;
    second.once(&["--id", &id, "--trust-first-use"])?.with_code(0)?;
    Ok(())
}

#[test]
fn a_server_out_of_reach_is_told_by_the_exit_code() -> Result<()> {
    let (mut world, [mut first]) = World::with_devices()?;
    first.stop()?;
    world.server.terminate()?;
    first.once(&[])?.with_code(4)?;
    let free = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
    let stranger = Device::prepare(world.home(), "b", Join::New(free.to_string()))?;
    stranger.once(&[])?.with_code(4)?;
    Ok(())
}

#[test]
fn once_ends_with_0_when_synced() -> Result<()> {
    let (_world, [mut first]) = World::with_devices()?;
    first.stop()?;
    first.write("a.txt", "a")?;
    let finished = first.once(&[])?.with_code(0)?;
    let synced = finished
        .stdout
        .lines()
        .filter(|line| line.contains("\"synced\""))
        .count();
    assert!(1 <= synced, "{}", finished.stdout);
    Ok(())
}

#[test]
fn every_line_of_json_output_is_an_object_with_event_and_time() -> Result<()> {
    let (_world, [mut first]) = World::with_devices()?;
    first.write("a.txt", "a")?;
    first.wait_synced()?;
    let finished = first.stop()?;
    for line in finished.stdout.lines() {
        let value: serde_json::Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        assert!(
            value["event"].is_string() && value.get("time").is_some(),
            "{line}"
        );
    }
    Ok(())
}

#[test]
fn the_id_is_in_no_log() -> Result<()> {
    let (world, [mut first]) = World::with_devices()?;
    let id = first.id()?;
    first.write("a.txt", "a")?;
    first.wait_synced()?;
    assert!(!world.server.output().contains(&id), "the server wrote it");
    let finished = first.stop()?;
    assert!(!finished.stderr.contains(&id), "the client logged it");
    Ok(())
}

/// I27: whatever is logged, however much of it, no secret is in it.
#[cfg(unix)]
#[test]
fn no_secret_is_in_a_log_that_leaves_nothing_out() -> Result<()> {
    let all = ["env", "RUST_LOG=trace"].map(str::to_owned).to_vec();
    let mut world = World::start_with(tests::ServerOptions {
        run_by: all.clone(),
        ..tests::ServerOptions::default()
    })?;
    let mut tokens = tests::Tokens::new();
    let mut devices = Vec::new();
    for name in ["a", "b"] {
        let mut device = world.prepare(name)?;
        device.run_by.clone_from(&all);
        tokens.write(&device.path(&format!("of {name}.txt")))?;
        device.start()?;
        device.wait_synced()?;
        world.adopt(&device)?;
        devices.push(device);
    }
    tests::settle(&devices.iter().collect::<Vec<_>>())?;
    world.server.kill()?;
    world.server.start_again()?;
    tests::settle(&devices.iter().collect::<Vec<_>>())?;
    assert!(world.server.log().contains("TRACE") || world.server.log().contains("DEBUG"));
    tests::account(&world, &devices.iter().collect::<Vec<_>>(), tokens)
}

#[test]
fn wrong_usage_is_told_by_the_exit_code() -> Result<()> {
    let (_world, [first]) = World::with_devices()?;
    for args in [
        &["--nonsense"][..],
        &["status"],
        &["wait", ".", "--timeout", "soon"],
    ] {
        let mut command = first.client()?;
        let finished = tests::process::run("wrong usage", command.args(args), tests::device::PATIENCE)?;
        assert_eq!(finished.code, Some(2), "{args:?}: {finished:?}");
    }
    Ok(())
}
