//! The limits of each message, looked at when it is sent and when it is received, so that what one side sends the other
//! takes. Only what costs memory or time is judged here; whether a change makes sense is for the heart to say.

use crate::codec::CodecError;
use crate::limits::{
    AGENT_LEN_MAX, CHANGES_MAX, DEVICE_NAME_LEN_MAX, ENTRIES_MAX, HASHES_MAX, LIST_DEPTH_MAX,
};
use crate::message::{Auth, Pushed, Reply, Request};
use sync_engine::name::DEPTH_MAX;
use sync_engine::node::TARGET_LEN_MAX;
use sync_engine::trail::POINTS_MAX;
use sync_engine::{Change, Kind};

/// A message that knows its limits.
pub trait Checked {
    /// Looks at all counts and lengths.
    ///
    /// # Errors
    /// When one is above its limit.
    fn check(&self) -> Result<(), CodecError>;

    /// Tells whether chunks may be attached to this message.
    fn takes_attachments(&self) -> bool;
}

impl Checked for Request {
    fn check(&self) -> Result<(), CodecError> {
        match self {
            Self::Hello(hello) => {
                at_most("bytes of the agent's name", hello.agent.len(), AGENT_LEN_MAX)?;
                match &hello.auth {
                    Auth::Register { device_name } | Auth::Enrol { device_name, .. } => {
                        check_device_name(device_name)
                    }
                    Auth::Device | Auth::LastBegun => Ok(()),
                }
            }
            Self::Commit { changes, .. } => {
                at_most("changes", changes.len(), CHANGES_MAX)?;
                changes.iter().try_for_each(check_change)
            }
            Self::CommitGroup { guards, changes, .. } => {
                at_most("guards", guards.len(), CHANGES_MAX)?;
                at_most("changes", changes.len(), CHANGES_MAX)?;
                changes.iter().try_for_each(check_change)
            }
            Self::Have { hashes, .. } | Self::Get { hashes, .. } => check_hashes(hashes.len()),
            Self::RenameDevice { name, .. } => check_device_name(name),
            Self::Compare { points, .. } => at_most("points", points.len(), POINTS_MAX),
            Self::Trace { path, .. } | Self::Recover { path, .. } => {
                at_most("names in a path", path.len(), DEPTH_MAX)
            }
            Self::Pull { .. }
            | Self::Put { .. }
            | Self::History { .. }
            | Self::Browse { .. }
            | Self::Log { .. }
            | Self::Devices { .. }
            | Self::RevokeDevice { .. }
            | Self::ReplaceId { .. }
            | Self::CheckId { .. }
            | Self::Ping { .. } => Ok(()),
        }
    }

    fn takes_attachments(&self) -> bool {
        matches!(
            self,
            Self::Commit { .. } | Self::CommitGroup { .. } | Self::Put { .. }
        )
    }
}

impl Checked for Reply {
    fn check(&self) -> Result<(), CodecError> {
        match self {
            Self::Welcome(welcome) => {
                at_most("bytes of the agent's name", welcome.agent.len(), AGENT_LEN_MAX)?;
                check_device_name(&welcome.device_name)
            }
            Self::Snapshot { nodes, .. } | Self::Past { nodes, .. } => {
                at_most("nodes", nodes.len(), ENTRIES_MAX)?;
                nodes.iter().try_for_each(|(_, _, node)| check_kind(&node.kind))
            }
            Self::Entries { entries, .. } => {
                at_most("entries", entries.len(), ENTRIES_MAX)?;
                entries.iter().try_for_each(|pushed| match pushed {
                    Pushed::Full(entry) => check_change(&entry.change),
                    Pushed::Own { .. } => Ok(()),
                })
            }
            Self::History { entries, .. } => {
                at_most("entries", entries.len(), ENTRIES_MAX)?;
                entries.iter().try_for_each(|entry| check_change(&entry.change))
            }
            Self::Traced { entries, .. } => {
                at_most("entries", entries.len(), ENTRIES_MAX)?;
                entries.iter().try_for_each(|traced| {
                    at_most("paths", traced.paths.len(), CHANGES_MAX)?;
                    traced
                        .paths
                        .iter()
                        .try_for_each(|path| at_most("names in a path", path.0.len(), DEPTH_MAX))?;
                    check_change(&traced.entry.change)
                })
            }
            Self::Committed { outcomes, .. } => at_most("outcomes", outcomes.len(), CHANGES_MAX),
            Self::Missing { hashes, .. } => check_hashes(hashes.len()),
            Self::Stored { incomplete, .. } => check_hashes(incomplete.len()),
            Self::Chunks { missing, .. } => check_hashes(missing.len()),
            Self::Devices { devices, .. } => {
                at_most("devices", devices.len(), ENTRIES_MAX)?;
                devices
                    .iter()
                    .try_for_each(|device| check_device_name(&device.name))
            }
            Self::Refused(_)
            | Self::Diverged { .. }
            | Self::NewId { .. }
            | Self::Done { .. }
            | Self::Failed { .. }
            | Self::Pong { .. }
            | Self::Compared { .. } => Ok(()),
        }
    }

    fn takes_attachments(&self) -> bool {
        matches!(self, Self::Entries { .. } | Self::Chunks { .. })
    }
}

/// Refuses a count above its limit.
pub(crate) fn at_most(what: &'static str, count: usize, count_max: usize) -> Result<(), CodecError> {
    if count <= count_max {
        Ok(())
    } else {
        Err(CodecError::Limit {
            what,
            count,
            count_max,
        })
    }
}

fn check_hashes(count: usize) -> Result<(), CodecError> {
    at_most("hashes", count, HASHES_MAX)
}

fn check_device_name(name: &str) -> Result<(), CodecError> {
    at_most("bytes of a device's name", name.len(), DEVICE_NAME_LEN_MAX)
}

fn check_change(change: &Change) -> Result<(), CodecError> {
    match change {
        Change::Create { node, .. } => check_kind(&node.kind),
        Change::Update { kind, .. } => check_kind(kind),
        Change::Move { moves } => at_most("moves of one change", moves.len(), CHANGES_MAX),
        Change::Delete { .. } | Change::Mark { .. } => Ok(()),
    }
}

fn check_kind(kind: &Kind) -> Result<(), CodecError> {
    match kind {
        Kind::File(file) => {
            let depth = usize::from(file.content.depth);
            at_most("levels of lists", depth, usize::from(LIST_DEPTH_MAX))
        }
        Kind::Symlink(target) => at_most(
            "bytes of a symbolic link's target",
            target.as_bytes().len(),
            TARGET_LEN_MAX,
        ),
        Kind::Dir => Ok(()),
    }
}
