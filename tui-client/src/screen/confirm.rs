//! A question before something is done that takes something away. It names its effect, and its safe answer is the
//! default. What is done, once done, may be undone.

use crate::control::Ask;

/// The question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Confirm {
    /// What it is about.
    pub title: String,
    /// What will happen.
    pub lines: Vec<String>,
    /// The answers; the first is safe and does nothing.
    pub answers: Vec<Reply>,
    /// The marked answer.
    pub selected: usize,
}

/// An answer to the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    /// Its words.
    pub label: String,
    /// What it does; nothing does nothing.
    pub deed: Option<Deed>,
}

/// Something done on a person's behalf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deed {
    /// The orders.
    pub asks: Vec<Ask>,
    /// What to say when all are done.
    pub said: String,
    /// How to undo it, where that is possible.
    pub undo: Option<Undo>,
}

/// How to undo something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Undo {
    /// What undoing it does, for a person.
    pub says: String,
    /// The orders.
    pub asks: Vec<Ask>,
}

/// A deed whose orders are on their way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pending {
    /// The orders not yet answered.
    pub open: Vec<Ask>,
    /// Whether one failed.
    pub failed: bool,
    /// The deed.
    pub deed: Deed,
}

impl Confirm {
    /// Asks for one deed, or none.
    pub(crate) fn new(title: &str, lines: Vec<String>, label: &str, deed: Deed) -> Self {
        Self::choose(title, lines, vec![(label, deed)])
    }

    /// Asks for one of several deeds, or none.
    pub(crate) fn choose(title: &str, lines: Vec<String>, deeds: Vec<(&str, Deed)>) -> Self {
        let cancel = Reply {
            label: "Cancel".to_owned(),
            deed: None,
        };
        let replies = deeds.into_iter().map(|(label, deed)| Reply {
            label: label.to_owned(),
            deed: Some(deed),
        });
        Self {
            title: title.to_owned(),
            lines,
            answers: std::iter::once(cancel).chain(replies).collect(),
            selected: 0,
        }
    }

    /// Marks the next answer, or the one before, round and round.
    pub(crate) fn turn(&mut self, back: bool) {
        let step = if back { self.answers.len() - 1 } else { 1 };
        self.selected = (self.selected + step) % self.answers.len();
    }
}
