//! Who is who on disk. The shell looks at places and says what it found there; this module says which node each thing
//! is: the one that was there, another one that has moved, or a new one. It decides from values alone; it never looks.
//!
//! The law: a place belongs to the node that was there. It becomes another node's only if it shows that node's
//! identity, and that node's own place does not keep it. So a file that is written anew and renamed over the old one
//! stays the same node, and so does one whose old bytes were put aside under another name; names that are swapped or
//! rotated are moves. What could not be looked at is unknown, and unknown is never gone.
//!
//! What is missed may also be inside a directory that came to stand in another's place, where nothing could look by the
//! tree's names. So before anything is said to be gone, such a directory is looked into, under a parent of its own.

use crate::plan::Place;
use crate::{Block, Bug, Kind, Name, NodeId, Tree, planted};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// What a disk calls a file, a directory or a symbolic link, whatever its name. The time of birth tells an inode from
/// a later one with the same number; it is zero where the disk has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// The file system.
    pub device: u64,
    /// The number of the inode, or the file id.
    pub inode: u64,
    /// When it was made, in nanoseconds since 1970.
    pub birth_ns: i64,
}

/// What a node can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeType {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Symlink,
}

impl NodeType {
    /// Returns the type of a node of this kind.
    #[must_use]
    pub fn of(kind: &Kind) -> Self {
        match kind {
            Kind::File(_) => Self::File,
            Kind::Dir => Self::Dir,
            Kind::Symlink(_) => Self::Symlink,
        }
    }
}

/// What a look at a place found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Surely nothing: the directory could be read and does not have the name.
    Absent,
    /// Something that can be a node.
    Present {
        /// What it is.
        node_type: NodeType,
        /// Its identity; nothing where it proves nothing, as for a file with several names.
        identity: Option<Identity>,
        /// The parent of the places in it, if this set has looks at all that is inside: the directory's own node where
        /// its identity has one, and else the node that it becomes if it is new.
        inside: Option<NodeId>,
    },
    /// Nothing, but the way there no longer leads through the directory: the place keeps no node, and yet nothing is
    /// known to be gone before the directory is found.
    Unreachable,
    /// The look failed, or found what cannot be a node.
    Unknown(Block),
}

/// The looks that are judged together: one for each place.
pub type Looks = BTreeMap<Place, Seen>;

/// The identities that the nodes of the local tree had when they were last seen.
pub trait Identities {
    /// Returns the node that has an identity; nothing when none has, or when it proves nothing.
    fn owner(&self, identity: Identity) -> Option<NodeId>;
}

/// What became of a node, or what is at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The node is at its place. Its bytes and attributes may have changed.
    Stays(NodeId),
    /// The node is at this place now. Its bytes and attributes may have changed.
    Moved(NodeId, Place),
    /// Something that no node was before is at this place.
    New(Place, NodeType),
    /// The node is nowhere; nor is what was inside it, but for what has moved out in the same verdicts.
    Gone(NodeId),
    /// The node's place could not be looked at, or shows what cannot be a node.
    Blocked(NodeId, Block),
    /// A place of no node could not be looked at, or shows what cannot be a node.
    Odd(Place, Block),
}

/// What a set of looks says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observation {
    /// At most one for each node and each place.
    pub verdicts: Vec<Verdict>,
    /// Looks without which some places of this set could not be judged: look at `undecided` and these together.
    pub need_look: Vec<Place>,
    /// The places of this set that could not be judged. If `need_look` is empty, look at them when all has settled.
    pub undecided: Vec<Place>,
    /// Those of them where a directory is that has to be looked into as well, in the same set, when all has settled.
    pub need_inside: Vec<Place>,
    /// Nodes that have not moved, and whose identities another node's place shows while their own do not: those identities
    /// are theirs no more. As long as one is taken for theirs, that other place can never be judged by itself.
    pub outdated: Vec<NodeId>,
}

/// Whether all that moved lately must be in sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Things may be on the move, and what is missed here may be found elsewhere: nothing is said to be gone.
    Fleeting,
    /// Everything that was reported before these looks has been judged.
    Settled,
}

/// Judges a set of looks. Each place is judged once; a node that no look concerns gets no verdict. What hangs together
/// by a possible move is judged together or not at all.
#[must_use]
pub fn observe(tree: &Tree, identities: &impl Identities, looks: &Looks, moment: Moment) -> Observation {
    let scene = Scene {
        tree,
        identities,
        looks,
    };
    let (claims, unlooked) = scene.claims();
    let moves = scene.moves(&claims);
    let mut verdicts = Vec::new();
    let (mut losses, mut replaced) = (BTreeSet::new(), BTreeSet::new());
    for (place, seen) in looks {
        let first = verdicts.len();
        scene.judge(place, seen, &moves, &mut verdicts);
        for (_, verdict) in &verdicts[first..] {
            match verdict {
                Verdict::Gone(_) => drop(losses.insert(place)),
                Verdict::Stays(id) if scene.is_other(*id, seen) => drop(replaced.insert(place)),
                Verdict::Stays(_)
                | Verdict::Moved(..)
                | Verdict::New(..)
                | Verdict::Blocked(..)
                | Verdict::Odd(..) => (),
            }
        }
    }
    let strangers = scene.strangers();
    let is_settled = moment == Moment::Settled || planted(Bug::GoneAtFirstGlance);
    let is_explored = is_settled && strangers.values().all(Option::is_some);
    let mut undecided: BTreeSet<&Place> = unlooked.iter().map(|(at, _)| *at).collect();
    undecided.extend(scene.circular(&moves, &strangers));
    if !is_explored || !replaced.is_empty() {
        undecided.extend(losses.iter().chain(&replaced));
    }
    scene.spread(&claims, &strangers, &mut undecided);
    if is_explored {
        // What was missed is not inside these, so they are what stood there. What is inside them has places by that,
        // and the rest is judged when it was looked at there.
        undecided.retain(|place| !replaced.contains(place));
    }
    verdicts.retain(|(place, _)| !undecided.contains(place));
    let need_inside = undecided
        .iter()
        .copied()
        .filter(|place| strangers.contains_key(place));
    let is_outdated = |(id, to): &(NodeId, &Place)| {
        let own = scene.own_place(*id).filter(|own| !undecided.contains(own));
        let shown = own.and_then(|own| looks.get(&own)).map(|seen| scene.shown(seen));
        !moves.contains_key(id) && !undecided.contains(to) && shown.is_some_and(|shown| shown != Some(*id))
    };
    let outdated = claims.into_iter().filter(is_outdated);
    Observation {
        outdated: outdated.map(|(id, _)| id).collect(),
        verdicts: verdicts.into_iter().map(|(_, verdict)| verdict).collect(),
        need_inside: match moment {
            Moment::Fleeting => Vec::new(),
            Moment::Settled => need_inside.cloned().collect(),
        },
        need_look: unlooked.into_iter().map(|(_, own)| own).collect(),
        undecided: undecided.into_iter().cloned().collect(),
    }
}

/// Returns the places of a directory's nodes that a complete listing of it lacks. They have to be looked at by name
/// before they are believed to be empty, since a thing may move while a directory is being read.
#[must_use]
pub fn unlisted(tree: &Tree, dir: NodeId, listed: &BTreeSet<Name>) -> Vec<Place> {
    tree.children(dir)
        .filter(|(name, _)| !listed.contains(*name))
        .map(|(name, _)| Place {
            parent: dir,
            name: name.clone(),
        })
        .collect()
}

/// Everything that a judgement rests on.
struct Scene<'a, I> {
    tree: &'a Tree,
    identities: &'a I,
    looks: &'a Looks,
}

/// Nodes by the places that show their identities and are not their own.
type Claims<'a> = BTreeMap<NodeId, &'a Place>;

/// Places that show the identity of a node whose own place was not looked at, with that.
type Unlooked<'a> = Vec<(&'a Place, Place)>;

/// Places where a directory is that is not the one of the tree, with the parent of the places in it if it was looked
/// into.
type Strangers<'a> = BTreeMap<&'a Place, Option<NodeId>>;

/// Returns the directories that were looked into, by the parents of the places in them.
fn insides<'a>(strangers: &Strangers<'a>) -> BTreeMap<NodeId, &'a Place> {
    let insides = strangers.iter();
    insides
        .filter_map(|(place, inside)| Some(((*inside)?, *place)))
        .collect()
}

impl<'a, I: Identities> Scene<'a, I> {
    fn occupant(&self, place: &Place) -> Option<NodeId> {
        self.tree.child(place.parent, &place.name)
    }

    fn type_of(&self, id: NodeId) -> Option<NodeType> {
        self.tree.node(id).map(|node| NodeType::of(&node.kind))
    }

    fn own_place(&self, id: NodeId) -> Option<Place> {
        self.tree.node(id).map(|node| Place {
            parent: node.parent,
            name: node.name.clone(),
        })
    }

    /// Returns the node of the same type whose identity is shown.
    fn shown(&self, seen: &Seen) -> Option<NodeId> {
        let Seen::Present {
            node_type, identity, ..
        } = seen
        else {
            return None;
        };
        let owner = self.identities.owner((*identity)?)?;
        (self.type_of(owner) == Some(*node_type)).then_some(owner)
    }

    /// Collects who may have moved where.
    fn claims(&self) -> (Claims<'a>, Unlooked<'a>) {
        let mut claims = BTreeMap::new();
        let mut unlooked = Vec::new();
        for (place, seen) in self.looks {
            let Some(owner) = self
                .shown(seen)
                .filter(|owner| self.occupant(place) != Some(*owner))
            else {
                continue;
            };
            match self.own_place(owner) {
                Some(own) if !self.looks.contains_key(&own) => unlooked.push((place, own)),
                // Looks of different moments may show one identity twice; the second is then judged as unknown.
                Some(_) => drop(claims.entry(owner).or_insert(place)),
                None => (),
            }
        }
        (claims, unlooked)
    }

    /// Finds the greatest set of claims that can stand together: all are taken for moves, then those are dropped
    /// that cannot be, until none is left to drop. A closed ring of names upholds itself.
    fn moves(&self, claims: &Claims<'a>) -> Claims<'a> {
        let mut moves = claims.clone();
        let mut doubtful: Vec<NodeId> = moves.keys().copied().collect();
        while let Some(id) = doubtful.pop() {
            let Some(&to) = moves.get(&id) else { continue };
            if self.vacates(id, &moves) && self.yields(to, id, &moves) {
                continue;
            }
            moves.remove(&id);
            // Only the node whose own place this claim would have filled, and the one that claims this node's place,
            // can be touched by that.
            doubtful.extend(self.occupant(to));
            let own = self.own_place(id).and_then(|own| self.looks.get(&own));
            doubtful.extend(own.and_then(|seen| self.shown(seen)));
        }
        moves
    }

    /// Tells whether a node's own place no longer keeps it.
    fn vacates(&self, id: NodeId, moves: &Claims<'a>) -> bool {
        let (Some(own), Some(own_type)) = (self.own_place(id), self.type_of(id)) else {
            return false;
        };
        match self.looks.get(&own) {
            None => false,
            // Whatever is there cannot be looked at, but what has one name only and shows itself elsewhere is not there.
            Some(Seen::Absent | Seen::Unreachable | Seen::Unknown(_)) => true,
            Some(Seen::Present { node_type, .. }) if *node_type != own_type => true,
            // A directory is its contents: one that is put aside takes them along, and what stands in its place is new.
            Some(seen) if own_type == NodeType::Dir => self.shown(seen) != Some(id),
            Some(seen) => match self.shown(seen) {
                Some(other) => other != id && moves.get(&other) == Some(&&own),
                None => false,
            },
        }
    }

    /// Tells whether a place lets another node in.
    fn yields(&self, place: &Place, to: NodeId, moves: &Claims<'a>) -> bool {
        let Some(occupant) = self.occupant(place) else {
            return true;
        };
        let same_type = self.type_of(occupant) == self.type_of(to);
        !same_type || self.tree.is_dir(to) || moves.contains_key(&occupant)
    }

    /// Finds the places of directories that would come to be inside themselves: what they moved into has moved out of them
    /// first, to somewhere that was not looked at yet.
    fn circular(&self, moves: &Claims<'a>, strangers: &Strangers<'a>) -> Vec<&'a Place> {
        let insides = insides(strangers);
        let parent_of = |id: NodeId| {
            let moved = moves.get(&id).map(|place| place.parent);
            moved
                .or_else(|| self.tree.node(id).map(|node| node.parent))
                .or_else(|| insides.get(&id).map(|place| place.parent))
        };
        // The directories that are known to lead to the top, so that each is gone through once.
        let mut sound = BTreeSet::new();
        let mut is_circular = |id: NodeId| {
            let (mut at, mut above) = (Some(id), BTreeSet::new());
            while let Some(dir) = at.filter(|dir| !sound.contains(dir)) {
                if !above.insert(dir) {
                    return true;
                }
                at = parent_of(dir);
            }
            sound.append(&mut above);
            false
        };
        let dirs = moves.iter().filter(|(id, _)| self.tree.is_dir(**id));
        dirs.filter(|(id, _)| is_circular(**id) && !planted(Bug::CircleBelieved))
            .map(|(_, to)| *to)
            .collect()
    }

    /// Tells whether another directory stands in a directory's place.
    fn is_other(&self, id: NodeId, seen: &Seen) -> bool {
        let has_identity = matches!(
            seen,
            Seen::Present {
                identity: Some(_),
                ..
            }
        );
        has_identity && self.tree.is_dir(id) && self.shown(seen) != Some(id)
    }

    /// Finds the directories that are not at their places of the tree.
    fn strangers(&self) -> Strangers<'a> {
        let stranger = |(place, seen): (&'a Place, &'a Seen)| match seen {
            Seen::Present {
                node_type: NodeType::Dir,
                identity: Some(_),
                inside,
            } => {
                let shown = self.shown(seen);
                (shown.is_none() || shown != self.occupant(place)).then_some((place, *inside))
            }
            Seen::Present { .. } | Seen::Absent | Seen::Unreachable | Seen::Unknown(_) => None,
        };
        self.looks.iter().filter_map(stranger).collect()
    }

    /// Enters all places that hang together with an undecided one, by a possible move or by being inside it.
    fn spread(&self, claims: &Claims<'a>, strangers: &Strangers<'a>, undecided: &mut BTreeSet<&'a Place>) {
        if undecided.is_empty() {
            return;
        }
        let own = |id: &NodeId| self.own_place(*id).and_then(|own| self.looks.get_key_value(&own));
        let by_claim = claims.iter().filter_map(|(id, to)| Some((own(id)?.0, *to)));
        let insides = insides(strangers);
        let by_parent = self
            .looks
            .keys()
            .filter_map(|place| Some((*insides.get(&place.parent)?, place)));
        let mut joined: BTreeMap<&Place, Vec<&Place>> = BTreeMap::new();
        for (one, other) in by_claim.chain(by_parent) {
            joined.entry(one).or_default().push(other);
            joined.entry(other).or_default().push(one);
        }
        let mut pending: Vec<&Place> = undecided.iter().copied().collect();
        while let Some(place) = pending.pop() {
            for other in joined.remove(place).into_iter().flatten() {
                if undecided.insert(other) {
                    pending.push(other);
                }
            }
        }
    }

    fn judge(
        &self,
        place: &'a Place,
        seen: &Seen,
        moves: &Claims<'a>,
        verdicts: &mut Vec<(&'a Place, Verdict)>,
    ) {
        let mut enter = |verdict| verdicts.push((place, verdict));
        let occupant = self.occupant(place);
        let newcomer = self.shown(seen).filter(|id| moves.get(id) == Some(&place));
        let leaves = |id: &NodeId| !moves.contains_key(id);
        match (seen, occupant) {
            (Seen::Absent, occupant) => occupant
                .filter(leaves)
                .map(Verdict::Gone)
                .into_iter()
                .for_each(enter),
            (Seen::Unreachable, _) => (),
            (Seen::Unknown(block), Some(id)) if leaves(&id) => enter(Verdict::Blocked(id, block.clone())),
            // What the rules leave out is nothing to tell of.
            (Seen::Unknown(Block::Ignored), _) => (),
            (Seen::Unknown(block), _) => enter(Verdict::Odd(place.clone(), block.clone())),
            (Seen::Present { node_type, .. }, _) => {
                let stays = newcomer.is_none()
                    && occupant
                        .is_some_and(|id| self.type_of(id) == Some(*node_type) && !moves.contains_key(&id));
                if let (false, Some(id)) = (stays, occupant.filter(leaves)) {
                    enter(Verdict::Gone(id));
                }
                enter(match (newcomer, occupant) {
                    (Some(id), _) => Verdict::Moved(id, place.clone()),
                    (None, Some(id)) if stays => Verdict::Stays(id),
                    (None, _) => Verdict::New(place.clone(), *node_type),
                });
            }
        }
    }
}
