//! When 'synced' may be said. It is said only after a probe that began when everything was quiet: a cookie that came
//! back from the watcher (what was written before it has been looked at) and a `Pong` whose head this device has seen.
//! Whoever waits is answered after a probe that began after the question.

use crate::time::Instant;
use crate::{Bug, Version, planted};
use alloc::vec::Vec;

/// Somebody who waits for 'synced'; the shell knows who.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaiterId(u64);

#[derive(Debug, Clone, Hash)]
struct Waiter {
    id: WaiterId,
    /// When to answer that it was not in time.
    deadline: Option<Instant>,
    /// The first probe that answers the question.
    probe: u64,
}

/// A probe under way.
#[derive(Debug, Clone, Copy, Hash)]
struct Probe {
    number: u64,
    cookie: Option<u64>,
    caught_up: bool,
    head: Option<Version>,
}

/// See the module's page.
#[derive(Debug, Clone, Default, Hash)]
pub(super) struct Proof {
    last: u64,
    under_way: Option<Probe>,
    /// The last probe that came back whole, and the head that it saw.
    completed: Option<(u64, Version)>,
    /// Whether something has happened since the last probe began.
    stale: bool,
    announced: Option<Version>,
    /// What was said last, if nothing has changed since.
    last_said: Option<Version>,
    waiters: Vec<Waiter>,
    last_waiter: u64,
}

impl Proof {
    /// Begins a probe if one is needed: returns its number, which the cookie and the `Ping` have to carry.
    pub(super) fn begin(&mut self) -> Option<u64> {
        if self.under_way.is_some() || !(self.stale || self.completed.is_none() || self.awaited()) {
            return None;
        }
        self.last += 1;
        self.stale = false;
        self.under_way = Some(Probe {
            number: self.last,
            cookie: None,
            caught_up: planted(Bug::CookieNotAwaited),
            head: None,
        });
        Some(self.last)
    }

    fn awaited(&self) -> bool {
        let completed = self.completed.map_or(0, |(number, _)| number);
        self.waiters.iter().any(|waiter| waiter.probe > completed)
    }

    /// Notes which cookie the probe waits for.
    pub(super) fn expect_cookie(&mut self, cookie: u64) {
        if let Some(probe) = &mut self.under_way {
            probe.cookie = Some(cookie);
        }
    }

    /// Notes that a cookie came back; it stands for all before it.
    pub(super) fn caught_up(&mut self, cookie: u64) {
        if let Some(probe) = self
            .under_way
            .as_mut()
            .filter(|probe| probe.cookie.is_some_and(|awaited| awaited <= cookie))
        {
            probe.caught_up = true;
        }
        self.complete();
    }

    /// Notes what the server's newest entry is.
    pub(super) fn pong(&mut self, number: u64, head: Version) {
        if let Some(probe) = self.under_way.as_mut().filter(|probe| probe.number == number) {
            probe.head = Some(head);
        }
        self.complete();
    }

    fn complete(&mut self) {
        if let Some(Probe {
            number,
            caught_up: true,
            head: Some(head),
            ..
        }) = self.under_way
        {
            self.completed = Some((number, head));
            self.under_way = None;
        }
    }

    /// Notes that something happened: what was said does not hold any more.
    pub(super) fn disturb(&mut self) {
        self.retry();
        self.forget_said();
    }

    /// Notes that to say 'synced' is news.
    pub(super) fn forget_said(&mut self) {
        self.last_said = None;
    }

    /// Notes that what failed is tried again: what was said has to be proven anew, but to say it once more is no news.
    pub(super) fn retry(&mut self) {
        self.stale = true;
        self.announced = None;
    }

    /// Notes that a probe that was under way will not come back.
    pub(super) fn give_up(&mut self) {
        self.under_way = None;
        self.disturb();
    }

    /// Notes that the connection is lost: what was proven over it does not count any more.
    pub(super) fn disconnect(&mut self) {
        self.completed = None;
        self.give_up();
    }

    /// Adds somebody who waits.
    pub(super) fn wait(&mut self, deadline: Option<Instant>) -> WaiterId {
        self.last_waiter += 1;
        let id = WaiterId(self.last_waiter);
        self.waiters.push(Waiter {
            id,
            deadline,
            probe: self.last + 1,
        });
        id
    }

    /// Tells whether all that the last probe saw is here.
    #[must_use]
    pub(super) fn proven(&self, version: Version) -> bool {
        !self.stale
            && self.under_way.is_none()
            && self
                .completed
                .is_some_and(|(_, head)| head <= version || planted(Bug::HeadIgnored))
    }

    /// Notes that 'synced' is said now. Returns whether that is news.
    pub(super) fn announce(&mut self, version: Version) -> bool {
        self.announced = Some(version);
        self.last_said.replace(version) != Some(version)
    }

    /// Tells whether 'synced' was said and still holds.
    #[must_use]
    pub(super) fn is_announced(&self) -> bool {
        self.announced.is_some()
    }

    /// Takes those whose question is answered.
    pub(super) fn answered(&mut self) -> Vec<WaiterId> {
        let completed = self.completed.map_or(0, |(number, _)| number);
        self.take(|waiter| waiter.probe <= completed)
    }

    /// Takes those whose time is over; with `halted` also those who would wait for ever.
    pub(super) fn overdue(&mut self, now: Instant, halted: bool) -> Vec<WaiterId> {
        self.take(|waiter| waiter.deadline.map_or(halted, |deadline| deadline <= now))
    }

    /// When the next one's time is over.
    #[must_use]
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.waiters.iter().filter_map(|waiter| waiter.deadline).min()
    }

    fn take(&mut self, done: impl Fn(&Waiter) -> bool) -> Vec<WaiterId> {
        let (taken, kept): (Vec<_>, Vec<_>) = core::mem::take(&mut self.waiters)
            .into_iter()
            .partition(|waiter| done(waiter));
        self.waiters = kept;
        taken.into_iter().map(|waiter| waiter.id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn synced_needs_both_halves_of_a_probe_and_no_disturbance_since() {
        let mut proof = Proof::default();
        let probe = proof.begin().unwrap();
        proof.expect_cookie(probe);
        assert_eq!(proof.begin(), None);
        proof.caught_up(probe);
        assert!(!proof.proven(Version(9)));
        proof.pong(probe, Version(5));
        assert!(proof.proven(Version(5)) && !proof.proven(Version(4)));
        proof.disturb();
        assert!(!proof.proven(Version(5)));
    }

    #[test]
    fn what_is_said_again_is_news_only_when_something_has_changed() {
        let mut proof = Proof::default();
        assert!(proof.announce(Version(5)) && !proof.announce(Version(5)));
        proof.retry();
        assert!(!proof.is_announced() && !proof.announce(Version(5)));
        assert!(proof.is_announced());
        proof.disturb();
        assert!(proof.announce(Version(5)));
    }

    #[test]
    fn who_waits_is_answered_only_by_a_probe_that_began_later() {
        let mut proof = Proof::default();
        let before = proof.begin().unwrap();
        proof.expect_cookie(before);
        proof.wait(None);
        proof.caught_up(before);
        proof.pong(before, Version(1));
        assert!(proof.answered().is_empty());
        let after = proof.begin().unwrap();
        proof.expect_cookie(after);
        proof.caught_up(after);
        proof.pong(after, Version(1));
        assert_eq!(proof.answered().len(), 1);
    }
}
