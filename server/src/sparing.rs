//! Lines in the log that strangers cause: only so many in a time, and then how many there were more.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Lines within this time.
const WINDOW: Duration = Duration::from_secs(60);
/// Lines of one kind within that time.
const LINES_MAX: u64 = 30;

/// Counts the lines of one kind.
#[derive(Debug, Default)]
pub(crate) struct Sparing(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    since: Option<Instant>,
    n: u64,
}

impl Sparing {
    /// Tells whether there may be another line now, and how many there were not since the last.
    pub(crate) fn may_say(&self) -> Option<u64> {
        self.may_say_at(Instant::now())
    }

    fn may_say_at(&self, now: Instant) -> Option<u64> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if window
            .since
            .is_none_or(|since| WINDOW <= now.duration_since(since))
        {
            let n_unsaid = window.n.saturating_sub(LINES_MAX);
            *window = Window {
                since: Some(now),
                n: 1,
            };
            return Some(n_unsaid);
        }
        window.n += 1;
        (window.n <= LINES_MAX).then_some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_much_happens_there_are_few_lines_and_none_is_passed_over_in_silence() {
        let sparing = Sparing::default();
        let begin = Instant::now();
        let said = (0..1000).filter_map(|_| sparing.may_say_at(begin)).count();
        assert_eq!(said as u64, LINES_MAX);
        assert_eq!(sparing.may_say_at(begin + WINDOW), Some(1000 - LINES_MAX));
        assert_eq!(sparing.may_say_at(begin + WINDOW), Some(0));
    }
}
