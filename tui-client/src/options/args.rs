//! The command line as clap sees it, and its translation into what the program does.

use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use common::fingerprint::Fingerprint;
use common::limits::DEVICE_NAME_LEN_MAX;
use common::link::PairingLink;
use common::words::number;
use jiff::Zoned;
use sync_engine::Version;
use zeroize::Zeroizing;

use super::inside::{Inside, check_path, inside};
use super::moment::BadMoment;
use super::secret::STANDARD_INPUT;
use super::{Deed, FirstTrust, Invocation, Listener, Look, Order, Run, Start, moment, secret, wrong};
use crate::control::{Choice, KeptId, Moment};

/// How many seconds there may be between two full looks.
const SECONDS: RangeInclusive<u64> = 1..=SECONDS_MAX;
/// A year, in seconds: nobody waits longer.
const SECONDS_MAX: u64 = 31_536_000;

/// Keeps a folder the same on all of your computers, through a server of yours that keeps every version.
#[derive(Debug, Parser)]
#[command(name = "tui-client", version, args_conflicts_with_subcommands = true)]
#[command(
    after_help = "With FOLDER alone, a folder that is enrolled already is taken up again. \
    With nothing at all, the screen asks.\n\
    Every user of a computer sees the arguments of its programs: give an ID or a link by - (on standard input) or by a \
    file. Once the folder is enrolled, FOLDER is enough.\n\n\
    Exit codes: 0 done and synced; 1 failed; 2 wrong usage, a mistyped ID too; 3 synced, but something is blocked \
    or in conflict; 4 server out of reach; 5 not trusted or not admitted."
)]
pub(super) struct Args {
    /// The server, or a pairing link (holdfast://…); - reads the link from standard input.
    #[arg(value_name = "SERVER[:PORT]|LINK")]
    server: Option<OsString>,
    /// The folder to keep the same.
    folder: Option<PathBuf>,
    /// The longest time between two full looks at folder and server; changes travel at once anyway.
    #[arg(default_value_t = 3600, allow_negative_numbers = true, value_parser = number("seconds", SECONDS))]
    seconds: u64,
    /// The ID of the account to join; - reads it from standard input. What stands here itself, others on this computer see.
    #[arg(long, value_name = "-|ID", conflicts_with = "id_file")]
    id: Option<String>,
    /// A file with the ID of the account to join.
    #[arg(long, value_name = "FILE")]
    id_file: Option<PathBuf>,
    /// A file with a pairing link, in the place of SERVER: FOLDER alone follows.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["id", "id_file", "fingerprint", "trust_first_use"])]
    link_file: Option<PathBuf>,
    /// The fingerprint that the server's key must have.
    #[arg(long, value_name = "HEX", conflicts_with = "trust_first_use")]
    fingerprint: Option<Fingerprint>,
    /// Trust whoever answers at first, and nobody else from then on.
    #[arg(long)]
    trust_first_use: bool,
    /// Run without a screen.
    #[arg(long)]
    headless: bool,
    /// End when everything is synced.
    #[arg(long, requires = "headless")]
    once: bool,
    /// Write one JSON object a line.
    #[arg(long, requires = "headless")]
    json: bool,
    /// End when standard input ends. A command starts a client so, where none runs.
    #[arg(long, requires = "headless", hide = true)]
    until_input_ends: bool,
    /// What to call this device.
    #[arg(long, value_name = "NAME")]
    device_name: Option<String>,
    /// Leave the mouse to the terminal.
    #[arg(long)]
    no_mouse: bool,
    /// Draw with ASCII only.
    #[arg(long)]
    ascii: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What every command takes.
#[derive(Debug, clap::Args)]
struct Common {
    /// The folder.
    folder: PathBuf,
    /// Write one JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tell how things stand.
    ///
    /// The state is one of: synced; syncing; offline (the server is out of reach, or no client runs); halted (the folder
    /// is missing or another is in its place, or removals wait for `confirm`); error.
    #[command(
        after_help = "Exit codes: 0 synced; 3 synced, but something is blocked or in conflict; 4 offline; 1 syncing, \
        halted or error."
    )]
    Status(Common),
    /// Wait until everything is synced.
    #[command(
        after_help = "Exit codes: 0 synced, also when something is blocked or in conflict (`status` tells by 3); \
        1 not in time."
    )]
    Wait {
        #[command(flatten)]
        common: Common,
        /// How long to wait at most.
        #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = number("seconds", 0..=SECONDS_MAX))]
        timeout: Option<u64>,
    },
    /// Print the account's ID. Whoever knows it can join the account.
    Id(Common),
    /// Print the pairing link, which brings another device to this account.
    Link(Common),
    /// List the newest changes, of the account or of a path.
    Log {
        #[command(flatten)]
        common: Common,
        /// Only the changes of this file or directory.
        path: Option<PathBuf>,
        /// How many changes at most.
        #[arg(long, short = 'n', value_name = "N", default_value_t = 50, allow_negative_numbers = true,
            value_parser = number("how many", 1..=10_000_u32))]
        limit: u32,
    },
    /// List the versions of a file or directory, also of one that is deleted.
    History {
        #[command(flatten)]
        common: Common,
        /// The file or directory.
        path: PathBuf,
    },
    /// Bring back a file or directory as it was.
    #[command(group = clap::ArgGroup::new("when").required(true))]
    Restore {
        #[command(flatten)]
        common: Common,
        /// The file or directory.
        path: PathBuf,
        /// As it was after this journal number (see `history`).
        #[arg(long, value_name = "N", group = "when", allow_negative_numbers = true,
            value_parser = number("a journal number", 0..=u64::MAX))]
        version: Option<u64>,
        /// As it was at this time: `2026-11-22 14:00`, `2026-11-22T14:00:00Z` or `2h ago`.
        #[arg(long, value_name = "T", group = "when")]
        time: Option<String>,
        /// As this device has kept it, while the server lost it (see `history`).
        #[arg(long, value_name = "ID", group = "when")]
        kept: Option<String>,
        /// Where to put it, instead of where it was.
        #[arg(long, value_name = "PATH")]
        to: Option<PathBuf>,
    },
    /// List the unresolved conflicts.
    Conflicts(Common),
    /// End a conflict.
    Resolve {
        #[command(flatten)]
        common: Common,
        /// Either side of the conflict.
        path: PathBuf,
        /// Which side stays.
        choice: Side,
    },
    /// List the account's devices, or change something about them.
    Devices {
        #[command(flatten)]
        common: Common,
        #[command(subcommand)]
        action: Option<DevicesAction>,
    },
    /// Tell why a file or directory is in the state that it is in.
    Why {
        #[command(flatten)]
        common: Common,
        /// The file or directory.
        path: PathBuf,
    },
    /// Let the plan go on that the brake has stopped, and what another device removed stay removed.
    Confirm {
        #[command(flatten)]
        common: Common,
        /// Bring back what is gone instead.
        #[arg(long)]
        revert: bool,
    },
    /// Check that the folder, the memory and the server agree.
    Verify(Common),
    /// Look for what may be wrong on this computer.
    Doctor(Common),
}

#[derive(Debug, Subcommand)]
enum DevicesAction {
    /// List the devices.
    List,
    /// Give a device another name.
    Rename {
        /// Its name or id.
        device: String,
        /// Its new name.
        name: String,
    },
    /// Shut a device out for good.
    Revoke {
        /// Its name or id.
        device: String,
    },
    /// Replace the account's ID; devices that have joined stay so.
    ReplaceId,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Side {
    /// The file that has the name stays, the other is deleted.
    This,
    /// The other file takes the name.
    That,
    /// Both stay, as two files.
    Both,
}

impl Args {
    /// Checks what clap cannot, and says what is to be done.
    pub(super) fn check(self, now: &Zoned) -> Result<Invocation, clap::Error> {
        if let Some(command) = self.command {
            return Ok(Invocation::Order(command.check(now)?));
        }
        let look = Look {
            mouse: !self.no_mouse,
            ascii: self.ascii,
        };
        let listener = if self.headless {
            let (once, json, attached) = (self.once, self.json, self.until_input_ends);
            Listener::Headless { once, json, attached }
        } else {
            Listener::Screen(look)
        };
        let trust = match self.fingerprint {
            Some(fingerprint) => FirstTrust::Pinned(fingerprint),
            None if self.trust_first_use => FirstTrust::FirstUse,
            None => FirstTrust::Ask,
        };
        let is_more_said = self.id.is_some() || self.id_file.is_some() || trust != FirstTrust::Ask;
        let no_folder = || wrong("there is no folder to keep", "name the server and the folder");
        let (folder, start, seconds) = match (self.server, self.folder) {
            (Some(folder), seconds) if let Some(file) = &self.link_file => {
                let link = secret::from_file("the link", file)?;
                let seconds = seconds.map_or(Ok(self.seconds), |seconds| check_seconds(&seconds))?;
                (PathBuf::from(folder), Start::Link(check_link(&link)?), seconds)
            }
            (None, _) if self.headless || is_more_said || self.link_file.is_some() => return Err(no_folder()),
            (None, _) => return Ok(Invocation::FirstStart(look)),
            (Some(folder), None) if is_more_said || folder == STANDARD_INPUT => return Err(no_folder()),
            (Some(folder), None) => (PathBuf::from(folder), Start::Enrolled, self.seconds),
            (Some(server), Some(folder)) => {
                let id = match (self.id, self.id_file) {
                    (Some(id), _) if id == STANDARD_INPUT => Some(secret::from_standard_input("the ID")?),
                    (Some(id), _) => Some(Zeroizing::new(id)),
                    (None, Some(file)) => Some(secret::from_file("the ID", &file)?),
                    (None, None) => None,
                };
                let id = id.as_ref().map(|id| id.as_str());
                (folder, check_start(&server, id, trust)?, self.seconds)
            }
        };
        Ok(Invocation::Run(Run {
            folder,
            start,
            rescan: Duration::from_secs(seconds),
            device_name: self
                .device_name
                .map(|name| check_device_name(&name))
                .transpose()?,
            listener,
        }))
    }
}

/// Reads what stands behind the folder when the link is in a file.
fn check_seconds(seconds: &Path) -> Result<u64, clap::Error> {
    let seconds = seconds.to_str().and_then(|seconds| seconds.parse().ok());
    seconds
        .filter(|seconds| SECONDS.contains(seconds))
        .ok_or_else(|| {
            wrong(
                "what stands behind the folder is no number of seconds",
                "with --link-file no server is named: tui-client --link-file FILE FOLDER [SECONDS]",
            )
        })
}

fn check_link(link: &str) -> Result<PairingLink, clap::Error> {
    link.parse().map_err(|error| {
        wrong(
            format!("this is no pairing link: {error}"),
            "copy the whole link again; `tui-client link FOLDER` prints it on another device",
        )
    })
}

fn check_start(server: &std::ffi::OsStr, id: Option<&str>, trust: FirstTrust) -> Result<Start, clap::Error> {
    let server = server
        .to_str()
        .ok_or_else(|| wrong("the server's address is no text", "write it as HOST or HOST:PORT"))?;
    let is_read = server == STANDARD_INPUT;
    if is_read || PairingLink::is_meant_by(server) {
        // What is wrong with the link comes first: what to do about it may make the rest right.
        let link = (!is_read).then(|| check_link(server)).transpose()?;
        if id.is_some() || trust != FirstTrust::Ask {
            return Err(wrong(
                "a pairing link says already which account and which server are meant",
                "leave --id, --fingerprint and --trust-first-use away",
            ));
        }
        let read = || check_link(&secret::from_standard_input("the link")?);
        return Ok(Start::Link(link.map_or_else(read, Ok)?));
    }
    let server = server
        .parse()
        .map_err(|error| wrong(error, "write the server as HOST or HOST:PORT, before the folder"))?;
    let id = id
        .map(|id| {
            id.parse()
                .map_err(|error| wrong(error, "compare it with `tui-client id FOLDER` on another device"))
        })
        .transpose()?;
    Ok(Start::Server { server, id, trust })
}

fn check_device_name(name: &str) -> Result<String, clap::Error> {
    let name = name.trim();
    if name.is_empty() || DEVICE_NAME_LEN_MAX < name.len() || name.contains(sync_engine::name::is_deceptive) {
        return Err(wrong(
            "this is no name for a device",
            "take 1 to 64 bytes of text without control characters",
        ));
    }
    Ok(name.to_owned())
}

impl Command {
    fn check(self, now: &Zoned) -> Result<Order, clap::Error> {
        let (common, deed) = match self {
            Self::Status(common) => (common, Deed::Status),
            Self::Wait { common, timeout } => {
                let timeout = timeout.map(Duration::from_secs);
                (common, Deed::Wait { timeout })
            }
            Self::Id(common) => (common, Deed::Id),
            Self::Link(common) => (common, Deed::Link),
            Self::Log {
                common,
                path: Some(path),
                limit: _,
            } => {
                let path = check_path(&common.folder, &path)?;
                (common, Deed::History { path })
            }
            Self::Log { common, limit, .. } => (common, Deed::Log { limit }),
            Self::History { common, path } => {
                let path = check_path(&common.folder, &path)?;
                (common, Deed::History { path })
            }
            Self::Restore {
                common,
                path,
                version,
                time,
                kept,
                to,
            } => {
                let path = check_path(&common.folder, &path)?;
                let to = to.map(|to| check_path(&common.folder, &to)).transpose()?;
                let at = match kept {
                    Some(kept) => check_kept(&kept)?,
                    None => check_moment(version, time.as_deref(), now)?,
                };
                (common, Deed::Restore { path, at, to })
            }
            Self::Conflicts(common) => (common, Deed::Conflicts),
            Self::Resolve { common, path, choice } => {
                let path = check_path(&common.folder, &path)?;
                let choice = match choice {
                    Side::This => Choice::This,
                    Side::That => Choice::That,
                    Side::Both => Choice::Both,
                };
                (common, Deed::Resolve { path, choice })
            }
            Self::Devices { common, action } => (common, check_devices(action)?),
            Self::Why { common, path } => {
                let deed = match inside(&common.folder, &path)? {
                    Inside::Node(path) => Deed::Why { path },
                    Inside::Reserved { above, name } => Deed::WhyReserved { above, name },
                };
                (common, deed)
            }
            Self::Confirm {
                common,
                revert: false,
            } => (common, Deed::Confirm),
            Self::Confirm { common, revert: true } => (common, Deed::Revert),
            Self::Verify(common) => (common, Deed::Verify),
            Self::Doctor(common) => (common, Deed::Doctor),
        };
        let Common { folder, json } = common;
        Ok(Order { folder, json, deed })
    }
}

fn check_devices(action: Option<DevicesAction>) -> Result<Deed, clap::Error> {
    Ok(match action {
        None | Some(DevicesAction::List) => Deed::Devices,
        Some(DevicesAction::Rename { device, name }) => Deed::RenameDevice {
            device,
            name: check_device_name(&name)?,
        },
        Some(DevicesAction::Revoke { device }) => Deed::RevokeDevice { device },
        Some(DevicesAction::ReplaceId) => Deed::ReplaceId,
    })
}

fn check_kept(text: &str) -> Result<Moment, clap::Error> {
    KeptId::parse(text).map(Moment::Kept).ok_or_else(|| {
        let what = format!("'{}' names nothing that a device has kept", text.escape_debug());
        wrong(what, "take the 16 digits from `history` on this device")
    })
}

fn check_moment(version: Option<u64>, time: Option<&str>, now: &Zoned) -> Result<Moment, clap::Error> {
    match (version, time) {
        (Some(version), _) => Ok(Moment::Version(Version(version))),
        (None, Some(time)) => moment::parse(time, now).map(Moment::TimeMs).map_err(|bad| {
            let shown = time.escape_debug();
            let what = match bad {
                BadMoment::NoTime => format!("'{shown}' is no date or time"),
                BadMoment::Future => format!("'{shown}' is in the future"),
                BadMoment::TooEarly => format!("'{shown}' is before 1970, when there were no versions"),
            };
            wrong(
                what,
                "name a date or time in the past: 2026-11-22, 2026-11-22 14:00, 2026-11-22T14:00:00Z, or 2h ago",
            )
        }),
        (None, None) => Err(wrong("it is not said as of when", "add --version N or --time T")),
    }
}
