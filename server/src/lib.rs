//! The server of Holdfast: it keeps accounts, their journals and their chunks, and tells every device of an account
//! what is new in it. It takes no decision about a folder; whether a change stands is for `sync_engine` to say. This
//! library runs a server; the program around it only reads its arguments.

mod admin;
mod arguments;
mod beacon;
mod chunk;
mod connection;
mod content;
mod damage;
mod descriptors;
mod device_name;
mod door;
mod engine;
mod feed;
pub mod fuzzing;
mod gate;
mod house;
mod journal;
mod listener;
mod options;
mod past;
mod program;
mod reach;
mod reading;
mod room;
mod running;
mod slots;
mod sparing;
mod store;
mod trouble;
mod turns;
mod watch;
mod writer;

pub use admin::Verification;
pub use engine::Engine;
pub use options::{Limits, Listen, Options};
pub use program::run;
pub use running::{Running, Server};
pub use store::{Clock, Commits, Durability, Head, PackFile, PackFiles, Parts, Store};
pub use trouble::{StartError, Trouble};
