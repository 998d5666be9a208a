//! The feed: what changed, newest first. Frozen, it keeps what is shown and counts what arrives.

use std::collections::VecDeque;

use sync_engine::{RelPath, Version};

use crate::control::LogItem;
use crate::notice::{ChangeKind, ChangeNotice, Direction};

/// The most lines that are kept.
const LINES_MAX: usize = 1000;

/// The feed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Feed {
    lines: VecDeque<Line>,
    held: VecDeque<Line>,
    /// Whether it is frozen.
    pub frozen: bool,
}

/// A line of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// When it was heard of, in milliseconds since 1970.
    pub time_ms: u64,
    /// What happened.
    pub event: Event,
    /// To which path.
    pub path: RelPath,
    /// Where it was before.
    pub from: Option<RelPath>,
    /// By which device.
    pub device: String,
    /// A remark for a person.
    pub remark: Option<String>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// A change.
    Change {
        /// What was done.
        kind: ChangeKind,
        /// Which way it went; not known of the past.
        direction: Option<Direction>,
        /// Its journal number, once the server has it.
        version: Option<Version>,
    },
    /// A conflict began, or ended.
    Conflict {
        /// Whether it ended.
        resolved: bool,
    },
}

impl Feed {
    /// Returns the lines shown, newest first.
    pub(crate) fn lines(&self) -> &VecDeque<Line> {
        &self.lines
    }

    /// Returns how many arrived while frozen.
    pub(crate) fn held(&self) -> usize {
        self.held.len()
    }

    /// Takes the past in: what the server's journal tells, newest first.
    pub(crate) fn past(&mut self, log: Vec<LogItem>) {
        for item in log.into_iter().rev() {
            if self.knows(item.version) {
                continue;
            }
            let line = Line {
                time_ms: item.time_ms,
                event: Event::Change {
                    kind: item.kind,
                    direction: None,
                    version: Some(item.version),
                },
                path: item.path,
                from: None,
                device: item.device,
                remark: None,
            };
            // What was heard live meanwhile is newer, or at least not older.
            let at = self.lines.partition_point(|other| other.time_ms > line.time_ms);
            self.lines.insert(at, line);
        }
        self.lines.truncate(LINES_MAX);
    }

    fn knows(&self, number: Version) -> bool {
        let known = |line: &Line| matches!(line.event, Event::Change { version: Some(v), .. } if v == number);
        self.lines.iter().chain(&self.held).any(known)
    }

    /// Takes a change in. Answers whether a line was added to those shown. A change that was told before it had a
    /// journal number gets it now, in its old line.
    pub(crate) fn change(&mut self, change: ChangeNotice, now_ms: u64) -> bool {
        if let Some(number) = change.version {
            if self.knows(number) {
                return false;
            }
            let unnumbered = |line: &&mut Line| {
                let same =
                    matches!(line.event, Event::Change { kind, version: None, .. } if kind == change.kind);
                same && line.path == change.path
            };
            if let Some(line) = self.lines.iter_mut().chain(&mut self.held).find(unnumbered) {
                if let Event::Change { version, .. } = &mut line.event {
                    *version = Some(number);
                }
                line.remark = change.remark.or(line.remark.take());
                return false;
            }
        }
        self.add(Line {
            time_ms: now_ms,
            event: Event::Change {
                kind: change.kind,
                direction: Some(change.direction),
                version: change.version,
            },
            path: change.path,
            from: change.from,
            device: change.device,
            remark: change.remark,
        })
    }

    /// Adds a line on top. Answers whether it is shown.
    pub(crate) fn add(&mut self, line: Line) -> bool {
        let lines = if self.frozen {
            &mut self.held
        } else {
            &mut self.lines
        };
        lines.push_front(line);
        lines.truncate(LINES_MAX);
        !self.frozen
    }

    /// Freezes the feed, or lets it run and shows what was held. Answers how many lines were added.
    pub(crate) fn toggle(&mut self) -> usize {
        self.frozen = !self.frozen;
        let added = self.held.len();
        while let Some(line) = self.held.pop_back() {
            self.lines.push_front(line);
        }
        self.lines.truncate(LINES_MAX);
        added
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(path: &str, version: Option<u64>) -> ChangeNotice {
        ChangeNotice {
            path: RelPath::parse(path.as_bytes()).expect("a path"),
            from: None,
            kind: ChangeKind::Edited,
            direction: Direction::Up,
            device: "desk".to_owned(),
            version: version.map(Version),
            remark: None,
        }
    }

    #[test]
    fn a_change_that_gets_its_number_stays_one_line() {
        let mut feed = Feed::default();
        assert!(feed.change(change("a", None), 1));
        assert!(!feed.change(change("a", Some(4)), 2));
        assert!(!feed.change(change("a", Some(4)), 3));
        assert_eq!(feed.lines().len(), 1);
    }

    #[test]
    fn a_frozen_feed_holds_what_arrives() {
        let mut feed = Feed::default();
        feed.change(change("a", Some(1)), 1);
        feed.toggle();
        assert!(!feed.change(change("b", Some(2)), 2));
        assert_eq!((feed.lines().len(), feed.held()), (1, 1));
        assert_eq!(feed.toggle(), 1);
        assert_eq!(feed.lines()[0].path.to_string(), "b");
    }

    #[test]
    fn the_feed_forgets_the_oldest() {
        let mut feed = Feed::default();
        for n in 0..2000 {
            feed.change(change("a", Some(n)), n);
        }
        assert_eq!(feed.lines().len(), LINES_MAX);
        assert_eq!(feed.lines()[0].time_ms, 1999);
    }
}
