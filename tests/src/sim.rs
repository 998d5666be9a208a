//! The simulation: the real client and the real server in one thread, on disks, clocks and lines that are made up. A seed
//! decides everything that happens, so the same seed gives the same run.

pub mod act;
pub mod client;
pub mod disk;
mod ledger;
mod person;
pub mod search;
pub mod server;
pub mod world;
