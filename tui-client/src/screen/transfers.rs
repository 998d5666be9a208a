//! What is on its way, by true bytes: how far, how fast, how long still.

use std::collections::VecDeque;

use sync_engine::{NodeId, RelPath};

use crate::notice::{Direction, Progress};

/// The time over which a rate is taken, in milliseconds.
const WINDOW_MS: u64 = 4000;
/// The most finished transfers that are kept.
const DONE_MAX: usize = 100;
/// The most samples in a rate; more are added to the last.
const SAMPLES_MAX: usize = 64;

/// The transfers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Transfers {
    active: Vec<Transfer>,
    done: VecDeque<Transfer>,
    up: Rate,
    down: Rate,
}

/// A transfer.
#[derive(Debug, Clone)]
pub(crate) struct Transfer {
    /// The node.
    pub id: NodeId,
    /// Its path.
    pub path: RelPath,
    /// Which way.
    pub direction: Direction,
    /// Bytes that are through.
    pub done_bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
    /// When it last moved on, in milliseconds since 1970.
    pub moved_ms: u64,
    rate: Rate,
}

/// A rate over the last seconds.
#[derive(Debug, Clone, Default)]
struct Rate {
    samples: VecDeque<(u64, u64)>,
}

impl Rate {
    fn add(&mut self, now_ms: u64, bytes: u64) {
        match self.samples.back_mut() {
            Some((at_ms, sum)) if now_ms.saturating_sub(*at_ms) < WINDOW_MS / SAMPLES_MAX as u64 => {
                *sum = sum.saturating_add(bytes);
            }
            _ => self.samples.push_back((now_ms, bytes)),
        }
        while self.samples.len() > SAMPLES_MAX {
            self.samples.pop_front();
        }
    }

    fn bytes_per_second(&self, now_ms: u64) -> u64 {
        let fresh = self
            .samples
            .iter()
            .filter(|(at_ms, _)| now_ms.saturating_sub(*at_ms) < WINDOW_MS);
        let (first_ms, sum) = fresh.fold((now_ms, 0_u64), |(first_ms, sum), (at_ms, bytes)| {
            (first_ms.min(*at_ms), sum.saturating_add(*bytes))
        });
        sum.saturating_mul(1000) / now_ms.saturating_sub(first_ms).max(1000)
    }
}

impl Transfer {
    /// Returns its rate, in bytes a second.
    pub(crate) fn bytes_per_second(&self, now_ms: u64) -> u64 {
        self.rate.bytes_per_second(now_ms)
    }

    /// Returns how long it will still take, in seconds, at its rate.
    pub(crate) fn left_s(&self, now_ms: u64) -> Option<u64> {
        (self.total_bytes - self.done_bytes).checked_div(self.bytes_per_second(now_ms))
    }

    /// Returns how far it is, in thousandths, rounded down: only a whole one is 1000.
    pub(crate) fn thousandths(&self) -> u64 {
        if self.total_bytes == 0 {
            return 1000;
        }
        u64::try_from(u128::from(self.done_bytes) * 1000 / u128::from(self.total_bytes)).unwrap_or(1000)
    }

    /// Tells whether it is through.
    pub(crate) fn is_done(&self) -> bool {
        self.done_bytes >= self.total_bytes
    }
}

impl Transfers {
    /// Takes in how far a transfer is.
    pub(crate) fn progress(&mut self, progress: Progress, now_ms: u64) {
        let at = self
            .active
            .iter()
            .position(|transfer| transfer.id == progress.id && transfer.direction == progress.direction)
            .unwrap_or_else(|| {
                self.active.push(Transfer {
                    id: progress.id,
                    path: progress.path.clone(),
                    direction: progress.direction,
                    done_bytes: 0,
                    total_bytes: 0,
                    moved_ms: now_ms,
                    rate: Rate::default(),
                });
                self.active.len() - 1
            });
        let transfer = &mut self.active[at];
        let moved = progress.done_bytes.saturating_sub(transfer.done_bytes);
        transfer.path = progress.path;
        transfer.total_bytes = progress.total_bytes;
        transfer.done_bytes = progress.done_bytes.min(progress.total_bytes);
        transfer.moved_ms = now_ms;
        transfer.rate.add(now_ms, moved);
        match progress.direction {
            Direction::Up => self.up.add(now_ms, moved),
            Direction::Down => self.down.add(now_ms, moved),
        }
        if transfer.is_done() {
            let transfer = self.active.remove(at);
            self.done.push_front(transfer);
            self.done.truncate(DONE_MAX);
        }
    }

    /// Forgets what was on its way: nothing is, when all is synced.
    pub(crate) fn settle(&mut self) {
        self.active.clear();
    }

    /// Returns the transfers: those on their way, then the finished ones, newest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Transfer> {
        self.active.iter().chain(&self.done)
    }

    /// Returns how many there are.
    pub(crate) fn len(&self) -> usize {
        self.active.len() + self.done.len()
    }

    /// Returns those on their way.
    pub(crate) fn active(&self) -> &[Transfer] {
        &self.active
    }

    /// Returns the rates up and down, in bytes a second.
    pub(crate) fn rates(&self, now_ms: u64) -> (u64, u64) {
        (
            self.up.bytes_per_second(now_ms),
            self.down.bytes_per_second(now_ms),
        )
    }

    /// Tells whether something on the screen changes as time goes on.
    pub(crate) fn is_moving(&self, now_ms: u64) -> bool {
        !self.active.is_empty() || self.rates(now_ms) != (0, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(done_bytes: u64, total_bytes: u64) -> Progress {
        Progress {
            id: NodeId([1; 16]),
            path: RelPath::parse(b"film.mkv").expect("a path"),
            direction: Direction::Down,
            done_bytes,
            total_bytes,
        }
    }

    #[test]
    fn rates_and_times_come_from_true_bytes() {
        let mut transfers = Transfers::default();
        transfers.progress(progress(0, 10_000), 0);
        transfers.progress(progress(1_000, 10_000), 1000);
        transfers.progress(progress(2_000, 10_000), 2000);
        let transfer = &transfers.active()[0];
        assert_eq!(transfer.bytes_per_second(2000), 1000);
        assert_eq!(transfer.left_s(2000), Some(8));
        assert_eq!(transfers.rates(2000), (0, 1000));
        assert_eq!(transfers.rates(60_000), (0, 0));
        assert_eq!(transfers.active()[0].left_s(60_000), None);
    }

    #[test]
    fn a_transfer_is_whole_only_at_its_last_byte() {
        let mut transfers = Transfers::default();
        transfers.progress(progress(9_999, 10_000), 0);
        assert_eq!(transfers.active()[0].thousandths(), 999);
        transfers.progress(progress(10_000, 10_000), 1);
        assert_eq!(transfers.active().len(), 0);
        assert_eq!(transfers.len(), 1);
    }

    #[test]
    fn numbers_of_a_strange_client_do_no_harm() {
        let mut transfers = Transfers::default();
        transfers.progress(progress(u64::MAX - 1, u64::MAX), 5);
        transfers.progress(progress(7, u64::MAX), 0);
        assert!(transfers.active()[0].thousandths() < 1000);
        transfers.progress(progress(u64::MAX, 3), 5);
        assert_eq!(transfers.active().len(), 0);
    }
}
