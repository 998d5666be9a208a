//! What a peer sends: frames in both directions, lists and chunks.

use bytes::BytesMut;
use common::chunk::name_of;
use common::codec::{Frame, FrameCodec, encode};
use common::list::{decode_list, decode_unnamed_list};
use common::message::{Attachment, AttachmentHead, Encoding, Form, Reply, Request};
use std::fmt::Debug;
use tokio_util::codec::Decoder;
use tui_client::transfer::compress::detach;

/// Reads what an admitted device sends.
pub(super) fn request(bytes: &[u8]) -> bool {
    both_ways(bytes, true, FrameCodec::<Request, Reply>::new)
}

/// Reads what anybody sends to a server.
pub(super) fn request_of_stranger(bytes: &[u8]) -> bool {
    both_ways(bytes, false, FrameCodec::<Request, Reply>::new)
}

/// Reads what the server of an account sends.
pub(super) fn reply(bytes: &[u8]) -> bool {
    both_ways(bytes, true, FrameCodec::<Reply, Request>::new)
}

/// Reads what anybody sends who was taken for a server.
pub(super) fn reply_of_stranger(bytes: &[u8]) -> bool {
    both_ways(bytes, false, FrameCodec::<Reply, Request>::new)
}

/// Reads frames out of bytes that come at once and out of the same bytes in two pieces: both must find the same.
fn both_ways<M, Out>(bytes: &[u8], admitted: bool, codec: fn() -> FrameCodec<M, Out>) -> bool
where
    M: PartialEq + Debug + serde::Serialize + common::check::Checked,
    FrameCodec<M, Out>: Decoder<Item = Frame<M>>,
{
    let new = || {
        let mut codec = codec();
        if admitted {
            codec.admit();
        }
        codec
    };
    let whole = read(new(), &[bytes]);
    let (first, rest) = bytes.split_at(bytes.len() / 2);
    let halves = read(new(), &[first, rest]);
    assert_eq!(whole.len(), halves.len());
    for (one, other) in whole.iter().zip(&halves) {
        assert_eq!(one.message, other.message);
        assert_eq!(one.attachments, other.attachments);
        let mut written = BytesMut::new();
        encode(&one.message, &one.attachments, &mut written).expect("what was taken can be sent");
        let again = read(new(), &[&written]);
        // A number may be written longer than it has to be; a stranger's frame only shrinks by being written anew.
        assert_eq!(again.len(), 1);
        assert_eq!(again[0].message, one.message);
        assert_eq!(again[0].attachments, one.attachments);
    }
    !whole.is_empty()
}

/// Reads frames until there is an error or there are no more.
fn read<C: Decoder>(mut codec: C, pieces: &[&[u8]]) -> Vec<C::Item> {
    let (mut buffer, mut frames) = (BytesMut::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match codec.decode(&mut buffer) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => return frames,
            }
        }
    }
    frames
}

/// Reads a list, as a server does that is asked to keep it and as a device does that was told its length.
pub(super) fn list(bytes: &[u8]) -> bool {
    let Ok((depth, parts)) = decode_unnamed_list(bytes) else {
        return false;
    };
    let len = parts.iter().map(|part| part.len_bytes).sum();
    assert_eq!(decode_list(bytes, depth, len).as_ref(), Ok(&parts));
    assert!(decode_list(bytes, depth, len ^ 1).is_err());
    assert!(decode_list(bytes, depth + 1, len).is_err());
    true
}

/// Decodes a chunk. The first byte says how it is encoded, the next four how long it claims to be; its name is right
/// for the rest of the bytes if they are plain.
pub(super) fn attachment(bytes: &[u8]) -> bool {
    let Some((head, sent)) = bytes.split_first_chunk::<5>() else {
        return false;
    };
    let [kind, len @ ..] = *head;
    let form = if kind & 2 == 0 { Form::Data } else { Form::List };
    let encoding = if kind & 1 == 0 {
        Encoding::Plain
    } else {
        Encoding::Zstd
    };
    let head = AttachmentHead {
        hash: name_of(form, sent),
        form,
        encoding,
        plain_len: u32::from_be_bytes(len),
        sent_len: u32::try_from(sent.len()).unwrap_or(u32::MAX),
    };
    let attachment = Attachment {
        head,
        bytes: sent.to_vec().into(),
    };
    match detach(&attachment) {
        Ok(plain) => {
            assert_eq!(name_of(form, &plain), head.hash);
            assert_eq!(plain.len(), head.plain_len as usize);
            true
        }
        Err(_) => false,
    }
}
