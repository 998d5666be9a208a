//! The world around Holdfast: a harness that runs the two real programs on this computer, with folders, a network that
//! can be cut, and eyes on all of it. The demo and the end-to-end tests are written with it. It knows the programs only
//! from outside: their commands, their output and the folders on disk.

pub mod account;
pub mod args;
pub mod binaries;
pub mod chaos;
pub mod device;
pub mod events;
pub mod fuzz;
pub mod lines;
mod lives;
pub mod noise;
pub mod process;
pub mod proxy;
pub mod rogue;
pub mod server_process;
pub mod settle;
pub mod sim;
pub mod tokens;
pub mod tree;
pub mod world;

pub use account::account;
pub use device::{Device, Join};
pub use events::{Event, Events};
pub use process::{Finished, Process};
pub use proxy::Proxy;
pub use server_process::{ServerOptions, ServerProcess};
pub use settle::{settle, settle_apart};
pub use tokens::Tokens;
pub use tree::{Seen, tree};
pub use world::World;
