//! What a person's file says of the screen: other colours, other keys.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::keys::Action;
use super::{KeysError, ScreenOptions, ThemeError};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    colours: BTreeMap<String, String>,
    #[serde(default)]
    keys: BTreeMap<Action, Vec<String>>,
}

/// Says what is wrong with the file.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// It is not TOML, or has something in it that is not known.
    #[error("line {line}: {message}")]
    Parse {
        /// Where, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// A colour.
    #[error("the screen's settings cannot be used")]
    Theme(#[from] ThemeError),
    /// A key.
    #[error("the screen's settings cannot be used")]
    Keys(#[from] KeysError),
}

impl ScreenOptions {
    /// Returns these options with what a file of settings says: `[colours]` gives parts of the screen other colours,
    /// `[keys]` gives actions other keys.
    ///
    /// # Errors
    /// When the file cannot be read or used; then nothing of it holds.
    pub fn with_settings(mut self, toml: &str) -> Result<Self, SettingsError> {
        let settings: Settings = toml::from_str(toml).map_err(|error| SettingsError::Parse {
            line: 1 + error
                .span()
                .map_or(0, |span| toml[..span.start].matches('\n').count()),
            message: error.message().to_owned(),
        })?;
        self.theme = self.theme.with_colours(&settings.colours)?;
        self.keys = self.keys.with_keys(&settings.keys)?;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_changes_colours_and_keys() {
        let options = || ScreenOptions::new("/f".into());
        let file = "[colours]\naccent = \"magenta\"\n[keys]\nkeep-this = [\"x\"]\nquit = [\"Q\"]\n";
        let changed = options().with_settings(file).expect("a good file");
        assert_ne!(changed.keys, options().keys);
        let error = options()
            .with_settings("[keys]\nfly = [\"x\"]")
            .expect_err("no such action");
        assert!(error.to_string().starts_with("line 2: unknown variant `fly`"));
        assert!(options().with_settings("[keys]\nquit = [\"j\"]").is_err());
        assert!(options().with_settings("[colours]\naccent = \"sky\"").is_err());
        assert!(options().with_settings("colour = 1").is_err());
    }
}
