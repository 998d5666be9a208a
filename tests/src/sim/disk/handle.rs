//! Something held open: whose it is, and that it keeps its node alive.

use super::SimDisk;
use super::fail::Fail;
use super::node::Id;
use super::state::State;
use std::io;

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The client, in one of its lives.
    Client(u64),
    /// A person's program, between two starts of the computer.
    Person(u64),
}

/// A node held open. It stays as long as this does, even without a name.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) disk: SimDisk,
    pub(super) id: Id,
    pub(super) owner: Owner,
    /// Tells it from all others.
    pub(super) serial: u64,
    boot: u64,
}

impl Held {
    /// Opens what is found.
    pub(super) fn open(
        disk: &SimDisk,
        owner: Owner,
        is_effect: bool,
        find: impl FnOnce(&mut State) -> io::Result<Id>,
    ) -> io::Result<Self> {
        let mut opened = None;
        let result = disk.act(owner, is_effect, |state| {
            state.take_descriptor(owner)?;
            let id = find(state)?;
            state.node_mut(id)?.n_open += 1;
            state.last_serial += 1;
            // Should the caller crash at this very effect, it is closed again at once.
            opened = Some(Self {
                disk: disk.clone(),
                id,
                owner,
                serial: state.last_serial,
                boot: state.boot,
            });
            Ok(())
        });
        result.and(opened.ok_or_else(|| Fail::Crashed.into()))
    }

    /// Calls something that changes nothing.
    pub(super) fn ask<T>(&self, call: impl FnOnce(&mut State, Id) -> io::Result<T>) -> io::Result<T> {
        self.disk.act(self.owner, false, |state| call(state, self.id))
    }

    /// Calls something that changes or flushes something.
    pub(super) fn act<T>(&self, call: impl FnOnce(&mut State, Id) -> io::Result<T>) -> io::Result<T> {
        self.disk.act(self.owner, true, |state| call(state, self.id))
    }
}

impl State {
    /// Fails when the client may open nothing more just now.
    fn take_descriptor(&mut self, owner: Owner) -> io::Result<()> {
        if self.n_scarce == 0 || !matches!(owner, Owner::Client(_)) {
            return Ok(());
        }
        self.n_scarce -= 1;
        match self.one_in(2) {
            true => Err(Fail::TooManyOpen.into()),
            false => Ok(()),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.disk.lock();
        if state.boot != self.boot {
            return;
        }
        if state.locks.get(&self.id) == Some(&self.serial) {
            state.locks.remove(&self.id);
        }
        if let Ok(node) = state.node_mut(self.id) {
            node.n_open = node.n_open.saturating_sub(1);
        }
        state.forget_unused(self.id);
    }
}
