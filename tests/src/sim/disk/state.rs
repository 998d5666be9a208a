//! Everything about one disk, and the calls that deal with one node. All calls are made with it locked.

use super::clock::SimClock;
use super::crash::Armed;
use super::durable::Durable;
use super::fail::Fail;
use super::handle::Owner;
use super::meddle::Meddler;
use super::node::{Attributes, Body, Id, Node, TOP, Troubles};
use super::options::Options;
use super::watch::{Happened, Watches};
use crate::noise::Noise;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// How long a call takes, in nanoseconds.
const CALL_NS: i64 = 1_000;
/// What a file's or directory's own record takes, in bytes.
const NODE_LEN: u64 = 512;
/// What the mask of everybody here takes away.
const MASK: u32 = 0o022;

#[derive(Debug)]
pub(super) struct State {
    pub(super) options: Options,
    pub(super) clock: SimClock,
    pub(super) noise: Noise,
    pub(super) nodes: BTreeMap<Id, Node>,
    pub(super) durable: Durable,
    pub(super) watches: Watches,
    /// Which start of the client it is.
    pub(super) incarnation: u64,
    /// The client has crashed and was not started again.
    pub(super) is_dead: bool,
    /// Which start of the computer it is.
    pub(super) boot: u64,
    pub(super) armed: Armed,
    /// Which open file has the lock of a file.
    pub(super) locks: BTreeMap<Id, u64>,
    /// The bytes of files that power cuts may have taken, as they were not durable.
    pub(super) forfeited: Vec<Arc<Vec<u8>>>,
    /// How often people have a file open for writing.
    pub(super) written: BTreeMap<Id, usize>,
    /// The last number given to an open file or directory.
    pub(super) last_serial: u64,
    /// Of so many calls by which the client opens something, about half fail for want of descriptors.
    pub(super) n_scarce: u64,
    /// What is to happen as soon as the client has read a part of a file.
    pub(super) meddler: Meddler,
    /// When the system last flushed everything by itself, by the time that has passed, in nanoseconds.
    pub(super) synced_ns: i64,
    next_id: u64,
    last_number: u64,
    /// Inode numbers that may be given again.
    pub(super) free_numbers: Vec<u64>,
}

impl State {
    pub(super) fn new(options: Options, clock: SimClock) -> Self {
        let mut state = Self {
            options,
            clock,
            noise: Noise::new(options.seed),
            nodes: BTreeMap::new(),
            durable: Durable::default(),
            watches: Watches::default(),
            incarnation: 1,
            is_dead: false,
            boot: 1,
            armed: Armed::default(),
            locks: BTreeMap::new(),
            forfeited: Vec::new(),
            written: BTreeMap::new(),
            last_serial: 0,
            n_scarce: 0,
            meddler: Meddler::default(),
            synced_ns: 0,
            next_id: 0,
            last_number: 1,
            free_numbers: Vec::new(),
        };
        state.make(Body::Dir(BTreeMap::new()), 0o755);
        state
    }

    /// Tells whether this caller can still call.
    pub(super) fn check(&self, owner: Owner) -> io::Result<()> {
        let lives = match owner {
            Owner::Client(incarnation) => incarnation == self.incarnation && !self.is_dead,
            Owner::Person(boot) => boot == self.boot,
        };
        if lives { Ok(()) } else { Err(Fail::Crashed.into()) }
    }

    /// Lets the time of a call pass.
    pub(super) fn tick(&self) {
        self.clock.work(CALL_NS);
    }

    /// Returns a time stamp of now.
    pub(super) fn stamp_ns(&self) -> i64 {
        self.rounded_ns(self.clock.now_ns())
    }

    fn rounded_ns(&self, time_ns: i64) -> i64 {
        time_ns - time_ns.rem_euclid(self.options.granularity_ns.max(1))
    }

    /// Returns whether something happens that happens once in so many times.
    pub(super) fn one_in(&mut self, times: u64) -> bool {
        self.noise.number().is_multiple_of(times)
    }

    pub(super) fn node(&self, id: Id) -> io::Result<&Node> {
        self.nodes.get(&id).ok_or_else(|| Fail::NotFound.into())
    }

    pub(super) fn node_mut(&mut self, id: Id) -> io::Result<&mut Node> {
        self.nodes.get_mut(&id).ok_or_else(|| Fail::NotFound.into())
    }

    /// Makes a node without a name.
    pub(super) fn make(&mut self, body: Body, mode: u32) -> Id {
        let id = Id(self.next_id);
        self.next_id += 1;
        let stamp_ns = self.stamp_ns();
        let attributes = Attributes {
            number: self.draw_number(),
            birth_ns: stamp_ns,
            mtime_ns: stamp_ns,
            ctime_ns: stamp_ns,
            mode,
        };
        self.durable.made(id, attributes, &body);
        let node = Node {
            attributes,
            body,
            names: Vec::new(),
            n_open: 0,
            troubles: Troubles::default(),
        };
        self.nodes.insert(id, node);
        id
    }

    fn draw_number(&mut self) -> u64 {
        let n_free = self.free_numbers.len();
        if n_free > 0 && !self.one_in(4) {
            let at = self.noise.number() % n_free as u64;
            return self.free_numbers.remove(at as usize);
        }
        self.new_number()
    }

    /// Returns an inode number that no node has had.
    pub(super) fn new_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Removes a node that has no name and is not open any more.
    pub(super) fn forget_unused(&mut self, id: Id) {
        let is_unused = |node: &Node| node.names.is_empty() && node.n_open == 0 && id != TOP;
        if self.nodes.get(&id).is_some_and(is_unused)
            && let Some(node) = self.nodes.remove(&id)
        {
            self.free_numbers.push(node.attributes.number);
        }
    }

    /// Returns how much is free, in bytes.
    pub(super) fn free_bytes(&self) -> Option<u64> {
        let space = self.options.space_bytes?;
        Some(space.saturating_sub(self.used_bytes()))
    }

    /// Returns how much is in use, in bytes.
    pub(super) fn used_bytes(&self) -> u64 {
        let len = |node: &Node| match &node.body {
            Body::File(bytes) => NODE_LEN + bytes.len() as u64,
            Body::Dir(_) | Body::Symlink(_) | Body::Pipe => NODE_LEN,
        };
        self.nodes.values().map(len).sum()
    }

    /// Fails when there is no space for another node.
    pub(super) fn expect_space(&self) -> io::Result<()> {
        match self.free_bytes() {
            Some(free) if free < NODE_LEN => Err(Fail::NoSpace.into()),
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn read_at(&mut self, id: Id, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let wanted = self.chopped(into.len())?;
        let node = self.node(id)?;
        if node.troubles.is_damaged {
            return Err(Fail::Damaged.into());
        }
        let bytes = node.bytes()?;
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let len = wanted.min(bytes.len() - from);
        into[..len].copy_from_slice(&bytes[from..from + len]);
        Ok(len)
    }

    pub(super) fn write_at(&mut self, id: Id, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let len = self.put_at(id, bytes, offset)?;
        self.happened_to(id, Happened::Modified);
        Ok(len)
    }

    /// As [`State::write_at`], but nobody is told of it: so it is with what is written through a memory map.
    pub(super) fn put_at(&mut self, id: Id, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let wanted = self.chopped(bytes.len())?;
        let free = self.free_bytes();
        let stamp_ns = self.stamp_ns();
        let node = self.node_mut(id)?;
        let Body::File(there) = &mut node.body else {
            return Err(Fail::IsDir.into());
        };
        let from = usize::try_from(offset).map_err(|_| Fail::Invalid)?;
        let growth = |len: usize| (from + len).saturating_sub(there.len()) as u64;
        let mut len = wanted;
        if let Some(free) = free
            && free < growth(len)
        {
            len = len.saturating_sub(usize::try_from(growth(len) - free).unwrap_or(usize::MAX));
            if len == 0 {
                return Err(Fail::NoSpace.into());
            }
        }
        let there = Arc::make_mut(there);
        if there.len() < from + len {
            there.resize(from + len, 0);
        }
        there[from..from + len].copy_from_slice(&bytes[..len]);
        node.attributes.mtime_ns = stamp_ns;
        node.attributes.ctime_ns = stamp_ns;
        Ok(len)
    }

    /// Returns how many of so many bytes a call deals with.
    fn chopped(&mut self, len: usize) -> io::Result<usize> {
        if !self.options.is_choppy || len == 0 {
            return Ok(len);
        }
        if self.one_in(8) {
            return Err(Fail::Interrupted.into());
        }
        Ok(match self.one_in(2) {
            true => 1 + (self.noise.number() % len as u64) as usize,
            false => len,
        })
    }

    pub(super) fn set_len(&mut self, id: Id, len_bytes: u64) -> io::Result<()> {
        let len = usize::try_from(len_bytes).map_err(|_| Fail::Invalid)?;
        let (free, stamp_ns) = (self.free_bytes(), self.stamp_ns());
        let node = self.node_mut(id)?;
        let Body::File(there) = &mut node.body else {
            return Err(Fail::IsDir.into());
        };
        if free.is_some_and(|free| free < len_bytes.saturating_sub(there.len() as u64)) {
            return Err(Fail::NoSpace.into());
        }
        Arc::make_mut(there).resize(len, 0);
        node.attributes.mtime_ns = stamp_ns;
        node.attributes.ctime_ns = stamp_ns;
        self.happened_to(id, Happened::Modified);
        Ok(())
    }

    pub(super) fn set_mode(&mut self, id: Id, mode: u32) -> io::Result<()> {
        let stamp_ns = self.stamp_ns();
        let attributes = &mut self.node_mut(id)?.attributes;
        attributes.mode = mode;
        attributes.ctime_ns = stamp_ns;
        self.happened_to(id, Happened::Attributes);
        Ok(())
    }

    pub(super) fn set_mtime(&mut self, id: Id, mtime_ns: i64) -> io::Result<()> {
        let (stamp_ns, mtime_ns) = (self.stamp_ns(), self.rounded_ns(mtime_ns));
        let attributes = &mut self.node_mut(id)?.attributes;
        attributes.mtime_ns = mtime_ns;
        attributes.ctime_ns = stamp_ns;
        self.happened_to(id, Happened::Attributes);
        Ok(())
    }

    /// Takes a file's lock for an open file; false when another has it.
    pub(super) fn take_lock(&mut self, id: Id, serial: u64) -> bool {
        *self.locks.entry(id).or_insert(serial) == serial
    }

    /// Returns what the mask leaves of a mode.
    pub(super) fn masked(mode: u32) -> u32 {
        mode & !MASK
    }
}
