//! The brake, missing folders, blocked nodes, and one client for one folder.

use anyhow::Result;
use std::fs;
use tests::{Device, World, settle};

/// More files than the brake lets go without a question.
const MANY: usize = 80;

fn fill(device: &Device) -> Result<()> {
    for n in 0..MANY {
        device.write(&format!("{n}.txt"), n.to_string())?;
    }
    Ok(())
}

#[test]
fn a_mass_deletion_waits_for_a_person_and_goes_on_when_confirmed() -> Result<()> {
    let (_world, [mut first, second]) = World::with_devices()?;
    fill(&first)?;
    settle(&[&first, &second])?;
    first.stop()?;
    for n in 0..MANY {
        first.delete(&format!("{n}.txt"))?;
    }
    first.launch()?;
    first.wait_for("brake", |event| event.is("brake"))?;
    let status = first.command("status", &["--json"])?.with_code(1)?;
    let status = tests::Event(serde_json::from_str(&status.stdout)?);
    assert_eq!(status.text("state"), "halted");
    first.command("wait", &["--timeout", "1"])?.with_code(1)?;
    assert_eq!(second.tree()?.len(), MANY);
    first.command("confirm", &[])?.ok()?;
    settle(&[&first, &second])?;
    assert!(second.tree()?.is_empty());
    Ok(())
}

#[test]
fn what_is_new_goes_on_while_the_brake_is_on() -> Result<()> {
    let (_world, [mut first, second]) = World::with_devices()?;
    fill(&first)?;
    settle(&[&first, &second])?;
    first.stop()?;
    for n in 0..MANY {
        first.delete(&format!("{n}.txt"))?;
    }
    first.write("new.txt", "new")?;
    let mark = second.events()?.mark();
    first.launch()?;
    first.wait_for("brake", |event| event.is("brake"))?;
    second.wait_after(mark, "the new file", |event| {
        event.is("change") && event.text("path") == "new.txt"
    })?;
    assert_eq!(second.tree()?.len(), MANY + 1);
    Ok(())
}

#[test]
fn the_brake_comes_off_by_itself_when_what_was_missing_is_back() -> Result<()> {
    let (_world, [first, second]) = World::with_devices()?;
    for n in 0..MANY {
        first.write(&format!("album/{n}.txt"), n.to_string())?;
    }
    settle(&[&first, &second])?;
    let away = first.folder.with_extension("away");
    fs::rename(first.path("album"), &away)?;
    first.wait_for("brake", |event| event.is("brake"))?;
    fs::write(away.join("7.txt"), "edited meanwhile")?;
    let mark = first.events()?.mark();
    fs::rename(&away, first.path("album"))?;
    first.wait_after(mark, "the release", |event| {
        event.is("brake") && event.number("removals") == Some(0)
    })?;
    let tree = settle(&[&first, &second])?;
    assert_eq!(tree.len(), MANY + 1);
    assert_eq!(fs::read(second.path("album/7.txt"))?, b"edited meanwhile");
    Ok(())
}

#[test]
fn what_was_copied_elsewhere_in_the_folder_may_go_without_a_person() -> Result<()> {
    let (_world, [first, second]) = World::with_devices()?;
    for n in 0..MANY {
        first.write(&format!("album/{n}.txt"), n.to_string())?;
    }
    settle(&[&first, &second])?;
    for n in 0..MANY {
        first.write(&format!("pictures/{n}.txt"), n.to_string())?;
    }
    first.wait_synced()?;
    fs::remove_dir_all(first.path("album"))?;
    assert_eq!(settle(&[&first, &second])?.len(), MANY + 1);
    assert!(!first.events()?.all().iter().any(|event| event.is("brake")));
    fs::remove_dir_all(first.path("pictures"))?;
    first.wait_for("brake", |event| event.is("brake"))?;
    assert_eq!(second.tree()?.len(), MANY + 1);
    Ok(())
}

#[test]
fn what_the_brake_holds_back_is_brought_back_by_one_action() -> Result<()> {
    let (_world, [first, second]) = World::with_devices()?;
    for n in 0..MANY {
        first.write(&format!("album/{n}.txt"), n.to_string())?;
    }
    let before = settle(&[&first, &second])?;
    fs::remove_dir_all(first.path("album"))?;
    first.wait_for("brake", |event| event.is("brake"))?;
    first.command("confirm", &["--revert"])?.ok()?;
    assert_eq!(settle(&[&first, &second])?, before);
    Ok(())
}

#[test]
fn a_mass_deletion_from_another_device_is_told_and_brought_back_by_one_action() -> Result<()> {
    let (_world, [first, mut second]) = World::with_devices()?;
    for n in 0..MANY {
        first.write(&format!("album/{n}.txt"), n.to_string())?;
    }
    fs::create_dir(first.path("album/empty"))?;
    let before = settle(&[&first, &second])?;
    fs::remove_dir_all(first.path("album"))?;
    first.wait_for("brake", |event| event.is("brake"))?;
    first.command("confirm", &[])?.ok()?;
    let removed = MANY as u64 + 2;
    second.wait_for("word of it", |event| {
        event.is("removed") && event.number("removals") == Some(removed)
    })?;
    assert!(settle(&[&first, &second])?.is_empty());
    second.stop()?;
    second.start()?;
    let status = second.command("status", &["--json"])?.ok()?;
    let status = tests::Event(serde_json::from_str(&status.stdout)?);
    assert_eq!(status.0["removed"]["removals"], removed, "it is remembered");
    second.command("confirm", &["--revert"])?.ok()?;
    assert_eq!(settle(&[&first, &second])?, before);
    let status = second.command("status", &["--json"])?.ok()?;
    let status = tests::Event(serde_json::from_str(&status.stdout)?);
    assert!(status.0["removed"].is_null());
    Ok(())
}

#[test]
fn a_renamed_directory_with_many_files_does_not_touch_the_brake() -> Result<()> {
    let (_world, [first, second]) = World::with_devices()?;
    for n in 0..MANY {
        first.write(&format!("album/{n}.txt"), n.to_string())?;
    }
    settle(&[&first, &second])?;
    first.rename("album", "pictures")?;
    settle(&[&first, &second])?;
    assert!(!first.events()?.all().iter().any(|event| event.is("brake")));
    Ok(())
}

#[test]
fn a_folder_that_vanishes_is_not_an_empty_folder() -> Result<()> {
    let (_world, [mut first, second]) = World::with_devices()?;
    fill(&first)?;
    settle(&[&first, &second])?;
    let mark = first.events()?.mark();
    let away = first.folder.with_extension("away");
    fs::rename(&first.folder, &away)?;
    first.wait_after(mark, "a halt", |event| event.is("brake") || event.is("error"))?;
    second.wait_synced()?;
    assert_eq!(second.tree()?.len(), MANY);
    fs::rename(&away, &first.folder)?;
    first.kill()?;
    first.start()?;
    let tree = settle(&[&first, &second])?;
    assert_eq!(tree.len(), MANY);
    Ok(())
}

#[test]
fn an_empty_folder_in_the_place_of_a_full_one_deletes_nothing() -> Result<()> {
    let (_world, [mut first, second]) = World::with_devices()?;
    fill(&first)?;
    settle(&[&first, &second])?;
    first.stop()?;
    fs::rename(&first.folder, first.folder.with_extension("away"))?;
    fs::create_dir(&first.folder)?;
    // Whether it joins anew or refuses is one thing; that nothing is deleted is the other.
    first.once(&[])?;
    second.wait_synced()?;
    assert_eq!(second.tree()?.len(), MANY);
    Ok(())
}

#[test]
fn a_second_client_on_one_folder_is_refused_and_the_first_goes_on() -> Result<()> {
    let (_world, [first, second]) = World::with_devices()?;
    let refused = first.once(&[])?.with_code(1)?;
    assert!(
        !refused.stderr.is_empty() || !refused.stdout.is_empty(),
        "nobody was told"
    );
    first.write("a.txt", "a")?;
    settle(&[&first, &second])?;
    Ok(())
}

#[cfg(unix)]
mod on_unix {
    use super::*;
    use crate::support::{expected, picture};

    #[test]
    fn a_pipe_in_the_folder_is_blocked_and_everything_else_goes_on() -> Result<()> {
        let (_world, [mut first, second]) = World::with_devices()?;
        first.write("a.txt", "a")?;
        let pipe = first.path("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )?;
        first.wait_for("blocked", |event| {
            event.is("blocked") && event.text("path") == "pipe"
        })?;
        tests::settle_apart(&[&first, &second], |trees| {
            trees[1].contains_key(b"a.txt".as_slice())
        })?;
        assert_eq!(picture(&second)?, expected([("a.txt", "a")]));
        first.stop()?;
        first.once(&[])?.with_code(3)?;
        fs::remove_file(&pipe)?;
        first.once(&[])?.with_code(0)?;
        Ok(())
    }
}
