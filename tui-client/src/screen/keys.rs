//! The keys, as a table. The footer's hints and the help are printed from it, and what a key does is looked up in
//! it, so nothing is written twice. A file may give an action other keys.

use std::collections::BTreeMap;
use std::fmt;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde::Deserialize;

use super::pane::Pane;

mod table;

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(
    missing_docs,
    reason = "each is described in the table, which the help prints"
)]
pub enum Action {
    Down,
    Up,
    HalfPageDown,
    HalfPageUp,
    PageDown,
    PageUp,
    Top,
    Bottom,
    Enter,
    Close,
    Expand,
    ExpandAll,
    CollapseAll,
    NextPane,
    PreviousPane,
    #[serde(skip)]
    GoTo(u8),
    Zoom,
    Mark,
    Filter,
    NextMatch,
    PreviousMatch,
    Back,
    Help,
    Palette,
    Account,
    Mask,
    Copy,
    CopyLink,
    CopyId,
    Open,
    Edit,
    Why,
    ShowHistory,
    Freeze,
    Resolve,
    KeepThis,
    KeepThat,
    KeepBoth,
    Restore,
    Rename,
    Revoke,
    ReplaceId,
    ReleaseBrake,
    Dismiss,
    Rescan,
    Verify,
    Undo,
    Quit,
}

/// Where a binding holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Context {
    /// In every pane that does not bind the key itself.
    Global,
    /// In one pane.
    Pane(Pane),
    /// In a window that is read: help, account, report.
    Reading,
    /// In a window that asks.
    Asking,
    /// Where text is typed; other characters are inserted.
    Typing,
}

/// A key with its modifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    code: KeyCode,
    modifiers: KeyModifiers,
}

/// A line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binding {
    /// Where it holds.
    pub context: Context,
    /// The keys.
    pub keys: Vec<Key>,
    /// What they ask for.
    pub action: Action,
    /// The word in the footer; empty when it is not shown there.
    pub hint: &'static str,
    /// The sentence in the help and the palette.
    pub help: &'static str,
}

/// Which key does what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyTable {
    pub(crate) bindings: Vec<Binding>,
}

/// Says what is wrong with other keys.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeysError {
    /// The text is no key.
    #[error("'{0}' is not a key")]
    UnknownKey(String),
    /// Two actions want one key in one place.
    #[error("the key {0} would do two things")]
    Twice(Key),
}

impl KeyTable {
    /// Returns this table with other keys for some actions. Ctrl-C always quits.
    ///
    /// # Errors
    /// When a text is no key, or a key would do two things in one place.
    pub fn with_keys(mut self, keys: &BTreeMap<Action, Vec<String>>) -> Result<Self, KeysError> {
        for (action, names) in keys {
            let parsed = names
                .iter()
                .map(|name| Key::parse(name))
                .collect::<Result<Vec<_>, _>>()?;
            for binding in self
                .bindings
                .iter_mut()
                .filter(|binding| binding.action == *action)
            {
                binding.keys.clone_from(&parsed);
                if *action == Action::Quit {
                    binding.keys.push(Key::ctrl('c'));
                    binding.keys.dedup();
                }
            }
        }
        match self.twice() {
            Some(key) => Err(KeysError::Twice(key)),
            None => Ok(self),
        }
    }

    /// Looks up what a key asks for, in the first of the contexts that binds it.
    pub(crate) fn action(&self, contexts: &[Context], key: Key) -> Option<Action> {
        contexts.iter().find_map(|context| {
            self.bindings
                .iter()
                .find(|binding| binding.context == *context && binding.keys.contains(&key))
                .map(|binding| binding.action)
        })
    }

    /// Returns the bindings of a context, in the order of the table.
    pub(crate) fn of(&self, context: Context) -> impl Iterator<Item = &Binding> {
        self.bindings
            .iter()
            .filter(move |binding| binding.context == context)
    }

    /// Returns a key that is bound twice in one context.
    fn twice(&self) -> Option<Key> {
        let mut seen = std::collections::HashSet::new();
        self.bindings
            .iter()
            .flat_map(|binding| binding.keys.iter().map(|key| (binding.context, *key)))
            .find(|bound| !seen.insert(*bound))
            .map(|(_, key)| key)
    }
}

impl Key {
    /// Reads a key: `j`, `G`, `ctrl-u`, `alt-x`, `enter`, `pgdn`, `f1` …
    ///
    /// # Errors
    /// When the text is no key.
    pub fn parse(text: &str) -> Result<Self, KeysError> {
        let unknown = || KeysError::UnknownKey(text.to_owned());
        let mut modifiers = KeyModifiers::NONE;
        let mut rest = text;
        while let Some((prefix, tail)) = rest
            .split_once('-')
            .filter(|(prefix, tail)| !prefix.is_empty() && !tail.is_empty())
        {
            modifiers |= match prefix {
                "ctrl" => KeyModifiers::CONTROL,
                "alt" => KeyModifiers::ALT,
                "shift" => KeyModifiers::SHIFT,
                _ => return Err(unknown()),
            };
            rest = tail;
        }
        let mut chars = rest.chars();
        let code = match (chars.next(), chars.next()) {
            (Some(c), None) => KeyCode::Char(c),
            _ => NAMED
                .iter()
                .find(|(name, _, _)| *name == rest)
                .map(|(_, _, code)| *code)
                .or_else(|| {
                    rest.strip_prefix('f')?
                        .parse()
                        .ok()
                        .filter(|n| (1..=12).contains(n))
                        .map(KeyCode::F)
                })
                .ok_or_else(unknown)?,
        };
        Ok(Self { code, modifiers })
    }

    fn ctrl(c: char) -> Self {
        Self {
            code: KeyCode::Char(c),
            modifiers: KeyModifiers::CONTROL,
        }
    }

    /// Returns the key of an event: shift is part of the character, and back-tab is a key of its own.
    pub(crate) fn of(event: &KeyEvent) -> Self {
        let mut modifiers = event.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT);
        let code = match event.code {
            KeyCode::Tab if event.modifiers.contains(KeyModifiers::SHIFT) => KeyCode::BackTab,
            // Some terminals send the capital letter of a control key.
            KeyCode::Char(c) if modifiers.contains(KeyModifiers::CONTROL) => {
                KeyCode::Char(c.to_ascii_lowercase())
            }
            code => code,
        };
        // AltGr arrives on Windows as Ctrl and Alt together; what it typed counts.
        if modifiers.contains(KeyModifiers::CONTROL | KeyModifiers::ALT) && matches!(code, KeyCode::Char(_)) {
            modifiers = KeyModifiers::NONE;
        }
        Self { code, modifiers }
    }

    /// Returns the character that this key types, if it types one.
    pub(crate) fn typed(self) -> Option<char> {
        match self.code {
            KeyCode::Char(c) if self.modifiers.is_empty() => Some(c),
            _ => None,
        }
    }
}

/// Names of keys: as read, as shown, as meant.
const NAMED: [(&str, &str, KeyCode); 15] = [
    ("space", "Space", KeyCode::Char(' ')),
    ("enter", "Enter", KeyCode::Enter),
    ("esc", "Esc", KeyCode::Esc),
    ("tab", "Tab", KeyCode::Tab),
    ("back-tab", "Shift-Tab", KeyCode::BackTab),
    ("backtab", "Shift-Tab", KeyCode::BackTab),
    ("up", "Up", KeyCode::Up),
    ("down", "Down", KeyCode::Down),
    ("left", "Left", KeyCode::Left),
    ("right", "Right", KeyCode::Right),
    ("pgup", "PgUp", KeyCode::PageUp),
    ("pgdn", "PgDn", KeyCode::PageDown),
    ("home", "Home", KeyCode::Home),
    ("end", "End", KeyCode::End),
    ("delete", "Del", KeyCode::Delete),
];

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.modifiers.contains(KeyModifiers::CONTROL) {
            f.write_str("Ctrl-")?;
        }
        if self.modifiers.contains(KeyModifiers::ALT) {
            f.write_str("Alt-")?;
        }
        if let Some((_, shown, _)) = NAMED.iter().find(|(_, _, code)| *code == self.code) {
            return f.write_str(shown);
        }
        match self.code {
            KeyCode::Char(c) => write!(f, "{c}"),
            KeyCode::F(n) => write!(f, "F{n}"),
            other => write!(f, "{other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_does_two_things_in_one_place() {
        assert_eq!(KeyTable::default().twice(), None);
    }

    #[test]
    fn a_file_gives_an_action_other_keys() {
        let keys = BTreeMap::from([(Action::Quit, vec!["ctrl-q".to_owned()])]);
        let table = KeyTable::default().with_keys(&keys).expect("free keys");
        let at = |name: &str| table.action(&[Context::Global], Key::parse(name).expect("a key"));
        assert_eq!(at("ctrl-q"), Some(Action::Quit));
        assert_eq!(at("ctrl-c"), Some(Action::Quit));
        assert_eq!(at("q"), None);
    }

    #[test]
    fn a_key_for_two_actions_is_refused() {
        let keys = BTreeMap::from([(Action::Quit, vec!["j".to_owned()])]);
        assert!(matches!(
            KeyTable::default().with_keys(&keys),
            Err(KeysError::Twice(_))
        ));
        let keys = BTreeMap::from([(Action::Quit, vec!["hyper-j".to_owned()])]);
        assert!(matches!(
            KeyTable::default().with_keys(&keys),
            Err(KeysError::UnknownKey(_))
        ));
    }

    #[test]
    fn shift_is_part_of_the_character() {
        let event = KeyEvent::new(KeyCode::Char('G'), KeyModifiers::SHIFT);
        assert_eq!(Key::of(&event), Key::parse("G").expect("a key"));
        assert_eq!(Key::parse("-").expect("a key").to_string(), "-");
        assert_eq!(Key::parse("ctrl-u").expect("a key").to_string(), "Ctrl-u");
    }
}
