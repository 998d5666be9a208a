//! A device of the raw protocol. It expects that the server may be gone at any time: then an answer is nothing.

use bytes::BytesMut;
use common::codec::{Frame, FrameCodec, encode};
use common::fingerprint::Fingerprint;
use common::identity::AccountId;
use common::limits::PROTOCOL_VERSION;
use common::list::{List, ListBuilder, list_hash};
use common::message::{
    Attachment, Auth, Cursor, Form, Hello, Outcome, Refusal, Reply, Request, Role, Welcome,
};
use sync_engine::{Entry, FileState, Hash, Kind, Node, NodeId, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_util::codec::Decoder;

use crate::sim::server::SimServer;

/// What a device keeps.
#[derive(Default)]
pub(super) struct Device {
    number: u8,
    id: Option<AccountId>,
    is_admitted: bool,
    generation: [u8; 16],
    n_calls: u8,
}

impl Device {
    /// Returns a device that will make an account.
    pub(super) fn new(number: u8) -> Self {
        Self::of_account(number, None)
    }

    /// Returns a device that will enrol in an account, or make one.
    pub(super) fn of_account(number: u8, id: Option<AccountId>) -> Self {
        Self {
            number,
            id,
            ..Self::default()
        }
    }
}

/// A connection.
pub(super) struct Caller {
    stream: DuplexStream,
    codec: FrameCodec<Reply, Request>,
    bytes: BytesMut,
}

impl Caller {
    /// Connects, as a device that registers or that was admitted before.
    pub(super) async fn call(server: &SimServer, device: &mut Device) -> Option<(Self, Welcome)> {
        let mut codec = FrameCodec::new();
        codec.admit();
        let mut caller = Self {
            stream: server.connect(Fingerprint([device.number; 32])).ok()?,
            codec,
            bytes: BytesMut::new(),
        };
        let device_name = "device".to_owned();
        let auth = match &device.id {
            _ if device.is_admitted => Auth::Device,
            Some(id) => Auth::Enrol {
                id: id.clone(),
                device_name,
            },
            None => Auth::Register { device_name },
        };
        device.n_calls += 1;
        let next_generation = [device.n_calls; 16];
        let hello = Hello {
            protocol: PROTOCOL_VERSION,
            agent: "test".into(),
            role: Role::Control,
            auth,
            generation: device.generation,
            next_generation,
        };
        match caller.ask(Request::Hello(hello), &[]).await? {
            Reply::Welcome(welcome) => {
                device.is_admitted = true;
                device.generation = next_generation;
                Some((caller, welcome))
            }
            // It may come again, when the server can write.
            Reply::Refused(Refusal::Busy) => None,
            other => panic!("{other:?}"),
        }
    }

    /// Returns the tree as it is.
    pub(super) async fn snapshot(&mut self) -> Option<(Vec<(NodeId, Version, Node)>, Cursor)> {
        self.send(Request::Pull { cursor: None }, &[]).await?;
        let mut all = Vec::new();
        loop {
            match self.next().await?.message {
                Reply::Snapshot { nodes, cursor, last } => {
                    all.extend(nodes);
                    if last {
                        return Some((all, cursor));
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// Returns the first answer to a pull.
    pub(super) async fn pull(&mut self, cursor: Cursor) -> Option<Reply> {
        self.ask(Request::Pull { cursor: Some(cursor) }, &[]).await
    }

    /// Commits a change.
    pub(super) async fn commit(
        &mut self,
        change: sync_engine::Change,
        attachments: &[Attachment],
    ) -> Option<Result<Outcome, common::message::Failure>> {
        let request = Request::Commit {
            request: 1,
            changes: vec![change],
        };
        self.send(request, attachments).await?;
        loop {
            match self.next().await?.message {
                Reply::Entries { .. } => (),
                Reply::Committed { mut outcomes, .. } => return outcomes.pop().map(Ok),
                Reply::Failed { failure, .. } => return Some(Err(failure)),
                other => panic!("{other:?}"),
            }
        }
    }

    /// Brings chunks.
    pub(super) async fn put(&mut self, attachments: &[Attachment]) -> Option<Reply> {
        self.ask(Request::Put { request: 1 }, attachments).await
    }

    /// Returns those of some chunks that come, and come right.
    pub(super) async fn get(&mut self, hashes: &[Hash]) -> Option<Vec<Hash>> {
        let hashes = hashes.to_vec();
        self.send(Request::Get { request: 1, hashes }, &[]).await?;
        let mut came = Vec::new();
        loop {
            let Frame { message, attachments } = self.next().await?;
            let right = attachments.iter().filter(|attachment| is_right(attachment));
            came.extend(right.map(|attachment| attachment.head.hash));
            match message {
                Reply::Chunks { last: true, .. } => return Some(came),
                Reply::Chunks { .. } => (),
                other => panic!("{other:?}"),
            }
        }
    }

    /// Returns the journal, newest first.
    pub(super) async fn log(&mut self) -> Option<Vec<Entry>> {
        let request = Request::Log {
            request: 1,
            before: None,
        };
        match self.ask(request, &[]).await? {
            Reply::History { entries, .. } => Some(entries),
            other => panic!("{other:?}"),
        }
    }

    async fn ask(&mut self, request: Request, attachments: &[Attachment]) -> Option<Reply> {
        self.send(request, attachments).await?;
        Some(self.next().await?.message)
    }

    pub(super) async fn send(&mut self, request: Request, attachments: &[Attachment]) -> Option<()> {
        let mut bytes = BytesMut::new();
        encode(&request, attachments, &mut bytes).unwrap();
        self.stream.write_all(&bytes).await.ok()
    }

    pub(super) async fn next(&mut self) -> Option<Frame<Reply>> {
        loop {
            if let Some(frame) = self.codec.decode(&mut self.bytes).unwrap() {
                return Some(frame);
            }
            if self.stream.read_buf(&mut self.bytes).await.ok()? == 0 {
                return None;
            }
        }
    }
}

/// The length of a piece of a file, in bytes.
const PIECE_LEN: usize = 1000;

/// Returns a file, and all chunks and lists that it needs, each after those that it names.
pub(super) fn file(bytes: &[u8]) -> (Kind, Vec<Attachment>) {
    let mut builder = ListBuilder::new();
    let mut attachments = Vec::new();
    for piece in bytes.chunks(PIECE_LEN) {
        let piece_hash = Hash::of(piece);
        attachments.push(Attachment::data(piece.to_vec().into()));
        let lists = builder.push(piece_hash, piece.len() as u64).unwrap();
        attachments.extend(lists.iter().map(of_list));
    }
    let (lists, content) = builder.finish().unwrap();
    attachments.extend(lists.iter().map(of_list));
    let state = FileState {
        content,
        exec: false,
        mtime_ns: 1,
    };
    (Kind::File(state), attachments)
}

fn of_list(list: &List) -> Attachment {
    Attachment::list(list.bytes.clone().into())
}

fn is_right(attachment: &Attachment) -> bool {
    attachment.head.hash
        == match attachment.head.form {
            Form::Data => Hash::of(&attachment.bytes),
            Form::List => list_hash(&attachment.bytes),
        }
}
