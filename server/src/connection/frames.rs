//! The two halves of a connection: one reads requests, the other writes replies, each with its own buffer.

use bytes::BytesMut;
use common::codec::{CodecError, Frame, FrameCodec, encode};
use common::message::{Attachment, Reply, Request};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_util::codec::Decoder;

use super::ConnectionError;

/// A buffer that has grown beyond this is given back when it is empty, in bytes.
const BUFFER_LEN_KEPT: usize = 64 * 1024;
/// Room made for what comes next, in bytes.
const READ_LEN: usize = 4 * 1024;

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
pub(super) struct FrameReader {
    stream: Incoming,
    codec: FrameCodec<Request, Reply>,
    bytes: BytesMut,
}

impl FrameReader {
    /// Reads what a stranger sends.
    fn new(stream: Incoming) -> Self {
        Self {
            stream,
            codec: FrameCodec::new(),
            bytes: BytesMut::new(),
        }
    }

    /// Takes frames of full length from now on.
    pub(super) fn admit(&mut self) {
        self.codec.admit();
    }

    /// Returns the next frame, or nothing when the other side has ended. Nothing is lost if this is broken off.
    pub(super) async fn next(&mut self) -> Result<Option<Frame<Request>>, CodecError> {
        loop {
            if let Some(frame) = self.codec.decode(&mut self.bytes)? {
                if self.bytes.is_empty() && BUFFER_LEN_KEPT < self.bytes.capacity() {
                    self.bytes = BytesMut::new();
                }
                return Ok(Some(frame));
            }
            if self.bytes.capacity() == self.bytes.len() {
                self.bytes.reserve(READ_LEN);
            }
            if self.stream.read_buf(&mut self.bytes).await? == 0 {
                return match self.bytes.len() {
                    0 => Ok(None),
                    _ => Err(CodecError::Io(io::ErrorKind::UnexpectedEof.into())),
                };
            }
        }
    }
}

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
