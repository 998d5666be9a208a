//! Frames: how a message and the chunks attached to it become bytes, and back. This is the only file that names
//! bincode. All lengths that a peer declares are held against a limit before they are believed.
//!
//! A frame is the length of all that follows (u32, big-endian), the length of the head (u32, big-endian), the head, and
//! then the attachments' bytes one after the other, without anything between them. The head is the message followed by
//! the list of [`AttachmentHead`]s, both in bincode 2's standard configuration:
//!
//! - an unsigned integer, a length, a count and the number of an enum's variant: up to 250 as one byte; above, the byte
//!   251, 252 or 253 and then 2, 4 or 8 bytes, little-endian; a signed integer first becomes 0, 1, 2, 3 for 0, -1, 1, -2;
//! - a byte and a truth value (0 or 1): one byte; arrays of fixed length (ids, hashes): their bytes and nothing else;
//! - an optional value: 0, or 1 and the value; a list, a text and a name: the count and then the items or bytes;
//! - a struct: its fields in order; an enum: the variant's number, from 0 in the order of their declaration, and then
//!   its fields.

use crate::bounded;
use crate::check::{Checked, at_most};
use crate::limits::{ATTACHMENTS_MAX, CHUNK_LEN_MAX, FRAME_LEN_MAX, FRAME_LEN_MAX_STRANGER, MESSAGE_LEN_MAX};
use crate::message::{Attachment, AttachmentHead, Encoding};
use bincode::config::{Configuration, Limit, standard};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;
use std::marker::PhantomData;
use tokio_util::codec::{Decoder, Encoder};

/// The length of a length, in bytes.
const LEN_LEN: usize = size_of::<u32>();
/// Before so much of a frame is here, the decoder makes no more room than this, whatever length it declares, in bytes.
const RESERVE_LEN_MAX: usize = 64 * 1024;
/// bincode counts an integer by its width in memory, while it may take one byte on the wire.
const WIDTH_MAX: usize = 8;
/// The longest value that [`to_bytes`] writes and [`from_bytes`] reads, in bytes.
pub const VALUE_LEN_MAX: usize = 64 * 1024 * 1024;

type Limited<const N: usize> =
    Configuration<bincode::config::LittleEndian, bincode::config::Varint, Limit<N>>;
const FOR_STRANGERS: Limited<{ WIDTH_MAX * FRAME_LEN_MAX_STRANGER }> = standard().with_limit();
const FOR_ADMITTED: Limited<{ WIDTH_MAX * MESSAGE_LEN_MAX }> = standard().with_limit();
const FOR_VALUES: Limited<{ WIDTH_MAX * VALUE_LEN_MAX }> = standard().with_limit();

/// A message with the chunks attached to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<M> {
    /// The message.
    pub message: M,
    /// The chunks. After decoding they share one allocation with each other, so a chunk that is kept for long should be
    /// copied.
    pub attachments: Vec<Attachment>,
}

impl<M> From<M> for Frame<M> {
    /// Makes a frame with nothing attached.
    fn from(message: M) -> Self {
        Self {
            message,
            attachments: Vec::new(),
        }
    }
}

/// Who sends the frames: it decides how long they may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Someone who has not yet said who it is, or has not been believed.
    Stranger,
    /// Someone who has been admitted.
    Admitted,
}

impl Peer {
    /// Returns the longest frame that is taken, in bytes, without the length that stands before it.
    #[must_use]
    pub fn frame_len_max(self) -> usize {
        match self {
            Self::Stranger => FRAME_LEN_MAX_STRANGER,
            Self::Admitted => FRAME_LEN_MAX,
        }
    }
}

/// Says why bytes are not a frame, or a message cannot be one. A connection ends with the first of these.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The declared length cannot hold a message.
    #[error("a frame of {len} bytes cannot hold a message")]
    FrameTooShort {
        /// The declared length, in bytes.
        len: usize,
    },
    /// The declared length is above the limit.
    #[error("a frame of {len} bytes is longer than the limit of {len_max} bytes")]
    FrameTooLong {
        /// The declared length, in bytes.
        len: usize,
        /// The limit, in bytes.
        len_max: usize,
    },
    /// The head does not fit into the frame.
    #[error("a head of {len} bytes does not fit into the {rest} bytes left in the frame")]
    HeadTooLong {
        /// The declared length, in bytes.
        len: usize,
        /// What the frame has left, in bytes.
        rest: usize,
    },
    /// The attachments are not as long as the head says.
    #[error("the head announces {declared} bytes of attachments, the frame has {present}")]
    AttachmentsLen {
        /// The sum that the head declares, in bytes.
        declared: u64,
        /// What there is, in bytes.
        present: u64,
    },
    /// An attachment's bytes are not as long as its own head says.
    #[error("an attachment's lengths contradict each other")]
    AttachmentLen,
    /// Something is attached to a message that takes nothing.
    #[error("the message takes no attachments")]
    Attached,
    /// There is more of something than the limit.
    #[error("{count} {what} are more than the limit of {count_max}")]
    Limit {
        /// What is counted.
        what: &'static str,
        /// How much there is.
        count: usize,
        /// The limit.
        count_max: usize,
    },
    /// Something follows the value.
    #[error("{count} bytes follow the end of the value")]
    LeftOver {
        /// How many bytes.
        count: usize,
    },
    /// The bytes are not a value of this type.
    #[error("decode the value")]
    Decode(#[source] bincode::error::DecodeError),
    /// The value cannot be encoded.
    #[error("encode the value")]
    Encode(#[source] bincode::error::EncodeError),
    /// The connection broke.
    #[error("the connection broke")]
    Io(#[from] io::Error),
}

#[derive(Deserialize)]
#[serde(bound = "M: DeserializeOwned")]
struct Head<M> {
    message: M,
    #[serde(deserialize_with = "bounded::items::<_, _, ATTACHMENTS_MAX>")]
    attachments: Vec<AttachmentHead>,
}

/// Appends a whole frame, with its length, to `out`.
///
/// # Errors
/// When the message or the frame is above a limit; then `out` is as it was.
pub fn encode<M: Serialize + Checked>(
    message: &M,
    attachments: &[Attachment],
    out: &mut BytesMut,
) -> Result<(), CodecError> {
    message.check()?;
    if !attachments.is_empty() && !message.takes_attachments() {
        return Err(CodecError::Attached);
    }
    let heads: Vec<AttachmentHead> = attachments.iter().map(|attachment| attachment.head).collect();
    let sent_len = check_heads(&heads)?;
    let same_len = |attachment: &Attachment| attachment.head.sent_len as usize == attachment.bytes.len();
    if !attachments.iter().all(same_len) {
        return Err(CodecError::AttachmentLen);
    }
    let head_len = encoded_len(&(message, &heads))?;
    at_most("bytes of a message", head_len, MESSAGE_LEN_MAX)?;
    let len = LEN_LEN + head_len + sent_len;
    if len > FRAME_LEN_MAX {
        return Err(CodecError::FrameTooLong {
            len,
            len_max: FRAME_LEN_MAX,
        });
    }
    let start = out.len();
    out.reserve(LEN_LEN + len);
    out.put_u32(narrow(len));
    out.put_u32(narrow(head_len));
    let written = bincode::serde::encode_into_std_write((message, &heads), &mut out.writer(), FOR_ADMITTED);
    if let Err(error) = written {
        out.truncate(start);
        return Err(CodecError::Encode(error));
    }
    for attachment in attachments {
        out.put_slice(&attachment.bytes);
    }
    Ok(())
}

/// Reads a frame from its bytes, which are those behind its length and all of them.
///
/// # Errors
/// When the bytes are not a frame, or a limit is passed.
pub fn decode<M: DeserializeOwned + Checked>(mut rest: Bytes, peer: Peer) -> Result<Frame<M>, CodecError> {
    if rest.len() <= LEN_LEN {
        return Err(CodecError::FrameTooShort { len: rest.len() });
    }
    if rest.len() > peer.frame_len_max() {
        return Err(CodecError::FrameTooLong {
            len: rest.len(),
            len_max: peer.frame_len_max(),
        });
    }
    let head_len = rest.get_u32() as usize;
    if head_len > rest.len() {
        return Err(CodecError::HeadTooLong {
            len: head_len,
            rest: rest.len(),
        });
    }
    at_most("bytes of a message", head_len, MESSAGE_LEN_MAX)?;
    let head = rest.split_to(head_len);
    let (
        Head {
            message,
            attachments: heads,
        },
        used,
    ) = match peer {
        Peer::Stranger => bincode::serde::decode_from_slice::<Head<M>, _>(&head, FOR_STRANGERS),
        Peer::Admitted => bincode::serde::decode_from_slice::<Head<M>, _>(&head, FOR_ADMITTED),
    }
    .map_err(CodecError::Decode)?;
    check_all_used(head_len, used)?;
    message.check()?;
    if !heads.is_empty() && !message.takes_attachments() {
        return Err(CodecError::Attached);
    }
    let declared = check_heads(&heads)?;
    if declared != rest.len() {
        return Err(CodecError::AttachmentsLen {
            declared: declared as u64,
            present: rest.len() as u64,
        });
    }
    let attach = |head: AttachmentHead| Attachment {
        head,
        bytes: rest.split_to(head.sent_len as usize),
    };
    let attachments = heads.into_iter().map(attach).collect();
    Ok(Frame { message, attachments })
}

/// Checks the attachments' heads and returns the sum of their lengths as sent.
fn check_heads(heads: &[AttachmentHead]) -> Result<usize, CodecError> {
    at_most("attachments", heads.len(), ATTACHMENTS_MAX)?;
    let mut sum = 0;
    for head in heads {
        let (plain_len, sent_len) = (head.plain_len as usize, head.sent_len as usize);
        at_most("bytes of a chunk", plain_len, CHUNK_LEN_MAX)?;
        at_most("bytes of a chunk as sent", sent_len, CHUNK_LEN_MAX)?;
        match head.encoding {
            Encoding::Plain if plain_len != sent_len => return Err(CodecError::AttachmentLen),
            Encoding::Plain | Encoding::Zstd => sum += sent_len,
        }
    }
    Ok(sum)
}

fn check_all_used(len: usize, used: usize) -> Result<(), CodecError> {
    match len - used {
        0 => Ok(()),
        count => Err(CodecError::LeftOver { count }),
    }
}

/// Narrows a length that is known to be below [`FRAME_LEN_MAX`].
fn narrow(len: usize) -> u32 {
    u32::try_from(len).expect("no frame is longer than its limit")
}

/// Returns how many bytes a value takes in a head or from [`to_bytes`], for filling frames up to
/// [`crate::limits::FRAME_LEN_AIM`].
///
/// # Errors
/// When the value cannot be encoded.
pub fn encoded_len<T: Serialize>(value: &T) -> Result<usize, CodecError> {
    let mut size = bincode::enc::write::SizeWriter::default();
    bincode::serde::encode_into_writer(value, &mut size, standard()).map_err(CodecError::Encode)?;
    Ok(size.bytes_written)
}

/// Encodes a value for a store, as it would be in a message.
///
/// # Errors
/// When the value cannot be encoded.
pub fn to_bytes<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    bincode::serde::encode_to_vec(value, standard()).map_err(CodecError::Encode)
}

/// Decodes what [`to_bytes`] encoded; all bytes must be used.
///
/// # Errors
/// When the bytes are not a value of this type.
pub fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    at_most("bytes of a value", bytes.len(), VALUE_LEN_MAX)?;
    let (value, used) = bincode::serde::decode_from_slice(bytes, FOR_VALUES).map_err(CodecError::Decode)?;
    check_all_used(bytes.len(), used)?;
    Ok(value)
}

/// Reads frames with `In` and writes frames with `Out`. It takes the other side for a stranger until told otherwise.
#[derive(Debug)]
pub struct FrameCodec<In, Out> {
    peer: Peer,
    types: PhantomData<fn(Out) -> In>,
}

impl<In, Out> FrameCodec<In, Out> {
    /// Returns a codec for a stranger's frames.
    #[must_use]
    pub fn new() -> Self {
        Self {
            peer: Peer::Stranger,
            types: PhantomData,
        }
    }

    /// Takes frames of full length from now on.
    pub fn admit(&mut self) {
        self.peer = Peer::Admitted;
    }

    /// Returns the length of the frame that has begun to come, and that of its head, when both are here.
    ///
    /// # Errors
    /// When no frame has such a length.
    pub fn declared_lens(&self, src: &[u8]) -> Result<Option<(usize, usize)>, CodecError> {
        let Some(len) = self.declared_len(src)? else {
            return Ok(None);
        };
        let head_len = src[LEN_LEN..].first_chunk::<LEN_LEN>();
        Ok(head_len.map(|head_len| (len, u32::from_be_bytes(*head_len) as usize)))
    }

    fn declared_len(&self, src: &[u8]) -> Result<Option<usize>, CodecError> {
        let Some(declared) = src.first_chunk::<LEN_LEN>() else {
            return Ok(None);
        };
        let len = u32::from_be_bytes(*declared) as usize;
        if len <= LEN_LEN {
            return Err(CodecError::FrameTooShort { len });
        }
        let len_max = self.peer.frame_len_max();
        if len > len_max {
            return Err(CodecError::FrameTooLong { len, len_max });
        }
        Ok(Some(len))
    }
}

impl<In, Out> Default for FrameCodec<In, Out> {
    fn default() -> Self {
        Self::new()
    }
}

impl<In: DeserializeOwned + Checked, Out> Decoder for FrameCodec<In, Out> {
    type Item = Frame<In>;
    type Error = CodecError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Frame<In>>, CodecError> {
        let Some(len) = self.declared_len(src)? else {
            return Ok(None);
        };
        let missing = (LEN_LEN + len).saturating_sub(src.len());
        if missing > 0 {
            // Once that much is here, what is declared is believed, and is not moved as it grows.
            src.reserve(if src.len() < RESERVE_LEN_MAX {
                missing.min(RESERVE_LEN_MAX)
            } else {
                missing
            });
            return Ok(None);
        }
        src.advance(LEN_LEN);
        decode(src.split_to(len).freeze(), self.peer).map(Some)
    }
}

impl<In, Out: Serialize + Checked> Encoder<Frame<Out>> for FrameCodec<In, Out> {
    type Error = CodecError;

    fn encode(&mut self, frame: Frame<Out>, out: &mut BytesMut) -> Result<(), CodecError> {
        encode(&frame.message, &frame.attachments, out)
    }
}
