//! A small world in memory: one server that admits, two or three devices that plan, users that do as they like, and a
//! network that delivers late. It runs until all is quiet and then looks whether the promises were kept.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod admission;
mod arrivals;
mod brake;
mod cases;
mod device;
mod event;
mod fleet;
mod ledger;
mod limits;
mod member;
mod put_back;
mod random;
mod script;
mod shared;
mod small;
mod unsteady;
mod user;
mod world;
