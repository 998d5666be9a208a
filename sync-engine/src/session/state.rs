//! What state the session is in: what is asked of it, when it has to be woken, and whether all is synced.

use super::{Claim, Evidence, Session, Tell, WaiterId, claim};
use crate::chain::Cursor;
use crate::plan::{Brake, FoldedNames};
use crate::time::Instant;
use crate::trail::Trail;
use crate::{Block, Bug, NodeId, Trees, Version, planted};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

/// So many unsettled nodes are looked through although something is under way.
const ENCLOSED_MAX: usize = 4096;

/// All is synced, and proven to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synced {
    /// The journal's number up to which it is.
    pub version: Version,
    /// Whether this is news: something has changed since it was said last.
    pub is_new: bool,
    /// Those who wait for it.
    pub waiters: Vec<WaiterId>,
}

impl Session {
    /// The three trees.
    #[must_use]
    pub fn trees(&self) -> &Trees {
        &self.trees
    }

    /// Where in the journal the remote tree stands; nothing before the first snapshot.
    #[must_use]
    pub fn cursor(&self) -> Option<Cursor> {
        self.cursor
    }

    /// The number of the last entry that is in the remote tree.
    #[must_use]
    pub fn version(&self) -> Version {
        self.cursor.map_or(Version::ZERO, |cursor| cursor.version)
    }

    /// The points of the journal that were passed.
    #[must_use]
    pub fn trail(&self) -> &Trail {
        &self.trail
    }

    /// Whether the bases may be another device's, or older than the folder.
    #[must_use]
    pub fn is_doubted(&self) -> bool {
        self.is_doubted
    }

    /// Tells whether there is a connection.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.link.is_some()
    }

    /// Tells whether there is a connection and the remote tree is what the server had when it began.
    #[must_use]
    pub fn is_pulled(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.is_pulled)
    }

    /// Tells whether plans may be made now.
    #[must_use]
    pub fn works(&self) -> bool {
        !self.is_halted && self.is_pulled()
    }

    /// The nodes that a step is being taken with.
    #[must_use]
    pub fn in_hand(&self) -> &BTreeSet<NodeId> {
        &self.in_hand
    }

    /// The nodes whose content is on its way to the server.
    #[must_use]
    pub fn uploading(&self) -> &BTreeSet<NodeId> {
        &self.uploading
    }

    /// The brake, if it holds something back.
    #[must_use]
    pub fn brake(&self) -> Option<Brake> {
        self.brake
    }

    /// Everything that is blocked, with the reasons, whoever found it.
    #[must_use]
    pub fn blocked(&self) -> BTreeMap<NodeId, Block> {
        let seen = self
            .trees
            .blocked()
            .iter()
            .map(|(id, block)| (*id, block.clone()));
        let planned = self.unplaceable.iter().cloned();
        let failing = self.holds.blocked().map(|(id, block)| (id, block.clone()));
        let mut blocked: BTreeMap<NodeId, Block> = seen.chain(planned).chain(failing).collect();
        self.add_enclosed(&mut blocked);
        self.add_displaced(&mut blocked);
        blocked
    }

    /// Adds the nodes that cannot go to where others have moved them, since a directory that they are in here, or are to come
    /// into, is blocked.
    fn add_enclosed(&self, blocked: &mut BTreeMap<NodeId, Block>) {
        let (local, remote) = (self.trees.local(), self.trees.remote());
        for (id, block) in self.enclosed(self.trees.altered()) {
            let (here, there) = (local.node(id), remote.node(id));
            if here
                .zip(there)
                .is_some_and(|(here, there)| !here.same_place(there))
            {
                blocked.entry(id).or_insert_with(|| block.clone());
            }
        }
    }

    /// Iterates over those nodes that are here in a directory that is blocked, or are to come into one, with the reason. Of
    /// very many it says nothing before all is at rest: until then most of them are others.
    fn enclosed(&self, ids: &BTreeSet<NodeId>) -> impl Iterator<Item = (NodeId, &Block)> {
        let is_at_rest = self.pace.is_done() && self.holds.n_busy() == 0;
        let is_due = !self.trees.blocked().is_empty() && (is_at_rest || ids.len() <= ENCLOSED_MAX);
        let ids = ids.iter().filter(move |_| is_due);
        ids.filter_map(|id| {
            let here = self.trees.local().node(*id).map(|node| node.parent);
            let there = self.trees.remote().node(*id).map(|node| node.parent);
            let dirs = here.into_iter().chain(there);
            let block = dirs.into_iter().find_map(|dir| self.block_around(dir))?;
            Some((*id, block))
        })
    }

    /// Returns why a directory, or one that it is or is to be in, is blocked here.
    fn block_around(&self, dir: NodeId) -> Option<&Block> {
        let (seen, local) = (self.trees.blocked(), self.trees.local());
        let mut above = core::iter::once(dir).chain(self.trees.remote().ancestors(dir));
        let dir = above.find(|dir| local.node(*dir).is_some())?;
        let mut above = core::iter::once(dir).chain(local.ancestors(dir));
        above.find_map(|dir| seen.get(&dir))
    }

    /// Adds the nodes that cannot come to their place because one that is blocked has it here, or is to have it first; those
    /// that are to move into a directory that is not here because it is blocked; the directories that one of them is in and
    /// that are deleted, or are to move into it; and so on with those that wait for them.
    fn add_displaced(&self, blocked: &mut BTreeMap<NodeId, Block>) {
        let (local, remote) = (self.trees.local(), self.trees.remote());
        let (mut inside, mut names) = (BTreeSet::new(), FoldedNames::new(self.folding));
        let mut holders: Vec<(NodeId, Block)> = blocked.clone().into_iter().collect();
        while let Some((holder, block)) = holders.pop() {
            let mut waiting = Vec::new();
            // What is to come into a directory that is not here yet keeps no place.
            if let Some(here) = local.node(holder).or_else(|| remote.node(holder))
                && !inside.contains(&holder)
            {
                let clash = Block::NameClash(here.name.clone());
                let heirs = names.children(remote, here.parent, &here.name).into_iter();
                let heirs = heirs.filter(|heir| *heir != holder);
                waiting.extend(heirs.map(|heir| (heir, clash.clone())));
            }
            let above = local
                .ancestors(holder)
                .take_while(|dir| remote.node(*dir).is_none());
            waiting.extend(above.map(|dir| (dir, Block::NotEmpty)));
            let goes_inside = |dir: &NodeId| {
                let to = remote.node(*dir).map(|node| node.parent);
                to.is_some_and(|to| local.is_within(to, holder))
            };
            let circular = local.ancestors(holder).filter(goes_inside);
            waiting.extend(circular.map(|dir| (dir, block.clone())));
            for (_, id) in remote.children(holder) {
                match local.node(id) {
                    Some(here) if here.parent != holder => waiting.push((id, block.clone())),
                    Some(_) => (),
                    None if inside.insert(id) => holders.push((id, block.clone())),
                    None => (),
                }
            }
            for (id, block) in waiting {
                if self.trees.is_unsettled(id) && !blocked.contains_key(&id) {
                    blocked.insert(id, block.clone());
                    holders.push((id, block));
                }
            }
        }
    }

    /// How many nodes are not settled, not among the blocked ones, and neither in a directory that is one of them nor to come
    /// into one.
    #[must_use]
    pub fn n_pending(&self, blocked: &BTreeMap<NodeId, Block>) -> u64 {
        if self.trees.n_unsettled() == 0 {
            return 0;
        }
        let mut stuck: BTreeSet<NodeId> = self.enclosed(self.trees.altered()).map(|(id, _)| id).collect();
        stuck.extend(self.enclosed(self.trees.arrivals()).map(|(id, _)| id));
        let mut holders: Vec<NodeId> = blocked.keys().copied().collect();
        stuck.extend(holders.iter().filter(|id| self.trees.is_unsettled(**id)));
        while let Some(holder) = holders.pop() {
            for (_, id) in self.trees.remote().children(holder) {
                if self.trees.is_unsettled(id) && stuck.insert(id) {
                    holders.push(id);
                }
            }
        }
        (self.trees.n_unsettled() - stuck.len()) as u64
    }

    /// When something is due although nothing happens.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        let due = [
            self.holds.next_due(),
            self.proof.next_due(),
            self.removals.next_due(),
            self.bursts.next_due(),
            self.pace.next_due().filter(|_| self.works()),
        ];
        due.into_iter().flatten().min()
    }

    /// Lets go on what was due by now.
    pub fn wake(&mut self, now: Instant) {
        let burst = self.bursts.judge(self.trees.remote(), now);
        self.tells.extend(burst.map(Tell::Burst));
        if self.holds.wake(now) || self.removals.next_due().is_some_and(|due| due <= now) {
            self.removals.now(now);
            self.pace.want();
        }
    }

    /// Tells whether nothing is under way in either direction, as far as is known. `eyes_idle` says that nothing is to be
    /// looked at or read.
    fn is_quiet(&self, now: Instant, eyes_idle: bool) -> bool {
        eyes_idle
            && self.works()
            && self.pace.is_done()
            && self.has_looked
            && self.brake.is_none()
            && self.outbox.is_empty()
            && self.holds.n_busy() == 0
            && !self.removals.waits(now)
            && self.holds.all_hopeless()
            && (self.trees.n_unsettled() == 0 || self.n_pending(&self.blocked()) == 0)
    }

    /// Begins a proof that all is synced, if there is reason to. Its number has to go to the server as a ping
    /// ([`Session::pong`]), and the eyes' cookie has to be named with [`Session::expect_cookie`].
    pub fn probe(&mut self, now: Instant, eyes_idle: bool) -> Option<u64> {
        if self.is_quiet(now, eyes_idle) {
            self.proof.begin()
        } else {
            None
        }
    }

    /// Notes that the proof's ping could not be sent: another proof is begun when there is room for it.
    pub fn probe_lost(&mut self) {
        self.proof.give_up();
    }

    /// Notes which cookie the proof waits for.
    pub fn expect_cookie(&mut self, token: u64) {
        self.proof.expect_cookie(token);
    }

    /// A cookie came back: all that was written before it has been looked at.
    pub fn caught_up(&mut self, token: u64) {
        self.proof.caught_up(token);
    }

    /// The server has answered a proof's ping with its newest entry.
    pub fn pong(&mut self, number: u64, head: Version) {
        self.proof.pong(number, head);
    }

    /// Says that all is synced, if it is proven and still holds.
    pub fn synced(&mut self, now: Instant, eyes_idle: bool) -> Option<Synced> {
        let version = self.version();
        let is_proven = self.proof.proven(version) || planted(Bug::SyncedUnproven);
        if !self.is_quiet(now, eyes_idle) || !is_proven {
            return None;
        }
        let is_new = self.proof.announce(version);
        if is_new {
            self.removals.forget_confirmation();
            self.on_server.clear();
            self.looked_back.clear();
        }
        Some(Synced {
            version,
            is_new,
            waiters: self.proof.answered(),
        })
    }

    /// Notes that listeners were told of something pending: that all is synced is news to them then.
    pub fn said_pending(&mut self) {
        self.proof.forget_said();
    }

    /// Tells whether 'synced' was said and still holds.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.proof.is_announced()
    }

    /// Says how things stand, to somebody whose question a probe has answered if it `is_fresh`. `silence` says how long
    /// ago the server was last heard.
    #[must_use]
    pub fn claim(&self, now: Instant, silence: Option<Duration>, eyes_idle: bool, is_fresh: bool) -> Claim {
        claim(&Evidence {
            is_halted: self.is_halted || self.brake.is_some(),
            silence,
            is_quiet: self.is_quiet(now, eyes_idle),
            is_proven: self.proof.is_announced(),
            is_fresh,
        })
    }

    /// Adds somebody who waits for 'synced', with the time when he gives up.
    pub fn wait(&mut self, deadline: Option<Instant>) -> WaiterId {
        self.proof.wait(deadline)
    }

    /// Takes those whose time is over, and those who would wait for ever: for a person, or for space.
    pub fn overdue(&mut self, now: Instant) -> Vec<WaiterId> {
        let stopped = self.brake.is_some() || self.holds.all_stuck() && !self.holds.all_hopeless();
        let is_halted = stopped && self.works() && self.pace.is_done() && self.holds.n_busy() == 0;
        self.proof.overdue(now, is_halted)
    }
}
