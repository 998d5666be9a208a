//! Bursts of removals that come from the account. They are carried out, since the device that removed so much was asked by
//! its own brake; but whoever confirmed it there may have been wrong, or no person. So a burst that would have been held
//! here is told of, with the part of the journal that it is in, and what it took can be brought back.
//!
//! The law. A burst is told once nothing more of it has come for [`QUIET`], if more is lost by the removals within
//! [`LATELY`] than needs no person. What follows within [`LATELY`] belongs to it, and it is told again.

use crate::plan::{is_much, lost};
use crate::time::Instant;
use crate::{DeviceId, Node, NodeId, Tree, Version};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// A burst is judged when nothing of it has come for this long.
const QUIET: Duration = Duration::from_millis(500);
/// It is judged after this, however much follows.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Removals that are no further apart belong together.
const LATELY: Duration = Duration::from_secs(30);
/// So many removals are remembered at most; of more, the last.
const REMOVALS_MAX: usize = 1 << 20;

/// A burst of removals that came from the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Burst {
    /// How many nodes it took.
    pub removals: usize,
    /// How many there were before.
    pub nodes: usize,
    /// The device that took the last of them.
    pub device: DeviceId,
    /// Its first entry.
    pub first: Version,
    /// Its last entry so far.
    pub last: Version,
}

/// A removal.
#[derive(Debug, Clone, Hash)]
struct Removal {
    at: Instant,
    version: Version,
    device: DeviceId,
    id: NodeId,
    node: Arc<Node>,
}

/// See the module's page.
#[derive(Debug, Clone, Default, Hash)]
pub(super) struct Bursts {
    /// What was followed since the last plan, which has no time yet.
    unseen: Vec<(Version, DeviceId, NodeId, Arc<Node>)>,
    lately: VecDeque<Removal>,
    /// Since when there is something that was not judged.
    first: Option<Instant>,
    last: Option<Instant>,
    /// The burst that goes on, and until when what follows belongs to it.
    open: Option<(Burst, Instant)>,
}

impl Bursts {
    /// Notes a removal that is in the journal.
    pub(super) fn follow(&mut self, version: Version, device: DeviceId, id: NodeId, node: Arc<Node>) {
        self.unseen.push((version, device, id, node));
    }

    /// Takes in what was followed by now, but for what this device removed itself.
    pub(super) fn take_in(&mut self, own: DeviceId, now: Instant) {
        let unseen = core::mem::take(&mut self.unseen).into_iter();
        let foreign = unseen.filter(|(_, device, ..)| *device != own);
        let removals = foreign.map(|(version, device, id, node)| Removal {
            at: now,
            version,
            device,
            id,
            node,
        });
        let n_before = self.lately.len();
        self.lately.extend(removals);
        if n_before < self.lately.len() {
            self.first.get_or_insert(now);
            self.last = Some(now);
        }
        let n_many = self.lately.len().saturating_sub(REMOVALS_MAX);
        let n_old = self.lately.partition_point(|removal| LATELY < now - removal.at);
        self.lately.drain(..n_many.max(n_old));
    }

    /// When there is something to be judged.
    pub(super) fn next_due(&self) -> Option<Instant> {
        Some((self.last? + QUIET).min(self.first? + WAIT_MAX))
    }

    /// Judges what has come, if it is time to; `remote` is the account's tree after all of it.
    pub(super) fn judge(&mut self, remote: &Tree, now: Instant) -> Option<Burst> {
        if self.next_due().is_none_or(|due| now < due) {
            return None;
        }
        (self.first, self.last) = (None, None);
        let (first, last) = (self.lately.front()?.version, self.lately.back()?);
        let open = self.open.take().filter(|(_, until)| now <= *until);
        let nodes = remote.len() + self.lately.len();
        let burst = match open {
            Some((burst, _)) => Burst {
                removals: burst.removals + self.lately.len(),
                device: last.device,
                last: last.version,
                ..burst
            },
            None if self.is_loss(remote, nodes) => Burst {
                removals: self.lately.len(),
                nodes,
                device: last.device,
                first,
                last: last.version,
            },
            None => return None,
        };
        self.lately.clear();
        self.open = Some((burst, now + LATELY));
        Some(burst)
    }

    fn is_loss(&self, remote: &Tree, nodes: usize) -> bool {
        let n = self.lately.len();
        if 2 <= n && remote.is_empty() {
            return true;
        }
        let is_there = |removal: &&Removal| {
            let Node { parent, name, .. } = &*removal.node;
            remote.child(*parent, name).is_none()
        };
        let gone: Vec<(NodeId, &Node)> = self
            .lately
            .iter()
            .filter(is_there)
            .map(|removal| (removal.id, &*removal.node))
            .collect();
        // Whether a directory was empty is not known any more; those that were not count with what was in them.
        is_much(gone.len(), nodes) && is_much(lost(remote, &gone, &[], |_| false), nodes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::{Content, FileState, Kind};
    use crate::tree::Item;
    use crate::{Hash, Name};
    use proptest::prelude::*;

    const OWN: DeviceId = DeviceId([1; 16]);
    const OTHER: DeviceId = DeviceId([2; 16]);

    fn id(n: usize) -> NodeId {
        let mut id = [7; 16];
        id[..8].copy_from_slice(&(n as u64).to_be_bytes());
        NodeId(id)
    }

    fn node(n: usize) -> Arc<Node> {
        let content = Content {
            hash: Hash::of(&n.to_be_bytes()),
            size_bytes: 8,
            depth: 0,
        };
        let file = FileState {
            content,
            exec: false,
            mtime_ns: 0,
        };
        Arc::new(Node {
            parent: NodeId::ROOT,
            name: Name::new(alloc::format!("{n}").as_bytes()).unwrap(),
            kind: Kind::File(file),
            mark: None,
        })
    }

    proptest! {
        /// Files go one after the other, each removed by this device or another: a burst is told exactly when what others
        /// removed, without a pause, is more than may go without a person; and it names the entries that it is of.
        #[test]
        fn a_burst_from_the_account_is_told_exactly_when_it_would_have_been_held_here(
            n_files in 1_usize..200,
            owners in prop::collection::vec(any::<bool>(), 0..200),
            is_long_ago in any::<bool>(),
        ) {
            let mut remote = Tree::new();
            let items = (0..n_files).map(|n| (id(n), Some(Item { node: node(n), version: Version(1) })));
            remote.edit(items.collect::<Vec<_>>()).unwrap();
            let (mut bursts, mut now) = (Bursts::default(), Instant::default());
            let gone: Vec<bool> = owners.into_iter().take(n_files).collect();
            for (n, is_own) in gone.iter().enumerate() {
                let device = if *is_own { OWN } else { OTHER };
                bursts.follow(Version(n as u64 + 2), device, id(n), node(n));
                remote.edit([(id(n), None)]).unwrap();
                bursts.take_in(OWN, now);
                if is_long_ago {
                    now = now + 2 * LATELY;
                    bursts.take_in(OWN, now);
                }
                prop_assert_eq!(bursts.judge(&remote, now + QUIET / 2), None);
            }
            let told = bursts.judge(&remote, now + QUIET);
            let n_foreign = gone.iter().filter(|is_own| !**is_own).count();
            let nodes = remote.len() + n_foreign;
            let is_burst = !is_long_ago
                && (is_much(n_foreign, nodes) || 2 <= n_foreign && remote.is_empty());
            prop_assert_eq!(told.is_some(), is_burst);
            if let Some(burst) = told {
                let first = gone.iter().position(|is_own| !is_own).unwrap();
                prop_assert_eq!((burst.removals, burst.nodes, burst.device), (n_foreign, nodes, OTHER));
                prop_assert_eq!(burst.first, Version(first as u64 + 2));
            }
            prop_assert_eq!(bursts.judge(&remote, now + LATELY), None);
            prop_assert_eq!(bursts.next_due(), None);
        }
    }

    #[test]
    fn what_follows_a_burst_belongs_to_it() {
        let (mut bursts, mut now, remote) = (Bursts::default(), Instant::default(), Tree::new());
        let mut told = None;
        for n in 0..3 {
            bursts.follow(Version(n), OTHER, id(n as usize), node(n as usize));
            bursts.follow(Version(10 + n), OTHER, id(10 + n as usize), node(10 + n as usize));
            bursts.take_in(OWN, now);
            now = now + 2 * QUIET;
            told = bursts.judge(&remote, now);
        }
        let told = told.unwrap();
        assert_eq!(
            (told.removals, told.first, told.last),
            (6, Version(0), Version(12))
        );
    }
}
