//! A client of the raw protocol, and a server to talk to.

use bytes::BytesMut;
use common::certificate::Certificate;
use common::codec::{Frame, FrameCodec, encode};
use common::identity::AccountId;
use common::message::{
    Attachment, AttachmentHead, Auth, Cursor, Encoding, Form, Hello, Outcome, Pushed, Reply, Request, Role,
    Welcome,
};
use common::tls::{Trust, client_config, server_name};
use server::{Options, Running, Server};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use sync_engine::{Change, Content, Entry, FileState, Hash, Kind, Name, Node, NodeId, Version};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::codec::Decoder;

/// No answer takes longer than this, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server with a store of its own.
pub(crate) struct TestServer {
    pub(crate) directory: TempDir,
    pub(crate) running: Running,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    pub(crate) async fn start_with(adjust: impl FnOnce(&mut Options)) -> Self {
        let directory = TempDir::new().unwrap();
        let mut options = options_in(&directory);
        adjust(&mut options);
        Self {
            running: Server::start(options).await.unwrap(),
            directory,
        }
    }

    pub(crate) async fn restart(self) -> Self {
        let Self { directory, running } = self;
        running.shutdown().await;
        let running = Server::start(options_in(&directory)).await.unwrap();
        Self { directory, running }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.running.local_addr()
    }

    pub(crate) async fn register(&self) -> Client {
        Client::register(self.address()).await
    }
}

pub(crate) fn options_in(directory: &TempDir) -> Options {
    Options::local(directory.path().join("data"), directory.path().join("certs"))
}

/// A device's key and generation.
#[derive(Clone)]
pub(crate) struct Device {
    pub(crate) certificate: Arc<Certificate>,
    pub(crate) generation: [u8; 16],
}

impl Device {
    pub(crate) fn new() -> Self {
        Self {
            certificate: Arc::new(Certificate::generate(&[]).unwrap()),
            generation: [0; 16],
        }
    }
}

/// A connection.
pub(crate) struct Client {
    pub(crate) device: Device,
    pub(crate) welcome: Welcome,
    pub(crate) wire: Wire,
    pub(crate) address: SocketAddr,
    next_request: u64,
}

/// Frames over TLS.
pub(crate) struct Wire {
    pub(crate) stream: TlsStream<TcpStream>,
    codec: FrameCodec<Reply, Request>,
    bytes: BytesMut,
}

impl Wire {
    pub(crate) async fn open(address: SocketAddr, certificate: &Certificate) -> Self {
        Self::try_open(address, certificate).await.unwrap()
    }

    pub(crate) async fn try_open(address: SocketAddr, certificate: &Certificate) -> std::io::Result<Self> {
        let config = client_config(certificate, Trust::FirstUse).unwrap();
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect(server_name("localhost"), stream).await?;
        let mut codec = FrameCodec::new();
        codec.admit();
        Ok(Self {
            stream,
            codec,
            bytes: BytesMut::new(),
        })
    }

    pub(crate) async fn send(&mut self, request: Request, attachments: &[Attachment]) {
        let mut out = BytesMut::new();
        encode(&request, attachments, &mut out).unwrap();
        self.send_raw(&out).await;
    }

    pub(crate) async fn send_raw(&mut self, bytes: &[u8]) {
        // The server may have hung up already; what it answered is looked at next.
        let _ = self.stream.write_all(bytes).await;
        let _ = self.stream.flush().await;
    }

    /// Returns the next frame, or nothing when the server has hung up.
    pub(crate) async fn next(&mut self) -> Option<Frame<Reply>> {
        loop {
            if let Some(frame) = self.codec.decode(&mut self.bytes).unwrap() {
                return Some(frame);
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.bytes))
                .await
                .expect("an answer in time");
            if matches!(read, Ok(0) | Err(_)) {
                return None;
            }
        }
    }

    pub(crate) async fn hello(&mut self, role: Role, auth: Auth, device: &Device, next: [u8; 16]) -> Reply {
        let answer = self.greet(role, auth, device, next).await;
        answer.expect("an answer")
    }

    /// Says hello and returns the answer, or nothing when the server has hung up.
    async fn greet(&mut self, role: Role, auth: Auth, device: &Device, next: [u8; 16]) -> Option<Reply> {
        let hello = Hello {
            protocol: 1,
            agent: "test".into(),
            role,
            auth,
            generation: device.generation,
            next_generation: next,
        };
        self.send(Request::Hello(hello), &[]).await;
        Some(self.next().await?.message)
    }
}

impl Client {
    pub(crate) async fn register(address: SocketAddr) -> Self {
        let auth = Auth::Register {
            device_name: "first".into(),
        };
        Self::connect(address, Device::new(), Role::Control, auth)
            .await
            .unwrap()
    }

    pub(crate) async fn enrol(address: SocketAddr, id: AccountId) -> Result<Self, Reply> {
        let admitted = Self::enrol_or_not(address, id).await;
        admitted.expect("an answer")
    }

    /// Enrols a device; nothing when the server hangs up without an answer.
    pub(crate) async fn enrol_or_not(address: SocketAddr, id: AccountId) -> Option<Result<Self, Reply>> {
        let auth = Auth::Enrol {
            id,
            device_name: "other".into(),
        };
        Self::knock(address, Device::new(), Role::Control, auth).await
    }

    pub(crate) async fn connect(
        address: SocketAddr,
        device: Device,
        role: Role,
        auth: Auth,
    ) -> Result<Self, Reply> {
        let admitted = Self::knock(address, device, role, auth).await;
        admitted.expect("an answer")
    }

    /// Connects; nothing when the server hangs up without an answer.
    async fn knock(
        address: SocketAddr,
        mut device: Device,
        role: Role,
        auth: Auth,
    ) -> Option<Result<Self, Reply>> {
        let mut wire = Wire::open(address, &device.certificate).await;
        let mut next = [0; 16];
        common::entropy::fill(&mut next).unwrap();
        Some(match wire.greet(role, auth, &device, next).await? {
            Reply::Welcome(welcome) => {
                if role == Role::Control {
                    device.generation = next;
                }
                Ok(Self {
                    device,
                    welcome,
                    wire,
                    address,
                    next_request: 1,
                })
            }
            other => Err(other),
        })
    }

    /// Connects again as the same device.
    pub(crate) async fn again(&self, role: Role) -> Self {
        Self::connect(self.address, self.device.clone(), role, Auth::Device)
            .await
            .unwrap()
    }

    /// Adds a device to this one's account.
    pub(crate) async fn companion(&self) -> Self {
        Self::enrol(self.address, self.id()).await.unwrap()
    }

    pub(crate) fn id(&self) -> AccountId {
        self.welcome.id.clone().expect("a device that registered")
    }

    pub(crate) fn request(&mut self) -> u64 {
        self.next_request += 1;
        self.next_request
    }

    pub(crate) async fn next(&mut self) -> Reply {
        self.wire.next().await.expect("an answer").message
    }

    pub(crate) async fn send(&mut self, request: Request) {
        self.wire.send(request, &[]).await;
    }

    /// Asks for all after a cursor and returns the first answer.
    pub(crate) async fn pull(&mut self, cursor: Option<Cursor>) -> Reply {
        self.send(Request::Pull { cursor }).await;
        self.next().await
    }

    /// Reads the tree as it is.
    pub(crate) async fn snapshot(&mut self) -> (Vec<(NodeId, Version, Node)>, Cursor) {
        let mut all = Vec::new();
        let mut reply = self.pull(None).await;
        loop {
            let Reply::Snapshot { nodes, cursor, last } = reply else {
                panic!("{reply:?}")
            };
            all.extend(nodes);
            if last {
                return (all, cursor);
            }
            reply = self.next().await;
        }
    }

    /// Commits and returns what became of it, and what was pushed before the answer.
    pub(crate) async fn commit_with(
        &mut self,
        changes: Vec<Change>,
        attachments: &[Attachment],
    ) -> (Vec<Outcome>, Vec<Pushed>) {
        let request = self.request();
        self.wire
            .send(Request::Commit { request, changes }, attachments)
            .await;
        let mut pushed = Vec::new();
        loop {
            match self.next().await {
                Reply::Entries { entries, .. } => pushed.extend(entries),
                Reply::Committed {
                    request: answered,
                    outcomes,
                } if answered == request => {
                    return (outcomes, pushed);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) async fn commit(&mut self, changes: Vec<Change>) -> Vec<Outcome> {
        self.commit_with(changes, &[]).await.0
    }

    /// Commits changes that must all be taken, and returns the last version.
    pub(crate) async fn commit_ok(&mut self, changes: Vec<Change>) -> Version {
        let outcomes = self.commit(changes).await;
        let versions = outcomes.iter().map(|outcome| match outcome {
            Outcome::Accepted(version) => *version,
            Outcome::Rejected(rejection) => panic!("{rejection:?}"),
        });
        versions.collect::<Vec<_>>().pop().unwrap()
    }

    /// Returns the next entries of another device, in full, with what is attached.
    pub(crate) async fn pushed(&mut self) -> (Vec<Entry>, Vec<Attachment>) {
        let frame = self.wire.next().await.expect("a push");
        let Reply::Entries { entries, .. } = frame.message else {
            panic!("{:?}", frame.message)
        };
        let full = entries.into_iter().map(|pushed| match pushed {
            Pushed::Full(entry) => entry,
            Pushed::Own { .. } => panic!("{pushed:?}"),
        });
        (full.collect(), frame.attachments)
    }

    pub(crate) async fn put(&mut self, attachments: &[Attachment]) -> Reply {
        let request = self.request();
        self.wire.send(Request::Put { request }, attachments).await;
        self.next().await
    }

    pub(crate) async fn missing(&mut self, hashes: Vec<Hash>) -> Vec<Hash> {
        let request = self.request();
        self.send(Request::Have { request, hashes }).await;
        match self.next().await {
            Reply::Missing { hashes, .. } => hashes,
            other => panic!("{other:?}"),
        }
    }

    /// Fetches chunks and returns those that came and those that are missing.
    pub(crate) async fn get(&mut self, hashes: Vec<Hash>) -> (Vec<Attachment>, Vec<Hash>) {
        let request = self.request();
        self.send(Request::Get { request, hashes }).await;
        let (mut came, mut all_missing) = (Vec::new(), Vec::new());
        loop {
            let frame = self.wire.next().await.expect("chunks");
            let Reply::Chunks { missing, last, .. } = frame.message else {
                panic!("{:?}", frame.message)
            };
            came.extend(frame.attachments);
            all_missing.extend(missing);
            if last {
                return (came, all_missing);
            }
        }
    }
}

pub(crate) fn node_id(n: u64) -> NodeId {
    let mut id = [7; 16];
    id[..8].copy_from_slice(&n.to_be_bytes());
    NodeId(id)
}

pub(crate) fn name(text: &str) -> Name {
    Name::try_from(text).unwrap()
}

pub(crate) fn dir(n: u64, parent: NodeId, text: &str) -> Change {
    let node = Node {
        parent,
        name: name(text),
        kind: Kind::Dir,
        mark: None,
    };
    Change::Create { id: node_id(n), node }
}

pub(crate) fn file(n: u64, parent: NodeId, text: &str, content: Content) -> Change {
    let kind = Kind::File(FileState {
        content,
        exec: false,
        mtime_ns: 1,
    });
    let node = Node {
        parent,
        name: name(text),
        kind,
        mark: None,
    };
    Change::Create { id: node_id(n), node }
}

pub(crate) fn small(bytes: &[u8]) -> Content {
    Content {
        hash: Hash::of(bytes),
        size_bytes: bytes.len() as u64,
        depth: 0,
    }
}

pub(crate) fn plain(bytes: &[u8]) -> Attachment {
    attachment(
        Hash::of(bytes),
        Form::Data,
        Encoding::Plain,
        bytes.len(),
        bytes.to_vec(),
    )
}

pub(crate) fn attachment(
    hash: Hash,
    form: Form,
    encoding: Encoding,
    plain_len: usize,
    bytes: Vec<u8>,
) -> Attachment {
    let head = AttachmentHead {
        hash,
        form,
        encoding,
        plain_len: u32::try_from(plain_len).unwrap(),
        sent_len: u32::try_from(bytes.len()).unwrap(),
    };
    Attachment {
        head,
        bytes: bytes.into(),
    }
}
