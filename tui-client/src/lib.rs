//! The client of Holdfast, as a library: the screen and the headless mode are two listeners of it.

pub mod chunker;
pub mod control;
pub mod disk;
pub mod notice;
pub mod observer;
pub mod rules;
