//! How programs save: each pattern is one logical edit of one file, with its history, and leaves nothing lying about on
//! the other device.

use crate::support::{n_conflicts, scaled};
use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::io::Write as _;
use std::time::Duration;
use tests::{Device, Tokens, World, account, settle};

/// What a program does when it saves a text.
type Save = fn(&Device, &str) -> Result<()>;

/// Saves a text again and again in the manner of a program, and checks what the other device and the history hold.
fn check_saves(save: Save, left_over: &[&str]) -> Result<()> {
    let (world, [first, second]) = World::with_devices()?;
    let mut tokens = Tokens::new();
    let mut last = String::new();
    let n_saves = scaled(12, 100);
    for n in 0..n_saves {
        last = Tokens::fresh();
        save(&first, &format!("{last}\n"))?;
        if n == 0 || n % 4 == 3 {
            settle(&[&first, &second])?;
            tokens.add(last.clone(), &first.path("text.txt"));
        }
    }
    let tree = settle(&[&first, &second])?;
    tokens.add(last.clone(), &first.path("text.txt"));
    assert_eq!(second.read("text.txt")?, format!("{last}\n"));
    let mut wanted: Vec<&[u8]> = left_over.iter().map(|name| name.as_bytes()).collect();
    wanted.push(b"text.txt");
    wanted.sort_unstable();
    let junk = |name: &[u8]| name.starts_with(b".#") || name.starts_with(b".~lock");
    let there: Vec<&[u8]> = tree
        .keys()
        .map(Vec::as_slice)
        .filter(|name| !junk(name))
        .collect();
    assert_eq!(there, wanted);
    assert_eq!(n_conflicts(&first)?, 0);
    let history = second.json("history", &["text.txt"])?;
    // What was settled in between is a version each: the same node all the time.
    assert!(n_saves / 4 < history.len(), "{history:?}");
    // A save may be seen when it is half way, but not more than that.
    assert!(history.len() <= 2 * n_saves, "{history:?}");
    account(&world, &[&first, &second], tokens)
}

#[test]
fn a_file_saved_by_vim_with_a_backup_stays_one_file() -> Result<()> {
    check_saves(
        |device, text| {
            let path = device.path("text.txt");
            fs::write(device.path(".text.txt.swp"), "swap")?;
            fs::write(device.path("4913"), "")?;
            fs::remove_file(device.path("4913"))?;
            if path.exists() {
                fs::rename(&path, device.path("text.txt~"))?;
            }
            let mut file = fs::File::create_new(&path)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            if device.path("text.txt~").exists() {
                fs::remove_file(device.path("text.txt~"))?;
            }
            Ok(fs::remove_file(device.path(".text.txt.swp"))?)
        },
        &[],
    )
}

#[cfg(unix)]
#[test]
fn a_file_saved_by_emacs_with_a_lock_and_a_backup_stays_one_file() -> Result<()> {
    check_saves(
        |device, text| {
            let path = device.path("text.txt");
            let lock = device.path(".#text.txt");
            std::os::unix::fs::symlink("ada@host.4711:1", &lock)?;
            fs::write(device.path("#text.txt#"), "autosave")?;
            let backup = device.path("text.txt~");
            if path.exists() && !backup.exists() {
                fs::rename(&path, &backup)?;
            }
            fs::write(&path, text)?;
            fs::remove_file(device.path("#text.txt#"))?;
            Ok(fs::remove_file(lock)?)
        },
        &["text.txt~"],
    )
}

#[test]
fn a_file_that_is_emptied_and_written_again_stays_one_file() -> Result<()> {
    check_saves(
        |device, text| {
            let mut file = fs::File::create(device.path("text.txt"))?;
            file.write_all(text.as_bytes())?;
            Ok(file.sync_all()?)
        },
        &[],
    )
}

#[test]
fn a_file_saved_by_an_office_program_stays_one_file() -> Result<()> {
    check_saves(
        |device, text| {
            let lock = device.path(".~lock.text.txt#");
            fs::write(&lock, ",ada,host,22.11.2026")?;
            let part = device.path("lu4711abc.tmp");
            fs::write(&part, text)?;
            fs::rename(&part, device.path("text.txt"))?;
            Ok(fs::remove_file(lock)?)
        },
        &[],
    )
}

#[cfg(unix)]
#[test]
fn a_file_edited_in_place_by_sed_stays_one_file() -> Result<()> {
    check_saves(
        |device, text| {
            let path = device.path("text.txt");
            if !path.exists() {
                fs::write(&path, "nothing\n")?;
            }
            let sed = std::process::Command::new("sed")
                .args(["-i", &format!("1s/.*/{}/", text.trim_end())])
                .arg(&path)
                .status()
                .context("cannot start sed")?;
            ensure!(sed.success(), "sed failed");
            Ok(())
        },
        &[],
    )
}

/// I17: each version of a file that grows is something that the file once was.
#[test]
fn every_version_of_a_growing_file_is_a_beginning_of_it() -> Result<()> {
    let (world, [first, second]) = World::with_devices()?;
    let mut file = fs::File::create(first.path("log.txt"))?;
    let events = first.events()?;
    for n in 0..scaled(40, 600) {
        let record = format!("{n:08} {}\n", "x".repeat(1015));
        file.write_all(record.as_bytes())?;
        // The pace of the writer: the client may look at any moment.
        events.wait_for(events.mark(), Duration::from_millis(50), |_| false);
    }
    drop(file);
    settle(&[&first, &second])?;
    let whole = first.read("log.txt")?;
    let history = first.json("history", &["log.txt"])?;
    for item in &history {
        let version = item.number("journal").context("a version has no number")?;
        let past = world.home().join(format!("past {version}"));
        let past_text = past.to_str().context("the directory has no text for a name")?;
        world
            .server
            .admin(&["export", "1", past_text, "--version", &version.to_string()])?
            .ok()?;
        let then = fs::read_to_string(past.join("log.txt"))?;
        assert!(whole.starts_with(&then), "version {version} is no beginning");
    }
    account(&world, &[&first, &second], Tokens::new())
}

/// I4: what is deleted stays deleted, and what is made anew is the newest.
#[test]
fn a_storm_of_deletions_ends_with_the_last_file_and_brings_none_back() -> Result<()> {
    let (world, [mut first, mut second]) = World::with_devices()?;
    let events = first.events()?;
    for n in 0..scaled(60, 200) {
        first.write("f.txt", Tokens::fresh())?;
        events.wait_for(events.mark(), Duration::from_millis(n % 7 * 5), |_| false);
        first.delete("f.txt")?;
        events.wait_for(events.mark(), Duration::from_millis(n % 5 * 5), |_| false);
    }
    let mut tokens = Tokens::new();
    let last = tokens.write(&first.path("f.txt"))?;
    settle(&[&first, &second])?;
    first.stop()?;
    second.stop()?;
    first.start()?;
    second.start()?;
    let tree = settle(&[&first, &second])?;
    assert_eq!(tree.len(), 1, "{tree:?}");
    assert_eq!(second.read("f.txt")?, format!("{last}\n"));
    account(&world, &[&first, &second], tokens)
}
