//! What reaches the screen, and what it asks the loop to do. Both are plain data; time arrives as a message.

use std::path::PathBuf;

use super::Exit;
use super::keys::Key;
use crate::control::{Answer, Ask};
use crate::notice::Notice;

/// Something that reaches the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    /// The time, in milliseconds since 1970. Sent before each batch of other messages, and when something on the
    /// screen is due to change by itself.
    Clock(u64),
    /// A key was pressed.
    Key(Key),
    /// Text was pasted.
    Paste(String),
    /// The mouse did something.
    Mouse(Mouse),
    /// The terminal has another size.
    Resize {
        /// Its columns.
        columns: u16,
        /// Its rows.
        rows: u16,
    },
    /// The client tells something.
    Notice(Box<Notice>),
    /// Some notices were lost.
    Lagged,
    /// The client answers.
    Answer {
        /// What was asked.
        ask: Ask,
        /// The answer.
        answer: Box<Answer>,
    },
    /// Opening or editing failed, with the reason.
    OpenFailed(String),
}

/// What the mouse did, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mouse {
    /// What.
    pub deed: MouseDeed,
    /// The column.
    pub column: u16,
    /// The row.
    pub row: u16,
}

/// What a mouse does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MouseDeed {
    /// Its left button went down.
    Click,
    /// Its wheel turned up.
    WheelUp,
    /// Its wheel turned down.
    WheelDown,
}

/// Something for the loop to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Asks the client; the answer comes back as a message.
    Ask(Ask),
    /// Puts a text on the clipboard, through the terminal.
    Copy(String),
    /// Opens a path with the desktop's program.
    Open(PathBuf),
    /// Leaves the screen for a moment and edits a file.
    Edit(PathBuf),
    /// Ends the screen.
    Quit(Exit),
}
