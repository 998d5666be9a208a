//! The command line: what the program is asked to do, checked as far as it can be without the folder or a network. A
//! mistyped ID or link is found here. What is wrong is told in three parts, as everything is; an ID is never repeated.

mod args;
mod inside;
pub(crate) mod moment;
mod secret;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _};
use common::fingerprint::Fingerprint;
use common::identity::AccountId;
use common::link::{PairingLink, ServerAddress};
use common::words::WrongUsage;
use jiff::Zoned;
use sync_engine::RelPath;

use crate::control::{Choice, Moment};
use crate::fault::{Exit, Fault};
use args::Args;

/// What the program is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invocation {
    /// Nothing was said: the screen asks for server and folder.
    FirstStart(Look),
    /// Keep a folder synchronised.
    Run(Run),
    /// Ask or order something about a folder.
    Order(Order),
}

/// How to keep a folder synchronised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The folder.
    pub folder: PathBuf,
    /// Where its account is.
    pub start: Start,
    /// The longest time between two full looks at folder and server.
    pub rescan: Duration,
    /// This device's name, if it was given.
    pub device_name: Option<String>,
    /// Who listens.
    pub listener: Listener,
}

impl Run {
    /// Tells whether the client was started for a command.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        matches!(self.listener, Listener::Headless { attached: true, .. })
    }
}

/// Where the account of a folder is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// It was not said: the folder is enrolled already.
    Enrolled,
    /// On a server. If the folder is enrolled already, this is where the server is now.
    Server {
        /// The server.
        server: ServerAddress,
        /// The account to join; nothing makes a new one, if the folder has none.
        id: Option<AccountId>,
        /// How the server is trusted at first.
        trust: FirstTrust,
    },
    /// Where a pairing link leads.
    Link(PairingLink),
}

/// How a server is trusted that was not seen before. What is pinned stays pinned, whatever this says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstTrust {
    /// A new account pins what it sees. To join one, the screen asks a person, and the headless mode refuses.
    Ask,
    /// The server must have this key.
    Pinned(Fingerprint),
    /// The person has said that whoever answers is to be trusted.
    FirstUse,
}

/// Who listens to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listener {
    /// The screen.
    Screen(Look),
    /// Standard output.
    Headless {
        /// Whether to end when synced.
        once: bool,
        /// Whether to write JSON.
        json: bool,
        /// Whether it was started for a command, which holds the other end of standard input: it ends with that.
        attached: bool,
    },
}

/// How the screen looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Whether the mouse is used.
    pub mouse: bool,
    /// Whether only ASCII is drawn.
    pub ascii: bool,
}

/// A question or an order about a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The folder.
    pub folder: PathBuf,
    /// Whether to write JSON.
    pub json: bool,
    /// What.
    pub deed: Deed,
}

/// What is asked or ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// `status`
    Status,
    /// `wait`
    Wait {
        /// How long at most.
        timeout: Option<Duration>,
    },
    /// `id`
    Id,
    /// `link`
    Link,
    /// `log`
    Log {
        /// How many changes at most.
        limit: u32,
    },
    /// `history`, and `log` of a path.
    History {
        /// The path.
        path: RelPath,
    },
    /// `restore`
    Restore {
        /// The path.
        path: RelPath,
        /// When.
        at: Moment,
        /// Where to.
        to: Option<RelPath>,
    },
    /// `conflicts`
    Conflicts,
    /// `resolve`
    Resolve {
        /// Either side.
        path: RelPath,
        /// How.
        choice: Choice,
    },
    /// `devices`
    Devices,
    /// `devices FOLDER rename`
    RenameDevice {
        /// Its name or id.
        device: String,
        /// Its new name.
        name: String,
    },
    /// `devices FOLDER revoke`
    RevokeDevice {
        /// Its name or id.
        device: String,
    },
    /// `devices FOLDER replace-id`
    ReplaceId,
    /// `why`
    Why {
        /// The path.
        path: RelPath,
    },
    /// `why` of a name that is Holdfast's own.
    WhyReserved {
        /// The directory that it is in.
        above: RelPath,
        /// The name.
        name: String,
    },
    /// `confirm`
    Confirm,
    /// `confirm --revert`
    Revert,
    /// `verify`
    Verify,
    /// `doctor`
    Doctor,
}

impl Deed {
    /// Tells whether it changes something: what may be half done is not begun again by itself.
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
            | Self::Id
            | Self::Link
            | Self::Log { .. }
            | Self::History { .. }
            | Self::Conflicts
            | Self::Devices
            | Self::Why { .. }
            | Self::WhyReserved { .. }
            | Self::Verify
            | Self::Doctor => false,
        }
    }
}

/// What is written instead, when the program is not asked to do anything that it can: help, or what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The text, for standard output when `exit` is [`Exit::Done`] and for standard error otherwise.
    pub text: String,
    /// How the program ends.
    pub exit: Exit,
}

impl From<clap::Error> for Usage {
    fn from(error: clap::Error) -> Self {
        let exit = if error.use_stderr() {
            Exit::Usage
        } else {
            Exit::Done
        };
        let text = error.render().to_string();
        if exit == Exit::Done {
            return Self { text, exit };
        }
        let WrongUsage { what, todo } = WrongUsage::of(&text, "tui-client");
        let fault = Fault {
            exit,
            ..Fault::failed(what, "nothing was started or changed", todo)
        };
        Self {
            text: fault.to_string(),
            exit,
        }
    }
}

/// Reads the command line, the program's name first. `now` says what a time such as `2h ago` means.
///
/// # Errors
/// When there is nothing to do but to write a text: help, or what is wrong with the arguments.
pub fn parse(
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    now: &Zoned,
) -> Result<Invocation, Usage> {
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let read = || -> Result<Invocation, clap::Error> {
        secret::refuse_misplaced(&arguments)?;
        let matches = Args::command().try_get_matches_from(&arguments)?;
        Args::from_arg_matches(&matches)?.check(now)
    };
    read().map_err(|error| secret::without_id(error.into(), &arguments))
}

/// Returns the command that a word resembles: one that it begins, or that is two letters away at most.
#[must_use]
pub fn command_like(word: &str) -> Option<String> {
    const WORD_LEN_MIN: usize = 3;
    let command = Args::command();
    let mut names = command.get_subcommands().map(clap::Command::get_name);
    let resembles = |name: &&str| name.starts_with(word) || distance(name, word) <= 2;
    names
        .find(|name| WORD_LEN_MIN <= word.len() && resembles(name))
        .map(str::to_owned)
}

/// How many letters have to be added, taken away or changed to make one word of another.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, a) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (b_at, b) in other.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[b_at + 1];
            row[b_at + 1] = changed.min(diagonal + 1).min(row[b_at] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

/// Makes an error in clap's style out of what is wrong and what to do.
fn wrong(what: impl std::fmt::Display, todo: &str) -> clap::Error {
    Args::command().error(ErrorKind::ValueValidation, format!("{what}\n\n  tip: {todo}"))
}
