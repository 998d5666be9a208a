//! The client without a screen: every notice is a line on standard output. It ends by itself only when it was asked to
//! (`--once`, `Ask::Stop`, a signal) or when it can do nothing more.

use std::io::Write as _;
use std::time::Duration;

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

/// So much is written at once, in bytes, or one line more.
const LINES_LEN_MAX: usize = 64 * 1024;
/// After a write the next waits this long: of a burst of events, many are written at once.
const REST: Duration = Duration::from_millis(5);

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
                Ok(notice) => {
                    write_all(&notice, &mut heard, json);
                    tokio::time::sleep(REST).await;
                }
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

/// Runs a client for a command, which holds the other end of standard input: the client ends soon after that end is closed,
/// however the command ended. It prints nothing but an [`Answer`] that says why it cannot be started.
///
/// # Errors
/// When it cannot be started.
pub async fn run_attached(run: &Run) -> Result<Exit, Fault> {
    let (ended, mut input_ended) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // An input that cannot be read has ended as well.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        // The client may have ended by itself.
        let _ = ended.send(());
    });
    let started = tokio::select! {
        started = client::start(run, false) => started,
        _ = &mut input_ended => return Ok(Exit::Done),
    };
    let running = match started {
        Ok(running) => running,
        Err(fault) => {
            if let Ok(line) = serde_json::to_string(&Answer::Failed(fault.trouble.clone())) {
                write_lines(&line);
            }
            return Err(fault);
        }
    };
    let mut signals = signal::Signals::listen();
    let exit = tokio::select! {
        _ = input_ended => {
            running.leave();
            running.ended().await
        }
        () = signals.recv() => Exit::Done,
        exit = running.ended() => exit,
    };
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
        write_all(&notice, heard, json);
    }
}

/// Writes a notice and those that are there already, in one go.
fn write_all(first: &Notice, heard: &mut broadcast::Receiver<Notice>, json: bool) {
    let mut lines = String::new();
    add_line(first, &mut lines, json);
    while lines.len() < LINES_LEN_MAX
        && let Ok(notice) = heard.try_recv()
    {
        add_line(&notice, &mut lines, json);
    }
    write_lines(&lines);
}

/// Writes a line.
fn write(notice: &Notice, json: bool) {
    let mut lines = String::new();
    add_line(notice, &mut lines, json);
    write_lines(&lines);
}

/// Adds the line of a notice, if it has one. What goes wrong is said at once, to people elsewhere.
fn add_line(notice: &Notice, lines: &mut String, json: bool) {
    let line = match notice {
        Notice::Error(trouble) if !json => {
            let _ = writeln!(std::io::stderr(), "{}", Fault::told(trouble.clone()));
            None
        }
        notice if json => notice_as_json(notice, Timestamp::now()),
        notice => notice_in_words(notice),
    };
    if let Some(line) = line {
        lines.push_str(&line);
        lines.push('\n');
    }
}

/// Writes lines; that nobody reads them is no failure of ours.
fn write_lines(lines: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(lines.as_bytes()).and_then(|()| out.flush());
}
