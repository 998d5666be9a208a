//! Signals on Unix: termination, interrupt, and the end of the terminal.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals.
pub(in crate::screen) struct Signals([Signal; 3]);

impl Signals {
    /// Starts to listen.
    pub(in crate::screen) fn new() -> io::Result<Self> {
        Ok(Self([
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    /// Forgets an interrupt that came already: it was meant for the program that had the terminal.
    pub(in crate::screen) fn forget_interrupt(&mut self) -> io::Result<()> {
        self.0[1] = signal(SignalKind::interrupt())?;
        Ok(())
    }

    /// Waits for any of them.
    pub(in crate::screen) async fn any(&mut self) {
        let [terminate, interrupt, hangup] = &mut self.0;
        tokio::select! {
            _ = terminate.recv() => (),
            _ = interrupt.recv() => (),
            _ = hangup.recv() => (),
        }
    }
}
