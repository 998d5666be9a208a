//! The server's admission of a change: checks it against the account's tree as it is and says what it does to which
//! nodes, or why it is not taken. It reads the tree through [`View`], so that the same rules stand over a database and
//! over a tree in memory; it never writes. What it admits leaves a valid tree valid.

use crate::name::DEPTH_MAX;
use crate::{
    Bug, Change, Content, Guard, Hash, Kind, MoveTo, Name, Node, NodeId, Rejection, Version, planted,
};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// The most nodes in one [`Change::Move`].
pub const MOVES_MAX: usize = 4096;
/// The most directories that are walked through for one change.
const WALKED_MAX: usize = 64 * 1024;
/// The most nodes below moved directories that are counted for one change.
const MEASURED_MAX: usize = 16 * 1024;
/// How deep a directory may be moved that has more in it than is counted.
const DEPTH_MAX_UNMEASURED: usize = 128;

/// What admission has to know of an account. All answers must be of one moment: of one transaction.
pub trait View {
    /// Why the store could not answer.
    type Error;

    /// Returns a node that exists now, with its version. The root is not asked for.
    ///
    /// # Errors
    /// When the store could not answer.
    fn item(&self, id: NodeId) -> Result<Option<(Version, Node)>, Self::Error>;

    /// Returns the node that has a name in a directory now.
    ///
    /// # Errors
    /// When the store could not answer.
    fn child(&self, parent: NodeId, name: &Name) -> Result<Option<NodeId>, Self::Error>;

    /// Tells whether a directory has anything in it now.
    ///
    /// # Errors
    /// When the store could not answer.
    fn has_children(&self, id: NodeId) -> Result<bool, Self::Error>;

    /// Tells whether a node with this id exists or ever did.
    ///
    /// # Errors
    /// When the store could not answer.
    fn id_used(&self, id: NodeId) -> Result<bool, Self::Error>;

    /// Tells whether the account's store holds the chunk or list that a content names, with this depth and this size.
    /// The empty content is not asked for: it has no chunk.
    ///
    /// # Errors
    /// When the store could not answer.
    fn has_content(&self, content: &Content) -> Result<bool, Self::Error>;

    /// Returns how much is in a directory now, on all levels. It stops counting after `n_max` nodes.
    ///
    /// # Errors
    /// When the store could not answer.
    fn inside(&self, id: NodeId, n_max: usize) -> Result<Inside, Self::Error>;
}

/// How much is in a directory, on all levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inside {
    /// How many levels there are: none in an empty directory.
    pub levels: usize,
    /// How many nodes.
    pub nodes: usize,
}

/// What an admitted change does: each node's new value, or nothing when it is deleted. Their new version is the number
/// of the entry.
pub type Effects = Vec<(NodeId, Option<Node>)>;

/// Checks a change. The outer error is the store's, the inner one the answer to the device.
///
/// Law: applied as one edit to the valid tree that `view` shows, the effects leave a valid tree. A change that was
/// admitted and applied is rejected when it comes again. Of `view` no more is asked than a few questions for each node
/// that the change names and for each directory above these, however many of them stand below one directory.
///
/// # Errors
/// When the store could not answer.
pub fn admit<V: View>(view: &V, change: &Change) -> Result<Result<Effects, Rejection>, V::Error> {
    match check(view, change) {
        Ok(effects) => Ok(Ok(effects)),
        Err(Stop::Rejected(rejection)) => Ok(Err(rejection)),
        Err(Stop::View(error)) => Err(error),
    }
}

/// Checks what a group of changes relies on. The outer error is the store's, the inner one the answer to the device.
///
/// Law: whoever takes a group checks its guards first, then each change against the tree as those before it left it, all
/// within one transaction; at the first that is rejected everything is taken back. So a group is in the journal whole,
/// in one piece and in its order, or not at all; and what a guard names was at its version when the group was taken.
///
/// # Errors
/// When the store could not answer.
pub fn check_guards<V: View>(view: &V, guards: &[Guard]) -> Result<Result<(), Rejection>, V::Error> {
    for guard in guards {
        let version = view.item(guard.id)?.map(|(version, _)| version);
        if version != guard.version || guard.id == NodeId::ROOT {
            return Ok(Err(Rejection::Guarded(guard.id)));
        }
    }
    Ok(Ok(()))
}

enum Stop<E> {
    Rejected(Rejection),
    View(E),
}

impl<E> From<Rejection> for Stop<E> {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

fn check<V: View>(view: &V, change: &Change) -> Result<Effects, Stop<V::Error>> {
    match change {
        Change::Create { id, node } => create(view, *id, node),
        Change::Update { id, base, kind } => {
            let node = current(view, *id, *base)?;
            if !node.kind.same_type(kind) {
                return Err(Rejection::TypeChanged.into());
            }
            if kind.is_dir() {
                return Err(Rejection::Malformed.into());
            }
            check_content(view, kind)?;
            let kind = kind.clone();
            Ok([(*id, Some(Node { kind, ..node }))].into())
        }
        Change::Move { moves } => relocate(view, moves),
        Change::Delete { id, base } => {
            let node = current(view, *id, *base)?;
            let is_full = node.kind.is_dir() && view.has_children(*id).map_err(Stop::View)?;
            if is_full && !planted(Bug::AdmitDeleteFull) {
                return Err(Rejection::NotEmpty.into());
            }
            Ok([(*id, None)].into())
        }
        Change::Mark { id, base, mark } => {
            let node = current(view, *id, *base)?;
            if mark.as_ref().is_some_and(|mark| mark.with == *id) {
                return Err(Rejection::Malformed.into());
            }
            let mark = mark.clone();
            Ok([(*id, Some(Node { mark, ..node }))].into())
        }
    }
}

/// Returns the node if it is still at the version that the change was based on.
fn current<V: View>(view: &V, id: NodeId, base: Version) -> Result<Node, Stop<V::Error>> {
    if id == NodeId::ROOT {
        return Err(Rejection::Malformed.into());
    }
    match view.item(id).map_err(Stop::View)? {
        Some((version, node)) if version == base || planted(Bug::AdmitStale) => Ok(node),
        Some((version, _)) => Err(Rejection::Stale(Some(version)).into()),
        None => Err(Rejection::Stale(None).into()),
    }
}

fn create<V: View>(view: &V, id: NodeId, node: &Node) -> Result<Effects, Stop<V::Error>> {
    if id == NodeId::ROOT || node.mark.as_ref().is_some_and(|mark| mark.with == id) {
        return Err(Rejection::Malformed.into());
    }
    if view.id_used(id).map_err(Stop::View)? && !planted(Bug::AdmitUsedId) {
        return Err(Rejection::IdUsed.into());
    }
    check_parent(view, node.parent)?;
    if let Some(other) = view.child(node.parent, &node.name).map_err(Stop::View)?
        && !planted(Bug::AdmitTakenName)
    {
        return Err(Rejection::NameTaken(other).into());
    }
    Ways::new(view, &UNMOVED).depth_in(node.parent)?;
    check_content(view, &node.kind)?;
    Ok([(id, Some(node.clone()))].into())
}

fn relocate<V: View>(view: &V, moves: &[MoveTo]) -> Result<Effects, Stop<V::Error>> {
    if moves.is_empty() || moves.len() > MOVES_MAX {
        return Err(Rejection::Malformed.into());
    }
    let parents: BTreeMap<NodeId, NodeId> = moves.iter().map(|to| (to.id, to.parent)).collect();
    if parents.len() != moves.len() {
        return Err(Rejection::Malformed.into());
    }
    let mut effects = Vec::with_capacity(moves.len());
    let (mut places, mut before) = (BTreeMap::new(), Vec::with_capacity(moves.len()));
    for to in moves {
        let node = current(view, to.id, to.base)?;
        before.push((node.parent, node.kind.is_dir()));
        if let Some(other) = places.insert((to.parent, &to.name), to.id) {
            return Err(Rejection::NameTaken(other).into());
        }
        let (parent, name) = (to.parent, to.name.clone());
        effects.push((to.id, Some(Node { parent, name, ..node })));
    }
    let (mut ways, mut measure) = (Ways::new(view, &parents), Measure::new(view));
    for (to, (from, is_dir)) in moves.iter().zip(before) {
        if !ways.depths.contains_key(&to.parent) {
            check_parent(view, to.parent)?;
        }
        match view.child(to.parent, &to.name).map_err(Stop::View)? {
            Some(other) if !parents.contains_key(&other) => {
                return Err(Rejection::NameTaken(other).into());
            }
            Some(_) | None => (),
        }
        let depth = ways.depth_in(to.parent)?;
        if is_dir && from != to.parent {
            measure.check(to.id, from, depth)?;
        }
    }
    Ok(effects)
}

fn check_parent<V: View>(view: &V, parent: NodeId) -> Result<(), Stop<V::Error>> {
    if parent == NodeId::ROOT {
        return Ok(());
    }
    match view.item(parent).map_err(Stop::View)? {
        Some((_, node)) if node.kind.is_dir() => Ok(()),
        Some(_) | None => Err(Rejection::NoParent.into()),
    }
}

/// No moves.
static UNMOVED: BTreeMap<NodeId, NodeId> = BTreeMap::new();

/// How deep directories stand, as things will be after all `moved` have moved. Law: each directory is asked for once,
/// since what was walked through is remembered.
struct Ways<'v, V> {
    view: &'v V,
    moved: &'v BTreeMap<NodeId, NodeId>,
    /// The root is 0 deep. Of a directory that is being walked through it is not known yet.
    depths: BTreeMap<NodeId, Option<usize>>,
}

impl<'v, V: View> Ways<'v, V> {
    fn new(view: &'v V, moved: &'v BTreeMap<NodeId, NodeId>) -> Self {
        Self {
            view,
            moved,
            depths: BTreeMap::from([(NodeId::ROOT, Some(0))]),
        }
    }

    /// Returns how deep a node stands that is in a directory. The way up must end at the root, and not be too long.
    fn depth_in(&mut self, parent: NodeId) -> Result<usize, Stop<V::Error>> {
        let depth_max = DEPTH_MAX + usize::from(planted(Bug::AdmitTooDeep));
        let mut way = Vec::new();
        let mut above = parent;
        let top = loop {
            match self.depths.get(&above) {
                Some(Some(depth)) => break *depth,
                Some(None) if planted(Bug::AdmitCycle) => break 0,
                Some(None) => return Err(Rejection::Cycle.into()),
                None => (),
            }
            if depth_max <= way.len() || WALKED_MAX <= self.depths.len() {
                return Err(Rejection::TooDeep.into());
            }
            self.depths.insert(above, None);
            way.push(above);
            above = match self.moved.get(&above) {
                Some(parent) => *parent,
                None => match self.view.item(above).map_err(Stop::View)? {
                    Some((_, node)) => node.parent,
                    None => return Err(Rejection::NoParent.into()),
                },
            };
        };
        let depth = top + way.len() + 1;
        if depth_max < depth {
            return Err(Rejection::TooDeep.into());
        }
        for (n, dir) in (1..).zip(way) {
            self.depths.insert(dir, Some(depth - n));
        }
        Ok(depth)
    }
}

/// Sees to it that what is in a directory that is moved does not come to be too deep.
struct Measure<'v, V> {
    before: Ways<'v, V>,
    n_left: usize,
}

impl<'v, V: View> Measure<'v, V> {
    fn new(view: &'v V) -> Self {
        Self {
            before: Ways::new(view, &UNMOVED),
            n_left: MEASURED_MAX,
        }
    }

    /// Checks a directory that moves from another one to a depth. If more is in it than is counted, it may only come to
    /// stand where people have directories.
    fn check(&mut self, id: NodeId, from: NodeId, depth: usize) -> Result<(), Stop<V::Error>> {
        match self.before.depth_in(from) {
            Ok(before) if before < depth => (),
            // It comes to stand no deeper than before, or stood too deep already.
            Ok(_) | Err(Stop::Rejected(_)) => return Ok(()),
            Err(error) => return Err(error),
        }
        let view = self.before.view;
        let inside = view.inside(id, self.n_left + 1).map_err(Stop::View)?;
        let n_left = self.n_left.checked_sub(inside.nodes);
        self.n_left = n_left.unwrap_or(0);
        let depth_max = match n_left {
            Some(_) => DEPTH_MAX.saturating_sub(inside.levels),
            None => DEPTH_MAX_UNMEASURED,
        };
        if depth_max < depth {
            return Err(Rejection::TooDeep.into());
        }
        Ok(())
    }
}

fn check_content<V: View>(view: &V, kind: &Kind) -> Result<(), Stop<V::Error>> {
    let Some(content) = kind.file().map(|file| &file.content) else {
        return Ok(());
    };
    if content.size_bytes == 0 {
        let is_empty = content.depth == 0 && content.hash == Hash::of(b"");
        return if is_empty {
            Ok(())
        } else {
            Err(Rejection::Malformed.into())
        };
    }
    if view.has_content(content).map_err(Stop::View)? || planted(Bug::AdmitMissingContent) {
        Ok(())
    } else {
        Err(Rejection::MissingContent(content.hash).into())
    }
}
