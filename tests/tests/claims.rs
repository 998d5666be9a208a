//! What is said of the state of a folder, held against what is true.

use anyhow::{Context as _, Result, ensure};
#[cfg(unix)]
use std::process::{Command, Stdio};
use tests::{Device, Join, Proxy, World};

/// The client stops at this signal, or goes on.
#[cfg(unix)]
fn signal(device: &Device, name: &str) -> Result<()> {
    let mut command = Command::new("kill");
    command.arg(name).arg(device.process_id()?.to_string());
    ensure!(command.status()?.success(), "kill {name} failed");
    Ok(())
}

#[cfg(unix)]
#[test]
fn status_says_synced_only_of_what_was_written_before_the_question() -> Result<()> {
    let (_world, [first]) = World::with_devices()?;
    for dir in 0..50 {
        first.write(&format!("{dir}/first"), "first")?;
    }
    first.wait_synced()?;
    for round in 0..3 {
        let before = first.json("status", &[])?[0]
            .number("journal")
            .context("no journal was told")?;
        signal(&first, "-STOP")?;
        for n in 0..1000 {
            first.write(&format!("{}/{round}-{n}", n % 50), n.to_string())?;
        }
        let mut status = first.client()?;
        status.arg("status").arg(first.path("")).arg("--json");
        let asked = status.stdout(Stdio::piped()).spawn()?;
        signal(&first, "-CONT")?;
        let said = String::from_utf8(asked.wait_with_output()?.stdout)?;
        let said: serde_json::Value = serde_json::from_str(said.lines().next().context("nothing was said")?)?;
        let journal = said["journal"].as_u64().context("no journal was told")?;
        // Each of the files is an entry of its own.
        let is_untrue = said["state"] == "synced" && journal < before + 1000;
        ensure!(
            !is_untrue,
            "synced was said in round {round} at {journal}, {before} before"
        );
        first.wait_synced()?;
    }
    Ok(())
}

/// The system keeps so many events for a client and drops the others. The client then hears nothing from a directory of whose
/// making it was not told, nor from one that was moved, unless it begins to watch anew.
#[cfg(target_os = "linux")]
#[test]
fn what_is_written_in_a_directory_that_came_while_events_were_lost_is_seen() -> Result<()> {
    let n_events: usize = std::fs::read_to_string("/proc/sys/fs/inotify/max_queued_events")?
        .trim()
        .parse()?;
    if 1_000_000 < n_events {
        eprintln!("nothing is checked here: this system keeps {n_events} events");
        return Ok(());
    }
    let (_world, [first]) = World::with_devices()?;
    first.write("was here/inner/file", "first")?;
    first.wait_synced()?;
    signal(&first, "-STOP")?;
    // Two in turn, since the system takes equal events in a row for one.
    for n in 0..=n_events / 2 {
        first.write(["one", "other"][n % 2], n.to_string())?;
    }
    std::fs::rename(first.path("was here"), first.path("moved"))?;
    first.write("new/inner/file", "first")?;
    signal(&first, "-CONT")?;
    first.wait_synced()?;
    for file in ["new/inner/file", "moved/inner/file", "new/later"] {
        first.write(file, "edited")?;
        first.wait_synced()?;
        let verified = first.command("verify", &[])?.with_code(0)?;
        ensure!(verified.stdout.contains("agree"), "{file}: {verified:?}");
    }
    Ok(())
}

#[cfg(unix)]
#[test]
fn verify_names_what_it_did_not_compare_and_ends_with_3() -> Result<()> {
    let (_world, [first]) = World::with_devices()?;
    first.write("plain.txt", "plain")?;
    first.wait_synced()?;
    let agreed = first.command("verify", &[])?.with_code(0)?;
    ensure!(agreed.stdout.contains("agree"), "{agreed:?}");
    ensure!(Command::new("mkfifo").arg(first.path("pipe")).status()?.success());
    first.wait_synced()?;
    let partly = first.command("verify", &[])?.with_code(3)?;
    ensure!(partly.stdout.contains("'pipe' was not compared"), "{partly:?}");
    Ok(())
}

#[test]
fn a_file_that_a_rule_leaves_out_is_told_with_the_rule_and_a_number_is_no_rule() -> Result<()> {
    let (_world, [first, second]) = World::with_devices()?;
    first.write(".holdfastignore", "build/\n")?;
    first.write("build/out.o", "object")?;
    first.write("notes.swp", "swap")?;
    first.write("mail/4912", "a letter")?;
    first.write("mail/4913", "another letter")?;
    tests::settle_apart(&[&first, &second], |trees| {
        trees[1].contains_key(&b"mail/4913"[..])
    })?;
    let own = first.command("why", &["build/out.o"])?.ok()?.stdout;
    ensure!(own.contains("'build/' in .holdfastignore"), "{own}");
    let junk = first.command("why", &["notes.swp"])?.ok()?.stdout;
    ensure!(junk.contains("'*.swp' of the short list"), "{junk}");
    Ok(())
}

#[test]
fn a_server_that_says_nothing_is_out_of_reach_within_30_s() -> Result<()> {
    let world = World::start()?;
    let proxy = Proxy::new(world.server.address())?;
    let first = Device::join(world.home(), "a", Join::New(proxy.address().to_string()))?;
    first.wait_synced()?;
    let mark = first.events()?.mark();
    proxy.stall();
    let began = std::time::Instant::now();
    first.wait_after(mark, "disconnected", |event| event.is("disconnected"))?;
    ensure!(began.elapsed().as_secs() < 30, "{:?}", began.elapsed());
    let offline = first.command("status", &["--json"])?.with_code(4)?;
    ensure!(offline.stdout.contains("offline"), "{offline:?}");
    Ok(())
}

#[test]
fn what_a_rule_leaves_out_and_is_renamed_to_what_none_does_arrives_by_its_new_name() -> Result<()> {
    let (_world, [first, second]) = World::with_devices()?;
    first.write("notes.tmp", "notes")?;
    tests::settle(&[&first, &second])?;
    first.write(".holdfastignore", "*.tmp\n")?;
    let is_left_out = |event: &tests::Event| {
        event.is("blocked") && event.text("path") == "notes.tmp" && event.0["blocked"] == true
    };
    for device in [&first, &second] {
        device.wait_for("that the file is left out", is_left_out)?;
    }
    std::fs::rename(first.path("notes.tmp"), first.path("notes.txt"))?;
    second.wait_for("the file by its new name", |event| {
        event.is("change") && event.text("path") == "notes.txt"
    })?;
    second.wait_synced()?;
    ensure!(second.read("notes.txt")? == "notes");
    // What the rule leaves out is nobody's to remove.
    ensure!(second.read("notes.tmp")? == "notes");
    Ok(())
}
