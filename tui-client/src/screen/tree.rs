//! The folder as a tree: the listings that were asked for, and the flat list of rows that they make. A listing is
//! asked for when its directory is opened; a row is an index, so that a directory of 100,000 entries stays quick.

use std::collections::{BTreeMap, BTreeSet};

use sync_engine::{Name, NodeId, RelPath};

use super::cursor::Cursor;
use crate::control::{ItemKind, ItemState, ListItem};

/// The tree.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree {
    listings: BTreeMap<NodeId, Listing>,
    open: BTreeSet<NodeId>,
    /// The marked nodes.
    pub marked: BTreeSet<NodeId>,
    rows: Vec<Row>,
    filter: String,
    /// A path to select as soon as the listings on its way are there.
    sought: Option<RelPath>,
}

#[derive(Debug, Clone)]
struct Listing {
    /// Where the directory is; nothing for the root.
    place: Option<(NodeId, Name)>,
    items: Vec<ListItem>,
}

/// A row of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    dir: NodeId,
    index: usize,
    /// How many directories are around it.
    pub depth: usize,
    /// Whether the filter matches it itself, not only something inside it.
    pub matches: bool,
}

impl Tree {
    /// Returns the rows.
    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Tells whether the root has been listed.
    pub(crate) fn is_known(&self) -> bool {
        self.listings.contains_key(&NodeId::ROOT)
    }

    /// Returns the node of a row.
    pub(crate) fn item(&self, row: Row) -> Option<&ListItem> {
        self.listings.get(&row.dir)?.items.get(row.index)
    }

    /// Returns the node at a place in the list.
    pub(crate) fn item_at(&self, index: usize) -> Option<&ListItem> {
        self.item(*self.rows.get(index)?)
    }

    /// Returns the path of a row.
    pub(crate) fn path(&self, row: Row) -> Option<RelPath> {
        let path = self.dir_path(row.dir)?;
        Some(path.join(&self.item(row)?.name))
    }

    /// Returns the path at a place in the list.
    pub(crate) fn path_at(&self, index: usize) -> Option<RelPath> {
        self.path(*self.rows.get(index)?)
    }

    /// Returns the paths of the marked nodes that are listed.
    pub(crate) fn marked_paths(&self) -> Vec<RelPath> {
        let rows = self.rows.iter();
        rows.filter(|row| {
            self.item(**row)
                .is_some_and(|item| self.marked.contains(&item.id))
        })
        .filter_map(|row| self.path(*row))
        .collect()
    }

    fn dir_path(&self, dir: NodeId) -> Option<RelPath> {
        let mut names = Vec::new();
        let mut at = dir;
        while at != NodeId::ROOT {
            let (above, name) = self.listings.get(&at)?.place.as_ref()?;
            names.push(name.clone());
            at = *above;
            if names.len() > sync_engine::name::DEPTH_MAX {
                return None;
            }
        }
        names.reverse();
        Some(RelPath(names))
    }

    /// Tells whether a directory is open.
    pub(crate) fn is_open(&self, dir: NodeId) -> bool {
        self.open.contains(&dir)
    }

    /// Opens a directory. Answers the listing to ask for, when it is not known.
    pub(crate) fn open(&mut self, dir: NodeId, cursor: &mut Cursor) -> Vec<NodeId> {
        self.open.insert(dir);
        self.rebuild(cursor)
    }

    /// Closes a directory.
    pub(crate) fn close(&mut self, dir: NodeId, cursor: &mut Cursor) {
        self.open.remove(&dir);
        self.rebuild(cursor);
    }

    /// Closes all directories.
    pub(crate) fn close_all(&mut self, cursor: &mut Cursor) {
        self.open.clear();
        self.rebuild(cursor);
    }

    /// Opens a directory and all that are known inside it. Answers the listings to ask for.
    pub(crate) fn open_all(&mut self, dir: NodeId, cursor: &mut Cursor) -> Vec<NodeId> {
        let mut todo = vec![dir];
        while let Some(dir) = todo.pop() {
            self.open.insert(dir);
            let items = self.listings.get(&dir).map_or(&[][..], |listing| &listing.items);
            todo.extend(
                items
                    .iter()
                    .filter(|item| item.kind == ItemKind::Dir)
                    .map(|item| item.id),
            );
        }
        self.rebuild(cursor)
    }

    /// Takes a listing in. Answers the listings to ask for: of open directories that are not known.
    pub(crate) fn listed(
        &mut self,
        dir: NodeId,
        mut items: Vec<ListItem>,
        cursor: &mut Cursor,
    ) -> Vec<NodeId> {
        items.sort_by_cached_key(|item| {
            (
                item.kind != ItemKind::Dir,
                item.name.to_string().to_lowercase(),
                item.name.clone(),
            )
        });
        let place = if dir == NodeId::ROOT {
            None
        } else {
            self.place_of(dir)
        };
        if dir != NodeId::ROOT && place.is_none() {
            return Vec::new();
        }
        let mut lost: BTreeSet<NodeId> = self
            .listings
            .iter()
            .filter(|(_, listing)| listing.place.as_ref().is_some_and(|(above, _)| *above == dir))
            .map(|(id, _)| *id)
            .collect();
        for item in &items {
            if let Some(listing) = self.listings.get_mut(&item.id)
                && item.kind == ItemKind::Dir
            {
                listing.place = Some((dir, item.name.clone()));
                lost.remove(&item.id);
            }
        }
        let selected = self.selected(*cursor);
        self.listings.insert(dir, Listing { place, items });
        self.forget(lost);
        let mut ask = self.rebuild_around(selected, cursor);
        ask.extend(self.seek(cursor));
        ask
    }

    /// Finds where a directory is: as known, or in a listing that holds it.
    fn place_of(&self, dir: NodeId) -> Option<(NodeId, Name)> {
        if let Some(listing) = self.listings.get(&dir) {
            return listing.place.clone();
        }
        self.listings.iter().find_map(|(above, listing)| {
            let item = listing.items.iter().find(|item| item.id == dir)?;
            Some((*above, item.name.clone()))
        })
    }

    fn forget(&mut self, mut lost: BTreeSet<NodeId>) {
        while let Some(dir) = lost.pop_first() {
            self.listings.remove(&dir);
            let inside = self.listings.iter();
            lost.extend(
                inside
                    .filter(|(_, listing)| listing.place.as_ref().is_some_and(|(above, _)| *above == dir))
                    .map(|(id, _)| *id),
            );
        }
    }

    /// Returns the listed directories that a change at a path touches: those on the way to it.
    pub(crate) fn touched(&self, path: &RelPath) -> Vec<NodeId> {
        let mut touched = Vec::new();
        let mut at = NodeId::ROOT;
        for name in &path.0 {
            if !self.listings.contains_key(&at) {
                break;
            }
            touched.push(at);
            let inside = self.listings.iter().find(|(_, listing)| {
                listing
                    .place
                    .as_ref()
                    .is_some_and(|(above, own)| *above == at && own == name)
            });
            match inside {
                Some((id, _)) => at = *id,
                None => break,
            }
        }
        touched
    }

    /// Returns all listed directories.
    pub(crate) fn known(&self) -> Vec<NodeId> {
        self.listings.keys().copied().collect()
    }

    /// Returns the listed directories that may soon look different: they have something in them that is not at rest, or
    /// nothing at all.
    pub(crate) fn restless(&self) -> Vec<NodeId> {
        let at_rest = |item: &ListItem| {
            item.unsettled == 0 && matches!(item.state, ItemState::Synced | ItemState::Ignored)
        };
        let listings = self.listings.iter();
        listings
            .filter(|(_, listing)| listing.items.is_empty() || !listing.items.iter().all(at_rest))
            .map(|(id, _)| *id)
            .collect()
    }

    /// Filters by a part of the name, in any case; nothing shows all.
    pub(crate) fn filter(&mut self, filter: &str, cursor: &mut Cursor) {
        self.filter = filter.to_lowercase();
        self.rebuild(cursor);
    }

    /// Selects a path, opening the directories on its way. Answers the listings to ask for.
    pub(crate) fn reveal(&mut self, path: RelPath, cursor: &mut Cursor) -> Vec<NodeId> {
        self.sought = Some(path);
        self.seek(cursor)
    }

    fn seek(&mut self, cursor: &mut Cursor) -> Vec<NodeId> {
        let Some(path) = self.sought.take() else {
            return Vec::new();
        };
        let mut at = NodeId::ROOT;
        for (depth, name) in path.0.iter().enumerate() {
            let Some(listing) = self.listings.get(&at) else {
                // The way is not listed yet: go on when it is.
                self.sought = Some(path);
                return self.rebuild(cursor);
            };
            let Some(item) = listing.items.iter().find(|item| item.name == *name) else {
                break;
            };
            at = item.id;
            if depth + 1 < path.0.len() {
                self.open.insert(at);
            }
        }
        let ask = self.rebuild(cursor);
        if let Some(index) = self
            .rows
            .iter()
            .position(|row| self.item(*row).is_some_and(|item| item.id == at))
        {
            cursor.selected = index;
        }
        ask
    }

    /// Makes the rows anew; the selection stays with its node. Answers the open directories that are not listed.
    fn rebuild(&mut self, cursor: &mut Cursor) -> Vec<NodeId> {
        self.rebuild_around(self.selected(*cursor), cursor)
    }

    fn selected(&self, cursor: Cursor) -> Option<NodeId> {
        self.item_at(cursor.selected).map(|item| item.id)
    }

    fn rebuild_around(&mut self, selected: Option<NodeId>, cursor: &mut Cursor) -> Vec<NodeId> {
        let mut rows = Vec::with_capacity(self.rows.len());
        let mut ask = BTreeSet::new();
        if !self.listings.contains_key(&NodeId::ROOT) {
            ask.insert(NodeId::ROOT);
        }
        self.emit(NodeId::ROOT, 0, &mut rows, &mut ask);
        self.rows = rows;
        if let Some(id) = selected
            && self.item_at(cursor.selected).is_none_or(|item| item.id != id)
            && let Some(at) = self
                .rows
                .iter()
                .position(|row| self.item(*row).is_some_and(|item| item.id == id))
        {
            cursor.selected = at;
        }
        cursor.step(0, self.rows.len());
        ask.into_iter().collect()
    }

    /// Appends the rows of a directory. Tells whether there were any. The depth of a path is bounded by the heart.
    fn emit(&self, dir: NodeId, depth: usize, rows: &mut Vec<Row>, ask: &mut BTreeSet<NodeId>) -> bool {
        let before = rows.len();
        if depth > sync_engine::name::DEPTH_MAX {
            return false;
        }
        let items = self.listings.get(&dir).map_or(&[][..], |listing| &listing.items);
        for (index, item) in items.iter().enumerate() {
            let matches =
                self.filter.is_empty() || item.name.to_string().to_lowercase().contains(&self.filter);
            let at = rows.len();
            rows.push(Row {
                dir,
                index,
                depth,
                matches,
            });
            let mut inside = false;
            if item.kind == ItemKind::Dir {
                let known = self.listings.contains_key(&item.id);
                let open = self.open.contains(&item.id);
                if open && !known {
                    ask.insert(item.id);
                }
                if known && (open || !self.filter.is_empty()) {
                    inside = self.emit(item.id, depth + 1, rows, ask);
                }
            }
            if !matches && !inside {
                rows.truncate(at);
            }
        }
        rows.len() > before
    }

    /// Returns the place of the directory around a row.
    pub(crate) fn above(&self, index: usize) -> Option<usize> {
        let row = self.rows.get(index)?;
        self.rows[..index]
            .iter()
            .rposition(|other| other.depth < row.depth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn item(id: u8, name: &str, kind: ItemKind) -> ListItem {
        ListItem {
            id: NodeId([id; 16]),
            name: Name::try_from(name).expect("a name"),
            kind,
            size_bytes: 0,
            mtime_ns: 0,
            state: ItemState::Synced,
            unsettled: 0,
        }
    }

    fn shown(tree: &Tree) -> Vec<String> {
        tree.rows()
            .iter()
            .map(|row| tree.path(*row).expect("a path").to_string())
            .collect()
    }

    #[test]
    fn a_directory_is_listed_when_it_is_opened() {
        let (mut tree, mut cursor) = (Tree::default(), Cursor::default());
        tree.listed(
            NodeId::ROOT,
            vec![item(1, "b", ItemKind::File), item(2, "d", ItemKind::Dir)],
            &mut cursor,
        );
        assert_eq!(shown(&tree), ["d", "b"], "directories come first");
        assert_eq!(tree.open(NodeId([2; 16]), &mut cursor), [NodeId([2; 16])]);
        tree.listed(NodeId([2; 16]), vec![item(3, "x", ItemKind::File)], &mut cursor);
        assert_eq!(shown(&tree), ["d", "d/x", "b"]);
        assert_eq!(
            tree.touched(&RelPath::parse(b"d/x").expect("a path")),
            [NodeId::ROOT, NodeId([2; 16])]
        );
        assert_eq!(tree.above(1), Some(0));
    }

    #[test]
    fn the_selection_stays_with_its_node() {
        let (mut tree, mut cursor) = (Tree::default(), Cursor { selected: 0, top: 0 });
        tree.listed(NodeId::ROOT, vec![item(1, "m", ItemKind::File)], &mut cursor);
        tree.listed(
            NodeId::ROOT,
            vec![item(1, "m", ItemKind::File), item(2, "a", ItemKind::File)],
            &mut cursor,
        );
        assert_eq!(
            tree.item_at(cursor.selected).map(|item| item.id),
            Some(NodeId([1; 16]))
        );
    }

    #[test]
    fn a_filter_keeps_the_way_to_what_it_finds() {
        let (mut tree, mut cursor) = (Tree::default(), Cursor::default());
        tree.listed(
            NodeId::ROOT,
            vec![item(2, "d", ItemKind::Dir), item(1, "b", ItemKind::File)],
            &mut cursor,
        );
        tree.open(NodeId([2; 16]), &mut cursor);
        tree.listed(NodeId([2; 16]), vec![item(3, "Xy", ItemKind::File)], &mut cursor);
        tree.filter("xY", &mut cursor);
        assert_eq!(shown(&tree), ["d", "d/Xy"]);
        tree.filter("", &mut cursor);
        assert_eq!(shown(&tree).len(), 3);
    }

    #[test]
    fn a_path_is_revealed_when_its_listings_arrive() {
        let (mut tree, mut cursor) = (Tree::default(), Cursor::default());
        tree.listed(
            NodeId::ROOT,
            vec![item(1, "a", ItemKind::Dir), item(2, "d", ItemKind::Dir)],
            &mut cursor,
        );
        let ask = tree.reveal(RelPath::parse(b"d/x").expect("a path"), &mut cursor);
        assert_eq!(ask, [NodeId([2; 16])]);
        tree.listed(NodeId([2; 16]), vec![item(3, "x", ItemKind::File)], &mut cursor);
        assert_eq!(
            tree.path_at(cursor.selected).map(|path| path.to_string()),
            Some("d/x".to_owned())
        );
    }

    #[test]
    fn what_vanished_is_forgotten_with_all_inside() {
        let (mut tree, mut cursor) = (Tree::default(), Cursor::default());
        tree.listed(NodeId::ROOT, vec![item(2, "d", ItemKind::Dir)], &mut cursor);
        tree.open(NodeId([2; 16]), &mut cursor);
        tree.listed(NodeId([2; 16]), vec![item(3, "e", ItemKind::Dir)], &mut cursor);
        tree.open(NodeId([3; 16]), &mut cursor);
        tree.listed(NodeId([3; 16]), Vec::new(), &mut cursor);
        tree.listed(NodeId::ROOT, Vec::new(), &mut cursor);
        assert_eq!(tree.known(), [NodeId::ROOT]);
    }

    #[test]
    fn a_hundred_thousand_entries_make_rows_and_no_text() {
        let (mut tree, mut cursor) = (Tree::default(), Cursor::default());
        let items = (0..100_000_u32)
            .map(|n| ListItem {
                id: NodeId::derive(
                    "test",
                    NodeId::ROOT,
                    sync_engine::DeviceId([0; 16]),
                    &n.to_le_bytes(),
                ),
                ..item(0, &format!("file {n:06}"), ItemKind::File)
            })
            .collect();
        tree.listed(NodeId::ROOT, items, &mut cursor);
        assert_eq!(tree.rows().len(), 100_000);
        assert_eq!(size_of::<Row>(), 40);
    }
}
