//! Signals on Windows: Ctrl-C, Ctrl-Break, and the end of the console.

use std::io;

use tokio::signal::windows::{CtrlBreak, CtrlC, CtrlClose, ctrl_break, ctrl_c, ctrl_close};

/// The signals.
pub(in crate::screen) struct Signals {
    interrupt: CtrlC,
    pause: CtrlBreak,
    close: CtrlClose,
}

impl Signals {
    /// Starts to listen.
    pub(in crate::screen) fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: ctrl_c()?,
            pause: ctrl_break()?,
            close: ctrl_close()?,
        })
    }

    /// Forgets an interrupt that came already: it was meant for the program that had the terminal.
    pub(in crate::screen) fn forget_interrupt(&mut self) -> io::Result<()> {
        self.interrupt = ctrl_c()?;
        Ok(())
    }

    /// Waits for any of them.
    pub(in crate::screen) async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => (),
            _ = self.pause.recv() => (),
            _ = self.close.recv() => (),
        }
    }
}
