//! A line of text that a person types: the cursor moves by grapheme, and nothing deceptive gets in.

use ratatui::style::Style;
use ratatui::text::Span;
use sync_engine::name::is_deceptive;

/// The longest text that is taken, in characters.
const LEN_MAX: usize = 4096;

/// The line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Input {
    before: String,
    after: String,
}

/// What a key does to the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stroke {
    /// Types a character.
    Insert(char),
    /// Removes the grapheme before the cursor.
    Backspace,
    /// Removes the grapheme after the cursor.
    Delete,
    /// Removes the word before the cursor.
    DeleteWord,
    /// Removes everything before the cursor.
    Clear,
    /// Moves one grapheme back.
    Left,
    /// Moves one grapheme on.
    Right,
    /// Moves to the start.
    Home,
    /// Moves to the end.
    End,
}

impl Input {
    /// Starts with a text and the cursor behind it.
    pub(crate) fn new(text: &str) -> Self {
        let mut input = Self::default();
        input.paste(text);
        input
    }

    /// Returns the whole text.
    pub(crate) fn text(&self) -> String {
        format!("{}{}", self.before, self.after)
    }

    /// Returns the text before the cursor.
    pub(crate) fn before(&self) -> &str {
        &self.before
    }

    /// Types a text, without the characters that would change how it is shown.
    pub(crate) fn paste(&mut self, text: &str) {
        let room = LEN_MAX.saturating_sub(self.before.chars().count() + self.after.chars().count());
        self.before
            .extend(text.chars().filter(|c| !is_deceptive(*c)).take(room));
    }

    /// Does what a key says.
    pub(crate) fn stroke(&mut self, stroke: Stroke) {
        match stroke {
            Stroke::Insert(c) => self.paste(c.encode_utf8(&mut [0; 4])),
            Stroke::Backspace => self.before.truncate(last_grapheme(&self.before)),
            Stroke::Delete => {
                self.after.drain(..first_grapheme(&self.after));
            }
            Stroke::DeleteWord => {
                let end = self.before.trim_end().len();
                let start = self.before[..end].rfind([' ', '/']).map_or(0, |at| at + 1);
                self.before.truncate(start.min(end));
            }
            Stroke::Clear => self.before.clear(),
            Stroke::Left => {
                let tail = self.before.split_off(last_grapheme(&self.before));
                self.after.insert_str(0, &tail);
            }
            Stroke::Right => {
                let head: String = self.after.drain(..first_grapheme(&self.after)).collect();
                self.before.push_str(&head);
            }
            Stroke::Home => self.after.insert_str(0, &std::mem::take(&mut self.before)),
            Stroke::End => self.before.push_str(&std::mem::take(&mut self.after)),
        }
    }
}

/// Returns where the last grapheme starts.
fn last_grapheme(text: &str) -> usize {
    let last = Span::raw(text)
        .styled_graphemes(Style::new())
        .last()
        .map_or(0, |g| g.symbol.len());
    text.len() - last
}

/// Returns where the first grapheme ends.
fn first_grapheme(text: &str) -> usize {
    Span::raw(text)
        .styled_graphemes(Style::new())
        .next()
        .map_or(0, |g| g.symbol.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_moves_by_grapheme() {
        let mut input = Input::new("ae\u{301}日");
        input.stroke(Stroke::Backspace);
        input.stroke(Stroke::Left);
        input.stroke(Stroke::Insert('x'));
        assert_eq!(input.text(), "axe\u{301}");
        input.stroke(Stroke::Delete);
        assert_eq!(input.text(), "ax");
    }

    #[test]
    fn words_and_the_whole_are_removed() {
        let mut input = Input::new("/home/ann/my notes");
        input.stroke(Stroke::DeleteWord);
        assert_eq!(input.text(), "/home/ann/my ");
        input.stroke(Stroke::DeleteWord);
        assert_eq!(input.text(), "/home/ann/");
        input.stroke(Stroke::Home);
        input.stroke(Stroke::Clear);
        assert_eq!(input.text(), "/home/ann/");
        input.stroke(Stroke::End);
        input.stroke(Stroke::Clear);
        assert_eq!(input.text(), "");
    }

    #[test]
    fn nothing_deceptive_gets_in() {
        assert_eq!(Input::new("a\u{1b}[2Jb\u{202e}c\n").text(), "a[2Jbc");
    }
}
