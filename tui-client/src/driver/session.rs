//! What the server says: admission, the journal as a snapshot or as entries, and what became of commits. The remote tree
//! follows the journal entry by entry, and the chain of hashes shows that it is the same journal as before.

use std::collections::BTreeMap;
use std::time::Instant;

use common::codec::Frame;
use common::message::{
    Attachment, Auth, Cursor, Outcome, Pushed, Reply, Request, RequestId, Role, UNASKED, Welcome,
};
use sync_engine::advance::{self, Delta, Origin};
use sync_engine::chain::chain_next;
use sync_engine::tree::Item;
use sync_engine::{Block, Change, Entry, Hash, Node, NodeId, Reaction, Rejection, TreeError, Version, react};
use tokio::sync::mpsc;

use super::Driver;
use super::questions::Question;
use crate::net::control::{ControlEvent, Presence};
use crate::net::line::{Outgoing, PING_UNASKED};
use crate::net::{Bulk, Introduction};
use crate::notice::{Notice, Trouble};
use crate::transfer::compress::detach;

/// What belongs to one control connection.
pub(super) struct Session {
    outgoing: mpsc::Sender<Outgoing>,
    last_request: RequestId,
    /// Questions that are not yet answered.
    pub questions: BTreeMap<RequestId, Question>,
    /// Whether the remote tree is up to date with what the server said at first.
    pub pulled: bool,
    /// The newest entry that the server has told of.
    pub head: Version,
    snapshot: Vec<(NodeId, Version, Node)>,
}

impl Session {
    /// Returns a number for the next request.
    pub(super) fn next_request(&mut self) -> RequestId {
        self.last_request += 1;
        self.last_request
    }

    /// Sends a request if there is room; the driver never waits for the wire.
    pub(super) fn send(&self, request: Request, attachments: Vec<Attachment>) -> bool {
        self.outgoing.try_send((request, attachments)).is_ok()
    }

    /// Asks a question. Returns whether there was room for it.
    pub(super) fn ask(&mut self, request: impl FnOnce(RequestId) -> Request, question: Question) -> bool {
        let number = self.next_request();
        let is_sent = self.send(request(number), Vec::new());
        if is_sent {
            self.questions.insert(number, question);
        }
        is_sent
    }
}

impl Driver {
    pub(super) async fn on_control(&mut self, event: ControlEvent) {
        match event {
            ControlEvent::Connected {
                welcome,
                fingerprint,
                outgoing,
                generation,
            } => {
                self.account.fingerprint = Some(fingerprint);
                self.on_connected(welcome, outgoing, generation).await;
            }
            ControlEvent::Frame(frame) => self.on_frame(frame),
            ControlEvent::Lost { reason, retry } => {
                self.on_disconnected();
                let retry_ms = u64::try_from(retry.as_millis()).unwrap_or(u64::MAX);
                self.tell(Notice::Disconnected { reason, retry_ms });
            }
            ControlEvent::Ended(error) => {
                self.on_disconnected();
                self.on_not_admitted(&error);
            }
        }
    }

    async fn on_connected(
        &mut self,
        welcome: Welcome,
        outgoing: mpsc::Sender<Outgoing>,
        generation: [u8; 16],
    ) {
        let before = self.account.clone();
        if let Some(id) = welcome.id {
            self.account.id = Some(id);
        }
        self.account.device = Some(welcome.device);
        self.account.device_name = welcome.device_name;
        self.device_names
            .insert(welcome.device, self.account.device_name.clone());
        if self.account != before {
            if let Err(error) = self.save_account() {
                self.on_config_failed(&error);
            }
            self.tell_account();
        }
        self.facts.generation = generation;
        self.facts_changed = true;
        self.save_durably().await;
        self.control.introduce(Presence {
            auth: Auth::Device,
            generation,
        });
        let introduction = Introduction {
            role: Role::Bulk,
            auth: Auth::Device,
            generation,
            next_generation: generation,
        };
        self.transfers.connect(Bulk::start(self.endpoint(), introduction));
        let mut session = Session {
            outgoing,
            last_request: 0,
            questions: BTreeMap::new(),
            pulled: false,
            head: welcome.head,
            snapshot: Vec::new(),
        };
        session.ask(|request| Request::Devices { request }, Question::DeviceNames);
        self.session = Some(session);
        self.is_connecting = true;
        self.trouble = None;
        self.holds.wake_all();
        self.pace.want();
        self.tell(Notice::Connected {
            server: self.account.server.to_string(),
        });
        match self.facts.cursor {
            Some(cursor) if cursor.epoch != welcome.epoch => self.on_put_back(),
            cursor => self.pull(cursor),
        }
    }

    fn pull(&mut self, cursor: Option<Cursor>) {
        if let Some(session) = &mut self.session {
            session.pulled = false;
            session.snapshot.clear();
            session.send(Request::Pull { cursor }, Vec::new());
        }
    }

    /// The connection is over: whatever was under way is looked at anew when there is another.
    fn on_disconnected(&mut self) {
        if let Some(session) = self.session.take() {
            self.fail_questions(session.questions);
        }
        let changes = self.outbox.drain();
        let in_commits: Vec<NodeId> = changes.iter().flat_map(Change::ids).collect();
        self.holds.release_all(in_commits);
        let (steps, files) = self.transfers.disconnect();
        self.release_steps(&steps);
        for id in files {
            self.uploading.remove(&id);
            self.holds.release(id);
        }
        self.heals.clear();
        self.ask_early();
        self.settled.disconnect();
    }

    fn on_frame(&mut self, frame: Frame<Reply>) {
        match frame.message {
            Reply::Snapshot { nodes, cursor, last } => self.on_snapshot(nodes, cursor, last),
            Reply::Entries { entries, chain, head } => {
                self.keep_contents(&frame.attachments);
                self.on_entries(entries, chain, head);
            }
            Reply::Diverged { .. } => self.on_put_back(),
            Reply::Committed { request, outcomes } => self.on_committed(request, outcomes),
            Reply::Failed { request, failure } if self.outbox.is_sent(request) => {
                self.on_commit_failed(request, &failure);
            }
            Reply::Pong {
                request: PING_UNASKED,
                ..
            } => (),
            Reply::Missing {
                request: UNASKED,
                hashes,
            } => self.on_lacking(&hashes),
            Reply::Welcome(_) | Reply::Refused(_) => tracing::warn!("an unexpected answer"),
            other @ (Reply::Missing { .. }
            | Reply::Stored { .. }
            | Reply::Chunks { .. }
            | Reply::History { .. }
            | Reply::Past { .. }
            | Reply::Devices { .. }
            | Reply::NewId { .. }
            | Reply::Done { .. }
            | Reply::Failed { .. }
            | Reply::Pong { .. }) => self.on_answer(other),
        }
    }

    fn keep_contents(&mut self, attachments: &[Attachment]) {
        for attachment in attachments {
            match detach(attachment) {
                Ok(plain) => self.come.put(attachment.head.hash, plain),
                Err(damaged) => {
                    tracing::warn!(%damaged, "a pushed content is not what its name says; it is fetched");
                }
            }
        }
    }

    fn on_snapshot(&mut self, nodes: Vec<(NodeId, Version, Node)>, cursor: Cursor, last: bool) {
        let Some(session) = &mut self.session else { return };
        session.snapshot.extend(nodes);
        if !last {
            return;
        }
        let nodes = std::mem::take(&mut session.snapshot);
        session.pulled = true;
        session.head = session.head.max(cursor.version);
        let items = nodes.into_iter().map(|(id, version, node)| {
            let node = node.into();
            (id, Item { node, version })
        });
        self.touched.forget_remote();
        match self.enter_tree(items.collect()) {
            Ok(delta) => self.touch(&delta),
            Err(error) => {
                return self.fatal(
                    Trouble {
                        what: format!("the server sent a tree that is not one: {error}"),
                        done: "nothing in the folder was changed".into(),
                        todo: "run 'server verify' on the server".into(),
                    },
                    crate::fault::Exit::Failed,
                );
            }
        }
        self.set_cursor(cursor);
        self.settled.disturb();
        self.pace.want();
    }

    /// Enters all that the server has.
    fn enter_tree(&mut self, items: Vec<(NodeId, Item)>) -> Result<Delta, TreeError> {
        if std::mem::take(&mut self.is_put_back) {
            return advance::rewind(&mut self.trees, items);
        }
        let remote = items.iter().map(|(id, _)| *id).collect();
        self.trees.forget_remote();
        self.trees
            .edit_remote(items.into_iter().map(|(id, item)| (id, Some(item))).collect())?;
        Ok(Delta {
            remote,
            ..Delta::default()
        })
    }

    fn on_entries(&mut self, entries: Vec<Pushed>, chain: Hash, head: Version) {
        let Some(mut cursor) = self.facts.cursor else {
            return;
        };
        for pushed in entries {
            let Some((entry, origin)) = self.entry_of(pushed) else {
                return self.on_diverged();
            };
            if entry.number != cursor.version.next() {
                tracing::warn!(number = %entry.number, after = %cursor.version, "an entry out of order");
                return self.on_diverged();
            }
            if origin != Origin::Planned {
                self.pace.want();
            }
            cursor = Cursor {
                version: entry.number,
                chain: chain_next(&cursor.chain, &entry),
                ..cursor
            };
            let notices = self.notices_of(&entry);
            let ended = self.conflict_ended_by(&entry);
            match advance::accept(&mut self.trees, &entry, origin) {
                Ok(touched) => self.touch(&touched),
                Err(error) => {
                    tracing::warn!(%error, "an entry does not fit the tree");
                    return self.on_diverged();
                }
            }
            self.note_entry(&entry, notices);
            if let Some(ended) = ended {
                self.tell(ended);
            }
        }
        if cursor.chain != chain {
            tracing::warn!("the chain of the journal does not agree");
            return self.on_diverged();
        }
        if let Some(session) = &mut self.session {
            session.head = session.head.max(head);
            if !session.pulled && session.head <= cursor.version {
                session.pulled = true;
                self.pace.want();
            }
        }
        if self.facts.cursor != Some(cursor) {
            self.settled.disturb();
        }
        self.set_cursor(cursor);
    }

    /// Completes an entry that this connection's own commit became, and says where it comes from.
    fn entry_of(&self, pushed: Pushed) -> Option<(Entry, Origin)> {
        match pushed {
            Pushed::Full(entry) if Some(entry.device) == self.account.device => {
                Some((entry, Origin::Recalled))
            }
            Pushed::Full(entry) => Some((entry, Origin::Foreign)),
            Pushed::Own {
                number,
                time_ms,
                request,
                index,
            } => {
                let origin = if self.ordered_by.contains_key(&request) {
                    Origin::Foreign
                } else {
                    Origin::Planned
                };
                let change = self.outbox.change(request, index)?.clone();
                Some((
                    Entry {
                        number,
                        device: self.account.device?,
                        time_ms,
                        change,
                    },
                    origin,
                ))
            }
        }
    }

    fn set_cursor(&mut self, cursor: Cursor) {
        if self.facts.cursor != Some(cursor) {
            self.facts.cursor = Some(cursor);
            self.facts_changed = true;
        }
    }

    /// The server's journal does not have what this device knew: it was put back to an older state.
    fn on_put_back(&mut self) {
        self.is_put_back = true;
        self.on_diverged();
    }

    /// The server's journal is not the one that this device followed: both sides are united, and nothing is deleted.
    fn on_diverged(&mut self) {
        self.unite();
        self.facts.cursor = None;
        self.tell(Notice::Error(Trouble {
            what: "the server's history is not the one that this device knew; it was put back to an older state, or is \
                   another's"
                .into(),
            done: "nothing is deleted; both sides are united, and what the server lost is sent again".into(),
            todo: "nothing; look at the conflicts afterwards".into(),
        }));
        self.pull(None);
    }

    /// Forgets what both sides agreed on: the next plans unite them.
    pub(super) fn unite(&mut self) {
        self.trees.forget_bases();
        self.touched.forget_bases();
        self.facts.joining = true;
        self.facts_changed = true;
        let changes = self.outbox.drain();
        let in_commits: Vec<NodeId> = changes.iter().flat_map(Change::ids).collect();
        self.holds.release_all(in_commits);
    }

    fn on_committed(&mut self, request: RequestId, outcomes: Vec<Outcome>) {
        let Some(changes) = self.outbox.answered(request) else {
            return;
        };
        let now = Instant::now();
        let mut refused = None;
        for (change, outcome) in changes.iter().zip(outcomes) {
            match outcome {
                Outcome::Accepted(_) => {
                    for id in change.ids() {
                        self.holds.succeed(id);
                        self.uploading.remove(&id);
                    }
                    if let Some(content) = content_of(change) {
                        self.going.forget(content);
                        self.on_server.remove(&content);
                    }
                }
                Outcome::Rejected(rejection) => {
                    tracing::debug!(?rejection, ?change, "a change was not taken");
                    refused = Some(match rejection {
                        Rejection::MissingContent(_) => {
                            "it does not have these bytes any more; they were given up by its retention, or are \
                             damaged"
                                .to_owned()
                        }
                        _ => format!("{rejection:?}"),
                    });
                    self.on_rejected(change, &rejection, now);
                }
            }
        }
        if self.outbox.is_empty() {
            self.pace.want();
        }
        self.note_answered(request, refused);
    }

    fn on_rejected(&mut self, change: &Change, rejection: &Rejection, now: Instant) {
        let policy = self.policy();
        let mut block = None;
        match react(&self.trees, &policy, change, rejection) {
            Reaction::PlanAgain => (),
            Reaction::Record(record) => match advance::record(&mut self.trees, &record) {
                Ok(delta) => self.touch(&delta),
                Err(error) => tracing::debug!(%error, ?record, "a correction came too late"),
            },
            Reaction::Upload(..) => {
                if let Some(content) = content_of(change) {
                    self.on_server.remove(&content);
                }
            }
            Reaction::Block(_, reason) => block = Some(reason),
        }
        for id in change.ids() {
            self.holds.fail(id, now, block.clone());
            self.uploading.remove(&id);
        }
    }

    fn on_commit_failed(&mut self, request: RequestId, failure: &common::message::Failure) {
        let changes = self.outbox.answered(request).unwrap_or_default();
        let now = Instant::now();
        let block = match failure {
            common::message::Failure::ServerFull => Block::NoSpace,
            other => Block::Refused(format!("{other:?}")),
        };
        for id in changes.iter().flat_map(Change::ids) {
            self.holds.fail(id, now, Some(block.clone()));
            self.uploading.remove(&id);
        }
        self.note_answered(request, Some(format!("{failure:?}")));
    }
}

/// The content that a change needs at the server.
pub(super) fn content_of(change: &Change) -> Option<Hash> {
    match change {
        Change::Create { node, .. } => node.kind.file().map(|file| file.content.hash),
        Change::Update { kind, .. } => kind.file().map(|file| file.content.hash),
        Change::Move { .. } | Change::Delete { .. } | Change::Mark { .. } => None,
    }
}
