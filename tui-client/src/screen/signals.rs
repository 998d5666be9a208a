//! The signals that end the screen in good order.

#[cfg(unix)]
#[path = "signals/unix.rs"]
mod platform;
#[cfg(windows)]
#[path = "signals/windows.rs"]
mod platform;

pub(super) use platform::Signals;
