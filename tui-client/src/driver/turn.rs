//! One turn: plan, give orders to the wire and to the hand, save, tell. A turn costs what has changed.

use std::sync::Arc;

use common::limits::{
    CHANGES_MAX, FRAME_LEN_AIM, IDLE_TIMEOUT, INLINE_LEN_MAX, held_at_most, unless_simulated,
};
use common::message::Request;
use sync_engine::plan::{NameRules, Policy, Removals};
use sync_engine::session::{Claim, Limits, Orders, SILENCE_MAX, Synced};
use sync_engine::{Content, DeviceId, NodeId, Version};
use tokio::time::Instant;

use super::Driver;
use super::connection::Connection;
use super::questions::Question;
use crate::chunker::Chunked;
use crate::control::State as StateWord;
use crate::notice::Notice;
use crate::state::Delta;

/// While the hand has more than this to write, no more small contents are fetched or taken from the server, in bytes.
const HAND_LEN_MAX: usize = 2 * 1024 * 1024;
/// How many of the nodes that come from the server a plan sees to, about: enough that the next is made before these are
/// here.
const ARRIVALS_MAX: usize = 10_000;
const ARRIVALS_MAX_SIMULATED: usize = 3;
/// How many changes go into one commit.
const CHANGES_AIM: usize = 512;

const _: () = assert!(CHANGES_AIM <= CHANGES_MAX);

/// The largest tree that is taken from a server, in bytes: more than ten million nodes with usual names.
const TREE_LEN_MAX: usize = 2 * 1024 * 1024 * 1024 - 1;

/// The limits of the wire, as the session has to know them.
pub(super) const LIMITS: Limits = Limits {
    inline_len_max: INLINE_LEN_MAX as u64,
    commit_len_aim: FRAME_LEN_AIM,
    changes_aim: CHANGES_AIM,
    tree_len_max: TREE_LEN_MAX,
};

impl Driver {
    /// See the module's page.
    pub(super) async fn turn(&mut self) {
        if self.is_connecting && self.session.works() {
            self.ask_early();
        }
        self.plan();
        self.transfers.begin(!self.hand_is_full());
        self.feed_hand();
        self.send_ordered();
        self.send_commits();
        self.save().await;
        self.tell_state();
    }

    /// Tells whether the hand has enough to write.
    pub(super) fn hand_is_full(&self) -> bool {
        held_at_most(HAND_LEN_MAX) as u64 <= self.hand_len
    }

    /// Plans if it is time to, and gives orders.
    fn plan(&mut self) {
        self.undo_unheard();
        let (now, policy) = (self.now(), self.policy());
        let plan = self.session.plan(now, &policy);
        self.hear();
        if let Some(plan) = plan.filter(|plan| !plan.removes() || self.root_is_there()) {
            let orders = self.session.order(plan, now);
            self.hear();
            self.give(orders);
        }
        let now = self.now();
        self.session.rest(now);
    }

    fn give(&mut self, orders: Orders) {
        for (id, content) in orders.uploads {
            self.order_content(id, content);
        }
        orders.steps.into_iter().for_each(|step| self.begin_step(step));
        for suspect in orders.questions {
            self.ask_back(suspect);
        }
    }

    fn order_content(&mut self, id: NodeId, content: Content) {
        let Some(path) = self.trees().local().path(id) else {
            return self.session.upload_given_up(id);
        };
        if let Some(chunked) = self.chunks_of(id, content) {
            self.transfers.send(id, path, chunked);
        } else {
            self.transfers.cut_and_send(id, path, content);
        }
    }

    fn chunks_of(&self, id: NodeId, content: Content) -> Option<Arc<Chunked>> {
        self.chunked
            .get(&id)
            .filter(|chunked| chunked.content == content)
            .cloned()
    }

    fn send_commits(&mut self) {
        loop {
            // What is not sent now goes with what the server's next answer brings about, or over the next line.
            let Some(connection) = self.connection.as_mut().filter(|line| line.takes_more()) else {
                return;
            };
            let (going, mut attachments) = (&self.going, Vec::new());
            let commit = self.session.next_commit(&mut |hash| {
                let attachment = going.get(hash)?;
                let len = attachment.bytes.len();
                attachments.push(attachment);
                Some(len)
            });
            let mut loads = Vec::with_capacity(commit.loads.len());
            for (id, content) in commit.loads {
                match self.session.trees().local().path(id) {
                    Some(path) => loads.push((id, path, content)),
                    None => self.session.upload_failed(id, None, super::since(self.began)),
                }
            }
            self.transfers.load(loads);
            if commit.changes.is_empty() {
                return;
            }
            let request = connection.next_request();
            let message = Request::Commit {
                request,
                changes: commit.changes.clone(),
            };
            if !connection.send(message, attachments) {
                return self.session.not_sent(&commit.changes);
            }
            self.session.sent(request, commit.changes);
        }
    }

    pub(super) fn policy(&self) -> Policy {
        let today = self.today();
        Policy {
            device: self.account.device.unwrap_or(DeviceId([0; 16])),
            device_name: self.account.device_name.clone(),
            date: (
                today.year(),
                today.month().unsigned_abs(),
                today.day().unsigned_abs(),
            ),
            names: if cfg!(windows) {
                NameRules::Windows
            } else {
                NameRules::Unix
            },
            folding: self.folding,
            has_symlinks: !cfg!(windows),
            has_exec_bits: !cfg!(windows),
            cursor: Version::ZERO,
            removals: Removals::default(),
            arrivals_max: unless_simulated(ARRIVALS_MAX, ARRIVALS_MAX_SIMULATED),
        }
    }

    fn root_is_there(&mut self) -> bool {
        match self.root.check() {
            Ok(()) => true,
            Err(lost) if lost.is_passing() => {
                // Nothing is removed on that; what was planned is planned again.
                self.session.disturb();
                self.look_soon();
                false
            }
            Err(lost) => {
                self.on_root_lost(&lost);
                false
            }
        }
    }

    /// Saves what this turn changed.
    pub(super) async fn save(&mut self) {
        let unsaved = self.session.take_unsaved();
        let number = self.number_prints();
        self.prove();
        let facts = (std::mem::take(&mut self.facts_changed) || unsaved.facts).then(|| self.facts());
        let delta = self.touched.take(&self.session, unsaved, facts, number);
        if !delta.is_empty() {
            self.memory.save(delta).await;
        }
    }

    /// Returns the number that new prints get, if there are any.
    fn number_prints(&mut self) -> u64 {
        if self.touched.has_prints() {
            return self.firmness.take_number();
        }
        0
    }

    pub(super) async fn save_durably(&mut self) {
        self.facts_changed = false;
        let number = self.number_prints();
        let (unsaved, facts) = (self.session.take_unsaved(), self.facts());
        let delta = self.touched.take(&self.session, unsaved, Some(facts), number);
        let begun = Some(self.standing.begun.clone());
        self.memory.save_durably(Delta { begun, ..delta }).await;
    }

    /// Probes, says 'synced', answers those who wait.
    fn tell_state(&mut self) {
        let (now, eyes_idle) = (self.now(), self.observer.idle());
        self.tell_silence();
        if let Some(number) = self.session.probe(now, eyes_idle) {
            let token = self.observer.sync();
            self.session.expect_cookie(token);
            let asked = self.question(|request| Request::Ping { request }, Question::Probe(number));
            if asked.is_err() {
                self.session.probe_lost();
            }
        }
        if let Some(synced) = self.session.synced(now, eyes_idle) {
            self.on_synced(synced);
        }
        self.end_doubts(eyes_idle);
        let blocked = self.session.blocked();
        self.tell_blocked(&blocked);
        self.tell_pending(&blocked);
        for waiter in self.session.overdue(now) {
            self.answer_overdue(waiter);
        }
    }

    /// Tells listeners that nothing is heard from the server any more, or is again. What was proven over a line that was
    /// silent is proven anew.
    fn tell_silence(&mut self) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        let is_silent = SILENCE_MAX <= connection.silence();
        if is_silent == std::mem::replace(&mut connection.is_silent, is_silent) {
            return;
        }
        self.session.disturb();
        let patience = IDLE_TIMEOUT.saturating_sub(SILENCE_MAX).as_millis();
        self.tell(if is_silent {
            Notice::Disconnected {
                reason: format!(
                    "nothing was heard from the server for {} s",
                    SILENCE_MAX.as_secs()
                ),
                retry_ms: u64::try_from(patience).unwrap_or(u64::MAX),
            }
        } else {
            let server = self.endpoint.address.to_string();
            Notice::Connected { server }
        });
    }

    /// Returns when the server will have been silent for too long, unless it is heard before.
    pub(super) fn silence_due(&self) -> Option<Instant> {
        let connection = self.connection.as_ref().filter(|line| !line.is_silent)?;
        Some(Instant::now() + SILENCE_MAX.saturating_sub(connection.silence()))
    }

    fn on_synced(&mut self, synced: Synced) {
        if synced.is_new {
            self.protected_ms = Some(self.now_ms());
            self.facts_changed = true;
            self.chunked.clear();
            self.going.clear();
            self.come.clear();
            let version = synced.version;
            self.tell(Notice::Synced { version });
            self.close_bursts();
            self.clear_stash(false);
        }
        self.seek_kept();
        self.drop_begun();
        for waiter in synced.waiters {
            self.answer_synced(waiter);
        }
    }

    /// The state in one word, as far as it was proven.
    pub(super) fn state_word(&self) -> StateWord {
        self.state_as_of(self.observer.idle(), true)
    }

    /// The state in one word, for somebody whose question a probe has answered if it `is_fresh`.
    pub(super) fn state_as_of(&self, eyes_idle: bool, is_fresh: bool) -> StateWord {
        if let Some((word, _)) = &self.trouble {
            return *word;
        }
        let silence = self.connection.as_ref().map(Connection::silence);
        match self.session.claim(self.now(), silence, eyes_idle, is_fresh) {
            Claim::Halted => StateWord::Halted,
            Claim::Offline => StateWord::Offline,
            Claim::Syncing => StateWord::Syncing,
            Claim::Synced => StateWord::Synced,
        }
    }
}
