//! What other programs of the same user ask a client through its socket, and who of two clients stays: one that a command
//! started gives way to any other, and goes when its command is gone. Either waits for the orders that are under way; what
//! was only asked is asked again by whoever asked.

use std::time::Duration;

use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::control::{Answer, Ask};
use crate::disk::{DiskError, FolderLock, Holder, Root};
use crate::driver::Asked;
use crate::fault::Fault;
use crate::notice::{Notice, Trouble};
use crate::socket::{Call, Socket};

/// A client that was started for a command gives way within this time.
const GIVE_WAY_TIMEOUT: Duration = Duration::from_secs(60);
/// Whoever has just taken the lock has noted what it is within this time.
const NOTE_TIMEOUT: Duration = Duration::from_secs(1);
/// A client that was started for a command waits for this time until the command has found the one that holds the lock: as
/// long as the command itself does.
const ATTACHED_TIMEOUT: Duration = Duration::from_secs(30);
/// How often it is looked whether the lock is free.
const LOOK_INTERVAL: Duration = Duration::from_millis(25);

/// Takes the folder's lock. A client that a command started is asked to give way.
pub(super) async fn take_lock(root: &Root, config: &Config, is_attached: bool) -> Result<FolderLock, Fault> {
    let holder = if is_attached {
        Holder::Helper
    } else {
        Holder::Client
    };
    let begin = Instant::now();
    loop {
        match root.lock_as(holder) {
            Err(error @ DiskError::InUse { holder: noted, .. })
                if !is_attached && begin.elapsed() < patience(noted) =>
            {
                // It may not listen yet, or be gone already: the lock tells.
                match Socket::ask(&config.place(root.marker()?), &Ask::GiveWay).await {
                    Ok(Answer::Failed(_)) => return Err(error.into()),
                    Ok(_) | Err(_) => sleep(LOOK_INTERVAL).await,
                }
            }
            // The command asks whoever has it, as soon as that one listens.
            Err(DiskError::InUse { .. }) if is_attached && begin.elapsed() < ATTACHED_TIMEOUT => {
                sleep(LOOK_INTERVAL).await;
            }
            result => return Ok(result?),
        }
    }
}

/// Says for how long the holder of a lock is asked to give way, by what it noted: just after it took the lock, that is still
/// the former holder's note.
fn patience(noted: Option<Holder>) -> Duration {
    match noted {
        Some(Holder::Helper) => GIVE_WAY_TIMEOUT,
        Some(Holder::Client) | None => NOTE_TIMEOUT,
    }
}

/// Answers until the client ends, or until it is to `leave`, which only one that was started for a command ever is.
pub(super) async fn answer_all(
    mut called: mpsc::Receiver<Call>,
    asks: mpsc::Sender<Asked>,
    notices: broadcast::Sender<Notice>,
    leave: Option<CancellationToken>,
) {
    let orders = TaskTracker::new();
    let left = async {
        match &leave {
            Some(leave) => leave.cancelled().await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(left);
    loop {
        let call = tokio::select! {
            call = called.recv() => call,
            () = &mut left => break,
        };
        let Some(call) = call else { return };
        if call.ask == Ask::GiveWay {
            let answer = match &leave {
                Some(leave) => {
                    leave.cancel();
                    Answer::Done
                }
                None => Answer::Failed(stays()),
            };
            // Who asked may have gone.
            let _ = call.answers.send(answer).await;
            continue;
        }
        let is_order = call.ask.is_order();
        let answering = answer(call, asks.clone(), notices.clone());
        if is_order {
            orders.spawn(answering);
        } else {
            tokio::spawn(answering);
        }
    }
    // What comes now is told that the client ends.
    drop(called);
    orders.close();
    orders.wait().await;
    let (reply, _) = oneshot::channel();
    // The driver may have ended by itself.
    let _ = asks.send((Ask::Stop, reply)).await;
}

fn stays() -> Trouble {
    Trouble {
        what: "this client was not started by a command".into(),
        done: "it stays".into(),
        todo: "use it, or end it".into(),
    }
}

async fn answer(call: Call, asks: mpsc::Sender<Asked>, notices: broadcast::Sender<Notice>) {
    let Call { ask, answers } = call;
    if matches!(ask, Ask::Listen) {
        let mut heard = notices.subscribe();
        loop {
            let notice = tokio::select! {
                notice = heard.recv() => notice,
                () = answers.closed() => return,
            };
            match notice {
                Ok(notice) => {
                    if answers.send(Answer::Notice(Box::new(notice))).await.is_err() {
                        return;
                    }
                }
                Err(broadcast::error::RecvError::Lagged(_)) => (),
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }
    let (reply, answer) = oneshot::channel();
    if asks.send((ask, reply)).await.is_err() {
        return;
    }
    let answer = tokio::select! {
        answer = answer => answer,
        () = answers.closed() => return,
    };
    if let Ok(answer) = answer {
        // The asker may have gone.
        let _ = answers.send(answer).await;
    }
}
