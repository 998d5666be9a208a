//! Changes while all devices are connected, and what `synced` is worth.

use crate::support::{expected, picture};
use anyhow::{Context as _, Result};
use std::fs;
use std::io::Write as _;
use tests::{Device, World, settle};

#[test]
fn edits_travel_both_ways_while_the_devices_are_connected() -> Result<()> {
    let (_world, [first, second]) = World::with_devices()?;
    first.write("from a.txt", "a")?;
    second.write("from b.txt", "b")?;
    settle(&[&first, &second])?;
    assert_eq!(
        picture(&first)?,
        expected([("from a.txt", "a"), ("from b.txt", "b")])
    );
    first.write("from b.txt", "b, edited by a")?;
    second.write("from a.txt", "a, edited by b")?;
    settle(&[&first, &second])?;
    assert_eq!(
        picture(&second)?,
        expected([("from a.txt", "a, edited by b"), ("from b.txt", "b, edited by a")])
    );
    Ok(())
}

#[test]
fn a_change_is_told_on_the_other_device_with_its_path_and_the_name_of_its_device() -> Result<()> {
    let (_world, [first, second]) = World::with_devices()?;
    let mark = second.events()?.mark();
    first.write("letter.txt", "Dear Ada")?;
    let change = second.wait_after(mark, "change", |event| {
        event.is("change") && event.text("path") == "letter.txt"
    })?;
    assert_eq!(change.text("device"), "a");
    assert_eq!(change.text("direction"), "down");
    assert_eq!(change.text("kind"), "created");
    Ok(())
}

#[test]
fn the_first_change_of_a_device_that_joins_later_is_told_with_its_name() -> Result<()> {
    let (world, [first]) = World::with_devices()?;
    let mark = first.events()?.mark();
    let mut late = world.prepare("late")?;
    late.write("hello.txt", "from the new one")?;
    late.start()?;
    let change = first.wait_after(mark, "change", |event| event.is("change"))?;
    assert_eq!(change.text("device"), "late");
    Ok(())
}

#[test]
fn what_was_written_before_wait_answers_is_on_the_server() -> Result<()> {
    let (mut world, [first]) = World::with_devices()?;
    for n in 0..20 {
        first.write(&format!("{n}.txt"), n.to_string())?;
    }
    first.wait_synced()?;
    first.stop_with_its_folder()?;
    let late = world.device("late")?;
    assert_eq!(picture(&late)?.len(), 20);
    for n in 0..20 {
        assert_eq!(late.read(&format!("{n}.txt"))?, n.to_string());
    }
    Ok(())
}

/// Ends a device so thoroughly that nothing can come from it any more.
trait Vanish {
    fn stop_with_its_folder(self) -> Result<()>;
}

impl Vanish for Device {
    fn stop_with_its_folder(mut self) -> Result<()> {
        self.kill()?;
        Ok(fs::remove_dir_all(&self.folder)?)
    }
}

#[test]
fn a_burst_of_nested_directories_arrives_whole() -> Result<()> {
    let (_world, [first, second]) = World::with_devices()?;
    for n in 0..120 {
        first.write(
            &format!("d{}/e{}/f{}/{n}.txt", n % 3, n % 7, n % 11),
            n.to_string(),
        )?;
    }
    let tree = settle(&[&first, &second])?;
    let n_files = tree
        .values()
        .filter(|seen| matches!(seen, tests::Seen::File { .. }))
        .count();
    assert_eq!(n_files, 120);
    Ok(())
}

#[test]
fn a_storm_of_edits_ends_with_the_last_one() -> Result<()> {
    let (_world, [first, second]) = World::with_devices()?;
    for n in 0..300 {
        first.write("counter.txt", format!("{n}"))?;
    }
    settle(&[&first, &second])?;
    assert_eq!(second.read("counter.txt")?, "299");
    assert_eq!(picture(&second)?.len(), 1);
    Ok(())
}

#[test]
fn a_log_that_is_appended_to_arrives_with_all_its_lines() -> Result<()> {
    let (_world, [first, second]) = World::with_devices()?;
    let mut log = fs::File::options()
        .create(true)
        .append(true)
        .open(first.path("log.txt"))?;
    let mut lines = String::new();
    for n in 0..200 {
        writeln!(log, "line {n}")?;
        lines.push_str(&format!("line {n}\n"));
    }
    // The file stays open: the last lines may not wait for the writer to close it.
    settle(&[&first, &second])?;
    assert_eq!(second.read("log.txt")?, lines);
    drop(log);
    Ok(())
}

#[test]
fn an_editor_that_saves_by_renaming_keeps_the_history_of_the_file() -> Result<()> {
    let (_world, [first, second]) = World::with_devices()?;
    first.write("text.md", "1")?;
    settle(&[&first, &second])?;
    for n in 2..=4 {
        first.write(".text.md.part", n.to_string())?;
        first.rename(".text.md.part", "text.md")?;
        settle(&[&first, &second])?;
    }
    assert_eq!(picture(&second)?, expected([("text.md", "4")]));
    let history = second.json("history", &["text.md"])?;
    assert!(4 <= history.len(), "{history:?}");
    Ok(())
}

#[test]
fn one_device_that_edits_alone_never_makes_a_conflict() -> Result<()> {
    let (_world, [first, second]) = World::with_devices()?;
    for n in 0..30 {
        first.write("one.txt", n.to_string())?;
        first.write("two.txt", n.to_string())?;
        first.rename("one.txt", "spare")?;
        first.rename("two.txt", "one.txt")?;
        first.rename("spare", "two.txt")?;
    }
    settle(&[&first, &second])?;
    assert_eq!(
        picture(&second)?,
        expected([("one.txt", "29"), ("two.txt", "29")])
    );
    Ok(())
}

#[test]
fn a_person_who_deletes_a_file_and_makes_it_anew_keeps_the_new_one() -> Result<()> {
    let (_world, [first, second]) = World::with_devices()?;
    first.write("draft.txt", "old")?;
    settle(&[&first, &second])?;
    first.delete("draft.txt")?;
    first.write("draft.txt", "new")?;
    settle(&[&first, &second])?;
    assert_eq!(picture(&second)?, expected([("draft.txt", "new")]));
    Ok(())
}

#[test]
fn status_tells_the_state_the_device_and_the_journal_number() -> Result<()> {
    let (_world, [first]) = World::with_devices()?;
    first.write("a.txt", "a")?;
    first.wait_synced()?;
    let status = first.json("status", &[])?;
    let status = status.first().context("status printed nothing")?;
    assert_eq!(status.text("state"), "synced", "{status:?}");
    assert_eq!(status.text("device"), "a");
    Ok(())
}
