//! A client at work on one folder: everything is opened, checked and started here, in the order in which something can
//! go wrong without harm. Screen, headless mode and commands are listeners of what this returns.

mod calls;
mod intent;
pub(crate) mod known;
mod placement;
mod work;

pub use work::{Ground, Running, begin};

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::identity::AccountId;
use common::link::ServerAddress;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::{Account, Config, default_device_name};
use crate::disk::{FolderId, FolderLock, Root};
use crate::fault::{Exit, Fault};
use crate::net::control::Patience;
use crate::net::vouch::Keep;
use crate::net::{ConnectError, Endpoint, ServerKey, TlsDial};
use crate::observer::SystemWatch;
use crate::options::{Run, Start};
use crate::socket::Socket;
use crate::state::{STATE_NAME, State};
use intent::{Intent, Unclear};

/// How many questions from other programs wait at most.
const CALLS_WAITING_MAX: usize = 64;

/// The folder, opened and locked, and what is known about it outside.
struct Place {
    config: Config,
    folder: PathBuf,
    root: Root,
    lock: FolderLock,
    id: FolderId,
    stored: Option<Account>,
}

impl Place {
    /// Opens the folder, or makes it. Nothing in it is read or changed by another client from here on.
    async fn open(run: &Run) -> Result<Self, Fault> {
        let config = Config::locate()?;
        let joins = matches!(run.start, Start::Link(_) | Start::Server { id: Some(_), .. });
        if run.folder.starts_with("~") && !Path::new("~").exists() {
            let why = "begins with ~, which only a shell takes for your home directory";
            return Err(no_folder(&run.folder, why));
        }
        placement::check(&config, &run.folder)?;
        let folder = make_folder(&config, run, joins)?;
        let root = Root::open(&folder)?;
        let is_new = root.is_new()?;
        if is_new {
            known::check_missing(&config, &folder, joins)?;
            if run.start == Start::Enrolled {
                return Err(never_enrolled(&run.folder));
            }
        }
        if is_new || !root.is_claimed()? {
            placement::check_inside(&root, &folder)?;
        }
        root.create_private()?;
        let lock = calls::take_lock(&root, &config, run.is_attached()).await?;
        let id = root.marker()?;
        known::check(&config, &folder, id, joins)?;
        known::check_copy(&config, &folder, id)?;
        let stored = config.account(id)?;
        if stored.is_none() && !joins && is_enrolled(&root)? {
            return Err(known::is_without_secrets(&config, &folder));
        }
        Ok(Self {
            config,
            folder,
            root,
            lock,
            id,
            stored,
        })
    }

    /// Says what the start comes to. An ID that nobody vouches for the server of is not even stored.
    fn intend(&self, run: &Run) -> Result<Intent, Fault> {
        let intent = intend(&self.root, self.stored.clone(), run)?;
        if intent.is_vouched_for() {
            Ok(intent)
        } else {
            Err(Fault {
                exit: Exit::NotAdmitted,
                trouble: ConnectError::Unvouched.trouble(&intent.address),
            })
        }
    }
}

fn intend(root: &Root, stored: Option<Account>, run: &Run) -> Result<Intent, Fault> {
    let is_enrolled = root.is_claimed()? || stored.as_ref().is_some_and(|account| account.device.is_some());
    let name = || run.device_name.clone().unwrap_or_else(default_device_name);
    intent::intend(stored, is_enrolled, &run.start, name).map_err(|unclear| match unclear {
        Unclear::NeverEnrolled => never_enrolled(&run.folder),
        Unclear::NoServer => no_server(&run.folder),
        Unclear::OtherAccount => other_account(),
    })
}

/// Tells whether a folder of whose account nothing is known here was admitted to one: it is marked so, or it remembers.
fn is_enrolled(root: &Root) -> Result<bool, Fault> {
    let remembers = || State::peek(&root.private_path(STATE_NAME)).ok().flatten();
    Ok(root.is_claimed()? || remembers().is_some_and(|loaded| loaded.facts.cursor.is_some()))
}

/// Returns the server, and the ID that would be told to it though nobody vouches for it; nothing if there is no such
/// question. A person may answer it.
#[must_use]
pub fn unvouched(run: &Run) -> Option<(ServerAddress, AccountId)> {
    let root = Root::open(&run.folder).ok();
    let stored = root.as_ref().and_then(|root| {
        let is_new = root.is_new().ok()?;
        let id = (!is_new).then(|| root.marker().ok()).flatten()?;
        Config::locate().ok()?.account(id).ok()?
    });
    let is_enrolled = stored.as_ref().is_some_and(|account| account.device.is_some());
    let intent = intent::intend(stored, is_enrolled, &run.start, String::new).ok()?;
    let is_open = !intent.is_vouched_for();
    Some((intent.address, intent.account.id?)).filter(|_| is_open)
}

/// Starts a client.
///
/// # Errors
/// When folder, configuration or database cannot be used, or when what was asked for cannot be begun safely.
pub async fn start(run: &Run, once: bool) -> Result<Running, Fault> {
    let place = Place::open(run).await?;
    let intent = place.intend(run)?;
    let Place {
        config,
        folder,
        root,
        lock,
        id: folder_id,
        stored: _,
    } = place;
    // From here on a command that finds nobody knows that no client runs.
    let (calls, called) = mpsc::channel(CALLS_WAITING_MAX);
    let socket = Socket::listen(&config.place(folder_id), calls).await?;
    let is_enrolled = intent.account.device.is_some();
    if is_enrolled {
        known::remember(&config, &folder, folder_id)?;
        root.claim()?;
    } else if intent.account.id.is_some() {
        // Of a first start that is cut off, the next one goes by this, whatever it is told.
        config.update_account(folder_id, |account| account.clone_from(&intent.account))?;
    }
    let patience = patience(once, is_enrolled && intent.is_proven());
    let auth = intent.auth();
    let Intent {
        account,
        address,
        voucher,
    } = intent;
    let keep = keep(&config, folder_id, &account.device_name);
    let endpoint = Endpoint {
        dial: Arc::new(TlsDial),
        address: address.clone(),
        key: Arc::new(ServerKey::new(voucher, keep)),
        certificate: Arc::new(config.device_certificate(folder_id)?),
    };

    let (state, loaded) = State::open(&root.private_path(STATE_NAME))?;
    root.hold_private(STATE_NAME)?;
    let watch = Box::new(SystemWatch::new(root.path()));
    let ground = Ground {
        root,
        folder,
        folder_id,
        config,
        account: Account {
            server: Some(address),
            ..account
        },
        endpoint,
        auth,
        patience,
        store: Box::new(state),
        loaded,
        watch,
        interval: run.rescan,
    };
    let running = begin(ground)?;
    let leave = run.is_attached().then(CancellationToken::new);
    tokio::spawn(calls::answer_all(
        called,
        running.asks.clone(),
        running.notices.clone(),
        leave.clone(),
    ));
    Ok(running.keep(socket, lock, leave))
}

/// What stores that a key has answered at an address: only then the address is the account's.
fn keep(config: &Config, folder: FolderId, device_name: &str) -> Keep {
    let (config, device_name) = (config.clone(), device_name.to_owned());
    Box::new(move |address, key| {
        config.update_account(folder, |account| {
            account.server = Some(address.clone());
            account.fingerprint = Some(key);
            if account.device_name.is_empty() {
                account.device_name.clone_from(&device_name);
            }
        })
    })
}

/// Says how long to go on when the server cannot be reached. Where it has never answered it has to at once: the address may
/// be mistyped.
fn patience(once: bool, is_proven: bool) -> Patience {
    match (once, is_proven) {
        (true, _) => Patience::FewTries,
        (false, false) => Patience::FirstTry,
        (false, true) => Patience::Endless,
    }
}

/// Finds the folder, or makes it if it was never one that is synchronised and an account was named.
fn make_folder(config: &Config, run: &Run, joins: bool) -> Result<PathBuf, Fault> {
    let folder = &run.folder;
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
        Ok(true) if !absolute.is_dir() => {
            return Err(no_folder(folder, "is no folder: something else is there"));
        }
        Ok(true) => (),
        Ok(false) => {
            known::check_missing(config, &absolute, joins)?;
            if run.start == Start::Enrolled {
                return Err(never_enrolled(folder));
            }
            std::fs::create_dir(&absolute).map_err(failed)?;
        }
        Err(error) => return Err(failed(error)),
    }
    absolute.canonicalize().map_err(failed)
}

fn no_folder(folder: &Path, why: &str) -> Fault {
    Fault {
        exit: Exit::Usage,
        ..Fault::failed(
            format!("{} {why}", folder.display()),
            "nothing was changed",
            "name a folder",
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

fn no_server(folder: &Path) -> Fault {
    Fault {
        exit: Exit::Usage,
        ..Fault::failed(
            format!("the server of the folder {} has never answered", folder.display()),
            "nothing was sent",
            "name the server, or give the pairing link again: tui-client SERVER FOLDER",
        )
    }
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
