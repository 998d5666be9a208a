//! The trail of a device: the points of the journal that it has passed. When a server was put back to an older state, the
//! trail shows how far the two histories are one. It is dense where it is new, and the older the sparser, so that it stays
//! short however long the journal is.

use crate::{Hash, Version};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::ops::Bound;
use serde::{Deserialize, Serialize};

/// So many of the newest points are all kept. Of those up to twice as old every second is, then every fourth, and so on.
const DENSE_LEN: u64 = 1024;

/// How many points are asked about at once at most.
pub const POINTS_MAX: usize = 1024;

/// An entry's number, and the chain's hash at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Point {
    /// The entry's number.
    pub version: Version,
    /// The chain's hash after it.
    pub chain: Hash,
}

/// See the module's page.
///
/// Law: of any entry that was passed, one is kept that is at most a 256th of its age older. The age of an entry is the
/// number of those after it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Trail(BTreeMap<Version, Hash>);

impl Trail {
    /// Puts a trail together that was kept apart, such as in a database.
    #[must_use]
    pub fn restore(points: impl IntoIterator<Item = Point>) -> Self {
        Self(
            points
                .into_iter()
                .map(|point| (point.version, point.chain))
                .collect(),
        )
    }

    /// Returns the chain's hash at an entry that is kept.
    #[must_use]
    pub fn chain(&self, version: Version) -> Option<Hash> {
        self.0.get(&version).copied()
    }

    /// Returns the number of the oldest point that is kept.
    #[must_use]
    pub(crate) fn first(&self) -> Option<Version> {
        self.0.first_key_value().map(|(first, _)| *first)
    }

    /// Enters the point that was passed last. Returns the numbers at which anything has changed.
    pub(crate) fn enter(&mut self, point: Point) -> Vec<Version> {
        let Point { version: head, chain } = point;
        let last = self.0.last_key_value().map(|(last, _)| *last);
        let gone: Vec<Version> = if last.is_some_and(|last| last.next() == head) {
            // Only what has just come to the age from which on fewer are kept may go.
            let ages = core::iter::successors(Some(DENSE_LEN), |age| age.checked_mul(2));
            let aged = ages.map_while(|age| head.0.checked_sub(age)).map(Version);
            aged.filter(|version| self.0.contains_key(version) && !is_kept(*version, head))
                .collect()
        } else {
            let all = self.0.keys().copied();
            all.filter(|version| !is_kept(*version, head)).collect()
        };
        for version in &gone {
            self.0.remove(version);
        }
        self.0.insert(head, chain);
        gone.into_iter().chain([head]).collect()
    }

    /// Forgets what was passed after an entry. Returns the numbers of what is forgotten.
    pub(crate) fn turn_back(&mut self, to: Version) -> BTreeSet<Version> {
        self.0.split_off(&to.next()).into_keys().collect()
    }

    /// Returns points after one entry and before another, newest first and evenly thinned out to as many as may be asked
    /// about at once. The newest is among them.
    #[must_use]
    pub(crate) fn between(&self, after: Version, before: Option<Version>) -> Vec<Point> {
        let before = before.map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.0.range((Bound::Excluded(after), before));
        let stride = range.clone().count().div_ceil(POINTS_MAX).max(1);
        let points = range.rev().step_by(stride);
        points
            .map(|(version, chain)| Point {
                version: *version,
                chain: *chain,
            })
            .collect()
    }
}

/// Tells whether an entry is kept when another is the newest.
fn is_kept(version: Version, head: Version) -> bool {
    let n_dense = head.0.saturating_sub(version.0) / DENSE_LEN;
    let octave = n_dense.checked_ilog2().map_or(0, |octave| octave + 1);
    version.0.is_multiple_of(1 << octave)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(number: u64) -> Point {
        Point {
            version: Version(number),
            chain: Hash::of(&number.to_le_bytes()),
        }
    }

    fn followed(n_entries: u64) -> Trail {
        let mut trail = Trail::default();
        (1..=n_entries).for_each(|number| drop(trail.enter(point(number))));
        trail
    }

    #[test]
    fn of_any_entry_one_is_kept_that_is_little_older() {
        for head in [1, 2, 1023, 1024, 1025, 5000, 40_000] {
            let trail = followed(head);
            for number in 1..=head {
                let kept = trail.0.range(..=Version(number)).next_back();
                let kept = kept.map_or(0, |(version, _)| version.0);
                assert!(
                    number - kept <= (head - number) / 256,
                    "{kept} for {number} of {head}"
                );
            }
        }
    }

    #[test]
    fn a_trail_is_short_however_long_the_journal_is() {
        assert!(followed(40_000).0.len() < 7 * 1024);
        let head = Version(1 << 40);
        let step = 1 << 25;
        let kept = (0..head.0)
            .step_by(step)
            .filter(|n| is_kept(Version(*n), head))
            .count();
        assert!(kept < 16 * 1024, "{kept}");
    }

    #[test]
    fn what_changes_at_each_entry_is_told() {
        let (mut trail, mut saved) = (Trail::default(), BTreeMap::new());
        let numbers = (1..5000).chain([5007]).chain(9000..12_000);
        for number in numbers {
            for version in trail.enter(point(number)) {
                match trail.chain(version) {
                    Some(chain) => saved.insert(version, chain),
                    None => saved.remove(&version),
                };
            }
        }
        assert_eq!(trail.0, saved);
        assert!(trail.0.keys().all(|version| is_kept(*version, Version(11_999))));
    }

    #[test]
    fn what_was_passed_after_the_turn_is_forgotten() {
        let mut trail = followed(10);
        assert_eq!(trail.turn_back(Version(8)), [Version(9), Version(10)].into());
        assert_eq!(trail, followed(8));
    }

    #[test]
    fn not_more_points_are_asked_about_than_may_be() {
        let trail = followed(20_000);
        let points = trail.between(Version::ZERO, None);
        assert!(points.len() <= POINTS_MAX && points[0] == point(20_000));
        assert!(points.is_sorted_by(|newer, older| older.version < newer.version));
        assert_eq!(
            trail.between(Version(19_996), Some(Version(19_999))),
            [point(19_998), point(19_997)]
        );
        assert_eq!(trail.between(Version(19_998), Some(Version(19_999))), []);
    }
}
