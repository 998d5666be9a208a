//! What needs the journal page by page: the log of the account, and the history of a path.

use common::message::{Request, Traced};
use sync_engine::{Change, RelPath};
use tokio::sync::oneshot;

use super::Driver;
use super::kept::Place;
use super::questions::{Question, give};
use crate::control::{Answer, LogItem};
use crate::notice::ChangeKind;

/// How many entries are read of a history at most.
const ENTRIES_MAX: usize = 100_000;

/// What the pages are read for.
pub(super) enum Aim {
    /// The newest entries of the account, so many at most.
    Log(u32),
    /// The history of all that ever stood at a path, and what of it this device alone has.
    History(RelPath, Place),
}

/// Pages that are being read, newest entries first.
pub(super) struct Paging {
    aim: Aim,
    so_far: Vec<Traced>,
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
        let before = paging.so_far.last().map(|traced| traced.entry.number);
        let path = match &paging.aim {
            Aim::History(path, _) => path.0.clone(),
            Aim::Log(_) => Vec::new(),
        };
        let request = |request| Request::Trace {
            request,
            path,
            before,
        };
        self.ask_or_fail(request, Question::Page(paging));
    }

    /// A page has come; `more` says that there are older entries.
    pub(super) fn on_page(&mut self, mut paging: Paging, entries: Vec<Traced>, more: bool) {
        // A page that goes on and brings nothing would be asked for again without end.
        let more = more && !entries.is_empty();
        paging.so_far.extend(entries);
        let Paging { aim, so_far, reply } = paging;
        let n_max = match aim {
            Aim::Log(limit) => usize::try_from(limit).unwrap_or(usize::MAX),
            Aim::History(..) => ENTRIES_MAX,
        };
        match aim {
            aim if more && so_far.len() < n_max => self.ask_page(Paging { aim, so_far, reply }),
            Aim::Log(_) => {
                let items = self.log(&so_far[..n_max.min(so_far.len())], None);
                give(reply, Answer::Log(items));
            }
            Aim::History(path, place) => {
                let items = self.log(&so_far, Some(&path));
                self.give_history(place, path, items, reply);
            }
        }
    }

    fn log(&self, traced: &[Traced], only: Option<&RelPath>) -> Vec<LogItem> {
        let items = traced.iter().flat_map(|traced| self.log_items(traced, only));
        items.collect()
    }

    /// The lines of a log for an entry, with the paths that its nodes had then. In the history of a path, of what was moved
    /// together only that which was at the path.
    fn log_items(&self, traced: &Traced, only: Option<&RelPath>) -> Vec<LogItem> {
        let Traced { entry, paths } = traced;
        let kind = match &entry.change {
            Change::Create { .. } => ChangeKind::Created,
            Change::Update { .. } => ChangeKind::Edited,
            Change::Move { .. } => ChangeKind::Moved,
            Change::Delete { .. } => ChangeKind::Deleted,
            Change::Mark { .. } => ChangeKind::Attributes,
        };
        let size_bytes = entry.change.content().map(|(_, content)| content.size_bytes);
        let item = |(index, id)| LogItem {
            version: entry.number,
            time_ms: entry.time_ms,
            device: self.name_of(entry.device),
            kind,
            path: paths.get(index).cloned().unwrap_or_else(|| self.shown_path(id)),
            size_bytes,
        };
        let items: Vec<LogItem> = entry.change.ids().enumerate().map(item).collect();
        let there = |item: &LogItem| only.is_some_and(|path| item.path == *path);
        // What left the path has another by then; so all that was moved with it is shown.
        if items.iter().any(there) {
            return items.into_iter().filter(there).collect();
        }
        items
    }
}
