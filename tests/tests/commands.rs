//! Commands beside clients, and what people are told: I38, and the table of wrong usages of both programs.

mod usage;

use anyhow::{Result, ensure};
use std::time::{Duration, Instant};
use tests::device::PATIENCE;
use tests::process::{Process, run};
use tests::{Device, World};
use tui_client::disk::Root;

/// A command that finds the server away says so within this time, on a busy computer.
const AT_ONCE: Duration = Duration::from_secs(15);

/// Waits until no client has the folder.
fn wait_free(device: &Device) -> Result<()> {
    let begin = Instant::now();
    let root = Root::open(&device.folder)?;
    while let Some(pid) = root.lock_holder() {
        ensure!(
            begin.elapsed() < PATIENCE,
            "process {pid} is still on the folder of {}",
            device.name
        );
        std::thread::yield_now();
    }
    Ok(())
}

#[test]
fn a_client_that_starts_is_neither_kept_off_nor_ended_by_a_command() -> Result<()> {
    let (mut world, [mut first]) = World::with_devices()?;
    first.write("box/file.txt", "text")?;
    first.wait_synced()?;
    for args in [
        &["history", "box/file.txt"][..],
        &["wait"],
        &["verify"],
        &["devices"],
    ] {
        for comes_late in [false, true] {
            first.stop()?;
            let mut command = first.client()?;
            command.arg(args[0]).arg(&first.folder).args(&args[1..]);
            let command = Process::start("the command", &mut command)?;
            let root = Root::open(&first.folder)?;
            let begin = Instant::now();
            while comes_late && root.lock_holder().is_none() && command.is_running() {
                ensure!(begin.elapsed() < PATIENCE, "no client is started for {args:?}");
            }
            first.start()?;
            command.finish(PATIENCE)?.ok()?;
            first.wait_synced()?;
        }
    }
    first.stop()?.ok()?;
    world.server.terminate()?;
    Ok(())
}

#[test]
fn what_a_command_started_ends_with_it_however_it_ends() -> Result<()> {
    let (mut world, [mut first]) = World::with_devices()?;
    first.stop()?;
    world.server.terminate()?;
    let root = Root::open(&first.folder)?;
    for is_killed in [false, true] {
        let mut command = first.client()?;
        let command = Process::start("a command", command.arg("wait").arg(&first.folder))?;
        let begin = Instant::now();
        while root.lock_holder().is_none() {
            ensure!(
                begin.elapsed() < PATIENCE,
                "no client is started: {}",
                command.output()
            );
            std::thread::yield_now();
        }
        if is_killed {
            command.kill();
        } else {
            command.terminate();
        }
        command.finish(PATIENCE)?;
        wait_free(&first)?;
    }
    Ok(())
}

#[test]
fn that_the_server_is_away_is_said_at_once_and_by_4() -> Result<()> {
    let (mut world, [mut first]) = World::with_devices()?;
    first.write("file.txt", "text")?;
    first.wait_synced()?;
    world.server.terminate()?;
    for runs in [true, false] {
        if !runs {
            first.stop()?;
        }
        for (name, args) in [
            ("history", &["file.txt"][..]),
            ("restore", &["file.txt", "--version", "1"]),
            ("verify", &[]),
            ("devices", &[]),
            ("devices", &["replace-id"]),
        ] {
            let begin = Instant::now();
            let finished = first.command(name, args)?.with_code(4)?;
            ensure!(finished.stderr.contains("out of reach"), "{name}: {finished:?}");
            ensure!(begin.elapsed() < AT_ONCE, "{name} took {:?}", begin.elapsed());
        }
    }
    wait_free(&first)
}

#[cfg(unix)]
#[test]
fn a_folder_in_whose_place_is_something_else_is_halted_whether_a_client_runs_or_not() -> Result<()> {
    let (world, [mut first, mut second]) = World::with_devices()?;
    let away = world.home().join("away");
    second.stop()?;
    for runs in [true, false] {
        if !runs {
            first.stop()?;
        }
        std::fs::rename(&first.folder, &away)?;
        for other in ["nothing", "an empty directory", "another folder"] {
            match other {
                "nothing" => (),
                "an empty directory" => std::fs::create_dir(&first.folder)?,
                _ => {
                    std::fs::create_dir(first.path(".holdfast"))?;
                    std::fs::copy(
                        second.path(".holdfast/folder-id"),
                        first.path(".holdfast/folder-id"),
                    )?;
                }
            }
            let status = first.command("status", &["--json"])?.with_code(1)?;
            ensure!(
                status.stdout.contains(r#""state":"halted""#),
                "{other}: {status:?}"
            );
            ensure!(status.stdout.contains("mount its disk"), "{other}: {status:?}");
            first.command("verify", &[])?.with_code(1)?;
        }
        std::fs::remove_dir_all(&first.folder)?;
        std::fs::rename(&away, &first.folder)?;
        if runs {
            // What the client noticed meanwhile it gets over only by a new start.
            first.stop()?;
            first.start()?;
            first.wait_synced()?;
        }
    }
    let help = run("help", first.client()?.args(["status", "--help"]), PATIENCE)?.ok()?;
    let words: Vec<&str> = help.stdout.split_whitespace().collect();
    ensure!(
        words.join(" ").contains("1 syncing, halted or error"),
        "{words:?}"
    );
    Ok(())
}

#[cfg(unix)]
#[test]
fn few_descriptors_are_no_lasting_state() -> Result<()> {
    let (mut world, [first]) = World::with_devices()?;
    for files_max in [40, 64, 128] {
        let mut second = world.prepare(&format!("of {files_max}"))?;
        let script = format!("ulimit -n {files_max}; exec \"$0\" \"$@\"");
        second.run_by = ["sh", "-c", &script].map(str::to_owned).to_vec();
        second.start()?;
        for n in 0..60 {
            first.write(&format!("{files_max}/{n}/file.txt"), format!("{n}"))?;
            second.write(&format!("{files_max} of the second/{n}/file.txt"), format!("{n}"))?;
        }
        // Many ask at once, more than it has descriptors for.
        let mut asking = Vec::new();
        for _ in 0..48 {
            let mut command = world.prepare("asker")?.client()?;
            command.env("HOLDFAST_CONFIG_DIR", &second.config);
            asking.push(Process::start(
                "asker",
                command.arg("status").arg(&second.folder),
            )?);
        }
        for command in asking {
            command.finish(PATIENCE)?;
        }
        tests::settle(&[&first, &second])?;
        second.write("late.txt", format!("{files_max}"))?;
        tests::settle(&[&first, &second])?;
        world.adopt(&second)?;
        second.stop()?.ok()?;
    }
    Ok(())
}
