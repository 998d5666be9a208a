//! A connection in two halves, each with a task of its own, so that a peer that is slow to read never keeps us from
//! reading: that way neither side can wait for the other for ever. Both channels are bounded; dropping the line hangs up.

use std::time::Duration;

use bytes::BytesMut;
use common::codec::{Frame, encode};
use common::frames::{self, BUFFER_LEN_KEPT};
use common::limits::{FRAME_LEN_AIM, IDLE_TIMEOUT};
use common::message::{Attachment, Reply, Request};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::heard::{Heard, Noted};

/// How many frames wait to be sent at most.
const SENDING_MAX: usize = 32;
/// How many frames that have come wait at most; a large one has a mebibyte and more.
const COME_MAX: usize = 2;
/// How long a buffer that has grown is kept while nothing is sent.
const BUFFER_KEPT: Duration = Duration::from_secs(1);
/// How long one write may take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(90);
/// The number of a `Ping` that only shows that this side lives; its answer tells nobody anything.
pub const PING_UNASKED: u64 = u64::MAX;

/// Reads the server's replies.
pub(super) type FrameReader<S> = frames::FrameReader<Noted<ReadHalf<S>>, Reply, Request>;
/// A message to the server with its chunks.
pub type Outgoing = (Request, Vec<Attachment>);

/// See the module's page.
pub struct Line {
    /// What is to be sent, in order. Closed when the connection is lost.
    pub outgoing: mpsc::Sender<Outgoing>,
    /// What has come, in order. Closed when the connection is lost.
    pub incoming: mpsc::Receiver<Frame<Reply>>,
    /// When the server was last heard.
    pub heard: Heard,
    _hang_up: DropGuard,
}

impl Line {
    /// Starts both tasks on an admitted connection, of which `heard` notes what comes. A `Ping` is sent whenever nothing else
    /// was for `ping_interval`.
    pub fn start<S>(read: FrameReader<S>, write: WriteHalf<S>, heard: Heard, ping_interval: Duration) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let token = CancellationToken::new();
        let (outgoing, to_send) = mpsc::channel(SENDING_MAX);
        let (received, incoming) = mpsc::channel(COME_MAX);
        let (reading, writing, noted) = (token.clone(), token.clone(), heard.clone());
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = reading.cancelled() => (),
                () = read_all(read, received, &noted) => reading.cancel(),
            }
        });
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = writing.cancelled() => (),
                () = write_all(write, to_send, ping_interval) => writing.cancel(),
            }
        });
        Self {
            outgoing,
            incoming,
            heard,
            _hang_up: token.drop_guard(),
        }
    }
}

async fn read_all<S: AsyncRead>(
    mut frames: FrameReader<S>,
    received: mpsc::Sender<Frame<Reply>>,
    heard: &Heard,
) {
    loop {
        match timeout(IDLE_TIMEOUT, frames.next()).await {
            Ok(Ok(Some(frame))) => {
                heard.pause();
                if received.send(frame).await.is_err() {
                    return;
                }
                heard.note();
            }
            Ok(Err(error)) => {
                tracing::info!(%error, "the connection ends");
                return;
            }
            Ok(Ok(None)) => return,
            Err(_) => {
                tracing::info!("the server has been silent for too long");
                return;
            }
        }
    }
}

async fn write_all<S: AsyncWrite>(
    mut write: WriteHalf<S>,
    mut to_send: mpsc::Receiver<Outgoing>,
    ping_interval: Duration,
) {
    let mut buffer = BytesMut::new();
    loop {
        let has_grown = BUFFER_LEN_KEPT < buffer.capacity();
        let patience = if has_grown { BUFFER_KEPT } else { ping_interval };
        let next = match timeout(patience, to_send.recv()).await {
            Ok(Some(next)) => next,
            Ok(None) => return,
            Err(_) if has_grown => {
                buffer = BytesMut::new();
                continue;
            }
            Err(_) => {
                let request = PING_UNASKED;
                (Request::Ping { request }, Vec::new())
            }
        };
        let mut next = Some(next);
        while let Some((message, attachments)) = next {
            if let Err(error) = encode(&message, &attachments, &mut buffer) {
                tracing::error!(%error, "a message could not be encoded");
                return;
            }
            next = if buffer.len() < FRAME_LEN_AIM {
                to_send.try_recv().ok()
            } else {
                None
            };
        }
        let sent = timeout(WRITE_TIMEOUT, async {
            write.write_all(&buffer).await?;
            write.flush().await
        });
        match sent.await {
            Ok(Ok(())) => buffer.clear(),
            Ok(Err(error)) => {
                tracing::info!(%error, "the connection ends");
                return;
            }
            Err(_) => {
                tracing::info!("the server has not read for too long");
                return;
            }
        }
    }
}
