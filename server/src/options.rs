//! What a server is told when it starts.

use common::limits::{DEFAULT_PORT, HANDSHAKE_TIMEOUT, HELLO_TIMEOUT, IDLE_TIMEOUT};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// What a server is told when it starts.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen.
    pub listen: Listen,
    /// The directory that holds the store; made when there is none.
    pub data: PathBuf,
    /// The directory that holds certificate and key; they are made when there are none.
    pub certs: PathBuf,
    /// Whether to take no new accounts.
    pub closed: bool,
    /// The limits.
    pub limits: Limits,
}

impl Options {
    /// Returns the options of a server with its store in `data`, listening on a free port of this computer alone.
    #[must_use]
    pub fn local(data: PathBuf, certs: PathBuf) -> Self {
        Self {
            listen: Listen::Address(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            data,
            certs,
            closed: false,
            limits: Limits::default(),
        }
    }
}

/// Where to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// On every address of this computer, IPv6 and IPv4.
    Everywhere {
        /// The port; 0 picks a free one.
        port: u16,
    },
    /// On one address.
    Address(SocketAddr),
}

impl Default for Listen {
    fn default() -> Self {
        Self::Everywhere { port: DEFAULT_PORT }
    }
}

impl Listen {
    /// Returns the addresses to try, in order. The later ones are wanted only as far as the first does not cover them.
    pub(crate) fn addresses(self) -> Vec<SocketAddr> {
        match self {
            Self::Everywhere { port } => {
                vec![
                    (Ipv6Addr::UNSPECIFIED, port).into(),
                    (Ipv4Addr::UNSPECIFIED, port).into(),
                ]
            }
            Self::Address(address) => vec![address],
        }
    }
}

/// The limits of a server.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How many bytes an account may take in the store, old versions included, unless something else was set for it;
    /// nothing is no limit.
    pub quota_bytes: Option<u64>,
    /// The most connections at a time. A quarter of them is for those that have not yet said who they are.
    pub connections_max: usize,
    /// The most connections at a time of one account.
    pub connections_per_account_max: usize,
    /// The most connections from one address that have not yet said who they are.
    pub strangers_per_address_max: usize,
    /// How often one address may fail to be admitted within a minute.
    pub failures_per_minute_max: u32,
    /// How many accounts one address may make within a minute.
    pub registrations_per_minute_max: u32,
    /// How many devices may be enrolled in one account within a minute.
    pub enrolments_per_minute_max: u32,
    /// TLS has to be agreed within this time.
    pub handshake_timeout: Duration,
    /// The first message has to come within this time after that.
    pub hello_timeout: Duration,
    /// A connection that is silent for this time is cut.
    pub idle_timeout: Duration,
    /// The other side has to take each frame within this time.
    pub write_timeout: Duration,
    /// Connections have this time to end when the server stops.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            quota_bytes: None,
            connections_max: 4096,
            connections_per_account_max: 128,
            strangers_per_address_max: 64,
            failures_per_minute_max: 30,
            registrations_per_minute_max: 600,
            enrolments_per_minute_max: 60,
            handshake_timeout: HANDSHAKE_TIMEOUT,
            hello_timeout: HELLO_TIMEOUT,
            idle_timeout: IDLE_TIMEOUT,
            write_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(5),
        }
    }
}
