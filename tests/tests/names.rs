//! Names: kept exactly as given, bytes included.

use anyhow::Result;
use tests::{Tokens, World, account, settle};

#[test]
fn names_that_a_person_would_not_choose_arrive_exactly() -> Result<()> {
    let (_world, [first, second]) = World::with_devices()?;
    let long = "x".repeat(251) + ".txt";
    let mut names = vec![
        " leading space.txt",
        "-rf",
        "caf\u{e9}.txt",
        "a name with 'quotes' and $HOME",
        "\u{1f980}.txt",
        "noext",
        ".hidden",
        "two..dots",
        "%41.txt",
        "holdfast",
        long.as_str(),
    ];
    if cfg!(unix) {
        names.extend([
            "new\nline",
            "tab\there",
            "esc\u{1b}[2Jape",
            "\u{202e}txt.exe",
            "back\\slash",
            "a:b?*<>|\"",
            "trailing. ",
        ]);
        names.extend(["CON", "aux.txt", "cafe\u{301}.txt", "CAF\u{c9}.txt"]);
    }
    for name in &names {
        first.write(name, name.as_bytes())?;
    }
    let tree = settle(&[&first, &second])?;
    assert_eq!(tree.len(), names.len());
    Ok(())
}

#[cfg(unix)]
#[test]
fn names_that_are_no_text_arrive_exactly() -> Result<()> {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let (_world, [first, second]) = World::with_devices()?;
    for name in [b"caf\xe9.txt".as_slice(), b"\xff\xfe", b"half \xc3"] {
        std::fs::write(first.folder.join(OsStr::from_bytes(name)), name)?;
    }
    let tree = settle(&[&first, &second])?;
    assert!(tree.contains_key(b"caf\xe9.txt".as_slice()));
    assert_eq!(tree.len(), 3);
    Ok(())
}

#[test]
fn a_rename_that_changes_only_the_case_arrives() -> Result<()> {
    let (_world, [first, second]) = World::with_devices()?;
    first.write("readme.txt", "x")?;
    settle(&[&first, &second])?;
    first.rename("readme.txt", "README.txt")?;
    let tree = settle(&[&first, &second])?;
    assert_eq!(tree.keys().collect::<Vec<_>>(), [b"README.txt"]);
    Ok(())
}

#[test]
fn the_longest_name_in_conflict_is_cut_and_not_lost() -> Result<()> {
    crate::support::check_apart(
        |_| Ok(()),
        |first| first.write(&("y".repeat(251) + ".txt"), "of a"),
        |second| second.write(&("y".repeat(251) + ".txt"), "of b"),
        [
            (&("y".repeat(251) + ".txt"), "of a"),
            (
                &("y".repeat(255 - " (conflict, b, 2026-11-22).txt".len()) + " (conflict, b).txt"),
                "of b",
            ),
        ],
        1,
    )
}

#[test]
fn the_clients_own_directory_is_never_synchronised() -> Result<()> {
    let (_world, [first, second]) = World::with_devices()?;
    std::fs::write(first.folder.join(".holdfast").join("note.txt"), "mine")?;
    first.write("a.txt", "a")?;
    settle(&[&first, &second])?;
    assert!(!second.folder.join(".holdfast").join("note.txt").exists());
    Ok(())
}

/// I19: names that look the same, or are the same but for case, are different files and stay so.
#[cfg(target_os = "linux")]
#[test]
fn names_that_differ_only_in_case_or_unicode_form_stay_apart_and_come_to_rest() -> Result<()> {
    let (world, [first, mut second]) = World::with_devices()?;
    let mut tokens = Tokens::new();
    for name in [
        "caf\u{e9}.txt",
        "cafe\u{301}.txt",
        "Foo",
        "foo",
        "FOO",
        "dir/X.txt",
        "Dir/x.txt",
    ] {
        tokens.write(&first.path(name))?;
    }
    let before = settle(&[&first, &second])?;
    let journal = |device: &tests::Device| -> Result<Option<u64>> {
        Ok(device
            .json("status", &[])?
            .first()
            .and_then(|status| status.number("journal")))
    };
    let then = journal(&first)?;
    // Looking at everything anew changes nothing.
    second.stop()?;
    second.start()?;
    assert_eq!(settle(&[&first, &second])?, before);
    assert_eq!(journal(&first)?, then);
    second.rename("Foo", "fOO")?;
    let after = settle(&[&first, &second])?;
    assert_eq!(after.len(), before.len());
    assert_eq!(journal(&first)?, then.map(|then| then + 1));
    account(&world, &[&first, &second], tokens)
}

/// I27: what a name says to a terminal is never said to one, by no command, no log and no line of the client.
#[cfg(unix)]
#[test]
fn a_name_with_control_characters_is_shown_escaped_everywhere() -> Result<()> {
    let (world, [first, mut second]) = World::with_devices()?;
    let names = [
        "esc\u{1b}[2Jape.txt",
        "new\nline.txt",
        "\u{202e}txt.exe",
        "bell\u{7}.txt",
    ];
    for name in names {
        first.write(name, "1")?;
    }
    settle(&[&first, &second])?;
    let mut shown = String::new();
    for command in ["status", "log", "conflicts", "devices", "doctor", "verify"] {
        shown += &first.command(command, &[])?.stdout;
    }
    second.stop()?;
    for name in names {
        first.write(name, "of a")?;
        second.write(name, "of b")?;
        for command in ["history", "why"] {
            shown += &first.command(command, &[name])?.stdout;
        }
    }
    first.wait_synced()?;
    // The lines for people, as the client without a screen writes them.
    let mut lines = second.client()?;
    lines
        .args(["--headless", "--once"])
        .arg(world.address())
        .arg(&second.folder);
    lines.env("RUST_LOG", "debug");
    let finished = tests::process::run("the client for people", &mut lines, tests::device::PATIENCE)?;
    shown += &finished.stdout;
    shown += &finished.stderr;
    first.wait_synced()?;
    shown += &first.command("conflicts", &[])?.stdout;
    shown += &world.server.admin(&["history", "1", names[0]])?.stdout;
    shown += &world.server.log();
    assert!(shown.contains("ape.txt") && shown.contains("conflict"), "{shown}");
    let raw = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
    assert!(
        !shown.contains(raw),
        "{:?}",
        shown
            .lines()
            .filter(|line| line.contains(raw))
            .collect::<Vec<_>>()
    );
    assert!(!shown.lines().any(|line| line.starts_with("line.txt")), "{shown}");
    Ok(())
}
