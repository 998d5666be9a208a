//! What is known of the disk besides the local tree: each node's print, and which node an inode belongs to.

use std::collections::BTreeSet;

use sync_engine::observe::{Identities, Identity};
use sync_engine::{NodeId, PackedMap};

use crate::disk::Print;

/// See the module's page. About a hundred bytes a node.
#[derive(Debug, Default)]
pub(super) struct Known {
    prints: PackedMap<NodeId, Print>,
    /// Only the number, since a folder has one file system; the time of birth is compared with the print's.
    owners: PackedMap<u64, NodeId>,
    /// The nodes of inodes with several names, which change together though the system speaks of one name only.
    linked: BTreeSet<(u64, NodeId)>,
}

impl Known {
    /// Takes over what was known before.
    pub(super) fn new(prints: Vec<(NodeId, Print)>) -> Self {
        let linked = prints.iter().filter(|(_, print)| print.links > 1);
        let owners = prints.iter().filter(|(_, print)| print.inode != 0);
        Self {
            linked: linked.map(|(id, print)| (print.inode, *id)).collect(),
            owners: owners.map(|(id, print)| (print.inode, *id)).collect(),
            prints: prints.into_iter().collect(),
        }
    }

    /// Returns a node's print.
    pub(super) fn get(&self, id: NodeId) -> Option<&Print> {
        self.prints.get(&id)
    }

    /// Sets or forgets a node's print.
    pub(super) fn set(&mut self, id: NodeId, print: Option<Print>) {
        let old = match print {
            Some(print) => self.prints.insert(id, print),
            None => self.prints.remove(&id),
        };
        if let Some(old) = old {
            self.linked.remove(&(old.inode, id));
        }
        if let Some(print) = print.filter(|print| print.links > 1) {
            self.linked.insert((print.inode, id));
        }
        if let Some(old) = old.filter(|old| self.owners.get(&old.inode) == Some(&id)) {
            self.owners.remove(&old.inode);
        }
        if let Some(print) = print.filter(|print| print.inode != 0) {
            self.owners.insert(print.inode, id);
        }
    }

    /// Notes that a node's inode is another's by now. Its print stays until it is seen again.
    pub(super) fn disown(&mut self, id: NodeId) {
        let inode = self.prints.get(&id).map(|print| print.inode);
        if let Some(inode) = inode.filter(|inode| self.owners.get(inode) == Some(&id)) {
            self.owners.remove(&inode);
        }
    }

    /// Returns the other nodes that were names of the same file.
    pub(super) fn other_names(&self, id: NodeId, print: &Print) -> Vec<NodeId> {
        let (first, last) = ((print.inode, NodeId([0; 16])), (print.inode, NodeId([0xff; 16])));
        let names = self.linked.range(first..=last).map(|(_, name)| name);
        // One that was seen last when it was the only name is found by its inode.
        let names: BTreeSet<NodeId> = names.chain(self.owners.get(&print.inode)).copied().collect();
        names.into_iter().filter(|name| *name != id).collect()
    }

    /// Returns what a print says about who is who; nothing where it proves nothing: a file with several names, a disk
    /// without file ids, and an inode without a time of birth whose file also looks different.
    pub(super) fn identity(&self, print: &Print, is_file: bool) -> Option<Identity> {
        if print.inode == 0 || (is_file && print.links > 1) {
            return None;
        }
        if is_file && print.birth_ns == 0 {
            let known = self.owners.get(&print.inode).and_then(|id| self.prints.get(id))?;
            if !known.same_stamp(print) {
                return None;
            }
        }
        Some(identity(print))
    }
}

/// Returns a print's identity as the heart knows it.
pub(super) fn identity(print: &Print) -> Identity {
    Identity {
        device: print.device,
        inode: print.inode,
        birth_ns: print.birth_ns,
    }
}

impl Identities for Known {
    fn owner(&self, wanted: Identity) -> Option<NodeId> {
        let id = *self.owners.get(&wanted.inode)?;
        (identity(self.prints.get(&id)?) == wanted).then_some(id)
    }
}
