//! Questions that the server has to answer. Each keeps the way back to who asked; when the connection is lost the asker is
//! told so.

use std::collections::BTreeMap;

use common::message::{At, Device, Failure, Reply, Request};
use sync_engine::{Change, Entry, Kind, NodeId, RelPath};
use tokio::sync::oneshot;

use super::Driver;
use super::lookback::Suspect;
use super::restore::Restore;
use super::verify::Verify;
use crate::control::{Answer, Ask, DeviceItem, LogItem, Moment};
use crate::notice::{ChangeKind, Trouble};

/// How many entries a search for a deleted node goes back at most.
const SEARCH_ENTRIES_MAX: usize = 100_000;

/// How many questions wait for the first answer of the server at most.
const EARLY_MAX: usize = 64;

/// A question that is not yet answered.
pub(super) enum Question {
    /// The devices' names, for the driver itself.
    DeviceNames,
    /// A probe of whether all is synced.
    Probe(u64),
    /// Somebody asked for the devices.
    Devices(oneshot::Sender<Answer>),
    /// Somebody gave an order that the server has to carry out.
    Order(oneshot::Sender<Answer>),
    /// Somebody replaced the account's ID.
    ReplaceId(oneshot::Sender<Answer>),
    /// Somebody asked for the account's log.
    Log(u32, Vec<Entry>, oneshot::Sender<Answer>),
    /// Somebody asked for the history of a node.
    History(NodeId, RelPath, Vec<Entry>, oneshot::Sender<Answer>),
    /// Somebody asked for the history of a path where nothing is now.
    Search(RelPath, Vec<Entry>, oneshot::Sender<Answer>),
    /// Somebody restores something; the tree as it was is on its way.
    Browse(Box<Restore>),
    /// The driver wants to know whether bytes that seem to be in conflict came from the account.
    LookBack(Suspect),
    /// Somebody verifies; the server's tree is on its way.
    Verify(Box<Verify>),
}

pub(super) fn failed(what: impl Into<String>, todo: impl Into<String>) -> Answer {
    Answer::Failed(Trouble {
        what: what.into(),
        done: "nothing was changed".into(),
        todo: todo.into(),
    })
}

fn explain(failure: &Failure) -> Answer {
    match failure {
        Failure::NotFound => failed(
            "there is no such thing on the server",
            "look at the list for what there is",
        ),
        Failure::ServerFull => failed(
            "the server's disk is full",
            "make space on the server and try again",
        ),
        Failure::Limit => failed("a limit of the server was passed", "ask for less at once"),
        Failure::ServerFault => failed(
            "the server could not read or write its store",
            "run 'server verify' on the server",
        ),
        Failure::Mismatch => failed("a chunk was not what its name says", "try again"),
        Failure::LastDevice => failed("the last device cannot be revoked", "enrol another device first"),
    }
}

/// Answers whoever asked; that he has gone is no failure.
pub(super) fn give(reply: oneshot::Sender<Answer>, answer: Answer) {
    let _ = reply.send(answer);
}

impl Driver {
    pub(super) fn ask_server(&mut self, ask: Ask, reply: oneshot::Sender<Answer>) {
        if self.is_connecting && self.early.len() < EARLY_MAX {
            return self.early.push((ask, reply));
        }
        if self.session.as_ref().is_none_or(|session| !session.pulled) {
            let trouble = failed("the server is out of reach", "try again when it is connected");
            return give(reply, trouble);
        }
        match ask {
            Ask::Devices => self.question(|request| Request::Devices { request }, Question::Devices(reply)),
            Ask::RenameDevice { device, name } => {
                self.question(
                    |request| Request::RenameDevice {
                        request,
                        device,
                        name,
                    },
                    Question::Order(reply),
                );
            }
            Ask::RevokeDevice { device } => {
                self.question(
                    |request| Request::RevokeDevice { request, device },
                    Question::Order(reply),
                );
            }
            Ask::ReplaceId => self.question(
                |request| Request::ReplaceId { request },
                Question::ReplaceId(reply),
            ),
            Ask::Log { limit } => self.question(
                |request| Request::Log {
                    request,
                    before: None,
                },
                Question::Log(limit, Vec::new(), reply),
            ),
            Ask::History { path } => match self.remote_at(&path) {
                Some(id) => self.question(
                    |request| Request::History {
                        request,
                        id,
                        before: None,
                    },
                    Question::History(id, path, Vec::new(), reply),
                ),
                None => self.question(
                    |request| Request::Log {
                        request,
                        before: None,
                    },
                    Question::Search(path, Vec::new(), reply),
                ),
            },
            Ask::Restore { path, at, to } => self.browse(path, at, to, reply),
            Ask::Resolve { path, choice } => self.resolve(&path, choice, reply),
            Ask::Verify => self.verify(reply),
            other => give(
                reply,
                failed(format!("{other:?} is no question for the server"), "report this"),
            ),
        }
    }

    /// Asks for the tree as it was, to bring something back from it.
    fn browse(&mut self, path: RelPath, at: Moment, to: Option<RelPath>, reply: oneshot::Sender<Answer>) {
        let at = match at {
            Moment::Version(version) => At::Version(version),
            Moment::TimeMs(time_ms) => At::TimeMs(time_ms),
        };
        let restore = Restore::new(path, to, reply);
        self.question(
            |request| Request::Browse { request, at },
            Question::Browse(Box::new(restore)),
        );
    }

    fn question(&mut self, request: impl FnOnce(u64) -> Request, question: Question) {
        if let Some(session) = &mut self.session {
            session.ask(request, question);
        }
    }

    /// Asks what was asked before it was known whether the server can be reached.
    pub(super) fn ask_early(&mut self) {
        self.is_connecting = false;
        for (ask, reply) in std::mem::take(&mut self.early) {
            self.ask_server(ask, reply);
        }
    }

    pub(super) fn ask_device_names(&mut self) {
        self.question(|request| Request::Devices { request }, Question::DeviceNames);
    }

    pub(super) fn on_answer(&mut self, reply: Reply) {
        let request = match &reply {
            Reply::History { request, .. }
            | Reply::Past { request, .. }
            | Reply::Devices { request, .. }
            | Reply::NewId { request, .. }
            | Reply::Done { request }
            | Reply::Failed { request, .. }
            | Reply::Pong { request, .. } => *request,
            _ => return,
        };
        let Some(question) = self
            .session
            .as_mut()
            .and_then(|session| session.questions.remove(&request))
        else {
            return;
        };
        match (question, reply) {
            (Question::Probe(number), Reply::Pong { head, .. }) => self.settled.pong(number, head),
            (Question::DeviceNames, Reply::Devices { devices, .. }) => self.learn_names(&devices),
            (Question::Devices(to), Reply::Devices { devices, .. }) => {
                self.learn_names(&devices);
                give(to, Answer::Devices(self.device_items(devices)));
            }
            (Question::Order(to), Reply::Done { .. }) => {
                self.ask_device_names();
                give(to, Answer::Done);
            }
            (Question::ReplaceId(to), Reply::NewId { id, .. }) => self.on_new_id(id, to),
            (Question::Log(limit, so_far, to), Reply::History { entries, more, .. }) => {
                self.on_log(limit, so_far, entries, more, to);
            }
            (Question::History(id, path, so_far, to), Reply::History { entries, more, .. }) => {
                self.on_history(id, path, so_far, entries, more, to);
            }
            (Question::Search(path, so_far, to), Reply::History { entries, more, .. }) => {
                self.on_search(path, so_far, entries, more, to);
            }
            (
                Question::Verify(verify),
                Reply::Past {
                    version, nodes, last, ..
                },
            ) => {
                self.on_verified(request, verify, version, nodes, last);
            }
            (Question::Browse(restore), Reply::Past { nodes, last, .. }) => {
                self.on_past(request, restore, nodes, last);
            }
            (Question::LookBack(suspect), Reply::History { entries, more, .. }) => {
                self.on_looked_back(suspect, &entries, more);
            }
            (Question::LookBack(suspect), _) => self.not_recognized(suspect),
            (question, Reply::Failed { failure, .. }) => question.fail(explain(&failure)),
            (question, reply) => {
                tracing::warn!(?reply, "an answer to another question");
                question.fail(failed(
                    "the server gave an answer to another question",
                    "report this",
                ));
            }
        }
    }

    fn device_items(&self, devices: Vec<Device>) -> Vec<DeviceItem> {
        let here = self.account.device;
        let item = |device: Device| DeviceItem {
            id: device.id,
            name: device.name,
            here: Some(device.id) == here,
            online: device.online,
            revoked: device.revoked,
            enrolled_ms: device.enrolled_ms,
            seen_ms: device.seen_ms,
        };
        devices.into_iter().map(item).collect()
    }

    fn learn_names(&mut self, devices: &[Device]) {
        self.device_names = devices
            .iter()
            .map(|device| (device.id, device.name.clone()))
            .collect();
        if let Some(name) = self
            .account
            .device
            .and_then(|device| self.device_names.get(&device))
            && *name != self.account.device_name
        {
            self.account.device_name.clone_from(name);
            if let Err(error) = self.save_account() {
                self.on_config_failed(&error);
            }
        }
    }

    fn on_new_id(&mut self, id: common::identity::AccountId, to: oneshot::Sender<Answer>) {
        self.account.id = Some(id);
        match self.save_account() {
            Ok(()) => {
                self.tell_account();
                self.on_asked((Ask::Identity, to));
            }
            Err(error) => {
                give(
                    to,
                    failed(
                        format!("the new ID could not be saved: {error}"),
                        "replace it once more",
                    ),
                );
                self.on_config_failed(&error);
            }
        }
    }

    fn on_log(
        &mut self,
        limit: u32,
        mut so_far: Vec<Entry>,
        entries: Vec<Entry>,
        more: bool,
        to: oneshot::Sender<Answer>,
    ) {
        so_far.extend(entries);
        let limit_len = usize::try_from(limit).unwrap_or(usize::MAX);
        if let Some(last) = so_far.last().filter(|_| more && so_far.len() < limit_len) {
            let before = Some(last.number);
            let question = Question::Log(limit, so_far, to);
            return self.question(|request| Request::Log { request, before }, question);
        }
        so_far.truncate(limit_len);
        let items = so_far
            .iter()
            .flat_map(|entry| self.log_items(entry, None))
            .collect();
        give(to, Answer::Log(items));
    }

    fn on_history(
        &mut self,
        id: NodeId,
        path: RelPath,
        mut so_far: Vec<Entry>,
        entries: Vec<Entry>,
        more: bool,
        to: oneshot::Sender<Answer>,
    ) {
        so_far.extend(entries);
        if let Some(last) = so_far
            .last()
            .filter(|_| more && so_far.len() < SEARCH_ENTRIES_MAX)
        {
            let before = Some(last.number);
            let question = Question::History(id, path, so_far, to);
            return self.question(|request| Request::History { request, id, before }, question);
        }
        let items: Vec<LogItem> = so_far
            .iter()
            .flat_map(|entry| self.log_items(entry, Some((id, &path))))
            .collect();
        give(to, Answer::Log(items));
    }

    /// Goes back through the journal until an entry is found that put a node at the path.
    fn on_search(
        &mut self,
        path: RelPath,
        mut so_far: Vec<Entry>,
        entries: Vec<Entry>,
        more: bool,
        to: oneshot::Sender<Answer>,
    ) {
        so_far.extend(entries);
        let found = so_far
            .iter()
            .find_map(|entry| placed_at(&so_far, self.trees.remote(), entry, &path));
        if let Some(id) = found {
            let question = Question::History(id, path, Vec::new(), to);
            return self.question(
                |request| Request::History {
                    request,
                    id,
                    before: None,
                },
                question,
            );
        }
        if let Some(last) = so_far
            .last()
            .filter(|_| more && so_far.len() < SEARCH_ENTRIES_MAX)
        {
            let before = Some(last.number);
            return self.question(
                |request| Request::Log { request, before },
                Question::Search(path, so_far, to),
            );
        }
        give(
            to,
            failed(
                format!("the account's history knows no '{path}'"),
                "give the path as seen from the root",
            ),
        );
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
        let size_bytes = match &entry.change {
            Change::Create { node, .. } => node.kind.file().map(|file| file.content.size_bytes),
            Change::Update { kind, .. } => kind.file().map(|file| file.content.size_bytes),
            Change::Move { .. } | Change::Delete { .. } | Change::Mark { .. } => None,
        };
        let inside = |parent: NodeId, name| self.trees.remote().path(parent).map(|dir| dir.join(name));
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

    /// Tells everybody who waits for the server that it is gone.
    pub(super) fn fail_questions(&mut self, questions: BTreeMap<u64, Question>) {
        let lost = || {
            failed(
                "the connection was lost before the server answered",
                "try again when it is connected",
            )
        };
        for question in questions.into_values() {
            if let Question::LookBack(suspect) = &question {
                self.holds.release(suspect.local);
            }
            question.fail(lost());
        }
        self.ordered_by.clear();
        std::mem::take(&mut self.ordered)
            .into_values()
            .for_each(|ordered| give(ordered.reply, lost()));
    }
}

impl Question {
    fn fail(self, answer: Answer) {
        match self {
            Self::DeviceNames | Self::Probe(_) | Self::LookBack(_) => (),
            Self::Devices(to)
            | Self::Order(to)
            | Self::ReplaceId(to)
            | Self::Log(_, _, to)
            | Self::History(_, _, _, to)
            | Self::Search(_, _, to) => give(to, answer),
            Self::Verify(verify) => give(verify.into_reply(), answer),
            Self::Browse(restore) => give(restore.into_reply(), answer),
        }
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
