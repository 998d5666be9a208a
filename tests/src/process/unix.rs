//! Signals and the end of a process on Unix.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use std::process::Child;
use std::sync::{Mutex, PoisonError};

/// Asks a process that was not reaped yet to end in good order.
pub(super) fn terminate(child: &mut Child) {
    // It may have ended by itself in this moment; then there is nothing to do.
    let _already_ended = kill_process(Pid::from_child(child), Signal::TERM);
}

/// Blocks until the process has ended, without reaping it and without keeping the lock.
pub(super) fn await_end(child: &Mutex<Child>) {
    let pid = Pid::from_child(&child.lock().unwrap_or_else(PoisonError::into_inner));
    while let Err(rustix::io::Errno::INTR) =
        waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
    {}
}
