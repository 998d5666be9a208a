//! The full-screen listener of a client. It draws what the client tells and asks on a person's behalf; it holds no
//! logic of synchronisation and touches no file of the folder. One [`model::Model`], one [`message::Message`],
//! `update` and `view`: drawing changes nothing, and only the loop in `run` performs effects.

use std::path::PathBuf;

use tokio::sync::{broadcast, mpsc, oneshot};

use crate::control::{Answer, Ask};
use crate::notice::Notice;

mod account;
mod attention;
mod confirm;
mod cursor;
mod feed;
mod first;
mod input;
mod keys;
mod layout;
mod message;
mod model;
mod opener;
mod palette;
mod pane;
mod questions;
mod run;
mod settings;
mod signals;
mod terminal;
#[cfg(test)]
mod tests;
mod text;
mod theme;
mod transfers;
mod tree;
mod update;
mod view;

pub use first::{Join, Prefill, Setup, first_start};
pub use keys::{Action, Key, KeyTable, KeysError};
pub use run::run;
pub use settings::SettingsError;
pub use theme::{Theme, ThemeError};

/// The screen's ends of the channels to a running client.
#[derive(Debug)]
pub struct Client {
    /// Takes questions and orders; each is answered once, on the channel sent with it. Bounded: the screen waits.
    pub asks: mpsc::Sender<(Ask, oneshot::Sender<Answer>)>,
    /// Brings everything that happens; when some is lost, the screen asks for all anew.
    pub notices: broadcast::Receiver<Notice>,
}

/// How the screen looks and listens.
#[derive(Debug, Clone)]
pub struct ScreenOptions {
    /// The synchronised folder, for opening and editing what is in it.
    pub folder: PathBuf,
    /// Whether the server's key is pinned.
    pub pinned: bool,
    /// Whether the mouse is listened to.
    pub mouse: bool,
    /// Colours and glyphs.
    pub theme: Theme,
    /// Which key does what.
    pub keys: KeyTable,
}

impl ScreenOptions {
    /// Returns the defaults for a folder: mouse on, key pinned, a theme that suits the environment.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            pinned: true,
            mouse: true,
            theme: Theme::from_environment(),
            keys: KeyTable::default(),
        }
    }
}

/// Why the screen ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// A person left it.
    Quit,
    /// A signal asked for the end.
    Signal,
    /// The client went away: its channel of questions or of notices is closed.
    ClientEnded,
}

/// Why the screen could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ScreenError {
    /// The terminal could not be set up, written to or read.
    #[error("could not use the terminal")]
    Terminal(#[from] std::io::Error),
}
