//! The client without a screen: every notice is a line on standard output. It ends by itself only when it was asked to
//! (`--once`, `Ask::Stop`, a signal) or when it can do nothing more.

use std::io::Write as _;

use jiff::Timestamp;
use tokio::sync::broadcast;

use crate::client::{self, Running};
use crate::commands::exit_of_status;
use crate::control::{Answer, Ask, Status};
use crate::fault::{Exit, Fault};
use crate::notice::{Notice, Trouble};
use crate::options::Run;
use crate::output::{notice_as_json, notice_in_words};
use crate::signal;

/// Runs a client until it ends; returns how the program ends.
///
/// # Errors
/// When it cannot be started.
pub async fn run(run: &Run, once: bool, json: bool) -> Result<Exit, Fault> {
    let started = client::start(run, once).await;
    let mut running = match started {
        Ok(running) => running,
        Err(fault) => {
            if json {
                write(&Notice::Error(fault.trouble.clone()), json);
            }
            return Err(fault);
        }
    };
    let mut heard = running.listen();
    let waiting = wait_once(&running, once);
    let mut failed = running.failed.clone();
    let mut signals = signal::Signals::listen();
    tokio::pin!(waiting);
    let exit = loop {
        tokio::select! {
            // What happened before the end is written before the end.
            biased;
            notice = heard.recv() => match notice {
                Ok(notice) => write(&notice, json),
                Err(broadcast::error::RecvError::Lagged(n_lost)) => write(&lagged(n_lost), json),
                Err(broadcast::error::RecvError::Closed) => break Exit::Done,
            },
            exit = ended_by_itself(&mut failed, once) => break exit,
            status = &mut waiting => {
                // Whoever waits is answered too when nothing more can be done; the reason for that tells more.
                let reason = *running.failed.borrow();
                let told = status.map_or(Exit::Failed, |status| exit_of_status(&status));
                break reason.unwrap_or(told);
            }
            () = signals.recv() => break Exit::Done,
            exit = running.ended() => break exit,
        }
    };
    drain(&mut heard, json);
    running.stop().await;
    Ok(exit)
}

/// With `once`: waits until synced. Otherwise for ever.
fn wait_once(running: &Running, once: bool) -> impl Future<Output = Option<Status>> + use<> {
    let asks = running.asks.clone();
    async move {
        if !once {
            return std::future::pending().await;
        }
        let (reply, answer) = tokio::sync::oneshot::channel();
        asks.send((Ask::Wait { timeout_ms: None }, reply)).await.ok()?;
        match answer.await.ok()? {
            Answer::Status(status) | Answer::TimedOut(status) => Some(status),
            _ => None,
        }
    }
}

/// Becomes ready when the client can do nothing more. A halted client goes on answering, unless it was to run once.
async fn ended_by_itself(failed: &mut tokio::sync::watch::Receiver<Option<Exit>>, once: bool) -> Exit {
    loop {
        match *failed.borrow_and_update() {
            Some(Exit::Failed) if !once => (),
            Some(exit) => return exit,
            None => (),
        }
        if failed.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

fn lagged(n_lost: u64) -> Notice {
    Notice::Error(Trouble {
        what: format!("{n_lost} events came faster than they could be written, and were left out"),
        done: "the folder itself is not affected".into(),
        todo: "read standard output faster, or ask for `status`".into(),
    })
}

fn drain(heard: &mut broadcast::Receiver<Notice>, json: bool) {
    while let Ok(notice) = heard.try_recv() {
        write(&notice, json);
    }
}

/// Writes a line; that nobody reads it is no failure of ours.
fn write(notice: &Notice, json: bool) {
    let line = match notice {
        Notice::Error(trouble) if !json => {
            let _ = writeln!(std::io::stderr(), "{}", Fault::told(trouble.clone()));
            return;
        }
        notice if json => notice_as_json(notice, Timestamp::now()),
        notice => notice_in_words(notice),
    };
    if let Some(line) = line {
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }
}
