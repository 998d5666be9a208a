//! Everything that the screen knows. Only `update` changes it; drawing reads it.

use std::collections::BTreeSet;

use sync_engine::{DeviceId, NodeId, RelPath, Version};

use super::ScreenOptions;
use super::account::{Account, masked};
use super::attention::Attention;
use super::confirm::{Confirm, Pending, Undo};
use super::cursor::Cursor;
use super::feed::Feed;
use super::input::Input;
use super::keys::Context;
use super::palette::Palette;
use super::pane::Pane;
use super::questions::Questions;
use super::transfers::Transfers;
use super::tree::Tree;
use crate::control::{Ask, ConflictItem, DeviceItem, LogItem, State, Status};

/// The model.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    /// How the screen looks and listens.
    pub options: ScreenOptions,
    /// The columns and rows of the terminal.
    pub size: (u16, u16),
    /// The time, in milliseconds since 1970.
    pub now_ms: u64,
    /// The account.
    pub account: Account,
    /// Whether secrets are hidden.
    pub masked: bool,
    /// The connection.
    pub connection: Connection,
    /// What the client last said of itself.
    pub status: Option<Status>,
    /// How many nodes were seen by the look at the folder that is going on.
    pub scanning: Option<u64>,
    /// The newest journal number that was heard of.
    pub version: Version,
    /// The pane with the keys.
    pub focus: Pane,
    /// The tab that is shown.
    pub tab: Pane,
    /// Whether the focused pane has the whole screen.
    pub zoomed: bool,
    /// The places in the panes' lists.
    pub cursors: [Cursor; 7],
    /// The panes' filters.
    pub filters: [Input; 7],
    /// Whether a filter is being typed.
    pub filtering: bool,
    /// The folder.
    pub tree: Tree,
    /// What changes.
    pub feed: Feed,
    /// The unresolved conflicts, once known.
    pub conflicts: Option<Vec<ConflictItem>>,
    /// The marked conflicts, by the node of their other side.
    pub marked_conflicts: BTreeSet<NodeId>,
    /// The versions of a node.
    pub history: History,
    /// The account's devices, once known.
    pub devices: Option<Vec<DeviceItem>>,
    /// The marked devices.
    pub marked_devices: BTreeSet<DeviceId>,
    /// What is on its way.
    pub transfers: Transfers,
    /// What needs a person.
    pub attention: Attention,
    /// The window above the panes.
    pub popup: Option<Popup>,
    /// A sentence in place of the hints, until the next key.
    pub toast: Option<Toast>,
    /// The questions that are open.
    pub questions: Questions,
    /// The deeds that are on their way.
    pub deeds: Vec<Pending>,
    /// How to undo the last deed.
    pub undo: Option<Undo>,
}

/// The connection to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Connection {
    /// Not yet known.
    Unknown,
    /// The server is reached.
    Connected,
    /// It is not.
    Disconnected {
        /// Why.
        reason: String,
        /// When the client tries again, in milliseconds since 1970.
        retry_ms: u64,
    },
}

/// The versions of a node.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    /// Whose they are.
    pub path: Option<RelPath>,
    /// The versions, newest first, once known.
    pub items: Option<Vec<LogItem>>,
    /// Whether the path stays whatever is selected in the tree.
    pub held: bool,
}

/// A window above the panes.
#[derive(Debug, Clone)]
pub(crate) enum Popup {
    /// All keys.
    Help(Cursor),
    /// The ID, link and QR code.
    Account(Cursor),
    /// Lines to read.
    Report {
        /// What they are about.
        title: String,
        /// The lines.
        lines: Vec<String>,
        /// The place.
        cursor: Cursor,
    },
    /// A question.
    Confirm(Confirm),
    /// A device's new name.
    Rename {
        /// The device.
        device: DeviceId,
        /// Its name.
        was: String,
        /// Its new name.
        input: Input,
    },
    /// The command palette.
    Palette(Palette),
}

/// A sentence for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Toast {
    /// The sentence.
    pub text: String,
    /// Whether something went well.
    pub good: bool,
}

impl Model {
    /// Starts with nothing known but how to look.
    pub(crate) fn new(options: ScreenOptions) -> Self {
        Self {
            options,
            size: (0, 0),
            now_ms: 0,
            account: Account::default(),
            masked: false,
            connection: Connection::Unknown,
            status: None,
            scanning: None,
            version: Version::ZERO,
            focus: Pane::Tree,
            tab: Pane::Feed,
            zoomed: false,
            cursors: [Cursor::default(); 7],
            filters: std::array::from_fn(|_| Input::default()),
            filtering: false,
            tree: Tree::default(),
            feed: Feed::default(),
            conflicts: None,
            marked_conflicts: BTreeSet::new(),
            history: History::default(),
            devices: None,
            marked_devices: BTreeSet::new(),
            transfers: Transfers::default(),
            attention: Attention::default(),
            popup: None,
            toast: None,
            questions: Questions::default(),
            deeds: Vec::new(),
            undo: None,
        }
    }

    /// Wants everything to be told anew: at the start, and when notices were lost.
    pub(crate) fn want_all(&mut self) {
        for ask in [
            Ask::Status,
            Ask::Identity,
            Ask::Log { limit: 200 },
            Ask::Conflicts,
            Ask::Devices,
        ] {
            self.questions.want(ask);
        }
        self.questions.want(Ask::List { dir: None });
        self.want_listings(self.tree.known());
    }

    /// Wants directories to be listed.
    pub(crate) fn want_listings(&mut self, dirs: impl IntoIterator<Item = NodeId>) {
        for dir in dirs {
            let dir = Some(dir).filter(|dir| *dir != NodeId::ROOT);
            self.questions.want(Ask::List { dir });
        }
    }

    /// Returns the place in a pane's list.
    pub(crate) fn cursor(&self, pane: Pane) -> Cursor {
        self.cursors[pane.index()]
    }

    /// Returns a pane's filter, in lower case.
    pub(crate) fn filter(&self, pane: Pane) -> String {
        self.filters[pane.index()].text().to_lowercase()
    }

    /// Returns the entries of a pane's list that its filter lets through, as places in the whole list.
    pub(crate) fn shown(&self, pane: Pane) -> Vec<usize> {
        let filter = self.filter(pane);
        let len = self.whole_len(pane);
        if pane == Pane::Tree || filter.is_empty() {
            return (0..len).collect();
        }
        let texts = self.texts(pane);
        let hits = texts
            .iter()
            .enumerate()
            .filter(|(_, text)| text.to_lowercase().contains(&filter));
        hits.map(|(index, _)| index).collect()
    }

    /// Returns the length of a pane's list as shown.
    pub(crate) fn len(&self, pane: Pane) -> usize {
        if pane == Pane::Tree || self.filters[pane.index()].text().is_empty() {
            self.whole_len(pane)
        } else {
            self.shown(pane).len()
        }
    }

    /// Returns the selected entry of a pane, as a place in the whole list.
    pub(crate) fn selected(&self, pane: Pane) -> Option<usize> {
        let at = self.cursor(pane).selected;
        if pane == Pane::Tree || self.filters[pane.index()].text().is_empty() {
            return Some(at).filter(|at| *at < self.whole_len(pane));
        }
        self.shown(pane).get(at).copied()
    }

    fn whole_len(&self, pane: Pane) -> usize {
        match pane {
            Pane::Tree => self.tree.rows().len(),
            Pane::Feed => self.feed.lines().len(),
            Pane::Conflicts => self.conflicts.as_ref().map_or(0, Vec::len),
            Pane::History => self.history.items.as_ref().map_or(0, Vec::len),
            Pane::Devices => self.devices.as_ref().map_or(0, Vec::len),
            Pane::Transfers => self.transfers.len(),
            Pane::Attention => self.attention.len(),
        }
    }

    /// Returns the texts that a filter looks at.
    fn texts(&self, pane: Pane) -> Vec<String> {
        use super::attention::Entry;
        match pane {
            Pane::Tree => Vec::new(),
            Pane::Feed => self
                .feed
                .lines()
                .iter()
                .map(|line| format!("{} {}", line.path, line.device))
                .collect(),
            Pane::Conflicts => {
                let conflicts = self.conflicts.iter().flatten();
                conflicts
                    .map(|conflict| format!("{} {}", conflict.that.path, conflict.device))
                    .collect()
            }
            Pane::History => {
                let items = self.history.items.iter().flatten();
                items
                    .map(|item| format!("{} {} {}", item.version, item.path, item.device))
                    .collect()
            }
            Pane::Devices => self
                .devices
                .iter()
                .flatten()
                .map(|device| device.name.clone())
                .collect(),
            Pane::Transfers => self
                .transfers
                .all()
                .map(|transfer| transfer.path.to_string())
                .collect(),
            Pane::Attention => {
                let entries = self.attention.entries();
                entries
                    .map(|entry| match entry {
                        Entry::Brake(brake) => brake.reason.clone(),
                        Entry::Removed(_) => "removed by another device".to_owned(),
                        Entry::Standing(trouble) => trouble.to_string(),
                        Entry::Error(error) => error.trouble.to_string(),
                        Entry::Blocked(path, reason) => format!("{path} {reason}"),
                    })
                    .collect()
            }
        }
    }

    /// Returns the selected conflict.
    pub(crate) fn conflict(&self) -> Option<&ConflictItem> {
        self.conflicts.as_ref()?.get(self.selected(Pane::Conflicts)?)
    }

    /// Returns the selected device.
    pub(crate) fn device(&self) -> Option<&DeviceItem> {
        self.devices.as_ref()?.get(self.selected(Pane::Devices)?)
    }

    /// Returns the selected version.
    pub(crate) fn past(&self) -> Option<&LogItem> {
        self.history.items.as_ref()?.get(self.selected(Pane::History)?)
    }

    /// Returns the selected path of the tree.
    pub(crate) fn tree_path(&self) -> Option<RelPath> {
        self.tree.path_at(self.cursor(Pane::Tree).selected)
    }

    /// Returns the state in one word, by the newest that is known.
    pub(crate) fn state(&self) -> Option<State> {
        let status = self.status.as_ref()?;
        if self.attention.brake.is_some() {
            return Some(State::Halted);
        }
        match self.connection {
            Connection::Disconnected { .. } if matches!(status.state, State::Synced | State::Syncing) => {
                Some(State::Offline)
            }
            _ => Some(status.state),
        }
    }

    /// Returns where keys are looked up, the first first.
    pub(crate) fn contexts(&self) -> Vec<Context> {
        match &self.popup {
            Some(Popup::Help(_) | Popup::Account(_) | Popup::Report { .. }) => vec![Context::Reading],
            Some(Popup::Confirm(_)) => vec![Context::Asking],
            Some(Popup::Rename { .. } | Popup::Palette(_)) => vec![Context::Typing],
            None if self.filtering => vec![Context::Typing],
            None => vec![Context::Pane(self.focus), Context::Global],
        }
    }

    /// Returns a secret as it may be shown now.
    pub(crate) fn secret(&self, secret: &str) -> String {
        if self.masked {
            masked(secret, self.options.theme.pick("•", "*"))
        } else {
            self.options.theme.safe(secret)
        }
    }

    /// Says something in place of the hints.
    pub(crate) fn say(&mut self, text: impl Into<String>, good: bool) {
        self.toast = Some(Toast {
            text: text.into(),
            good,
        });
    }

    /// Returns how long the screen stays true without news, in milliseconds; nothing: for ever.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        let moving = self.transfers.is_moving(self.now_ms).then_some(500);
        let retry = match &self.connection {
            Connection::Disconnected { retry_ms, .. } if *retry_ms > self.now_ms => Some(1000),
            _ => None,
        };
        // '2 min ago' grows old by the minute, but only while there is something that recent to be seen.
        let newest_ms = match self.tab {
            Pane::Feed => self.feed.lines().front().map(|line| line.time_ms),
            Pane::History => self
                .history
                .items
                .iter()
                .flatten()
                .next()
                .map(|item| item.time_ms),
            Pane::Devices => self.devices.iter().flatten().map(|device| device.seen_ms).max(),
            Pane::Attention => self.attention.entries().next().map(|_| self.now_ms),
            Pane::Conflicts | Pane::Transfers | Pane::Tree => None,
        };
        let ageing = newest_ms
            .map(|newest_ms| self.now_ms.saturating_sub(newest_ms))
            .filter(|age_ms| *age_ms < 3_600_000)
            .map(|age_ms| 60_000 - age_ms % 60_000);
        [moving, retry, ageing, self.questions.due_ms()]
            .into_iter()
            .flatten()
            .min()
    }
}
