//! When to look: hints wait here until what they speak of has come to rest. There is no fixed delay: a closed writer is
//! looked at once, an open one when it has been quiet for a moment, and never later than a bound. Time is an argument.

use std::collections::{BTreeMap, HashMap};
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

impl Urgency {
    /// Returns the same urgency for a directory of which also what is inside is to be seen.
    pub(super) fn with_inside(self) -> Self {
        match self {
            Self::Now | Self::Fresh => Self::Fresh,
            Self::After(delay) | Self::FreshAfter(delay) => Self::FreshAfter(delay),
            Self::Quiet => Self::Quiet,
        }
    }
}

/// When a hint is due, and which of those that are due then it is.
type Turn = (Instant, u64);

#[derive(Debug, Clone, Copy)]
struct Hint {
    first: Instant,
    turn: Turn,
    /// When all hints of the same or an earlier epoch are done, what was written before the epoch's cookie is known.
    epoch: u64,
    urgent: bool,
    /// When what is inside was last said to have come with it.
    deep: Option<Instant>,
    /// Until when what had come with it was seen by a walk.
    walked: Option<Instant>,
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
    by_path: HashMap<RelPath, Hint>,
    by_turn: BTreeMap<Turn, RelPath>,
    n_turns: u64,
}

impl Hints {
    /// Enters a hint whose file is looked at with some doubt, and returns the epoch of the one that the path had. The
    /// earlier of both epochs counts, and the greater doubt.
    pub(super) fn push(
        &mut self,
        path: RelPath,
        (urgency, doubt): (Urgency, Doubt),
        now: Instant,
        epoch: u64,
    ) -> Option<u64> {
        let is_urgent = matches!(urgency, Urgency::Now | Urgency::Fresh);
        let is_deep = matches!(urgency, Urgency::Fresh | Urgency::FreshAfter(_));
        let due = |first: Instant| match urgency {
            Urgency::Now | Urgency::Fresh => now,
            Urgency::Quiet => (now + QUIET).min(first + BOUND),
            Urgency::After(delay) | Urgency::FreshAfter(delay) => now + delay,
        };
        let Some(hint) = self.by_path.get_mut(&path) else {
            self.n_turns += 1;
            let turn = (due(now), self.n_turns);
            let hint = Hint {
                first: now,
                turn,
                epoch,
                urgent: is_urgent,
                deep: is_deep.then_some(now),
                walked: None,
                doubt,
            };
            self.by_turn.insert(turn, path.clone());
            self.by_path.insert(path, hint);
            return None;
        };
        let (old_due, at) = hint.turn;
        // What was due at once stays so; only a writer that goes on puts its own file off.
        let due = match due(hint.first) {
            due if hint.urgent || urgency != Urgency::Quiet => due.min(old_due),
            due => due,
        };
        if due != old_due {
            self.by_turn.remove(&hint.turn);
            hint.turn = (due, at);
            self.by_turn.insert(hint.turn, path);
        }
        // Only one of several files that came here one after the other is of the driver's own making, and the last may have
        // the number and the stamps that are known of the first.
        let comes_again = urgency == Urgency::Fresh && (hint.deep.is_some() || hint.doubt != Doubt::None);
        let doubt = if comes_again {
            doubt.max(Doubt::IfYoung)
        } else {
            doubt
        };
        let before = hint.epoch;
        hint.epoch = before.min(epoch);
        hint.urgent |= is_urgent;
        if is_deep {
            hint.deep = Some(now);
        }
        hint.doubt = hint.doubt.max(doubt);
        Some(before)
    }

    /// Enters an absence that is to be looked at again, and returns the epoch of the hint that the path had.
    pub(super) fn push_late(&mut self, path: RelPath, deep: bool, now: Instant, epoch: u64) -> Option<u64> {
        let urgency = if deep {
            Urgency::FreshAfter(LATE)
        } else {
            Urgency::After(LATE)
        };
        self.push(path, (urgency, Doubt::None), now, epoch)
    }

    /// Takes what is due, the longest due first.
    pub(super) fn take_due(&mut self, now: Instant, count_max: usize) -> Vec<Due> {
        let mut taken = Vec::new();
        while taken.len() < count_max
            && let Some(first) = self.by_turn.first_entry().filter(|entry| entry.key().0 <= now)
            && let Some((path, hint)) = self.by_path.remove_entry(&first.remove())
        {
            let Hint {
                first: since,
                epoch,
                deep,
                walked,
                doubt,
                ..
            } = hint;
            taken.push(Due {
                path,
                epoch,
                since,
                doubt,
                deep: deep.is_some_and(|said| walked.is_none_or(|until| until <= said)),
            });
        }
        taken
    }

    /// Notes that what is inside a directory was seen, and also what had come with it until then.
    pub(super) fn is_walked(&mut self, dir: &RelPath, until: Instant) {
        if let Some(hint) = self.by_path.get_mut(dir) {
            hint.walked = Some(until);
        }
    }

    /// Forgets everything and returns the epochs.
    pub(super) fn clear(&mut self) -> Vec<u64> {
        self.by_turn.clear();
        std::mem::take(&mut self.by_path)
            .into_values()
            .map(|hint| hint.epoch)
            .collect()
    }

    /// Returns when the next hint is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.by_turn.keys().next().map(|(due, _)| *due)
    }

    /// Returns when the last hint is due.
    pub(super) fn last_due(&self) -> Option<Instant> {
        self.by_turn.keys().next_back().map(|(due, _)| *due)
    }

    /// Tells whether there is a hint of a path.
    pub(super) fn has(&self, path: &RelPath) -> bool {
        self.by_path.contains_key(path)
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
        assert_eq!(hints.push(path("a"), (Urgency::Quiet, Doubt::None), now, 3), None);
        assert!(hints.take_due(now, 9).is_empty());
        assert_eq!(
            hints.push(path("a"), (Urgency::Now, Doubt::None), now + MS, 4),
            Some(3)
        );
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
            hints.push(path("a"), (Urgency::Quiet, Doubt::None), now, 0);
            now += 5 * MS;
            assert!(now < start + BOUND + QUIET);
        }
        assert!(start + BOUND <= now);
    }

    #[test]
    fn what_came_here_twice_is_doubted_also_when_it_was_put_off_in_between() {
        let (mut hints, now) = (Hints::default(), Instant::now());
        let came = (Urgency::Fresh, Doubt::None);
        hints.push(path("a"), came, now, 0);
        hints.push(path("a"), (Urgency::Now, Doubt::None), now, 0);
        assert_eq!(hints.take_due(now, 9)[0].doubt, Doubt::None);
        hints.push(path("a"), (Urgency::After(MS), Doubt::IfMoved), now, 0);
        hints.push(path("a"), came, now, 0);
        assert_eq!(hints.take_due(now, 9)[0].doubt, Doubt::IfYoung);
        hints.push(path("a"), came, now, 0);
        hints.push(path("a"), came, now, 0);
        assert_eq!(hints.take_due(now, 9)[0].doubt, Doubt::IfYoung);
    }

    #[test]
    fn what_is_due_at_once_is_not_put_off_by_a_later_write() {
        let (mut hints, now) = (Hints::default(), Instant::now());
        hints.push(path("a"), (Urgency::Now, Doubt::None), now, 0);
        hints.push(path("a"), (Urgency::Quiet, Doubt::None), now, 0);
        hints.push_late(path("a"), false, now, 0);
        assert_eq!(hints.take_due(now, 9).len(), 1);
    }
}
