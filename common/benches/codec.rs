//! How the work of making and reading frames grows with what is in them. `cargo bench -p common` runs it.

use bytes::{Bytes, BytesMut};
use common::codec::{Frame, FrameCodec};
use common::message::{Attachment, AttachmentHead, Encoding, Form, Request};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box, black_box_drop};
use sync_engine::{Change, Content, FileState, Hash, Kind, Name, Node, NodeId};
use tokio_util::codec::{Decoder as _, Encoder as _};

/// Changes in a commit, each with a small content.
const SIZES: [u32; 3] = [16, 128, 512];
/// The length of a content, in bytes.
const CONTENT_LEN: u32 = 1500;

fn main() {
    divan::main();
}

fn commit(n_changes: u32) -> Frame<Request> {
    let hash = |number: u32| Hash::of(&number.to_le_bytes());
    let change = |number: u32| Change::Create {
        id: NodeId(*hash(number).0.first_chunk().expect("a hash is longer than an id")),
        node: Node {
            parent: NodeId::ROOT,
            name: Name::new(format!("f{number:07}.txt").as_bytes()).expect("it is a legal name"),
            kind: Kind::File(FileState {
                content: Content {
                    hash: hash(number),
                    size_bytes: u64::from(CONTENT_LEN),
                    depth: 0,
                },
                exec: false,
                mtime_ns: 1_795_305_600_000_000_000 + i64::from(number),
            }),
            mark: None,
        },
    };
    let attachment = |number: u32| Attachment {
        head: AttachmentHead {
            hash: hash(number),
            form: Form::Data,
            encoding: Encoding::Plain,
            plain_len: CONTENT_LEN,
            sent_len: CONTENT_LEN,
        },
        bytes: Bytes::from(vec![7; CONTENT_LEN as usize]),
    };
    Frame {
        message: Request::Commit {
            request: 1,
            changes: (0..n_changes).map(change).collect(),
        },
        attachments: (0..n_changes).map(attachment).collect(),
    }
}

/// A codec for the frames of a device that was admitted.
fn codec() -> FrameCodec<Request, Request> {
    let mut codec = FrameCodec::new();
    codec.admit();
    codec
}

// These two are calls of their own, so that their instructions can be counted: see docs/performance.md.
#[inline(never)]
fn encoded(frame: Frame<Request>) -> BytesMut {
    let mut bytes = BytesMut::new();
    codec().encode(frame, &mut bytes).expect("it is a frame");
    bytes
}

#[inline(never)]
fn decoded(bytes: &mut BytesMut) -> Frame<Request> {
    let frame = codec().decode(bytes);
    frame.expect("it is a frame").expect("it is whole")
}

#[divan::bench(args = SIZES)]
fn encode(bencher: Bencher<'_, '_>, n_changes: u32) {
    bencher
        .counter(ItemsCount::new(n_changes))
        .with_inputs(|| commit(n_changes))
        .bench_local_values(|frame| black_box_drop(encoded(black_box(frame))));
}

#[divan::bench(args = SIZES)]
fn decode(bencher: Bencher<'_, '_>, n_changes: u32) {
    let bytes = encoded(commit(n_changes));
    bencher
        .counter(ItemsCount::new(n_changes))
        .with_inputs(|| bytes.clone())
        .bench_local_values(|mut bytes| {
            black_box_drop(decoded(black_box(&mut bytes)));
        });
}
