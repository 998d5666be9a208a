//! What the server says of the account: the journal as a snapshot or entry by entry. The chain of hashes shows that it is
//! the same journal as before.

use super::{Link, Session, Tell};
use crate::advance::{self, Delta, Origin};
use crate::chain::{Cursor, chain_next};
use crate::parts::{NODE_LEN, Parts, PartsError};
use crate::trail::Point;
use crate::tree::Item;
use crate::{Bug, Change, DeviceId, Entry, Epoch, Hash, Node, NodeId, TreeError, Version, planted};
use alloc::vec::Vec;

/// Why nothing can be done with what a server has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// It has no end, or is too large.
    #[error(transparent)]
    Parts(#[from] PartsError),
    /// It is no tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

impl Session {
    /// A connection is there. The journal is asked for from where it was left, unless the store is another one by now.
    pub fn connected(&mut self, epoch: Epoch, head: Version) {
        self.link = Some(Link {
            head,
            ..Link::default()
        });
        self.holds.wake_all();
        self.pace.want();
        match self.cursor {
            Some(cursor) if cursor.epoch != epoch && !planted(Bug::EpochIgnored) => self.put_back(),
            cursor => self.pull(cursor),
        }
    }

    /// The connection is lost: what was under way at the server is looked at anew when there is another.
    pub fn disconnected(&mut self) {
        self.link = None;
        let changes = self.outbox.drain();
        self.release(&changes);
        self.heals.clear();
        self.proof.disconnect();
    }

    pub(super) fn pull(&mut self, cursor: Option<Cursor>) {
        if let Some(link) = &mut self.link {
            link.is_pulled = false;
            link.snapshot = Parts::default();
            self.tells.push(Tell::Pull(cursor));
        }
    }

    /// Takes a part of the tree as it is at `cursor`; after the last one it is the remote tree.
    ///
    /// # Errors
    /// When what the server has is no valid tree, or too large a one: nothing can be done with this server.
    pub fn snapshot(
        &mut self,
        nodes: Vec<(NodeId, Version, Node)>,
        cursor: Cursor,
        is_last: bool,
    ) -> Result<(), SnapshotError> {
        let Some(link) = &mut self.link else {
            return Ok(());
        };
        link.snapshot.add(nodes, is_last, self.limits.tree_len_max)?;
        if !is_last {
            return Ok(());
        }
        let items = core::mem::take(&mut link.snapshot).into_items();
        link.is_pulled = true;
        link.head = link.head.max(cursor.version);
        self.enter_tree(items)?;
        self.is_doubted = false;
        self.pass(cursor);
        self.disturb();
        Ok(())
    }

    /// Enters all that the server has.
    fn enter_tree(&mut self, items: Vec<(NodeId, Item)>) -> Result<(), TreeError> {
        self.touch_forgotten();
        let search = self.link.as_mut().and_then(|link| link.search.take());
        let delta = if let Some(search) = search {
            let common = self.common(&search, &items);
            self.turn_back(common);
            advance::rewind(&mut self.trees, items, common)?
        } else {
            let remote = items.iter().map(|(id, _)| *id).collect();
            self.trees.forget_remote();
            self.trees
                .edit_remote(items.into_iter().map(|(id, item)| (id, Some(item))).collect())?;
            Delta {
                remote,
                ..Delta::default()
            }
        };
        self.touch(delta);
        Ok(())
    }

    /// Completes an entry that a commit of this connection became, and says where it comes from. Nothing if there is no
    /// such commit: the journal is not what it seems then.
    #[must_use]
    pub fn own_entry(
        &self,
        request: u64,
        index: u32,
        number: Version,
        device: DeviceId,
        time_ms: u64,
    ) -> Option<(Entry, Origin)> {
        let (change, origin) = self.outbox.change(request, index)?;
        let change = change.clone();
        let entry = Entry {
            number,
            device,
            time_ms,
            change,
        };
        Some((entry, origin))
    }

    /// Tells whether entries are expected at all: none are between a divergence and the snapshot that follows.
    #[must_use]
    pub fn follows(&self) -> bool {
        self.cursor.is_some() && self.link.as_ref().is_some_and(|link| link.search.is_none())
    }

    /// Follows the journal by one entry. Returns whether it fits; if not, the rest of what came with it is not read.
    pub fn follow(&mut self, entry: &Entry, origin: Origin) -> bool {
        let Some(cursor) = self.cursor.filter(|_| self.follows()) else {
            return false;
        };
        if entry.number != cursor.version.next() && !planted(Bug::NumberIgnored) {
            self.diverged();
            return false;
        }
        let removed = match entry.change {
            Change::Delete { id, .. } => self.trees.remote().node(id).map(|node| (id, node.clone())),
            Change::Create { .. } | Change::Update { .. } | Change::Move { .. } | Change::Mark { .. } => None,
        };
        let Ok(delta) = advance::accept(&mut self.trees, entry, origin) else {
            self.diverged();
            return false;
        };
        if let Some((id, node)) = removed {
            self.bursts.follow(entry.number, entry.device, id, node);
        }
        self.touch(delta);
        if self.limits.tree_len_max / NODE_LEN < self.trees.remote().len() {
            // What the server has is too large, and its snapshot will say so.
            self.diverged();
            return false;
        }
        if origin != Origin::Planned {
            self.pace.want();
        }
        self.proof.disturb();
        self.pass(Cursor {
            version: entry.number,
            chain: chain_next(&cursor.chain, entry),
            ..cursor
        });
        true
    }

    /// Holds what was followed against the chain's hash that the server says, and notes the server's newest entry.
    pub fn followed(&mut self, chain: &Hash, head: Version) {
        let Some(cursor) = self.cursor.filter(|_| self.follows()) else {
            return;
        };
        if cursor.chain != *chain && !planted(Bug::ChainIgnored) {
            return self.diverged();
        }
        if self.is_doubted {
            self.unite();
        }
        if let Some(link) = &mut self.link {
            link.head = link.head.max(head);
            if !link.is_pulled && link.head <= cursor.version {
                link.is_pulled = true;
                self.pace.want();
            }
        }
    }

    /// The server's journal is not the one that this device followed: both sides are united, and nothing is deleted.
    pub fn diverged(&mut self) {
        self.unite();
        self.turn_back(Version::ZERO);
        self.cursor = None;
        self.tells.push(Tell::Diverged);
        self.pull(None);
    }

    /// The server takes this device for a copy of another, or for one that was put back to an older state. If its journal
    /// is the one that was followed, that is so: the bases are forgotten. Else it is the server that was put back, and
    /// knows only of the device's past.
    pub fn doubt(&mut self) {
        self.is_doubted = true;
        self.unsaved.facts = true;
    }

    /// Forgets what both sides agreed on: the next plans unite them.
    fn unite(&mut self) {
        self.is_doubted = false;
        self.unsaved.facts = true;
        self.touch_forgotten();
        self.trees.forget_bases();
        self.call_back();
    }

    /// Notes all nodes that the remote tree or the bases have, before these are forgotten.
    fn touch_forgotten(&mut self) {
        let remote = self.trees.remote().iter().map(|(id, _)| id);
        let synced = self.trees.bases().map(|(id, _)| id);
        self.unsaved.nodes.extend(remote.chain(synced));
    }

    /// Gives up all changes that are on their way.
    pub(super) fn call_back(&mut self) {
        let changes = self.outbox.drain();
        self.release(&changes);
    }

    /// Forgets the trail after an entry.
    fn turn_back(&mut self, to: Version) {
        self.unsaved.trail.extend(self.trail.turn_back(to));
    }

    /// Notes up to where the remote tree is known.
    fn pass(&mut self, cursor: Cursor) {
        let Cursor { version, chain, .. } = cursor;
        self.unsaved
            .trail
            .extend(self.trail.enter(Point { version, chain }));
        self.cursor = Some(cursor);
        self.unsaved.facts = true;
    }
}
