//! The session of an admitted device: one task reads requests and hands on what has to be written, the other sends
//! answers in the order of the requests, and the new entries of the journal as they come. What waits between the two
//! is bounded in number and in bytes: who sends more than is answered is not read from.

use common::codec::Frame;
use common::message::{Attachment, Request, RequestId, Role};
use std::sync::Arc;
use sync_engine::{Change, DeviceId, Guard};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::ConnectionError;
use super::frames::{FrameReader, FrameWriter};
use super::outbox::Outbox;
use crate::chunk::Mismatch;
use crate::feed::{Feed, OwnEntries};
use crate::house::House;
use crate::writer::{CommitJob, Committed, PutJob, Stored};

/// Requests of one connection that may wait for their answer.
const PENDING_MAX: usize = 64;
/// Bytes of chunks that one connection may have under way.
const UNDER_WAY_LEN_MAX: usize = 8 * 1024 * 1024;

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
    Commit(RequestId, oneshot::Receiver<Committed>, UnderWay),
    /// Chunks that the writer has.
    Put(RequestId, oneshot::Receiver<Stored>, UnderWay),
    /// Chunks that are not what their names say.
    Mismatch(RequestId, Mismatch),
    /// Everything else is done when its turn comes.
    Question(Request),
}

/// Held while a request's chunks are under way.
pub(super) type UnderWay = Option<OwnedSemaphorePermit>;

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
    let inbox = Inbox {
        house: house.clone(),
        who: who.clone(),
        own: own.clone(),
        queue,
        under_way: Arc::new(Semaphore::new(UNDER_WAY_LEN_MAX)),
    };
    let outbox = Outbox::new(house, who, own, writer);
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
    /// Each in a box: a channel has room for dozens from its beginning, and most connections are idle.
    queue: mpsc::Sender<Box<Pending>>,
    under_way: Arc<Semaphore>,
}

impl Inbox {
    async fn run(self, mut reader: FrameReader) -> Result<(), ConnectionError> {
        loop {
            let next = timeout(self.house.limits.idle_timeout, reader.next()).await;
            let Some(frame) = next.map_err(|_| ConnectionError::TooSlow("the next message"))?? else {
                return Ok(());
            };
            let pending = self.take(frame).await?;
            if self.queue.send(Box::new(pending)).await.is_err() {
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
            | Request::Compare { .. }
            | Request::Trace { .. }
            | Request::Recover { .. } => Ok(Pending::Question(message)),
        }
    }

    /// Waits until the chunks of a frame may be under way.
    async fn admit_bytes(&self, attachments: &[Attachment]) -> Result<UnderWay, ConnectionError> {
        let len: usize = attachments.iter().map(|attachment| attachment.bytes.len()).sum();
        let permits = u32::try_from(len.min(UNDER_WAY_LEN_MAX)).map_err(|_| ConnectionError::BrokenOff)?;
        let permit = self.under_way.clone().acquire_many_owned(permits).await;
        permit.map(Some).map_err(|_| ConnectionError::BrokenOff)
    }

    async fn put(
        &self,
        request: RequestId,
        attachments: Vec<Attachment>,
    ) -> Result<Pending, ConnectionError> {
        let under_way = self.admit_bytes(&attachments).await?;
        let verified = self.house.verify(attachments).await?;
        match verified.into_iter().collect::<Result<Vec<_>, _>>() {
            Ok(chunks) => {
                let (job, answer) =
                    PutJob::new(self.who.feed.account(), self.house.limits.quota_bytes, chunks);
                self.house.writer.send(Box::new(job)).await;
                Ok(Pending::Put(request, answer, under_way))
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
        let under_way = self.admit_bytes(&attachments).await?;
        let verified = self.house.verify(attachments).await?;
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
            outcomes: Vec::new(),
            entries: Vec::new(),
        };
        self.house.writer.send(Box::new(job)).await;
        Ok(Pending::Commit(request, answered, under_way))
    }
}
