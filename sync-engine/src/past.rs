//! What stood at a path: names are made anew, directories move, so a path has led to one node after another.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use crate::id::{NodeId, Version};
use crate::name::{Name, RelPath};

/// A time in which a node was at one place: from the entry that put it there to the one that took it away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stay {
    /// The node.
    pub id: NodeId,
    /// The directory that it was in.
    pub parent: NodeId,
    /// Its name there.
    pub name: Name,
    /// The entry that put it there.
    pub from: Version,
    /// The entry that took it away; the largest number while it is there still.
    pub to: Version,
}

/// A time in which a node was at the path that was asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stood {
    /// The node.
    pub id: NodeId,
    /// The entry with which the path began to lead to it.
    pub from: Version,
    /// The entry with which the path ceased to. The largest number while it leads to it still.
    pub to: Version,
}

/// Returns when which nodes stood at a path, from where each node was when.
///
/// Law: a node stands at a path from one entry to before another exactly if in the tree after each entry in between the
/// path leads to it. The same node may stand there in several times that follow one another without a gap.
#[must_use]
pub fn stood(stays: &[Stay], path: &RelPath) -> Vec<Stood> {
    let mut here = vec![Stood {
        id: NodeId::ROOT,
        from: Version::ZERO,
        to: Version(u64::MAX),
    }];
    for name in &path.0 {
        let mut dirs: BTreeMap<NodeId, Vec<Stood>> = BTreeMap::new();
        for dir in here {
            dirs.entry(dir.id).or_default().push(dir);
        }
        let inside = stays.iter().filter(|stay| stay.name == *name);
        here = inside
            .flat_map(|stay| {
                let dirs = dirs.get(&stay.parent).map(Vec::as_slice).unwrap_or_default();
                dirs.iter().map(move |dir| Stood {
                    id: stay.id,
                    from: stay.from.max(dir.from),
                    to: stay.to.min(dir.to),
                })
            })
            .filter(|stood| stood.from < stood.to)
            .collect();
    }
    here
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use proptest::prelude::*;

    const N_IDS: u8 = 5;

    fn node_id(n: u8) -> NodeId {
        NodeId([n; 16])
    }

    fn name(n: u8) -> Name {
        Name::new(&[b'a' + n]).unwrap()
    }

    /// Where each node is, by its number; the root is 0.
    type Places = BTreeMap<u8, (u8, u8)>;

    fn lookup(places: &Places, path: &[u8]) -> Option<u8> {
        path.iter().try_fold(0, |at, wanted| {
            let mut inside = places
                .iter()
                .filter(|(_, (parent, name))| (*parent, *name) == (at, *wanted));
            inside.next().map(|(id, _)| *id)
        })
    }

    fn is_valid(places: &Places) -> bool {
        let mut seen = BTreeSet::new();
        let rooted = places.keys().all(|id| {
            let mut at = *id;
            for _ in 0..=N_IDS {
                match places.get(&at) {
                    _ if at == 0 => return true,
                    Some((parent, _)) => at = *parent,
                    None => return false,
                }
            }
            false
        });
        rooted && places.values().all(|place| seen.insert(*place))
    }

    proptest! {
        #[test]
        fn what_stood_at_a_path_is_what_the_path_led_to_at_each_version(
            steps in prop::collection::vec((1..=N_IDS, 0..=N_IDS, 0..3_u8, any::<bool>()), 0..40),
            path in prop::collection::vec(0..3_u8, 1..4),
        ) {
            let mut places = Places::new();
            let mut trees = vec![places.clone()];
            let mut stays: Vec<Stay> = Vec::new();
            for (id, parent, called, gone) in steps {
                let mut next = places.clone();
                if gone { next.remove(&id); } else { next.insert(id, (parent, called)); }
                if !is_valid(&next) || next == places {
                    continue;
                }
                let version = Version(trees.len() as u64);
                let open = |stay: &&mut Stay| stay.id == node_id(id) && stay.to == Version(u64::MAX);
                if let Some(stay) = stays.iter_mut().find(open) {
                    stay.to = version;
                }
                if !gone {
                    let (id, parent) = (node_id(id), node_id(parent));
                    stays.push(Stay { id, parent, name: name(called), from: version, to: Version(u64::MAX) });
                }
                places = next;
                trees.push(places.clone());
            }
            let found = stood(&stays, &RelPath(path.iter().map(|n| name(*n)).collect()));
            for (version, tree) in (0..).map(Version).zip(&trees) {
                let there: Vec<NodeId> = found
                    .iter()
                    .filter(|stood| stood.from <= version && version < stood.to)
                    .map(|stood| stood.id)
                    .collect();
                let expected: Vec<NodeId> = lookup(tree, &path).map(node_id).into_iter().collect();
                prop_assert_eq!(there, expected);
            }
        }
    }
}
