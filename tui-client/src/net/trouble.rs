//! What a person is told when there is no connection, and the exit code that goes with it.

use common::link::ServerAddress;
use common::message::Refusal;

use super::ConnectError;
use crate::fault::Exit;
use crate::notice::Trouble;
use crate::options::command_like;

impl ConnectError {
    /// Says in three parts what happened, what was done about it and what to do.
    #[must_use]
    pub fn trouble(&self, server: &ServerAddress) -> Trouble {
        let (what, todo) = match self {
            Self::OutOfReach(_) if is_link_local(server) => (
                format!("the server {server} is out of reach: its address is link-local, and holds on one interface alone"),
                "name the server by its name, or by another of its addresses".to_owned(),
            ),
            Self::OutOfReach(_) | Self::TimedOut | Self::Broken(_) => (
                format!("the server {server} is out of reach: {self}"),
                match command_like(server.host()) {
                    Some(command) => format!(
                        "if the command `{command}` was meant, write `tui-client {command} FOLDER`; if not, check the \
                         address, and that the server runs and lets this computer in"
                    ),
                    None => {
                        "check the address, and that the server runs and lets this computer in".to_owned()
                    }
                },
            ),
            Self::Untrusted(mismatch) => (
                format!(
                    "the server {server} shows another key than the one that is trusted: expected {}, found {}",
                    mismatch.expected, mismatch.found
                ),
                "if the server was set up anew, give its new fingerprint with --fingerprint; if not, somebody may be \
                 listening in"
                    .to_owned(),
            ),
            Self::Unusable(reason) => (
                format!("this device's own key cannot be used: {reason}"),
                "remove the folder's configuration and join the account again with its ID".to_owned(),
            ),
            Self::Unvouched => unvouched(server),
            Self::NotKept(reason) => (
                format!("what is known of the server {server} could not be stored: {reason}"),
                "make the configuration directory writable and start the client again".to_owned(),
            ),
            Self::Refused(refusal) => refused(*refusal, server),
        };
        Trouble {
            what,
            done: "nothing was sent, and nothing in the folder was changed".into(),
            todo,
        }
    }

    /// Returns how a program ends that ends because of this.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::OutOfReach(_) | Self::TimedOut | Self::Broken(_) => Exit::Unreachable,
            Self::Untrusted(_) | Self::Unvouched | Self::Refused(_) => Exit::NotAdmitted,
            Self::Unusable(_) | Self::NotKept(_) => Exit::Failed,
        }
    }
}

fn is_link_local(server: &ServerAddress) -> bool {
    let address = server.host().parse::<std::net::Ipv6Addr>();
    address.is_ok_and(|address| address.is_unicast_link_local())
}

fn unvouched(server: &ServerAddress) -> (String, String) {
    let what = format!(
        "the key of the server {server} is not known, and the account's ID would go to whoever answers"
    );
    let todo = "give the server's fingerprint with --fingerprint (the server prints it), use a pairing link, or add \
                --trust-first-use";
    (what, todo.to_owned())
}

fn refused(refusal: Refusal, server: &ServerAddress) -> (String, String) {
    let (what, todo) = match refusal {
        Refusal::NotAdmitted => (
            "does not admit this device: the ID is not known there, or the device was shut out",
            "check the ID on a device that still syncs, or join anew with the account's present ID",
        ),
        Refusal::Cloned | Refusal::Begun { .. } => (
            "says that this folder's state is a copy of another device's, or was put back to an older one",
            "start the client with --id and the account's ID: the folder joins as a new device and nothing is deleted",
        ),
        Refusal::Busy => (
            "has too many connections or attempts",
            "try again in a few minutes",
        ),
        Refusal::Closed => (
            "takes no new accounts",
            "ask whoever runs the server for an ID, and give it with --id",
        ),
        Refusal::Malformed => (
            "did not understand this program",
            "bring server and client to the same version",
        ),
        Refusal::Protocol { min, max } => {
            let what = format!(
                "the server {server} speaks versions {min} to {max} of the protocol, not this program's"
            );
            return (what, "bring server and client to the same version".to_owned());
        }
    };
    (format!("the server {server} {what}"), todo.to_owned())
}
