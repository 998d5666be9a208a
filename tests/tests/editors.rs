//! How programs save: each pattern is one logical edit of one file, with its history, and leaves nothing lying about on
//! the other device.

use crate::support::{n_conflicts, scaled};
use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::io::{Seek as _, Write as _};
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

/// The number of lines of a file that is written over and over, each of which tells its generation.
const LINES: u64 = 512;
/// The length of a line, in bytes.
const LINE_LEN: usize = 4096;

/// I17: each version of a file is something that the file once was. It is written over in place from its beginning to its end,
/// so at every moment it has lines of one generation, and after them those of the one before.
#[test]
fn every_version_of_a_file_that_is_written_over_and_over_is_what_it_once_was() -> Result<()> {
    let (world, [first, second]) = World::with_devices()?;
    let mut file = fs::File::create(first.path("log.txt"))?;
    let mut write_over = |generation: u64| -> Result<()> {
        file.rewind()?;
        for _ in 0..LINES {
            file.write_all(format!("{generation:0width$}\n", width = LINE_LEN - 1).as_bytes())?;
        }
        Ok(())
    };
    let mut generation = 0;
    for _ in 0..scaled(5, 40) {
        let mark = first.events()?.mark();
        for _ in 0..20 {
            write_over(generation)?;
            generation += 1;
        }
        // The client sees a version of it, and then it goes on.
        first.wait_after(mark, "change", |event| event.is("change"))?;
    }
    settle(&[&first, &second])?;
    let history = first.json("history", &["log.txt"])?;
    ensure!(4 < history.len(), "{} versions", history.len());
    for item in &history {
        let version = item.number("journal").context("a version has no number")?;
        let past = world.home().join(format!("past {version}"));
        let past_text = past.to_str().context("the directory has no text for a name")?;
        world
            .server
            .admin(&["export", "1", past_text, "--version", &version.to_string()])?
            .ok()?;
        let then = fs::read_to_string(past.join("log.txt"))?;
        let generations: Vec<u64> = then.lines().map(str::parse).collect::<Result<_, _>>()?;
        let first = generations.first().context("a version is empty")?;
        let n_first = generations.iter().take_while(|one| *one == first).count();
        let is_rest = |one: &u64| one + 1 == *first;
        ensure!(
            generations[n_first..].iter().all(is_rest) && (*first == 0 || then.len() == LINE_LEN * 512),
            "version {version} never was: {first} in {n_first} of {} lines",
            generations.len()
        );
    }
    Ok(())
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
