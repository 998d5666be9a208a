//! The server's journal does not have what this device knew: it was put back to an older state. Before anything else it is
//! found out how far the two journals are one: the server is asked which points of the device's trail it has too.
//! Until its tree is here nothing that is remembered changes, so whatever breaks this off, it begins again.

use super::{Session, Tell};
use crate::advance;
use crate::trail::Point;
use crate::tree::Item;
use crate::{NodeId, Version};
use alloc::vec::Vec;

/// A search under way.
///
/// Law: the journals are one up to `common`, and `before` is in one of them only.
#[derive(Debug, Clone, Default, Hash)]
pub(super) struct Search {
    common: Version,
    before: Option<Version>,
    /// What the server was asked about, newest first.
    asked: Vec<Version>,
}

impl Search {
    /// Takes the server's answer. One that is none of what it was asked about says nothing.
    fn answered(&mut self, newest: Version) {
        let at = self.asked.iter().position(|asked| *asked == newest);
        let above = at.unwrap_or(self.asked.len()).checked_sub(1);
        self.before = above.map_or(self.before, |above| self.asked.get(above).copied());
        if at.is_some() {
            self.common = newest;
        }
    }
}

impl Session {
    /// The server's journal does not have what this device knew: it was put back to an older state. What the server lost
    /// is sent again, and nothing is deleted.
    pub fn put_back(&mut self) {
        let Some(link) = &mut self.link else { return };
        link.is_pulled = false;
        link.search = Some(Search::default());
        self.call_back();
        self.tells.push(Tell::Diverged);
        self.search();
    }

    /// Returns up to where the server's journal is the one that was followed. What was before the first point of the trail
    /// came as a tree and not as a journal, so there only the two trees can show it.
    pub(super) fn common(&self, search: &Search, items: &[(NodeId, Item)]) -> Version {
        match self.trail.first() {
            Some(first) if first <= search.common => search.common,
            Some(first) => advance::common_past(self.trees.remote(), items, first),
            None => Version::ZERO,
        }
    }

    /// Asks for the next points, or for the tree if nothing more is to be found out.
    fn search(&mut self) {
        let Some(search) = self.link.as_mut().and_then(|link| link.search.as_mut()) else {
            return;
        };
        let points = self.trail.between(search.common, search.before);
        search.asked = points.iter().map(|point: &Point| point.version).collect();
        if points.is_empty() {
            self.pull(None);
        } else {
            self.tells.push(Tell::Compare(points));
        }
    }

    /// The server has said which of the points that it was asked about is the newest that it has; zero if it has none, or if
    /// it cannot say.
    pub fn compared(&mut self, newest: Version) {
        if let Some(search) = self.link.as_mut().and_then(|link| link.search.as_mut())
            && !search.asked.is_empty()
        {
            search.answered(newest);
            self.search();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Hash;
    use crate::trail::{POINTS_MAX, Trail};

    fn point(number: u64) -> Point {
        Point {
            version: Version(number),
            chain: Hash::of(&number.to_le_bytes()),
        }
    }

    /// Returns what a search finds when the journals are one up to an entry, and how often it asks.
    fn found(trail: &Trail, common: u64) -> (u64, usize) {
        let mut search = Search::default();
        for n_questions in 0.. {
            let points = trail.between(search.common, search.before);
            assert!(points.len() <= POINTS_MAX);
            if points.is_empty() {
                return (search.common.0, n_questions);
            }
            search.asked = points.iter().map(|point| point.version).collect();
            let newest = points.iter().find(|point| point.version.0 <= common);
            search.answered(newest.map_or(Version::ZERO, |point| point.version));
        }
        unreachable!("it ends when there is nothing to ask")
    }

    #[test]
    fn the_newest_point_that_both_have_is_found_in_few_questions() {
        let mut trail = Trail::default();
        (1..=20_000).for_each(|number| drop(trail.enter(point(number))));
        for common in [0, 1, 15, 8000, 18_975, 18_977, 19_998, 19_999, 20_000] {
            let (newest, n_questions) = found(&trail, common);
            let kept = (0..=common).rev().find(|n| trail.chain(Version(*n)).is_some());
            assert_eq!(newest, kept.unwrap_or(0), "for {common}");
            assert!(n_questions <= 3, "{n_questions} for {common}");
        }
    }

    #[test]
    fn an_answer_that_was_not_asked_for_finds_nothing() {
        let mut search = Search {
            asked: [Version(9), Version(7)].into(),
            ..Search::default()
        };
        search.answered(Version(8));
        assert_eq!((search.common, search.before), (Version::ZERO, Some(Version(7))));
    }
}
