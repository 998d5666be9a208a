//! What a person is told when something fails, always in three parts (what happened, what was done about it, what to do),
//! and the exit codes of the program.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use common::words::{plain, write_parts};
use serde::{Deserialize, Serialize};

use crate::config::ConfigError;
use crate::disk::DiskError;
use crate::notice::Trouble;
use crate::socket::SocketError;
use crate::state::StateError;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// 0: what was asked for is done, and the folder is synced.
    Done,
    /// 1: it failed, or not in time.
    Failed,
    /// 2: wrong usage, a mistyped ID too.
    Usage,
    /// 3: synced, but something is blocked or in conflict.
    Attention,
    /// 4: the server is out of reach.
    Unreachable,
    /// 5: the server is not trusted, or does not admit this device.
    NotAdmitted,
}

impl Exit {
    /// Returns the number.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Attention => 3,
            Self::Unreachable => 4,
            Self::NotAdmitted => 5,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// A failure that ends the program or a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What a person is told.
    pub trouble: Trouble,
    /// How the program ends.
    pub exit: Exit,
}

impl fmt::Display for Fault {
    /// Writes three lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Trouble { what, done, todo } = &self.trouble;
        write_parts(f, what, done, todo)
    }
}

impl Fault {
    /// Returns a fault with the exit code 1.
    #[must_use]
    pub fn failed(what: impl Into<String>, done: &str, todo: impl Into<String>) -> Self {
        Self {
            trouble: Trouble {
                what: what.into(),
                done: done.to_owned(),
                todo: todo.into(),
            },
            exit: Exit::Failed,
        }
    }

    /// Returns what is said when the trouble came from a running client.
    #[must_use]
    pub fn told(trouble: Trouble) -> Self {
        Self {
            trouble,
            exit: Exit::Failed,
        }
    }
}

/// Returns what an error says, with all that caused it, in one line that is safe to show.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        // Some errors repeat their source in their own words.
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = cause.source();
    }
    plain(&text)
}

const NOTHING: &str = "nothing was changed";

impl From<ConfigError> for Fault {
    fn from(error: ConfigError) -> Self {
        let todo = match &error {
            ConfigError::NoHome => "set HOLDFAST_CONFIG_DIR to a directory of yours",
            ConfigError::MakeDir { .. } => "make it yours alone (chmod 700), or set HOLDFAST_CONFIG_DIR",
            ConfigError::ReadFile { .. } | ConfigError::WriteFile { .. } => {
                "see that the disk has space and that the file is yours"
            }
            ConfigError::ReadableByOthers { .. } => {
                "make it readable by you alone; if others may have read it, replace the ID"
            }
            ConfigError::Damaged { .. } => {
                "remove the file and join the account again by its link; no file of yours is touched by that"
            }
            ConfigError::Newer { .. } => "use the newer Holdfast",
            ConfigError::Certificate(_) => {
                "see that the device's key is yours alone (chmod 600), or join the account again"
            }
        };
        Self::failed(chain(&error), NOTHING, todo)
    }
}

impl From<StateError> for Fault {
    fn from(error: StateError) -> Self {
        let todo = match &error {
            _ if error.is_full() => "make space on the disk",
            StateError::Newer { .. } => "use the newer Holdfast",
            StateError::StillDamaged { .. } => {
                "start the client on the folder: it moves the damaged file aside and looks at everything anew"
            }
            StateError::Open { .. }
            | StateError::Read { .. }
            | StateError::Write { .. }
            | StateError::MoveAside { .. } => {
                "see that the disk is sound and that .holdfast in the folder is yours"
            }
        };
        Self::failed(chain(&error), NOTHING, todo)
    }
}

impl From<DiskError> for Fault {
    fn from(error: DiskError) -> Self {
        let todo = match &error {
            DiskError::InUse { .. } => "use the client that runs already, or end it first",
            DiskError::OpenRoot { .. } => "see that the folder is there and is yours",
            _ => "see that the folder and .holdfast in it are yours and that the disk is sound",
        };
        Self::failed(chain(&error), NOTHING, todo)
    }
}

impl From<SocketError> for Fault {
    fn from(error: SocketError) -> Self {
        let (done, todo) = match &error {
            SocketError::NobodyThere => (NOTHING, "start the client on the folder, then try again"),
            SocketError::InUse => (
                NOTHING,
                "end the other client; a copied folder needs its own .holdfast",
            ),
            SocketError::Place { .. } => (
                "the client cannot be asked from outside",
                "make the directory yours alone (chmod 700), or set HOLDFAST_CONFIG_DIR",
            ),
            SocketError::Stranger => ("it was not asked", "find out who made it, and remove it"),
            SocketError::Silent | SocketError::Ended | SocketError::Broken(_) => (
                "it is not known whether the client did what was asked",
                "look at `status`, then try again",
            ),
            SocketError::TooLong | SocketError::NotUnderstood(_) => (
                "the answer was passed over",
                "use the same version of Holdfast for the client and the command",
            ),
        };
        Self::failed(chain(&error), done, todo)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_has_three_parts() {
        let fault = Fault::from(SocketError::NobodyThere);
        insta::assert_snapshot!(fault, @r"
        error: no client runs on this folder
          done: nothing was changed
          next: start the client on the folder, then try again
        ");
        assert_eq!(fault.exit.code(), 1);
    }

    #[test]
    fn what_caused_an_error_is_said_once_and_without_tricks() {
        let error = ConfigError::ReadFile {
            path: "/x\u{1b}[2J".into(),
            source: std::io::Error::other("it burns"),
        };
        assert_eq!(chain(&error), "cannot read /x\\u{1b}[2J: it burns");
    }
}
