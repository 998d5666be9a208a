//! The server from outside: real TLS, real sockets, a real store, and a client made of nothing but the wire.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod admission;
mod attack;
mod chunks;
mod client;
mod damage;
mod flood;
mod groups;
mod history;
mod isolation;
mod journal;
mod load;
mod program;
mod prune;
mod strangers;
#[cfg(unix)]
mod written;
