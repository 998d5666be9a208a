//! What the program is told on its command line.

use clap::{Args, Parser};
use common::words::number;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::admin::Command;
use crate::options::{Limits, Listen, Options};

/// The server of Holdfast. It keeps folders and every version of them, and tells every device what is new.
#[derive(Debug, Parser)]
#[command(name = "server", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    /// What to look after, instead of serving
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// What to serve, and where
    #[command(flatten)]
    pub(crate) serve: ServeArguments,
}

/// What is told of serving, and of making a certificate.
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// The port to listen on, on every address of this computer; 0 picks a free one [default: 7733]
    #[arg(conflicts_with = "listen", allow_negative_numbers = true, value_parser = number("the port", 0..=u16::MAX))]
    pub(crate) port: Option<u16>,
    /// The address and port to listen on, instead of every address
    #[arg(long, value_name = "ADDR:PORT", value_parser = parse_listen)]
    pub(crate) listen: Option<SocketAddr>,
    /// The directory that holds the store; it is made when there is none
    #[arg(long, value_name = "DIR", default_value = "holdfast-data")]
    pub(crate) data: PathBuf,
    /// The directory that holds certificate and key; without them they are made at the first start
    #[arg(long, value_name = "DIR", default_value = "certs")]
    pub(crate) certs: PathBuf,
    /// Take no new accounts; devices may still be added to those that there are
    #[arg(long)]
    pub(crate) closed: bool,
    /// The most connections at a time
    #[arg(long, value_name = "NUMBER", default_value_t = 4096, allow_negative_numbers = true,
        value_parser = number("how many", 1..=1_000_000_u32))]
    pub(crate) connections: u32,
    /// How much an account may keep on the server, old versions included, such as 500M or 20G, unless something else
    /// is set for it with `server account quota` [default: no limit]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) quota: Option<u64>,
    /// How many accounts one address may make within a minute
    #[arg(long, value_name = "NUMBER", default_value_t = 600, allow_negative_numbers = true,
        value_parser = number("how many", 0..=u32::MAX))]
    pub(crate) registrations: u32,
    /// Make a certificate and its key, print the key's fingerprint, and end
    #[arg(long, group = "making", conflicts_with_all = ["port", "listen", "closed"])]
    pub(crate) gen_cert: bool,
    /// Make a new key in the place of the old one, which vouches for it, so that devices go on to trust the server; print
    /// the new key's fingerprint, and end. A server that is running takes the new key up at once
    #[arg(long, group = "making", conflicts_with_all = ["port", "listen", "closed"])]
    pub(crate) rotate_cert: bool,
    /// A name or address of this server to write into the certificate; may be repeated
    #[arg(long, value_name = "NAME", requires = "making")]
    pub(crate) host: Vec<String>,
    /// Replace a certificate that is there; every device then has to be told the new fingerprint
    #[arg(long, requires = "gen_cert", conflicts_with = "rotate_cert")]
    pub(crate) force: bool,
}

/// Reads where to listen.
fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "it has to be an address of this computer and a port, such as 127.0.0.1:7733 or [::]:7733; a name is none".to_owned()
    })
}

/// Reads a size: a number of bytes, or of KiB, MiB, GiB or TiB with K, M, G or T behind it.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let units = [('K', 10), ('M', 20), ('G', 30), ('T', 40)];
    let found = units
        .into_iter()
        .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, shift)));
    let (digits, shift) = found.unwrap_or((text, 0));
    let number: Option<u64> = digits.parse().ok();
    number
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(|| "not a size such as 500M or 20G".to_owned())
}

impl ServeArguments {
    /// Returns the options of the server that is asked for.
    #[must_use]
    pub(crate) fn options(&self) -> Options {
        let listen = match (self.listen, self.port) {
            (Some(address), _) => Listen::Address(address),
            (None, Some(port)) => Listen::Everywhere { port },
            (None, None) => Listen::default(),
        };
        Options {
            listen,
            data: self.data.clone(),
            certs: self.certs.clone(),
            closed: self.closed,
            limits: Limits {
                quota_bytes: self.quota,
                connections_max: self.connections as usize,
                registrations_per_minute_max: self.registrations,
                ..Limits::default()
            },
        }
    }
}
