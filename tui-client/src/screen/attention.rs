//! What needs a person: the brake, what stops the client, errors, and what is blocked.

use std::collections::VecDeque;

use sync_engine::RelPath;

use crate::notice::Trouble;

/// The most errors that are kept.
const ERRORS_MAX: usize = 100;

/// What needs a person.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attention {
    /// The brake, when it is on.
    pub brake: Option<Brake>,
    /// What another device has removed, until that is answered.
    pub removed: Option<Removed>,
    /// What stops the client, by its status.
    pub standing: Option<Trouble>,
    errors: VecDeque<Error>,
    blocked: Vec<(RelPath, String)>,
}

/// The brake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Brake {
    /// How many nodes would be removed.
    pub removals: u64,
    /// How many there are.
    pub nodes: u64,
    /// Why it is on.
    pub reason: String,
}

/// What another device has removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Removed {
    /// How many nodes.
    pub removals: u64,
    /// How many there were.
    pub nodes: u64,
}

/// An error that was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Error {
    /// When it was last told, in milliseconds since 1970.
    pub time_ms: u64,
    /// How often.
    pub times: u64,
    /// What it says.
    pub trouble: Trouble,
}

/// An entry of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry<'a> {
    /// The brake.
    Brake(&'a Brake),
    /// What another device has removed.
    Removed(&'a Removed),
    /// What stops the client.
    Standing(&'a Trouble),
    /// An error.
    Error(&'a Error),
    /// Something blocked, with the reason.
    Blocked(&'a RelPath, &'a str),
}

impl Attention {
    /// Returns the entries, the most urgent first.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let brake = self.brake.iter().map(Entry::Brake);
        let removed = self.removed.iter().map(Entry::Removed);
        let standing = self.standing.iter().map(Entry::Standing);
        let errors = self.errors.iter().map(Entry::Error);
        let blocked = self
            .blocked
            .iter()
            .map(|(path, reason)| Entry::Blocked(path, reason));
        brake.chain(removed).chain(standing).chain(errors).chain(blocked)
    }

    /// Returns how many there are.
    pub(crate) fn len(&self) -> usize {
        self.n_before_errors() + self.errors.len() + self.blocked.len()
    }

    fn n_before_errors(&self) -> usize {
        let before = [
            self.brake.is_some(),
            self.removed.is_some(),
            self.standing.is_some(),
        ];
        before.into_iter().filter(|is_there| *is_there).count()
    }

    /// Takes an error in; one that is told again is counted.
    pub(crate) fn error(&mut self, trouble: Trouble, now_ms: u64) {
        let before = self.errors.iter().position(|error| error.trouble == trouble);
        let times = before
            .and_then(|at| self.errors.remove(at))
            .map_or(1, |error| error.times + 1);
        self.errors.push_front(Error {
            time_ms: now_ms,
            times,
            trouble,
        });
        self.errors.truncate(ERRORS_MAX);
    }

    /// Takes an error off the list. Answers whether the entry was one.
    pub(crate) fn dismiss(&mut self, index: usize) -> bool {
        index
            .checked_sub(self.n_before_errors())
            .is_some_and(|at| self.errors.remove(at).is_some())
    }

    /// Takes in that a path is blocked, or no more.
    pub(crate) fn block(&mut self, path: RelPath, reason: Option<String>) {
        let at = self.blocked.binary_search_by(|(other, _)| other.cmp(&path));
        match (at, reason) {
            (Ok(at), Some(reason)) => self.blocked[at].1 = reason,
            (Ok(at), None) => {
                self.blocked.remove(at);
            }
            (Err(at), Some(reason)) => self.blocked.insert(at, (path, reason)),
            (Err(_), None) => (),
        }
    }

    /// Takes in all that is blocked.
    pub(crate) fn blocked(&mut self, mut blocked: Vec<(RelPath, String)>) {
        blocked.sort();
        blocked.dedup_by(|a, b| a.0 == b.0);
        self.blocked = blocked;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::parse(text.as_bytes()).expect("a path")
    }

    #[test]
    fn an_error_told_again_is_counted() {
        let mut attention = Attention::default();
        let trouble = |what: &str| Trouble {
            what: what.to_owned(),
            done: String::new(),
            todo: String::new(),
        };
        attention.error(trouble("a"), 1);
        attention.error(trouble("b"), 2);
        attention.error(trouble("a"), 3);
        assert_eq!(attention.len(), 2);
        let first = attention.entries().next();
        assert!(matches!(first, Some(Entry::Error(error)) if error.times == 2 && error.time_ms == 3));
        assert!(attention.dismiss(0));
        assert!(attention.dismiss(0));
        assert!(!attention.dismiss(0));
    }

    #[test]
    fn what_is_blocked_is_listed_until_it_is_not() {
        let mut attention = Attention::default();
        attention.block(path("b"), Some("no".to_owned()));
        attention.block(path("a"), Some("no".to_owned()));
        attention.block(path("b"), Some("still no".to_owned()));
        attention.block(path("c"), None);
        assert_eq!(attention.len(), 2);
        attention.block(path("a"), None);
        assert_eq!(
            attention.entries().next(),
            Some(Entry::Blocked(&path("b"), "still no"))
        );
        assert!(!attention.dismiss(0), "only errors are dismissed");
    }
}
