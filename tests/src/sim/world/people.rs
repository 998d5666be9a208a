//! What people and their programs do in a world, and the account of it.

use super::World;
use crate::sim::disk::Opened;
use crate::sim::ledger::{contents, name_of};
use crate::sim::person::{self, Deed};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use sync_engine::Hash;

/// What was done amid a client's calls, and is not yet entered in the ledger.
pub(super) type Amid = Arc<Mutex<Vec<Done>>>;

/// Something that was done in a device's folder.
#[derive(Debug)]
pub(super) struct Done {
    device: usize,
    before: BTreeSet<Hash>,
    after: BTreeSet<Hash>,
    what: String,
}

impl World {
    pub(super) fn edit(&mut self, device: u8, how: u8, which: u16, whither: u16) {
        let tree = person::tree(&self.client(device).disk);
        self.carry_out(device, &Deed::choose(&tree, how, which, whither));
    }

    /// Lets somebody do something in a device's folder before the call that its client makes after so many others.
    pub(super) fn edit_amid(&mut self, device: u8, (how, which, whither): (u8, u16, u16), n_calls: u16) {
        let device = usize::from(device) % self.clients.len();
        let disk = self.clients[device].disk.clone();
        let (made, amid) = (Arc::clone(&self.contents), Arc::clone(&self.amid));
        self.clients[device].disk.amid_calls(n_calls.into(), move || {
            let tree = person::tree(&disk);
            let deed = Deed::choose(&tree, how, which, whither);
            let what = said(&deed, &deed.carry_out(&disk, &mut lock(&made)));
            lock(&amid).push(Done {
                device,
                before: contents(&tree),
                after: contents(&person::tree(&disk)),
                what: format!("amid its calls, {what}"),
            });
        });
    }

    /// Enters what was done amid the clients' calls since this was last called; tells whether there was anything.
    pub(super) fn take_amid(&mut self) -> bool {
        let done = std::mem::take(&mut *lock(&self.amid));
        let is_any = !done.is_empty();
        for Done {
            device,
            before,
            after,
            what,
        } in done
        {
            self.enter(device, &before, &after, &what);
        }
        is_any
    }

    /// Lets somebody do something in a device's folder.
    pub(super) fn carry_out(&mut self, device: u8, deed: &Deed) {
        let n = usize::from(device) % self.clients.len();
        let disk = self.clients[n].disk.clone();
        let before = self.written_on(n);
        let what = said(deed, &deed.carry_out(&disk, &mut lock(&self.contents)));
        self.is_done(n, &before, &what);
    }

    /// Lets a program open a file and keep it open.
    pub(super) fn hold(&mut self, device: u8, which: u16) {
        let n = usize::from(device) % self.clients.len();
        let disk = &self.clients[n].disk;
        if let Some(path) = person::file(&person::tree(disk), which)
            && let Ok(opened) = disk.open(&path)
        {
            self.said.push(format!("{}: open {path}", self.clients[n].name()));
            self.held.insert(n, opened);
            self.written_to.remove(&n);
        }
    }

    /// Lets a program write to the file that it has open.
    pub(super) fn write_held(&mut self, device: u8, is_mapped: bool) {
        let n = usize::from(device) % self.clients.len();
        let before = self.written_on(n);
        let Some(opened) = self.held.get_mut(&n) else {
            return;
        };
        let written = person::write_opened(opened, is_mapped, &mut lock(&self.contents));
        let what = match written {
            Ok(()) => {
                self.written_to.insert(n);
                "write to what is open".to_owned()
            }
            Err(error) => format!("write to what is open: {error}"),
        };
        self.is_done(n, &before, &what);
    }

    /// The contents that people have written on a device: in its folder, and in what they have open.
    fn written_on(&self, n: usize) -> BTreeSet<Hash> {
        let mut written = contents(&person::tree(&self.clients[n].disk));
        let opened = self.held.get(&n).and_then(Opened::bytes);
        written.extend(opened.map(|bytes| name_of(&bytes)));
        written
    }

    fn is_done(&mut self, n: usize, before: &BTreeSet<Hash>, what: &str) {
        let after = self.written_on(n);
        self.enter(n, before, &after, what);
    }

    fn enter(&mut self, n: usize, before: &BTreeSet<Hash>, after: &BTreeSet<Hash>, what: &str) {
        let name = self.clients[n].name();
        self.ledger.changed(before, after, &format!("{name}, {what}"));
        self.said.push(format!("{name}: {what}"));
        self.at_rest = None;
    }
}

fn said(deed: &Deed, done: &std::io::Result<()>) -> String {
    match done {
        Ok(()) => deed.to_string(),
        Err(error) => format!("{deed}: {error}"),
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
