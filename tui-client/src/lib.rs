//! The client of Holdfast, as a library: the screen and the headless mode are two listeners of it.

pub mod commands;
pub mod config;
pub mod control;
pub mod disk;
pub mod fault;
pub mod notice;
pub mod options;
pub mod output;
pub mod socket;
pub mod state;
