//! The session of an admitted device: one task reads requests and hands on what has to be written, the other sends
//! answers in the order of the requests, and the new entries of the journal as they come. What waits between the two
//! is bounded in number and in bytes, as they are held and not as they are sent: who sends more than is answered is not read from.

use common::codec::Frame;
use common::message::{Attachment, Request, RequestId, Role};
use std::sync::Arc;
use sync_engine::{Change, DeviceId, Guard};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::ConnectionError;
use super::frames::{FrameReader, FrameWriter};
use super::outbox::Outbox;
use crate::chunk::Mismatch;
use crate::feed::{Feed, OwnEntries};
use crate::house::House;
use crate::room::{Held, Rooms, request_len};
use crate::writer::{CommitJob, Committed, Progress, PutJob, Stored};

/// Requests of one connection that may wait for their answer.
const PENDING_MAX: usize = 64;

/// Whose session it is.
#[derive(Clone)]
pub(super) struct Who {
    /// The account's feed.
    pub(super) feed: Arc<Feed>,
    /// The device.
    pub(super) device: DeviceId,
    /// What the connection is for.
    pub(super) role: Role,
}

/// A request that waits for its turn to be answered.
pub(super) enum Pending {
    /// A commit that the writer has.
    Commit(RequestId, oneshot::Receiver<Committed>),
    /// Chunks that the writer has.
    Put(RequestId, oneshot::Receiver<Stored>),
    /// Chunks that are not what their names say.
    Mismatch(RequestId, Mismatch),
    /// Everything else is done when its turn comes.
    Question(Request),
}

/// What waits for its answer, and the room that it takes until then. Each in a box: a channel has room for dozens from its
/// beginning, and most connections are idle.
pub(super) type Waiting = Box<(Pending, Held)>;

/// Serves an admitted device until either side ends, or the device is cut off.
pub(super) async fn run(
    house: Arc<House>,
    who: Who,
    reader: FrameReader,
    writer: FrameWriter,
    cut: CancellationToken,
) -> Result<(), ConnectionError> {
    // Law: the inbox sends, the outbox receives; what is in it is answered in this order, each once.
    let (queue, pending) = mpsc::channel(PENDING_MAX);
    let own = Arc::new(OwnEntries::default());
    let rooms = Rooms::new(who.feed.room().clone(), house.room.clone());
    let inbox = Inbox {
        house: house.clone(),
        who: who.clone(),
        own: own.clone(),
        queue,
        rooms: rooms.clone(),
    };
    let outbox = Outbox::new(house, who, own, writer, rooms);
    let sending = outbox.run(pending);
    let reading = inbox.run(reader);
    tokio::pin!(sending);
    tokio::select! {
        biased;
        () = cut.cancelled() => Ok(()),
        // The outbox only ends before the inbox when it fails.
        sent = &mut sending => sent,
        read = reading => match read {
            // The device has ended: what it asked for before is still answered.
            Ok(()) => tokio::select! {
                biased;
                () = cut.cancelled() => Ok(()),
                sent = &mut sending => sent,
            },
            Err(error) => Err(error),
        },
    }
}

struct Inbox {
    house: Arc<House>,
    who: Who,
    own: Arc<OwnEntries>,
    queue: mpsc::Sender<Waiting>,
    rooms: Rooms,
}

impl Inbox {
    async fn run(self, mut reader: FrameReader) -> Result<(), ConnectionError> {
        loop {
            let patience = self.house.limits.idle_timeout;
            let too_slow = |_| ConnectionError::TooSlow("the next message");
            let announced = timeout(patience, reader.announced()).await.map_err(too_slow)??;
            let Some((frame_len, head_len)) = announced else {
                return Ok(());
            };
            let room = self.rooms.request(request_len(frame_len, head_len)).await;
            let next = timeout(patience, reader.next()).await.map_err(too_slow)??;
            let Some(frame) = next else {
                return Ok(());
            };
            let pending = self.take(frame).await?;
            if self.queue.send(Box::new((pending, room))).await.is_err() {
                return Ok(());
            }
        }
    }

    async fn take(&self, frame: Frame<Request>) -> Result<Pending, ConnectionError> {
        let Frame { message, attachments } = frame;
        match message {
            Request::Hello(_) => Err(ConnectionError::OutOfTurn("a second hello")),
            Request::Put { request } => self.put(request, attachments).await,
            Request::Have { .. } | Request::Get { .. } | Request::Ping { .. } => {
                Ok(Pending::Question(message))
            }
            _ if self.who.role == Role::Bulk => Err(ConnectionError::OutOfTurn(
                "a control message on a bulk connection",
            )),
            Request::Commit { request, changes } => self.commit(request, None, changes, attachments).await,
            Request::CommitGroup {
                request,
                guards,
                changes,
            } => self.commit(request, Some(guards), changes, attachments).await,
            Request::Pull { .. }
            | Request::History { .. }
            | Request::Browse { .. }
            | Request::Log { .. }
            | Request::Devices { .. }
            | Request::RenameDevice { .. }
            | Request::RevokeDevice { .. }
            | Request::ReplaceId { .. }
            | Request::CheckId { .. }
            | Request::Compare { .. }
            | Request::Trace { .. }
            | Request::Recover { .. } => Ok(Pending::Question(message)),
        }
    }

    async fn put(
        &self,
        request: RequestId,
        attachments: Vec<Attachment>,
    ) -> Result<Pending, ConnectionError> {
        let account = self.who.feed.account();
        let verified = self.house.verify(account, attachments).await?;
        match verified.into_iter().collect::<Result<Vec<_>, _>>() {
            Ok(chunks) => {
                let (job, answer) = PutJob::new(account, self.house.limits.quota_bytes, chunks);
                self.house.writer.send(Some(account), Box::new(job));
                Ok(Pending::Put(request, answer))
            }
            Err(mismatch) => Ok(Pending::Mismatch(request, mismatch)),
        }
    }

    async fn commit(
        &self,
        request: RequestId,
        guards: Option<Vec<Guard>>,
        changes: Vec<Change>,
        attachments: Vec<Attachment>,
    ) -> Result<Pending, ConnectionError> {
        let account = self.who.feed.account();
        let verified = self.house.verify(account, attachments).await?;
        let (answer, answered) = oneshot::channel();
        let job = CommitJob {
            feed: self.who.feed.clone(),
            own: self.own.clone(),
            device: self.who.device,
            request,
            quota_bytes: self.house.limits.quota_bytes,
            guards,
            changes,
            // What is not what its name says is left out; the change that needs it is rejected for want of it.
            chunks: verified.into_iter().filter_map(Result::ok).collect(),
            answer,
            progress: Progress::default(),
        };
        self.house.writer.send(Some(account), Box::new(job));
        Ok(Pending::Commit(request, answered))
    }
}
