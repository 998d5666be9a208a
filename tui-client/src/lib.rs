//! The client of Holdfast, as a library: the screen and the headless mode are two listeners of it.

pub mod control;
pub mod notice;
pub mod screen;
