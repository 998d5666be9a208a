//! The tools that look after a store, at work beside the server and the devices: step by step, with pauses between the
//! steps, and able to end after each. What they do counts as the server's: when its process ends in an effect, they end
//! with it. Where no server runs, they work alone on the disk, and end in an effect of their own.

use server::{Store, Trouble};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Mutex as Turn;
use tokio_util::sync::CancellationToken;

use super::disk::Backup;
use super::life::Life;
use super::{SimServer, open, open_copy};
use crate::noise::Noise;

/// The longest pauses between two steps, in milliseconds.
const PAUSES_MS: [u64; 5] = [1, 5, 30, 300, 3_000];
/// So many chunks are changed in a step.
const CHUNKS_MAX: usize = 3;

/// A tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// `server prune`, which keeps so many versions of each file and none of those that are deleted.
    Prune(u8),
    /// `server verify`. In no world is there anything for it to find.
    Verify,
    /// `server backup`. The copy has to be sound.
    Backup,
}

/// What the tools of a machine share.
#[derive(Debug, Default)]
pub(super) struct Tools {
    /// Ends all that are at work.
    machine: Mutex<CancellationToken>,
    /// Who collects or copies.
    turn: Arc<Turn<()>>,
    /// What was wrong.
    faults: Mutex<Vec<String>>,
    copy: Mutex<Option<Backup>>,
}

impl Tools {
    /// Ends all that are at work.
    pub(super) fn end(&self) {
        let mut machine = lock(&self.machine);
        machine.cancel();
        *machine = CancellationToken::new();
    }
}

/// A tool at work.
struct Course {
    life: Arc<Life>,
    dice: Noise,
    /// After so many steps it is killed.
    n_left: u64,
    /// Nobody else is there to go on meanwhile.
    is_alone: bool,
}

impl Course {
    /// Lets others go on; tells whether it goes on itself.
    async fn pause(&mut self) -> bool {
        self.n_left -= 1;
        if !self.is_alone {
            let longest = PAUSES_MS[(self.dice.number() % PAUSES_MS.len() as u64) as usize];
            tokio::time::sleep(Duration::from_millis(self.dice.number() % longest)).await;
        }
        self.n_left > 0 && self.life.is_on()
    }
}

impl SimServer {
    /// Starts a tool. It is killed after so many steps; never if that is zero.
    ///
    /// # Errors
    /// When no server runs and the store cannot be opened.
    pub fn start_tool(self: &Arc<Self>, tool: Tool, n_steps: u64) -> anyhow::Result<()> {
        let is_alone = !self.is_running();
        let running = self
            .lock_running()
            .as_ref()
            .map(|running| (running.engine.store(), running.life.clone()));
        let (store, life) = match running {
            Some(running) if !is_alone => running,
            Some(_) | None => {
                let life = Arc::new(Life::new(self.throw()));
                (Arc::new(open(&self.disk, &life)?), life)
            }
        };
        let course = Course {
            life: life.clone(),
            dice: Noise::new(self.throw()),
            n_left: if n_steps == 0 { u64::MAX } else { n_steps },
            is_alone,
        };
        let machine = lock(&self.tools.machine).clone();
        let work = self.clone().work(tool, store, course);
        if is_alone {
            // It waits for nothing, so it ends at once.
            let done =
                std::pin::pin!(work).poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
            anyhow::ensure!(done.is_ready(), "a tool that is alone waits for something");
            life.end();
            return Ok(());
        }
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = machine.cancelled() => (),
                () = work => (),
            }
        });
        Ok(())
    }

    /// Returns the last copy that a tool has made, once.
    pub fn take_copy(&self) -> Option<Backup> {
        lock(&self.tools.copy).take()
    }

    /// Returns what tools have found wrong, once.
    pub fn take_faults(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.tools.faults))
    }

    async fn work(self: Arc<Self>, tool: Tool, store: Arc<Store>, mut course: Course) {
        let worked = match tool {
            Tool::Prune(n_versions) => self.prune(&store, n_versions.max(1).into(), &mut course).await,
            Tool::Verify => self.verify(&store, &mut course).await,
            Tool::Backup => self.copy_slowly(&mut course).await,
        };
        match worked {
            Err(trouble) if course.life.is_on() => self.fault(format!("{tool:?}: {trouble}")),
            // Whoever has ended fails at all.
            Ok(()) | Err(_) => (),
        }
    }

    async fn prune(&self, store: &Store, n_versions: usize, course: &mut Course) -> Result<(), Trouble> {
        let Ok(_turn) = self.tools.turn.clone().try_lock_owned() else {
            return Ok(());
        };
        let mut go_on = store.collection(n_versions, CHUNKS_MAX)?;
        while course.pause().await && go_on()? {}
        Ok(())
    }

    async fn verify(&self, store: &Store, course: &mut Course) -> Result<(), Trouble> {
        let found = store.verification()?;
        if course.life.is_on() && !found.damages().is_empty() {
            self.fault(format!(
                "a tool finds the store damaged:\n{}",
                found.damages().join("\n")
            ));
        }
        if course.pause().await {
            store.note(found)?;
        }
        Ok(())
    }

    async fn copy_slowly(&self, course: &mut Course) -> Result<(), Trouble> {
        let Ok(_turn) = self.tools.turn.clone().try_lock_owned() else {
            return Ok(());
        };
        let database = self.lock_disk().copy_of_database();
        if !course.pause().await {
            return Ok(());
        }
        let copy = self.lock_disk().finish_copy(database);
        let damages = match open_copy(&copy).map(|store| store.damages()) {
            Ok(damages) => damages?,
            Err(error) => vec![format!("{error:#}")],
        };
        if !damages.is_empty() {
            self.fault(format!("a copy is damaged:\n{}", damages.join("\n")));
        }
        *lock(&self.tools.copy) = Some(copy);
        Ok(())
    }

    fn fault(&self, what: String) {
        lock(&self.tools.faults).push(what);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
