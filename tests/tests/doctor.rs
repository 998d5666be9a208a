//! `doctor` and `verify` in each broken state: what they say, and how they end.

use anyhow::Result;
use std::fs;
use std::path::PathBuf;
use tests::{Device, World};

/// Checks how `doctor` ends and what it says.
fn check(device: &Device, code: i32, said: &[&str]) -> Result<()> {
    let finished = device.command("doctor", &[])?.with_code(code)?;
    let text = finished.stdout + &finished.stderr;
    for part in said {
        assert!(text.contains(part), "'{part}' is not in\n{text}");
    }
    Ok(())
}

/// Returns the one file of a name in a device's configuration.
fn kept(device: &Device, name: &str) -> Result<PathBuf> {
    for entry in fs::read_dir(&device.config)? {
        let path = entry?.path().join(name);
        if path.exists() {
            return Ok(path);
        }
    }
    anyhow::bail!("there is no {name}")
}

#[test]
fn the_doctor_tells_a_sound_folder_from_each_that_is_not() -> Result<()> {
    let (mut world, [mut first, _second]) = World::with_devices()?;
    check(
        &first,
        0,
        &["key            ok", "server         ok", "runs, connected"],
    )?;
    first.command("verify", &[])?.ok()?;
    first.stop()?;
    check(&first, 0, &["server         ok", "does not run"])?;

    let (key, marker) = (kept(&first, "device.key")?, first.path(".holdfast/folder-id"));
    let (away, database) = (world.home().join("away"), first.path(".holdfast/state.db"));
    fs::rename(&key, &away)?;
    check(&first, 1, &["key            WRONG"])?;
    fs::rename(&away, &key)?;

    fs::rename(&marker, &away)?;
    check(&first, 1, &["is not a folder that Holdfast keeps"])?;
    fs::write(&marker, "rubbish")?;
    check(&first, 1, &["does not hold a folder id"])?;
    fs::rename(&away, &marker)?;

    fs::copy(&database, &away)?;
    fs::write(&database, vec![0xa5; 20_000])?;
    check(&first, 1, &["memory         WRONG"])?;
    fs::copy(&away, &database)?;

    world.server.terminate()?;
    check(
        &first,
        1,
        &["server         WRONG", "out of reach", "that the server runs"],
    )?;
    fs::remove_dir_all(world.server.certs())?;
    world.server.start_again()?;
    check(
        &first,
        1,
        &["server         WRONG", "another key", "--fingerprint"],
    )
}

#[cfg(unix)]
#[test]
fn the_doctor_sees_a_key_that_others_can_read() -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let (_world, [mut first]) = World::with_devices()?;
    first.stop()?;
    let key = kept(&first, "device.key")?;
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644))?;
    check(&first, 1, &["key            WRONG"])?;
    // Nor is it used.
    first.once(&[])?.with_code(1)?;
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
    first.once(&[])?.with_code(0)?;
    Ok(())
}
