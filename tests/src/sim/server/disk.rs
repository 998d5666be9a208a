//! The disk of a simulated server: a database, of which each committed state is known, and files of packs, of which it
//! is known what was flushed. A process that is killed leaves all that it wrote; a loss of power leaves what was
//! flushed, and of the rest what chance leaves, in sectors.

mod packs;

use server::{Clock, Commits, Durability};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

use self::packs::PackStates;
use super::life::{Extent, Life};
use crate::noise::Noise;

pub(super) use self::packs::DiskPacks;

/// States of the database that were committed and not flushed; older ones are forgotten.
const LATER_MAX: usize = 8;
/// What the clock shows at first, in milliseconds since 1970.
const BEGIN_MS: i64 = 1_790_000_000_000;

/// A copy of a store.
#[derive(Debug, Clone)]
pub struct Backup {
    database: Database,
    packs: PackStates,
}

/// The first part of a copy of a store.
#[derive(Debug)]
pub(super) struct CopiedDatabase(Option<Arc<Vec<u8>>>);

/// Something that happens to a pack.
#[derive(Debug, Clone, Copy)]
pub enum Damage {
    /// A byte changes.
    Flip {
        /// The pack.
        pack: u32,
        /// Where, in bytes.
        at: usize,
    },
    /// The end is lost.
    Cut {
        /// The pack.
        pack: u32,
        /// What is left, in bytes.
        len: usize,
    },
    /// It is lost.
    Lose {
        /// The pack.
        pack: u32,
    },
}

/// See the module's page.
#[derive(Debug)]
pub(super) struct Disk {
    database: Database,
    packs: PackStates,
    fails_next_flush: bool,
    room: Option<u64>,
    /// How often there was no room.
    n_refused: u64,
    began: Instant,
    shifted_ms: i64,
}

/// The states of a database that may be found after a loss of power; before the first there is none.
#[derive(Debug, Clone, Default)]
struct Database {
    flushed: Option<Arc<Vec<u8>>>,
    /// Those after it, the oldest first.
    later: VecDeque<Arc<Vec<u8>>>,
}

impl Disk {
    /// Returns an empty disk.
    pub(super) fn new() -> Self {
        Self {
            database: Database::default(),
            packs: PackStates::default(),
            fails_next_flush: false,
            room: None,
            n_refused: 0,
            began: Instant::now(),
            shifted_ms: 0,
        }
    }

    /// Returns the database as it is.
    pub(super) fn database(&self) -> Option<Arc<Vec<u8>>> {
        let Database { flushed, later } = &self.database;
        later.back().or(flushed.as_ref()).cloned()
    }

    /// Forgets what chance does not leave of what was not flushed.
    pub(super) fn power_cut(&mut self, dice: &mut Noise) {
        let n_states = self.database.later.len() as u64 + 1;
        let n_left = usize::try_from(dice.number() % n_states).unwrap_or_default();
        self.database.later.truncate(n_left);
        if let Some(last) = self.database.later.pop_back() {
            self.database.flushed = Some(last);
        }
        self.database.later.clear();
        self.packs.power_cut(dice);
    }

    /// Lets the next flush fail.
    pub(super) fn fail_next_flush(&mut self) {
        self.fails_next_flush = true;
    }

    /// Lets only so many more bytes fit.
    pub(super) fn set_room(&mut self, n_bytes: Option<u64>) {
        self.room = n_bytes;
    }

    /// Returns how often there was no room.
    pub(super) fn n_refused(&self) -> u64 {
        self.n_refused
    }

    /// Puts the clock forward or back.
    pub(super) fn shift_clock(&mut self, by_ms: i64) {
        self.shifted_ms = self.shifted_ms.saturating_add(by_ms);
    }

    /// Returns a copy of the store.
    pub(super) fn backup(&self) -> Backup {
        Backup {
            database: self.database.clone(),
            packs: self.packs.clone(),
        }
    }

    /// Returns a copy of the database alone, as one that has been flushed.
    pub(super) fn copy_of_database(&self) -> CopiedDatabase {
        CopiedDatabase(self.database())
    }

    /// Returns a copy of the store whose database was copied earlier, with the packs as they are now.
    pub(super) fn finish_copy(&self, CopiedDatabase(flushed): CopiedDatabase) -> Backup {
        let mut packs = self.packs.clone();
        packs.flush_all();
        Backup {
            database: Database {
                flushed,
                later: VecDeque::new(),
            },
            packs,
        }
    }

    /// Replaces the store by a copy.
    pub(super) fn put_back(&mut self, backup: &Backup) {
        self.database = backup.database.clone();
        self.packs = backup.packs.clone();
    }

    /// Returns the number and the length of each pack.
    pub(super) fn packs(&self) -> Vec<(u32, usize)> {
        self.packs.lens()
    }

    /// Damages a pack.
    pub(super) fn damage(&mut self, damage: Damage) {
        self.packs.damage(damage);
    }

    fn now_ms(&self) -> u64 {
        let passed = i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX);
        let now_ms = BEGIN_MS.saturating_add(passed).saturating_add(self.shifted_ms);
        u64::try_from(now_ms).unwrap_or_default()
    }

    /// Fails if this flush was to fail.
    fn flush(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.fails_next_flush) {
            return Err(io::Error::other("the disk failed"));
        }
        Ok(())
    }

    fn commit(&mut self, durability: Durability, database: &[u8]) {
        let state = Arc::new(database.to_vec());
        let known = &mut self.database;
        match durability {
            Durability::Flushed => {
                known.flushed = Some(state);
                known.later.clear();
            }
            Durability::Later => {
                known.later.push_back(state);
                if LATER_MAX < known.later.len() {
                    known.later.pop_front();
                }
            }
        }
    }
}

/// A process's way to the states of the database.
#[derive(Debug)]
pub(super) struct DiskCommits {
    disk: Arc<Mutex<Disk>>,
    life: Arc<Life>,
}

impl DiskCommits {
    /// Lets a process commit to a disk.
    pub(super) fn new(disk: Arc<Mutex<Disk>>, life: Arc<Life>) -> Self {
        Self { disk, life }
    }
}

impl Commits for DiskCommits {
    fn before(&self, durability: Durability) -> io::Result<()> {
        self.life.go_on()?;
        match durability {
            Durability::Flushed => lock(&self.disk).flush(),
            Durability::Later => Ok(()),
        }
    }

    fn after(&self, durability: Durability, database: &[u8]) -> io::Result<()> {
        self.life.effect(|extent| {
            match extent {
                Extent::Whole => lock(&self.disk).commit(durability, database),
                Extent::Part(_) => (),
            }
            Ok(())
        })
    }
}

/// The clock of the disk's machine.
#[derive(Debug)]
pub(super) struct DiskClock(Arc<Mutex<Disk>>);

impl DiskClock {
    /// Returns the clock of a disk's machine.
    pub(super) fn new(disk: Arc<Mutex<Disk>>) -> Self {
        Self(disk)
    }
}

impl Clock for DiskClock {
    fn now_ms(&self) -> u64 {
        lock(&self.0).now_ms()
    }
}

fn lock(disk: &Mutex<Disk>) -> MutexGuard<'_, Disk> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}
