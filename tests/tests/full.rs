//! Disks that are full, on small file systems of their own. Only root can make them; for others these tests say so and
//! check nothing.

#![cfg(target_os = "linux")]

use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::noise::Noise;
use tests::{ServerProcess, Tokens, World, account, settle};

/// A small file system in memory, at a directory; taken away when dropped.
struct Small(PathBuf);

impl Small {
    /// Makes one of so many megabytes; nothing when that is not allowed here.
    fn mount(at: &Path, size_mb: u32) -> Result<Option<Self>> {
        fs::create_dir_all(at)?;
        let size = format!("size={size_mb}m,mode=700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "holdfast-test"])
            .arg(at)
            .output()
            .context("cannot start mount")?;
        if !mounted.status.success() {
            eprintln!("no file system can be mounted here, so full disks were not tried");
            return Ok(None);
        }
        Ok(Some(Self(at.to_owned())))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _gone = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Fills a file system until not a byte more goes in.
fn fill(path: &Path) -> Result<()> {
    let block = vec![0x5a; 1 << 16];
    let mut file = fs::File::create(path)?;
    loop {
        match std::io::Write::write(&mut file, &block) {
            Ok(0) => return Ok(()),
            Ok(_) => (),
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// I22: a full disk is told, spoils nothing that is there, and holds up only what needs room.
#[test]
fn a_server_whose_disk_is_full_says_so_and_goes_on_when_there_is_room() -> Result<()> {
    let mut world = World::start()?;
    world.server.terminate()?;
    fs::remove_dir_all(world.server.data())?;
    let Some(_small) = Small::mount(&world.server.data(), 24)? else {
        return Ok(());
    };
    world.server.start_again()?;
    let first = world.device("a")?;
    let second = world.device("b")?;
    let mut tokens = Tokens::new();
    tokens.write(&first.path("before.txt"))?;
    settle(&[&first, &second])?;

    let ballast = world.server.data().join("ballast");
    fill(&ballast)?;
    tokens.write(&first.path("during.txt"))?;
    first.write("large.bin", Noise::new(11).bytes(6_000_000))?;
    first.wait_for("that the server has no room", |event| {
        event.is("error") || event.is("blocked")
    })?;
    let refused = first.command("wait", &["--timeout", "1"])?;
    ensure!(
        refused.code == Some(1),
        "nothing was stored, and it said synced: {refused:?}"
    );
    assert!(!second.path("during.txt").exists());
    // Reading goes on.
    let read = world.home().join("read");
    let read_text = read.to_str().context("the directory has no text for a name")?;
    world.server.admin(&["export", "1", read_text])?.ok()?;
    assert_eq!(
        fs::read_to_string(read.join("before.txt"))?,
        second.read("before.txt")?
    );

    fs::remove_file(&ballast)?;
    ensure_runs(&mut world.server)?;
    let tree = settle(&[&first, &second])?;
    assert!(tree.contains_key(b"large.bin".as_slice()));
    account(&world, &[&first, &second], tokens)
}

/// A server may end when its disk is full, rather than go on with what it cannot be sure of; whoever keeps it running
/// starts it again.
fn ensure_runs(server: &mut ServerProcess) -> Result<()> {
    if !server.is_running() {
        server.start_again()?;
    }
    Ok(())
}

/// I22, I8: a full disk of a device shows no part of a file, and lets small things through.
#[test]
fn a_device_whose_disk_is_full_says_so_and_goes_on_when_there_is_room() -> Result<()> {
    let mut world = World::start()?;
    let first = world.device("a")?;
    let mut second = world.prepare("b")?;
    let Some(small) = Small::mount(&second.folder, 16)? else {
        return Ok(());
    };
    second.start()?;
    second.wait_synced()?;
    let ballast = second.path(".holdfast").join("ballast");
    let mut tokens = Tokens::new();
    fs::write(&ballast, vec![0; 6_000_000])?;
    fs::create_dir(first.path("large"))?;
    for n in 0..6 {
        // Whole from the first moment, so that no beginning of it is a version.
        let made = world.home().join("made");
        fs::write(&made, Noise::new(20 + n).bytes(2_500_000))?;
        fs::rename(made, first.path(&format!("large/{n}.bin")))?;
    }
    first.wait_synced()?;
    second.wait_for("that the disk is full", |event| {
        event.is("blocked") && event.text("path").starts_with("large/")
    })?;
    tokens.write(&first.path("small.txt"))?;
    first.wait_synced()?;
    let whole = first.tree()?;
    for (path, seen) in second.tree()? {
        assert_eq!(
            whole.get(&path),
            Some(&seen),
            "{}",
            String::from_utf8_lossy(&path)
        );
    }
    // It goes on without a restart.
    fs::remove_file(&ballast)?;
    for n in 0..3 {
        first.delete(&format!("large/{n}.bin"))?;
    }
    settle(&[&first, &second])?;
    account(&world, &[&first, &second], tokens)?;
    drop(second);
    drop(small);
    Ok(())
}
