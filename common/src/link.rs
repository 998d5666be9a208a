//! Where a server is, and the pairing link that brings a new device to it: `holdfast://HOST:PORT/ID#FINGERPRINT`. The
//! link holds the account's ID, so it is as secret as that. An IPv6 address stands in brackets.

use crate::fingerprint::{Fingerprint, ParseFingerprintError};
use crate::identity::{AccountId, ParseAccountIdError, resembles_id};
use crate::limits::DEFAULT_PORT;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;
use zeroize::Zeroizing;

/// What a pairing link begins with.
pub const SCHEME: &str = "holdfast://";
/// The longest name of a host, in bytes.
const HOST_LEN_MAX: usize = 253;

/// Where a server is: `HOST[:PORT]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerAddress {
    host: String,
    port: u16,
}

/// Says why a text is not the address of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseAddressError {
    /// There is no host.
    #[error("there is no host in the server's address")]
    NoHost,
    /// It holds what may be an account's ID, which is not repeated and not looked up.
    #[error("an account's ID is no address of a server")]
    Secret,
    /// The host is neither a name nor an address.
    #[error("'{}' is not the name or the address of a host", .0.escape_debug())]
    Host(String),
    /// The port is not a number from 1 to 65535.
    #[error("'{}' is not a port (1 to 65535)", .0.escape_debug())]
    Port(String),
    /// It has the scheme of something else.
    #[error("the address of a server does not begin with {}://, but with its name", .0.escape_debug())]
    Scheme(String),
    /// It is an IPv6 address with a zone.
    #[error("the zone of an IPv6 address ({}) holds on one computer alone", .0.escape_debug())]
    Zone(String),
    /// A bracket is open.
    #[error("the bracket round the IPv6 address is not closed")]
    Bracket,
}

impl ServerAddress {
    /// Checks a host and a port.
    ///
    /// # Errors
    /// When the host is neither a name nor an address, or the port is 0.
    pub fn new(host: &str, port: u16) -> Result<Self, ParseAddressError> {
        if host.is_empty() {
            return Err(ParseAddressError::NoHost);
        }
        if port == 0 {
            return Err(ParseAddressError::Port("0".to_owned()));
        }
        let is_name = host.len() <= HOST_LEN_MAX
            && !host.starts_with('-')
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
        if is_name || host.parse::<Ipv6Addr>().is_ok() {
            Ok(Self {
                host: host.to_ascii_lowercase(),
                port,
            })
        } else {
            Err(ParseAddressError::Host(host.to_owned()))
        }
    }

    /// Returns the host: a name, or an address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for ServerAddress {
    /// Writes host and port, an IPv6 address in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for ServerAddress {
    type Err = ParseAddressError;

    /// Reads `HOST` or `HOST:PORT`. An IPv6 address needs brackets only when a port follows.
    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        let text = text.trim();
        if resembles_id(text) {
            return Err(ParseAddressError::Secret);
        }
        if let Some((scheme, _)) = text.split_once("://") {
            return Err(ParseAddressError::Scheme(scheme.to_owned()));
        }
        if let Some(zone) = zone(text) {
            return Err(ParseAddressError::Zone(zone.to_owned()));
        }
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or(ParseAddressError::Bracket)?;
            if host.parse::<Ipv6Addr>().is_err() {
                return Err(ParseAddressError::Host(host.to_owned()));
            }
            match rest.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if rest.is_empty() => (host, None),
                None => return Err(ParseAddressError::Host(text.to_owned())),
            }
        } else if text.parse::<Ipv6Addr>().is_ok() {
            (text, None)
        } else {
            match text.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            }
        };
        Self::new(host, port.map_or(Ok(DEFAULT_PORT), parse_port)?)
    }
}

/// Returns the zone of an IPv6 address that has one, with its sign.
fn zone(text: &str) -> Option<&str> {
    let bare = text.strip_prefix('[').unwrap_or(text);
    let bare = bare.split_once(']').map_or(bare, |(bare, _)| bare);
    let (address, _) = bare.split_once('%')?;
    address
        .parse::<Ipv6Addr>()
        .is_ok()
        .then(|| &bare[address.len()..])
}

fn parse_port(text: &str) -> Result<u16, ParseAddressError> {
    let error = || ParseAddressError::Port(text.to_owned());
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(error());
    }
    text.parse().map_err(|_| error())
}

impl TryFrom<String> for ServerAddress {
    type Error = ParseAddressError;

    fn try_from(text: String) -> Result<Self, ParseAddressError> {
        text.parse()
    }
}

impl From<ServerAddress> for String {
    fn from(address: ServerAddress) -> Self {
        address.to_string()
    }
}

/// All that a new device needs to join an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairingLink {
    /// Where the server is.
    pub server: ServerAddress,
    /// The account.
    pub id: AccountId,
    /// The server's key.
    pub fingerprint: Fingerprint,
}

/// Says why a text is not a pairing link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseLinkError {
    /// It begins with something else.
    #[error("a pairing link begins with {SCHEME}")]
    Scheme,
    /// There is no ID.
    #[error("there is no account's ID in the pairing link")]
    NoId,
    /// There is no fingerprint.
    #[error("there is no fingerprint in the pairing link")]
    NoFingerprint,
    /// The address is wrong.
    #[error(transparent)]
    Address(#[from] ParseAddressError),
    /// The ID is wrong.
    #[error(transparent)]
    Id(#[from] ParseAccountIdError),
    /// The fingerprint is wrong.
    #[error(transparent)]
    Fingerprint(#[from] ParseFingerprintError),
}

impl PairingLink {
    /// Tells whether a text is meant to be a pairing link, and not an address.
    #[must_use]
    pub fn is_meant_by(text: &str) -> bool {
        without_scheme(text).is_some()
    }

    /// Returns the link as text, for its owner's eyes and for nothing that is kept.
    #[must_use]
    pub fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(format!(
            "{SCHEME}{}/{}#{}",
            self.server,
            *self.id.reveal(),
            self.fingerprint
        ))
    }
}

fn without_scheme(text: &str) -> Option<&str> {
    let text = text.trim();
    let (scheme, rest) = text.split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then_some(rest)
}

impl FromStr for PairingLink {
    type Err = ParseLinkError;

    /// Reads what [`PairingLink::reveal`] writes, in either case.
    fn from_str(text: &str) -> Result<Self, ParseLinkError> {
        let rest = without_scheme(text).ok_or(ParseLinkError::Scheme)?;
        let (rest, fingerprint) = rest.split_once('#').ok_or(ParseLinkError::NoFingerprint)?;
        let (server, id) = rest.split_once('/').ok_or(ParseLinkError::NoId)?;
        if id.is_empty() {
            return Err(ParseLinkError::NoId);
        }
        if fingerprint.is_empty() {
            return Err(ParseLinkError::NoFingerprint);
        }
        Ok(Self {
            server: server.parse()?,
            id: id.parse()?,
            fingerprint: fingerprint.parse()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn host() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z0-9_][a-z0-9._-]{0,30}",
            any::<[u8; 4]>().prop_map(|ip| std::net::Ipv4Addr::from(ip).to_string()),
            any::<[u8; 16]>().prop_map(|ip| Ipv6Addr::from(ip).to_string()),
        ]
    }

    #[test]
    fn an_address_is_read_with_and_without_port_and_brackets() {
        for (text, host, port) in [
            ("nas", "nas", 7733),
            ("NAS.local:1", "nas.local", 1),
            (" 127.0.0.1:65535 ", "127.0.0.1", 65535),
            ("::1", "::1", 7733),
            ("[fe80::1]", "fe80::1", 7733),
            ("[::1]:80", "::1", 80),
        ] {
            let address: ServerAddress = text.parse().unwrap();
            assert_eq!((address.host(), address.port()), (host, port), "{text}");
        }
    }

    #[test]
    fn an_address_that_is_wrong_is_refused_with_a_reason() {
        use ParseAddressError::{Bracket, Host, NoHost, Port, Scheme, Zone};
        for (text, error) in [
            ("", NoHost),
            (":80", NoHost),
            ("nas:", Port(String::new())),
            ("nas:0", Port("0".to_owned())),
            ("nas:+80", Port("+80".to_owned())),
            ("nas:65536", Port("65536".to_owned())),
            ("nas/x", Host("nas/x".to_owned())),
            ("user@nas", Host("user@nas".to_owned())),
            ("-oProxy", Host("-oProxy".to_owned())),
            ("[::1", Bracket),
            ("[nas]:1", Host("nas".to_owned())),
            ("[::1]80", Host("[::1]80".to_owned())),
            ("https://nas:1/", Scheme("https".to_owned())),
            ("[fe80::1%eth0]:80", Zone("%eth0".to_owned())),
            ("fe80::1%2", Zone("%2".to_owned())),
        ] {
            assert_eq!(text.parse::<ServerAddress>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_link_that_is_wrong_says_which_part() {
        let link = PairingLink {
            server: "nas".parse().unwrap(),
            id: AccountId::generate().unwrap(),
            fingerprint: Fingerprint([7; 32]),
        };
        let (text, id) = (link.reveal(), link.id.reveal());
        assert_eq!(text.to_uppercase().parse(), Ok(link.clone()));
        for (wrong, error) in [
            (text.replace("holdfast", "https"), ParseLinkError::Scheme),
            (text.replace(&*id, ""), ParseLinkError::NoId),
            (text.replace('#', "?"), ParseLinkError::NoFingerprint),
            (
                text.replace("7733", "port"),
                ParseAddressError::Port("port".to_owned()).into(),
            ),
            (
                text.replace(&*id, &id[1..]),
                ParseAccountIdError::Length(33).into(),
            ),
            (text[..text.len() - 1].to_owned(), ParseFingerprintError.into()),
        ] {
            assert_eq!(wrong.parse::<PairingLink>(), Err(error));
        }
        assert!(PairingLink::is_meant_by(&text) && !PairingLink::is_meant_by("nas:7733"));
        assert!(
            !format!("{link:?}").contains(&id[..4]),
            "a link does not show the ID for debugging"
        );
    }

    proptest! {
        #[test]
        fn a_link_reads_back_what_it_writes(host in host(), port in 1_u16.., fingerprint: [u8; 32]) {
            let server = ServerAddress::new(&host, port).unwrap();
            let link = PairingLink { server, id: AccountId::generate().unwrap(), fingerprint: Fingerprint(fingerprint) };
            prop_assert_eq!(link.reveal().parse(), Ok(link.clone()));
            prop_assert_eq!(link.server.to_string().parse(), Ok(link.server));
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = text.parse::<ServerAddress>();
            let _ = text.parse::<PairingLink>();
            let _ = format!("{SCHEME}{text}").parse::<PairingLink>();
        }
    }
}
