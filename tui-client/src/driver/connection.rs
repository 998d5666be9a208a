//! The control connection, as the driver has it: what comes is given to the session, and what the session wants is sent.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use common::codec::Frame;
use common::fingerprint::Fingerprint;
use common::message::{
    Attachment, Auth, Cursor, Failure, Outcome, Pushed, Reply, Request, RequestId, Role, UNASKED, Welcome,
};
use sync_engine::session::{Suspect, Tell};
use sync_engine::{Block, Entry, Generation, Hash, Node, NodeId, Origin, Point, Version};
use tokio::sync::mpsc;

use super::Driver;
use super::orders::Refused;
use super::questions::Question;
use crate::net::control::{ControlEvent, Presence};
use crate::net::heard::Heard;
use crate::net::line::{Outgoing, PING_UNASKED};
use crate::net::{Bulk, Introduction};
use crate::notice::{Notice, Trouble};
use crate::transfer::compress::detach;

/// What belongs to one control connection.
pub(super) struct Connection {
    outgoing: mpsc::Sender<Outgoing>,
    heard: Heard,
    /// Whether listeners were told that the server is silent.
    pub is_silent: bool,
    last_request: RequestId,
    /// Questions that are not yet answered.
    pub questions: BTreeMap<RequestId, Question>,
}

impl Connection {
    /// Returns a number for the next request.
    pub(super) fn next_request(&mut self) -> RequestId {
        self.last_request += 1;
        self.last_request
    }

    /// Tells whether a request can be sent: the line is not lost, and not full of others.
    pub(super) fn takes_more(&self) -> bool {
        !self.is_lost() && 0 < self.outgoing.capacity()
    }

    /// Tells whether the line is lost, which may not have been heard yet.
    pub(super) fn is_lost(&self) -> bool {
        self.outgoing.is_closed()
    }

    /// Returns how long ago the server was last heard.
    pub(super) fn silence(&self) -> Duration {
        self.heard.silence()
    }

    /// Sends a request if there is room; the driver never waits for the wire.
    pub(super) fn send(&self, request: Request, attachments: Vec<Attachment>) -> bool {
        self.outgoing.try_send((request, attachments)).is_ok()
    }
}

impl Driver {
    pub(super) async fn on_control(&mut self, event: ControlEvent) {
        match event {
            ControlEvent::Connected {
                welcome,
                fingerprint,
                outgoing,
                heard,
                generation,
            } => {
                self.on_connected(welcome, fingerprint, (outgoing, heard), generation)
                    .await;
            }
            ControlEvent::Frame(frame) => self.on_frame(frame),
            ControlEvent::Lost { reason, retry } => {
                self.on_disconnected();
                self.ask_early();
                let retry_ms = u64::try_from(retry.as_millis()).unwrap_or(u64::MAX);
                self.tell(Notice::Disconnected { reason, retry_ms });
            }
            ControlEvent::Ended(error) => {
                self.on_disconnected();
                self.on_not_admitted(&error).await;
                // Who asked hears the reason.
                self.ask_early();
            }
        }
    }

    async fn on_connected(
        &mut self,
        welcome: Welcome,
        fingerprint: Fingerprint,
        (outgoing, heard): (mpsc::Sender<Outgoing>, Heard),
        generation: Generation,
    ) {
        let before = self.account.clone();
        if let Some(old) = self.account.fingerprint.replace(fingerprint)
            && old != fingerprint
        {
            tracing::warn!(%old, new = %fingerprint, "the server has another key, which is trusted from now on");
        }
        let is_made = welcome.id.is_some();
        if let Some(id) = welcome.id {
            self.account.id = Some(id);
            self.account.is_id_replaced = false;
        }
        self.account.device = Some(welcome.device);
        self.account.device_name = welcome.device_name;
        self.device_names
            .insert(welcome.device, self.account.device_name.clone());
        if self.account != before {
            if before.device.is_none()
                && let Err(error) = self.root.claim()
            {
                // The next start tries again; until then the folder is known by its path alone.
                tracing::warn!(%error, "the folder could not be marked as enrolled");
            }
            if let Err(error) = self.save_account() {
                self.on_config_failed(&error);
            }
            self.tell_account(is_made);
        }
        self.standing.begin(generation);
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
        self.transfers
            .connect(Bulk::start(self.endpoint.clone(), introduction));
        self.connection = Some(Connection {
            outgoing,
            heard,
            is_silent: false,
            last_request: 0,
            questions: BTreeMap::new(),
        });
        self.keep_name(&before.device_name);
        self.ask_device_names();
        self.check_id_once(before.device.is_some());
        self.is_connecting = true;
        self.trouble = None;
        self.session.resume();
        self.tell(Notice::Connected {
            server: self.endpoint.address.to_string(),
        });
        self.session.connected(welcome.epoch, welcome.head);
        self.hear();
    }

    /// The connection is over: whatever was under way is looked at anew when there is another.
    fn on_disconnected(&mut self) {
        self.session.disconnected();
        if let Some(connection) = self.connection.take() {
            self.fail_questions(connection.questions);
        }
        let (steps, files) = self.transfers.disconnect();
        for step in &steps {
            self.let_go(step);
            self.session.step_given_up(step);
        }
        files.into_iter().for_each(|id| self.session.upload_given_up(id));
    }

    /// Carries out what the session says.
    pub(super) fn hear(&mut self) {
        for tell in self.session.take_tells() {
            match tell {
                Tell::Reidentified { from, to } => self.follow(from, to),
                Tell::Remark(remark) => self.note_remark(&remark),
                Tell::Brake(brake) => self.tell_brake(brake),
                Tell::Burst(burst) => self.on_burst(burst),
                Tell::Diverged => self.note_put_back(),
                Tell::Compare(points) => self.compare(points),
                Tell::Pull(cursor) => {
                    if let Some(connection) = &self.connection {
                        connection.send(Request::Pull { cursor }, Vec::new());
                    }
                }
                Tell::LookAgain => {
                    tracing::error!("a correction does not fit the trees; the folder is looked at anew");
                    self.observer.rescan();
                }
            }
        }
    }

    fn on_frame(&mut self, frame: Frame<Reply>) {
        match frame.message {
            Reply::Snapshot { nodes, cursor, last } => self.on_snapshot(nodes, cursor, last),
            Reply::Entries { entries, chain, head } => {
                self.keep_contents(&frame.attachments);
                self.on_entries(entries, &chain, head);
                self.hear();
            }
            Reply::Diverged { .. } => {
                self.session.put_back();
                self.hear();
            }
            Reply::Committed { request, outcomes } => self.on_committed(request, outcomes),
            Reply::Failed { request, failure } if self.session.is_sent(request) => {
                self.on_commit_failed(request, &failure);
            }
            Reply::Pong {
                request: PING_UNASKED,
                ..
            } => (),
            Reply::Missing {
                request: UNASKED,
                hashes,
            } => self.session.lacking(&hashes.into_iter().collect()),
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
            | Reply::Pong { .. }
            | Reply::Compared { .. }
            | Reply::Traced { .. }) => self.on_answer(other),
        }
    }

    fn keep_contents(&mut self, attachments: &[Attachment]) {
        for attachment in attachments {
            match detach(attachment) {
                Ok(plain) => self.keep_content(attachment.head.hash, plain),
                Err(damaged) => {
                    tracing::warn!(%damaged, "a pushed content is not what its name says; it is fetched");
                }
            }
        }
    }

    fn keep_content(&mut self, hash: Hash, plain: Bytes) {
        let len = plain.len();
        self.come.put(hash, plain, len);
    }

    fn on_snapshot(&mut self, nodes: Vec<(NodeId, Version, Node)>, cursor: Cursor, last: bool) {
        if let Err(error) = self.session.snapshot(nodes, cursor, last) {
            self.control.end();
            self.on_disconnected();
            self.fatal(
                Trouble {
                    what: format!("the server sent a tree that is not one: {error}"),
                    done: "nothing in the folder was changed".into(),
                    todo: "run 'server verify' on the server, and start the client again".into(),
                },
                crate::fault::Exit::Failed,
            );
            self.ask_early();
        }
        self.hear();
    }

    fn on_entries(&mut self, entries: Vec<Pushed>, chain: &Hash, head: Version) {
        for pushed in entries {
            if !self.session.follows() {
                return;
            }
            let Some((entry, origin)) = self.entry_of(pushed) else {
                tracing::warn!("an entry of a commit that was never sent");
                return self.session.diverged();
            };
            // What is removed has a path only before the entry is entered.
            let notices = self.notices_of(&entry);
            let ended = self.conflict_ended_by(&entry);
            if !self.session.follow(&entry, origin) {
                return tracing::warn!(number = %entry.number, "an entry does not follow from what is known");
            }
            self.note_entry(&entry, notices);
            if let Some(ended) = ended {
                self.tell(ended);
            }
        }
        self.session.followed(chain, head);
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
            } => self
                .session
                .own_entry(request, index, number, self.account.device?, time_ms),
        }
    }

    fn on_committed(&mut self, request: RequestId, outcomes: Vec<Outcome>) {
        let outcomes = outcomes.into_iter().map(|outcome| match outcome {
            Outcome::Accepted(version) => Ok(version),
            Outcome::Rejected(rejection) => Err(rejection),
        });
        let (now, policy) = (self.now(), self.policy());
        let Some(answered) = self.session.committed(request, outcomes, now, &policy) else {
            return;
        };
        self.hear();
        answered.done.into_iter().for_each(|hash| self.going.forget(hash));
        if let Some(rejection) = &answered.refused {
            tracing::debug!(?rejection, "a change was not taken");
        }
        let refused = answered.refused.map(Refused::Rejected);
        self.note_answered(request, refused.as_ref());
    }

    fn on_commit_failed(&mut self, request: RequestId, failure: &Failure) {
        let block = match failure {
            Failure::ServerFull => Block::ServerFull,
            other => Block::Refused(other.to_string()),
        };
        let now = self.now();
        self.session.commit_failed(request, &block, now);
        self.note_answered(request, Some(&Refused::Failed(failure.clone())));
    }

    /// Asks how far the server's journal is the one that was followed.
    fn compare(&mut self, points: Vec<Point>) {
        let asked = self.question(|request| Request::Compare { request, points }, Question::Compare);
        if asked.is_err() {
            // Nothing is known of it then; that makes conflicts at worst.
            self.on_compared(Version::ZERO);
        }
    }

    /// The server has said how far its journal is the one that was followed.
    pub(super) fn on_compared(&mut self, newest: Version) {
        self.session.compared(newest);
        self.hear();
    }

    /// Asks the history about local bytes that seem to be in conflict.
    pub(super) fn ask_back(&mut self, suspect: Suspect) {
        let (id, before) = (suspect.node(), suspect.before());
        let question = Question::LookBack(suspect);
        let refused = self.question(|request| Request::History { request, id, before }, question);
        if let Err(question) = refused
            && let Question::LookBack(suspect) = *question
        {
            // The line is lost or full; after a pause the same is planned again.
            let now = self.now();
            self.session.question_refused(&suspect, now);
        }
    }
}
