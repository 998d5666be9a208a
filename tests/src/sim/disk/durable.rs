//! What of the disk would outlast a power cut. A flush of a file makes its bytes and attributes durable, but no name of
//! it. A flush of a directory makes the names in it durable, but not its own name in the directory above.
//!
//! A change of names is kept whole or not at all, and never without those that it builds upon: the earlier ones of the
//! same name and of the same file, the making of the directory that it is in, and those that emptied a directory which
//! it removes. Else any of them may be lost and others kept.
//!
//! New bytes are not kept under the stamps of before: nothing short of reading every file could tell. The other way
//! round, old or torn bytes under new stamps, is what most file systems leave.

use super::entries::Change;
use super::fail::Fail;
use super::node::{Attributes, Body, Id, Key, TOP};
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

    fn dirs(&self) -> impl Iterator<Item = &Id> {
        self.changes.iter().map(|change| &change.dir)
    }
}

/// What some changes have to do with others.
#[derive(Debug, Default)]
struct Ties {
    names: BTreeSet<(Id, Key)>,
    ids: BTreeSet<Id>,
    dirs: BTreeSet<Id>,
    made_dirs: BTreeSet<Id>,
    removed_dirs: BTreeSet<Id>,
    moves_dir: bool,
}

impl Ties {
    fn add(&mut self, op: &Op) {
        let names = op.changes.iter().map(|change| (change.dir, change.key.clone()));
        self.names.extend(names);
        self.ids.extend(&op.ids);
        self.dirs.extend(op.dirs());
        self.made_dirs.extend(op.made_dir);
        self.removed_dirs.extend(op.removed_dir);
        self.moves_dir |= op.moves_dir;
    }

    /// Tells whether these and a change have a name or a node in common, or both move directories.
    fn touch(&self, op: &Op) -> bool {
        let mut names = op.changes.iter().map(|change| (change.dir, change.key.clone()));
        names.any(|name| self.names.contains(&name))
            || op.ids.iter().any(|id| self.ids.contains(id))
            || (self.moves_dir && op.moves_dir)
    }

    /// Tells whether these later changes cannot be kept without an earlier one. What they do in a directory can be kept
    /// without the directory's own name.
    fn build_upon(&self, earlier: &Op) -> bool {
        self.touch(earlier) || earlier.dirs().any(|dir| self.removed_dirs.contains(dir))
    }

    /// Tells whether a later change cannot be kept without these.
    fn are_built_upon_by(&self, later: &Op) -> bool {
        self.touch(later)
            || later.removed_dir.is_some_and(|dir| self.dirs.contains(&dir))
            || later.dirs().any(|dir| self.made_dirs.contains(dir))
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
        let mut kept = Ties::default();
        let mut is_kept = vec![false; self.log.len()];
        for (op, is_kept) in self.log.iter().zip(&mut is_kept).rev() {
            *is_kept = op.dirs().any(|touched| *touched == dir) || kept.build_upon(op);
            if *is_kept {
                kept.add(op);
            }
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
        let mut lost = Ties::default();
        // Sometimes nearly everything was written, sometimes nearly nothing.
        let odds = 1 + noise.number() % 7;
        for op in std::mem::take(&mut self.log) {
            if noise.number() % 8 < odds && !lost.are_built_upon_by(&op) {
                self.apply(&op);
            } else {
                lost.add(&op);
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
        if !self.node(dir)?.troubles.is_unwritten {
            self.durable.flush_names(dir);
        }
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

    /// Flushes everything when the system does so by itself.
    pub(super) fn sync_if_due(&mut self) {
        let now_ns = self.clock.passed_ns();
        let is_due = |every_ns: i64| self.synced_ns.saturating_add(every_ns) <= now_ns;
        if self.options.sync_every_ns.is_some_and(is_due) {
            self.synced_ns = now_ns;
            // Nobody is told when it fails.
            let _ = self.flush_all();
        }
    }

    /// The bytes of all files that there are and that a power cut may take: none of their names is durable, or not with them.
    /// What is being written over in place may be torn, and so is no more durable.
    fn unflushed(&self) -> Vec<Arc<Vec<u8>>> {
        let safe = self.durable.reachable();
        let safe: BTreeSet<&Vec<u8>> = safe
            .iter()
            .filter_map(|(id, image)| {
                let now = self.nodes.get(id).and_then(|node| node.body.file());
                let bytes = image.body.file()?;
                (now == Some(bytes)).then_some(bytes.as_ref())
            })
            .collect();
        let there = self.nodes.values().filter_map(|node| node.body.file());
        there
            .filter(|bytes| !safe.contains(bytes.as_ref()))
            .cloned()
            .collect()
    }

    /// Loses what was not flushed, but for what was written by chance.
    pub(super) fn lose_unflushed(&mut self) {
        let unflushed = self.unflushed();
        self.forfeited.extend(unflushed);
        let mut images = self.durable.cut(&mut self.noise);
        for (id, image) in &mut images {
            let Some(node) = self.nodes.get(id).filter(|node| !node.troubles.is_unwritten) else {
                continue;
            };
            let mut is_written = false;
            if let (Body::File(old), Body::File(new)) = (&image.body, &node.body)
                && old != new
            {
                let torn = torn(old, new, &mut self.noise);
                is_written = torn != **old;
                image.body = Body::File(Arc::new(torn));
            }
            if self.noise.number().is_multiple_of(2) || is_written {
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
