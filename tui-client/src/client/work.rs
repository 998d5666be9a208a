//! A client at work: the parts that are made of what it works with, and the driver that brings them together. What it
//! works with is this computer's, or a simulated one's.

use std::path::PathBuf;
use std::time::Duration;

use common::message::Auth;
use common::offload;
use sync_engine::Trees;
use sync_engine::plan::Folding;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::config::{Account, Config};
use crate::control::{Answer, Ask};
use crate::disk::{FolderId, FolderLock, Root};
use crate::driver::firm::Firmness;
use crate::driver::memory::Memory;
use crate::driver::touched::print_of_bytes;
use crate::driver::views::wanted_contents;
use crate::driver::{Asked, Driver, Setup, applier};
use crate::fault::{Exit, Fault};
use crate::ids::NewIds;
use crate::net::control::Patience;
use crate::net::{Control, Endpoint, Presence};
use crate::notice::{Notice, Trouble};
use crate::observer::{Event, Observer, Remembered, Start as Look, Watch, Worker};
use crate::rules::Rules;
use crate::socket::Socket;
use crate::state::{Facts, Loaded, Prints, Store};

/// How many questions wait for the driver at most.
const ASKS_WAITING_MAX: usize = 64;
/// How many notices a listener may lag behind before it loses some.
const NOTICES_MAX: usize = 2048;
/// How many failures to save wait for the driver at most.
const SAVE_FAILURES_MAX: usize = 4;

/// What a client works with.
pub struct Ground {
    /// The folder, opened and locked.
    pub root: Root,
    /// The folder as the user named it.
    pub folder: PathBuf,
    /// The folder's own id.
    pub folder_id: FolderId,
    /// Where the account is kept.
    pub config: Config,
    /// Account, device and server.
    pub account: Account,
    /// How to reach the server.
    pub endpoint: Endpoint,
    /// How the device introduces itself at first.
    pub auth: Auth,
    /// How long to go on when the server cannot be reached.
    pub patience: Patience,
    /// Where the memory is kept.
    pub store: Box<dyn Store>,
    /// What was remembered.
    pub loaded: Loaded,
    /// The source of hints where to look.
    pub watch: Box<dyn Watch>,
    /// The longest time between two full looks.
    pub interval: Duration,
}

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
    done: watch::Receiver<Option<Exit>>,
    kept: Option<Kept>,
}

/// What lives as long as the client does.
struct Kept {
    /// What other programs ask through.
    _socket: Socket,
    /// What keeps a second client off.
    _lock: FolderLock,
    /// Tells a client that was started for a command to end.
    leave: Option<CancellationToken>,
}

impl Running {
    /// Keeps what other programs ask through, and what keeps a second client off, as long as the client is at work. With
    /// `leave`, it is one that was started for a command.
    #[must_use]
    pub(super) fn keep(self, socket: Socket, lock: FolderLock, leave: Option<CancellationToken>) -> Self {
        let kept = Some(Kept {
            _socket: socket,
            _lock: lock,
            leave,
        });
        Self { kept, ..self }
    }

    /// Tells a client that was started for a command to end as soon as no order is under way; any other stays.
    pub fn leave(&self) {
        if let Some(leave) = self.kept.as_ref().and_then(|kept| kept.leave.as_ref()) {
            leave.cancel();
        }
    }

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
        self.ended().await;
    }

    /// Tells the client to end, and does not wait for it.
    pub fn abandon(self) {
        self.stop.cancel();
    }

    /// Waits until the client has ended, because somebody asked it to or because of a fault of its own.
    pub async fn ended(&self) -> Exit {
        let mut done = self.done.clone();
        let ended = done.wait_for(Option::is_some).await;
        ended.ok().and_then(|exit| *exit).unwrap_or(Exit::Failed)
    }
}

/// Begins to work.
///
/// # Errors
/// When something on the ground cannot be used.
pub fn begin(ground: Ground) -> Result<Running, Fault> {
    let Ground {
        root,
        folder,
        folder_id,
        config,
        account,
        endpoint,
        auth,
        patience,
        store,
        mut loaded,
        watch,
        interval,
    } = ground;
    let is_flushed = recover(&root, &loaded.trees)?;
    let prints = std::mem::take(&mut loaded.prints);
    let (firmness, remembered) = remember(&root, prints, &loaded.facts, is_flushed);
    let folding = folding(&root)?;
    let (observer, seen, workers) = observe(&root, remembered, watch, interval)?;
    let generation = loaded.facts.generation;
    let presence = Presence { auth, generation };
    let (asks, asked) = mpsc::channel(ASKS_WAITING_MAX);
    let (notices, first) = broadcast::channel(NOTICES_MAX);
    let (failing, failed) = watch::channel(None);
    let (failures, save_failures) = mpsc::channel(SAVE_FAILURES_MAX);
    let (hand, handling) = applier::hand(root.clone());
    let (memory, remembering) = Memory::new(store, loaded.trees.local().len(), failures);
    offload::start("hand", handling).map_err(|error| no_thread(&error))?;
    offload::start("memory", remembering).map_err(|error| no_thread(&error))?;
    for worker in workers {
        offload::start(worker.name(), worker.run()).map_err(|error| no_thread(&error))?;
    }
    let stop = CancellationToken::new();
    let setup = Setup {
        root,
        folder,
        folder_id,
        config,
        account,
        control: Control::start(endpoint.clone(), presence, patience),
        endpoint,
        folding,
        trees: loaded.trees,
        facts: loaded.facts,
        begun: loaded.begun,
        trail: loaded.trail,
        firmness,
        observer,
        seen,
        hand,
        memory,
        failures: save_failures,
        asks: asked,
        notices: notices.clone(),
        failing,
        interval,
    };
    let done = drive(Driver::new(setup, stop.clone()), notices.clone());
    Ok(Running {
        asks,
        notices,
        failed,
        first,
        stop,
        done,
        kept: None,
    })
}

fn no_thread(error: &std::io::Error) -> Fault {
    Fault::failed(
        format!("cannot start a thread: {error}"),
        "nothing was changed",
        "end some other programs and try again",
    )
}

/// Puts the private directory in order after whatever ended the last run. Tells whether the disk is flushed.
fn recover(root: &Root, trees: &Trees) -> Result<bool, Fault> {
    let wanted = wanted_contents(trees);
    let recovered = root.recover(&|hash| wanted.contains(hash))?;
    tracing::debug!(?recovered, "the private directory is in order");
    Ok(recovered.is_flushed)
}

/// Finds out what of the prints that were remembered is to be believed.
#[expect(
    clippy::needless_pass_by_value,
    reason = "they go when they are read: of a million it is a tenth of all memory"
)]
fn remember(root: &Root, prints: Prints, facts: &Facts, is_flushed: bool) -> (Firmness, Remembered) {
    let numbered = prints.iter().filter_map(|(id, bytes)| {
        let (print, number) = print_of_bytes(bytes)?;
        Some((id, print, number))
    });
    Firmness::begin(numbered, facts, root.boot(), is_flushed)
}

/// Lets the driver run. Returns what is told how it ended: in good order, or by a fault of its own.
fn drive(driver: Driver, notices: broadcast::Sender<Notice>) -> watch::Receiver<Option<Exit>> {
    let (ended, done) = watch::channel(None);
    tokio::spawn(async move {
        let exit = match tokio::spawn(driver.run()).await {
            Ok(()) => Exit::Done,
            Err(error) => {
                // That nobody listens is no failure.
                let _ = notices.send(Notice::Error(Trouble {
                    what: format!("the client has a fault and stopped: {error}"),
                    done: "nothing was taken away; what was under way is looked at anew at the next start"
                        .into(),
                    todo: "start the client again, and report this with what is in the log".into(),
                }));
                Exit::Failed
            }
        };
        ended.send_replace(Some(exit));
    });
    done
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
    remembered: Remembered,
    watch: Box<dyn Watch>,
    rescan_interval: Duration,
) -> Result<(Observer, mpsc::Receiver<Event>, [Worker; 3]), Fault> {
    // What there is to be told of the rules is told by the first walk, which reads them again.
    let (rules, _) = Rules::load(root)?;
    let mut ids = NewIds::default();
    let look = Look {
        root: root.clone(),
        rules,
        remembered,
        new_id: Box::new(move || ids.make()),
        rescan_interval,
    };
    Ok(Observer::with_workers(look, watch))
}
