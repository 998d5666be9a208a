//! A directory held open, and what is below it. Everything is named relative to what is held, so that it stays where it
//! is whatever becomes of the path that led there; no symbolic link is followed on the way, and no other file system is
//! entered. Whoever writes a tree where others may write too, does it through this: what they put in the way is refused,
//! and what they move takes along what is written below it, but nothing is ever written elsewhere.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::{Dir, device_of};
#[cfg(windows)]
pub use windows::{Dir, identity_of, open_as_it_is, volume_of};

#[cfg(test)]
#[cfg(unix)]
mod tests;
