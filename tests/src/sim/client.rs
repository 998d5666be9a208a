//! A simulated computer with a real client on it: the driver with its session, the eyes, the hand and the transfers, on a
//! simulated disk, with a simulated memory, over a simulated line to the simulated server.

mod memory;
mod wire;

use crate::noise::Noise;
use crate::sim::disk::{Crash, Options, SimClock, SimDisk, SimWatch, WatchOptions};
use crate::sim::server::SimServer;
use anyhow::{Context as _, Result};
use common::identity::AccountId;
use memory::SimMemory;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::broadcast;
use tui_client::client::{Ground, Running, begin};
use tui_client::config::{Account, Config};
use tui_client::control::{Answer, Ask, Status};
use tui_client::disk::FolderLock;
use tui_client::net::control::Patience;
use tui_client::net::{Endpoint, ServerKey, Voucher};
use tui_client::notice::Notice;
use wire::Wire;

pub use wire::{SERVER_KEY, Weather};

/// The synchronised folder of each simulated computer.
pub const FOLDER: &str = "home";
/// The longest time between two full looks.
const INTERVAL: Duration = Duration::from_secs(3600);

/// See the module's page. What it keeps outlives each life of the client.
pub struct SimClient {
    name: String,
    /// The computer's disk.
    pub disk: SimDisk,
    memory: SimMemory,
    wire: Wire,
    config: Config,
    watch: WatchOptions,
    dice: Noise,
    /// The crash that is to come by itself.
    armed: Option<Crash>,
    life: Option<Life>,
    _config_dir: TempDir,
}

/// One life of the client.
struct Life {
    running: Running,
    notices: broadcast::Receiver<Notice>,
    _lock: FolderLock,
}

impl SimClient {
    /// Makes a computer with an empty folder, on which no client runs yet.
    ///
    /// # Errors
    /// When there is no place for its configuration, which is on the real disk.
    pub fn new(
        number: u8,
        server: Arc<SimServer>,
        options: Options,
        watch: WatchOptions,
        seed: u64,
    ) -> Result<Self> {
        let config_dir = config_dir()?;
        let disk = SimDisk::new(options, SimClock::of_runtime());
        disk.mkdir(FOLDER)?;
        disk.sync()?;
        Ok(Self {
            name: format!("D{number}"),
            disk,
            memory: SimMemory::default(),
            wire: Wire::new(server, number, seed),
            config: Config::at(config_dir.path()),
            watch,
            dice: Noise::new(seed),
            armed: None,
            life: None,
            _config_dir: config_dir,
        })
    }

    /// The device's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts a client; the one that ran before is killed. A device that is not enrolled yet joins the account, or makes
    /// one.
    ///
    /// # Errors
    /// When it does not start on what there is.
    pub fn start(&mut self, join: Option<AccountId>) -> Result<()> {
        self.kill(Crash::Kill);
        self.disk.restart();
        let root = self.disk.root(FOLDER)?;
        root.create_private()?;
        let lock = root.lock()?;
        let folder_id = root.marker()?;
        let account = match self.config.account(folder_id)? {
            Some(account) => account,
            None => Account {
                server: Some("server:7733".parse().context("an address")?),
                fingerprint: Some(SERVER_KEY),
                id: join,
                device_name: self.name.clone(),
                device: None,
                is_id_replaced: false,
            },
        };
        self.config.save_account(folder_id, &account)?;
        let endpoint = Endpoint {
            dial: Arc::new(self.wire.clone()),
            address: account.server.clone().context("an address")?,
            key: Arc::new(ServerKey::not_kept(Voucher::Key(SERVER_KEY))),
            certificate: Arc::new(self.config.device_certificate(folder_id)?),
        };
        let (store, loaded) = self.memory.open();
        let ground = Ground {
            root,
            folder: self.disk.path_of(FOLDER),
            folder_id,
            config: self.config.clone(),
            auth: account.auth(),
            account,
            endpoint,
            patience: Patience::Endless,
            store,
            loaded,
            watch: Box::new(SimWatch::new(&self.disk, FOLDER, self.watch)),
            interval: INTERVAL,
        };
        let mut running = begin(ground).map_err(|fault| anyhow::anyhow!("{fault}"))?;
        self.life = Some(Life {
            notices: running.listen(),
            running,
            _lock: lock,
        });
        Ok(())
    }

    /// Ends the client, or cuts the computer's power.
    pub fn kill(&mut self, crash: Crash) {
        if !self.disk.is_crashed() {
            self.disk.crash(crash);
            self.armed = Some(crash);
        }
        self.bury();
    }

    /// Lets the client, or the computer, crash after so many effects on the disk. What it does then reaches nothing any
    /// more; [`SimClient::kill`] buries it.
    pub fn kill_after(&mut self, n_effects: u64, crash: Crash) {
        self.armed = Some(crash);
        let (wire, memory) = (self.wire.clone(), self.memory.clone());
        self.disk.crash_after(n_effects, crash, move || {
            wire.hang_up();
            memory.end();
        });
    }

    /// Lets the client, or the computer, crash right after it has remembered so many more things.
    pub fn kill_after_saves(&mut self, n_saves: u64, crash: Crash) {
        self.armed = Some(crash);
        let (disk, wire, memory) = (self.disk.clone(), self.wire.clone(), self.memory.clone());
        self.memory.tell_after(n_saves, move || {
            disk.crash(crash);
            wire.hang_up();
            memory.end();
        });
    }

    /// Returns how often the client has saved what it remembers, in all its lives.
    #[must_use]
    pub fn n_saves(&self) -> u64 {
        self.memory.n_saves()
    }

    /// Ends what is left of a client that has crashed.
    fn bury(&mut self) {
        self.wire.hang_up();
        self.memory.end();
        if self.armed.take() == Some(Crash::PowerCut) {
            self.memory.cut_power(&mut self.dice);
        }
        if let Some(life) = self.life.take() {
            life.running.abandon();
        }
    }

    /// Tells whether a client runs, as far as its computer knows.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.life.is_some() && !self.disk.is_crashed()
    }

    /// Tells whether events of its watcher may be lost without a word.
    #[must_use]
    pub fn loses_events(&self) -> bool {
        self.watch.lose_one_in != 0
    }

    /// Lets the client's memory be lost. It does not run now.
    pub fn lose_memory(&self) {
        self.memory.lose();
    }

    /// Changes the weather on its line.
    pub fn set_weather(&self, weather: Weather) {
        self.wire.set_weather(weather);
    }

    /// Returns what the client has told since the last call.
    pub fn heard(&mut self) -> Vec<Notice> {
        let mut heard = Vec::new();
        if let Some(life) = &mut self.life {
            loop {
                match life.notices.try_recv() {
                    Ok(notice) => heard.push(notice),
                    Err(broadcast::error::TryRecvError::Lagged(_)) => (),
                    Err(_) => break,
                }
            }
        }
        heard
    }

    /// Asks the client; nothing when none runs.
    pub async fn ask(&self, ask: Ask) -> Option<Answer> {
        self.life.as_ref()?.running.ask(ask).await
    }

    /// Waits until the client says that all is synced; otherwise says how it stands.
    pub async fn wait_synced(&self, timeout: Duration) -> Result<Box<Status>, Option<Box<Status>>> {
        let timeout_ms = u64::try_from(timeout.as_millis()).ok();
        match self.ask(Ask::Wait { timeout_ms }).await {
            Some(Answer::Status(status)) => Ok(Box::new(status)),
            Some(Answer::TimedOut(status)) => Err(Some(Box::new(status))),
            Some(_) | None => Err(None),
        }
    }

    /// The ID of the client's account.
    pub async fn account_id(&self) -> Option<AccountId> {
        match self.ask(Ask::Identity).await? {
            Answer::Identity(identity) => identity.id.parse().ok(),
            _ => None,
        }
    }
}

/// Makes a directory in memory, if the computer has such a place.
fn config_dir() -> Result<TempDir> {
    let in_memory = tempfile::Builder::new().tempdir_in("/dev/shm");
    Ok(in_memory.or_else(|_| TempDir::new())?)
}
