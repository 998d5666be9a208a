//! `cargo demo`: a server, two folders and two clients, all on this computer and all real. On a terminal one of the
//! clients has its screen, and the other changes something now and then. Without one a script goes through the whole
//! of it, says what it does and checks that it happened. Whatever way it ends, no process and no file is left behind.

mod foreground;
mod sample;
mod script;
mod stage;

use anyhow::{Context as _, Result};
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tests::process::end_all;
use tokio::sync::oneshot;

/// How long the demo may take to come to an end once everything that it started was ended.
const END_TIMEOUT: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let outcome = play();
    end_all();
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("The demo went wrong: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn play() -> Result<ExitCode> {
    let home = tempfile::Builder::new()
        .prefix("holdfast-demo-")
        .tempdir()
        .context("cannot make a temporary directory")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(until_done_or_stopped(home.path().to_owned()));
    runtime.shutdown_background();
    home.close().context("cannot remove the temporary directory")?;
    outcome
}

/// Plays on a thread of its own, so that a signal is heard at any moment.
async fn until_done_or_stopped(home: PathBuf) -> Result<ExitCode> {
    let (tell, mut done) = oneshot::channel();
    std::thread::spawn(move || {
        let on_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let outcome = if on_terminal {
            foreground::play(&home)
        } else {
            script::play(&home)
        };
        // After a signal nobody listens any more.
        let _unheard = tell.send(outcome);
    });
    tokio::select! {
        biased;
        stopped = signal() => {
            stopped?;
            eprintln!("Stopped; everything is being ended.");
            end_all();
            // What it comes to does not matter any more, only that it lets go of its files.
            let _ended = tokio::time::timeout(END_TIMEOUT, done).await;
            Ok(ExitCode::from(130))
        }
        outcome = &mut done => {
            outcome.context("the demo broke off")??;
            Ok(ExitCode::SUCCESS)
        }
    }
}

#[cfg(unix)]
async fn signal() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => (),
        _ = terminate.recv() => (),
        _ = hangup.recv() => (),
    }
    Ok(())
}

#[cfg(windows)]
async fn signal() -> Result<()> {
    Ok(tokio::signal::ctrl_c().await?)
}
