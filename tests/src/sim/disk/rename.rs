//! Renaming, exchanging and linking, each one change that a power cut leaves all or nothing of.

use super::durable::Op;
use super::fail::Fail;
use super::node::{Entry, Id};
use super::state::State;
use super::watch::Happened;
use std::io;

/// A name in a directory.
pub(super) type Slot<'a> = (Id, &'a [u8]);

impl State {
    /// Moves a name, unless the new one is taken.
    pub(super) fn rename_new(&mut self, from: Slot<'_>, to: Slot<'_>) -> io::Result<()> {
        let id = self.find(from.0, from.1)?;
        if self.find_entry(to.0, to.1)?.is_some() {
            return Err(Fail::Exists.into());
        }
        self.expect_living(to.0)?;
        if self.is_within(to.0, id) {
            return Err(Fail::Invalid.into());
        }
        self.move_name(id, from, to)
    }

    /// Moves a name in place of what is there.
    pub(super) fn rename_over(&mut self, from: Slot<'_>, to: Slot<'_>) -> io::Result<()> {
        let id = self.find(from.0, from.1)?;
        let Some(there) = self.find_entry(to.0, to.1)? else {
            return self.rename_new(from, to);
        };
        if self.is_within(to.0, id) && there != id {
            return Err(Fail::Invalid.into());
        }
        if self.is_within(from.0, there) && there != id {
            return Err(Fail::NotEmpty.into());
        }
        if there == id {
            let is_other_spelling =
                from.0 == to.0 && self.key_of(from.1)? == self.key_of(to.1)? && from.1 != to.1;
            return match is_other_spelling {
                true => self.move_name(id, from, to),
                // Two names of one file: the system leaves both.
                false => Ok(()),
            };
        }
        match (self.node(id)?.is_dir(), self.node(there)?.entries()) {
            (true, Err(_)) => return Err(Fail::NotDir.into()),
            (false, Ok(_)) => return Err(Fail::IsDir.into()),
            (true, Ok(entries)) if !entries.is_empty() => return Err(Fail::NotEmpty.into()),
            (true, Ok(_)) | (false, Err(_)) => (),
        }
        self.move_name(id, from, to)
    }

    fn move_name(&mut self, id: Id, from: Slot<'_>, to: Slot<'_>) -> io::Result<()> {
        let entry = Entry {
            name: to.1.to_vec(),
            id,
        };
        let is_dir = self.node(id)?.is_dir();
        let removed = self.find_entry(to.0, to.1)?;
        let mut op = Op::new(vec![
            self.change_to(from.0, from.1, None)?,
            self.change_to(to.0, to.1, Some(entry))?,
        ]);
        op.moves_dir = is_dir && from.0 != to.0;
        op.removed_dir = removed.filter(|removed| is_dir && *removed != id);
        self.commit(op);
        self.moved(id, from, to);
        Ok(())
    }

    /// Lets two names change places.
    pub(super) fn exchange(&mut self, a: Slot<'_>, b: Slot<'_>) -> io::Result<()> {
        if !self.options.can_exchange {
            return Err(Fail::Unsupported.into());
        }
        let (id_a, id_b) = (self.find(a.0, a.1)?, self.find(b.0, b.1)?);
        if id_a == id_b {
            return Ok(());
        }
        if self.is_within(b.0, id_a) || self.is_within(a.0, id_b) {
            return Err(Fail::Invalid.into());
        }
        let entry = |name: &[u8], id| {
            Some(Entry {
                name: name.to_vec(),
                id,
            })
        };
        let mut op = Op::new(vec![
            self.change_to(a.0, a.1, None)?,
            self.change_to(b.0, b.1, entry(b.1, id_a))?,
            self.change_to(a.0, a.1, entry(a.1, id_b))?,
        ]);
        op.moves_dir = a.0 != b.0 && (self.node(id_a)?.is_dir() || self.node(id_b)?.is_dir());
        self.commit(op);
        self.moved(id_a, a, b);
        self.moved(id_b, b, a);
        Ok(())
    }

    /// Gives a file another name.
    pub(super) fn link(&mut self, from: Slot<'_>, to: Slot<'_>) -> io::Result<()> {
        let id = self.find(from.0, from.1)?;
        if self.find_entry(to.0, to.1)?.is_some() {
            return Err(Fail::Exists.into());
        }
        self.expect_living(to.0)?;
        if self.node(id)?.is_dir() {
            return Err(Fail::Denied.into());
        }
        let entry = Entry {
            name: to.1.to_vec(),
            id,
        };
        let change = self.change_to(to.0, to.1, Some(entry))?;
        self.commit(Op::new(vec![change]));
        self.happened(to.0, to.1, Happened::Created { is_dir: false });
        Ok(())
    }

    fn moved(&mut self, id: Id, from: Slot<'_>, to: Slot<'_>) {
        let is_dir = self.nodes.get(&id).is_some_and(super::node::Node::is_dir);
        let cookie = self.watches.next_cookie();
        self.happened(from.0, from.1, Happened::MovedFrom { is_dir, cookie });
        self.happened(to.0, to.1, Happened::MovedTo { is_dir, cookie });
        self.root_moved(id);
    }

    /// Tells whether a directory is another one or below it.
    pub(super) fn is_within(&self, dir: Id, above: Id) -> bool {
        let mut at = Some(dir);
        while let Some(id) = at {
            if id == above {
                return true;
            }
            at = self
                .nodes
                .get(&id)
                .and_then(|node| node.names.first())
                .map(|(parent, _)| *parent);
        }
        false
    }
}
