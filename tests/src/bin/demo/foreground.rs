//! The demo on a terminal: the screen on one folder, and somebody else at work on the other.

use crate::stage::Stage;
use anyhow::{Result, ensure};
use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;
use tests::noise::Noise;
use tests::{Device, Process};

/// How often the other device changes something.
const CHANGE_INTERVAL: Duration = Duration::from_secs(4);

pub(crate) fn play(home: &Path) -> Result<()> {
    let Stage {
        server,
        laptop,
        mut desktop,
    } = Stage::set(home)?;
    desktop.start()?;
    desktop.wait_synced()?;
    let link = desktop.link()?;

    println!();
    println!("The screen opens on   {}", laptop.folder.display());
    println!("The other device is   {}", desktop.folder.display());
    println!("Change what you like in either of them, from another terminal or a file manager.");
    println!("The other device also changes something by itself every few seconds.");
    println!("In the screen `?` shows the keys and `q` quits; then everything is removed again.");
    print!("Press Enter to open the screen. ");
    std::io::stdout().flush()?;
    std::io::stdin().read_line(&mut String::new())?;

    let mut command = laptop.client()?;
    command
        .args(["--device-name", "laptop"])
        .arg(link)
        .arg(&laptop.folder);
    let screen = Process::start_in_foreground("the screen", &mut command)?;
    let (stop, stopped) = channel();
    let busy = std::thread::spawn(move || keep_busy(&desktop, &stopped).map(|()| desktop));
    let finished = screen.wait_for_end();
    drop(stop);
    let other = busy
        .join()
        .unwrap_or_else(|_| anyhow::bail!("the other device broke off"));
    ensure!(
        matches!(finished.code, Some(0 | 3)),
        "the screen ended with {:?}",
        finished.code
    );

    let mut desktop = other?;
    desktop.stop()?;
    drop(server);
    println!("All is ended, and the folders are removed.");
    Ok(())
}

/// Changes something now and then until the other end of the channel is dropped.
fn keep_busy(device: &Device, stopped: &Receiver<()>) -> Result<()> {
    for n_round in 1_u64.. {
        if stopped.recv_timeout(CHANGE_INTERVAL) != Err(RecvTimeoutError::Timeout) {
            break;
        }
        change_something(device, n_round)?;
    }
    Ok(())
}

/// A person may have moved or deleted anything meanwhile; what is gone is made anew, or left alone.
fn change_something(device: &Device, n_round: u64) -> Result<()> {
    let album = format!("Photos/{}", 2026 + n_round / 6);
    match n_round % 6 {
        1 => device.write("Notes/diary.txt", format!("Entry {n_round}: it rains.\n")),
        2 => device.write(
            &format!("{album}/{n_round}.jpg"),
            Noise::new(n_round).bytes(3_000_000),
        ),
        3 => {
            let (from, to) = (
                format!("{album}/{}.jpg", n_round - 1),
                format!("{album}/rain {n_round}.jpg"),
            );
            if device.path(&from).exists() {
                device.rename(&from, &to)?;
            }
            Ok(())
        }
        4 => device.write(
            "Recipes/bread.txt",
            format!("500 g flour\n{} g water\n", 350 + n_round),
        ),
        5 => device.write(
            "Notes/drafts/letter.txt",
            format!("Dear Ada, this is draft {n_round}.\n"),
        ),
        _ => {
            if device.path("Notes/drafts").exists() {
                device.delete("Notes/drafts")?;
            }
            Ok(())
        }
    }
}
