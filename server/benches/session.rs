//! What a server does for a device that brings many small files, and for one that fetches them: everything but the
//! network and TLS. `cargo bench -p server` runs it; the store lies where `TMPDIR` says.

use bytes::BytesMut;
use common::codec::encode;
use common::fingerprint::Fingerprint;
use common::frames::FrameReader;
use common::limits::PROTOCOL_VERSION;
use common::message::{Attachment, Auth, Hello, Outcome, Reply, Request, Role};
use common::squeeze;
use divan::{Bencher, black_box};
use server::{Engine, Options, Store};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;
use sync_engine::{Change, Content, FileState, Hash, Kind, Name, Node, NodeId};
use tempfile::TempDir;
use tokio::io::{AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::runtime::Runtime;

/// Files that a device brings, or fetches.
const N_FILES: u32 = 20_000;
/// Files in each directory.
const FILES_A_DIRECTORY: u32 = 100;
/// The length of each, in bytes.
const FILE_LEN: usize = 5_000;
/// Changes in each commit, and chunks in each request for some.
const GROUP: usize = 256;
/// What the line between device and server holds, in bytes.
const LINE_LEN: usize = 256 * 1024;

/// All files with their chunks, compressed once for all samples.
static FILES: LazyLock<Vec<(Change, Attachment)>> = LazyLock::new(|| (0..N_FILES).map(file).collect());

fn main() {
    divan::main();
}

/// Ids are random in earnest, so those that follow each other must not be neighbours here either.
fn id_of(number: u32) -> NodeId {
    let hash = Hash::of(&number.to_le_bytes());
    NodeId(*hash.0.first_chunk().expect("a hash is longer than an id"))
}

fn node(parent: NodeId, name: &str, kind: Kind) -> Node {
    Node {
        parent,
        name: Name::try_from(name).expect("it is a legal name"),
        kind,
        mark: None,
    }
}

fn dir_id(number: u32) -> NodeId {
    id_of(u32::MAX - number)
}

fn dirs() -> Vec<Change> {
    let dir = |number| Change::Create {
        id: dir_id(number),
        node: node(NodeId::ROOT, &format!("d{number:07}"), Kind::Dir),
    };
    (0..N_FILES.div_ceil(FILES_A_DIRECTORY)).map(dir).collect()
}

/// Returns a file with bytes of which a bit more than half are left when they are compressed.
fn file(number: u32) -> (Change, Attachment) {
    let noise = (0_u32..).flat_map(|block| Hash::of(&[number.to_le_bytes(), block.to_le_bytes()].concat()).0);
    let plain: Vec<u8> = noise.map(|byte| b'a' + byte % 20).take(FILE_LEN).collect();
    let attachment = Attachment::data(plain.into()).compressed(|plain| squeeze::compress(plain, 1).ok());
    let content = Content {
        hash: attachment.head.hash,
        size_bytes: FILE_LEN as u64,
        depth: 0,
    };
    let state = FileState {
        content,
        exec: false,
        mtime_ns: i64::from(number),
    };
    let name = format!("f{number:07}.txt");
    let node = node(dir_id(number / FILES_A_DIRECTORY), &name, Kind::File(state));
    let id = id_of(number);
    (Change::Create { id, node }, attachment)
}

/// The frames with which a device brings all files.
fn commits() -> Vec<BytesMut> {
    let commit = |changes, attachments: &[Attachment]| {
        let mut bytes = BytesMut::new();
        let commit = Request::Commit { request: 1, changes };
        encode(&commit, attachments, &mut bytes).expect("it fits into a frame");
        bytes
    };
    let groups = FILES.chunks(GROUP).map(|group| {
        let (changes, attachments): (_, Vec<_>) = group.iter().cloned().unzip();
        commit(changes, &attachments)
    });
    [commit(dirs(), &[])].into_iter().chain(groups).collect()
}

/// The frames with which a device fetches all chunks.
fn gets() -> Vec<BytesMut> {
    let get = |group: &[(Change, Attachment)]| {
        let hashes = group.iter().map(|(_, attachment)| attachment.head.hash);
        let get = Request::Get {
            request: 1,
            hashes: hashes.collect(),
        };
        let mut bytes = BytesMut::new();
        encode(&get, &[], &mut bytes).expect("it fits into a frame");
        bytes
    };
    FILES.chunks(GROUP).map(get).collect()
}

/// A server with a store of its own, and a device that has made an account there.
struct Session {
    runtime: Runtime,
    engine: Engine,
    sending: WriteHalf<DuplexStream>,
    replies: Replies,
    /// Removed when all else has ended.
    _directory: TempDir,
}

/// What the server answers.
struct Replies(FrameReader<ReadHalf<DuplexStream>, Reply, Request>);

impl Replies {
    /// Returns the next reply and how many chunks came with it.
    async fn next(&mut self) -> (Reply, usize) {
        let frame = self.0.next().await.expect("the server sends frames");
        let frame = frame.expect("the server is there");
        (frame.message, frame.attachments.len())
    }
}

impl Session {
    fn begin() -> Self {
        let directory = TempDir::new().expect("there is room for a store");
        let store = Store::open(&directory.path().join("data")).expect("it can be made");
        let options = Options::local(directory.path().join("data"), directory.path().join("certs"));
        let engine = Engine::start(store, &options).expect("it can be started");
        let runtime = Runtime::new().expect("there are threads");
        let (near, far) = duplex(LINE_LEN);
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        runtime.spawn(engine.serve(far, Fingerprint([1; 32]), address));
        let (stream, sending) = split(near);
        let mut replies = Replies(FrameReader::new(stream));
        replies.0.admit();
        let mut session = Self {
            runtime,
            engine,
            sending,
            replies,
            _directory: directory,
        };
        session.introduce();
        session
    }

    fn introduce(&mut self) {
        let hello = Request::Hello(Hello {
            protocol: PROTOCOL_VERSION,
            agent: "bench".into(),
            role: Role::Control,
            auth: Auth::Register {
                device_name: "bench".into(),
            },
            generation: [0; 16],
            next_generation: [1; 16],
        });
        let mut bytes = BytesMut::new();
        encode(&hello, &[], &mut bytes).expect("it fits into a frame");
        let welcome = self.runtime.block_on(async {
            self.sending.write_all(&bytes).await.expect("the server is there");
            self.replies.next().await.0
        });
        assert!(matches!(welcome, Reply::Welcome(_)), "{welcome:?}");
    }

    /// Sends requests one after the other, without waiting for answers, and counts what is answered up to `n_all`.
    fn ask(&mut self, requests: &[BytesMut], n_all: usize) {
        let (sending, replies) = (&mut self.sending, &mut self.replies);
        self.runtime.block_on(async {
            let send = async {
                for request in requests {
                    sending.write_all(request).await.expect("the server is there");
                }
            };
            let receive = async {
                let mut n_answered = 0;
                while n_answered < n_all {
                    n_answered += match replies.next().await {
                        (Reply::Committed { outcomes, .. }, _) => n_accepted(&outcomes),
                        (_, n_chunks) => n_chunks,
                    };
                }
            };
            tokio::join!(send, receive);
        });
    }

    fn end(self) {
        let Self { runtime, engine, .. } = self;
        runtime.block_on(engine.finish());
    }
}

fn n_accepted(outcomes: &[Outcome]) -> usize {
    let is_accepted = |outcome: &&Outcome| matches!(outcome, Outcome::Accepted(_));
    outcomes.iter().filter(is_accepted).count()
}

fn n_changes() -> usize {
    FILES.len() + dirs().len()
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn commit_small_files(bencher: Bencher<'_, '_>) {
    let requests = commits();
    bencher
        .with_inputs(Session::begin)
        .bench_local_values(|mut session| {
            session.ask(black_box(&requests), n_changes());
            session.end();
        });
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn fetch_small_files(bencher: Bencher<'_, '_>) {
    let (commits, requests) = (commits(), gets());
    let brought = || {
        let mut session = Session::begin();
        session.ask(&commits, n_changes());
        session
    };
    bencher.with_inputs(brought).bench_local_values(|mut session| {
        session.ask(black_box(&requests), FILES.len());
        session.end();
    });
}
