//! What must stay apart: a folder and its own secrets, a folder and another one, a folder and a server's store.

use anyhow::{Context as _, Result};
use std::fs;
use std::path::Path;
use std::process::Command;
use tests::device::PATIENCE;
use tests::{Device, Finished, Join, World, settle};

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is text")
}

/// Checks that a client has refused to start, and said why in three parts.
fn is_refused(finished: &Finished) {
    assert_eq!(finished.code, Some(2), "{finished:?}");
    let parts = ["error: ", "done: ", "next: "];
    assert!(
        parts.iter().all(|part| finished.stderr.contains(part)),
        "{finished:?}"
    );
}

/// Returns the names of all that the server has of the first account, as it would give them back.
fn names_on_server(world: &World) -> Result<Vec<String>> {
    names_of(world, "1")
}

/// Returns the names of all that the server has of an account.
fn names_of(world: &World, account: &str) -> Result<Vec<String>> {
    let goal = tempfile::tempdir_in(world.home())?;
    let goal = goal.path().join("export");
    world.server.admin(&["export", account, text(&goal)?])?.ok()?;
    let mut names = Vec::new();
    let mut pending = vec![goal.clone()];
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(&dir)? {
            let path = entry?.path();
            names.push(text(path.strip_prefix(&goal)?)?.to_owned());
            if path.is_dir() {
                pending.push(path);
            }
        }
    }
    names.sort();
    Ok(names)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy(&entry.path(), &to)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

#[test]
fn a_folder_that_holds_its_own_configuration_is_refused() -> Result<()> {
    let world = World::start()?;
    let mut device = Device::prepare(world.home(), "home", Join::New(world.address()))?;
    device.write("letter.txt", "letter")?;
    device.config = device.path(".config/holdfast");
    fs::create_dir_all(&device.config)?;
    is_refused(&device.once(&[])?);
    assert!(!device.path(".holdfast").exists());
    device.config = world.home().join("config");
    fs::create_dir(&device.config)?;
    device.once(&[])?.with_code(0)?;
    Ok(())
}

/// The configuration of this device, of another one, and a copy of one: whatever comes to lie in the folder, none of it is
/// sent, and all else is.
#[test]
fn secrets_that_are_moved_into_the_folder_are_never_sent() -> Result<()> {
    let (world, [first, second]) = World::with_devices()?;
    first.write("dir/letter.txt", "letter")?;
    settle(&[&first, &second])?;
    copy(&second.config, &first.path("copied"))?;
    copy(&first.config, &first.path("dir/own"))?;
    first.write("dir/own/note.txt", "note")?;
    let blocked = |device: &Device| -> Result<Vec<String>> {
        let status = device.json("status", &[])?;
        let blocked = status[0].0["blocked"].as_array().context("a list")?;
        Ok(blocked.iter().map(|item| item["path"].to_string()).collect())
    };
    first.wait_synced()?;
    second.wait_synced()?;
    let names = names_on_server(&world)?;
    assert!(
        names.iter().any(|name| name.ends_with("own/note.txt")),
        "{names:?}"
    );
    let secret = |name: &String| {
        ["device.key", "account.toml"]
            .iter()
            .any(|end| name.ends_with(end))
    };
    assert!(!names.iter().any(secret), "{names:?}");
    assert_eq!(
        blocked(&first)?
            .iter()
            .filter(|path| path.contains("device.key"))
            .count(),
        2
    );
    Ok(())
}

#[test]
fn a_folder_inside_or_around_another_is_refused_and_that_one_goes_on() -> Result<()> {
    let mut world = World::start()?;
    let mut middle = world.prepare("tree/middle")?;
    middle.write("sub/x.txt", "x")?;
    middle.start()?;
    middle.wait_synced()?;
    world.adopt(&middle)?;
    let names = names_on_server(&world)?;
    // Each is tried with the configuration of the first and with one of its own, as the same account and as another.
    for (folder, number) in [
        (middle.path("sub"), 0),
        (middle.path("self"), 1),
        (middle.folder.parent().context("a parent")?.to_owned(), 2),
        (world.home().join("tree"), 3),
    ] {
        for join in [Join::New(world.address()), Join::Link(middle.link()?)] {
            let mut other = Device::prepare(world.home(), &format!("other{number}"), join)?;
            other.folder.clone_from(&folder);
            is_refused(&other.once(&[])?);
            other.config.clone_from(&middle.config);
            is_refused(&other.once(&[])?);
        }
        assert!(!folder.join(".holdfast").exists());
    }
    middle.wait_synced()?;
    assert_eq!(names_on_server(&world)?, names);
    Ok(())
}

#[test]
fn a_folder_around_one_at_rest_leaves_that_alone_and_says_so() -> Result<()> {
    let world = World::start()?;
    let (mut inner, mut outer) = (world.prepare("inner")?, world.prepare("outer")?);
    outer.folder = world.home().join("tree");
    inner.folder = outer.path("of its own");
    fs::create_dir_all(&inner.folder)?;
    inner.write("of inner.txt", "inner")?;
    inner.once(&[])?;
    outer.write("of outer.txt", "outer")?;
    let finished = outer.once(&[])?;
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert!(
        finished.stdout.contains("a synchronised folder of its own"),
        "{finished:?}"
    );
    assert_eq!(names_of(&world, "2")?, ["of outer.txt"]);
    is_refused(&inner.once(&[])?);
    Ok(())
}

#[test]
fn a_synchronised_folder_that_is_moved_into_another_is_left_alone() -> Result<()> {
    let (world, [outer, mut inner]) = World::with_devices()?;
    inner.stop()?;
    let moved = outer.path("dir/moved");
    fs::create_dir(outer.path("dir"))?;
    inner.write("of inner.txt", "inner")?;
    fs::rename(&inner.folder, &moved)?;
    outer.write("of outer.txt", "outer")?;
    let waited = outer.command("wait", &["--timeout", "60"])?;
    assert!(matches!(waited.code, Some(0 | 3)), "{waited:?}");
    assert_eq!(names_on_server(&world)?, ["dir", "of outer.txt"]);
    let status = outer.command("status", &[])?;
    assert_eq!(status.code, Some(3), "{status:?}");
    assert!(
        status.stdout.contains("a synchronised folder of its own"),
        "{status:?}"
    );
    inner.folder = moved;
    is_refused(&inner.once(&[])?);
    Ok(())
}

#[test]
fn a_store_and_a_folder_are_kept_apart() -> Result<()> {
    let (world, [first]) = World::with_devices()?;
    let around = world.prepare("around")?;
    copy(&world.server.data(), &around.path("deep/store"))?;
    is_refused(&around.once(&[])?);
    let mut inside = world.prepare("inside")?;
    inside.folder = world.server.data().join("packs");
    is_refused(&inside.once(&[])?);
    let backup = world.home().join("backup");
    copy(&world.server.data(), &backup)?;
    fs::rename(&backup, first.path("backup"))?;
    first.write("a.txt", "a")?;
    let waited = first.command("wait", &["--timeout", "60"])?;
    assert!(matches!(waited.code, Some(0 | 3)), "{waited:?}");
    assert_eq!(names_on_server(&world)?, ["a.txt"]);
    for (option, other) in [("--data", "--certs"), ("--certs", "--data")] {
        let mut server = Command::new(&tests::binaries::binaries()?.server);
        let elsewhere = world.home().join("elsewhere");
        server
            .args(["--listen", "127.0.0.1:0", option])
            .arg(first.path("new"))
            .arg(other)
            .arg(elsewhere);
        let finished = tests::process::run("a server in a folder", &mut server, PATIENCE)?;
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.contains("synchronised folder"), "{finished:?}");
    }
    assert!(!first.path("new").exists());
    Ok(())
}
