//! Questions and orders to a running client. The screen asks through a channel, the commands (`status`, `wait`, …)
//! ask through the local socket, one JSON value a line each way; both get the same answers.

use std::fmt;

use serde::{Deserialize, Serialize};
use sync_engine::{Content, DeviceId, Name, NodeId, RelPath, Version};

use crate::fault::Exit;
use crate::notice::{Notice, Trouble};

/// A question or an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// How things stand.
    Status,
    /// Waits until synced, or answers [`Answer::TimedOut`].
    Wait {
        /// How long at most, in milliseconds; nothing waits for ever.
        timeout_ms: Option<u64>,
    },
    /// The account's ID and pairing link.
    Identity,
    /// The children of a directory (nothing: of the root), with their states.
    List {
        /// The directory.
        dir: Option<NodeId>,
    },
    /// The newest changes of the account, newest first.
    Log {
        /// How many at most.
        limit: u32,
    },
    /// The versions of the node at a path (also of one deleted), newest first.
    History {
        /// The path.
        path: RelPath,
    },
    /// Brings back a file or folder as it was.
    Restore {
        /// Where it was.
        path: RelPath,
        /// When.
        at: Moment,
        /// Where to put it; nothing puts it back where it was.
        to: Option<RelPath>,
    },
    /// The unresolved conflicts.
    Conflicts,
    /// Ends a conflict.
    Resolve {
        /// Either side's path.
        path: RelPath,
        /// How.
        choice: Choice,
    },
    /// The account's devices.
    Devices,
    /// Gives a device another name.
    RenameDevice {
        /// The device.
        device: DeviceId,
        /// Its new name.
        name: String,
    },
    /// Shuts a device out.
    RevokeDevice {
        /// The device.
        device: DeviceId,
    },
    /// Gives the account another ID.
    ReplaceId,
    /// Why the node at a path is in the state that it is in.
    Why {
        /// The path.
        path: RelPath,
    },
    /// Releases the brake for the plan that it stopped, and lets bursts of removals from the account stand.
    Confirm,
    /// Brings back what the brake holds back, and what bursts of removals from the account took.
    Revert,
    /// Looks at the whole folder and the server anew.
    Rescan,
    /// Checks that disk, local, synced and remote tree and the server's chain agree.
    Verify,
    /// Answers with every notice from now on, until the connection ends.
    Listen,
    /// Ends the client in good order.
    Stop,
    /// Ends a client that a command started, as soon as no order is under way; any other stays.
    GiveWay,
}

impl Ask {
    /// Tells whether it changes something: an order that may be half done is not given again by itself.
    #[must_use]
    pub fn is_order(&self) -> bool {
        match self {
            Self::Restore { .. }
            | Self::Resolve { .. }
            | Self::RenameDevice { .. }
            | Self::RevokeDevice { .. }
            | Self::ReplaceId
            | Self::Confirm
            | Self::Revert => true,
            Self::Status
            | Self::Wait { .. }
            | Self::Identity
            | Self::List { .. }
            | Self::Log { .. }
            | Self::History { .. }
            | Self::Conflicts
            | Self::Devices
            | Self::Why { .. }
            | Self::Rescan
            | Self::Verify
            | Self::Listen
            | Self::Stop
            | Self::GiveWay => false,
        }
    }
}

/// When, of a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Moment {
    /// After this journal number.
    Version(Version),
    /// At this time, in milliseconds since 1970.
    TimeMs(u64),
    /// As this device has kept it, while the server lost it.
    Kept(KeptId),
}

/// Names a content that a device has kept: the beginning of its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptId(u64);

impl KeptId {
    /// Names a content.
    #[must_use]
    pub fn of(content: &Content) -> Self {
        let [first, ..] = content.hash.0.as_chunks().0 else {
            return Self(0);
        };
        Self(u64::from_be_bytes(*first))
    }

    /// Reads what `Display` writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_whole = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let parsed = u64::from_str_radix(text, 16).ok();
        parsed.filter(|_| is_whole).map(Self)
    }
}

impl fmt::Display for KeptId {
    /// Writes 16 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// How a conflict ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// The side that has the name stays, the other is deleted.
    This,
    /// The other side's bytes take the name.
    That,
    /// Both stay, as two files.
    Both,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// To [`Ask::Status`] and [`Ask::Wait`].
    Status(Status),
    /// To [`Ask::Wait`], when the time is over.
    TimedOut(Status),
    /// To [`Ask::Identity`] and [`Ask::ReplaceId`].
    Identity(Identity),
    /// To [`Ask::List`].
    List(Vec<ListItem>),
    /// To [`Ask::Log`] and [`Ask::History`].
    Log(Vec<LogItem>),
    /// To [`Ask::History`], when this device alone has some of it.
    History {
        /// What the server has, newest first.
        items: Vec<LogItem>,
        /// What the server lacks, newest first.
        kept: Vec<KeptItem>,
    },
    /// To [`Ask::Restore`] and [`Ask::Revert`]: how many nodes were made or changed.
    Restored(u64),
    /// To [`Ask::Conflicts`].
    Conflicts(Vec<ConflictItem>),
    /// To [`Ask::Devices`].
    Devices(Vec<DeviceItem>),
    /// To [`Ask::Why`] and [`Ask::Verify`]: lines for a person; `sound` tells whether all is well.
    Report {
        /// Whether nothing is wrong.
        sound: bool,
        /// Whether something could not be compared; the lines name it.
        #[serde(default)]
        is_partial: bool,
        /// What was found.
        lines: Vec<String>,
    },
    /// To [`Ask::Listen`], again and again.
    Notice(Box<Notice>),
    /// It is done.
    Done,
    /// It could not be done.
    Failed(Trouble),
    /// It could not be done, since there is no connection to the server.
    Unconnected {
        /// Why there is none.
        trouble: Trouble,
        /// How a command ends that wanted one.
        exit: Exit,
    },
    /// The client is about to end: a question was not answered, and an order not begun.
    Ending,
}

/// How things stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// In one word.
    pub state: State,
    /// The journal number that this device has seen.
    pub version: Version,
    /// How many nodes wait to be sent, fetched or applied.
    pub pending: u64,
    /// What is blocked, with the reasons.
    pub blocked: Vec<(RelPath, String)>,
    /// How many conflicts are unresolved.
    pub conflicts: u64,
    /// How many nodes there are.
    pub nodes: u64,
    /// This device's name.
    pub device: String,
    /// This device's id, once the server has given it.
    pub device_id: Option<DeviceId>,
    /// The server's address.
    pub server: String,
    /// Whether the server is reached now.
    pub connected: bool,
    /// When everything here was last on the server, in milliseconds since 1970.
    pub protected_ms: Option<u64>,
    /// What stops the client, when `state` is `halted` or `error`.
    pub trouble: Option<Trouble>,
    /// The brake, when it is on: how many nodes would be removed, and how many there are.
    pub brake: Option<(u64, u64)>,
    /// What bursts of removals from the account took, until a person has answered: how many nodes, and how many there were.
    #[serde(default)]
    pub removed: Option<(u64, u64)>,
    /// What is wrong for now, although the client goes on, for as long as it is so: how far changes are found by looking
    /// only, and what is missing in the private directory.
    #[serde(default)]
    pub warnings: Vec<Trouble>,
}

/// The state of a client in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Disk and server agree on everything that is not blocked.
    Synced,
    /// Something is on its way.
    Syncing,
    /// The server is out of reach.
    Offline,
    /// The brake is on, or the folder is missing: nothing is removed until a person says so.
    Halted,
    /// Something is wrong that the client cannot mend.
    Error,
}

/// Who this account is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The ID, in groups.
    pub id: String,
    /// The pairing link.
    pub link: String,
}

/// A node in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListItem {
    /// The node.
    pub id: NodeId,
    /// Its name; `Display` makes it safe to show.
    pub name: Name,
    /// What it is.
    pub kind: ItemKind,
    /// Its size, of a file, in bytes.
    pub size_bytes: u64,
    /// When it was modified, of a file, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Its state; of a directory the most urgent of all inside it.
    pub state: ItemState,
    /// Of a directory: how many nodes inside it are not synced.
    pub unsettled: u64,
}

/// What a node in a list is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// A file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Symlink,
}

/// The state of a node, the least urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemState {
    /// Left out by the folder's rules.
    Ignored,
    /// The same here and on the server.
    Synced,
    /// Waits for its turn.
    Waiting,
    /// On its way to this device.
    Downloading,
    /// On its way to the server.
    Uploading,
    /// One side of an unresolved conflict.
    Conflict,
    /// Cannot be read or held here.
    Blocked,
}

/// A change in the account's or a node's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogItem {
    /// The journal number.
    pub version: Version,
    /// When the server took it, in milliseconds since 1970.
    pub time_ms: u64,
    /// The device's name.
    pub device: String,
    /// What was done.
    pub kind: crate::notice::ChangeKind,
    /// The path, as far as it is known.
    pub path: RelPath,
    /// The size afterwards, of a file, in bytes.
    pub size_bytes: Option<u64>,
}

/// A content of a file that this device has kept, while the server lost it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptItem {
    /// Names it.
    pub id: KeptId,
    /// When it was replaced or removed here, in milliseconds since 1970.
    pub time_ms: u64,
    /// The path that it had.
    pub path: RelPath,
    /// Its size, in bytes.
    pub size_bytes: u64,
}

/// An unresolved conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictItem {
    /// The side that kept the name (`this`), when it still exists.
    pub this: Option<ConflictSide>,
    /// The other side (`that`).
    pub that: ConflictSide,
    /// The device whose side `that` is.
    pub device: String,
    /// Why there are two, for a person.
    pub cause: String,
}

/// One side of a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictSide {
    /// The node.
    pub id: NodeId,
    /// Its path.
    pub path: RelPath,
    /// Its size, of a file, in bytes.
    pub size_bytes: u64,
    /// When it was modified, of a file, in nanoseconds since 1970.
    pub mtime_ns: i64,
}

/// A device in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceItem {
    /// The device.
    pub id: DeviceId,
    /// Its name.
    pub name: String,
    /// Whether it is the one that answers.
    pub here: bool,
    /// Whether it is connected now.
    pub online: bool,
    /// Whether it is shut out.
    pub revoked: bool,
    /// When it was enrolled, in milliseconds since 1970.
    pub enrolled_ms: u64,
    /// When it was last connected, in milliseconds since 1970.
    pub seen_ms: u64,
}
