//! The driver: the one task that owns a folder's three trees. Everything else (eyes, hand, connection, transfers,
//! listeners) reports to it through bounded channels and takes orders from it. It works in turns: take in what has
//! happened, plan once, give orders, save what changed, tell listeners. After any surprise it looks and plans again;
//! there is no other way to recover.

mod answers;
pub mod applier;
pub(crate) mod bursts;
mod connection;
mod contents;
mod feed;
pub mod firm;
mod identity;
mod inbox;
mod kept;
pub mod memory;
mod noted;
mod orders;
mod paging;
mod pieces;
mod questions;
mod readmission;
mod restore;
mod stash;
mod steps;
pub mod touched;
mod transfers;
mod turn;
mod verify;
pub mod views;
mod writers;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use common::message::{Attachment, RequestId};
use sync_engine::plan::Folding;
use sync_engine::session::WaiterId;
use sync_engine::{DeviceId, Generations, NodeId, Session, Trail, Trees, time};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::chunker::Chunked;
use crate::client::known;
use crate::config::{Account, Config, ConfigError};
use crate::control::{Answer, Ask, State as StateWord};
use crate::disk::{FolderId, Root};
use crate::fault::Exit;
use crate::net::{Control, Endpoint};
use crate::notice::{Notice, Trouble};
use crate::observer::{Event, Observer};
use crate::state::{ChunkRow, Facts, Removed, StateError};
use applier::{Applied, Hand, Job};
use connection::Connection;
use contents::Contents;
use feed::Feed;
use firm::Firmness;
use memory::Memory;
use orders::Ordered;
use touched::Touched;
use transfers::{Transferred, Transfers};

/// What the system had no descriptor or memory for is looked at again after this time.
const LACK_PAUSE: Duration = Duration::from_secs(5);
/// How many events are taken in before a turn, so that listeners and the wire are never kept waiting for long.
const EVENTS_A_TURN_MAX: usize = 64;

/// A question with the way back.
pub type Asked = (Ask, oneshot::Sender<Answer>);

/// What the driver is started with.
pub struct Setup {
    /// The opened and locked folder.
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
    /// Which names are one to the folder's disk.
    pub folding: Folding,
    /// What was remembered.
    pub trees: Trees,
    /// The remembered single values.
    pub facts: Facts,
    /// The generations that the device has begun.
    pub begun: Generations,
    /// The points of the journal that were passed.
    pub trail: Trail,
    /// What a power cut may have undone of that.
    pub firmness: Firmness,
    /// The eyes, already looking.
    pub observer: Observer,
    /// What the eyes see.
    pub seen: mpsc::Receiver<Event>,
    /// The connection, already connecting.
    pub control: Control,
    /// What changes the folder.
    pub hand: Hand,
    /// The database.
    pub memory: Memory,
    /// Failures of the database.
    pub failures: mpsc::Receiver<Arc<StateError>>,
    /// Questions and orders.
    pub asks: mpsc::Receiver<Asked>,
    /// Where listeners hear.
    pub notices: broadcast::Sender<Notice>,
    /// Where an exit code is put when this client can do nothing more by itself.
    pub failing: watch::Sender<Option<Exit>>,
    /// The longest time between two full looks.
    pub interval: Duration,
}

/// See the module's page.
pub struct Driver {
    root: Root,
    folder: PathBuf,
    folder_id: FolderId,
    config: Config,
    account: Account,
    endpoint: Endpoint,
    folding: Folding,
    /// All decisions about the folder.
    session: Session,
    /// When the session's clock began.
    began: Instant,
    standing: readmission::Standing,
    /// When everything here was last on the server, in milliseconds since 1970.
    protected_ms: Option<u64>,
    facts_changed: bool,
    /// Nothing follows but the last save.
    has_ended: bool,
    firmness: Firmness,
    touched: Touched,
    observer: Observer,
    seen: mpsc::Receiver<Event>,
    control: Control,
    connection: Option<Connection>,
    memory: Memory,
    failures: mpsc::Receiver<Arc<StateError>>,
    asks: mpsc::Receiver<Asked>,
    notices: broadcast::Sender<Notice>,
    failing: watch::Sender<Option<Exit>>,
    interval: Duration,
    next_look: Instant,
    transfers: Transfers,
    transferred: mpsc::Receiver<Transferred>,
    jobs: mpsc::Sender<Job>,
    jobs_waiting: VecDeque<Job>,
    /// How many bytes of small contents the hand has still to write.
    hand_len: u64,
    applied: mpsc::Receiver<Vec<Applied>>,
    /// Small contents for commits.
    going: Contents<Attachment>,
    /// Small contents that pushes brought.
    come: Contents<Bytes>,
    /// The pieces of files that may have to be sent.
    chunked: BTreeMap<NodeId, Arc<Chunked>>,
    /// What a person ordered, by number.
    ordered: BTreeMap<u64, Ordered>,
    last_order: u64,
    /// The order that each commit belongs to.
    ordered_by: BTreeMap<RequestId, u64>,
    /// Whether it was asked in this run if the account still has the ID that is known.
    is_id_checked: bool,
    /// Whether it is not yet known if the server can be reached: since the start, or while the journal is being read.
    is_connecting: bool,
    /// Questions for the server that wait until that is known.
    early: Vec<Asked>,
    /// Those who wait for 'synced'.
    waiters: BTreeMap<WaiterId, answers::Waiting>,
    feed: Feed,
    blocked_told: BTreeMap<sync_engine::RelPath, String>,
    device_names: BTreeMap<DeviceId, String>,
    making: BTreeMap<NodeId, sync_engine::RelPath>,
    downloading: BTreeSet<NodeId>,
    /// Which chunk is where in the large files that the hand is putting into place.
    brought: BTreeMap<NodeId, Vec<ChunkRow>>,
    clearing: stash::Clearing,
    /// Bursts of removals that a person has not answered.
    bursts: Vec<Removed>,
    put_back: kept::LastPutBack,
    writers: writers::Writers,
    trouble: Option<(StateWord, Trouble)>,
    stop: CancellationToken,
}

/// The session's time: how long ago its clock began.
fn since(began: Instant) -> time::Instant {
    time::Instant(began.elapsed())
}

impl Driver {
    /// Puts a driver together. It does nothing before [`Driver::run`].
    #[must_use]
    pub fn new(setup: Setup, stop: CancellationToken) -> Self {
        let (transfers, transferred) = Transfers::new(setup.root.clone(), setup.memory.clone());
        let (began, Hand { jobs, applied }) = (Instant::now(), setup.hand);
        let facts = setup.facts;
        let mut session = Session::new(setup.trees, facts.cursor, setup.trail, turn::LIMITS, since(began));
        if facts.doubted {
            session.doubt();
        }
        Self {
            root: setup.root,
            folder: setup.folder,
            folder_id: setup.folder_id,
            config: setup.config,
            account: setup.account,
            endpoint: setup.endpoint,
            folding: setup.folding,
            session,
            began,
            standing: readmission::Standing::new(facts.generation, setup.begun),
            protected_ms: facts.protected_ms,
            facts_changed: true,
            has_ended: false,
            firmness: setup.firmness,
            touched: Touched::default(),
            observer: setup.observer,
            seen: setup.seen,
            control: setup.control,
            connection: None,
            memory: setup.memory,
            failures: setup.failures,
            asks: setup.asks,
            notices: setup.notices,
            failing: setup.failing,
            interval: setup.interval,
            next_look: began + setup.interval,
            transfers,
            transferred,
            jobs,
            jobs_waiting: VecDeque::new(),
            hand_len: 0,
            applied,
            going: Contents::default(),
            come: Contents::default(),
            chunked: BTreeMap::new(),
            ordered: BTreeMap::new(),
            last_order: 0,
            ordered_by: BTreeMap::new(),
            is_id_checked: false,
            is_connecting: true,
            early: Vec::new(),
            waiters: BTreeMap::new(),
            feed: Feed::default(),
            blocked_told: BTreeMap::new(),
            device_names: BTreeMap::new(),
            making: BTreeMap::new(),
            downloading: BTreeSet::new(),
            brought: BTreeMap::new(),
            clearing: stash::Clearing::default(),
            bursts: facts.bursts,
            put_back: kept::LastPutBack::new(facts.put_back_ms),
            writers: writers::Writers::default(),
            trouble: None,
            stop,
        }
    }

    /// The session's time.
    fn now(&self) -> time::Instant {
        since(self.began)
    }

    /// The time of day in milliseconds since 1970, for people; nothing is decided by it.
    fn now_ms(&self) -> u64 {
        let since = self.root.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// The day, for conflict names.
    fn today(&self) -> jiff::civil::Date {
        let now = jiff::Timestamp::try_from(self.root.now()).unwrap_or_default();
        now.to_zoned(jiff::tz::TimeZone::system()).date()
    }

    fn trees(&self) -> &Trees {
        self.session.trees()
    }

    /// What has to be remembered besides the trees.
    fn facts(&self) -> Facts {
        let mut facts = Facts {
            cursor: self.session.cursor(),
            generation: self.standing.generation,
            protected_ms: self.protected_ms,
            doubted: self.session.is_doubted(),
            bursts: self.bursts.clone(),
            put_back_ms: self.put_back.at_ms,
            has_ended: self.has_ended,
            ..Facts::default()
        };
        self.firmness.enter(&mut facts);
        facts
    }

    /// Works until it is told to stop, and leaves everything in good order.
    pub async fn run(mut self) {
        self.tell_account(false);
        loop {
            let wake = self.next_wake();
            // In the order of urgency, rare things first, so that none of them starves.
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                Some(asked) = self.asks.recv() => self.on_asked(asked),
                Some(failure) = self.failures.recv() => self.on_save_failed(&failure),
                () = tokio::time::sleep_until(wake) => self.on_time(),
                Some(applied) = self.applied.recv() => self.on_applied(applied),
                Some(done) = self.transferred.recv() => self.on_transferred(done),
                Some(event) = self.control.events.recv(), if !self.server_waits() => self.on_control(event).await,
                Some(event) = self.seen.recv(), if !self.eyes_wait() => self.on_seen(event),
            }
            self.take_in().await;
            self.turn().await;
        }
        (self.has_ended, self.facts_changed) = (true, true);
        self.save().await;
        self.memory.finish().await;
    }

    /// Takes in what else has happened already, so that one plan serves it all.
    async fn take_in(&mut self) {
        for _ in 0..EVENTS_A_TURN_MAX {
            // What the eyes have read by now is sent first; unlike in `eyes_wait`, nothing may be on its way yet.
            if !(self.going.is_full() && self.connection.is_some())
                && let Ok(event) = self.seen.try_recv()
            {
                self.on_seen(event);
            } else if !(self.server_waits() || self.come.is_full())
                && let Ok(event) = self.control.events.try_recv()
            {
                self.on_control(event).await;
            } else if let Ok(applied) = self.applied.try_recv() {
                self.on_applied(applied);
            } else if let Ok(done) = self.transferred.try_recv() {
                self.on_transferred(done);
            } else {
                return;
            }
        }
    }

    /// Tells whether the eyes wait until the server has answered: what they read is sent with the commits, and more of it
    /// would only take memory.
    fn eyes_wait(&self) -> bool {
        self.going.is_full() && self.session.awaits_answer()
    }

    /// Tells whether the server waits until more of what it has sent is fetched and written: the rest would only take memory
    /// meanwhile. The hand ends without it, whatever the server does, and so do the fetches, but maybe late: who has lost the
    /// line hears so at once.
    fn server_waits(&self) -> bool {
        let is_there = || self.connection.as_ref().is_some_and(|line| !line.is_lost());
        let is_enough = || self.transfers.are_many() && is_there();
        self.hand_is_full() || self.come.is_full() && 0 < self.hand_len || is_enough()
    }

    /// When something is due although nothing happens.
    fn next_wake(&self) -> Instant {
        let due = self.session.next_due().map(|due| self.began + due.0);
        let proof_due = self.firmness.proof_due().filter(|_| !self.observer.doubts());
        let silence_due = self.silence_due();
        let dues = due
            .into_iter()
            .chain(self.firmness.due())
            .chain(proof_due)
            .chain(silence_due);
        let dues = dues.chain(self.writers.due());
        dues.fold(self.next_look, Instant::min)
    }

    fn on_time(&mut self) {
        let now = self.now();
        self.session.wake(now);
        self.flush_if_due();
        self.look_at_writers_if_due();
        if self.next_look <= Instant::now() {
            self.next_look = Instant::now() + self.interval;
            self.observer.rescan();
        }
    }

    /// Has the whole folder looked at anew in a while: the system lacked something for a look, which passes.
    fn look_soon(&mut self) {
        self.next_look = self.next_look.min(Instant::now() + LACK_PAUSE);
    }

    fn on_save_failed(&mut self, failure: &StateError) {
        self.tell(Notice::Error(Trouble {
            what: format!("the client's database could not be written: {failure}"),
            done: "nothing of the folder was changed by this; it is tried again with the next change".into(),
            todo: "make space on the disk that holds the folder".into(),
        }));
    }

    /// Tells all listeners; that there is none is no failure.
    fn tell(&self, notice: Notice) {
        let _ = self.notices.send(notice);
    }

    fn save_account(&self) -> Result<(), ConfigError> {
        self.config.update_account(self.folder_id, |known| {
            let Account {
                server,
                fingerprint,
                id,
                device_name,
                device,
                is_id_replaced,
            } = self.account.clone();
            // Where the server is and which key it has is stored when that is proven; see `ServerKey`.
            known.server = known.server.take().or(server);
            known.fingerprint = known.fingerprint.or(fingerprint);
            (known.id, known.device_name, known.device) = (id, device_name, device);
            known.is_id_replaced = is_id_replaced;
        })?;
        if self.account.device.is_some()
            && let Err(fault) = known::remember(&self.config, &self.folder, self.folder_id)
        {
            tracing::warn!(%fault, "the folder's place could not be noted");
        }
        Ok(())
    }
}
