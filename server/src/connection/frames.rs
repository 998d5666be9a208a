//! The two halves of a connection: one reads requests, the other writes replies, each with its own buffer.

use bytes::BytesMut;
use common::codec::{CodecError, encode};
use common::frames::BUFFER_LEN_KEPT;
use common::message::{Attachment, Reply, Request};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::ConnectionError;

/// What requests are read from.
type Incoming = Box<dyn AsyncRead + Send + Sync + Unpin>;
/// What replies are written to.
type Outgoing = Box<dyn AsyncWrite + Send + Sync + Unpin>;

/// Divides a connection into its two halves.
pub(super) fn divide(
    stream: impl AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static,
    write_timeout: Duration,
) -> (FrameReader, FrameWriter) {
    let (reading, writing) = tokio::io::split(stream);
    let reader = FrameReader::new(Box::new(reading));
    let writer = FrameWriter::new(Box::new(writing), write_timeout);
    (reader, writer)
}

/// Reads requests.
pub(super) type FrameReader = common::frames::FrameReader<Incoming, Request, Reply>;

/// Writes replies. Each has to be taken within a time, so that a peer that does not read holds nothing for long.
pub(super) struct FrameWriter {
    stream: Outgoing,
    write_timeout: Duration,
    bytes: BytesMut,
}

impl FrameWriter {
    /// Writes to a peer that has to take each frame within a time.
    fn new(stream: Outgoing, write_timeout: Duration) -> Self {
        Self {
            stream,
            write_timeout,
            bytes: BytesMut::new(),
        }
    }

    /// Sends a reply.
    pub(super) async fn send(&mut self, reply: Reply) -> Result<(), ConnectionError> {
        self.send_with(reply, &[]).await
    }

    /// Sends a reply with chunks attached.
    pub(super) async fn send_with(
        &mut self,
        reply: Reply,
        attachments: &[Attachment],
    ) -> Result<(), ConnectionError> {
        self.bytes.clear();
        encode(&reply, attachments, &mut self.bytes)?;
        drop(reply);
        let written = timeout(self.write_timeout, async {
            self.stream.write_all(&self.bytes).await?;
            self.stream.flush().await
        });
        written
            .await
            .map_err(|_| ConnectionError::TooSlow("taking what was sent"))?
            .map_err(CodecError::Io)?;
        if BUFFER_LEN_KEPT < self.bytes.capacity() {
            self.bytes = BytesMut::new();
        }
        Ok(())
    }

    /// Says that nothing more will come.
    pub(super) async fn finish(&mut self) {
        // The other side may be gone already.
        let _ = timeout(self.write_timeout, self.stream.shutdown()).await;
    }
}
