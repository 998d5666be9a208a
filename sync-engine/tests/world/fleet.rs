//! A fleet: the server and devices with their sessions. At any moment nothing may be lost, and 'synced' may only be said
//! when it is true; when the users have stopped, all must come to rest with the same tree.

use crate::ledger::Ledger;
use crate::member::{Line, Member, Message, Request};
use crate::shared::Shared;
use crate::user::User;
use std::collections::BTreeSet;
use sync_engine::{CHAIN_START, Content, Cursor, Epoch, Hash, Origin, Tree, Version, chain_next};

/// So many rounds of all devices are enough for quiet.
const ROUNDS_MAX: usize = 300;
/// The server's store has this epoch all the time.
const EPOCH: Epoch = Epoch([5; 16]);

/// See the module's page.
#[derive(Clone, Hash)]
pub(crate) struct Fleet {
    pub(crate) ledger: Shared<Ledger>,
    pub(crate) members: Vec<Shared<Member>>,
    /// Contents that users have written and not taken away again.
    owed: BTreeSet<Content>,
    /// The last id that each device's users have given.
    last_ids: [u64; 2],
    was_put_back: bool,
}

impl Fleet {
    /// Makes two devices that are connected and at rest.
    pub(crate) fn new(inline_len_max: u64) -> Self {
        let mut fleet = Self {
            ledger: Shared::default(),
            members: (1..=2)
                .map(|n| Shared::new(Member::new(n, inline_len_max)))
                .collect(),
            owed: BTreeSet::new(),
            last_ids: [0, 1 << 32],
            was_put_back: false,
        };
        fleet.settle();
        fleet
    }

    /// Lets a user do something on a device's disk.
    pub(crate) fn user(&mut self, n: usize, act: impl FnOnce(&mut User<'_>)) {
        let before: BTreeSet<Content> = self.members[n].contents().collect();
        let copies = self.members[n].copies();
        act(&mut User {
            disk: &mut self.members[n].disk,
            next_id: &mut self.last_ids[n],
            names: ["a", "b", "c"],
        });
        let after: BTreeSet<Content> = self.members[n].contents().collect();
        self.owed.extend(after.difference(&before));
        // Who takes a conflict copy away wants the other side; the bytes in the file's own place go the way of the copy.
        let kept = self.members[n].copies();
        for content in before.difference(&after).chain(copies.difference(&kept)) {
            // What the server has is in the history, and nobody can take it away.
            if !self.ledger.contents.contains(content) {
                self.owed.remove(content);
            }
        }
    }

    pub(crate) fn connect(&mut self, n: usize) {
        if self.members[n].line.is_none() {
            let head = self.head();
            self.members[n].connect(EPOCH, head);
        }
    }

    fn head(&self) -> Version {
        Version(self.ledger.entries.len() as u64)
    }

    fn cursor(&self) -> Cursor {
        let version = self.head();
        Cursor {
            epoch: EPOCH,
            version,
            chain: self.chain(version),
        }
    }

    fn chain(&self, at: Version) -> Hash {
        let entries = self.ledger.entries[..at.0 as usize].iter();
        entries.fold(CHAIN_START, |chain, entry| chain_next(&chain, entry))
    }

    /// Tells whether the journal has a point.
    fn has(&self, version: Version, chain: Hash) -> bool {
        version <= self.head() && self.chain(version) == chain
    }

    /// The server is put back to what it was after some entries.
    pub(crate) fn put_back(&mut self, n_entries: usize) {
        self.members.iter_mut().for_each(|member| member.disconnect());
        self.ledger = Shared::new(self.ledger.put_back(n_entries));
        self.was_put_back = true;
        // What only the server had is lost with it.
        let on_disks = self.members.iter().flat_map(|member| member.contents());
        let there: BTreeSet<Content> = self.ledger.contents.iter().copied().chain(on_disks).collect();
        self.owed.retain(|content| there.contains(content));
    }

    /// The server reads one request of a device's.
    pub(crate) fn serve(&mut self, n: usize) -> bool {
        let Some(request) = self.line(n).and_then(|line| line.up.pop_front()) else {
            return false;
        };
        let head = self.head();
        let answer = match request {
            Request::Pull(None) => {
                let items = self.ledger.tree.iter();
                let nodes = items.map(|(id, item)| (id, item.version, (*item.node).clone()));
                let snapshot = Message::Snapshot(nodes.collect(), self.cursor());
                self.follow(n);
                snapshot
            }
            Request::Pull(Some(cursor)) if !self.has(cursor.version, cursor.chain) => Message::Diverged,
            Request::Pull(Some(cursor)) => {
                let own = self.members[n].id();
                let entries = self.ledger.entries[cursor.version.0 as usize..].to_vec();
                for entry in entries {
                    let origin = match entry.device == own {
                        true => Origin::Recalled,
                        false => Origin::Foreign,
                    };
                    self.send(n, Message::Entry(entry, origin));
                }
                self.follow(n);
                Message::Followed(self.cursor().chain, head)
            }
            Request::Commit(request, changes) => {
                let mut outcomes = Vec::new();
                for (index, change) in changes.into_iter().enumerate() {
                    let taken = self.ledger.commit(self.members[n].id(), change);
                    if let Ok(entry) = &taken {
                        self.push(
                            n,
                            &Message::Own(request, index as u32, entry.number, entry.time_ms),
                        );
                        self.push(1 - n, &Message::Entry(entry.clone(), Origin::Foreign));
                    }
                    outcomes.push(taken.map(|entry| entry.number));
                }
                let Cursor { chain, version, .. } = self.cursor();
                self.push(n, &Message::Followed(chain, version));
                self.push(1 - n, &Message::Followed(chain, version));
                Message::Answer(request, outcomes)
            }
            Request::Upload(id, hash) => Message::Uploaded(id, hash),
            Request::LookBack(suspect) => {
                let entries = self.ledger.entries.iter().rev();
                let of_node = entries.filter(|entry| entry.change.ids().any(|id| id == suspect.node()));
                let entries = of_node.cloned().collect();
                Message::LookedBack(suspect, entries)
            }
            Request::Compare(points) => {
                let newest = points.iter().find(|point| self.has(point.version, point.chain));
                Message::Compared(newest.map_or(Version::ZERO, |point| point.version))
            }
            Request::Ping(number) => Message::Pong(number, head),
        };
        self.send(n, answer);
        true
    }

    fn line(&mut self, n: usize) -> Option<&mut Line> {
        self.members[n].line.as_mut()
    }

    fn follow(&mut self, n: usize) {
        if let Some(line) = self.line(n) {
            line.follows = true;
        }
    }

    fn send(&mut self, n: usize, message: Message) {
        if let Some(line) = self.line(n) {
            line.down.push_back(message);
        }
    }

    /// Tells a device of something if it follows the journal.
    fn push(&mut self, n: usize, message: &Message) {
        if self.line(n).is_some_and(|line| line.follows) {
            self.send(n, message.clone());
        }
    }

    /// Lets a device take its turn.
    pub(crate) fn turn(&mut self, n: usize) -> bool {
        let is_active = self.members[n].turn();
        if let Some(said) = self.members[n].said.take() {
            assert!(said.head <= said.version);
            let past = self.ledger.put_back(said.version.0 as usize).tree;
            assert!(
                is_same(&said.disk, &past),
                "it said 'synced' of {}:\n{:?}\n{past:?}",
                said.version,
                said.disk
            );
        }
        is_active
    }

    /// Checks that nothing is lost.
    pub(crate) fn check(&self) {
        let has_diverged = self.members.iter().any(|member| member.has_diverged);
        assert!(
            self.was_put_back || !has_diverged,
            "the journal is the same all the time"
        );
        let is_on_disk = |content| {
            let mut members = self.members.iter();
            members.any(|member| member.contents().any(|other| other == content))
        };
        let owed = self.owed.difference(&self.ledger.contents);
        let missing: Vec<_> = owed.filter(|content| !is_on_disk(**content)).collect();
        assert!(missing.is_empty(), "lost: {missing:?}");
    }

    /// Lets all work until they are at rest, and checks that they agree.
    pub(crate) fn settle(&mut self) {
        for n in 0..self.members.len() {
            self.connect(n);
            self.members[n].probes = true;
        }
        for _ in 0..ROUNDS_MAX {
            let mut is_active = false;
            for n in 0..self.members.len() {
                is_active |= self.round(n);
            }
            self.check();
            if is_active {
                continue;
            }
            if self.members.iter().all(|member| member.session.is_synced()) {
                return self.check_agreed();
            }
            // Much was removed, perhaps, and a person says that it is meant so.
            let confirmed: Vec<bool> = self.members.iter_mut().map(|member| member.confirm()).collect();
            let due: Vec<bool> = self.members.iter_mut().map(|member| member.tick()).collect();
            assert!(
                due.contains(&true) || confirmed.contains(&true),
                "nothing is due, and not all is synced"
            );
        }
        panic!("it does not come to rest");
    }

    /// Lets one device and the server work until neither has anything to do.
    pub(crate) fn meet(&mut self, n: usize) {
        self.connect(n);
        for _ in 0..ROUNDS_MAX {
            if !self.round(n) && !self.members[n].tick() {
                return self.check();
            }
        }
        panic!("it does not come to rest");
    }

    /// Lets a device do all that it can, once.
    fn round(&mut self, n: usize) -> bool {
        let mut is_active = self.members[n].look();
        is_active |= self.turn(n);
        while self.members[n].act() {
            is_active = true;
        }
        while self.serve(n) {
            is_active = true;
        }
        while self.members[n].read() {
            is_active = true;
        }
        is_active | self.turn(n)
    }

    fn check_agreed(&self) {
        for member in &self.members {
            let trees = member.session.trees();
            let unsettled: Vec<_> = trees.unsettled().collect();
            assert!(unsettled.is_empty(), "unsettled: {unsettled:?}");
            assert_eq!(*trees.remote(), self.ledger.tree);
            assert!(is_same(&member.disk, &self.ledger.tree), "the disk is another");
        }
    }

    /// Returns how many conflicts there are.
    pub(crate) fn n_conflicts(&self) -> usize {
        let nodes = self.ledger.tree.iter();
        nodes.filter(|(_, item)| item.node.mark.is_some()).count()
    }
}

/// Tells whether a disk holds what a tree says.
pub(crate) fn is_same(disk: &Tree, tree: &Tree) -> bool {
    disk.len() == tree.len()
        && tree.iter().all(|(id, item)| {
            disk.node(id)
                .is_some_and(|node| node.kind == item.node.kind && node.same_place(&item.node))
        })
}
