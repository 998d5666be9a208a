//! What is still to be looked at, counted by epochs. A cookie ends an epoch: when nothing of that epoch or an earlier
//! one is open, all that was written before the cookie has been looked at. Work that comes of other work belongs to
//! the same epoch.

use std::collections::{BTreeMap, VecDeque};

/// See the module's page.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    epoch: u64,
    open: BTreeMap<u64, usize>,
    cookies: VecDeque<(u64, u64)>,
}

impl Ledger {
    /// Returns the present epoch.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Enters a piece of work.
    pub(super) fn open(&mut self, epoch: u64) {
        *self.open.entry(epoch).or_default() += 1;
    }

    /// Enters a piece of work that may have been entered in another epoch before; the earlier one counts.
    pub(super) fn reopen(&mut self, epoch: u64, before: Option<u64>) {
        match before {
            None => self.open(epoch),
            Some(before) if epoch < before => {
                self.open(epoch);
                self.close(before);
            }
            Some(_) => (),
        }
    }

    /// Strikes a piece of work out.
    pub(super) fn close(&mut self, epoch: u64) {
        if let Some(count) = self.open.get_mut(&epoch) {
            *count -= 1;
            if *count == 0 {
                self.open.remove(&epoch);
            }
        }
    }

    /// Ends the epoch; `token` is owed when nothing before is open.
    pub(super) fn cookie(&mut self, token: u64) {
        self.cookies.push_back((self.epoch, token));
        self.epoch += 1;
    }

    /// Takes the newest token that is owed; it stands for those before it.
    pub(super) fn take_ready(&mut self) -> Option<u64> {
        let first_open = self.open.keys().next().copied().unwrap_or(u64::MAX);
        let mut ready = None;
        while self.cookies.front().is_some_and(|(epoch, _)| *epoch < first_open) {
            ready = self.cookies.pop_front().map(|(_, token)| token);
        }
        ready
    }

    /// Tells whether a token is owed now.
    pub(super) fn is_ready(&self) -> bool {
        let first_open = self.open.keys().next().copied().unwrap_or(u64::MAX);
        self.cookies.front().is_some_and(|(epoch, _)| *epoch < first_open)
    }

    /// Tells whether nothing is open.
    pub(super) fn is_idle(&self) -> bool {
        self.open.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_waits_for_what_was_before_it_and_for_nothing_after() {
        let mut ledger = Ledger::default();
        ledger.open(ledger.epoch());
        let before = ledger.epoch();
        ledger.cookie(7);
        ledger.open(ledger.epoch());
        assert_eq!(ledger.take_ready(), None);
        ledger.open(before);
        ledger.close(before);
        assert_eq!(ledger.take_ready(), None);
        ledger.close(before);
        assert!(ledger.is_ready());
        assert_eq!(ledger.take_ready(), Some(7));
        assert_eq!(ledger.take_ready(), None);
        assert!(!ledger.is_idle());
    }

    #[test]
    fn a_cookie_with_nothing_before_it_is_ready_at_once() {
        let mut ledger = Ledger::default();
        ledger.cookie(1);
        ledger.cookie(2);
        assert_eq!(ledger.take_ready(), Some(2));
    }
}
