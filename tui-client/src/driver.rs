//! The driver: the one task that owns a folder's three trees. Everything else (eyes, hand, connection, transfers,
//! listeners) reports to it through bounded channels and takes orders from it. It works in turns: take in what has
//! happened, plan once, give orders, save what changed, tell listeners. After any surprise it looks and plans again;
//! there is no other way to recover.

mod answers;
pub mod applier;
mod contents;
mod feed;
mod heal;
mod holds;
mod inbox;
mod lookback;
pub mod memory;
mod orders;
mod outbox;
mod pace;
mod questions;
mod removals;
mod restore;
mod session;
mod settled;
mod stash;
mod steps;
pub mod touched;
mod transfers;
mod turn;
mod verify;
pub mod views;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::message::RequestId;
use common::tls::Trust;
use sync_engine::advance::Delta;
use sync_engine::plan::Folding;
use sync_engine::{Block, Content, DeviceId, Hash, Kind, NodeId, Trees};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
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
use crate::state::{Facts, StateError};
use applier::{Applied, Job};
use contents::Contents;
use feed::Feed;
use holds::Holds;
use memory::Memory;
use orders::Ordered;
use outbox::Outbox;
use pace::Pace;
use removals::Removals;
use session::Session;
use settled::Settled;
use touched::Touched;
use transfers::{Transferred, Transfers};

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
    /// The eyes, already looking.
    pub observer: Observer,
    /// What the eyes see.
    pub seen: mpsc::Receiver<Event>,
    /// The connection, already connecting.
    pub control: Control,
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
    /// Whether the account's bases are lost and a union has to be made.
    pub joining: bool,
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
    trees: Trees,
    facts: Facts,
    facts_changed: bool,
    touched: Touched,
    observer: Observer,
    seen: mpsc::Receiver<Event>,
    control: Control,
    session: Option<Session>,
    memory: Memory,
    failures: mpsc::Receiver<Arc<StateError>>,
    asks: mpsc::Receiver<Asked>,
    notices: broadcast::Sender<Notice>,
    failing: watch::Sender<Option<Exit>>,
    interval: Duration,
    next_look: Instant,
    /// Whether a full look has ended since the start: before that, nothing is written to the folder.
    looked: bool,
    outbox: Outbox,
    holds: Holds,
    transfers: Transfers,
    transferred: mpsc::Receiver<Transferred>,
    jobs: mpsc::Sender<Job>,
    jobs_waiting: VecDeque<Job>,
    /// How many bytes of small contents the hand has still to write.
    hand_len: u64,
    applied: mpsc::Receiver<Vec<Applied>>,
    /// Small contents for commits.
    going: Contents,
    /// Contents that were sent and that no accepted change names yet.
    on_server: BTreeSet<Hash>,
    /// Files whose contents the server has lost and asks for.
    heals: BTreeMap<NodeId, Content>,
    /// The pieces of files that may have to be sent.
    chunked: BTreeMap<NodeId, Arc<Chunked>>,
    /// Commits that a person ordered, by the number of the first.
    ordered: BTreeMap<RequestId, Ordered>,
    /// Whether it is not yet known if the server can be reached: since the start, or while the journal is being read.
    is_connecting: bool,
    /// Questions for the server that wait until that is known.
    early: Vec<Asked>,
    /// The first commit of the order that each ordered commit belongs to.
    ordered_by: BTreeMap<RequestId, RequestId>,
    /// Small contents that pushes brought.
    come: Contents,
    feed: Feed,
    settled: Settled,
    /// What the last plan could not place on this disk.
    unplaceable: Vec<(NodeId, Block)>,
    blocked_told: BTreeMap<sync_engine::RelPath, String>,
    device_names: BTreeMap<DeviceId, String>,
    making: BTreeMap<NodeId, sync_engine::RelPath>,
    /// The nodes that a step is being taken with.
    in_hand: BTreeSet<NodeId>,
    downloading: BTreeSet<NodeId>,
    uploading: BTreeSet<NodeId>,
    brake: Option<sync_engine::plan::Brake>,
    /// Nodes with local contents that the account never had, as its history has shown.
    looked_back: BTreeMap<NodeId, Kind>,
    /// Whether the tree that the server is about to send is an older one than was known.
    is_put_back: bool,
    removals: Removals,
    pace: Pace,
    clearing: stash::Clearing,
    /// Whether the last plan had more steps than were begun.
    more_steps: bool,
    trouble: Option<(StateWord, Trouble)>,
    stop: CancellationToken,
}

impl Driver {
    /// Puts a driver together. It does nothing before [`Driver::run`].
    #[must_use]
    pub fn new(setup: Setup, stop: CancellationToken) -> Self {
        let (jobs, applied) = applier::start(setup.root.clone());
        let (transfers, transferred) = Transfers::new(setup.root.clone(), setup.memory.clone());
        Self {
            root: setup.root,
            folder: setup.folder,
            folder_id: setup.folder_id,
            config: setup.config,
            account: setup.account,
            endpoint: setup.endpoint,
            folding: setup.folding,
            trees: setup.trees,
            facts: Facts {
                joining: setup.joining,
                ..setup.facts
            },
            facts_changed: true,
            touched: Touched::default(),
            observer: setup.observer,
            seen: setup.seen,
            control: setup.control,
            session: None,
            memory: setup.memory,
            failures: setup.failures,
            asks: setup.asks,
            notices: setup.notices,
            failing: setup.failing,
            interval: setup.interval,
            next_look: Instant::now() + setup.interval,
            looked: false,
            outbox: Outbox::default(),
            holds: Holds::default(),
            transfers,
            transferred,
            jobs,
            jobs_waiting: VecDeque::new(),
            hand_len: 0,
            applied,
            going: Contents::default(),
            on_server: BTreeSet::new(),
            heals: BTreeMap::new(),
            chunked: BTreeMap::new(),
            ordered: BTreeMap::new(),
            is_connecting: true,
            early: Vec::new(),
            ordered_by: BTreeMap::new(),
            come: Contents::default(),
            feed: Feed::default(),
            settled: Settled::default(),
            unplaceable: Vec::new(),
            blocked_told: BTreeMap::new(),
            device_names: BTreeMap::new(),
            making: BTreeMap::new(),
            in_hand: BTreeSet::new(),
            downloading: BTreeSet::new(),
            uploading: BTreeSet::new(),
            brake: None,
            looked_back: BTreeMap::new(),
            is_put_back: false,
            removals: Removals::default(),
            pace: Pace::new(Instant::now()),
            clearing: stash::Clearing::default(),
            more_steps: false,
            trouble: None,
            stop,
        }
    }

    /// Works until it is told to stop, and leaves everything in good order.
    pub async fn run(mut self) {
        self.tell_account();
        loop {
            let wake = self.next_wake();
            tokio::select! {
                Some(event) = self.seen.recv() => self.on_seen(event),
                Some(event) = self.control.events.recv() => self.on_control(event).await,
                Some(applied) = self.applied.recv() => self.on_applied(applied),
                Some(done) = self.transferred.recv() => self.on_transferred(done),
                Some(asked) = self.asks.recv() => self.on_asked(asked),
                Some(failure) = self.failures.recv() => self.on_save_failed(&failure),
                () = tokio::time::sleep_until(wake.into()) => self.on_time(),
                () = self.stop.cancelled() => break,
            }
            self.take_in().await;
            self.turn().await;
        }
        self.save().await;
        self.memory.finish().await;
    }

    /// Takes in what else has happened already, so that one plan serves it all.
    async fn take_in(&mut self) {
        for _ in 0..EVENTS_A_TURN_MAX {
            if let Ok(event) = self.seen.try_recv() {
                self.on_seen(event);
            } else if let Ok(event) = self.control.events.try_recv() {
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

    /// When something is due although nothing happens.
    fn next_wake(&self) -> Instant {
        let due = [
            Some(self.next_look),
            self.holds.next_due(),
            self.settled.next_due(),
            self.removals.next_due(),
            self.pace.next_due().filter(|_| self.works()),
        ];
        due.into_iter().flatten().min().unwrap_or(self.next_look)
    }

    fn on_time(&mut self) {
        let now = Instant::now();
        if self.holds.wake(now) || self.removals.next_due().is_some_and(|due| due <= now) {
            self.removals.now(now);
            self.pace.want();
        }
        if self.next_look <= now {
            self.next_look = now + self.interval;
            self.observer.rescan();
        }
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

    /// How to reach the server, with its key pinned as soon as it is known.
    fn endpoint(&self) -> Endpoint {
        let trust = self
            .account
            .fingerprint
            .map_or(self.endpoint.trust, Trust::Pinned);
        Endpoint {
            trust,
            ..self.endpoint.clone()
        }
    }

    fn save_account(&self) -> Result<(), ConfigError> {
        self.config.save_account(self.folder_id, &self.account)?;
        if self.account.device.is_some()
            && let Err(fault) = known::remember(&self.config, &self.folder, self.folder_id)
        {
            tracing::warn!(%fault, "the folder's place could not be noted");
        }
        Ok(())
    }

    /// Notes what a pure step of the trees touched.
    fn touch(&mut self, delta: &Delta) {
        delta.remote.iter().for_each(|id| self.touched.remote(*id));
        delta.synced.iter().for_each(|id| self.touched.synced(*id));
        delta.local.iter().for_each(|id| self.touched.local(*id));
        delta.blocked.iter().for_each(|id| self.touched.blocked(*id));
        for (from, to) in &delta.reidentified {
            self.follow(*from, *to);
        }
    }
}
