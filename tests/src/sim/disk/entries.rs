//! Names: finding, making and removing them. Every change of names goes through one place, which keeps the nodes, the
//! log of what is not flushed yet and the watchers in step.

use super::durable::Op;
use super::fail::Fail;
use super::node::{Body, Entry, Id, Key, TOP};
use super::state::State;
use super::watch::Happened;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use unicode_normalization::UnicodeNormalization;

/// The longest name, in bytes.
const NAME_LEN_MAX: usize = 255;

/// What a name leads to from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) dir: Id,
    pub(super) key: Key,
    pub(super) to: Option<Entry>,
}

impl State {
    /// Returns a name as the disk compares it.
    pub(super) fn key_of(&self, name: &[u8]) -> io::Result<Key> {
        if name.is_empty() || name.contains(&b'/') || name.contains(&0) || name == b"." || name == b".." {
            return Err(Fail::Invalid.into());
        }
        if NAME_LEN_MAX < name.len() {
            return Err(Fail::TooLong.into());
        }
        let Ok(text) = std::str::from_utf8(name) else {
            return Ok(name.to_vec());
        };
        let text = match self.options.folds_form {
            true => text.nfd().collect(),
            false => text.to_owned(),
        };
        Ok(match self.options.folds_case {
            true => text.to_lowercase().into_bytes(),
            false => text.into_bytes(),
        })
    }

    /// Finds a name in a directory.
    pub(super) fn find(&self, dir: Id, name: &[u8]) -> io::Result<Id> {
        self.find_entry(dir, name)?.ok_or_else(|| Fail::NotFound.into())
    }

    pub(super) fn find_entry(&self, dir: Id, name: &[u8]) -> io::Result<Option<Id>> {
        let node = self.node(dir)?;
        let entries = node.entries()?;
        if node.troubles.is_denied {
            return Err(Fail::Denied.into());
        }
        Ok(entries.get(&self.key_of(name)?).map(|entry| entry.id))
    }

    /// Finds what a path from the top leads to.
    pub(super) fn find_path(&self, path: &[u8]) -> io::Result<Id> {
        let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
        self.walk(TOP, names)
    }

    /// Finds a directory.
    pub(super) fn find_dir(&self, path: &[u8]) -> io::Result<Id> {
        let id = self.find_path(path)?;
        self.node(id)?.entries()?;
        Ok(id)
    }

    /// Goes down over several names.
    pub(super) fn walk<'a>(&self, from: Id, names: impl Iterator<Item = &'a [u8]>) -> io::Result<Id> {
        let mut at = from;
        for name in names {
            at = self.find(at, name)?;
        }
        Ok(at)
    }

    /// Splits a path into the directory, which is found, and the last name.
    pub(super) fn find_parent<'a>(&self, path: &'a [u8]) -> io::Result<(Id, &'a [u8])> {
        let path = path.strip_suffix(b"/").unwrap_or(path);
        match path.iter().rposition(|byte| *byte == b'/') {
            Some(at) => Ok((self.find_dir(&path[..at])?, &path[at + 1..])),
            None => Ok((TOP, path)),
        }
    }

    pub(super) fn make_file(&mut self, dir: Id, name: &[u8], mode: u32) -> io::Result<Id> {
        self.make_entry(dir, name, Body::File(Arc::default()), Self::masked(mode))
    }

    pub(super) fn make_dir(&mut self, dir: Id, name: &[u8], mode: u32) -> io::Result<Id> {
        self.make_entry(dir, name, Body::Dir(BTreeMap::new()), Self::masked(mode))
    }

    pub(super) fn make_symlink(&mut self, dir: Id, name: &[u8], target: &[u8]) -> io::Result<Id> {
        if target.is_empty() {
            return Err(Fail::NotFound.into());
        }
        self.make_entry(dir, name, Body::Symlink(target.to_vec()), 0o777)
    }

    pub(super) fn make_pipe(&mut self, dir: Id, name: &[u8]) -> io::Result<Id> {
        self.make_entry(dir, name, Body::Pipe, Self::masked(0o666))
    }

    fn make_entry(&mut self, dir: Id, name: &[u8], body: Body, mode: u32) -> io::Result<Id> {
        if self.find_entry(dir, name)?.is_some() {
            return Err(Fail::Exists.into());
        }
        self.expect_living(dir)?;
        self.expect_space()?;
        let is_dir = matches!(body, Body::Dir(_));
        let id = self.make(body, mode);
        let to = Entry {
            name: name.to_vec(),
            id,
        };
        let change = self.change_to(dir, name, Some(to))?;
        let mut op = Op::new(vec![change]);
        op.made_dir = is_dir.then_some(id);
        self.commit(op);
        self.happened(dir, name, Happened::Created { is_dir });
        Ok(id)
    }

    /// Fails when a directory was removed, so that nothing can be made in it.
    pub(super) fn expect_living(&self, dir: Id) -> io::Result<()> {
        if dir == TOP || !self.node(dir)?.names.is_empty() {
            return Ok(());
        }
        Err(Fail::NotFound.into())
    }

    pub(super) fn unlink(&mut self, dir: Id, name: &[u8]) -> io::Result<()> {
        let id = self.find(dir, name)?;
        if self.node(id)?.is_dir() {
            return Err(Fail::IsDir.into());
        }
        let change = self.change_to(dir, name, None)?;
        self.commit(Op::new(vec![change]));
        self.happened(dir, name, Happened::Removed { is_dir: false });
        Ok(())
    }

    pub(super) fn remove_dir(&mut self, dir: Id, name: &[u8]) -> io::Result<()> {
        let id = self.find(dir, name)?;
        if !self.node(id)?.entries()?.is_empty() {
            return Err(Fail::NotEmpty.into());
        }
        let change = self.change_to(dir, name, None)?;
        let mut op = Op::new(vec![change]);
        op.removed_dir = Some(id);
        self.commit(op);
        self.happened(dir, name, Happened::Removed { is_dir: true });
        Ok(())
    }

    pub(super) fn change_to(&self, dir: Id, name: &[u8], to: Option<Entry>) -> io::Result<Change> {
        let key = self.key_of(name)?;
        Ok(Change { dir, key, to })
    }

    /// Makes changes of names together, and logs them as what a power cut leaves all or nothing of.
    pub(super) fn commit(&mut self, mut op: Op) {
        let stamp_ns = self.stamp_ns();
        let mut touched = Vec::new();
        for Change { dir, key, to } in &op.changes {
            let Some(dir_node) = self.nodes.get_mut(dir) else {
                continue;
            };
            dir_node.attributes.mtime_ns = stamp_ns;
            dir_node.attributes.ctime_ns = stamp_ns;
            let Body::Dir(entries) = &mut dir_node.body else {
                continue;
            };
            let slot = (*dir, key.clone());
            if let Some(old) = entries.remove(key) {
                touched.push(old.id);
                if let Some(node) = self.nodes.get_mut(&old.id) {
                    node.names.retain(|name| *name != slot);
                }
            }
            if let Some(new) = to {
                touched.push(new.id);
                if let Some(Body::Dir(entries)) = self.nodes.get_mut(dir).map(|node| &mut node.body) {
                    entries.insert(key.clone(), new.clone());
                }
                if let Some(node) = self.nodes.get_mut(&new.id) {
                    node.names.push(slot);
                }
            }
        }
        touched.sort_unstable();
        touched.dedup();
        for id in &touched {
            if let Some(node) = self.nodes.get_mut(id) {
                node.attributes.ctime_ns = stamp_ns;
            }
            self.forget_unused(*id);
        }
        op.ids = touched;
        self.durable.log(op);
    }
}
