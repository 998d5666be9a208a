//! The rules that leave things out: `.holdfastignore` in the root of the folder, in the form of a `.gitignore`, and a
//! short list of what programs leave lying about while they run. What is left out is neither sent nor removed; a node
//! that the account has already stays there, and is listed as blocked here.

use std::io::Read;

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use sync_engine::{Name, NameError, RelPath};

use crate::disk::{DiskError, Root};

/// The name of the file with the folder's rules. It is synchronised like any other file.
pub const RULES_NAME: &str = ".holdfastignore";
/// More of the file than this is not read, in bytes.
const RULES_LEN_MAX: u64 = 1024 * 1024;

/// What is left out wherever it is; a `!` rule of the folder's own lets it in.
const JUNK: &[&str] = &[
    // Office programs: the owner file of an open document.
    "~$*",
    ".~lock.*#",
    // Emacs: the lock and the autosave file. Vim: swap files and the probe that it writes and removes.
    ".#*",
    "\\#*#",
    "*.swp",
    "*.swx",
    "4913",
    // Desktops: caches of how a folder is shown.
    ".DS_Store",
    "Thumbs.db",
    "desktop.ini",
];

/// See the module's page.
#[derive(Debug, Clone)]
pub struct Rules {
    matcher: Gitignore,
}

impl Default for Rules {
    /// Returns the rules of a folder without any of its own.
    fn default() -> Self {
        Self::parse("").0
    }
}

impl Rules {
    /// Reads rules, one a line, and returns with them the lines that are none, each with the reason.
    #[must_use]
    pub fn parse(text: &str) -> (Self, Vec<String>) {
        let mut builder = GitignoreBuilder::new("");
        let mut bad_lines = Vec::new();
        for line in JUNK.iter().copied().chain(text.lines()) {
            if let Err(error) = builder.add_line(None, line) {
                bad_lines.push(format!("{line:?}: {error}"));
            }
        }
        let matcher = builder.build().unwrap_or_else(|error| {
            bad_lines.push(error.to_string());
            Gitignore::empty()
        });
        (Self { matcher }, bad_lines)
    }

    /// Reads the folder's rules. Without a file of rules there is the short list only.
    ///
    /// # Errors
    /// When there is a file that cannot be read: to go on without its rules would send what they leave out.
    pub fn load(root: &Root) -> Result<(Self, Vec<String>), DiskError> {
        let path = rules_path();
        let mut file = match root.open_file(&path) {
            Ok((file, _)) => file.take(RULES_LEN_MAX),
            Err(DiskError::Gone { .. }) => return Ok((Self::default(), Vec::new())),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        match file.read_to_end(&mut bytes) {
            Ok(_) => Ok(Self::parse(&String::from_utf8_lossy(&bytes))),
            Err(source) => Err(DiskError::Blocked {
                path,
                block: sync_engine::Block::Unreadable(source.to_string()),
            }),
        }
    }

    /// Tells whether this very path is left out; a path inside a directory that is left out is not asked about.
    #[must_use]
    pub fn ignores(&self, path: &RelPath, is_dir: bool) -> bool {
        !path.0.is_empty() && self.matcher.matched(to_path(&path.0), is_dir).is_ignore()
    }

    /// Tells whether a directory on the way to this path is left out.
    #[must_use]
    pub fn ignores_above(&self, path: &RelPath) -> bool {
        (1..path.0.len()).any(|len| self.matcher.matched(to_path(&path.0[..len]), true).is_ignore())
    }
}

/// Returns the path of the file with the rules.
#[must_use]
pub fn rules_path() -> RelPath {
    let name: Result<Name, NameError> = RULES_NAME.try_into();
    RelPath(name.into_iter().collect())
}

#[cfg(unix)]
fn to_path(names: &[Name]) -> std::path::PathBuf {
    use std::os::unix::ffi::OsStrExt;
    names
        .iter()
        .map(|name| std::ffi::OsStr::from_bytes(name.as_bytes()))
        .collect()
}

#[cfg(not(unix))]
fn to_path(names: &[Name]) -> std::path::PathBuf {
    // Names of a disk here are text; any other can match no rule but `*`.
    names
        .iter()
        .map(|name| String::from_utf8_lossy(name.as_bytes()).into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn droppings_of_programs_are_left_out_wherever_they_are() {
        let rules = Rules::default();
        for text in [
            "a/.~lock.report.odt#",
            "~$report.docx",
            "x/.#notes",
            "#notes#",
            ".notes.swp",
            "4913",
            "a/b/.DS_Store",
        ] {
            assert!(rules.ignores(&path(text), false), "{text}");
        }
        for text in [
            "report.odt",
            "a/notes~",
            "swp",
            "49134",
            ".gitignore",
            ".holdfastignore",
            "# notes",
        ] {
            assert!(!rules.ignores(&path(text), false), "{text}");
        }
    }

    #[test]
    fn the_folders_own_rules_leave_out_and_let_in() {
        let (rules, bad_lines) = Rules::parse("# comment\ntarget/\n/top\n!desktop.ini\n*.tmp\n");
        assert!(bad_lines.is_empty());
        assert!(rules.ignores(&path("a/target"), true));
        assert!(!rules.ignores(&path("a/target"), false));
        assert!(rules.ignores_above(&path("a/target/b/c")));
        assert!(!rules.ignores_above(&path("a/b")));
        assert!(rules.ignores(&path("top"), false) && !rules.ignores(&path("a/top"), false));
        assert!(!rules.ignores(&path("desktop.ini"), false));
        assert!(!rules.ignores(&RelPath::root(), true));
    }

    #[test]
    fn a_bad_line_is_named_and_the_others_count() {
        let (rules, bad_lines) = Rules::parse("a{b\n*.tmp\n");
        assert_eq!(bad_lines.len(), 1, "{bad_lines:?}");
        assert!(rules.ignores(&path("x.tmp"), false));
    }
}
