//! A simulated server: the real sessions, writer and store, on a disk that is made up. Its process can be killed at any
//! effect on that disk, and its machine can lose power, which costs what was not flushed. It runs inside a runtime with
//! one thread and paused time, while `common::entropy::simulate` is on.

mod disk;
mod life;
mod stream;
#[cfg(test)]
mod tests;
mod tools;

use anyhow::{Context as _, Result, ensure};
use common::fingerprint::Fingerprint;
use server::{Engine, Head, Options, Parts, Store};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use sync_engine::Hash;
use tokio::io::DuplexStream;

use self::disk::{Disk, DiskClock, DiskCommits, DiskPacks};
use self::life::Life;
use self::stream::MortalStream;
use self::tools::Tools;
use crate::noise::Noise;

pub use self::disk::{Backup, Damage};
pub use self::tools::Tool;

/// Bytes that are on the way in each direction of a connection.
const ON_THE_WAY_LEN_MAX: usize = 64 * 1024;

/// How a store is put back to what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutBack {
    /// As the documentation says: with a new epoch.
    WithNewEpoch,
    /// As somebody does who only copies files.
    AsItWas,
}

/// See the module's page. What it keeps outlives each of its processes.
pub struct SimServer {
    disk: Arc<Mutex<Disk>>,
    options: Options,
    running: Mutex<Option<Running>>,
    dice: Mutex<Noise>,
    /// In which effect the next process ends, if that is decided.
    next_end: Mutex<Option<u64>>,
    /// Whether the machine loses power when the process ends by itself.
    cuts_power: Mutex<bool>,
    tools: Tools,
}

/// A process.
struct Running {
    engine: Engine,
    life: Arc<Life>,
}

impl SimServer {
    /// Returns a machine with an empty store, on which no server runs yet.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let nowhere = Options::local("the store".into(), "the certificate".into());
        Self::with_options(seed, nowhere)
    }

    /// Returns a machine as [`SimServer::new`] does. Of the options those count that say nothing of places.
    #[must_use]
    pub fn with_options(seed: u64, options: Options) -> Self {
        Self {
            disk: Arc::new(Mutex::new(Disk::new())),
            options,
            running: Mutex::default(),
            dice: Mutex::new(Noise::new(seed)),
            next_end: Mutex::default(),
            cuts_power: Mutex::default(),
            tools: Tools::default(),
        }
    }

    /// Starts a server; whoever ran before is killed.
    ///
    /// # Errors
    /// When it does not start on what the disk holds.
    pub fn start(&self) -> Result<()> {
        self.kill();
        let life = Arc::new(Life::new(self.throw()));
        let next_end = self
            .next_end
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(effect) = next_end {
            life.end_at(effect);
        }
        let store = open(&self.disk, &life)?;
        let engine = Engine::start(store, &self.options)?;
        *self.lock_running() = Some(Running { engine, life });
        Ok(())
    }

    /// Ends the server as a person would, and lets it finish what it has taken on.
    pub async fn stop(&self) {
        let running = self.lock_running().take();
        if let Some(Running { engine, life }) = running {
            engine.finish().await;
            life.end();
        }
    }

    /// Ends the process at once. What it gave to the system stays.
    pub fn kill(&self) {
        self.lose_power_if_due();
        if let Some(running) = self.lock_running().take() {
            running.life.end();
        }
    }

    /// Lets the machine lose power in the course of an effect of the process: the first after this call is number 1. If
    /// none runs, it loses power now.
    pub fn power_cut_at(&self, effect: u64) {
        if !self.is_running() {
            return self.power_cut();
        }
        *self.lock_cuts_power() = true;
        self.kill_at(effect);
    }

    /// Takes away what a loss of power takes, if the process has ended by one.
    fn lose_power_if_due(&self) {
        let has_ended = self
            .lock_running()
            .as_ref()
            .is_none_or(|running| !running.life.is_on());
        if has_ended && std::mem::take(&mut *self.lock_cuts_power()) {
            self.tools.end();
            self.lock_disk().power_cut(&mut self.lock_dice());
        }
    }

    /// Kills the process in the course of an effect on its disk: the first after this call is number 1. If none runs,
    /// it is the next that ends so, perhaps while it starts.
    pub fn kill_at(&self, effect: u64) {
        match &*self.lock_running() {
            Some(running) => running.life.end_at(effect),
            None => {
                *self.next_end.lock().unwrap_or_else(PoisonError::into_inner) = Some(effect);
            }
        }
    }

    /// Ends the process, and of what was not flushed leaves on the disk what chance leaves.
    pub fn power_cut(&self) {
        self.kill();
        *self.lock_cuts_power() = false;
        self.tools.end();
        self.lock_disk().power_cut(&mut self.lock_dice());
    }

    /// Lets the next flush fail, of packs or of the database.
    pub fn fail_next_flush(&self) {
        self.lock_disk().fail_next_flush();
    }

    /// Lets only so many more bytes of chunks fit on the disk; nothing means that there is room enough.
    pub fn set_room(&self, n_bytes: Option<u64>) {
        self.lock_disk().set_room(n_bytes);
    }

    /// Returns how often there was no room for what the server was to write.
    #[must_use]
    pub fn n_refused(&self) -> u64 {
        self.lock_disk().n_refused()
    }

    /// Puts the machine's clock forward, or back.
    pub fn shift_clock(&self, by_ms: i64) {
        self.lock_disk().shift_clock(by_ms);
    }

    /// Tells whether the process is alive.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.lose_power_if_due();
        self.lock_running()
            .as_ref()
            .is_some_and(|running| running.life.is_on())
    }

    /// Returns how many effects on the disk the process has had.
    #[must_use]
    pub fn n_effects(&self) -> u64 {
        self.lock_running()
            .as_ref()
            .map_or(0, |running| running.life.n_effects())
    }

    /// Waits until the process has ended, or has said that it must.
    pub async fn ended(&self) {
        let Some(ended) = self.lock_running().as_ref().map(|running| {
            let fault = running.engine.fault();
            let life = running.life.clone();
            async move {
                tokio::select! {
                    biased;
                    () = life.ended() => (),
                    () = fault.cancelled() => (),
                }
            }
        }) else {
            return;
        };
        ended.await;
    }

    /// Connects to the server as whoever has this key.
    ///
    /// # Errors
    /// When no server runs.
    pub fn connect(&self, key: Fingerprint) -> std::io::Result<DuplexStream> {
        let running = self.lock_running();
        let alive = running.as_ref().filter(|running| running.life.is_on());
        let Some(Running { engine, life }) = alive else {
            return Err(std::io::ErrorKind::ConnectionRefused.into());
        };
        let (near, far) = tokio::io::duplex(ON_THE_WAY_LEN_MAX);
        let served = engine.serve(
            MortalStream::new(far, life.clone()),
            key,
            IpAddr::V4(Ipv4Addr::LOCALHOST),
        );
        let life = life.clone();
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = life.ended() => (),
                () = served => (),
            }
        });
        Ok(near)
    }

    /// Returns a copy of the store as it is.
    #[must_use]
    pub fn backup(&self) -> Backup {
        self.lose_power_if_due();
        self.lock_disk().backup()
    }

    /// Ends the process and puts the store back to what it was.
    ///
    /// # Errors
    /// When the store cannot be opened.
    pub fn put_back(&self, backup: &Backup, how: PutBack) -> Result<()> {
        self.kill();
        self.tools.end();
        self.lock_disk().put_back(backup);
        if how == PutBack::WithNewEpoch {
            let life = Arc::new(Life::new(self.throw()));
            let renewed = open(&self.disk, &life)?.renew_epoch();
            life.end();
            renewed.map_err(|trouble| anyhow::anyhow!("{trouble}"))?;
        }
        Ok(())
    }

    /// Returns the number and the length of each pack.
    #[must_use]
    pub fn packs(&self) -> Vec<(u32, usize)> {
        self.lock_disk().packs()
    }

    /// Damages a pack.
    pub fn damage(&self, damage: Damage) {
        self.lock_disk().damage(damage);
    }

    /// Returns the contents of all files that are in a tree or in the history.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn contents(&self) -> Result<BTreeSet<Hash>> {
        let contents = self.copy()?.contents();
        contents.map_err(|trouble| anyhow::anyhow!("{trouble}"))
    }

    /// Returns the head of each account.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn heads(&self) -> Result<Vec<Head>> {
        let heads = self.copy()?.heads();
        heads.map_err(|trouble| anyhow::anyhow!("{trouble}"))
    }

    /// Looks at a copy of the store, as a server would find it that starts now: every journal is whole and chained, the
    /// trees are what the journals say, and every chunk that they need is there and right.
    ///
    /// # Errors
    /// With all that is damaged.
    pub fn check(&self) -> Result<()> {
        let damages = self
            .copy()?
            .damages()
            .map_err(|trouble| anyhow::anyhow!("{trouble}"))?;
        ensure!(
            damages.is_empty(),
            "the store is damaged:\n{}",
            damages.join("\n")
        );
        Ok(())
    }

    /// Opens a copy of the store.
    fn copy(&self) -> Result<Store> {
        open_copy(&self.backup())
    }

    fn lock_cuts_power(&self) -> MutexGuard<'_, bool> {
        self.cuts_power.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn throw(&self) -> u64 {
        self.lock_dice().number()
    }

    fn lock_disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_dice(&self) -> MutexGuard<'_, Noise> {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens a copy of a store, as a server would find it that starts on it.
fn open_copy(backup: &Backup) -> Result<Store> {
    let copy = Arc::new(Mutex::new(Disk::new()));
    copy.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .put_back(backup);
    open(&copy, &Arc::new(Life::new(0)))
}

/// Opens the store of a disk, in a process.
fn open(disk: &Arc<Mutex<Disk>>, life: &Arc<Life>) -> Result<Store> {
    let database = disk.lock().unwrap_or_else(PoisonError::into_inner).database();
    let parts = Parts {
        database: database.as_deref().map(Vec::as_slice),
        commits: Arc::new(DiskCommits::new(disk.clone(), life.clone())),
        packs: Arc::new(DiskPacks::new(disk.clone(), life.clone())),
        clock: Arc::new(DiskClock::new(disk.clone())),
    };
    Store::in_memory(parts).context("the server did not start")
}
