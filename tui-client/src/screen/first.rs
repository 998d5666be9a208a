//! The first start: asks for what is missing (server, folder, new account or an ID), shows the fingerprint of the
//! server's key and asks whether it is the right one. It runs before there is a client.

use std::fmt;
use std::path::PathBuf;

use common::fingerprint::Fingerprint;
use common::identity::AccountId;
use common::link::ServerAddress;

use crate::notice::Trouble;
use crate::screen::Theme;

#[cfg(test)]
mod driven;
mod form;
mod run;
mod view;

#[cfg(test)]
pub(super) use driven::Driven;

/// What is known already, from the command line.
#[derive(Clone, Default)]
pub struct Prefill {
    /// The server's address, or a pairing link.
    pub server: Option<String>,
    /// The folder.
    pub folder: Option<PathBuf>,
    /// The account's ID, as typed.
    pub id: Option<String>,
    /// The fingerprint that the server's key has to have.
    pub fingerprint: Option<Fingerprint>,
    /// Whether the answer to 'new or join' is already known to be 'new'.
    pub new: bool,
}

impl fmt::Debug for Prefill {
    /// Writes all but the secrets: a link in place of the server's address is one, too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prefill")
            .field("server", &self.server.as_ref().map(|_| "…"))
            .field("folder", &self.folder)
            .field("id", &self.id.as_ref().map(|_| "…"))
            .field("fingerprint", &self.fingerprint)
            .field("new", &self.new)
            .finish()
    }
}

/// What a person has decided.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The server's address.
    pub server: ServerAddress,
    /// The folder.
    pub folder: PathBuf,
    /// Whether to start a new account.
    pub join: Join,
    /// The fingerprint of the server's key, compared and accepted.
    pub fingerprint: Fingerprint,
}

/// Which account.
#[derive(Debug, Clone)]
pub enum Join {
    /// A new one.
    New,
    /// The one with this ID.
    Join(AccountId),
}

/// Asks for what is missing. `probe` reaches for a server and answers the fingerprint of its key; it sends nothing
/// secret. Answers nothing when the person leaves, and when a signal comes.
///
/// # Errors
/// When the terminal cannot be set up, written to or read.
pub async fn first_start<P>(
    prefill: Prefill,
    theme: Theme,
    probe: P,
) -> Result<Option<Setup>, super::ScreenError>
where
    P: AsyncFn(String) -> Result<Fingerprint, Trouble>,
{
    run::run(form::Form::new(prefill), theme, probe).await
}
