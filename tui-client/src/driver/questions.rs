//! Questions that the server has to answer. Each keeps the way back to who asked; when the connection is lost the asker is
//! told so.

use std::collections::BTreeMap;

use common::identity::AccountId;
use common::message::{At, Device, Failure, Reply, Request};
use sync_engine::session::Suspect;
use sync_engine::{RelPath, Version};
use tokio::sync::oneshot;

use super::Driver;
use super::bursts::Revert;
use super::paging::{Aim, Paging};
use super::restore::Restore;
use super::verify::Verify;
use crate::control::{Answer, Ask, DeviceItem, Moment};
use crate::fault::Exit;
use crate::notice::Trouble;

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
    /// Whether this is still the account's ID, for the driver or for somebody who wants to know it.
    CheckId(Box<AccountId>, Option<oneshot::Sender<Answer>>),
    /// Somebody replaced the account's ID.
    ReplaceId(oneshot::Sender<Answer>),
    /// Somebody asked for a part of the journal.
    Page(Paging),
    /// Somebody restores something; the tree as it was is on its way.
    Browse(Box<Restore>),
    /// Somebody brings back what bursts of removals took; the tree before or after one is on its way.
    Revert(Box<Revert>),
    /// The driver wants to know whether bytes that seem to be in conflict came from the account.
    LookBack(Suspect),
    /// The driver wants to know how far the server's journal is the one that was followed.
    Compare,
    /// Somebody verifies; the server's tree is on its way.
    Verify(Box<Verify>),
}

pub(super) fn failed(what: impl Into<String>, todo: impl Into<String>) -> Answer {
    Answer::Failed(unchanged(what, todo))
}

/// Says why something was not done, of which nothing was.
pub(super) fn unchanged(what: impl Into<String>, todo: impl Into<String>) -> Trouble {
    Trouble {
        what: what.into(),
        done: "nothing was changed".into(),
        todo: todo.into(),
    }
}

fn explain(failure: &Failure) -> Answer {
    let (what, todo) = failure_in_words(failure);
    failed(what, todo)
}

/// Says why the server could not do what it was asked for, and what to do.
pub(super) fn failure_in_words(failure: &Failure) -> (&'static str, &'static str) {
    match failure {
        Failure::NotFound => (
            "there is no such thing on the server",
            "look at the list for what there is",
        ),
        Failure::ServerFull => (
            "the server's disk is full",
            "make space on the server and try again",
        ),
        Failure::Limit => ("a limit of the server was passed", "ask for less at once"),
        Failure::ServerFault => (
            "the server could not read or write its store",
            "run 'server verify' on the server",
        ),
        Failure::Mismatch => ("a chunk was not what its name says", "try again"),
        Failure::LastDevice => ("the last device cannot be revoked", "enrol another device first"),
    }
}

/// What is answered when a server sends what is no tree.
pub(super) fn no_tree(error: &dyn std::error::Error) -> Answer {
    failed(
        format!("the server sent a tree that is not one: {error}"),
        "run 'server verify' on the server",
    )
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
        if !self.session.is_pulled() {
            return give(reply, self.unconnected());
        }
        match ask {
            Ask::Devices => {
                self.ask_or_fail(|request| Request::Devices { request }, Question::Devices(reply));
            }
            Ask::RenameDevice { device, name } => {
                self.ask_or_fail(
                    |request| Request::RenameDevice {
                        request,
                        device,
                        name,
                    },
                    Question::Order(reply),
                );
            }
            Ask::RevokeDevice { device } => {
                self.ask_or_fail(
                    |request| Request::RevokeDevice { request, device },
                    Question::Order(reply),
                );
            }
            Ask::ReplaceId => self.ask_or_fail(
                |request| Request::ReplaceId { request },
                Question::ReplaceId(reply),
            ),
            Ask::Log { limit } => self.ask_page(Paging::new(Aim::Log(limit), reply)),
            Ask::History { path } => {
                // What was moved here is, for the server, still where it was.
                let there = self
                    .remote_at(&path)
                    .and_then(|id| self.trees().remote().path(id));
                let place = self.kept_place(&path);
                let aim = Aim::History(there.unwrap_or(path), place);
                self.ask_page(Paging::new(aim, reply));
            }
            Ask::Restore { path, at, to } => self.browse(path, at, to, reply),
            Ask::Resolve { path, choice } => self.resolve(&path, choice, reply),
            Ask::Verify => self.verify(reply),
            Ask::Revert => self.revert_bursts(reply),
            _ => give(reply, failed("that is no question for the server", "report this")),
        }
    }

    /// What is answered when there is no connection.
    pub(super) fn unconnected(&self) -> Answer {
        let (trouble, exit) = match &self.trouble {
            Some((_, trouble)) => (trouble.clone(), *self.failing.borrow()),
            None => (
                Trouble {
                    what: format!("the server {} is out of reach", self.endpoint.address),
                    done: "nothing was changed".into(),
                    todo: "check the address, and that the server runs and lets this computer in; then try again"
                        .into(),
                },
                Some(Exit::Unreachable),
            ),
        };
        Answer::Unconnected {
            trouble,
            exit: exit.unwrap_or(Exit::Failed),
        }
    }

    /// Asks for the tree as it was, to bring something back from it.
    fn browse(&mut self, path: RelPath, at: Moment, to: Option<RelPath>, reply: oneshot::Sender<Answer>) {
        let at = match at {
            Moment::Version(version) => At::Version(version),
            Moment::TimeMs(time_ms) => At::TimeMs(time_ms),
            Moment::Kept(id) => return self.restore_kept(path, id, to, reply),
        };
        let names = path.0.clone();
        let restore = Restore::new(path, to, reply);
        self.ask_or_fail(
            |request| Request::Recover {
                request,
                at,
                path: names,
            },
            Question::Browse(Box::new(restore)),
        );
    }

    /// Asks the server. The question comes back if there is no connection, or no room on the line.
    pub(super) fn question(
        &mut self,
        request: impl FnOnce(u64) -> Request,
        question: Question,
    ) -> Result<(), Box<Question>> {
        let Some(connection) = &mut self.connection else {
            return Err(question.into());
        };
        let number = connection.next_request();
        if !connection.send(request(number), Vec::new()) {
            return Err(question.into());
        }
        connection.questions.insert(number, question);
        Ok(())
    }

    /// Asks the server for somebody; if that cannot be done he is told so.
    pub(super) fn ask_or_fail(&mut self, request: impl FnOnce(u64) -> Request, question: Question) {
        if let Err(question) = self.question(request, question) {
            question.fail(failed("the line to the server is full", "try again in a moment"));
        }
    }

    /// Asks what was asked before it was known whether the server can be reached.
    pub(super) fn ask_early(&mut self) {
        self.is_connecting = false;
        for (ask, reply) in std::mem::take(&mut self.early) {
            self.ask_server(ask, reply);
        }
    }

    pub(super) fn on_answer(&mut self, reply: Reply) {
        let request = match &reply {
            Reply::History { request, .. }
            | Reply::Past { request, .. }
            | Reply::Devices { request, .. }
            | Reply::NewId { request, .. }
            | Reply::Done { request }
            | Reply::Failed { request, .. }
            | Reply::Pong { request, .. }
            | Reply::Compared { request, .. }
            | Reply::Traced { request, .. } => *request,
            _ => return,
        };
        let Some(question) = self
            .connection
            .as_mut()
            .and_then(|connection| connection.questions.remove(&request))
        else {
            return;
        };
        match (question, reply) {
            (Question::Probe(number), Reply::Pong { head, .. }) => self.session.pong(number, head),
            (Question::DeviceNames, Reply::Devices { devices, .. }) => self.learn_names(&devices),
            (Question::DeviceNames, _) => self.tell_unnamed(),
            (Question::Devices(to), Reply::Devices { devices, .. }) => {
                self.learn_names(&devices);
                give(to, Answer::Devices(self.device_items(devices)));
            }
            (Question::Order(to), Reply::Done { .. }) => {
                self.ask_device_names();
                give(to, Answer::Done);
            }
            (Question::ReplaceId(to), Reply::NewId { id, .. }) => self.on_new_id(id, to),
            (Question::Page(paging), Reply::Traced { entries, more, .. }) => {
                self.on_page(paging, entries, more);
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
            (Question::Revert(revert), Reply::Past { nodes, last, .. }) => {
                self.on_past_of_burst(request, revert, nodes, last);
            }
            (Question::LookBack(suspect), Reply::History { entries, more, .. }) => {
                let next = self.session.looked_back(suspect, &entries, more);
                self.hear();
                next.into_iter().for_each(|next| self.ask_back(next));
            }
            (Question::Compare, Reply::Compared { newest, .. }) => self.on_compared(newest),
            (Question::Compare, _) => self.on_compared(Version::ZERO),
            (Question::CheckId(id, asker), reply) => self.on_id_checked(&id, asker, &reply),
            (Question::LookBack(suspect), _) => self.session.not_answered(suspect),
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
        self.tell_unnamed();
    }

    fn on_new_id(&mut self, id: AccountId, to: oneshot::Sender<Answer>) {
        self.account.id = Some(id);
        self.account.is_id_replaced = false;
        match self.save_account() {
            Ok(()) => {
                self.tell_account(false);
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

    /// Tells everybody who waits for the server that it is gone.
    pub(super) fn fail_questions(&mut self, questions: BTreeMap<u64, Question>) {
        let lost = || {
            Answer::Failed(Trouble {
                what: "the connection was lost before the server answered".into(),
                done: "what was ordered may have been done all the same".into(),
                todo: "look again when it is connected".into(),
            })
        };
        for question in questions.into_values() {
            match question {
                Question::LookBack(suspect) => self.session.not_asked(&suspect),
                // What is known is all that there is then.
                Question::CheckId(_, asker) => self.answer_identity(asker),
                question => question.fail(lost()),
            }
        }
        self.tell_unnamed();
        self.ordered_by.clear();
        std::mem::take(&mut self.ordered)
            .into_values()
            .for_each(|ordered| give(ordered.reply, lost()));
    }
}

impl Question {
    fn fail(self, answer: Answer) {
        match self {
            Self::DeviceNames
            | Self::Probe(_)
            | Self::LookBack(_)
            | Self::Compare
            | Self::CheckId(_, None) => (),
            Self::CheckId(_, Some(to)) => give(to, answer),
            Self::Devices(to) | Self::Order(to) | Self::ReplaceId(to) => give(to, answer),
            Self::Page(paging) => give(paging.into_reply(), answer),
            Self::Verify(verify) => give(verify.into_reply(), answer),
            Self::Browse(restore) => give(restore.into_reply(), answer),
            Self::Revert(revert) => give(revert.into_reply(), answer),
        }
    }
}
