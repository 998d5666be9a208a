//! The command palette: everything that can be done here, found by a few letters of its name.

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use super::cursor::Cursor;
use super::input::Input;
use super::keys::{Action, Binding, Context, KeyTable};

/// The palette.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Palette {
    /// What is typed.
    pub input: Input,
    /// The place in the list.
    pub cursor: Cursor,
    entries: Vec<Binding>,
    found: Vec<usize>,
}

impl Palette {
    /// Opens it with what the contexts bind, but for the keys that only move.
    pub(crate) fn new(keys: &KeyTable, contexts: &[Context]) -> Self {
        let entries: Vec<Binding> = contexts
            .iter()
            .flat_map(|context| keys.of(*context))
            .filter(|binding| !is_motion(binding.action))
            .cloned()
            .collect();
        let mut palette = Self {
            input: Input::default(),
            cursor: Cursor::default(),
            entries,
            found: Vec::new(),
        };
        palette.search();
        palette
    }

    /// Finds anew, the best first.
    pub(crate) fn search(&mut self) {
        let pattern = Pattern::parse(&self.input.text(), CaseMatching::Ignore, Normalization::Smart);
        let mut matcher = Matcher::new(Config::DEFAULT);
        let mut letters = Vec::new();
        let mut scored: Vec<(u32, usize)> = Vec::new();
        for (index, entry) in self.entries.iter().enumerate() {
            if let Some(score) = pattern.score(Utf32Str::new(entry.help, &mut letters), &mut matcher) {
                scored.push((score, index));
            }
        }
        scored.sort_by_key(|(score, index)| (std::cmp::Reverse(*score), *index));
        self.found = scored.into_iter().map(|(_, index)| index).collect();
        self.cursor = Cursor::default();
    }

    /// Returns what is found.
    pub(crate) fn found(&self) -> impl ExactSizeIterator<Item = &Binding> {
        self.found.iter().map(|index| &self.entries[*index])
    }

    /// Returns the selected action.
    pub(crate) fn chosen(&self) -> Option<Action> {
        let index = self.found.get(self.cursor.selected)?;
        Some(self.entries[*index].action)
    }
}

fn is_motion(action: Action) -> bool {
    matches!(
        action,
        Action::Down
            | Action::Up
            | Action::HalfPageDown
            | Action::HalfPageUp
            | Action::PageDown
            | Action::PageUp
            | Action::Top
            | Action::Bottom
            | Action::Back
            | Action::Palette
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_letters_find_an_action() {
        let mut palette = Palette::new(&KeyTable::default(), &[Context::Global]);
        palette.input.paste("qr code");
        palette.search();
        assert_eq!(palette.chosen(), Some(Action::Account));
        palette.input.paste("zzzz");
        palette.search();
        assert_eq!(palette.chosen(), None);
    }
}
