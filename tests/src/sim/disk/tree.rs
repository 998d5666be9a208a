//! What is on the disk, for checks.

use super::SimDisk;
use super::fail::Fail;
use super::node::{Body, Id};
use super::state::State;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// A file.
    File {
        /// Its bytes.
        bytes: Arc<Vec<u8>>,
        /// Its permissions.
        mode: u32,
        /// When it was last modified, in nanoseconds since 1970.
        mtime_ns: i64,
        /// How many names it has.
        links: usize,
    },
    /// A directory.
    Dir {
        /// Its permissions.
        mode: u32,
    },
    /// A symbolic link and where it points.
    Symlink(Vec<u8>),
    /// A pipe.
    Pipe,
}

impl SimDisk {
    /// Returns everything below a directory as programs see it now, by its path from there on.
    ///
    /// # Errors
    /// When it is not there.
    pub fn tree(&self, dir: &str) -> io::Result<BTreeMap<Vec<u8>, Shown>> {
        let state = self.lock();
        let mut tree = BTreeMap::new();
        state.show(state.find_dir(dir.as_bytes())?, &[], &mut tree)?;
        Ok(tree)
    }

    /// Returns the names in a directory, in order.
    ///
    /// # Errors
    /// When it is not there or no directory.
    pub fn names(&self, dir: &str) -> io::Result<Vec<String>> {
        let state = self.lock();
        let entries = state.node(state.find_dir(dir.as_bytes())?)?.entries()?;
        let name = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        let mut names: Vec<String> = entries.values().map(|entry| name(&entry.name)).collect();
        names.sort_unstable();
        Ok(names)
    }
}

impl State {
    /// Returns the names in a directory, in no order.
    pub(super) fn listed(&mut self, id: Id) -> io::Result<Vec<Vec<u8>>> {
        let node = self.node(id)?;
        if node.troubles.is_damaged {
            return Err(Fail::Damaged.into());
        }
        let mut names: Vec<Vec<u8>> = node.entries()?.values().map(|entry| entry.name.clone()).collect();
        for at in (1..names.len()).rev() {
            let other = self.noise.number() % (at as u64 + 1);
            names.swap(at, other as usize);
        }
        Ok(names)
    }

    fn show(&self, dir: Id, path: &[u8], into: &mut BTreeMap<Vec<u8>, Shown>) -> io::Result<()> {
        for entry in self.node(dir)?.entries()?.values() {
            let mut at = path.to_vec();
            if !at.is_empty() {
                at.push(b'/');
            }
            at.extend_from_slice(&entry.name);
            let node = self.node(entry.id)?;
            let mode = node.attributes.mode;
            let shown = match &node.body {
                Body::File(bytes) => Shown::File {
                    bytes: bytes.clone(),
                    mode,
                    mtime_ns: node.attributes.mtime_ns,
                    links: node.names.len(),
                },
                Body::Dir(_) => {
                    self.show(entry.id, &at, into)?;
                    Shown::Dir { mode }
                }
                Body::Symlink(target) => Shown::Symlink(target.clone()),
                Body::Pipe => Shown::Pipe,
            };
            into.insert(at, shown);
        }
        Ok(())
    }
}
