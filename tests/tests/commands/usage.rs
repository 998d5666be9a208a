//! Wrong usages of both programs, one a row: each ends with its code, says its three parts in words of its own, and
//! writes nothing.

use anyhow::{Result, ensure};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use tests::binaries::binaries;
use tests::device::PATIENCE;
use tests::process::{Finished, run};
use tests::{Device, World};

/// What no message has: the language's own words, its way to show values, numbers of the system, orders to a terminal.
const NEVER: [&str; 18] = [
    "invalid digit",
    "target type",
    "os error",
    "ParseIntError",
    "panicked",
    "Unreadable(",
    "Some(",
    "None",
    "Err(",
    "Ok(",
    "invalid socket address",
    "Kind::",
    "RUST_BACKTRACE",
    "{ ",
    "src/",
    "\u{1b}",
    "unwrap",
    "NotFound",
];

/// Checks how a program ended on wrong usage.
fn check(row: &str, finished: &Finished, codes: &[i32], word: &str) -> Result<()> {
    let Finished {
        code, stdout, stderr, ..
    } = finished;
    let shown = format!("{row}: {code:?}\n{stdout}{stderr}");
    ensure!(
        code.is_some_and(|code| codes.contains(&code)),
        "not {codes:?}: {shown}"
    );
    ensure!(stdout.is_empty(), "it writes an answer: {shown}");
    let lines: Vec<&str> = stderr.lines().collect();
    let begins = ["error: ", "  done: ", "  next: "];
    ensure!(lines.len() == begins.len(), "not three lines: {shown}");
    for (line, begin) in lines.iter().zip(begins) {
        ensure!(
            line.starts_with(begin) && begin.len() + 3 < line.len(),
            "no '{begin}': {shown}"
        );
    }
    let found = NEVER.into_iter().find(|never| stderr.contains(never));
    ensure!(found.is_none(), "'{}': {shown}", found.unwrap_or_default());
    ensure!(
        stderr.to_lowercase().contains(word),
        "nothing of '{word}': {shown}"
    );
    Ok(())
}

/// All paths below a directory.
fn paths(dir: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.symlink_metadata()?.is_dir() {
            found.extend(paths(&path)?);
        }
        found.insert(path);
    }
    Ok(found)
}

fn ask(device: &Device, args: &[&str]) -> Result<Finished> {
    run(&args.join(" "), device.client()?.args(args), PATIENCE)
}

/// What comes behind the folder for each command of the client, so that it is complete.
const COMMANDS: [(&str, &[&str]); 16] = [
    ("status", &[]),
    ("wait", &[]),
    ("id", &[]),
    ("link", &[]),
    ("log", &[]),
    ("history", &["x"]),
    ("restore", &["x", "--version", "1"]),
    ("conflicts", &[]),
    ("resolve", &["x", "this"]),
    ("devices", &[]),
    ("why", &["x"]),
    ("confirm", &[]),
    ("verify", &[]),
    ("doctor", &[]),
    ("devices", &["rename", "a", "b"]),
    ("devices", &["revoke", "a"]),
];

#[test]
fn every_command_of_the_client_tells_wrong_usage_in_three_parts_and_writes_nothing() -> Result<()> {
    let (mut world, [mut first]) = World::with_devices()?;
    first.stop()?;
    world.server.terminate()?;
    let home = world.home().to_owned();
    fs::write(home.join("a file"), "text")?;
    fs::create_dir(home.join("never joined"))?;
    let at = |name: &str| home.join(name).display().to_string();
    let (file, never, missing) = (at("a file"), at("never joined"), at("missing"));
    let before = paths(&home)?;
    for (command, rest) in COMMANDS {
        let with = |folder: &str, more: &[&str]| {
            let args: Vec<&str> = [command, folder]
                .into_iter()
                .chain(rest.iter().copied())
                .collect();
            ask(&first, &[&args[..], more].concat())
        };
        check("no argument", &ask(&first, &[command])?, &[2], "folder")?;
        check(
            "an unknown option",
            &with(&never, &["--nonsense"])?,
            &[2],
            "--nonsense",
        )?;
        check("too many", &with(&never, &["a", "b", "c", "d"])?, &[2], "error")?;
        check("a file", &with(&file, &[])?, &[2], "is no folder")?;
        check("no folder", &with(&missing, &[])?, &[1], "missing")?;
        check(
            "never joined",
            &with(&never, &[])?,
            &[1],
            "is not a folder that holdfast keeps",
        )?;
    }
    let folder = first.folder.display().to_string();
    for (args, word) in [
        (&["wait", "F", "--timeout", "soon"][..], "seconds"),
        (&["wait", "F", "--timeout", "-5"], "seconds"),
        (&["wait", "F", "--timeout", "99999999999999999999"], "seconds"),
        (&["log", "F", "-n", "many"], "number"),
        (&["log", "F", "-n", "0"], "number"),
        (&["restore", "F", "x"], "--version"),
        (&["restore", "F", "x", "--version", "first"], "number"),
        (
            &["restore", "F", "x", "--version", "1", "--time", "2h ago"],
            "--time",
        ),
        (&["restore", "F", "x", "--time", "2026-13-45"], "date"),
        (&["restore", "F", "x", "--time", "2199-01-01"], "future"),
        (&["restore", "F", "x", "--time", "1959-01-01"], "1970"),
        (
            &["restore", "F", "../x", "--version", "1"],
            "leads out of the folder",
        ),
        (
            &["restore", "F", "x", "--version", "1", "--to", "/x"],
            "not in the folder",
        ),
        (&["why", "F", "a/../../x"], "leads out of the folder"),
        (&["history", "F", ".holdfast/state.db"], ".holdfast"),
        (&["resolve", "F", "x", "theirs"], "this"),
        (&["devices", "F", "rename", "a", ""], "name"),
        (&["devices", "F", "sell"], "sell"),
    ] {
        let args: Vec<&str> = args
            .iter()
            .map(|arg| if *arg == "F" { &folder } else { *arg })
            .collect();
        check(&args.join(" "), &ask(&first, &args)?, &[2], word)?;
    }
    ensure!(paths(&home)? == before, "something was written");
    Ok(())
}

#[test]
fn a_start_that_is_mistyped_is_told_in_three_parts_and_writes_nothing() -> Result<()> {
    let world = World::start()?;
    let home = world.home().to_owned();
    let device = world.prepare("new")?;
    fs::write(home.join("a file"), "text")?;
    let (address, file) = (world.address(), home.join("a file").display().to_string());
    let new = device.folder.display().to_string();
    let before = paths(&home)?;
    for (args, codes, word) in [
        (&["S", "a file"][..], &[2][..], "is no folder"),
        (&["S", "~/sub"], &[1, 2], "shell"),
        (&["S", "N", "abc"], &[2], "seconds"),
        (&["S", "N", "-5"], &[2], "seconds"),
        (&["S", "N", "99999999999999999999"], &[2], "seconds"),
        (&["S", "N", "1", "more"], &[2], "more"),
        (&["https://nas:7733/", "N"], &[2], "https"),
        (&["[fe80::1%eth0]:7733", "N"], &[2], "zone"),
        (&["[fe80::1]:7733", "N"], &[4], "link-local"),
        (&["nas:port", "N"], &[2], "port"),
        (&["nas:99999", "N"], &[2], "port"),
        (&["[::1", "N"], &[2], "bracket"),
        (&["", "N"], &[2], "host"),
        (&["holdfast://nas", "N"], &[2], "link"),
        (&["S", "N", "--fingerprint", "abc"], &[2], "fingerprint"),
        (&["S", "N", "--id-file", "none"], &[2], "none"),
        (&["S", "N", "--device-name", ""], &[2], "device"),
        (&["--once"], &[2], "folder"),
        (&["never/joined"], &[2], "account"),
        (&["localhost:1", "N"], &[4], "out of reach"),
    ] {
        let args: Vec<&str> = args
            .iter()
            .map(|arg| match *arg {
                "S" => address.as_str(),
                "N" => new.as_str(),
                "a file" => file.as_str(),
                other => other,
            })
            .collect();
        let row = args.join(" ");
        let mut command = device.client()?;
        command.current_dir(&home);
        let finished = run(&row, command.args(["--headless", "--once"]).args(&args), PATIENCE)?;
        check(&row, &finished, codes, word)?;
    }
    // A folder that is empty and a configuration that knows no account are made before the server is asked.
    let made = |path: &PathBuf| path.starts_with(&device.config) || path.starts_with(&device.folder);
    let after: BTreeSet<PathBuf> = paths(&home)?.into_iter().filter(|path| !made(path)).collect();
    ensure!(
        after == before.into_iter().filter(|path| !made(path)).collect(),
        "something was written"
    );
    Ok(())
}

#[test]
fn the_server_tells_wrong_usage_in_three_parts_and_writes_nothing() -> Result<()> {
    let home = tempfile::tempdir()?;
    fs::write(home.path().join("a file"), "text")?;
    let before = paths(home.path())?;
    for (args, codes, word) in [
        (&["abc"][..], &[2][..], "port"),
        (&["99999"], &[2], "65535"),
        (&["-1"], &[2], "port"),
        (&["1", "2"], &[2], "2"),
        (&["--listen", "localhost:0"], &[2], "address"),
        (&["--listen", "127.0.0.1"], &[2], "address"),
        (&["--quota", "lots"], &[2], "size"),
        (&["--connections", "0"], &[2], "number"),
        (&["--registrations", "x"], &[2], "number"),
        (&["--force"], &[2], "--gen-cert"),
        (
            &["--listen", "127.0.0.1:0", "--certs", "a file"],
            &[1, 2],
            "directory",
        ),
        (&["account"], &[2], "account"),
        (&["account", "list"], &[1], "no store"),
        (&["account", "list", "more"], &[2], "more"),
        (&["account", "quota", "1"], &[2], "size"),
        (&["account", "quota", "x", "1G"], &[2], "number"),
        (&["account", "quota", "1", "lots"], &[2], "size"),
        (&["device"], &[2], "device"),
        (&["device", "list"], &[2], "account"),
        (&["device", "list", "-1"], &[2], "number"),
        (&["device", "revoke", "1"], &[2], "device"),
        (&["history"], &[2], "account"),
        (&["history", "1", "--limit", "x"], &[2], "number"),
        (&["history", "1"], &[1], "no store"),
        (&["restore", "1", "--version", "x"], &[2], "number"),
        (&["restore", "1", "--time", "2026-13-45"], &[2], "time"),
        (
            &["restore", "1", "--version", "1", "--time", "2026-01-01T00:00"],
            &[2],
            "--time",
        ),
        (&["export", "1"], &[2], "to"),
        (&["export", "x", "to"], &[2], "number"),
        (&["verify", "more"], &[2], "more"),
        (&["verify", "--data", "a file"], &[1], "no store"),
        (&["prune", "--keep-days", "x"], &[2], "days"),
        (&["prune", "--keep-versions", "0"], &[2], "number"),
        (&["prune", "--data", "none"], &[1], "no store"),
        (&["backup"], &[2], "to"),
        (&["new-epoch", "--data", "none"], &[1], "no store"),
        (&["serve"], &[2], "port"),
    ] {
        let row = args.join(" ");
        let mut command = tests::process::run_by(&[], &binaries()?.server);
        command.env("RUST_LOG", "off").current_dir(home.path());
        check(&row, &run(&row, command.args(args), PATIENCE)?, codes, word)?;
    }
    ensure!(paths(home.path())? == before, "something was written");
    Ok(())
}
