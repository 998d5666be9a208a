//! Worlds by paths, for cases that read as a story.

use crate::event::Event;
use crate::user::{User, file};
use crate::world::World;
use std::collections::BTreeSet;
use sync_engine::{Kind, NodeId, RelPath, Tree};

/// The device whose commits the server reads first.
pub(crate) const FIRST: usize = 0;
/// The other one.
pub(crate) const SECOND: usize = 1;

/// Returns two devices that have the same files. A path that ends in `/` is a directory.
pub(crate) fn both_have(files: &[(&str, &str)]) -> World {
    let mut world = World::new(2);
    for (path, text) in files {
        world.make(FIRST, path, text);
    }
    world.quiet();
    world.n_first_steps = world.devices[SECOND].taken.len();
    world
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).unwrap()
}

impl World {
    fn split(&self, n: usize, text: &str) -> (NodeId, sync_engine::Name) {
        let (dir, name) = path(text)
            .split_last()
            .map(|(dir, name)| (dir, name.clone()))
            .unwrap();
        (self.devices[n].disk.lookup(&dir).unwrap(), name)
    }

    pub(crate) fn id(&self, n: usize, text: &str) -> NodeId {
        self.devices[n].disk.lookup(&path(text)).unwrap()
    }

    pub(crate) fn make(&mut self, n: usize, path: &str, text: &str) -> NodeId {
        let (dir, name) = self.split(n, path);
        let kind = if path.ends_with('/') {
            Kind::Dir
        } else {
            file(text)
        };
        self.user(n).make(dir, name, kind).unwrap()
    }

    pub(crate) fn write(&mut self, n: usize, path: &str, text: &str) {
        let id = self.id(n, path);
        self.user(n).write(id, file(text));
    }

    /// Sets the time of a file, and leaves its bytes as they are.
    pub(crate) fn touch(&mut self, n: usize, path: &str, mtime_ns: i64) {
        let id = self.id(n, path);
        let mut kind = self.devices[n].disk.node(id).unwrap().kind.clone();
        if let Kind::File(file) = &mut kind {
            file.mtime_ns = mtime_ns;
        }
        self.user(n).write(id, kind);
    }

    /// Returns the time that a file has on a device.
    pub(crate) fn time_of(&self, n: usize, path: &str) -> i64 {
        let node = self.devices[n].disk.node(self.id(n, path)).unwrap();
        node.kind.file().unwrap().mtime_ns
    }

    pub(crate) fn delete(&mut self, n: usize, path: &str) {
        let id = self.id(n, path);
        self.user(n).delete(id);
    }

    pub(crate) fn rename(&mut self, n: usize, from: &str, to: &str) {
        let id = self.id(n, from);
        let (dir, name) = self.split(n, to);
        self.user(n).rename(id, dir, name);
    }

    pub(crate) fn swap(&mut self, n: usize, a: &str, b: &str) {
        let (a, b) = (self.id(n, a), self.id(n, b));
        let mut user: User<'_> = self.user(n);
        user.swap(a, b);
    }

    /// The first device brings everything to the server before the second one is heard; then all come to rest.
    pub(crate) fn meet(&mut self) {
        self.happen(FIRST, Event::Sync);
        self.quiet();
    }

    /// Looks whether the account has just this.
    pub(crate) fn has(&self, files: &[(&str, &str)]) {
        let row = |(path, text): &(&str, &str)| match path.strip_suffix('/') {
            Some(dir) => (dir.to_string(), Kind::Dir),
            None => ((*path).to_string(), file(text)),
        };
        let expected: Vec<_> = files.iter().map(row).collect();
        let tree: &Tree = &self.ledger.tree;
        let found = tree
            .iter()
            .map(|(id, item)| (tree.path(id).unwrap().to_string(), item.node.kind.clone()));
        let found: Vec<_> = found.collect();
        let missing: Vec<_> = expected.iter().filter(|row| !found.contains(row)).collect();
        let paths: BTreeSet<_> = found.iter().map(|(path, _)| path).collect();
        assert!(
            missing.is_empty() && found.len() == expected.len(),
            "missing {missing:?}, there are {paths:?}\n{}",
            self.trace()
        );
    }

    /// Returns the paths of what bears a conflict mark.
    pub(crate) fn conflicts(&self) -> Vec<String> {
        let marked = self
            .ledger
            .tree
            .iter()
            .filter(|(_, item)| item.node.mark.is_some());
        marked
            .map(|(id, _)| self.ledger.tree.path(id).unwrap().to_string())
            .collect()
    }
}
