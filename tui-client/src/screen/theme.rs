//! Colours and glyphs. The terminal's own 16 colours, so that light and dark both work; no state is told by colour
//! alone, so that none is needed; every glyph has an ASCII twin for poor terminals.

use std::collections::BTreeMap;
use std::str::FromStr;

use jiff::tz::TimeZone;
use ratatui::style::{Color, Modifier, Style};
use sync_engine::name::visible;

use crate::control::{ItemKind, ItemState, State};
use crate::notice::ChangeKind;

/// How everything is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Theme {
    /// Whether to draw with ASCII only.
    pub ascii: bool,
    /// Whether to use colours; bold, dim and reversed stay.
    pub colour: bool,
    /// The zone that times are shown in.
    pub zone: TimeZone,
    palette: Palette,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Palette {
    accent: Color,
    good: Color,
    warn: Color,
    bad: Color,
    up: Color,
    down: Color,
    directory: Color,
    selected_text: Color,
    selected: Color,
}

/// Says what is wrong with a theme file.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ThemeError {
    /// There is no such part of the screen.
    #[error("the theme names '{0}', which is not a part of the screen")]
    UnknownPart(String),
    /// The colour is not known.
    #[error("the theme gives '{part}' the colour '{colour}', which is not known")]
    UnknownColour {
        /// The part.
        part: String,
        /// The colour.
        colour: String,
    },
}

impl Theme {
    /// Returns the theme for this terminal: ASCII when the locale is not UTF-8, no colours when `NO_COLOR` is set.
    #[must_use]
    pub fn from_environment() -> Self {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
        let utf8 = cfg!(windows)
            || locale.is_some_and(|value| {
                let value = value.to_ascii_lowercase();
                value.contains("utf-8") || value.contains("utf8")
            });
        Self {
            ascii: !utf8,
            colour: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            zone: TimeZone::system(),
            palette: Palette::default(),
        }
    }

    /// Returns this theme with ASCII only, if so wanted; what the environment demands stays.
    #[must_use]
    pub fn with_ascii(mut self, ascii: bool) -> Self {
        self.ascii |= ascii;
        self
    }

    /// Returns this theme without colours, if so wanted; what the environment demands stays.
    #[must_use]
    pub fn with_colour(mut self, colour: bool) -> Self {
        self.colour &= colour;
        self
    }

    /// Returns a theme that depends on nothing outside: for tests and pictures.
    #[must_use]
    pub fn plain(ascii: bool, colour: bool) -> Self {
        Self {
            ascii,
            colour,
            zone: TimeZone::UTC,
            palette: Palette::default(),
        }
    }

    /// Returns this theme with other colours: `accent`, `good`, `warn`, `bad`, `up`, `down`, `directory`,
    /// `selected`, `selected-text`, each a name such as `light-blue`, a number of the 256, or `#rrggbb`.
    ///
    /// # Errors
    /// When a part or a colour is not known.
    pub fn with_colours(mut self, colours: &BTreeMap<String, String>) -> Result<Self, ThemeError> {
        for (part, colour) in colours {
            let value = Color::from_str(colour).map_err(|_| ThemeError::UnknownColour {
                part: part.clone(),
                colour: colour.clone(),
            })?;
            let slot = match part.as_str() {
                "accent" => &mut self.palette.accent,
                "good" => &mut self.palette.good,
                "warn" => &mut self.palette.warn,
                "bad" => &mut self.palette.bad,
                "up" => &mut self.palette.up,
                "down" => &mut self.palette.down,
                "directory" => &mut self.palette.directory,
                "selected" => &mut self.palette.selected,
                "selected-text" => &mut self.palette.selected_text,
                _ => return Err(ThemeError::UnknownPart(part.clone())),
            };
            *slot = value;
        }
        Ok(self)
    }

    fn foreground(&self, colour: Color) -> Style {
        if self.colour {
            Style::new().fg(colour)
        } else {
            Style::new()
        }
    }

    pub(crate) fn text(&self) -> Style {
        Style::new()
    }

    pub(crate) fn dim(&self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub(crate) fn bold(&self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(crate) fn accent(&self) -> Style {
        self.foreground(self.palette.accent).add_modifier(Modifier::BOLD)
    }

    pub(crate) fn good(&self) -> Style {
        self.foreground(self.palette.good)
    }

    pub(crate) fn warn(&self) -> Style {
        self.foreground(self.palette.warn)
    }

    pub(crate) fn bad(&self) -> Style {
        self.foreground(self.palette.bad).add_modifier(Modifier::BOLD)
    }

    pub(crate) fn up(&self) -> Style {
        self.foreground(self.palette.up)
    }

    pub(crate) fn down(&self) -> Style {
        self.foreground(self.palette.down)
    }

    pub(crate) fn directory(&self) -> Style {
        self.foreground(self.palette.directory)
            .add_modifier(Modifier::BOLD)
    }

    /// The style laid over the selected row of the focused list.
    pub(crate) fn selected(&self) -> Style {
        if self.colour {
            Style::new()
                .fg(self.palette.selected_text)
                .bg(self.palette.selected)
                .add_modifier(Modifier::BOLD)
                .remove_modifier(Modifier::DIM)
        } else {
            Style::new()
                .add_modifier(Modifier::REVERSED)
                .remove_modifier(Modifier::DIM)
        }
    }

    /// The style laid over the selected row of a list without focus.
    pub(crate) fn resting(&self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Picks the glyph, or its ASCII twin.
    pub(crate) fn pick(&self, glyph: &'static str, ascii: &'static str) -> &'static str {
        if self.ascii { ascii } else { glyph }
    }

    /// What stands for text that was cut.
    pub(crate) fn ellipsis(&self) -> &'static str {
        self.pick("…", "~")
    }

    /// Makes a text from outside safe to show: deceptive characters become visible, and in ASCII mode all others
    /// that the terminal may not know. The one door to the screen.
    pub(crate) fn safe(&self, text: &str) -> String {
        let shown = visible(text);
        if !self.ascii || shown.is_ascii() {
            return shown;
        }
        shown
            .chars()
            .map(|c| {
                if c.is_ascii() {
                    c.to_string()
                } else {
                    c.escape_unicode().to_string()
                }
            })
            .collect()
    }

    pub(crate) fn item_state(&self, state: ItemState) -> (&'static str, Style) {
        match state {
            ItemState::Ignored => (self.pick("·", "-"), self.dim()),
            ItemState::Synced => (self.pick("✓", "="), self.good().add_modifier(Modifier::DIM)),
            ItemState::Waiting => (self.pick("○", "o"), self.warn()),
            ItemState::Downloading => (self.pick("↓", "v"), self.down()),
            ItemState::Uploading => (self.pick("↑", "^"), self.up()),
            ItemState::Conflict => (self.pick("≠", "!"), self.bad()),
            ItemState::Blocked => (self.pick("✗", "x"), self.bad()),
        }
    }

    pub(crate) fn item_kind(&self, kind: ItemKind, open: bool) -> &'static str {
        match kind {
            ItemKind::Dir if open => self.pick("▾", "-"),
            ItemKind::Dir => self.pick("▸", "+"),
            ItemKind::File => " ",
            ItemKind::Symlink => self.pick("→", "@"),
        }
    }

    pub(crate) fn state(&self, state: State) -> (&'static str, Style) {
        match state {
            State::Synced => (self.pick("●", "*"), self.good()),
            State::Syncing => (self.pick("◐", "~"), self.accent()),
            State::Offline => (self.pick("○", "o"), self.warn()),
            State::Halted => (self.pick("■", "#"), self.bad()),
            State::Error => (self.pick("✗", "x"), self.bad()),
        }
    }

    pub(crate) fn change(&self, kind: ChangeKind) -> (&'static str, &'static str, Style) {
        match kind {
            ChangeKind::Created => ("+", "created", self.good()),
            ChangeKind::Edited => (self.pick("±", "*"), "edited", self.accent()),
            ChangeKind::Attributes => (self.pick("°", "%"), "attributes", self.dim()),
            ChangeKind::Moved => (self.pick("→", ">"), "moved", self.warn()),
            ChangeKind::Deleted => (self.pick("−", "-"), "deleted", self.bad()),
        }
    }
}

impl Default for Palette {
    fn default() -> Self {
        Self {
            accent: Color::Cyan,
            good: Color::Green,
            warn: Color::Yellow,
            bad: Color::Red,
            up: Color::Magenta,
            down: Color::Cyan,
            directory: Color::Reset,
            selected_text: Color::White,
            selected: Color::Blue,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_mode_shows_ascii_only() {
        let theme = Theme::plain(true, false);
        assert!(theme.safe("日\u{202e}\u{1b}\n").is_ascii());
        assert_eq!(Theme::plain(false, false).safe("日\u{202e}"), "日\\u{202e}");
    }

    #[test]
    fn a_theme_file_is_checked() {
        let theme = Theme::plain(false, true);
        let colours = |part: &str, colour: &str| BTreeMap::from([(part.to_owned(), colour.to_owned())]);
        assert!(
            theme
                .clone()
                .with_colours(&colours("accent", "light-blue"))
                .is_ok()
        );
        assert_eq!(
            theme.clone().with_colours(&colours("sky", "blue")),
            Err(ThemeError::UnknownPart("sky".to_owned()))
        );
        assert!(matches!(
            theme.with_colours(&colours("accent", "bleu")),
            Err(ThemeError::UnknownColour { .. })
        ));
    }
}
