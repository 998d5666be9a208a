//! Crashes, of the client or of the whole computer, and calls that fail: at once, or at a given effect of the client's.

use super::fail::Fail;
use super::node::{Body, Id, Node, Troubles};
use super::state::State;
use super::watch::Happened;
use super::{SimDisk, durable::Image};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::sync::Arc;

/// What ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// The client. Nothing that it has done is lost.
    Kill,
    /// The computer. What was not flushed is lost, or not, or in parts.
    PowerCut,
}

/// What is told when a crash comes by itself.
type Told = Arc<dyn Fn() + Send + Sync>;

/// What is to happen at later effects of the client's.
#[derive(Default)]
pub(super) struct Armed {
    n_effects: u64,
    crash: Option<(u64, Crash)>,
    failure: Option<(u64, Fail)>,
    told: Option<Told>,
}

impl fmt::Debug for Armed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Armed")
            .field("n_effects", &self.n_effects)
            .field("crash", &self.crash)
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

impl SimDisk {
    /// Crashes now. Whoever held something open gets nothing but errors from it.
    pub fn crash(&self, crash: Crash) {
        self.lock().crash(crash);
    }

    /// Lets a crash come right after the client's next so many effects: calls that change or flush something. It is
    /// told at once, since from then on nothing that the client does may reach the world.
    pub fn crash_after(&self, n_effects: u64, crash: Crash, told: impl Fn() + Send + Sync + 'static) {
        let armed = &mut self.lock().armed;
        armed.crash = Some((armed.n_effects + n_effects.max(1), crash));
        armed.told = Some(Arc::new(told));
    }

    /// Lets the client's effect fail that comes after so many others, once.
    pub fn fail_after(&self, n_effects: u64, fail: Fail) {
        let armed = &mut self.lock().armed;
        armed.failure = Some((armed.n_effects + n_effects, fail));
    }

    /// Returns how many effects the client has had on the disk.
    #[must_use]
    pub fn n_effects(&self) -> u64 {
        self.lock().armed.n_effects
    }

    /// Returns how often the computer has lost power.
    #[must_use]
    pub fn n_power_cuts(&self) -> u64 {
        self.lock().boot - 1
    }

    /// Takes the bytes of the files that a power cut may have taken since this was last asked: those that were not durable.
    #[must_use]
    pub fn take_forfeited(&self) -> Vec<Arc<Vec<u8>>> {
        std::mem::take(&mut self.lock().forfeited)
    }

    /// Tells whether the client has crashed and was not started again.
    #[must_use]
    pub fn is_crashed(&self) -> bool {
        self.lock().is_dead
    }

    /// Begins the client's next life; [`SimDisk::root`] then opens folders for it. What the last one had open stays
    /// useless.
    pub fn restart(&self) {
        let mut state = self.lock();
        state.crash(Crash::Kill);
        state.incarnation += 1;
        state.is_dead = false;
        state.n_scarce = 0;
    }

    /// Lets everybody be denied what is at a path, or not any more.
    ///
    /// # Errors
    /// When nothing is there.
    pub fn deny(&self, path: &str, is_denied: bool) -> io::Result<()> {
        self.trouble(path, |troubles| troubles.is_denied = is_denied)?;
        let mut state = self.lock();
        let id = state.find_path(path.as_bytes())?;
        state.happened_to(id, Happened::Attributes);
        Ok(())
    }

    /// Lets what is at a path be unreadable, or not any more.
    ///
    /// # Errors
    /// When nothing is there.
    pub fn damage(&self, path: &str, is_damaged: bool) -> io::Result<()> {
        self.trouble(path, |troubles| troubles.is_damaged = is_damaged)
    }

    /// Turns the bytes of a file, as failing hardware does: no stamp changes, and nobody is told.
    ///
    /// # Errors
    /// When nothing is there, or no file.
    pub fn rot(&self, path: &str) -> io::Result<()> {
        let mut state = self.lock();
        let id = state.find_path(path.as_bytes())?;
        match &mut state.node_mut(id)?.body {
            Body::File(bytes) => Arc::make_mut(bytes).iter_mut().for_each(|byte| *byte = !*byte),
            Body::Dir(_) | Body::Symlink(_) | Body::Pipe => return Err(io::ErrorKind::InvalidInput.into()),
        }
        Ok(())
    }

    /// Lets everything be readable again, wherever it is now.
    pub fn mend(&self) {
        let mut state = self.lock();
        state.n_scarce = 0;
        let mut allowed = Vec::new();
        for (id, node) in &mut state.nodes {
            let troubles = std::mem::take(&mut node.troubles);
            allowed.extend(troubles.is_denied.then_some(*id));
        }
        for id in allowed {
            state.happened_to(id, Happened::Attributes);
        }
    }

    /// Lets about half of the next so many calls fail by which the client opens something: it has as many files open as it
    /// may.
    pub fn make_descriptors_scarce(&self, n_calls: u64) {
        self.lock().n_scarce = n_calls;
    }

    /// Returns how many bytes are in use.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.lock().used_bytes()
    }

    /// Lets the next flush of what is at a path fail. What it would have written is never written.
    ///
    /// # Errors
    /// When nothing is there.
    pub fn fail_flush(&self, path: &str) -> io::Result<()> {
        self.trouble(path, |troubles| troubles.fails_flush = true)
    }

    /// Lets the disk hold so much from now on, in bytes, or any amount.
    pub fn set_space(&self, space_bytes: Option<u64>) {
        self.lock().options.space_bytes = space_bytes;
    }

    fn trouble(&self, path: &str, make: impl FnOnce(&mut Troubles)) -> io::Result<()> {
        let mut state = self.lock();
        let id = state.find_path(path.as_bytes())?;
        make(&mut state.node_mut(id)?.troubles);
        Ok(())
    }
}

impl State {
    /// Fails if this effect was told to.
    pub(super) fn failure_due(&mut self) -> io::Result<()> {
        match self.armed.failure {
            Some((at, fail)) if at <= self.armed.n_effects => {
                self.armed.failure = None;
                Err(fail.into())
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Counts an effect, and tells whether the crash comes now.
    pub(super) fn effect_was_last(&mut self) -> bool {
        self.armed.n_effects += 1;
        self.armed.crash.is_some_and(|(at, _)| at <= self.armed.n_effects)
    }

    /// Lets the crash come that was waited for, and returns who is to be told.
    pub(super) fn crash_now(&mut self) -> Option<Told> {
        let (_, crash) = self.armed.crash.take()?;
        self.crash(crash);
        self.armed.told.take()
    }

    fn crash(&mut self, crash: Crash) {
        self.is_dead = true;
        self.armed.crash = None;
        self.locks.clear();
        self.watches.end();
        if crash == Crash::PowerCut {
            self.boot += 1;
            self.written.clear();
            self.lose_unflushed();
        }
    }

    /// Puts the nodes back that outlasted a power cut.
    pub(super) fn restore(&mut self, images: BTreeMap<Id, Image>) {
        let mut names: BTreeMap<Id, Vec<_>> = BTreeMap::new();
        for (dir, image) in &images {
            if let Body::Dir(entries) = &image.body {
                for (key, entry) in entries {
                    names.entry(entry.id).or_default().push((*dir, key.clone()));
                }
            }
        }
        let mut taken = BTreeSet::new();
        for (id, Image { mut attributes, body }) in images {
            // The removal of its last bearer is lost, and so the number was not free.
            if !taken.insert(attributes.number) {
                attributes.number = self.new_number();
                taken.insert(attributes.number);
            }
            let node = Node {
                attributes,
                body,
                names: names.remove(&id).unwrap_or_default(),
                n_open: 0,
                troubles: Troubles::default(),
            };
            self.nodes.insert(id, node);
        }
        self.free_numbers.retain(|number| !taken.contains(number));
    }
}
