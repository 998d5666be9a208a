//! The clock that the disk's time stamps come from. Somebody may set it, and the computer may have slept: what was written
//! just before that is as young as it was, and has to be judged by the clock as it would have gone on.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sync_engine::{Bug, planted};
use tokio::time::Instant;

/// A clock that is off by more than this was set. Those that are only kept right go faster or slower by far less.
const SET_MIN: Duration = Duration::from_millis(10);

/// A time by both clocks.
type Both = (Instant, SystemTime);

/// See the module's page.
#[derive(Debug, Default)]
pub(super) struct Wall {
    seen: Option<Both>,
    /// As it would have gone on if it had not been set the last time.
    before: Option<Both>,
}

impl Wall {
    /// Takes in what the clock shows now.
    pub(super) fn show(&mut self, shown: SystemTime) {
        let now = Instant::now();
        let expected = self.seen.map_or(shown, |seen| at(seen, now));
        let off = shown
            .duration_since(expected)
            .unwrap_or_else(|error| error.duration());
        if SET_MIN < off && !planted(Bug::SetClockBelieved) {
            self.before = Some((now, expected));
        }
        self.seen = Some((now, shown));
    }

    /// Returns what the clock shows at a time, and what it would show if it had not been set.
    pub(super) fn times(&self, time: Instant) -> impl Iterator<Item = SystemTime> {
        self.seen
            .into_iter()
            .chain(self.before)
            .map(move |both| at(both, time))
    }
}

fn at((instant, shown): Both, time: Instant) -> SystemTime {
    let at = if instant <= time {
        shown.checked_add(time - instant)
    } else {
        shown.checked_sub(instant - time)
    };
    at.unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_goes_on_beside_the_new_one() {
        let (then, second) = (UNIX_EPOCH + Duration::from_secs(1000), Duration::from_secs(1));
        for (shown, is_set) in [
            (then + second + SET_MIN, false),
            (then - 100 * second, true),
            (then + 9000 * second, true),
        ] {
            let mut wall = Wall::default();
            wall.show(then);
            tokio::time::advance(second).await;
            wall.show(shown);
            tokio::time::advance(second).await;
            let now = Instant::now();
            let times: Vec<_> = wall.times(now).collect();
            let old = is_set.then_some(then + 2 * second);
            assert_eq!(
                times,
                [Some(shown + second), old]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
            );
            let first = wall.times(now - second).next();
            assert_eq!(first, Some(shown));
        }
    }
}
