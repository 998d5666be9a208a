//! I16: what cannot be read is not deleted, holds up nothing else, is listed, and goes on when it can be read.

#![cfg(unix)]

use anyhow::Result;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;
use tests::{Device, Tokens, World, account, settle, settle_apart};

/// A user without any rights, for whom a test runs the clients when it is run by root, whom nothing stops.
const NOBODY: u32 = 65534;

/// Makes a device whose programs are run by a user who is not root.
fn of_a_user(world: &World, name: &str) -> Result<Device> {
    let mut device = world.prepare(name)?;
    if rustix::process::geteuid().is_root() {
        fs::set_permissions(world.home(), Permissions::from_mode(0o711))?;
        for path in [&device.folder, &device.config] {
            chown(path, Some(NOBODY), Some(NOBODY))?;
        }
        device.run_by = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
            .map(str::to_owned)
            .to_vec();
    }
    Ok(device)
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    Ok(fs::set_permissions(path, Permissions::from_mode(mode))?)
}

/// Gives what the test made in a folder to the user whose folder it is.
fn give(path: &Path) -> Result<()> {
    if rustix::process::geteuid().is_root() {
        chown(path, Some(NOBODY), Some(NOBODY))?;
    }
    Ok(())
}

/// Writes tokens to files of a user, whose the directories on the way are too.
fn write_all(device: &Device, tokens: &mut Tokens, paths: &[&str]) -> Result<()> {
    for path in paths {
        let file = device.path(path);
        tokens.write(&file)?;
        for made in file.ancestors().take_while(|made| *made != device.folder) {
            give(made)?;
        }
    }
    Ok(())
}

/// Makes a server with an account of two devices, the first of which is a user's.
fn world_of_a_user() -> Result<(World, Device, Device)> {
    let mut world = World::start()?;
    let mut first = of_a_user(&world, "a")?;
    first.start()?;
    first.wait_synced()?;
    let second = second_of(&mut world, &first)?;
    Ok((world, first, second))
}

/// Makes another device of an account that a device has made.
fn second_of(world: &mut World, first: &Device) -> Result<Device> {
    world.adopt(first)?;
    world.device("b")
}

/// Returns the paths that a device lists as blocked.
fn blocked(device: &Device) -> Result<Vec<String>> {
    let status = device.json("status", &[])?;
    let items = status
        .first()
        .and_then(|status| status.0.get("blocked")?.as_array());
    let paths = items.into_iter().flatten().filter_map(|item| {
        let path = item.get("path").or_else(|| item.get(0)).unwrap_or(item);
        path.as_str().map(str::to_owned)
    });
    let mut paths: Vec<String> = paths.collect();
    paths.sort();
    Ok(paths)
}

#[test]
fn what_cannot_be_read_any_more_is_not_deleted_and_goes_on_when_it_can() -> Result<()> {
    let (world, mut first, second) = world_of_a_user()?;
    let mut tokens = Tokens::new();
    let paths = ["secret.txt", "box/inside.txt", "box/deep/down.txt", "open.txt"];
    write_all(&first, &mut tokens, &paths)?;
    let before = settle(&[&first, &second])?;

    set_mode(&first.path("secret.txt"), 0o000)?;
    set_mode(&first.path("box"), 0o000)?;
    // A restart looks at everything anew.
    first.stop()?;
    first.launch()?;
    first.wait_for("blocked", |event| {
        event.is("blocked") && event.text("path") == "secret.txt"
    })?;
    first.wait_for("blocked", |event| {
        event.is("blocked") && event.text("path") == "box"
    })?;
    let other = tokens.write(&first.path("other.txt"))?;
    give(&first.path("other.txt"))?;
    settle_apart(&[&first, &second], |trees| {
        trees[1].contains_key(b"other.txt".as_slice())
    })?;
    assert_eq!(second.read("other.txt")?, format!("{other}\n"));
    assert_eq!(
        second.tree()?.len(),
        before.len() + 1,
        "the second lost something"
    );
    // What the second edits meanwhile has to wait, and overwrites nothing.
    tokens.write(&second.path("box/new.txt"))?;
    second.wait_synced()?;

    set_mode(&first.path("secret.txt"), 0o644)?;
    set_mode(&first.path("box"), 0o755)?;
    let after = settle(&[&first, &second])?;
    assert_eq!(after.len(), before.len() + 2);
    assert!(blocked(&first)?.is_empty());
    account(&world, &[&first, &second], tokens)
}

#[test]
fn a_new_file_that_cannot_be_read_is_listed_and_arrives_when_it_can() -> Result<()> {
    let mut world = World::start()?;
    let mut first = of_a_user(&world, "a")?;
    let mut tokens = Tokens::new();
    write_all(
        &first,
        &mut tokens,
        &["closed.txt", "shut/inside.txt", "open.txt"],
    )?;
    set_mode(&first.path("closed.txt"), 0o000)?;
    set_mode(&first.path("shut"), 0o000)?;
    first.launch()?;
    first.wait_for("blocked", |event| {
        event.is("blocked") && event.text("path") == "closed.txt"
    })?;
    first.wait_synced()?;
    let second = second_of(&mut world, &first)?;
    settle_apart(&[&first, &second], |trees| {
        trees[1].contains_key(b"open.txt".as_slice())
    })?;
    assert_eq!(blocked(&first)?, ["closed.txt", "shut"]);
    set_mode(&first.path("closed.txt"), 0o600)?;
    set_mode(&first.path("shut"), 0o700)?;
    settle(&[&first, &second])?;
    account(&world, &[&first, &second], tokens)
}

#[test]
fn a_directory_that_cannot_be_written_to_holds_up_only_what_is_for_it() -> Result<()> {
    let (world, first, second) = world_of_a_user()?;
    let mut tokens = Tokens::new();
    tokens.write(&second.path("box/old.txt"))?;
    settle(&[&first, &second])?;
    set_mode(&first.path("box"), 0o555)?;
    tokens.write(&second.path("box/new.txt"))?;
    tokens.write(&second.path("elsewhere.txt"))?;
    first.wait_for("elsewhere", |event| {
        event.is("change") && event.text("path") == "elsewhere.txt"
    })?;
    first.wait_for("blocked", |event| {
        event.is("blocked") && event.text("path").starts_with("box")
    })?;
    set_mode(&first.path("box"), 0o755)?;
    settle(&[&first, &second])?;
    account(&world, &[&first, &second], tokens)
}

/// I7: what is no file, directory or link is left alone, and so is the directory that it is in.
#[test]
fn pipes_sockets_and_links_that_lead_nowhere_hold_nothing_up() -> Result<()> {
    let mut world = World::start()?;
    let mut first = of_a_user(&world, "a")?;
    let mut tokens = Tokens::new();
    write_all(&first, &mut tokens, &["box/file.txt"])?;
    mknodat(
        CWD,
        first.path("box/pipe"),
        FileType::Fifo,
        Mode::from_raw_mode(0o666),
        0,
    )?;
    let _socket = std::os::unix::net::UnixListener::bind(first.path("box/socket"))?;
    symlink("nowhere", first.path("dangling"))?;
    symlink("loop", first.path("loop"))?;
    symlink("/etc", first.path("etc"))?;
    first.launch()?;
    first.wait_synced()?;
    let second = second_of(&mut world, &first)?;
    settle_apart(&[&first, &second], |trees| trees[1].len() == 5)?;
    assert_eq!(blocked(&first)?, ["box/pipe", "box/socket"]);
    // The second deletes the directory: what the first cannot carry stays, and so does the directory, which is said.
    tokens.retire_under(&second.path("box"))?;
    second.delete("box")?;
    first.wait_for("that the directory stays", |event| {
        event.is("blocked") && event.text("path") == "box" && event.0["blocked"] == true
    })?;
    first.command("wait", &["--timeout", "60"])?.with_code(0)?;
    first.command("status", &[])?.with_code(3)?;
    assert!(
        first.path("box/pipe").symlink_metadata().is_ok(),
        "{}",
        first.output()
    );
    assert!(first.path("box/socket").symlink_metadata().is_ok());
    fs::remove_file(first.path("box/pipe"))?;
    fs::remove_file(first.path("box/socket"))?;
    settle(&[&first, &second])?;
    assert!(!first.path("box").exists());
    account(&world, &[&first, &second], tokens)
}

/// I7: what the rules leave out is not removed with the directory that it is in.
#[test]
fn a_directory_with_something_left_out_in_it_outlives_its_deletion_elsewhere() -> Result<()> {
    let (world, [first, second]) = World::with_devices()?;
    let mut tokens = Tokens::new();
    tokens.write(&first.path("box/deep/file.txt"))?;
    // Enough else, that the deletion is none for the brake.
    for n in 0..10 {
        tokens.write(&first.path(&format!("else {n}.txt")))?;
    }
    settle(&[&first, &second])?;
    first.write("box/deep/.DS_Store", "icons")?;
    tokens.retire_under(&second.path("box"))?;
    second.delete("box")?;
    first.wait_for("that the directory stays", |event| {
        event.is("blocked") && event.text("path") == "box/deep"
    })?;
    first.command("wait", &["--timeout", "60"])?.with_code(0)?;
    assert_eq!(first.read("box/deep/.DS_Store")?, "icons");
    tokens.write(&second.path("other.txt"))?;
    settle_apart(&[&first, &second], |trees| {
        trees[0].contains_key(b"other.txt".as_slice())
    })?;
    first.delete("box/deep/.DS_Store")?;
    settle(&[&first, &second])?;
    assert!(!first.path("box").exists());
    account(&world, &[&first, &second], tokens)
}

/// I36: what is to come to a place where something else stands is listed, and all else comes to rest.
#[test]
fn what_stands_in_the_way_of_a_file_is_told_and_left_alone() -> Result<()> {
    let mut world = World::start()?;
    let mut first = world.device("a")?;
    world.adopt(&first)?;
    let second = world.device("b")?;
    let mut tokens = Tokens::new();
    settle(&[&first, &second])?;
    let pipe = |name: &str| {
        mknodat(
            CWD,
            first.path(name),
            FileType::Fifo,
            Mode::from_raw_mode(0o666),
            0,
        )
    };
    pipe("thing")?;
    pipe("box")?;
    pipe("link")?;
    let socket = std::os::unix::net::UnixListener::bind(first.path("plug"))?;
    let listed =
        |device: &Device, path: &str| -> Result<bool> { Ok(blocked(device)?.contains(&path.to_owned())) };
    for name in ["thing", "box", "link", "plug"] {
        first.wait_for("that it is odd", |event| {
            event.is("blocked") && event.text("path") == name
        })?;
    }
    for path in ["thing", "plug", "box/deep/file.txt", "moved.txt", "other.txt"] {
        tokens.write(&second.path(path))?;
    }
    symlink("other.txt", second.path("link"))?;
    first.wait_for("the rest", |event| {
        event.is("change") && event.text("path") == "other.txt"
    })?;
    first.wait_synced()?;
    let status = first.command("status", &["--json"])?.with_code(3)?;
    assert!(status.stdout.contains("\"pending\":0"), "{}", status.stdout);
    for path in ["thing", "plug", "link", "box"] {
        assert!(listed(&first, path)?, "{path}: {:?}", blocked(&first)?);
    }
    first.stop()?;
    first.once(&[])?.with_code(3)?;
    for path in ["thing", "plug", "link", "box"] {
        let there = first.path(path).symlink_metadata()?;
        assert!(
            !there.is_file() && !there.is_dir() && !there.is_symlink(),
            "{path}"
        );
        fs::remove_file(first.path(path))?;
    }
    drop(socket);
    first.launch()?;
    first.wait_for("that it is synced", |event| event.is("synced"))?;
    settle(&[&first, &second])?;
    account(&world, &[&first, &second], tokens)
}

/// I22: one odd node stops nobody. What stands where the rules are to be holds none, and those read last go on to count.
#[test]
fn an_odd_thing_in_place_of_the_rules_stops_no_client_and_sends_nothing_that_was_left_out() -> Result<()> {
    let (world, [mut first, mut second]) = World::with_devices()?;
    let mut tokens = Tokens::new();
    first.write(".holdfastignore", "secret*\n")?;
    settle(&[&first, &second])?;
    first.write("secret.txt", "nobody else's")?;
    for odd in ["directory", "link"] {
        first.delete(".holdfastignore")?;
        match odd {
            "directory" => fs::create_dir(first.path(".holdfastignore"))?,
            _ => symlink("secret.txt", first.path(".holdfastignore"))?,
        }
        first.wait_for("that it is odd", |event| {
            event.is("blocked") && event.text("path") == ".holdfastignore" && event.0["blocked"] == true
        })?;
        first.stop()?;
        second.stop()?;
        first.launch()?;
        second.launch()?;
        first.wait_for("that it is told", |event| {
            event.is("error") && event.text("what").contains("no regular file")
        })?;
        tokens.write(&first.path(odd))?;
        settle_apart(&[&first, &second], |trees| trees[1].contains_key(odd.as_bytes()))?;
        assert!(!second.path("secret.txt").exists());
        match odd {
            "directory" => fs::remove_dir(first.path(".holdfastignore"))?,
            _ => fs::remove_file(first.path(".holdfastignore"))?,
        }
        first.write(".holdfastignore", format!("secret*\n#{odd}\n"))?;
        settle_apart(&[&first, &second], |trees| {
            trees[1].contains_key(b".holdfastignore".as_slice())
        })?;
    }
    account(&world, &[&first, &second], tokens)
}

/// What has moved is found, although its old place shows what cannot be a node; the client once looked for it for ever.
#[test]
fn a_file_whose_place_a_pipe_has_taken_is_found_where_it_moved() -> Result<()> {
    let (world, [first, second]) = World::with_devices()?;
    let mut tokens = Tokens::new();
    for path in ["plain.txt", "dir/inside.txt"] {
        tokens.write(&first.path(path))?;
    }
    settle(&[&first, &second])?;
    for (from, to) in [("plain.txt", "moved.txt"), ("dir", "moved")] {
        first.rename(from, to)?;
    }
    for name in ["plain.txt", "dir"] {
        mknodat(
            CWD,
            first.path(name),
            FileType::Fifo,
            Mode::from_raw_mode(0o666),
            0,
        )?;
    }
    settle_apart(&[&first, &second], |trees| {
        let has = |path: &str| trees[1].contains_key(path.as_bytes());
        has("moved.txt") && has("moved/inside.txt") && !has("dir") && !has("plain.txt")
    })?;
    assert_eq!(blocked(&first)?, ["dir", "plain.txt"]);
    for name in ["plain.txt", "dir"] {
        fs::remove_file(first.path(name))?;
    }
    let _ = world;
    Ok(())
}
