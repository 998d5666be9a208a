//! What a start comes to: what is stored of the folder's account and what the command line says, brought together. It
//! decides and does nothing.
//!
//! Law: what is stored decides. The command line adds what is not known yet, and may say where an enrolled folder's server
//! is now and, by `--fingerprint`, which key it has; it never makes anything that is stored less strict.

use common::identity::AccountId;
use common::link::ServerAddress;
use common::message::Auth;

use crate::config::Account;
use crate::net::Voucher;
use crate::options::{FirstTrust, Start};

/// See the module's page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Intent {
    /// The account as it is tried. Its server is the one where the trusted key has answered.
    pub(super) account: Account,
    /// Where the server is to be reached.
    pub(super) address: ServerAddress,
    /// Who vouches for it.
    pub(super) voucher: Voucher,
}

/// Why a start comes to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unclear {
    /// Nothing is known of the folder, and nothing was said.
    NeverEnrolled,
    /// The account is known, but its server has never answered, and it was not said where it is.
    NoServer,
    /// The folder is enrolled in another account than the one that was named.
    OtherAccount,
}

impl Intent {
    /// Returns how the device introduces itself.
    pub(super) fn auth(&self) -> Auth {
        self.account.auth()
    }

    /// Tells whether the server may be told that.
    pub(super) fn is_vouched_for(&self) -> bool {
        self.voucher.suffices_for(&self.auth())
    }

    /// Tells whether the trusted key has answered at this address before.
    pub(super) fn is_proven(&self) -> bool {
        self.account.server.as_ref() == Some(&self.address)
    }
}

/// What the command line says.
struct Said<'a> {
    server: Option<&'a ServerAddress>,
    id: Option<&'a AccountId>,
    trust: FirstTrust,
    is_link: bool,
}

impl<'a> Said<'a> {
    fn of(start: &'a Start) -> Self {
        let is_link = matches!(start, Start::Link(_));
        let (server, id, trust) = match start {
            Start::Enrolled => (None, None, FirstTrust::Ask),
            Start::Server { server, id, trust } => (Some(server), id.as_ref(), *trust),
            Start::Link(link) => (
                Some(&link.server),
                Some(&link.id),
                FirstTrust::Pinned(link.fingerprint),
            ),
        };
        Self {
            server,
            id,
            trust,
            is_link,
        }
    }
}

/// Brings together what is stored and what is said. `is_enrolled` is whether the folder was ever admitted to an account.
pub(super) fn intend(
    stored: Option<Account>,
    is_enrolled: bool,
    start: &Start,
    device_name: impl FnOnce() -> String,
) -> Result<Intent, Unclear> {
    let said = Said::of(start);
    let is_new = stored.is_none();
    let mut account = stored.unwrap_or_default();
    if let (Some(known), Some(id)) = (&account.id, said.id)
        && known != id
    {
        if is_enrolled {
            return Err(Unclear::OtherAccount);
        }
        // A first start that came to nothing binds nobody to its account.
        account = Account::default();
    }
    let address = said.server.or(account.server.as_ref()).cloned();
    let address = address.ok_or(if is_new {
        Unclear::NeverEnrolled
    } else {
        Unclear::NoServer
    })?;
    let is_elsewhere = account.server.as_ref() != Some(&address);
    if account.id.is_none() && !is_enrolled && (said.id.is_some() || is_elsewhere) {
        // Whoever was asked for a new account, in vain, was vouched for by nobody.
        (account.server, account.fingerprint) = (None, None);
    }
    if account.id.is_none() {
        account.id = said.id.cloned();
    }
    match said.trust {
        // A link brings devices in. Of a server that is known since it may be older than what is known.
        FirstTrust::Pinned(_) if said.is_link && is_enrolled && account.fingerprint.is_some() => (),
        FirstTrust::Pinned(fingerprint) => account.fingerprint = Some(fingerprint),
        FirstTrust::Ask | FirstTrust::FirstUse => (),
    }
    let voucher = match (account.fingerprint, said.trust) {
        (Some(fingerprint), _) => Voucher::Key(fingerprint),
        (None, FirstTrust::FirstUse) => Voucher::Person,
        (None, FirstTrust::Ask | FirstTrust::Pinned(_)) => Voucher::Nobody,
    };
    if account.device.is_none() && !is_enrolled || account.device_name.is_empty() {
        account.device_name = device_name();
    }
    Ok(Intent {
        account,
        address,
        voucher,
    })
}

#[cfg(test)]
mod tests;
