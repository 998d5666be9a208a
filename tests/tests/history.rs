//! The history: every version stays, and comes back as a new change.

use crate::support::{expected, picture};
use anyhow::{Context as _, Result};
use tests::{Device, World, settle};

/// Returns the versions of a path, the oldest first.
fn versions(device: &Device, path: &str) -> Result<Vec<u64>> {
    let history = device.json("history", &[path])?;
    let mut versions: Vec<u64> = history.iter().filter_map(|item| item.number("journal")).collect();
    versions.sort_unstable();
    Ok(versions)
}

#[test]
fn each_version_of_a_file_is_listed_and_comes_back() -> Result<()> {
    let (_world, [first, second]) = World::with_devices()?;
    for n in 1..=3 {
        first.write("plan.txt", format!("version {n}"))?;
        settle(&[&first, &second])?;
    }
    let versions = versions(&second, "plan.txt")?;
    assert_eq!(versions.len(), 3);
    for (n_before, version) in versions.iter().enumerate() {
        let args = ["plan.txt", "--version", &version.to_string()];
        second.command("restore", &args)?.ok()?;
        settle(&[&first, &second])?;
        assert_eq!(first.read("plan.txt")?, format!("version {}", n_before + 1));
    }
    Ok(())
}

#[test]
fn an_older_version_can_be_put_beside_the_new_one() -> Result<()> {
    let (_world, [first, second]) = World::with_devices()?;
    for text in ["old", "new"] {
        first.write("plan.txt", text)?;
        settle(&[&first, &second])?;
    }
    let oldest = versions(&first, "plan.txt")?
        .first()
        .context("no version")?
        .to_string();
    first
        .command(
            "restore",
            &["plan.txt", "--version", &oldest, "--to", "plan as it was.txt"],
        )?
        .ok()?;
    settle(&[&first, &second])?;
    assert_eq!(
        picture(&second)?,
        expected([("plan as it was.txt", "old"), ("plan.txt", "new")])
    );
    Ok(())
}

#[test]
fn a_deleted_directory_comes_back_with_all_that_was_in_it() -> Result<()> {
    let (_world, [first, second]) = World::with_devices()?;
    // Without it the whole folder would be gone, and that is a case for the brake.
    first.write("kept.txt", "kept")?;
    first.write("album/one.txt", "1")?;
    first.write("album/deep/two.txt", "2")?;
    settle(&[&first, &second])?;
    let before = picture(&first)?;
    let status = first.json("status", &[])?;
    let version = status.first().and_then(|status| status.number("journal"));
    let version = version.context("status tells no journal number")?.to_string();
    second.delete("album")?;
    settle(&[&first, &second])?;
    assert_eq!(picture(&first)?, expected([("kept.txt", "kept")]));
    first
        .command("restore", &["album", "--version", &version])?
        .ok()?;
    settle(&[&first, &second])?;
    assert_eq!(picture(&second)?, before);
    Ok(())
}

#[test]
fn the_log_tells_what_was_done_and_by_which_device() -> Result<()> {
    let (_world, [first, second]) = World::with_devices()?;
    first.write("a.txt", "a")?;
    settle(&[&first, &second])?;
    second.rename("a.txt", "b.txt")?;
    settle(&[&first, &second])?;
    let log = first.json("log", &[])?;
    let newest = log.first().context("the log is empty")?;
    assert_eq!(
        (newest.text("device"), newest.text("kind")),
        ("b", "moved"),
        "{log:?}"
    );
    Ok(())
}

#[test]
fn a_version_that_never_was_is_refused_and_changes_nothing() -> Result<()> {
    let (_world, [first]) = World::with_devices()?;
    first.write("a.txt", "a")?;
    first.wait_synced()?;
    first
        .command("restore", &["a.txt", "--version", "999999"])?
        .with_code(1)?;
    first
        .command("restore", &["missing.txt", "--version", "1"])?
        .with_code(1)?;
    first.command("restore", &["a.txt"])?.with_code(2)?;
    assert_eq!(picture(&first)?, expected([("a.txt", "a")]));
    Ok(())
}

#[test]
fn a_restore_of_more_than_fits_on_the_line_at_once_is_whole() -> Result<()> {
    const N_FILES: usize = 2_500;
    let (_world, [first]) = World::with_devices()?;
    for n in 0..N_FILES {
        first.write(&format!("many/{}/{n}", n % 7), "")?;
    }
    first.wait_synced()?;
    let status = first.json("status", &[])?;
    let journal = status.first().and_then(|status| status.number("journal"));
    let version = journal.context("no journal")?.to_string();
    first
        .command("restore", &["many", "--version", &version, "--to", "again"])?
        .ok()?;
    first.wait_synced()?;
    let tree = first.tree()?;
    let n_restored = tree.keys().filter(|path| path.starts_with(b"again/")).count();
    assert_eq!(n_restored, N_FILES + 7);
    Ok(())
}

#[test]
fn what_is_gone_keeps_its_path_on_a_device_that_has_just_joined() -> Result<()> {
    let (mut world, [first]) = World::with_devices()?;
    first.write("kept.txt", "kept")?;
    first.write("album/one.txt", "1")?;
    first.wait_synced()?;
    first.rename("album", "photos")?;
    first.wait_synced()?;
    first.delete("photos")?;
    first.wait_synced()?;
    let second = world.device("second")?;
    settle(&[&first, &second])?;
    for device in [&first, &second] {
        let log = device.json("log", &[])?;
        let paths: Vec<&str> = log.iter().map(|item| item.text("path")).collect();
        let mut deleted = log.iter().filter(|item| item.text("kind") == "deleted");
        assert_eq!(deleted.next().map(|item| item.text("path")), Some("photos"));
        assert_eq!(
            deleted.next().map(|item| item.text("path")),
            Some("photos/one.txt")
        );
        assert!(
            paths.contains(&"album/one.txt") && !paths.contains(&""),
            "{log:?}"
        );
    }
    let listed = world.server.admin(&["history", "1"])?.stdout;
    assert!(listed.contains("path=photos/one.txt"), "{listed}");
    Ok(())
}

#[test]
fn a_deleted_directory_comes_back_whole_by_the_number_of_its_deletion() -> Result<()> {
    let (_world, [first, second]) = World::with_devices()?;
    first.write("kept.txt", "kept")?;
    first.write("album/one.txt", "1")?;
    first.write("album/deep/two.txt", "2")?;
    settle(&[&first, &second])?;
    let before = picture(&first)?;
    for n_before in [0, 1] {
        second.delete("album")?;
        settle(&[&first, &second])?;
        // The newest entry is the deletion; the screen names the version before it.
        let deleted = versions(&first, "album")?.pop().context("no deletion")?;
        let version = (deleted - n_before).to_string();
        first
            .command("restore", &["album", "--version", &version])?
            .ok()?;
        settle(&[&first, &second])?;
        assert_eq!(picture(&second)?, before);
    }
    Ok(())
}

#[test]
fn a_path_has_the_history_of_all_that_ever_stood_there() -> Result<()> {
    let (_world, [first]) = World::with_devices()?;
    first.write("kept.txt", "kept")?;
    for n in 1..=3 {
        first.write("plan.txt", format!("version {n}"))?;
        first.wait_synced()?;
        first.delete("plan.txt")?;
        first.wait_synced()?;
    }
    first.write("plan.txt", "version 4")?;
    first.wait_synced()?;
    let versions = versions(&first, "plan.txt")?;
    assert_eq!(versions.len(), 7);
    let oldest = versions[0].to_string();
    first
        .command("restore", &["plan.txt", "--version", &oldest])?
        .ok()?;
    first.wait_synced()?;
    assert_eq!(first.read("plan.txt")?, "version 1");
    Ok(())
}
