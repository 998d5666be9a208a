//! What needs the journal page by page: the log of the account, the history of a node, and the search for a node that was
//! at a path once.

use common::message::Request;
use sync_engine::{Change, Entry, Kind, NodeId, RelPath};
use tokio::sync::oneshot;

use super::Driver;
use super::questions::{Question, failed, give};
use crate::control::{Answer, LogItem};
use crate::notice::ChangeKind;

/// How many entries are read of a history, or of the journal in a search, at most.
const ENTRIES_MAX: usize = 100_000;

/// What the pages are read for.
pub(super) enum Aim {
    /// The newest entries of the account, so many at most.
    Log(u32),
    /// The history of a node, shown under this path.
    History(NodeId, RelPath),
    /// The node that was at a path last, and then its history.
    Search(RelPath),
}

/// Pages that are being read, newest entries first.
pub(super) struct Paging {
    aim: Aim,
    so_far: Vec<Entry>,
    reply: oneshot::Sender<Answer>,
}

impl Paging {
    /// Begins to read.
    #[must_use]
    pub(super) fn new(aim: Aim, reply: oneshot::Sender<Answer>) -> Self {
        Self {
            aim,
            so_far: Vec::new(),
            reply,
        }
    }

    /// Returns the way back.
    #[must_use]
    pub(super) fn into_reply(self) -> oneshot::Sender<Answer> {
        self.reply
    }
}

impl Driver {
    /// Asks for the next page.
    pub(super) fn ask_page(&mut self, paging: Paging) {
        let before = paging.so_far.last().map(|entry| entry.number);
        let id = match &paging.aim {
            Aim::History(id, _) => Some(*id),
            Aim::Log(_) | Aim::Search(_) => None,
        };
        let request = |request| match id {
            Some(id) => Request::History { request, id, before },
            None => Request::Log { request, before },
        };
        self.ask_or_fail(request, Question::Page(paging));
    }

    /// A page has come; `more` says that there are older entries.
    pub(super) fn on_page(&mut self, mut paging: Paging, entries: Vec<Entry>, more: bool) {
        // A page that goes on and brings nothing would be asked for again without end.
        let more = more && !entries.is_empty();
        paging.so_far.extend(entries);
        let Paging { aim, so_far, reply } = paging;
        let remote = self.trees().remote();
        let found = match &aim {
            Aim::Search(path) => so_far
                .iter()
                .find_map(|entry| placed_at(&so_far, remote, entry, path)),
            Aim::Log(_) | Aim::History(..) => None,
        };
        let n_max = match aim {
            Aim::Log(limit) => usize::try_from(limit).unwrap_or(usize::MAX),
            Aim::History(..) | Aim::Search(_) => ENTRIES_MAX,
        };
        match (aim, found) {
            (Aim::Search(path), Some(id)) => self.ask_page(Paging::new(Aim::History(id, path), reply)),
            (aim, _) if more && so_far.len() < n_max => self.ask_page(Paging { aim, so_far, reply }),
            (Aim::Search(path), None) => {
                let what = format!("the account's history knows no '{path}'");
                give(reply, failed(what, "give the path as seen from the root"));
            }
            (Aim::Log(_), _) => give(reply, self.log(&so_far[..n_max.min(so_far.len())], None)),
            (Aim::History(id, path), _) => give(reply, self.log(&so_far, Some((id, &path)))),
        }
    }

    fn log(&self, entries: &[Entry], only: Option<(NodeId, &RelPath)>) -> Answer {
        let items = entries.iter().flat_map(|entry| self.log_items(entry, only));
        Answer::Log(items.collect())
    }

    /// The lines of a log for an entry; of one node only, if one is named.
    fn log_items(&self, entry: &Entry, only: Option<(NodeId, &RelPath)>) -> Vec<LogItem> {
        let kind = match &entry.change {
            Change::Create { .. } => ChangeKind::Created,
            Change::Update { .. } => ChangeKind::Edited,
            Change::Move { .. } => ChangeKind::Moved,
            Change::Delete { .. } => ChangeKind::Deleted,
            Change::Mark { .. } => ChangeKind::Attributes,
        };
        let size_bytes = entry.change.content().map(|(_, content)| content.size_bytes);
        let inside = |parent: NodeId, name| self.trees().remote().path(parent).map(|dir| dir.join(name));
        entry
            .change
            .ids()
            .filter(|id| only.is_none_or(|(only, _)| only == *id))
            .map(|id| {
                let placed = match &entry.change {
                    Change::Create { node, .. } => inside(node.parent, &node.name),
                    Change::Move { moves } => moves
                        .iter()
                        .find(|to| to.id == id)
                        .and_then(|to| inside(to.parent, &to.name)),
                    Change::Update { .. } | Change::Delete { .. } | Change::Mark { .. } => None,
                };
                let known = only.map(|(_, path)| path.clone());
                let path = placed.or(known).unwrap_or_else(|| self.shown_path(id));
                let device = self.name_of(entry.device);
                LogItem {
                    version: entry.number,
                    time_ms: entry.time_ms,
                    device,
                    kind,
                    path,
                    size_bytes,
                }
            })
            .collect()
    }
}

/// The node that an entry put at a path, as far as the entries read so far and the present tree tell.
fn placed_at(entries: &[Entry], remote: &sync_engine::Tree, entry: &Entry, path: &RelPath) -> Option<NodeId> {
    let (dir, name) = path.split_last()?;
    let fits = |parent: NodeId, at: &sync_engine::Name| at == name && was_at(entries, remote, parent, &dir);
    match &entry.change {
        Change::Create { id, node } => fits(node.parent, &node.name).then_some(*id),
        Change::Move { moves } => moves.iter().find(|to| fits(to.parent, &to.name)).map(|to| to.id),
        Change::Update { .. } | Change::Delete { .. } | Change::Mark { .. } => None,
    }
}

/// Tells whether a directory is, or was once, at a path.
fn was_at(entries: &[Entry], remote: &sync_engine::Tree, dir: NodeId, path: &RelPath) -> bool {
    let mut at = dir;
    for name in path.0.iter().rev() {
        let place = remote
            .node(at)
            .map(|node| (node.parent, node.name.clone()))
            .or_else(|| {
                entries.iter().find_map(|entry| match &entry.change {
                    Change::Create { id, node } if *id == at && node.kind == Kind::Dir => {
                        Some((node.parent, node.name.clone()))
                    }
                    _ => None,
                })
            });
        match place {
            Some((parent, found)) if found == *name => at = parent,
            _ => return false,
        }
    }
    at == NodeId::ROOT
}
