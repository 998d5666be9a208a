//! When to look at a path that a watcher has named. A file whose writer has closed it is looked at at once; one without
//! such news when it has been quiet for a moment, but never later than a bound, so that a file that is written without
//! end is looked at too (and then found busy). What was read so soon after its last change that a further change may
//! bear the same time stamp is looked at once more. Times are milliseconds of a clock that only goes forward.

use crate::RelPath;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// A path without news of a closed writer is looked at when nothing was heard of it for this long.
pub const QUIET_MS: u64 = 150;
/// A path is looked at no later than this after the first news of it.
pub const BOUND_MS: u64 = 2_000;

/// The paths that wait to be looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settling {
    waits: BTreeMap<RelPath, Wait>,
    dues: BTreeSet<(u64, RelPath)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wait {
    first_ms: u64,
    due_ms: u64,
}

impl Settling {
    /// Returns one in which nothing waits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Enters news of a path whose writer may go on.
    pub fn stirred(&mut self, path: &RelPath, now_ms: u64) {
        let first_ms = self
            .waits
            .get(path)
            .map_or(now_ms, |wait| wait.first_ms.min(now_ms));
        self.put(path, first_ms, (now_ms + QUIET_MS).min(first_ms + BOUND_MS));
    }

    /// Enters news of a path that is complete: its writer closed it, it was moved, made as a directory, or removed.
    pub fn closed(&mut self, path: &RelPath, now_ms: u64) {
        self.put(path, now_ms, now_ms);
    }

    /// Asks for a further look at a time, because a change since the last one might not show in the time stamp. What is
    /// due earlier stays so.
    pub fn look_again(&mut self, path: &RelPath, at_ms: u64) {
        if self.waits.get(path).is_none_or(|wait| at_ms < wait.due_ms) {
            self.put(path, at_ms, at_ms);
        }
    }

    /// Returns when the next path is due.
    #[must_use]
    pub fn next_due_ms(&self) -> Option<u64> {
        self.dues.first().map(|(due_ms, _)| *due_ms)
    }

    /// Takes out all paths that are due, the longest due first.
    pub fn take_due(&mut self, now_ms: u64) -> Vec<RelPath> {
        let mut taken = Vec::new();
        while self.next_due_ms().is_some_and(|due_ms| due_ms <= now_ms) {
            let Some((_, path)) = self.dues.pop_first() else {
                break;
            };
            self.waits.remove(&path);
            taken.push(path);
        }
        taken
    }

    fn put(&mut self, path: &RelPath, first_ms: u64, due_ms: u64) {
        if let Some(old) = self.waits.insert(path.clone(), Wait { first_ms, due_ms }) {
            self.dues.remove(&(old.due_ms, path.clone()));
        }
        self.dues.insert((due_ms, path.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_closed_file_is_due_at_once_and_an_open_one_when_quiet() {
        let mut settling = Settling::new();
        settling.stirred(&path("open"), 1000);
        settling.stirred(&path("closed"), 1000);
        settling.closed(&path("closed"), 1001);
        assert_eq!(settling.take_due(1001), [path("closed")]);
        settling.stirred(&path("open"), 1100);
        assert_eq!(settling.next_due_ms(), Some(1100 + QUIET_MS));
        assert!(settling.take_due(1099 + QUIET_MS).is_empty());
        assert_eq!(settling.take_due(1100 + QUIET_MS), [path("open")]);
        assert_eq!(settling.next_due_ms(), None);
    }

    #[test]
    fn a_file_that_is_never_quiet_is_looked_at_all_the_same() {
        let mut settling = Settling::new();
        let mut looks = 0;
        for now_ms in (0..10 * BOUND_MS).step_by(10) {
            settling.stirred(&path("log"), now_ms);
            looks += settling.take_due(now_ms).len();
        }
        assert!((9..=10).contains(&looks));
    }

    #[test]
    fn a_further_look_delays_nothing() {
        let mut settling = Settling::new();
        settling.closed(&path("a"), 5);
        settling.look_again(&path("a"), 50);
        settling.look_again(&path("b"), 50);
        assert_eq!(settling.take_due(5), [path("a")]);
        assert_eq!(settling.take_due(50), [path("b")]);
    }
}
