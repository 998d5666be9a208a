//! The sending half of a session. Law: answers go out in the order of the requests; entries go out in the order of the
//! journal, without gaps, each once; and a commit is answered only after all that it made was pushed. A device that
//! reads slowly holds nothing in memory here: it is pushed what it has missed from the journal.

use common::limits::{ATTACHMENTS_MAX, FRAME_LEN_AIM, FRAME_LEN_MAX};
use common::message::{Attachment, Cursor, Failure, Outcome, Pushed, Reply, UNASKED};
use std::sync::Arc;
use sync_engine::{Hash, Version};
use tokio::sync::{mpsc, oneshot};

use super::ConnectionError;
use super::frames::FrameWriter;
use super::session::{Pending, Waiting, Who};
use crate::beacon::Watcher;
use crate::feed::{LACKING_MAX, OwnEntries, Recent};
use crate::house::House;
use crate::reading::{Part, present_tree, tree_part};
use crate::room::{OWN_LEN, Rooms};

/// Entries in one frame; there may be fewer, by their length.
const PUSH_MAX: usize = 1024;
/// What a message may be before a frame is closed, in bytes: half of the limit, since one more node or entry follows.
const MESSAGE_LEN_AIM: usize = 384 * 1024;
/// See the module's page.
pub(super) struct Outbox {
    pub(super) house: Arc<House>,
    pub(super) who: Who,
    own: Arc<OwnEntries>,
    pub(super) writer: FrameWriter,
    /// Where long answers find room.
    pub(super) rooms: Rooms,
    /// The last entry that was pushed; nothing before the device has asked for the first.
    pushed: Option<Version>,
    head: Watcher<Version>,
    /// What the account should have and lacks; the device is asked for it.
    lacking: Watcher<Arc<Vec<Hash>>>,
}

impl Outbox {
    /// Returns the sending half of a session.
    pub(super) fn new(
        house: Arc<House>,
        who: Who,
        own: Arc<OwnEntries>,
        writer: FrameWriter,
        rooms: Rooms,
    ) -> Self {
        let head = who.feed.watch();
        let lacking = who.feed.watch_lacking();
        Self {
            house,
            who,
            own,
            writer,
            rooms,
            pushed: None,
            head,
            lacking,
        }
    }

    /// Sends until nothing more can be asked.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Waiting>) -> Result<(), ConnectionError> {
        loop {
            tokio::select! {
                biased;
                () = self.lacking.changed(), if self.pushed.is_some() => {
                    self.ask_for_lacking().await?;
                }
                () = self.head.changed(), if self.pushed.is_some() => {
                    self.push().await?;
                    // However much others commit, an answer has its turn.
                    if let Ok(next) = queue.try_recv() {
                        self.answer(next).await?;
                    }
                }
                next = queue.recv() => match next {
                    Some(next) => self.answer(next).await?,
                    None => break,
                },
            }
        }
        self.writer.finish().await;
        Ok(())
    }

    async fn answer(&mut self, next: Waiting) -> Result<(), ConnectionError> {
        let (pending, _room) = *next;
        match pending {
            Pending::Commit(request, answer) => {
                let reply = match self.pushing_until(answer).await? {
                    Ok(outcomes) => {
                        self.push_to(last_accepted(&outcomes)).await?;
                        Reply::Committed { request, outcomes }
                    }
                    Err(failure) => Reply::Failed { request, failure },
                };
                self.writer.send(reply).await
            }
            Pending::Put(request, answer) => {
                let reply = match self.pushing_until(answer).await? {
                    Ok(incomplete) => Reply::Stored { request, incomplete },
                    Err(failure) => Reply::Failed { request, failure },
                };
                self.writer.send(reply).await
            }
            Pending::Mismatch(request, mismatch) => {
                if let Some(n_unsaid) = self.house.gate.lines.may_say() {
                    tracing::warn!(device = %self.who.device, %mismatch, n_unsaid, "a chunk was refused");
                }
                self.writer
                    .send(Reply::Failed {
                        request,
                        failure: Failure::Mismatch,
                    })
                    .await
            }
            Pending::Question(question) => self.question(question).await,
        }
    }

    /// Asks the device for what the account should have and lacks.
    async fn ask_for_lacking(&mut self) -> Result<(), ConnectionError> {
        let hashes = self.lacking.see().to_vec();
        if hashes.is_empty() {
            return Ok(());
        }
        let request = UNASKED;
        self.writer.send(Reply::Missing { request, hashes }).await
    }

    /// Waits for the writer's answer, and goes on pushing meanwhile.
    async fn pushing_until<T>(
        &mut self,
        mut answer: oneshot::Receiver<Result<T, Failure>>,
    ) -> Result<Result<T, Failure>, ConnectionError> {
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return answer.map_err(|_| ConnectionError::BrokenOff),
                () = self.head.changed(), if self.pushed.is_some() => {
                    self.push().await?;
                }
            }
        }
    }

    /// Pushes everything up to an entry, which is in the journal.
    async fn push_to(&mut self, number: Option<Version>) -> Result<(), ConnectionError> {
        if self.pushed.is_none() {
            self.own.clear();
        } else if let Some(number) = number
            && self.pushed < Some(number)
        {
            self.who.feed.raise(number);
            self.push().await?;
        }
        Ok(())
    }

    /// Pushes what is new.
    async fn push(&mut self) -> Result<(), ConnectionError> {
        while let Some(after) = self.pushed {
            let head = self.head.see();
            if head <= after {
                break;
            }
            // Who does not read holds room until it is cut off. The others of the account are pushed to meanwhile, a little
            // at a time.
            let mut room = self.rooms.answer_now();
            let len_max = if room.is_some() { FRAME_LEN_AIM } else { OWN_LEN };
            if !self.who.feed.has_recent(after, len_max) && room.is_none() {
                room = Some(self.rooms.answer().await);
            }
            let Some(entries) = self.entries_after(after, len_max).await? else {
                break;
            };
            self.send_entries(entries, head).await?;
            drop(room);
        }
        Ok(())
    }

    /// Returns the next entries, from memory or from the journal.
    async fn entries_after(
        &self,
        after: Version,
        len_max: usize,
    ) -> Result<Option<Vec<Recent>>, ConnectionError> {
        if let Some(entries) = self.who.feed.recent(after, PUSH_MAX, len_max) {
            return Ok(Some(entries));
        }
        let account = self.who.feed.account();
        let stored = self
            .house
            .read(account, move |records| {
                records.entries(account, after, PUSH_MAX, MESSAGE_LEN_AIM)
            })
            .await?;
        let entries: Vec<Recent> = stored.into_iter().map(Recent::from).collect();
        Ok((!entries.is_empty()).then_some(entries))
    }

    /// Sends entries that follow on the last that was pushed, in one or more frames.
    async fn send_entries(&mut self, entries: Vec<Recent>, head: Version) -> Result<(), ConnectionError> {
        let mut rest = entries.into_iter().peekable();
        while rest.peek().is_some() {
            let mut pushed = Vec::new();
            let mut attachments: Vec<Attachment> = Vec::new();
            let (mut message_len, mut frame_len) = (0, 0);
            let mut last = None;
            while let Some(next) = rest.next_if(|next| {
                message_len == 0
                    || (message_len + next.len < MESSAGE_LEN_AIM && frame_len + next.weight() < FRAME_LEN_AIM)
            }) {
                message_len += next.len + 64;
                frame_len += next.weight();
                last = Some((next.entry.number, next.chain));
                match self.own.take(next.entry.number) {
                    Some((request, index)) => pushed.push(Pushed::Own {
                        number: next.entry.number,
                        time_ms: next.entry.time_ms,
                        request,
                        index,
                    }),
                    None => {
                        attachments.extend(next.contents);
                        pushed.push(Pushed::Full(Arc::unwrap_or_clone(next.entry)));
                    }
                }
            }
            let Some((number, chain)) = last else { break };
            debug_assert!(attachments.len() <= ATTACHMENTS_MAX && frame_len < FRAME_LEN_MAX);
            let head = head.max(number);
            self.writer
                .send_with(
                    Reply::Entries {
                        entries: pushed,
                        chain,
                        head,
                    },
                    &attachments,
                )
                .await?;
            self.pushed = Some(number);
        }
        Ok(())
    }

    /// Begins to push after a point of the journal, or after a snapshot of the tree.
    pub(super) async fn pull(&mut self, cursor: Option<Cursor>) -> Result<(), ConnectionError> {
        let account = self.who.feed.account();
        let lacking = self
            .house
            .read(account, move |records| records.lacking(account, LACKING_MAX))
            .await?;
        self.who.feed.lack(lacking);
        match cursor {
            Some(cursor) => self.entries_from(cursor).await?,
            None => self.snapshot().await?,
        }
        if self.pushed.is_some() {
            self.ask_for_lacking().await?;
        }
        Ok(())
    }

    async fn entries_from(&mut self, cursor: Cursor) -> Result<(), ConnectionError> {
        let account = self.who.feed.account();
        let (head, chain) = self
            .house
            .read(account, move |records| {
                let head = records.account(account)?.map_or(Version::ZERO, |row| row.head);
                Ok((head, records.chain(account, cursor.version)?))
            })
            .await?;
        let epoch = self.house.epoch;
        if cursor.epoch != epoch || chain != Some(cursor.chain) {
            self.pushed = None;
            return self.writer.send(Reply::Diverged { epoch, head }).await;
        }
        self.who.feed.raise(head);
        self.pushed = Some(cursor.version);
        if head == cursor.version {
            let empty = Reply::Entries {
                entries: Vec::new(),
                chain: cursor.chain,
                head,
            };
            return self.writer.send(empty).await;
        }
        self.push().await
    }

    /// Sends the tree as it is, in parts, and pushes from there on.
    async fn snapshot(&mut self) -> Result<(), ConnectionError> {
        let epoch = self.house.epoch;
        let tree = present_tree(&self.house, &self.who.feed).await?;
        let version = tree.version;
        let cursor = Cursor {
            epoch,
            version,
            chain: tree.chain,
        };
        let mut n_read = 0;
        loop {
            let room = self.rooms.answer_now();
            let Part { nodes, last } = tree_part(&self.house, &tree, &mut n_read, room.is_none()).await?;
            self.writer.send(Reply::Snapshot { nodes, cursor, last }).await?;
            if last {
                self.pushed = Some(version);
                self.who.feed.raise(version);
                return self.push().await;
            }
        }
    }
}

fn last_accepted(outcomes: &[Outcome]) -> Option<Version> {
    outcomes.iter().rev().find_map(|outcome| match outcome {
        Outcome::Accepted(number) => Some(*number),
        Outcome::Rejected(_) => None,
    })
}
