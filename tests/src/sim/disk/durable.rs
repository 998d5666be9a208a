//! What of the disk would outlast a power cut. A flush of a file makes its bytes and attributes durable, but no name of
//! it. A flush of a directory makes the names in it durable, but not its own name in the directory above.
//!
//! A change of names is kept whole or not at all, and never without those that it builds upon: the earlier ones of the
//! same name and of the same file, the making of the directory that it is in, and those that emptied a directory which
//! it removes. Else any of them may be lost and others kept.

use super::entries::Change;
use super::fail::Fail;
use super::node::{Attributes, Body, Id, TOP};
use super::state::State;
use crate::noise::Noise;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

/// How much of a file is written at once, in bytes.
const BLOCK_LEN: usize = 512;
/// So many changes of names wait to be flushed at most; then the system flushes the older half by itself.
const LOG_LEN_MAX: usize = 2048;

/// A change of names that is kept whole or not at all.
#[derive(Debug, Clone, Default)]
pub(super) struct Op {
    pub(super) changes: Vec<Change>,
    /// What had or got these names.
    pub(super) ids: Vec<Id>,
    pub(super) made_dir: Option<Id>,
    pub(super) removed_dir: Option<Id>,
    /// A directory goes from one directory to another.
    pub(super) moves_dir: bool,
}

impl Op {
    pub(super) fn new(changes: Vec<Change>) -> Self {
        Self {
            changes,
            ..Self::default()
        }
    }

    fn is_in(&self, dir: Id) -> bool {
        self.changes.iter().any(|change| change.dir == dir)
    }

    /// Tells whether this cannot be kept without an earlier one, apart from the making of its directory.
    fn builds_upon(&self, earlier: &Self) -> bool {
        let same_name = |change: &Change| {
            let same = |other: &Change| change.dir == other.dir && change.key == other.key;
            earlier.changes.iter().any(same)
        };
        self.changes.iter().any(same_name)
            || self.ids.iter().any(|id| earlier.ids.contains(id))
            || self.removed_dir.is_some_and(|dir| earlier.is_in(dir))
            || (self.moves_dir && earlier.moves_dir)
    }

    fn is_in_new_dir_of(&self, earlier: &Self) -> bool {
        earlier.made_dir.is_some_and(|dir| self.is_in(dir))
    }
}

/// A node as it was last flushed.
#[derive(Debug, Clone)]
pub(super) struct Image {
    pub(super) attributes: Attributes,
    pub(super) body: Body,
}

/// The durable layer.
#[derive(Debug, Default)]
pub(super) struct Durable {
    images: BTreeMap<Id, Image>,
    log: Vec<Op>,
}

impl Durable {
    /// Notes a new node. It is durable only once a name of it is.
    pub(super) fn made(&mut self, id: Id, attributes: Attributes, body: &Body) {
        let body = body.clone();
        self.images.insert(id, Image { attributes, body });
    }

    /// Notes a change of names.
    pub(super) fn log(&mut self, op: Op) {
        self.log.push(op);
        if LOG_LEN_MAX < self.log.len() {
            for op in self.log.drain(..LOG_LEN_MAX / 2).collect::<Vec<_>>() {
                self.apply(&op);
            }
        }
    }

    fn apply(&mut self, op: &Op) {
        for Change { dir, key, to } in &op.changes {
            if let Some(Body::Dir(entries)) = self.images.get_mut(dir).map(|image| &mut image.body) {
                match to {
                    Some(entry) => entries.insert(key.clone(), entry.clone()),
                    None => entries.remove(key),
                };
            }
        }
    }

    /// Makes the names in a directory durable, with all that they build upon.
    fn flush_names(&mut self, dir: Id) {
        let mut is_kept = vec![false; self.log.len()];
        for at in (0..self.log.len()).rev() {
            let op = &self.log[at];
            is_kept[at] = op.is_in(dir)
                || (at + 1..self.log.len()).any(|later| is_kept[later] && self.log[later].builds_upon(op));
        }
        let log = std::mem::take(&mut self.log);
        for (op, is_kept) in log.into_iter().zip(is_kept) {
            match is_kept {
                true => self.apply(&op),
                false => self.log.push(op),
            }
        }
    }

    /// Keeps some of what was not flushed, and returns all nodes that can be reached then.
    fn cut(&mut self, noise: &mut Noise) -> BTreeMap<Id, Image> {
        let mut lost: Vec<Op> = Vec::new();
        // Sometimes nearly everything was written, sometimes nearly nothing.
        let odds = 1 + noise.number() % 7;
        for op in std::mem::take(&mut self.log) {
            let lacks = |lost: &Op| op.builds_upon(lost) || op.is_in_new_dir_of(lost);
            if noise.number() % 8 < odds && !lost.iter().any(lacks) {
                self.apply(&op);
            } else {
                lost.push(op);
            }
        }
        self.reachable()
    }

    fn reachable(&self) -> BTreeMap<Id, Image> {
        let mut found = BTreeMap::new();
        let mut waiting = vec![TOP];
        while let Some(id) = waiting.pop() {
            let Some(image) = self.images.get(&id) else {
                continue;
            };
            if let Body::Dir(entries) = &image.body {
                waiting.extend(entries.values().map(|entry| entry.id));
            }
            found.insert(id, image.clone());
        }
        found
    }
}

impl State {
    /// Flushes a file's bytes and attributes.
    pub(super) fn flush_file(&mut self, id: Id) -> io::Result<()> {
        let node = self.node_mut(id)?;
        if node.troubles.fails_flush {
            node.troubles.fails_flush = false;
            node.troubles.is_unwritten = true;
            return Err(Fail::Damaged.into());
        }
        // The system has dropped what it could not write, and says nothing about it any more.
        if node.troubles.is_unwritten {
            return Ok(());
        }
        let (attributes, body) = (node.attributes, node.body.clone());
        if let Some(image) = self.durable.images.get_mut(&id) {
            image.attributes = attributes;
            if !matches!(body, Body::Dir(_)) {
                image.body = body;
            }
        }
        Ok(())
    }

    /// Flushes the names in a directory.
    pub(super) fn flush_dir(&mut self, dir: Id) -> io::Result<()> {
        self.flush_file(dir)?;
        self.durable.flush_names(dir);
        Ok(())
    }

    /// Flushes everything.
    pub(super) fn flush_all(&mut self) -> io::Result<()> {
        let ids: Vec<Id> = self.nodes.keys().copied().collect();
        let mut result = Ok(());
        for id in ids {
            result = result.and(self.flush_file(id));
        }
        for op in std::mem::take(&mut self.durable.log) {
            self.durable.apply(&op);
        }
        let open = |id: &Id| self.nodes.contains_key(id);
        let reachable: BTreeSet<Id> = self.durable.reachable().into_keys().collect();
        self.durable
            .images
            .retain(|id, _| reachable.contains(id) || open(id));
        result
    }

    /// Loses what was not flushed, but for what was written by chance.
    pub(super) fn lose_unflushed(&mut self) {
        let mut images = self.durable.cut(&mut self.noise);
        for (id, image) in &mut images {
            let Some(node) = self.nodes.get(id).filter(|node| !node.troubles.is_unwritten) else {
                continue;
            };
            if let (Body::File(old), Body::File(new)) = (&image.body, &node.body)
                && old != new
            {
                image.body = Body::File(Arc::new(torn(old, new, &mut self.noise)));
            }
            if self.noise.number().is_multiple_of(2) {
                image.attributes = node.attributes;
            }
        }
        self.durable.images.clone_from(&images);
        self.nodes.clear();
        self.restore(images);
    }
}

/// Returns what a file may hold when its new bytes were not flushed: of each block the old or the new bytes.
fn torn(old: &[u8], new: &[u8], noise: &mut Noise) -> Vec<u8> {
    let odds = noise.number() % 5;
    let mut is_new = || noise.number() % 4 < odds;
    let len = if is_new() { new.len() } else { old.len() };
    let mut bytes = vec![0; len];
    for from in (0..len).step_by(BLOCK_LEN) {
        let source = if is_new() { new } else { old };
        let to = (from + BLOCK_LEN).min(len).min(source.len());
        if from < to {
            bytes[from..to].copy_from_slice(&source[from..to]);
        }
    }
    bytes
}
