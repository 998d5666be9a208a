//! The server and its devices together.

use crate::device::{Device, Message};
use crate::event::Event;
use crate::ledger::Ledger;
use crate::user::User;
use std::collections::{BTreeMap, BTreeSet};
use sync_engine::{Kind, Origin, Step, Tree};

/// So many rounds of all devices are enough for quiet.
const ROUNDS_MAX: usize = 200;

/// See the module's page.
pub(crate) struct World {
    pub(crate) ledger: Ledger,
    pub(crate) devices: Vec<Device>,
    next_id: u64,
    /// The names that users give.
    pub(crate) names: [&'static str; 3],
    /// How many steps the second device had taken when all was first at rest.
    pub(crate) n_first_steps: usize,
}

impl World {
    pub(crate) fn new(n_devices: u8) -> Self {
        Self {
            ledger: Ledger::default(),
            devices: (0..n_devices).map(|n| Device::new(n + 1)).collect(),
            next_id: 0,
            names: ["a", "b", "c"],
            n_first_steps: 0,
        }
    }

    pub(crate) fn user(&mut self, n: usize) -> User<'_> {
        User {
            disk: &mut self.devices[n].disk,
            next_id: &mut self.next_id,
            names: self.names,
        }
    }

    /// The server reads one commit of a device's.
    fn serve(&mut self, n: usize) -> bool {
        let Some(change) = self.devices[n].outbox.pop_front() else {
            return false;
        };
        let device = self.devices[n].policy.device;
        match self.ledger.commit(device, change.clone()) {
            Ok(entry) => {
                for (other, device) in self.devices.iter_mut().enumerate() {
                    let origin = if other == n {
                        Origin::Planned
                    } else {
                        Origin::Foreign
                    };
                    device.inbox.push_back(Message::Entry(entry.clone(), origin));
                }
            }
            Err(rejection) => self.devices[n]
                .inbox
                .push_back(Message::Rejected(change, rejection)),
        }
        true
    }

    pub(crate) fn happen(&mut self, n: usize, event: Event) {
        match event {
            Event::User(what, which, whither, how) => self.user(n).act(what, which, whither, how),
            Event::Scan => self.devices[n].scan(),
            Event::Plan => {
                self.devices[n].begin();
            }
            Event::Step(pick) => {
                self.devices[n].step(&self.ledger, pick.into());
            }
            Event::Send => {
                self.serve(n);
            }
            Event::Read => {
                self.devices[n].read();
            }
            Event::Crash => self.devices[n].crash(&self.ledger),
            Event::Rejoin => self.devices[n].rejoin(&self.ledger),
            Event::PutBack => {
                self.ledger = self.ledger.put_back(self.ledger.entries.len() / 2);
                self.devices
                    .iter_mut()
                    .for_each(|device| device.rejoin(&self.ledger));
            }
            Event::Sync => {
                self.devices[n].scan();
                for _ in 0..ROUNDS_MAX {
                    if !self.round(n) {
                        return;
                    }
                }
                panic!("device {n} does not come to rest");
            }
        }
    }

    /// Lets one device do all that it can; tells whether it did anything.
    fn round(&mut self, n: usize) -> bool {
        let mut is_active = false;
        while self.devices[n].read() {
            is_active = true;
        }
        is_active |= self.devices[n].begin();
        while self.devices[n].step(&self.ledger, n * 31 + 5) {
            is_active = true;
        }
        while self.serve(n) {
            is_active = true;
        }
        is_active
    }

    /// Runs until no device has anything to do, and looks whether all have the same.
    pub(crate) fn quiet(&mut self) {
        self.devices.iter_mut().for_each(Device::scan);
        let n_devices = self.devices.len();
        for _ in 0..ROUNDS_MAX {
            let active: Vec<bool> = (0..n_devices).map(|n| self.round(n)).collect();
            if !active.contains(&true) {
                return self.check();
            }
        }
        let trace: Vec<_> = self
            .devices
            .iter()
            .map(|device| device.trace.iter().rev().take(4).collect::<Vec<_>>())
            .collect();
        panic!("the world does not come to rest: {trace:#?}");
    }

    /// Runs until no device has anything to do, and looks whether all that is not the same is blocked.
    pub(crate) fn quiet_but_for_blocked(&mut self) {
        self.devices.iter_mut().for_each(Device::scan);
        let n_devices = self.devices.len();
        for _ in 0..ROUNDS_MAX {
            let active: Vec<bool> = (0..n_devices).map(|n| self.round(n)).collect();
            if !active.contains(&true) {
                return self.check_but_for_blocked();
            }
        }
        panic!("the world does not come to rest\n{}", self.trace());
    }

    fn check_but_for_blocked(&self) {
        for device in &self.devices {
            let remote = device.trees.remote();
            assert_eq!(*remote, self.ledger.tree);
            let blocked: BTreeSet<_> = device.plan().blocked.into_iter().map(|(id, _)| id).collect();
            for id in device.trees.unsettled() {
                let is_blocked =
                    blocked.contains(&id) || remote.ancestors(id).any(|at| blocked.contains(&at));
                assert!(
                    is_blocked,
                    "{id} is not the same, but not blocked: {:?}\n{}",
                    device.plan(),
                    self.trace()
                );
            }
        }
    }

    fn check(&self) {
        for device in &self.devices {
            let trees = &device.trees;
            assert_eq!(*trees.remote(), self.ledger.tree);
            let unsettled: Vec<_> = trees.unsettled().collect();
            assert!(unsettled.is_empty(), "unsettled: {unsettled:?}");
            for (id, item) in self.ledger.tree.iter() {
                assert_eq!(trees.local().node(id), Some(&item.node));
                assert!(
                    device
                        .disk
                        .node(id)
                        .is_some_and(|disk| disk.kind == item.node.kind && disk.same_place(&item.node))
                );
            }
            assert_eq!(device.disk.len(), self.ledger.tree.len());
            assert!(device.plan().is_empty());
        }
    }

    /// Lets each device do all that it can, once.
    pub(crate) fn settle_round(&mut self) -> bool {
        let mut is_active = false;
        for n in 0..self.devices.len() {
            is_active |= self.round(n);
        }
        is_active
    }

    /// Returns all steps that the second device took since the beginning, but for what it had to fetch at first.
    pub(crate) fn steps_taken(&self) -> Vec<Step> {
        self.devices[1].taken[self.n_first_steps..].to_vec()
    }

    pub(crate) fn trace(&self) -> String {
        self.devices
            .iter()
            .flat_map(|device| device.trace.iter())
            .fold(String::new(), |all, line| all + line + "\n")
    }
}

/// Returns what is at which path.
pub(crate) fn listing(tree: &Tree) -> BTreeMap<String, String> {
    let show = |kind: &Kind| match kind {
        Kind::Dir => "dir".to_string(),
        Kind::File(file) => format!("{:?}", (file.content.hash, file.exec, file.mtime_ns)),
        Kind::Symlink(target) => format!("-> {target:?}"),
    };
    let row = |id, kind: &Kind| (tree.path(id).unwrap().to_string(), show(kind));
    tree.iter().map(|(id, item)| row(id, &item.node.kind)).collect()
}
