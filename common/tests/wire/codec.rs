//! Frames from peers who mean well, and from others.

use crate::samples;
use bytes::{BufMut, Bytes, BytesMut};
use common::codec::{CodecError, Frame, FrameCodec, Peer, decode, encode, encoded_len, from_bytes, to_bytes};
use common::limits::{
    AGENT_LEN_MAX, ATTACHMENTS_MAX, CHANGES_MAX, CHUNK_LEN_MAX, DEVICE_NAME_LEN_MAX, FRAME_LEN_MAX,
    FRAME_LEN_MAX_STRANGER, HASHES_MAX, LIST_DEPTH_MAX, MESSAGE_LEN_MAX,
};
use common::message::{Attachment, Auth, Form, Hello, Reply, Request, Role};
use proptest::prelude::*;
use sync_engine::{Change, Content, FileState, Hash, Kind, NodeId, Version};
use tokio_util::codec::{Decoder, Encoder};

type ServerCodec = FrameCodec<Request, Reply>;

fn admitted() -> ServerCodec {
    let mut codec = ServerCodec::new();
    codec.admit();
    codec
}

fn encoded(message: &Request, attachments: &[Attachment]) -> BytesMut {
    let mut out = BytesMut::new();
    encode(message, attachments, &mut out).unwrap();
    out
}

/// A frame of a head as given and with nothing attached.
fn frame_with(head: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    out.put_u32(u32::try_from(head.len()).unwrap() + 4);
    out.put_u32(u32::try_from(head.len()).unwrap());
    out.put_slice(head);
    out
}

fn commit(changes: Vec<Change>) -> Request {
    Request::Commit { request: 1, changes }
}

fn delete() -> Change {
    Change::Delete {
        id: NodeId([1; 16]),
        base: Version(1),
    }
}

fn hello(agent_len: usize, name_len: usize) -> Request {
    Request::Hello(Hello {
        protocol: 1,
        agent: "a".repeat(agent_len),
        role: Role::Control,
        auth: Auth::Register {
            device_name: "n".repeat(name_len),
        },
        generation: [0; 16],
        next_generation: [1; 16],
    })
}

#[test]
fn frames_that_arrive_byte_by_byte_are_read_whole_and_in_order() {
    let mut sent = BytesMut::new();
    let frames: Vec<Frame<Reply>> = samples::replies().into_iter().map(Frame::from).collect();
    for frame in &frames {
        admitted().encode(frame.clone(), &mut sent).unwrap();
    }
    let mut codec = FrameCodec::<Reply, Request>::new();
    let mut buffer = BytesMut::new();
    let mut read = Vec::new();
    for byte in sent {
        buffer.put_u8(byte);
        read.extend(codec.decode(&mut buffer).unwrap());
    }
    assert_eq!(read, frames);
    assert!(buffer.is_empty());
}

#[test]
fn a_stranger_is_held_to_the_short_limit_until_admitted() {
    let long = Request::Have {
        request: 1,
        hashes: vec![Hash([1; 32]); 200],
    };
    let mut codec = ServerCodec::new();
    let error = codec.decode(&mut encoded(&long, &[])).unwrap_err();
    assert!(
        matches!(
            error,
            CodecError::FrameTooLong {
                len_max: FRAME_LEN_MAX_STRANGER,
                ..
            }
        ),
        "{error}"
    );
    codec.admit();
    assert_eq!(
        codec.decode(&mut encoded(&long, &[])).unwrap().unwrap().message,
        long
    );
}

#[test]
fn a_declared_length_is_judged_before_anything_is_reserved() {
    for (len, peer_len_max) in [
        (0, FRAME_LEN_MAX_STRANGER),
        (4, FRAME_LEN_MAX_STRANGER),
        (FRAME_LEN_MAX_STRANGER + 1, FRAME_LEN_MAX_STRANGER),
        (FRAME_LEN_MAX + 1, FRAME_LEN_MAX),
        (0x7fff_ffff, FRAME_LEN_MAX),
        (0x8000_0000, FRAME_LEN_MAX),
        (0xffff_ffff, FRAME_LEN_MAX),
    ] {
        let mut codec = if peer_len_max == FRAME_LEN_MAX {
            admitted()
        } else {
            ServerCodec::new()
        };
        let mut buffer = BytesMut::from(&u32::try_from(len).unwrap().to_be_bytes()[..]);
        let error = codec.decode(&mut buffer).unwrap_err();
        assert!(error.to_string().contains(&len.to_string()), "{error}");
        assert!(buffer.capacity() < 1024);
    }
    let mut buffer = BytesMut::from(&u32::try_from(FRAME_LEN_MAX).unwrap().to_be_bytes()[..]);
    assert!(admitted().decode(&mut buffer).unwrap().is_none());
    assert!(
        buffer.capacity() <= 128 * 1024,
        "{} bytes reserved for a promise",
        buffer.capacity()
    );
}

#[test]
fn a_head_that_does_not_fit_is_refused() {
    let mut frame = frame_with(&[0; 8]);
    frame[7] = 9;
    let error = admitted().decode(&mut frame).unwrap_err();
    assert!(
        matches!(error, CodecError::HeadTooLong { len: 9, rest: 8 }),
        "{error}"
    );
    let error = admitted()
        .decode(&mut frame_with(&vec![0; MESSAGE_LEN_MAX + 1]))
        .unwrap_err();
    assert!(
        matches!(
            error,
            CodecError::Limit {
                count_max: MESSAGE_LEN_MAX,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn bytes_behind_the_message_or_behind_the_attachments_are_refused() {
    let ping = to_bytes(&(Request::Ping { request: 1 }, 0_u64)).unwrap();
    assert!(admitted().decode(&mut frame_with(&ping)).unwrap().is_some());
    let error = admitted()
        .decode(&mut frame_with(&[ping, vec![0]].concat()))
        .unwrap_err();
    assert!(matches!(error, CodecError::LeftOver { count: 1 }), "{error}");

    let put = encoded(&Request::Put { request: 1 }, &samples::attachments());
    for (cut, present) in [(put.len() - 1, 13), (put.len() + 1, 15)] {
        let mut frame = put.to_vec();
        frame.resize(cut, 0);
        let error = decode::<Request>(Bytes::from(frame).slice(4..), Peer::Admitted).unwrap_err();
        assert!(
            matches!(error, CodecError::AttachmentsLen { declared: 14, present: found } if found == present),
            "{error}"
        );
    }
}

#[test]
fn attachments_are_taken_only_where_they_belong() {
    let ping = Request::Ping { request: 1 };
    let error = encode(&ping, &samples::attachments(), &mut BytesMut::new()).unwrap_err();
    assert!(matches!(error, CodecError::Attached), "{error}");
    let heads: Vec<_> = samples::attachments()
        .into_iter()
        .map(|attachment| attachment.head)
        .collect();
    let error = admitted()
        .decode(&mut frame_with(&to_bytes(&(ping, heads)).unwrap()))
        .unwrap_err();
    assert!(matches!(error, CodecError::Attached), "{error}");
}

#[test]
fn attachments_whose_lengths_lie_are_refused_on_both_sides() {
    let put = Request::Put { request: 1 };
    let mut lies = Vec::new();
    for len in [0, 10, 12, CHUNK_LEN_MAX as u32 + 1, u32::MAX] {
        let [mut plain_len, mut sent_len] = [(); 2].map(|()| samples::attachments().remove(0));
        plain_len.head.plain_len = len;
        sent_len.head.sent_len = len;
        lies.extend([plain_len, sent_len]);
    }
    for lie in lies {
        let mut out = BytesMut::from(&b"before"[..]);
        encode(&put, std::slice::from_ref(&lie), &mut out).unwrap_err();
        assert_eq!(out, &b"before"[..]);
        let mut frame = frame_with(&to_bytes(&(&put, [lie.head].as_slice())).unwrap());
        frame.put_slice(&lie.bytes);
        decode::<Request>(frame.freeze().slice(4..), Peer::Admitted).unwrap_err();
    }
}

#[test]
fn what_is_above_a_limit_is_neither_sent_nor_taken() {
    let file = |depth| {
        Kind::File(FileState {
            content: Content {
                hash: Hash([1; 32]),
                size_bytes: 1,
                depth,
            },
            exec: false,
            mtime_ns: 0,
        })
    };
    let update = |kind| {
        commit(vec![Change::Update {
            id: NodeId([1; 16]),
            base: Version(1),
            kind,
        }])
    };
    let get = |count| Request::Get {
        request: 1,
        hashes: vec![Hash([1; 32]); count],
    };
    for (most, more) in [
        (
            hello(AGENT_LEN_MAX, DEVICE_NAME_LEN_MAX),
            hello(AGENT_LEN_MAX + 1, 1),
        ),
        (hello(0, 0), hello(1, DEVICE_NAME_LEN_MAX + 1)),
        (
            commit(vec![delete(); CHANGES_MAX]),
            commit(vec![delete(); CHANGES_MAX + 1]),
        ),
        (get(HASHES_MAX), get(HASHES_MAX + 1)),
        (update(file(LIST_DEPTH_MAX)), update(file(LIST_DEPTH_MAX + 1))),
    ] {
        assert_eq!(
            admitted()
                .decode(&mut encoded(&most, &[]))
                .unwrap()
                .unwrap()
                .message,
            most
        );
        encode(&more, &[], &mut BytesMut::new()).unwrap_err();
        admitted()
            .decode(&mut frame_with(&to_bytes(&(more, 0_u64)).unwrap()))
            .unwrap_err();
    }
}

#[test]
fn a_message_that_is_too_long_for_a_frame_is_not_sent() {
    let name = sync_engine::Name::new(&[b'x'; 255]).unwrap();
    let node = sync_engine::Node {
        parent: NodeId::ROOT,
        name,
        kind: Kind::Dir,
        mark: None,
    };
    let create = Change::Create {
        id: NodeId([1; 16]),
        node,
    };
    let error = encode(&commit(vec![create; CHANGES_MAX]), &[], &mut BytesMut::new()).unwrap_err();
    assert!(
        matches!(
            error,
            CodecError::Limit {
                count_max: MESSAGE_LEN_MAX,
                ..
            }
        ),
        "{error}"
    );

    let chunk = Attachment::data(Bytes::from(vec![7; CHUNK_LEN_MAX]));
    let put = Request::Put { request: 1 };
    let error = encode(&put, &vec![chunk.clone(); 8], &mut BytesMut::new()).unwrap_err();
    assert!(
        matches!(
            error,
            CodecError::FrameTooLong {
                len_max: FRAME_LEN_MAX,
                ..
            }
        ),
        "{error}"
    );
    let frame = admitted()
        .decode(&mut encoded(&put, &vec![chunk; 7]))
        .unwrap()
        .unwrap();
    assert!(
        frame
            .attachments
            .iter()
            .all(|attachment| attachment.head.verify(&attachment.bytes))
    );
}

#[test]
fn as_many_attachments_as_the_limit_fit() {
    let chunk = Attachment::new(Form::Data, Hash::of(b"x"), Bytes::from_static(b"x"));
    let mut frame = encoded(&Request::Put { request: 1 }, &vec![chunk; ATTACHMENTS_MAX]);
    assert_eq!(
        admitted().decode(&mut frame).unwrap().unwrap().attachments.len(),
        ATTACHMENTS_MAX
    );
}

#[test]
fn a_declared_count_is_judged_before_the_first_item_is_read() {
    let variant = to_bytes(&Request::Have {
        request: 1,
        hashes: Vec::new(),
    })
    .unwrap();
    for (peer, count) in [
        (Peer::Stranger, HASHES_MAX as u64 + 1),
        (Peer::Admitted, 1 << 60),
        (Peer::Admitted, u64::MAX),
    ] {
        let head = [&variant[..variant.len() - 1], &to_bytes(&count).unwrap()].concat();
        let error = decode::<Request>(frame_with(&head).freeze().slice(4..), peer).unwrap_err();
        assert!(matches!(error, CodecError::Decode(_)), "{error}");
    }
}

#[test]
fn the_encoded_length_is_the_one_that_encoding_gives() {
    for message in samples::requests() {
        let bytes = to_bytes(&message).unwrap();
        assert_eq!(encoded_len(&message).unwrap(), bytes.len());
        assert_eq!(from_bytes::<Request>(&bytes).unwrap(), message);
        from_bytes::<Request>(&[bytes, vec![0]].concat()).unwrap_err();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_frame_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), peer in prop_oneof![Just(Peer::Stranger), Just(Peer::Admitted)]) {
        let _ = decode::<Request>(Bytes::from(bytes.clone()), peer);
        let _ = decode::<Reply>(Bytes::from(bytes.clone()), peer);
        let _ = decode::<Request>(frame_with(&bytes).freeze().slice(4..), peer);
        let _ = decode::<Reply>(frame_with(&bytes).freeze().slice(4..), peer);
    }

    #[test]
    fn a_damaged_frame_is_read_or_refused(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte: u8) {
        let messages = samples::requests();
        let message = which.get(&messages);
        let attachments = samples::attachments();
        let takes = common::check::Checked::takes_attachments(message);
        let mut frame = encoded(message, if takes { &attachments } else { &[] });
        let at = at.index(frame.len());
        frame[at] = byte;
        if let Ok(Some(read)) = admitted().decode(&mut frame) {
            // What was read can be sent on.
            encode(&read.message, &read.attachments, &mut BytesMut::new()).unwrap();
        }
    }

    #[test]
    fn what_was_encoded_is_decoded(
        picks in prop::collection::vec((any::<prop::sample::Index>(), any::<u64>()), 0..50),
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2000), 0..20),
        request: u64,
    ) {
        let samples = samples::changes();
        let changes = picks.iter().map(|(which, base)| match which.get(&samples).clone() {
            Change::Delete { id, .. } => Change::Delete { id, base: Version(*base) },
            other => other,
        }).collect();
        let message = Request::Commit { request, changes };
        let attachments: Vec<Attachment> = chunks.into_iter().map(|chunk| Attachment::data(chunk.into())).collect();
        let mut frame = encoded(&message, &attachments);
        let read = admitted().decode(&mut frame).unwrap().unwrap();
        prop_assert_eq!(read, Frame { message, attachments });
        prop_assert!(frame.is_empty());
    }
}
