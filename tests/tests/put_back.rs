//! A server that is put back to an older store: what the devices are, and that nothing is lost by it.

use crate::support::{copy_dir, n_conflicts};
use anyhow::{Context as _, Result, ensure};
use common::message::{Auth, Hello, Refusal, Reply, Request, Role};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tests::events::Event;
use tests::noise::Noise;
use tests::rogue::{EPOCH, Nodes, Rogue, Said, honest};
use tests::{Device, Tokens, World, settle};

/// How an operator keeps a store and puts it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Means {
    /// With `server backup`, whose copies have an epoch of their own.
    Backup,
    /// By copying the files, as they were.
    Files,
    /// By copying the files, and with `server new-epoch`.
    FilesAndEpoch,
}

const MEANS: [Means; 3] = [Means::Backup, Means::Files, Means::FilesAndEpoch];

fn back_up(world: &mut World, means: Means) -> Result<PathBuf> {
    let backup = world.home().join("backup");
    match means {
        Means::Backup => {
            let goal = backup.to_string_lossy().into_owned();
            world.server.admin(&["backup", &goal])?.ok()?;
        }
        Means::Files | Means::FilesAndEpoch => {
            world.server.terminate()?;
            copy_dir(&world.server.data(), &backup)?;
            world.server.start_again()?;
        }
    }
    Ok(backup)
}

fn put_back(world: &mut World, backup: &Path, means: Means) -> Result<()> {
    world.server.terminate()?;
    fs::remove_dir_all(world.server.data())?;
    copy_dir(backup, &world.server.data())?;
    if means == Means::FilesAndEpoch {
        world.server.admin(&["new-epoch"])?.ok()?;
    }
    world.server.start_again()
}

/// Lets all devices connect anew, so that their generations go on.
fn reconnect(world: &mut World, devices: &[&Device]) -> Result<()> {
    for _ in 0..2 {
        world.server.restart()?;
        settle(devices)?;
    }
    Ok(())
}

/// The names of the account's devices that are not shut out, by their ids.
fn devices_of(device: &Device) -> Result<BTreeMap<String, String>> {
    let devices = device.json("devices", &[])?;
    let listed = devices.iter().map(|item| {
        let id = item.text("id").to_owned();
        (id, item.text("name").to_owned())
    });
    Ok(listed.collect())
}

fn says_nothing_of_a_copy(device: &Device) -> Result<()> {
    let said = device.output() + &device.log();
    ensure!(!said.contains("copy of another"), "{said}");
    Ok(())
}

#[test]
fn devices_stay_what_they_are_and_lose_nothing_when_the_server_is_put_back() -> Result<()> {
    for means in MEANS {
        let (mut world, [first, second, mut away]) = World::with_devices()?;
        let mut tokens = Tokens::new();
        tokens.write(&first.path("before.txt"))?;
        reconnect(&mut world, &[&first, &second, &away])?;
        away.stop()?;
        let known = devices_of(&first)?;
        let backup = back_up(&mut world, means)?;
        tokens.write(&second.path("after.txt"))?;
        reconnect(&mut world, &[&first, &second])?;
        let late = world.device("late")?;
        second.command("devices", &["rename", "b", "desk"])?.ok()?;
        tokens.write(&first.path("last.txt"))?;
        tokens.write(&late.path("late.txt"))?;
        let before = settle(&[&first, &second, &late])?;
        tokens.write(&away.path("away.txt"))?;

        put_back(&mut world, &backup, means)?;
        assert_eq!(settle(&[&first, &second, &late])?, before, "{means:?}");
        away.start()?;
        let after = settle(&[&first, &second, &late, &away])?;
        assert_eq!(after.len(), before.len() + 1, "{means:?}");
        tokens.all_in(&[&first.folder, &second.folder, &late.folder, &away.folder])?;
        // They can go on as before, and come again.
        second.write("since.txt", "since")?;
        reconnect(&mut world, &[&first, &second, &late, &away])?;

        let mut expected: Vec<(String, String)> = known.into_iter().collect();
        for (_, name) in expected.iter_mut().filter(|(_, name)| name == "b") {
            "desk".clone_into(name);
        }
        let mut found = devices_of(&first)?;
        found.retain(|_, name| name != "late");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), expected, "{means:?}");
        assert_eq!(devices_of(&away)?.len(), 4, "{means:?}");
        for device in [&first, &second, &late, &away] {
            says_nothing_of_a_copy(device)?;
            assert_eq!(n_conflicts(device)?, 0, "{means:?}");
        }
    }
    Ok(())
}

#[test]
fn a_device_that_was_copied_is_found_after_the_server_was_put_back_too() -> Result<()> {
    for means in [Means::Backup, Means::Files] {
        let (mut world, [mut first, second]) = World::with_devices()?;
        first.write("before.txt", "before")?;
        settle(&[&first, &second])?;
        let backup = back_up(&mut world, means)?;
        reconnect(&mut world, &[&first, &second])?;
        first.stop()?;
        let copy = world.home().join("copy");
        copy_dir(&first.folder, &copy.join("a").join("folder"))?;
        copy_dir(&first.config, &copy.join("a").join("config"))?;
        // On another computer the original is not to be found.
        fs::remove_dir_all(copy.join("a").join("config").join("folders"))?;
        put_back(&mut world, &backup, means)?;
        first.start()?;
        settle(&[&first, &second])?;
        let known = devices_of(&first)?;
        assert_eq!(known.len(), 2, "{known:?}");
        let clone = Device::prepare(&copy, "a", tests::Join::New(world.address()))?;
        clone.write("from the copy.txt", "copy")?;
        let said = clone.once(&[])?.with_code(0)?;
        assert!(format!("{said:?}").contains("copy of another"), "{said:?}");
        first.write("from the original.txt", "original")?;
        settle(&[&first, &second])?;
        assert_eq!(second.read("from the copy.txt")?, "copy");
        let mut found = devices_of(&first)?;
        assert_eq!(found.len(), 3, "{found:?}");
        found.retain(|id, _| known.contains_key(id));
        assert_eq!(found, known);
        says_nothing_of_a_copy(&first)?;
    }
    Ok(())
}

/// What a device alone has, by its path.
fn kept_by(device: &Device, path: &str) -> Result<BTreeMap<String, String>> {
    let lines = device.json("history", &[path])?;
    let kept = lines.iter().filter(|line| line.is("kept"));
    Ok(kept
        .map(|line| (line.text("path").to_owned(), line.text("kept").to_owned()))
        .collect())
}

#[test]
fn what_only_the_lost_end_of_the_history_held_is_listed_and_comes_back() -> Result<()> {
    for means in [Means::Backup, Means::Files] {
        let (mut world, [first, mut second]) = World::with_devices()?;
        first.write("note.txt", "1")?;
        settle(&[&first, &second])?;
        let backup = back_up(&mut world, means)?;
        let large = Noise::new(8).bytes(3_000_000);
        first.write("note.txt", "2")?;
        first.write("box/large.bin", &large)?;
        first.write("gone.txt", "gone")?;
        settle(&[&first, &second])?;
        // Nothing of this is lost yet, and nothing is said.
        first.write("note.txt", "3")?;
        first.put("box/large.bin", "small")?;
        first.delete("gone.txt")?;
        settle(&[&first, &second])?;
        assert_eq!(kept_by(&second, ".")?.len(), 0);
        assert_eq!(kept_by(&second, "gone.txt")?.len(), 0);

        put_back(&mut world, &backup, means)?;
        settle(&[&first, &second])?;
        second.wait_for("what it alone has", |event: &Event| {
            event.is("error") && event.text("what").contains("lacks 3 earlier contents")
        })?;
        let kept = kept_by(&second, ".")?;
        let paths: Vec<&str> = kept.keys().map(String::as_str).collect();
        assert_eq!(paths, ["box/large.bin", "gone.txt", "note.txt"], "{means:?}");
        for path in paths {
            assert_eq!(kept_by(&second, path)?.get(path), kept.get(path));
        }
        let shown = second.command("history", &["gone.txt"])?.ok()?.stdout;
        assert!(
            shown.contains("on this device alone") && shown.contains(&kept["gone.txt"]),
            "{shown}"
        );
        second
            .command("restore", &["note.txt", "--kept", &kept["gone.txt"]])?
            .with_code(1)?;
        second
            .command("restore", &["gone.txt", "--kept", &kept["gone.txt"]])?
            .ok()?;
        second
            .command("restore", &["note.txt", "--kept", &kept["note.txt"]])?
            .ok()?;
        // Also when the client was started anew in between, and to another place.
        second.stop()?;
        second.start()?;
        let to = ["--to", "old/large.bin"];
        let args = [&["box/large.bin", "--kept", &kept["box/large.bin"]], &to[..]].concat();
        second.command("restore", &args)?.ok()?;
        settle(&[&first, &second])?;
        assert_eq!(first.read("gone.txt")?, "gone");
        assert_eq!(first.read("note.txt")?, "2");
        assert_eq!(fs::read(first.path("old/large.bin"))?, large);
        assert_eq!(first.read("box/large.bin")?, "small");
        // From now on the history has all of it, for everybody.
        assert_eq!(kept_by(&second, ".")?.len(), 0, "{means:?}");
        let versions = first.json("history", &["note.txt"])?;
        let sent_again = versions.iter().filter_map(|line| line.number("journal")).nth(1);
        let sent_again = sent_again
            .context("the third content was sent again")?
            .to_string();
        first
            .command(
                "restore",
                &["note.txt", "--version", &sent_again, "--to", "third.txt"],
            )?
            .ok()?;
        settle(&[&first, &second])?;
        assert_eq!(second.read("third.txt")?, "3");
        world.server.admin(&["verify"])?.ok()?;
    }
    Ok(())
}

#[test]
fn a_server_that_does_not_know_the_question_is_believed_when_it_speaks_of_a_copy() -> Result<()> {
    let rogue = Rogue::start(Arc::new(|request: &Request| {
        let refuse = |refusal| vec![Said::Reply(Reply::Refused(refusal), Vec::new())];
        match request {
            Request::Hello(Hello {
                role: Role::Control,
                auth: Auth::Device,
                ..
            }) => refuse(Refusal::Cloned),
            Request::Hello(Hello {
                auth: Auth::LastBegun,
                ..
            }) => refuse(Refusal::Malformed),
            _ => honest(request, EPOCH, &Nodes::new()),
        }
    }))?;
    let home = tempfile::tempdir()?;
    let mut device = Device::prepare(home.path(), "a", tests::Join::New(rogue.address()))?;
    device.start()?;
    rogue.wait_heard("a pull", 1, |request| matches!(request, Request::Pull { .. }))?;
    device.stop()?;
    device.start()?;
    device.wait_for("what it is taken for", |event: &Event| {
        event.is("error") && event.text("what").contains("copy of another")
    })?;
    let enrols = |request: &Request| matches!(request, Request::Hello(hello) if matches!(hello.auth, Auth::Enrol { .. }));
    rogue.wait_heard("that it enrols", 1, enrols)
}
