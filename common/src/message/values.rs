//! Values that answers carry, and how refusals and failures are said to a person.

use serde::{Deserialize, Serialize};
use std::fmt;
use sync_engine::{DeviceId, Entry, Epoch, RelPath, Version};

use super::{Failure, Refusal};
use crate::bounded;
use crate::identity::AccountId;
use crate::limits::{AGENT_LEN_MAX, CHANGES_MAX, DEVICE_NAME_LEN_MAX};

/// The device is admitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The server's program and version.
    #[serde(deserialize_with = "bounded::text::<_, AGENT_LEN_MAX>")]
    pub agent: String,
    /// The account's ID, when it was just made.
    pub id: Option<AccountId>,
    /// The device's id in the account.
    pub device: DeviceId,
    /// The device's name as the server has it.
    #[serde(deserialize_with = "bounded::text::<_, DEVICE_NAME_LEN_MAX>")]
    pub device_name: String,
    /// The store's epoch.
    pub epoch: Epoch,
    /// The newest entry of the journal.
    pub head: Version,
}

impl fmt::Display for Refusal {
    /// Says it to a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol { min, max } => {
                write!(f, "the server speaks versions {min} to {max} of the protocol")
            }
            Self::NotAdmitted => f.write_str("the ID is unknown, or the device is not enrolled or shut out"),
            Self::Cloned => f.write_str("the state is a copy of another device's, or was put back"),
            Self::Busy => f.write_str("there are too many attempts or connections"),
            Self::Closed => f.write_str("no new accounts are taken"),
            Self::Malformed => f.write_str("the message was not understood"),
            Self::Begun { .. } => f.write_str("that was a question, which is answered"),
        }
    }
}

impl fmt::Display for Failure {
    /// Says it to a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "there is no such thing on the server",
            Self::ServerFull => "the server's disk is full",
            Self::Limit => "a limit of the server was passed",
            Self::ServerFault => "the server could not read or write its store",
            Self::LastDevice => "the last device cannot be revoked",
            Self::Mismatch => "a chunk was not what its name says",
        })
    }
}

/// A device of the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// Its name.
    #[serde(deserialize_with = "bounded::text::<_, DEVICE_NAME_LEN_MAX>")]
    pub name: String,
    /// When it was enrolled, in milliseconds since 1970.
    pub enrolled_ms: u64,
    /// When it was last connected, in milliseconds since 1970.
    pub seen_ms: u64,
    /// Whether it is connected now.
    pub online: bool,
    /// Whether it is shut out.
    pub revoked: bool,
}

/// An entry, and where its nodes were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traced {
    /// The entry.
    pub entry: Entry,
    /// The path of each node of the change, in the order of the change: after the entry, but of what it deleted before
    /// it. Empty if they are too long for one frame.
    #[serde(deserialize_with = "bounded::items::<_, _, CHANGES_MAX>")]
    pub paths: Vec<RelPath>,
}
