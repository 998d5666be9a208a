//! The server from outside: real TLS, real sockets, a real store, and a client made of nothing but the wire.

mod admission;
mod attack;
mod chunks;
mod client;
mod history;
mod journal;
mod program;
