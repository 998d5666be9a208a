//! The client of Holdfast, as a library: the screen and the headless mode are two listeners of it.

pub mod allocator;
pub mod chunker;
pub mod client;
pub mod commands;
pub mod config;
pub mod control;
pub mod disk;
pub mod driver;
pub mod fault;
pub mod fuzzing;
pub mod headless;
pub(crate) mod ids;
pub mod net;
pub mod notice;
pub mod observer;
pub mod options;
pub mod output;
pub mod rules;
pub mod screen;
pub mod shown;
pub mod signal;
pub mod socket;
pub mod state;
pub mod transfer;
pub mod words;
