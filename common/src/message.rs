//! The messages of protocol version 1. Their bytes are frozen by golden tests: variants and fields are only ever
//! appended in a new version. A message travels in a frame with any number of chunks attached to it as raw bytes.
//!
//! Who speaks when: the client sends a [`Request::Hello`] and waits for [`Reply::Welcome`] or [`Reply::Refused`]. On
//! a control connection it then sends one [`Request::Pull`]; from there on the server sends every new entry of the
//! journal in order, without being asked. All other requests carry a number that the answer repeats; they may be sent
//! without waiting, and are answered in the order sent. A bulk connection carries `Have`, `Put`, `Get` and `Ping` only.

mod attachment;
mod values;

pub use attachment::{Attachment, AttachmentHead, Encoding, Form};
use serde::{Deserialize, Serialize};
pub use sync_engine::Cursor;
use sync_engine::name::DEPTH_MAX;
use sync_engine::trail::POINTS_MAX;
use sync_engine::{
    Change, DeviceId, Entry, Epoch, Guard, Hash, Name, Node, NodeId, Point, Rejection, Version,
};
pub use values::{Device, Traced, Welcome};

use crate::bounded;
use crate::identity::AccountId;
use crate::limits::{AGENT_LEN_MAX, CHANGES_MAX, DEVICE_NAME_LEN_MAX, ENTRIES_MAX, HASHES_MAX};

/// A number that the asker chooses; the answer repeats it.
pub type RequestId = u64;

/// The number that no asker chooses: a [`Reply::Missing`] that bears it was not asked for. With it the server says what
/// the account should have and lacks, because it was damaged; a device that has it sends it with [`Request::Put`].
pub const UNASKED: RequestId = 0;

/// From client to server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Says who is calling. The first message, and only the first.
    Hello(Hello),
    /// Asks for everything after a point of the journal, and for everything new from then on. Answered by
    /// [`Reply::Snapshot`]s or [`Reply::Entries`], or by [`Reply::Diverged`].
    Pull {
        /// Where the client is; nothing asks for a snapshot of the tree as it is now.
        cursor: Option<Cursor>,
    },
    /// Asks for changes, in order. Small contents may be attached. The server pushes every entry that this makes (and
    /// all before it) before it answers with [`Reply::Committed`].
    Commit {
        /// The number of the request.
        request: RequestId,
        /// At most [`crate::limits::CHANGES_MAX`].
        #[serde(deserialize_with = "bounded::items::<_, _, CHANGES_MAX>")]
        changes: Vec<Change>,
    },
    /// Asks which of these the account lacks. Answered by [`Reply::Missing`].
    Have {
        /// The number of the request.
        request: RequestId,
        /// Hashes of chunks and lists.
        #[serde(deserialize_with = "bounded::items::<_, _, HASHES_MAX>")]
        hashes: Vec<Hash>,
    },
    /// Brings the chunks and lists attached. A list may come only after (or in the same frame, behind) all that it
    /// names. Answered by [`Reply::Stored`].
    Put {
        /// The number of the request.
        request: RequestId,
    },
    /// Asks for chunks and lists. Answered by one or more [`Reply::Chunks`].
    Get {
        /// The number of the request.
        request: RequestId,
        /// Their hashes.
        #[serde(deserialize_with = "bounded::items::<_, _, HASHES_MAX>")]
        hashes: Vec<Hash>,
    },
    /// Asks for the entries that touched a node, newest first. Answered by [`Reply::History`].
    History {
        /// The number of the request.
        request: RequestId,
        /// The node.
        id: NodeId,
        /// Only entries before this one; nothing begins with the newest.
        before: Option<Version>,
    },
    /// Asks for the tree as it was. Answered by one or more [`Reply::Past`].
    Browse {
        /// The number of the request.
        request: RequestId,
        /// When.
        at: At,
    },
    /// Asks for the account's newest entries, newest first. Answered by [`Reply::History`].
    Log {
        /// The number of the request.
        request: RequestId,
        /// Only entries before this one; nothing begins with the newest.
        before: Option<Version>,
    },
    /// Asks for the account's devices. Answered by [`Reply::Devices`].
    Devices {
        /// The number of the request.
        request: RequestId,
    },
    /// Gives a device another name. Answered by [`Reply::Done`] or [`Reply::Failed`].
    RenameDevice {
        /// The number of the request.
        request: RequestId,
        /// The device.
        device: DeviceId,
        /// Its name from now on.
        #[serde(deserialize_with = "bounded::text::<_, DEVICE_NAME_LEN_MAX>")]
        name: String,
    },
    /// Shuts a device out for good. Answered by [`Reply::Done`] or [`Reply::Failed`].
    RevokeDevice {
        /// The number of the request.
        request: RequestId,
        /// The device.
        device: DeviceId,
    },
    /// Replaces the account's ID; devices that are enrolled stay so. Answered by [`Reply::NewId`].
    ReplaceId {
        /// The number of the request.
        request: RequestId,
    },
    /// Asks whether the server is there and what its newest entry is. Answered by [`Reply::Pong`].
    Ping {
        /// The number of the request.
        request: RequestId,
    },
    /// Asks which of these points of the client's journal is the newest that the server's journal has too. Answered by
    /// [`Reply::Compared`].
    Compare {
        /// The number of the request.
        request: RequestId,
        /// Newest first, at most [`POINTS_MAX`].
        #[serde(deserialize_with = "bounded::items::<_, _, POINTS_MAX>")]
        points: Vec<Point>,
    },
    /// Asks for changes that mean one thing: the server takes all of them, one right after the other, or none. In all
    /// else this is as [`Request::Commit`].
    CommitGroup {
        /// The number of the request.
        request: RequestId,
        /// What the changes rely on and do not change; at most [`crate::limits::CHANGES_MAX`].
        #[serde(deserialize_with = "bounded::items::<_, _, CHANGES_MAX>")]
        guards: Vec<Guard>,
        /// At most [`crate::limits::CHANGES_MAX`].
        #[serde(deserialize_with = "bounded::items::<_, _, CHANGES_MAX>")]
        changes: Vec<Change>,
    },
    /// Asks for entries, newest first, with the paths that their nodes had then. Answered by [`Reply::Traced`].
    Trace {
        /// The number of the request.
        request: RequestId,
        /// Only entries of what ever stood at this path, up to when it left it; the root asks for all of the account's.
        #[serde(deserialize_with = "bounded::items::<_, _, DEPTH_MAX>")]
        path: Vec<Name>,
        /// Only entries before this one; nothing begins with the newest.
        before: Option<Version>,
    },
    /// Asks for the tree as it was, to bring back what was at a path: if that was just being deleted, with all that was
    /// in it, as it was before the deletions that emptied it. Answered by one or more [`Reply::Past`].
    Recover {
        /// The number of the request.
        request: RequestId,
        /// When.
        at: At,
        /// What is to be brought back.
        #[serde(deserialize_with = "bounded::items::<_, _, DEPTH_MAX>")]
        path: Vec<Name>,
    },
    /// Asks whether the account's ID still has this hash. Answered by [`Reply::Done`] or [`Reply::Failed`].
    CheckId {
        /// The number of the request.
        request: RequestId,
        /// The hash of the ID.
        hash: Hash,
    },
}

/// Who is calling. The device's key is known from the TLS connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The version of the protocol that the client speaks.
    pub protocol: u16,
    /// The client's program and version, for the server's log.
    #[serde(deserialize_with = "bounded::text::<_, AGENT_LEN_MAX>")]
    pub agent: String,
    /// What the connection is for.
    pub role: Role,
    /// How the device is known.
    pub auth: Auth,
    /// The generation that the last `Welcome` confirmed; zeros at first.
    pub generation: [u8; 16],
    /// The generation that this connection begins, made by the client at random. A bulk connection repeats the present
    /// one. A device whose state was copied presents a generation that is past, and is refused.
    pub next_generation: [u8; 16],
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Journal, commits, questions.
    Control,
    /// Chunks, so that they never hold up the former.
    Bulk,
}

/// How a device is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Auth {
    /// It is not: make a new account and enrol this device's key in it.
    Register {
        /// The device's name.
        #[serde(deserialize_with = "bounded::text::<_, DEVICE_NAME_LEN_MAX>")]
        device_name: String,
    },
    /// It knows the account's ID: enrol its key.
    Enrol {
        /// The ID.
        id: AccountId,
        /// The device's name.
        #[serde(deserialize_with = "bounded::text::<_, DEVICE_NAME_LEN_MAX>")]
        device_name: String,
    },
    /// Its key is enrolled.
    Device,
    /// Its key is enrolled, and it was taken for a copy: it asks which generation was begun last for it. It is not admitted by
    /// this; the answer is [`Refusal::Begun`].
    LastBegun,
}

/// A point of time or of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum At {
    /// After this entry.
    Version(Version),
    /// After the last entry that was taken at or before this time, in milliseconds since 1970.
    TimeMs(u64),
}

/// From server to client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The device is admitted.
    Welcome(Welcome),
    /// It is not; the server hangs up after this.
    Refused(Refusal),
    /// A part of the tree as it is at `cursor`, parents before children. The last part says so.
    Snapshot {
        /// At most [`crate::limits::ENTRIES_MAX`].
        #[serde(deserialize_with = "bounded::items::<_, _, ENTRIES_MAX>")]
        nodes: Vec<(NodeId, Version, Node)>,
        /// The point that all parts together show.
        cursor: Cursor,
        /// Whether this is the last part.
        last: bool,
    },
    /// New entries of the journal, in order. Small contents may be attached.
    Entries {
        /// At most [`crate::limits::ENTRIES_MAX`]. May be empty in answer to `Pull`.
        #[serde(deserialize_with = "bounded::items::<_, _, ENTRIES_MAX>")]
        entries: Vec<Pushed>,
        /// The chain's hash after the last of them.
        chain: Hash,
        /// The newest entry of the journal when this was sent; more follow if it is not the last of these.
        head: Version,
    },
    /// The client's cursor is not a point of this journal: the store was put back to an older state, or is another.
    /// The client asks with [`Request::Compare`] how far the two are one, and pulls a snapshot.
    Diverged {
        /// The store's epoch.
        epoch: Epoch,
        /// The newest entry.
        head: Version,
    },
    /// What became of each change of a commit, in the same order.
    Committed {
        /// The number of the request.
        request: RequestId,
        /// One for each change.
        #[serde(deserialize_with = "bounded::items::<_, _, CHANGES_MAX>")]
        outcomes: Vec<Outcome>,
    },
    /// The hashes that the account lacks.
    Missing {
        /// The number of the request.
        request: RequestId,
        /// Some of those asked for.
        #[serde(deserialize_with = "bounded::items::<_, _, HASHES_MAX>")]
        hashes: Vec<Hash>,
    },
    /// The chunks of a `Put` are verified and stored; a commit that names them makes them durable.
    Stored {
        /// The number of the request.
        request: RequestId,
        /// Lists that were not taken, because something that they name is missing.
        #[serde(deserialize_with = "bounded::items::<_, _, HASHES_MAX>")]
        incomplete: Vec<Hash>,
    },
    /// Chunks, attached.
    Chunks {
        /// The number of the request.
        request: RequestId,
        /// Those that the account does not have, or whose bytes are damaged.
        #[serde(deserialize_with = "bounded::items::<_, _, HASHES_MAX>")]
        missing: Vec<Hash>,
        /// Whether this is the last part.
        last: bool,
    },
    /// Entries, newest first.
    History {
        /// The number of the request.
        request: RequestId,
        /// Entries.
        #[serde(deserialize_with = "bounded::items::<_, _, ENTRIES_MAX>")]
        entries: Vec<Entry>,
        /// Whether there are older ones.
        more: bool,
    },
    /// A part of a past tree, parents before children.
    Past {
        /// The number of the request.
        request: RequestId,
        /// The entry after which the tree was so.
        version: Version,
        /// Nodes.
        #[serde(deserialize_with = "bounded::items::<_, _, ENTRIES_MAX>")]
        nodes: Vec<(NodeId, Version, Node)>,
        /// Whether this is the last part.
        last: bool,
    },
    /// The account's devices.
    Devices {
        /// The number of the request.
        request: RequestId,
        /// In the order of their enrolment.
        #[serde(deserialize_with = "bounded::items::<_, _, ENTRIES_MAX>")]
        devices: Vec<Device>,
    },
    /// The account's new ID.
    NewId {
        /// The number of the request.
        request: RequestId,
        /// The ID.
        id: AccountId,
    },
    /// It is done.
    Done {
        /// The number of the request.
        request: RequestId,
    },
    /// It could not be done; the connection goes on.
    Failed {
        /// The number of the request.
        request: RequestId,
        /// Why.
        failure: Failure,
    },
    /// The server is there.
    Pong {
        /// The number of the request.
        request: RequestId,
        /// The newest entry.
        head: Version,
    },
    /// How far the client's journal and the server's are one.
    Compared {
        /// The number of the request.
        request: RequestId,
        /// The newest of the points that the server has too; zero if it has none.
        newest: Version,
    },
    /// Entries, newest first, with the paths that their nodes had then.
    Traced {
        /// The number of the request.
        request: RequestId,
        /// Entries.
        #[serde(deserialize_with = "bounded::items::<_, _, ENTRIES_MAX>")]
        entries: Vec<Traced>,
        /// Whether there are older ones.
        more: bool,
    },
}

/// Why a device is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// The server does not speak this version of the protocol.
    Protocol {
        /// The oldest that it speaks.
        min: u16,
        /// The newest that it speaks.
        max: u16,
    },
    /// The ID is unknown, or the key is not enrolled or is revoked; which, is not said.
    NotAdmitted,
    /// The device's state is a copy of another's, or was put back to an older one: it has to enrol as a new device.
    Cloned,
    /// Too many attempts or connections; try again later.
    Busy,
    /// The server takes no new accounts.
    Closed,
    /// The message was not understood.
    Malformed,
    /// To [`Auth::LastBegun`].
    Begun {
        /// The name of the generation that was begun last, as [`sync_engine::generations::name_of`] makes it.
        generation: Hash,
    },
}

/// An entry as it is pushed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pushed {
    /// Another connection's, in full.
    Full(Entry),
    /// What this connection's own commit became; the change is the client's own.
    Own {
        /// The entry's number.
        number: Version,
        /// When the server took it, in milliseconds since 1970.
        time_ms: u64,
        /// The number of the commit.
        request: RequestId,
        /// Which change of it, from 0.
        index: u32,
    },
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It is this entry of the journal, and durable.
    Accepted(Version),
    /// It changed nothing.
    Rejected(Rejection),
}

/// Why a request could not be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure {
    /// There is no such node, device or point in time.
    NotFound,
    /// The server's disk is full.
    ServerFull,
    /// A limit was passed.
    Limit,
    /// The server could not read or write its store.
    ServerFault,
    /// The last device cannot be revoked.
    LastDevice,
    /// The bytes of a chunk are not what its name says. Nothing of the frame was taken.
    Mismatch,
}
