//! When to look: hints wait here until what they speak of has come to rest. There is no fixed delay: a closed writer is
//! looked at once, an open one when it has been quiet for a moment, and never later than a bound. Time is an argument.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sync_engine::RelPath;
use tokio::time::Instant;

use super::doubt::Doubt;

/// A writer that has not closed its file has to be quiet for this long.
const QUIET: Duration = Duration::from_millis(12);
/// A writer that is never quiet is looked at after this long.
const BOUND: Duration = Duration::from_secs(2);
/// An absence is looked at again after this long: what has moved is to be found at its new place first.
const LATE: Duration = Duration::from_millis(10);

/// How urgent a hint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// The writer is done.
    Now,
    /// It came to be here just now: a directory's contents may have come with it.
    Fresh,
    /// The writer may go on.
    Quiet,
    /// To be tried again after a while.
    After(Duration),
    /// To be tried again after a while, as [`Urgency::Fresh`].
    FreshAfter(Duration),
}

#[derive(Debug, Clone, Copy)]
struct Hint {
    first: Instant,
    due: Instant,
    /// When all hints of the same or an earlier epoch are done, what was written before the epoch's cookie is known.
    epoch: u64,
    urgent: bool,
    deep: bool,
    doubt: Doubt,
}

/// A path that is to be looked at now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) path: RelPath,
    pub(super) epoch: u64,
    /// When it was spoken of first.
    pub(super) since: Instant,
    /// How far an equal print is believed, if it is a file.
    pub(super) doubt: Doubt,
    /// If it is a directory, what is inside it is to be seen as well.
    pub(super) deep: bool,
}

impl Due {
    /// Returns the looks at places that are to be judged together, which all are of one epoch.
    pub(super) fn all_of((paths, epoch): (Vec<RelPath>, u64), now: Instant) -> impl Iterator<Item = Self> {
        paths.into_iter().map(move |path| Self {
            path,
            epoch,
            since: now,
            doubt: Doubt::None,
            deep: false,
        })
    }
}

/// Paths, each with the time when it is to be looked at.
#[derive(Debug, Default)]
pub(super) struct Hints {
    by_path: BTreeMap<RelPath, Hint>,
    by_due: BTreeSet<(Instant, RelPath)>,
}

impl Hints {
    /// Enters a hint and returns the epoch of the one that the path had. The earlier of both epochs counts.
    pub(super) fn push(&mut self, path: RelPath, urgency: Urgency, now: Instant, epoch: u64) -> Option<u64> {
        let old = self.by_path.get(&path).copied();
        let first = old.map_or(now, |old| old.first);
        let was_urgent = old.is_some_and(|old| old.urgent);
        let due = match urgency {
            Urgency::Now | Urgency::Fresh => now,
            Urgency::Quiet => (now + QUIET).min(first + BOUND),
            Urgency::After(delay) | Urgency::FreshAfter(delay) => now + delay,
        };
        let due = match old {
            // What was due at once stays so; only a writer that goes on puts its own file off.
            Some(old) if was_urgent || urgency != Urgency::Quiet => due.min(old.due),
            Some(_) | None => due,
        };
        let hint = Hint {
            first,
            due,
            epoch: old.map_or(epoch, |old| old.epoch.min(epoch)),
            urgent: was_urgent || matches!(urgency, Urgency::Now | Urgency::Fresh),
            deep: old.is_some_and(|old| old.deep)
                || matches!(urgency, Urgency::Fresh | Urgency::FreshAfter(_)),
            doubt: old.map_or(Doubt::None, |old| old.doubt),
        };
        if let Some(old) = old {
            self.by_due.remove(&(old.due, path.clone()));
        }
        self.by_due.insert((due, path.clone()));
        self.by_path.insert(path, hint).map(|old| old.epoch)
    }

    /// Makes the doubt greater with which the file of a hint is looked at.
    pub(super) fn doubt(&mut self, path: &RelPath, doubt: Doubt) {
        if let Some(hint) = self.by_path.get_mut(path) {
            hint.doubt = hint.doubt.max(doubt);
        }
    }

    /// Enters an absence that is to be looked at again, and returns the epoch of the hint that the path had.
    pub(super) fn push_late(&mut self, path: RelPath, deep: bool, now: Instant, epoch: u64) -> Option<u64> {
        let urgency = if deep {
            Urgency::FreshAfter(LATE)
        } else {
            Urgency::After(LATE)
        };
        self.push(path, urgency, now, epoch)
    }

    /// Takes what is due, the longest due first.
    pub(super) fn take_due(&mut self, now: Instant, count_max: usize) -> Vec<Due> {
        let mut taken = Vec::new();
        while taken.len() < count_max && self.by_due.first().is_some_and(|(due, _)| *due <= now) {
            let Some((_, path)) = self.by_due.pop_first() else {
                break;
            };
            if let Some(hint) = self.by_path.remove(&path) {
                let Hint {
                    first: since,
                    epoch,
                    deep,
                    doubt,
                    ..
                } = hint;
                taken.push(Due {
                    path,
                    epoch,
                    since,
                    doubt,
                    deep,
                });
            }
        }
        taken
    }

    /// Forgets everything and returns the epochs.
    pub(super) fn clear(&mut self) -> Vec<u64> {
        self.by_due.clear();
        std::mem::take(&mut self.by_path)
            .into_values()
            .map(|hint| hint.epoch)
            .collect()
    }

    /// Returns when the next hint is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.by_due.first().map(|(due, _)| *due)
    }

    /// Returns when the last hint is due.
    pub(super) fn last_due(&self) -> Option<Instant> {
        self.by_due.last().map(|(due, _)| *due)
    }

    /// Returns the number of hints.
    pub(super) fn len(&self) -> usize {
        self.by_path.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::parse(text.as_bytes()).unwrap()
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_closed_writer_is_due_at_once_even_if_it_wrote_a_moment_ago() {
        let (mut hints, now) = (Hints::default(), Instant::now());
        assert_eq!(hints.push(path("a"), Urgency::Quiet, now, 3), None);
        assert!(hints.take_due(now, 9).is_empty());
        assert_eq!(hints.push(path("a"), Urgency::Now, now + MS, 4), Some(3));
        let due = hints.take_due(now + MS, 9);
        assert_eq!(due.len(), 1);
        assert_eq!(due[0].epoch, 3);
        assert_eq!(hints.next_due(), None);
    }

    #[test]
    fn an_open_writer_is_put_off_while_it_writes_but_not_for_ever() {
        let (mut hints, start) = (Hints::default(), Instant::now());
        let mut now = start;
        while hints.take_due(now, 9).is_empty() {
            hints.push(path("a"), Urgency::Quiet, now, 0);
            now += 5 * MS;
            assert!(now < start + BOUND + QUIET);
        }
        assert!(start + BOUND <= now);
    }

    #[test]
    fn what_is_due_at_once_is_not_put_off_by_a_later_write() {
        let (mut hints, now) = (Hints::default(), Instant::now());
        hints.push(path("a"), Urgency::Now, now, 0);
        hints.push(path("a"), Urgency::Quiet, now, 0);
        hints.push_late(path("a"), false, now, 0);
        assert_eq!(hints.take_due(now, 9).len(), 1);
    }
}
