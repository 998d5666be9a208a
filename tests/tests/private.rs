//! Somebody removes or replaces what the client keeps in `.holdfast` while it runs.

#![cfg(unix)]

use anyhow::Result;
use std::fs;
use tests::{Device, Event, World, settle};

fn status(device: &Device) -> Result<Event> {
    let told = device.command("status", &["--json"])?;
    Ok(Event(serde_json::from_str(&told.stdout)?))
}

fn warnings(device: &Device) -> Result<String> {
    Ok(status(device)?.0["warnings"].to_string())
}

#[test]
fn what_is_removed_of_the_private_directory_is_made_again_and_work_goes_on() -> Result<()> {
    let (_world, [first, second]) = World::with_devices()?;
    first.write("album/0.txt", "0")?;
    first.write("album/1.txt", "1")?;
    settle(&[&first, &second])?;
    for part in ["staging", "stash"] {
        let mark = second.events()?.mark();
        fs::remove_dir_all(second.path(".holdfast").join(part))?;
        first.write(&format!("after {part}.txt"), part)?;
        first.write("album/0.txt", format!("edited after {part}"))?;
        second.write(&format!("here after {part}.txt"), part)?;
        second.wait_after(mark, "word of it", |event| {
            event.is("error")
                && event
                    .text("what")
                    .contains(&format!(".holdfast/{part} was removed"))
        })?;
        settle(&[&first, &second])?;
        assert!(second.path(".holdfast").join(part).is_dir());
        assert_eq!(second.read("album/0.txt")?, format!("edited after {part}"));
        assert_eq!(warnings(&second)?, "[]");
        second.command("verify", &[])?.ok()?;
    }
    Ok(())
}

#[test]
fn what_stands_in_place_of_the_stash_is_told_until_it_is_gone() -> Result<()> {
    let (_world, [first, second]) = World::with_devices()?;
    first.write("file.txt", "old")?;
    settle(&[&first, &second])?;
    let stash = second.path(".holdfast/stash");
    let mark = second.events()?.mark();
    fs::remove_dir_all(&stash)?;
    fs::write(&stash, "somebody's")?;
    second.wait_after(mark, "word of it", |event| {
        event.is("error") && event.text("what").contains(".holdfast/stash")
    })?;
    first.write("file.txt", "new")?;
    second.wait_after(mark, "the file that waits", |event| {
        event.is("blocked") && event.text("path") == "file.txt"
    })?;
    assert!(warnings(&second)?.contains(".holdfast/stash"));
    let verified = second.command("verify", &[])?;
    assert_ne!(verified.code, Some(0));
    assert!(verified.stdout.contains(".holdfast/stash"), "{}", verified.stdout);
    let looked = second.command("doctor", &[])?.with_code(1)?;
    assert!(looked.stdout.contains(".holdfast/stash"), "{}", looked.stdout);
    assert_eq!(second.read("file.txt")?, "old");
    fs::remove_file(&stash)?;
    settle(&[&first, &second])?;
    assert_eq!(second.read("file.txt")?, "new");
    assert_eq!(warnings(&second)?, "[]");
    Ok(())
}

#[test]
fn a_client_whose_memory_is_removed_halts_and_loses_nothing() -> Result<()> {
    let (_world, [first, mut second]) = World::with_devices()?;
    first.write("file.txt", "old")?;
    first.write("deleted.txt", "x")?;
    settle(&[&first, &second])?;
    let mark = second.events()?.mark();
    fs::remove_file(second.path(".holdfast/state.db"))?;
    second.wait_after(mark, "a halt", |event| {
        event.is("error") && event.text("what").contains(".holdfast/state.db was removed")
    })?;
    let status = status(&second)?;
    assert_eq!(status.text("state"), "halted");
    assert!(status.0["trouble"]["what"].to_string().contains("state.db"));
    second.write("here.txt", "written while it was halted")?;
    first.write("there.txt", "written elsewhere")?;
    second.kill()?;
    second.start()?;
    assert_eq!(settle(&[&first, &second])?.len(), 4);
    Ok(())
}

#[test]
fn a_name_that_is_holdfasts_own_is_listed_and_why_answers_for_it() -> Result<()> {
    let (_world, [first, second]) = World::with_devices()?;
    first.write("docs/a.txt", "a")?;
    settle(&[&first, &second])?;
    let mark = first.events()?.mark();
    for name in [".HoldFast", "docs/.holdfast", "docs/.HOLDFAST"] {
        fs::create_dir(first.path(name))?;
        fs::write(first.path(name).join("inside"), "x")?;
    }
    for path in ["", "docs"] {
        first.wait_after(mark, "word of it", |event| {
            event.is("blocked") && event.text("path") == path && event.0["blocked"] == true
        })?;
    }
    first.write("docs/b.txt", "b")?;
    tests::settle_apart(&[&first, &second], |trees| {
        trees[1].contains_key(b"docs/b.txt".as_slice())
    })?;
    let shown = first.command("status", &[])?.with_code(3)?.stdout;
    assert!(shown.contains(" .: ") && shown.contains(".HoldFast"), "{shown}");
    assert!(
        shown.contains("docs: ") && shown.contains(".HOLDFAST") && shown.contains(".holdfast"),
        "{shown}"
    );
    let verified = first.command("verify", &[])?.with_code(3)?.stdout;
    assert!(
        verified.contains("'docs'") && verified.contains("'.'"),
        "{verified}"
    );
    for path in [".HoldFast", "docs/.holdfast/inside", "docs/.HOLDFAST"] {
        let why = first.command("why", &[path])?.ok()?.stdout;
        assert!(
            why.contains("not synchronised: the name is Holdfast's own"),
            "{why}"
        );
    }
    let own = first.command("why", &[".holdfast"])?.ok()?.stdout;
    assert!(own.contains("this device's own directory"), "{own}");
    let none = first.command("why", &["a/.holdfast"])?.with_code(1)?.stderr;
    assert!(none.contains("there is no 'a/.holdfast'"), "{none}");

    for name in [".HoldFast", "docs/.holdfast", "docs/.HOLDFAST"] {
        fs::remove_dir_all(first.path(name))?;
    }
    settle(&[&first, &second])?;
    first.command("status", &[])?.with_code(0)?;
    Ok(())
}
