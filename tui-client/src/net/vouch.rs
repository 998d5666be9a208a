//! Who vouches for a server, and what may be said to it because of that. It is asked for every connection, after the key
//! of whoever answers is known and before anything is said, so no way to connect passes it.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use common::fingerprint::Fingerprint;
use common::link::ServerAddress;
use common::message::Auth;
use common::tls::Trust;

use super::connect::ConnectError;
use crate::config::ConfigError;

/// Who says that whoever answers is the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voucher {
    /// Its key, which was seen before, or was given by a link or a person.
    Key(Fingerprint),
    /// A person, who trusts whoever answers first.
    Person,
    /// Nobody.
    Nobody,
}

impl Voucher {
    /// Tells whether a server may be told this.
    ///
    /// Law: an account's ID, and what an enrolled device does, are told to no server that nobody vouches for; only a new
    /// account may be asked of such a one.
    #[must_use]
    pub fn suffices_for(self, auth: &Auth) -> bool {
        match (self, auth) {
            (Self::Key(_) | Self::Person, _) | (Self::Nobody, Auth::Register { .. }) => true,
            (Self::Nobody, Auth::Enrol { .. } | Auth::Device | Auth::LastBegun) => false,
        }
    }
}

/// Stores, durably, that a key has answered at an address.
pub type Keep = Box<dyn Fn(&ServerAddress, Fingerprint) -> Result<(), ConfigError> + Send + Sync>;

/// What is known of the server's key. All connections of a client share it: the key that one of them has met is the one
/// that all others go by from then on.
pub struct ServerKey {
    state: Mutex<State>,
    keep: Option<Keep>,
}

#[derive(Debug)]
struct State {
    voucher: Voucher,
    /// The key that was met and stored.
    kept: Option<Fingerprint>,
}

impl ServerKey {
    /// Goes by this voucher at first. What is met is handed to `keep`.
    #[must_use]
    pub fn new(voucher: Voucher, keep: Keep) -> Self {
        let keep = Some(keep);
        Self {
            keep,
            ..Self::not_kept(voucher)
        }
    }

    /// Goes by this voucher at first, and stores nothing: to look at a server, and where the key is stored already.
    #[must_use]
    pub fn not_kept(voucher: Voucher) -> Self {
        let kept = None;
        Self {
            state: Mutex::new(State { voucher, kept }),
            keep: None,
        }
    }

    /// Returns which keys the handshake is to believe.
    #[must_use]
    pub fn trust(&self) -> Trust {
        match self.state().voucher {
            Voucher::Key(key) => Trust::Pinned(key),
            Voucher::Person | Voucher::Nobody => Trust::FirstUse,
        }
    }

    /// Refuses a connection on which more would be said than its server may be told.
    pub(super) fn check(&self, auth: &Auth) -> Result<(), ConnectError> {
        if self.state().voucher.suffices_for(auth) {
            Ok(())
        } else {
            Err(ConnectError::Unvouched)
        }
    }

    /// Takes down that a key, which the handshake has believed, answers at an address. Nothing may be said before that:
    /// from here on no other key is believed, also after a crash.
    pub(super) fn met(&self, address: &ServerAddress, key: Fingerprint) -> Result<(), ConnectError> {
        let mut state = self.state();
        if let Some(keep) = &self.keep
            && state.kept != Some(key)
        {
            keep(address, key).map_err(|error| ConnectError::NotKept(crate::fault::chain(&error)))?;
            state.kept = Some(key);
        }
        state.voucher = Voucher::Key(key);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.state(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::identity::AccountId;
    use std::sync::Arc;

    fn enrol() -> Auth {
        Auth::Enrol {
            id: AccountId::generate().unwrap(),
            device_name: "a".into(),
        }
    }

    fn register() -> Auth {
        let device_name = "a".into();
        Auth::Register { device_name }
    }

    #[test]
    fn only_a_new_account_may_be_asked_of_a_server_that_nobody_vouches_for() {
        let key = Voucher::Key(Fingerprint([1; 32]));
        for auth in [enrol(), register(), Auth::Device] {
            assert!(key.suffices_for(&auth) && Voucher::Person.suffices_for(&auth));
        }
        assert!(Voucher::Nobody.suffices_for(&register()));
        assert!(!Voucher::Nobody.suffices_for(&enrol()));
        assert!(!Voucher::Nobody.suffices_for(&Auth::Device));
        assert!(!Voucher::Nobody.suffices_for(&Auth::LastBegun));
    }

    #[test]
    fn the_key_that_was_met_is_stored_once_and_the_only_one_from_then_on() {
        let stored = Arc::new(Mutex::new(Vec::new()));
        let storing = stored.clone();
        let keep: Keep = Box::new(move |address, key| {
            storing.lock().unwrap().push((address.to_string(), key));
            Ok(())
        });
        let server = ServerKey::new(Voucher::Person, keep);
        assert_eq!(server.trust(), Trust::FirstUse);
        let (address, first, second) = ("nas".parse().unwrap(), Fingerprint([1; 32]), Fingerprint([2; 32]));
        for key in [first, first, second, second] {
            server.met(&address, key).unwrap();
            assert_eq!(server.trust(), Trust::Pinned(key));
        }
        let expected = [first, second].map(|key| ("nas:7733".to_owned(), key));
        assert_eq!(*stored.lock().unwrap(), expected);
    }

    #[test]
    fn a_key_that_cannot_be_stored_is_told_nothing() {
        let keep: Keep = Box::new(|_, _| Err(ConfigError::NoHome));
        let server = ServerKey::new(Voucher::Nobody, keep);
        let met = server.met(&"nas".parse().unwrap(), Fingerprint([1; 32]));
        assert!(matches!(met, Err(ConnectError::NotKept(_))));
        assert!(server.check(&enrol()).is_err() && server.check(&register()).is_ok());
    }
}
