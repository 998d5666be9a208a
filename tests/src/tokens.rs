//! Token accounting: every content that a test writes bears a token that is written nowhere else. At the end each token
//! must still be found somewhere, or a content was lost.

use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

static NEXT: AtomicU64 = AtomicU64::new(1);

/// The tokens that were written, with the place where each was first.
#[derive(Debug, Default)]
pub struct Tokens(BTreeMap<String, PathBuf>);

impl Tokens {
    /// Begins with none.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a file with a new token in it, and its directories when they are missing. Returns the token.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&mut self, path: &Path) -> Result<String> {
        let token = Self::fresh();
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        fs::write(path, format!("{token}\n")).with_context(|| format!("cannot write {}", path.display()))?;
        self.0.insert(token.clone(), path.to_owned());
        Ok(token)
    }

    /// Forgets a token whose content was replaced or deleted by someone who knew it; its place is the history.
    pub fn retire(&mut self, token: &str) {
        self.0.remove(token);
    }

    /// Forgets the tokens in a file, or in all files of a directory, that somebody is about to replace or delete.
    ///
    /// # Errors
    /// When something there cannot be read.
    pub fn retire_under(&mut self, path: &Path) -> Result<()> {
        let found = match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_dir() => contents(path)?,
            Ok(metadata) if metadata.is_file() => vec![fs::read_to_string(path)?],
            Ok(_) | Err(_) => Vec::new(),
        };
        for token in found.iter().flat_map(|content| content.lines()) {
            self.retire(token);
        }
        Ok(())
    }

    /// Checks that each token is in some file of each of the folders.
    ///
    /// # Errors
    /// When one is missing; the error names all that are.
    pub fn all_in(&self, folders: &[&Path]) -> Result<()> {
        for folder in folders {
            let missing = self.missing_in(folder)?;
            ensure!(
                missing.is_empty(),
                "lost in {}: {:?}",
                folder.display(),
                missing.0
            );
        }
        Ok(())
    }

    /// Returns the tokens that are in no file of a folder.
    ///
    /// # Errors
    /// When something there cannot be read.
    pub fn missing_in(&self, folder: &Path) -> Result<Self> {
        let found = contents(folder)?;
        let is_missing = |token: &str| {
            let line = format!("{token}\n");
            !found.iter().any(|content| content.contains(&line))
        };
        let missing = self.0.iter().filter(|(token, _)| is_missing(token));
        Ok(Self(
            missing
                .map(|(token, path)| (token.clone(), path.clone()))
                .collect(),
        ))
    }

    /// Tells whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Remembers a token that was written in another way.
    pub fn add(&mut self, token: String, path: &Path) {
        self.0.insert(token, path.to_owned());
    }

    /// Returns a token that was never written before.
    #[must_use]
    pub fn fresh() -> String {
        format!(
            "token-{:x}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        )
    }
}

/// Returns the contents of all files in a folder as text, without those in the client's own directory.
fn contents(folder: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut dirs = vec![folder.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() && entry.file_name() != ".holdfast" {
                dirs.push(entry.path());
            } else if kind.is_file() {
                found.push(String::from_utf8_lossy(&fs::read(entry.path())?).into_owned());
            }
        }
    }
    Ok(found)
}
