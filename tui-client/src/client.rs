//! A client at work on one folder: everything is opened, checked and started here, in the order in which something can
//! go wrong without harm. Screen, headless mode and commands are listeners of what this returns.

pub(crate) mod known;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use common::link::ServerAddress;
use common::message::Auth;
use common::tls::Trust;
use sync_engine::plan::Folding;
use sync_engine::{Hash, NodeId, Trees};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::config::{Account, Config, default_device_name};
use crate::control::{Answer, Ask};
use crate::disk::{FolderId, FolderLock, Root};
use crate::driver::memory::Memory;
use crate::driver::touched::print_of_bytes;
use crate::driver::{Asked, Driver, Setup, applier};
use crate::fault::{Exit, Fault};
use crate::net::control::Patience;
use crate::net::{Control, Endpoint, Presence, TlsDial};
use crate::notice::Notice;
use crate::observer::{Event, Observer, Start as Look};
use crate::options::{FirstTrust, Run, Start};
use crate::rules::Rules;
use crate::socket::{Call, Socket};
use crate::state::{STATE_NAME, State};

/// How many questions wait for the driver at most.
const ASKS_WAITING_MAX: usize = 64;
/// How many notices a listener may lag behind before it loses some.
const NOTICES_MAX: usize = 4096;
/// How many failures to save wait for the driver at most.
const SAVE_FAILURES_MAX: usize = 4;

/// A client at work. Dropping it does not end it; [`Running::stop`] does.
pub struct Running {
    /// Takes questions and orders.
    pub asks: mpsc::Sender<Asked>,
    /// Subscribe here to hear what happens.
    pub notices: broadcast::Sender<Notice>,
    /// Becomes an exit code when the client can do nothing more by itself.
    pub failed: watch::Receiver<Option<Exit>>,
    first: broadcast::Receiver<Notice>,
    stop: CancellationToken,
    done: CancellationToken,
    _socket: Socket,
    _lock: FolderLock,
}

impl Running {
    /// Returns the notices from the very first on. Only the first call does; later ones hear from now on.
    pub fn listen(&mut self) -> broadcast::Receiver<Notice> {
        std::mem::replace(&mut self.first, self.notices.subscribe())
    }

    /// Asks the driver and waits for the answer; nothing when the client has ended.
    pub async fn ask(&self, ask: Ask) -> Option<Answer> {
        let (reply, answer) = oneshot::channel();
        self.asks.send((ask, reply)).await.ok()?;
        answer.await.ok()
    }

    /// Ends the client in good order.
    pub async fn stop(self) {
        self.stop.cancel();
        self.done.cancelled().await;
    }

    /// Waits until the client ends by itself, because somebody asked it to.
    pub async fn ended(&self) {
        self.done.cancelled().await;
    }
}

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
    recover(&root, &loaded.trees)?;
    let joining = loaded.lost();
    let folding = folding(&root)?;
    let (observer, seen) = observe(&root, &loaded.prints, run.rescan)?;
    let presence = Presence {
        auth,
        generation: loaded.facts.generation,
    };

    let (asks, asked) = mpsc::channel(ASKS_WAITING_MAX);
    let (notices, first) = broadcast::channel(NOTICES_MAX);
    let (failing, failed) = watch::channel(None);
    let (failures, save_failures) = mpsc::channel(SAVE_FAILURES_MAX);
    let socket = answer_others(&config, folder_id, asks.clone(), notices.clone()).await?;
    let stop = CancellationToken::new();
    let (hand, handling) = applier::hand(root.clone());
    let (memory, remembering) = Memory::new(Box::new(state), failures);
    on_a_thread("hand", handling)?;
    on_a_thread("memory", remembering)?;
    let setup = Setup {
        root,
        folder,
        folder_id,
        config,
        account,
        control: Control::start(endpoint.clone(), presence, patience(once, enrolled)),
        endpoint,
        folding,
        trees: loaded.trees,
        facts: loaded.facts,
        observer,
        seen,
        hand,
        memory,
        failures: save_failures,
        asks: asked,
        notices: notices.clone(),
        failing,
        interval: run.rescan,
        joining,
    };
    let done = drive(Driver::new(setup, stop.clone()));
    Ok(Running {
        asks,
        notices,
        failed,
        first,
        stop,
        done,
        _socket: socket,
        _lock: lock,
    })
}

/// Runs a task that blocks on a thread of its own.
fn on_a_thread(name: &str, task: impl Future<Output = ()> + Send + 'static) -> Result<(), Fault> {
    let runtime = tokio::runtime::Handle::current();
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread
        .spawn(move || runtime.block_on(task))
        .map(drop)
        .map_err(|error| {
            Fault::failed(
                format!("cannot start a thread: {error}"),
                "nothing was changed",
                "end some other programs and try again",
            )
        })
}

/// Puts the private directory in order after whatever ended the last run.
fn recover(root: &Root, trees: &Trees) -> Result<(), Fault> {
    let wanted = wanted_contents(trees);
    let recovered = root.recover(&|hash| wanted.contains(hash))?;
    tracing::debug!(?recovered, "the private directory is in order");
    Ok(())
}

/// Lets the driver run. Returns what is cancelled when it has ended, for whatever reason.
fn drive(driver: Driver) -> CancellationToken {
    let done = CancellationToken::new();
    let is_done = done.clone().drop_guard();
    tokio::spawn(async move {
        // Dropped also when the driver panics.
        let _is_done = is_done;
        driver.run().await;
    });
    done
}

/// Says how long to go on when the server cannot be reached.
fn patience(once: bool, enrolled: bool) -> Patience {
    match (once, enrolled) {
        (true, _) => Patience::FewTries,
        (false, false) => Patience::FirstTry,
        (false, true) => Patience::Endless,
    }
}

/// Finds out which names are one name to the folder's disk.
fn folding(root: &Root) -> Result<Folding, Fault> {
    let folds = root.folds()?;
    Ok(match (folds.case, folds.form) {
        (false, false) => Folding::None,
        (true, false) => Folding::Case,
        (_, true) => Folding::CaseAndForm,
    })
}

/// Begins to look at the folder.
fn observe(
    root: &Root,
    prints: &[(NodeId, Vec<u8>)],
    rescan_interval: Duration,
) -> Result<(Observer, mpsc::Receiver<Event>), Fault> {
    let (rules, complaints) = Rules::load(root)?;
    complaints
        .iter()
        .for_each(|complaint| tracing::warn!(%complaint, "a rule is passed over"));
    let prints = prints
        .iter()
        .filter_map(|(id, bytes)| Some((*id, print_of_bytes(bytes)?)))
        .collect();
    let look = Look {
        root: root.clone(),
        rules,
        prints,
        new_id: Box::new(random_id),
        rescan_interval,
    };
    Observer::start(look).map_err(|error| {
        Fault::failed(
            format!("cannot start to watch the folder: {error}"),
            "nothing was changed",
            "end some other programs and try again",
        )
    })
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
    let auth = match (&account.device, &account.id) {
        (Some(_), _) => Auth::Device,
        (None, Some(id)) => Auth::Enrol {
            id: id.clone(),
            device_name: account.device_name.clone(),
        },
        (None, None) => Auth::Register {
            device_name: account.device_name.clone(),
        },
    };
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

/// The contents whose transfer may have been cut off.
fn wanted_contents(trees: &Trees) -> BTreeSet<Hash> {
    let content = |id: &NodeId| Some(trees.remote().node(*id)?.kind.file()?.content.hash);
    trees.unsettled().iter().filter_map(content).collect()
}

fn random_id() -> NodeId {
    let mut id = [0; 16];
    common::entropy::fill(&mut id).expect("the system has random numbers");
    NodeId(id)
}

/// Lets other programs of the same user ask.
async fn answer_others(
    config: &Config,
    folder_id: FolderId,
    asks: mpsc::Sender<Asked>,
    notices: broadcast::Sender<Notice>,
) -> Result<Socket, Fault> {
    let (calls, mut called) = mpsc::channel::<Call>(ASKS_WAITING_MAX);
    let socket = Socket::listen(&config.place(folder_id), calls).await?;
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
