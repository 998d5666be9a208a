//! A client at work on one folder: everything is opened, checked and started here, in the order in which something can
//! go wrong without harm. Screen, headless mode and commands are listeners of what this returns.

pub(crate) mod known;
mod work;

pub use work::{Ground, Running, begin};

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::link::ServerAddress;
use common::message::Auth;
use common::tls::Trust;
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::config::{Account, Config, default_device_name};
use crate::control::{Answer, Ask};
use crate::disk::{FolderId, FolderLock, Root};
use crate::driver::Asked;
use crate::fault::{Exit, Fault};
use crate::net::control::Patience;
use crate::net::{Endpoint, TlsDial};
use crate::notice::Notice;
use crate::observer::SystemWatch;
use crate::options::{FirstTrust, Run, Start};
use crate::socket::{Call, Place as SocketPlace, Socket};
use crate::state::{STATE_NAME, State};

/// How many questions from other programs wait at most.
const CALLS_WAITING_MAX: usize = 64;

/// The folder, opened and locked, and what is known about it outside.
struct Place {
    config: Config,
    folder: PathBuf,
    root: Root,
    lock: FolderLock,
    id: FolderId,
}

impl Place {
    /// Opens the folder, or makes it. Nothing in it is read or changed by another client from here on.
    fn open(run: &Run) -> Result<Self, Fault> {
        let config = Config::locate()?;
        let joins = matches!(run.start, Start::Link(_) | Start::Server { id: Some(_), .. });
        let folder = make_folder(&config, &run.folder, joins)?;
        let root = Root::open(&folder)?;
        if root.is_new()? {
            known::check_missing(&config, &folder, joins)?;
        }
        root.create_private()?;
        let lock = root.lock()?;
        let id = root.marker()?;
        known::check(&config, &folder, id, joins)?;
        known::check_copy(&config, &folder, id)?;
        Ok(Self {
            config,
            folder,
            root,
            lock,
            id,
        })
    }
}

/// Starts a client.
///
/// # Errors
/// When folder, configuration or database cannot be used, or when what was asked for cannot be begun safely.
pub async fn start(run: &Run, once: bool) -> Result<Running, Fault> {
    let Place {
        config,
        folder,
        root,
        lock,
        id: folder_id,
    } = Place::open(run)?;
    let stored = config.account(folder_id)?;
    let enrolled = stored.as_ref().is_some_and(|account| account.device.is_some());
    let (account, trust, auth) = account(stored, run)?;
    let endpoint = Endpoint {
        dial: Arc::new(TlsDial),
        address: account.server.clone(),
        trust,
        certificate: Arc::new(config.device_certificate(folder_id)?),
    };
    config.save_account(folder_id, &account)?;
    if account.device.is_some() {
        known::remember(&config, &folder, folder_id)?;
    }

    let (state, loaded) = State::open(&root.private_path(STATE_NAME))?;
    let watch = Box::new(SystemWatch::new(root.path()));
    let ground = Ground {
        root,
        folder,
        folder_id,
        config,
        account,
        endpoint,
        auth,
        patience: patience(once, enrolled),
        store: Box::new(state),
        loaded,
        watch,
        interval: run.rescan,
    };
    let socket_place = ground.config.place(folder_id);
    let running = begin(ground)?;
    let socket = answer_others(&socket_place, running.asks.clone(), running.notices.clone()).await?;
    Ok(running.keep(socket, lock))
}

/// Says how long to go on when the server cannot be reached.
fn patience(once: bool, enrolled: bool) -> Patience {
    match (once, enrolled) {
        (true, _) => Patience::FewTries,
        (false, false) => Patience::FirstTry,
        (false, true) => Patience::Endless,
    }
}

/// Finds the folder, or makes it if it was never one that is synchronised.
fn make_folder(config: &Config, folder: &Path, joins: bool) -> Result<PathBuf, Fault> {
    let failed = |error: std::io::Error| {
        let what = format!("cannot use the folder {}: {error}", folder.display());
        Fault::failed(
            what,
            "nothing was changed",
            "see that the folder is there and is yours",
        )
    };
    let absolute = std::path::absolute(folder).map_err(failed)?;
    match absolute.try_exists() {
        Ok(true) => (),
        Ok(false) => {
            known::check_missing(config, &absolute, joins)?;
            std::fs::create_dir(&absolute).map_err(failed)?;
        }
        Err(error) => return Err(failed(error)),
    }
    absolute.canonicalize().map_err(failed)
}

/// Brings together what is known of the account and what was asked for.
fn account(stored: Option<Account>, run: &Run) -> Result<(Account, Trust, Auth), Fault> {
    let name = || run.device_name.clone().unwrap_or_else(default_device_name);
    let (server, id, first) = match &run.start {
        Start::Enrolled => (None, None, FirstTrust::Ask),
        Start::Server { server, id, trust } => (Some(server.clone()), id.clone(), *trust),
        Start::Link(link) => (
            Some(link.server.clone()),
            Some(link.id.clone()),
            FirstTrust::Pinned(link.fingerprint),
        ),
    };
    let account = match (stored, server) {
        (Some(stored), server) => {
            let server = server.unwrap_or_else(|| stored.server.clone());
            if let (Some(known), Some(id)) = (&stored.id, &id)
                && known != id
            {
                return Err(other_account());
            }
            Account {
                server,
                id: id.clone().or(stored.id.clone()),
                ..stored
            }
        }
        (None, Some(server)) => Account {
            server,
            fingerprint: None,
            id: id.clone(),
            device_name: name(),
            device: None,
        },
        (None, None) => return Err(never_enrolled(&run.folder)),
    };
    let trust = trust_of(&account, first, id.is_some())?;
    let auth = account.auth();
    Ok((account, trust, auth))
}

fn trust_of(account: &Account, first: FirstTrust, joins: bool) -> Result<Trust, Fault> {
    match (first, account.fingerprint) {
        (FirstTrust::Pinned(fingerprint), _) => Ok(Trust::Pinned(fingerprint)),
        (FirstTrust::Ask | FirstTrust::FirstUse, Some(pinned)) => Ok(Trust::Pinned(pinned)),
        (FirstTrust::FirstUse, None) => Ok(Trust::FirstUse),
        (FirstTrust::Ask, None) if !joins => Ok(Trust::FirstUse),
        (FirstTrust::Ask, None) => Err(untrusted(&account.server)),
    }
}

fn untrusted(server: &ServerAddress) -> Fault {
    let todo = "give the server's fingerprint with --fingerprint (the server prints it), use a pairing link, or add \
                --trust-first-use";
    Fault {
        exit: Exit::NotAdmitted,
        ..Fault::failed(
            format!(
                "the key of the server {server} is not known, and the account's ID would go to whoever answers"
            ),
            "nothing was sent",
            todo,
        )
    }
}

fn other_account() -> Fault {
    Fault::failed(
        "the folder belongs to another account than the one of this ID",
        "nothing was changed",
        "use another folder, or remove this folder's .holdfast to start anew (no file of yours is touched by that)",
    )
}

fn never_enrolled(folder: &Path) -> Fault {
    Fault {
        exit: Exit::Usage,
        ..Fault::failed(
            format!("the folder {} has no account yet", folder.display()),
            "nothing was changed",
            "name the server: tui-client SERVER FOLDER",
        )
    }
}

/// Lets other programs of the same user ask.
async fn answer_others(
    place: &SocketPlace,
    asks: mpsc::Sender<Asked>,
    notices: broadcast::Sender<Notice>,
) -> Result<Socket, Fault> {
    let (calls, mut called) = mpsc::channel::<Call>(CALLS_WAITING_MAX);
    let socket = Socket::listen(place, calls).await?;
    tokio::spawn(async move {
        while let Some(call) = called.recv().await {
            tokio::spawn(answer(call, asks.clone(), notices.clone()));
        }
    });
    Ok(socket)
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
    if asks.send((ask, reply)).await.is_ok()
        && let Ok(answer) = answer.await
    {
        // The asker may have gone.
        let _ = answers.send(answer).await;
    }
}
