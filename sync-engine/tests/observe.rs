//! Who is who on disk, tried on a simulated disk with inodes: whatever is done to it, the tree comes to equal it, and a
//! node keeps its id as far as the law says.

#![expect(clippy::unwrap_used, reason = "a test may stop at once")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use sync_engine::Place;
use sync_engine::observe::{
    Identities, Identity, Looks, Moment, NodeType, Observation, Seen, Verdict, observe,
};
use sync_engine::tree::Item;
use sync_engine::{Block, Content, FileState, Hash, Kind, Name, Node, NodeId, Tree, Version};

const ROOT: u64 = 0;

/// A disk: directories by inode, names to inodes. What is no directory and not odd is a file.
#[derive(Clone, Debug, Default)]
struct Disk {
    dirs: BTreeMap<u64, BTreeMap<u8, u64>>,
    /// What can be no node, such as a pipe.
    odd: BTreeSet<u64>,
    next: u64,
}

impl Disk {
    fn new() -> Self {
        let mut disk = Self::default();
        disk.dirs.insert(ROOT, BTreeMap::new());
        disk
    }

    fn dir(&self, nth: usize) -> u64 {
        *self.dirs.keys().nth(nth % self.dirs.len()).unwrap()
    }

    fn type_of(&self, inode: u64) -> NodeType {
        if self.dirs.contains_key(&inode) {
            NodeType::Dir
        } else {
            NodeType::File
        }
    }

    fn is_inside(&self, inode: u64, dir: u64) -> bool {
        let mut children = self.dirs.get(&dir).into_iter().flat_map(BTreeMap::values);
        inode == dir || children.any(|child| self.is_inside(inode, *child))
    }

    fn unlink(&mut self, dir: u64, name: u8) {
        let mut pending: Vec<u64> = self
            .dirs
            .get_mut(&dir)
            .unwrap()
            .remove(&name)
            .into_iter()
            .collect();
        while let Some(inode) = pending.pop() {
            pending.extend(self.dirs.remove(&inode).unwrap_or_default().into_values());
        }
    }

    fn make(&mut self, dir: u64, name: u8, node_type: NodeType) {
        let names = self.dirs.get_mut(&dir).unwrap();
        if names.contains_key(&name) {
            return;
        }
        self.next += 1;
        names.insert(name, self.next);
        if node_type == NodeType::Dir {
            self.dirs.insert(self.next, BTreeMap::new());
        }
    }

    /// Renames as rename(2) does; tells whether it could.
    fn rename(&mut self, from: (u64, u8), to: (u64, u8)) -> bool {
        let Some(inode) = self.dirs[&from.0].get(&from.1).copied() else {
            return false;
        };
        if from == to || self.is_inside(to.0, inode) {
            return false;
        }
        if let Some(over) = self.dirs[&to.0].get(&to.1).copied() {
            let is_full = self.dirs.get(&over).is_some_and(|names| !names.is_empty());
            if self.type_of(over) != self.type_of(inode) || is_full {
                return false;
            }
            self.unlink(to.0, to.1);
        }
        self.dirs.get_mut(&from.0).unwrap().remove(&from.1);
        self.dirs.get_mut(&to.0).unwrap().insert(to.1, inode);
        true
    }
}

#[derive(Clone, Debug)]
enum Deed {
    Make(usize, u8, NodeType),
    Rename(usize, u8, usize, u8),
    Exchange(usize, u8, usize, u8),
    Rewrite(usize, u8),
    Remove(usize, u8),
    /// A pipe takes the place of what is there, which moves elsewhere if it can.
    Displace(usize, u8, usize, u8),
}

fn deed() -> impl Strategy<Value = Deed> {
    let (dir, name) = (0..6_usize, 0..4_u8);
    let place = (dir, name);
    let two = (place.clone(), place.clone());
    let node_type = prop_oneof![Just(NodeType::File), Just(NodeType::Dir)];
    prop_oneof![
        3 => (place.clone(), node_type).prop_map(|((dir, name), kind)| Deed::Make(dir, name, kind)),
        4 => two.clone().prop_map(|((a, b), (c, d))| Deed::Rename(a, b, c, d)),
        1 => two.clone().prop_map(|((a, b), (c, d))| Deed::Exchange(a, b, c, d)),
        1 => two.prop_map(|((a, b), (c, d))| Deed::Displace(a, b, c, d)),
        1 => place.clone().prop_map(|(dir, name)| Deed::Rewrite(dir, name)),
        1 => place.prop_map(|(dir, name)| Deed::Remove(dir, name)),
    ]
}

fn apply(disk: &mut Disk, deed: &Deed) {
    match *deed {
        Deed::Make(dir, name, node_type) => disk.make(disk.dir(dir), name, node_type),
        Deed::Rename(from, a, to, b) => {
            disk.rename((disk.dir(from), a), (disk.dir(to), b));
        }
        Deed::Exchange(left, a, right, b) => {
            let (left, right) = ((disk.dir(left), a), (disk.dir(right), b));
            // By way of a name that no other deed makes.
            let before = disk.clone();
            if !(disk.rename(left, (ROOT, 99)) && disk.rename(right, left) && disk.rename((ROOT, 99), right))
            {
                *disk = before;
            }
        }
        Deed::Rewrite(dir, name) => {
            let dir = disk.dir(dir);
            let inode = disk.dirs[&dir].get(&name).copied();
            if inode.is_some_and(|inode| disk.type_of(inode) == NodeType::File) {
                disk.unlink(dir, name);
                disk.make(dir, name, NodeType::File);
            }
        }
        Deed::Remove(dir, name) => disk.unlink(disk.dir(dir), name),
        Deed::Displace(from, a, to, b) => {
            let (from, to) = (disk.dir(from), disk.dir(to));
            disk.rename((from, a), (to, b));
            disk.unlink(from, a);
            disk.make(from, a, NodeType::File);
            disk.odd.insert(disk.next);
        }
    }
}

/// What a client knows: the tree, and which node has which inode.
#[derive(Debug, Default)]
struct Client {
    tree: Tree,
    inodes: BTreeMap<NodeId, u64>,
    n_made: u64,
}

impl Identities for Client {
    fn owner(&self, identity: Identity) -> Option<NodeId> {
        self.owner_of(identity.inode)
    }
}

fn name(byte: u8) -> Name {
    Name::new(&[b'a' + byte]).unwrap()
}

fn identity(inode: u64) -> Option<Identity> {
    Some(Identity {
        device: 0,
        inode,
        birth_ns: 1,
    })
}

fn kind(node_type: NodeType) -> Kind {
    match node_type {
        NodeType::Dir => Kind::Dir,
        NodeType::File | NodeType::Symlink => Kind::File(FileState {
            content: Content {
                hash: Hash([0; 32]),
                size_bytes: 0,
                depth: 0,
            },
            exec: false,
            mtime_ns: 0,
        }),
    }
}

fn seen(disk: &Disk, inode: u64) -> Seen {
    if disk.odd.contains(&inode) {
        return Seen::Unknown(Block::UnsupportedType);
    }
    Seen::Present {
        node_type: disk.type_of(inode),
        identity: identity(inode),
        inside: None,
    }
}

fn inside_of(seen: &Seen) -> Option<NodeId> {
    match seen {
        Seen::Present { inside, .. } => *inside,
        Seen::Absent | Seen::Unreachable | Seen::Unknown(_) => None,
    }
}

impl Client {
    fn owner_of(&self, inode: u64) -> Option<NodeId> {
        let mut owners = self.inodes.iter().filter(|(_, other)| **other == inode);
        owners.next().map(|(id, _)| *id)
    }

    /// Looks at all of the disk, as far as its directories are known, until there is nothing new.
    fn look(&mut self, disk: &Disk) {
        let (mut moment, mut inside) = (Moment::Fleeting, Vec::new());
        for _ in 0..60 {
            let mut looks = self.looks(disk);
            self.explore(disk, inside, &mut looks);
            let observation = observe(&self.tree, self, &looks, moment);
            assert!(observation.need_look.is_empty(), "all was looked at");
            inside = observation.need_inside.clone();
            let before = (self.tree.clone(), self.inodes.clone());
            self.enter(&looks, observation);
            let is_same = (&self.tree, &self.inodes) == (&before.0, &before.1);
            moment = match moment {
                _ if !inside.is_empty() => Moment::Settled,
                _ if !is_same => Moment::Fleeting,
                Moment::Fleeting => Moment::Settled,
                Moment::Settled => return,
            };
        }
        panic!("it does not come to an end");
    }

    /// What is at each place of each known directory; a way may lead elsewhere by now.
    fn looks(&self, disk: &Disk) -> Looks {
        let dirs = self
            .tree
            .iter()
            .map(|(id, _)| id)
            .filter(|id| self.tree.is_dir(*id));
        let mut looks = Looks::new();
        for parent in dirs.chain([NodeId::ROOT]) {
            let names = self.reach(disk, parent).and_then(|inode| disk.dirs.get(&inode));
            for byte in 0..4 {
                let seen = match names.map(|names| names.get(&byte)) {
                    Some(Some(inode)) => seen(disk, *inode),
                    Some(None) => Seen::Absent,
                    None => Seen::Unreachable,
                };
                let name = name(byte);
                looks.insert(Place { parent, name }, seen);
            }
        }
        looks
    }

    /// Looks at all that is inside the directories that are at these places.
    fn explore(&mut self, disk: &Disk, mut pending: Vec<Place>, looks: &mut Looks) {
        while let Some(place) = pending.pop() {
            let Some(Seen::Present { identity, inside, .. }) = looks.get_mut(&place) else {
                continue;
            };
            let inode = identity.unwrap().inode;
            let parent = self.owner_of(inode).unwrap_or_else(|| self.new_id());
            *inside = Some(parent);
            for (byte, inode) in &disk.dirs[&inode] {
                let name = name(*byte);
                looks.insert(
                    Place {
                        parent,
                        name: name.clone(),
                    },
                    seen(disk, *inode),
                );
                if disk.type_of(*inode) == NodeType::Dir {
                    pending.push(Place { parent, name });
                }
            }
        }
    }

    fn new_id(&mut self) -> NodeId {
        self.n_made += 1;
        NodeId(u128::from(self.n_made).to_be_bytes())
    }

    /// Goes the way to a directory, by whatever stands at the names; nothing if it does not lead there.
    fn reach(&self, disk: &Disk, id: NodeId) -> Option<u64> {
        let inode = self.at_path(disk, id)?;
        (id == NodeId::ROOT || self.inodes.get(&id) == Some(&inode)).then_some(inode)
    }

    fn at_path(&self, disk: &Disk, id: NodeId) -> Option<u64> {
        if id == NodeId::ROOT {
            return Some(ROOT);
        }
        let node = self.tree.node(id)?;
        let above = self.at_path(disk, node.parent)?;
        let byte = node.name.as_bytes()[0] - b'a';
        disk.dirs.get(&above)?.get(&byte).copied()
    }

    fn enter(&mut self, looks: &Looks, observation: Observation) {
        let mut edits: BTreeMap<NodeId, Option<Item>> = BTreeMap::new();
        let mut inodes = Vec::new();
        let moved: BTreeSet<NodeId> = observation.verdicts.iter().filter_map(moved).collect();
        for verdict in observation.verdicts {
            let (id, place) = match verdict {
                Verdict::Stays(id) => {
                    let node = self.tree.node(id).unwrap();
                    let (parent, name) = (node.parent, node.name.clone());
                    (id, Place { parent, name })
                }
                Verdict::Moved(id, place) => (id, place),
                Verdict::New(place, _) => {
                    let id = inside_of(&looks[&place]).unwrap_or_else(|| self.new_id());
                    (id, place)
                }
                Verdict::Gone(id) => {
                    self.remove(id, &moved, &mut edits);
                    continue;
                }
                Verdict::Blocked(..) | Verdict::Odd(..) => continue,
            };
            let Seen::Present {
                node_type, identity, ..
            } = &looks[&place]
            else {
                panic!("it was seen")
            };
            inodes.push((id, identity.unwrap().inode));
            let node = Arc::new(Node {
                parent: place.parent,
                name: place.name,
                kind: kind(*node_type),
                mark: None,
            });
            let version = Version::ZERO;
            let old = edits.insert(id, Some(Item { node, version }));
            assert!(old.flatten().is_none(), "there is one verdict for each node");
        }
        self.inodes
            .retain(|id, _| edits.get(id).is_none_or(Option::is_some));
        self.inodes.retain(|id, _| !observation.outdated.contains(id));
        self.tree.edit(edits).expect("verdicts make a valid tree");
        self.inodes.extend(inodes);
    }

    fn remove(&self, id: NodeId, moved: &BTreeSet<NodeId>, edits: &mut BTreeMap<NodeId, Option<Item>>) {
        let mut pending = vec![id];
        while let Some(id) = pending.pop() {
            if !moved.contains(&id) {
                edits.insert(id, None);
                pending.extend(self.tree.children(id).map(|(_, id)| id));
            }
        }
    }

    fn assert_equals(&self, disk: &Disk) {
        let mut pending = vec![(NodeId::ROOT, ROOT)];
        while let Some((id, inode)) = pending.pop() {
            // What a pipe has displaced keeps its place.
            let (odd, rest): (Vec<_>, Vec<_>) = disk.dirs[&inode]
                .iter()
                .partition(|(_, inode)| disk.odd.contains(inode));
            let odd: Vec<Name> = odd.into_iter().map(|(byte, _)| name(*byte)).collect();
            let names = self.tree.children(id).map(|(name, _)| name.clone());
            let names: Vec<Name> = names.filter(|name| !odd.contains(name)).collect();
            let on_disk: Vec<Name> = rest.iter().map(|(byte, _)| name(**byte)).collect();
            assert_eq!(names, on_disk);
            for (byte, inode) in rest {
                let child = self.tree.child(id, &name(*byte)).unwrap();
                assert_eq!(
                    NodeType::of(&self.tree.node(child).unwrap().kind),
                    disk.type_of(*inode)
                );
                assert_eq!(self.inodes[&child], *inode);
                if disk.type_of(*inode) == NodeType::Dir {
                    pending.push((child, *inode));
                }
            }
        }
    }
}

fn moved(verdict: &Verdict) -> Option<NodeId> {
    match verdict {
        Verdict::Moved(id, _) => Some(*id),
        Verdict::Stays(_) | Verdict::New(..) | Verdict::Gone(_) | Verdict::Blocked(..) | Verdict::Odd(..) => {
            None
        }
    }
}

/// A client that knows the disk as `first` made it, and the disk after `then`.
fn world(first: &[Deed], then: &[Deed]) -> (Disk, Client) {
    let (mut disk, mut client) = (Disk::new(), Client::default());
    first.iter().for_each(|deed| apply(&mut disk, deed));
    client.look(&disk);
    client.assert_equals(&disk);
    then.iter().for_each(|deed| apply(&mut disk, deed));
    (disk, client)
}

fn deeds(count_max: usize) -> impl Strategy<Value = Vec<Deed>> {
    proptest::collection::vec(deed(), 0..count_max)
}

fn cases() -> u32 {
    let cases = std::env::var("HOLDFAST_CASES").ok();
    cases.and_then(|cases| cases.parse().ok()).unwrap_or(1500)
}

#[test]
fn a_directory_moves_into_one_that_was_in_it_and_is_in_what_took_its_place() {
    let (mut disk, mut client) = (Disk::new(), Client::default());
    disk.make(ROOT, 0, NodeType::Dir);
    let outer = disk.dirs[&ROOT][&0];
    disk.make(outer, 1, NodeType::Dir);
    let inner = disk.dirs[&outer][&1];
    client.look(&disk);
    let ids = [outer, inner].map(|inode| client.owner_of(inode).unwrap());
    assert!(disk.rename((ROOT, 0), (ROOT, 2)));
    disk.make(ROOT, 0, NodeType::Dir);
    let other = disk.dirs[&ROOT][&0];
    assert!(disk.rename((outer, 1), (other, 1)) && disk.rename((ROOT, 2), (inner, 3)));
    client.look(&disk);
    client.assert_equals(&disk);
    assert_eq!([outer, inner].map(|inode| client.owner_of(inode).unwrap()), ids);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_done_to_a_disk_the_tree_comes_to_equal_it(first in deeds(20), then in deeds(12)) {
        let (disk, mut client) = world(&first, &then);
        let (before, known) = (client.tree.clone(), client.inodes.clone());
        client.look(&disk);
        client.assert_equals(&disk);
        for (&id, &inode) in &known {
            let Some(owner) = client.owner_of(inode) else { continue };
            let (then, now) = (before.node(id).unwrap(), client.tree.node(owner).unwrap());
            // What is where it was is what it was, and a directory that lives is the same wherever it is. A file that has
            // moved may have been put aside by whoever writes it anew, or have replaced another one.
            let is_put_aside = client.tree.child(then.parent, &then.name).is_some_and(|at| !client.tree.is_dir(at));
            let is_over_another = before.child(now.parent, &now.name).is_some_and(|at| !before.is_dir(at));
            if before.is_dir(id) || then.same_place(now) || !is_put_aside && !is_over_another {
                prop_assert_eq!(owner, id);
            }
        }
    }

    #[test]
    fn what_was_judged_with_all_else_can_be_judged_alone_from_then_on(first in deeds(20), then in deeds(12)) {
        let (disk, mut client) = world(&first, &then);
        client.look(&disk);
        for look in client.looks(&disk) {
            let alone = observe(&client.tree, &client, &[look].into(), Moment::Fleeting);
            prop_assert!(alone.need_look.is_empty(), "{:?}", alone);
        }
    }

    #[test]
    fn nothing_is_said_to_be_gone_while_things_are_on_the_move(first in deeds(20), then in deeds(12)) {
        let (disk, client) = world(&first, &then);
        let looks = client.looks(&disk);
        for verdict in observe(&client.tree, &client, &looks, Moment::Fleeting).verdicts {
            prop_assert!(!matches!(verdict, Verdict::Gone(_)));
        }
    }

    #[test]
    fn what_some_looks_say_of_moves_is_what_all_say(first in deeds(20), then in deeds(12), mask in any::<u64>()) {
        let (disk, client) = world(&first, &then);
        let looks = client.looks(&disk);
        let all = observe(&client.tree, &client, &looks, Moment::Settled);
        let some = looks.into_iter().enumerate().filter(|(i, _)| (mask >> (i % 64)) & 1 == 1);
        let some: Looks = some.map(|(_, look)| look).collect();
        for verdict in observe(&client.tree, &client, &some, Moment::Fleeting).verdicts {
            prop_assert!(moved(&verdict).is_none() || all.verdicts.contains(&verdict));
        }
    }
}
