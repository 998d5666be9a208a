//! One example of every message, with every field at a value that shows where it stands in the bytes.

use common::chunk::name_of;
use common::identity::AccountId;
use common::message::{
    At, Attachment, AttachmentHead, Auth, Cursor, Device, Encoding, Failure, Form, Hello, Outcome, Pushed,
    Refusal, Reply, Request, Role, Traced, Welcome,
};
use std::sync::Arc;
use sync_engine::node::ConflictCause;
use sync_engine::{
    Change, ConflictMark, Content, DeviceId, Entry, Epoch, FileState, Guard, Hash, Kind, MoveTo, Name, Node,
    NodeId, Point, Rejection, RelPath, Target, Version,
};

const AGENT: &str = "holdfast 0.1.0";

fn id() -> AccountId {
    "006H-M9SM-8575-PT3N-GA7S-SADP-RF8D-VTQQ-2J".parse().unwrap()
}

fn node_id(n: u8) -> NodeId {
    NodeId([n; 16])
}

fn hash(n: u8) -> Hash {
    Hash([n; 32])
}

fn point(number: u64, n: u8) -> Point {
    Point {
        version: Version(number),
        chain: hash(n),
    }
}

fn name(bytes: &[u8]) -> Name {
    Name::new(bytes).unwrap()
}

fn file() -> Kind {
    let content = Content {
        hash: hash(0xaa),
        size_bytes: 300_000,
        depth: 1,
    };
    Kind::File(FileState {
        content,
        exec: true,
        mtime_ns: -1,
    })
}

fn mark(cause: ConflictCause) -> Option<Arc<ConflictMark>> {
    Some(Arc::new(ConflictMark {
        with: node_id(2),
        base: Version(250),
        device: DeviceId([3; 16]),
        name: name(b"was"),
        cause,
    }))
}

fn node(kind: Kind, cause: Option<ConflictCause>) -> Node {
    Node {
        parent: NodeId::ROOT,
        name: name(b"n\xff"),
        kind,
        mark: cause.and_then(mark),
    }
}

/// One of each kind of change.
pub(crate) fn changes() -> Vec<Change> {
    let link = Kind::Symlink(Target::new(b"../x").unwrap());
    let to = MoveTo {
        id: node_id(6),
        base: Version(251),
        parent: node_id(7),
        name: name(b"new"),
    };
    vec![
        Change::Create {
            id: node_id(1),
            node: node(file(), None),
        },
        Change::Create {
            id: node_id(4),
            node: node(Kind::Dir, Some(ConflictCause::KindSwapped)),
        },
        Change::Update {
            id: node_id(5),
            base: Version(0),
            kind: link,
        },
        Change::Move {
            moves: vec![to.clone(), to],
        },
        Change::Delete {
            id: node_id(8),
            base: Version(u64::MAX),
        },
        Change::Mark {
            id: node_id(9),
            base: Version(65_536),
            mark: mark(ConflictCause::BothEdited),
        },
        Change::Mark {
            id: node_id(9),
            base: Version(65_537),
            mark: None,
        },
    ]
}

fn entries() -> Vec<Entry> {
    let entry = |(i, change)| Entry {
        number: Version(i),
        device: DeviceId([4; 16]),
        time_ms: 1_790_000_000_000,
        change,
    };
    (1..).zip(changes()).map(entry).collect()
}

fn nodes() -> Vec<(NodeId, Version, Node)> {
    vec![(
        node_id(1),
        Version(7),
        node(file(), Some(ConflictCause::SameName)),
    )]
}

fn cursor() -> Cursor {
    Cursor {
        epoch: Epoch([5; 16]),
        version: Version(300),
        chain: hash(6),
    }
}

fn hello(role: Role, auth: Auth) -> Request {
    Request::Hello(Hello {
        protocol: 1,
        agent: AGENT.to_owned(),
        role,
        auth,
        generation: [7; 16],
        next_generation: [8; 16],
    })
}

/// Two attachments: a plain one and one that claims to be compressed.
pub(crate) fn attachments() -> Vec<Attachment> {
    let plain = Attachment::data(b"plain bytes"[..].into());
    let head = AttachmentHead {
        hash: name_of(Form::List, b"a list"),
        form: Form::List,
        encoding: Encoding::Zstd,
        plain_len: 6,
        sent_len: 3,
    };
    vec![
        plain,
        Attachment {
            head,
            bytes: b"abc"[..].into(),
        },
    ]
}

/// At least one of each request.
pub(crate) fn requests() -> Vec<Request> {
    let device_name = "Anna's laptop".to_owned();
    let device = DeviceId([9; 16]);
    vec![
        hello(
            Role::Control,
            Auth::Register {
                device_name: device_name.clone(),
            },
        ),
        hello(
            Role::Control,
            Auth::Enrol {
                id: id(),
                device_name,
            },
        ),
        hello(Role::Bulk, Auth::Device),
        hello(Role::Control, Auth::LastBegun),
        Request::Pull { cursor: None },
        Request::Pull {
            cursor: Some(cursor()),
        },
        Request::Commit {
            request: 1,
            changes: changes(),
        },
        Request::Have {
            request: 2,
            hashes: vec![hash(1), hash(2)],
        },
        Request::Put { request: 3 },
        Request::Get {
            request: 4,
            hashes: vec![hash(3)],
        },
        Request::History {
            request: 5,
            id: node_id(1),
            before: Some(Version(9)),
        },
        Request::Browse {
            request: 6,
            at: At::Version(Version(10)),
        },
        Request::Browse {
            request: 6,
            at: At::TimeMs(1_790_000_000_000),
        },
        Request::Log {
            request: 7,
            before: None,
        },
        Request::Devices { request: 8 },
        Request::RenameDevice {
            request: 9,
            device,
            name: "new".to_owned(),
        },
        Request::RevokeDevice { request: 10, device },
        Request::ReplaceId { request: 11 },
        Request::Ping { request: u64::MAX },
        Request::Compare {
            request: 12,
            points: vec![point(300, 1), point(2, 2)],
        },
        Request::CommitGroup {
            request: 13,
            guards: vec![
                Guard {
                    id: node_id(1),
                    version: Some(Version(300)),
                },
                Guard {
                    id: node_id(2),
                    version: None,
                },
            ],
            changes: changes(),
        },
        Request::Trace {
            request: 13,
            path: path("a/b").0,
            before: Some(Version(9)),
        },
        Request::Recover {
            request: 14,
            at: At::Version(Version(10)),
            path: path("a").0,
        },
        Request::CheckId {
            request: 15,
            hash: hash(1),
        },
    ]
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).unwrap()
}

fn refusals() -> Vec<Refusal> {
    vec![
        Refusal::Protocol { min: 1, max: 300 },
        Refusal::NotAdmitted,
        Refusal::Cloned,
        Refusal::Busy,
        Refusal::Closed,
        Refusal::Malformed,
        Refusal::Begun { generation: hash(4) },
    ]
}

fn outcomes() -> Vec<Outcome> {
    let rejections = [
        Rejection::Stale(Some(Version(5))),
        Rejection::Stale(None),
        Rejection::IdUsed,
        Rejection::NoParent,
        Rejection::NameTaken(node_id(1)),
        Rejection::Cycle,
        Rejection::NotEmpty,
        Rejection::MissingContent(hash(1)),
        Rejection::TypeChanged,
        Rejection::TooDeep,
        Rejection::Quota,
        Rejection::Malformed,
        Rejection::Guarded(node_id(2)),
        Rejection::Group,
    ];
    let accepted = Outcome::Accepted(Version(6));
    std::iter::once(accepted)
        .chain(rejections.map(Outcome::Rejected))
        .collect()
}

fn failures() -> [Failure; 6] {
    [
        Failure::NotFound,
        Failure::ServerFull,
        Failure::Limit,
        Failure::ServerFault,
        Failure::LastDevice,
        Failure::Mismatch,
    ]
}

/// At least one of each reply.
pub(crate) fn replies() -> Vec<Reply> {
    let welcome = |id| {
        Reply::Welcome(Welcome {
            agent: AGENT.to_owned(),
            id,
            device: DeviceId([1; 16]),
            device_name: "nas".to_owned(),
            epoch: Epoch([2; 16]),
            head: Version(1000),
        })
    };
    let own = Pushed::Own {
        number: Version(8),
        time_ms: 1,
        request: 2,
        index: 3,
    };
    let pushed = entries().into_iter().map(Pushed::Full).chain([own]).collect();
    let device = Device {
        id: DeviceId([1; 16]),
        name: "Gerät".to_owned(),
        enrolled_ms: 1,
        seen_ms: 2,
        online: true,
        revoked: false,
    };
    let mut replies = vec![welcome(None), welcome(Some(id()))];
    replies.extend(refusals().into_iter().map(Reply::Refused));
    replies.extend([
        Reply::Snapshot {
            nodes: nodes(),
            cursor: cursor(),
            last: true,
        },
        Reply::Entries {
            entries: pushed,
            chain: hash(1),
            head: Version(9),
        },
        Reply::Diverged {
            epoch: Epoch([1; 16]),
            head: Version(2),
        },
        Reply::Committed {
            request: 1,
            outcomes: outcomes(),
        },
        Reply::Missing {
            request: 2,
            hashes: vec![hash(1)],
        },
        Reply::Stored {
            request: 3,
            incomplete: vec![hash(2)],
        },
        Reply::Chunks {
            request: 4,
            missing: vec![hash(3)],
            last: false,
        },
        Reply::History {
            request: 5,
            entries: entries(),
            more: true,
        },
        Reply::Past {
            request: 6,
            version: Version(7),
            nodes: nodes(),
            last: false,
        },
        Reply::Devices {
            request: 7,
            devices: vec![device],
        },
        Reply::NewId { request: 8, id: id() },
        Reply::Done { request: 9 },
    ]);
    replies.extend(failures().map(|failure| Reply::Failed { request: 10, failure }));
    replies.push(Reply::Pong {
        request: 11,
        head: Version(12),
    });
    replies.push(Reply::Compared {
        request: 12,
        newest: Version(2),
    });
    replies.push(Reply::Traced {
        request: 13,
        entries: vec![Traced {
            entry: Entry {
                number: Version(9),
                device: DeviceId([7; 16]),
                time_ms: 1_790_000_000_000,
                change: Change::Delete {
                    id: node_id(1),
                    base: Version(8),
                },
            },
            paths: vec![path("a/b")],
        }],
        more: true,
    });
    replies
}

/// Fails to compile when a message is added, so that it is not forgotten above.
#[expect(dead_code, reason = "the compiler reads it, nobody calls it")]
fn all_are_shown(request: &Request, reply: &Reply) {
    match request {
        Request::Hello(_)
        | Request::Pull { .. }
        | Request::Commit { .. }
        | Request::Have { .. }
        | Request::Put { .. }
        | Request::Get { .. }
        | Request::History { .. }
        | Request::Browse { .. }
        | Request::Log { .. }
        | Request::Devices { .. }
        | Request::RenameDevice { .. }
        | Request::RevokeDevice { .. }
        | Request::ReplaceId { .. }
        | Request::Ping { .. }
        | Request::Compare { .. }
        | Request::CommitGroup { .. }
        | Request::Trace { .. }
        | Request::Recover { .. }
        | Request::CheckId { .. } => (),
    }
    match reply {
        Reply::Welcome(_)
        | Reply::Refused(_)
        | Reply::Snapshot { .. }
        | Reply::Entries { .. }
        | Reply::Diverged { .. }
        | Reply::Committed { .. }
        | Reply::Missing { .. }
        | Reply::Stored { .. }
        | Reply::Chunks { .. }
        | Reply::History { .. }
        | Reply::Past { .. }
        | Reply::Devices { .. }
        | Reply::NewId { .. }
        | Reply::Done { .. }
        | Reply::Failed { .. }
        | Reply::Pong { .. }
        | Reply::Compared { .. }
        | Reply::Traced { .. } => (),
    }
}
