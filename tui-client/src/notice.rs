//! What the client tells its listeners (the screen, the headless output, tests). Listeners hold no logic of
//! synchronisation and the client never prints.

use serde::{Deserialize, Serialize};
use sync_engine::{NodeId, RelPath, Version};

/// Something that happened. Sent on a broadcast channel; a listener that lags may lose some and then asks for a
/// [`crate::control::Status`] and the tree anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notice {
    /// The account is known: at first contact, and at every start.
    Account {
        /// The ID, as text, if the account was just made; from then on it is told on order only.
        id: Option<String>,
        /// A short name of the account, which is no secret and opens nothing.
        handle: String,
        /// This device's name.
        device: String,
        /// The server's address as given.
        server: String,
        /// The fingerprint of the server's key.
        fingerprint: String,
    },
    /// The server is reached and has admitted this device.
    Connected {
        /// The server's address.
        server: String,
    },
    /// The server is out of reach; the client tries again by itself.
    Disconnected {
        /// Why.
        reason: String,
        /// When it tries again, in milliseconds from now.
        retry_ms: u64,
    },
    /// The folder is being looked at.
    Scanning {
        /// How many nodes were seen so far.
        nodes: u64,
    },
    /// A node changed: here by its user (up) or by what came from the server (down).
    Change(ChangeNotice),
    /// There is a new conflict, or one has been resolved.
    Conflict {
        /// The side that bears the mark.
        path: RelPath,
        /// The side that kept the name, when it still exists.
        with: Option<RelPath>,
        /// The device whose side `path` is.
        device: String,
        /// Whether it is resolved now.
        resolved: bool,
    },
    /// A node is blocked, or (nothing) no more.
    Blocked {
        /// The node's path.
        path: RelPath,
        /// Why, for a person.
        reason: Option<String>,
    },
    /// A plan that removes or overwrites much waits for a person, or (zeros) no more.
    Brake {
        /// How many nodes would be removed.
        removals: u64,
        /// How many there are.
        nodes: u64,
        /// Why the brake is on, for a person.
        reason: String,
    },
    /// Another device has removed much, or (zeros) that was answered.
    Removed {
        /// How many nodes were removed.
        removals: u64,
        /// How many there were.
        nodes: u64,
        /// The device.
        device: String,
    },
    /// A transfer moved on. True bytes; `done == total` is sent exactly once for each.
    Progress(Progress),
    /// Everything is the same here and on the server.
    Synced {
        /// The journal number.
        version: Version,
    },
    /// The client works on something (again).
    Syncing {
        /// How many nodes are waiting.
        pending: u64,
    },
    /// Something went wrong, in three parts.
    Error(Trouble),
}

/// A node changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeNotice {
    /// Its path now (of a deletion: where it was).
    pub path: RelPath,
    /// Where it was before, of a rename or move.
    pub from: Option<RelPath>,
    /// What was done.
    pub kind: ChangeKind,
    /// Which way it went.
    pub direction: Direction,
    /// The name of the device that made the change.
    pub device: String,
    /// Its journal number, once the server has it.
    pub version: Option<Version>,
    /// A remark for a person, such as that an edit beat a deletion.
    pub remark: Option<String>,
}

/// What was done to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It was created.
    Created,
    /// Its bytes or target changed.
    Edited,
    /// Its attributes changed.
    Attributes,
    /// It was renamed or moved.
    Moved,
    /// It was deleted.
    Deleted,
}

/// Which way a change or a transfer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From this folder to the server.
    Up,
    /// From the server to this folder.
    Down,
}

/// How far a transfer is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The node.
    pub id: NodeId,
    /// Its path.
    pub path: RelPath,
    /// Which way.
    pub direction: Direction,
    /// Bytes that are through, those that needed no transfer included.
    pub done_bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
}

/// What a person is told when something goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What happened.
    pub what: String,
    /// What was done about it.
    pub done: String,
    /// What the person can do.
    pub todo: String,
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; {}; {}", self.what, self.done, self.todo)
    }
}
