//! Frames read from a stream, with a buffer that is given back while nothing comes.

use std::io;

use bytes::BytesMut;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio_util::codec::Decoder as _;

use crate::check::Checked;
use crate::codec::{CodecError, Frame, FrameCodec};

/// A buffer that has grown beyond this is given back when it is empty, in bytes.
pub const BUFFER_LEN_KEPT: usize = 64 * 1024;
/// Room made for what comes next while nothing is here, in bytes: most connections wait most of the time.
const FIRST_LEN: usize = 512;
/// Room made for more of what has begun to come, in bytes.
const READ_LEN: usize = 4 * 1024;

/// Reads the frames of one direction of a connection.
#[derive(Debug)]
pub struct FrameReader<S, In, Out> {
    stream: S,
    codec: FrameCodec<In, Out>,
    bytes: BytesMut,
}

impl<S, In, Out> FrameReader<S, In, Out>
where
    S: AsyncRead + Unpin,
    In: DeserializeOwned + Checked,
    Out: Serialize + Checked,
{
    /// Reads what a stranger sends.
    #[must_use]
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            codec: FrameCodec::new(),
            bytes: BytesMut::new(),
        }
    }

    /// Takes frames of full length from now on.
    pub fn admit(&mut self) {
        self.codec.admit();
    }

    /// Waits until the next frame has begun to come, and returns its length and that of its head, in bytes, as they are
    /// declared; nothing when the other side has ended. So room can be found before it is read. Nothing is lost if this
    /// is broken off.
    ///
    /// # Errors
    /// When no frame has such lengths, and when the stream fails or ends within them.
    pub async fn announced(&mut self) -> Result<Option<(usize, usize)>, CodecError> {
        loop {
            if let Some(lens) = self.codec.declared_lens(&self.bytes)? {
                return Ok(Some(lens));
            }
            if !self.read_more().await? {
                return Ok(None);
            }
        }
    }

    /// Returns the next frame, or nothing when the other side has ended. Nothing is lost if this is broken off.
    ///
    /// # Errors
    /// When what comes is no frame, and when the stream fails or ends within one.
    pub async fn next(&mut self) -> Result<Option<Frame<In>>, CodecError> {
        loop {
            if let Some(frame) = self.codec.decode(&mut self.bytes)? {
                if self.bytes.is_empty() && BUFFER_LEN_KEPT < self.bytes.capacity() {
                    self.bytes = BytesMut::new();
                }
                return Ok(Some(frame));
            }
            if !self.read_more().await? {
                return Ok(None);
            }
        }
    }

    /// Reads more of what comes; tells whether the other side goes on. It must not end within a frame.
    async fn read_more(&mut self) -> Result<bool, CodecError> {
        if self.bytes.capacity() == self.bytes.len() {
            let is_idle = self.bytes.is_empty();
            self.bytes.reserve(if is_idle { FIRST_LEN } else { READ_LEN });
        }
        match self.stream.read_buf(&mut self.bytes).await? {
            0 if self.bytes.is_empty() => Ok(false),
            0 => Err(CodecError::Io(io::ErrorKind::UnexpectedEof.into())),
            _ => Ok(true),
        }
    }
}
