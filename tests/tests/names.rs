//! Names: kept exactly as given, bytes included.

use anyhow::Result;
use tests::{World, settle};

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
