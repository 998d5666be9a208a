//! The end of a process on Windows.

use std::process::Child;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How often the process is looked at, since the standard library can wait only with the child locked.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// Ends a process: there is no request to a console program of another group that it could obey in good order.
pub(super) fn terminate(child: &mut Child) {
    // It may have ended by itself in this moment; then there is nothing to do.
    let _already_ended = child.kill();
}

/// Blocks until the process has ended, without keeping the lock.
pub(super) fn await_end(child: &Mutex<Child>) {
    let never = (Mutex::new(()), Condvar::new());
    let mut guard = never.0.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let looked = child.lock().unwrap_or_else(PoisonError::into_inner).try_wait();
        if !matches!(looked, Ok(None)) {
            return;
        }
        let waited = never.1.wait_timeout(guard, LOOK_INTERVAL);
        guard = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
}
