//! The rules that leave things out: `.holdfastignore` in the root of the folder, with the meaning that git gives to a
//! `.gitignore`, and a short list of what programs leave lying about while they run. What is left out is neither sent nor
//! removed; a node that the account has already stays there, and is listed as blocked here. The file itself always travels.

mod pattern;
#[cfg(test)]
mod tests;

use std::io::Read;

use sync_engine::name::visible;
use sync_engine::{Block, Name, NameError, RelPath};

use crate::disk::{DiskError, Root, Sight};
use crate::notice::Trouble;
use pattern::{Pattern, Subject};

/// The name of the file with the folder's rules. It is synchronised like any other file.
pub const RULES_NAME: &str = ".holdfastignore";
/// More of the file than this is not read, in bytes.
const RULES_LEN_MAX: u64 = 1024 * 1024;
/// Some editors begin a text with it.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// What is left out wherever it is; a `!` rule of the folder's own lets it in.
const JUNK: &[&str] = &[
    // Office programs: the owner file of an open document.
    "~$*",
    ".~lock.*#",
    // Emacs: the lock and the autosave file. Vim: swap files.
    ".#*",
    "\\#*#",
    "*.swp",
    "*.swx",
    // Desktops: caches of how a folder is shown.
    ".DS_Store",
    "Thumbs.db",
    "desktop.ini",
];

/// See the module's page.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The last one that is about a path decides.
    patterns: Vec<Pattern>,
    /// The lines that they were read from; those of the short list come first.
    lines: Vec<String>,
    /// How many are of the short list.
    n_junk: usize,
    /// One of them is about whole paths.
    has_anchored: bool,
}

impl Default for Rules {
    /// Returns the rules of a folder without any of its own.
    fn default() -> Self {
        Self::parse(b"").0
    }
}

impl Rules {
    /// Reads rules, one a line, as git reads a `.gitignore`; returns with them the lines that can match nothing, each with
    /// the reason.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> (Self, Vec<String>) {
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        let lines = bytes.split(|byte| *byte == b'\n');
        let junk = JUNK.iter().map(|line| line.as_bytes());
        let (mut patterns, mut kept_lines, mut bad_lines) = (Vec::new(), Vec::new(), Vec::new());
        for line in junk.chain(lines) {
            match Pattern::parse(line) {
                Ok(Some(pattern)) => {
                    patterns.push(pattern);
                    kept_lines.push(String::from_utf8_lossy(line).into_owned());
                }
                Ok(None) => (),
                Err(error) => bad_lines.push(format!("'{}': {error}", String::from_utf8_lossy(line))),
            }
        }
        let has_anchored = patterns.iter().any(|pattern: &Pattern| pattern.is_anchored);
        let rules = Self {
            patterns,
            lines: kept_lines,
            n_junk: JUNK.len(),
            has_anchored,
        };
        (rules, bad_lines)
    }

    /// Reads the folder's rules. Without a file of rules there is the short list only. What is no regular file holds no
    /// rules: then those count that were read last, since what they leave out must not be sent because of that. Returns
    /// with them what a person is to be told.
    ///
    /// # Errors
    /// When there is a file that cannot be read: to go on without its rules would send what they leave out.
    pub fn load(root: &Root) -> Result<(Self, Option<Trouble>), DiskError> {
        let path = rules_path();
        let mut file = match root.open_file(&path) {
            Ok((file, _)) => file.take(RULES_LEN_MAX),
            Err(DiskError::Gone { .. }) => {
                root.keep_rules(b"");
                return Ok((Self::default(), None));
            }
            Err(DiskError::Blocked {
                block: Block::UnsupportedType,
                ..
            }) => return Ok((Self::parse(&root.kept_rules()).0, Some(odd_file()))),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        if let Err(source) = file.read_to_end(&mut bytes) {
            let block = Block::Unreadable(source.to_string());
            return Err(DiskError::Blocked { path, block });
        }
        root.keep_rules(&bytes);
        let (rules, bad_lines) = Self::parse(&bytes);
        Ok((rules, (!bad_lines.is_empty()).then(|| no_rules(&bad_lines))))
    }

    /// Tells whether this very path is left out; a path inside a directory that is left out is not asked about. The file
    /// with the rules never is.
    #[must_use]
    pub fn ignores(&self, path: &RelPath, is_dir: bool) -> bool {
        path.0
            .split_last()
            .is_some_and(|(name, _)| !is_rules(&path.0) && self.leaves_out(&path.0, name, is_dir))
    }

    /// Tells whether a directory on the way to this path is left out.
    #[must_use]
    pub fn ignores_above(&self, path: &RelPath) -> bool {
        (1..path.0.len()).any(|len| self.leaves_out(&path.0[..len], &path.0[len - 1], true))
    }

    /// Says which rule leaves out this path or a directory on the way to it, if one does, in words that are safe to show.
    #[must_use]
    pub fn rule_against(&self, path: &RelPath, is_dir: bool) -> Option<String> {
        let len = (1..=path.0.len()).find(|len| {
            let part = RelPath(path.0[..*len].to_vec());
            self.ignores(&part, is_dir || *len < path.0.len())
        })?;
        let is_dir = is_dir || len < path.0.len();
        let at = self.deciding(&path.0[..len], &path.0[len - 1], is_dir)?;
        let line = visible(self.lines.get(at)?.trim_end());
        let whose = if at < self.n_junk {
            "of the short list of what programs leave lying about"
        } else {
            "in .holdfastignore"
        };
        let what = RelPath(path.0[..len].to_vec());
        Some(format!("the rule '{line}' {whose} leaves out '{what}'"))
    }

    fn leaves_out(&self, names: &[Name], name: &Name, is_dir: bool) -> bool {
        self.deciding(names, name, is_dir)
            .is_some_and(|at| !self.patterns[at].lets_in)
    }

    /// Returns which pattern decides about a path.
    fn deciding(&self, names: &[Name], name: &Name, is_dir: bool) -> Option<usize> {
        let path = match self.has_anchored {
            true => names.iter().map(Name::as_bytes).collect::<Vec<_>>().join(&b'/'),
            false => Vec::new(),
        };
        let subject = Subject {
            path: &path,
            name: name.as_bytes(),
            is_dir,
        };
        self.patterns
            .iter()
            .rposition(|pattern| pattern.matches(&subject))
    }
}

fn is_rules(names: &[Name]) -> bool {
    matches!(names, [name] if name.as_bytes() == RULES_NAME.as_bytes())
}

fn odd_file() -> Trouble {
    Trouble {
        what: format!("{RULES_NAME} is no regular file, so it holds no rules"),
        done: "the rules that were read last count, and it is not synchronised".to_owned(),
        todo: "put a file with rules in its place, or remove it, and only the usual is left out".to_owned(),
    }
}

fn no_rules(bad_lines: &[String]) -> Trouble {
    Trouble {
        what: format!(
            "some lines of {RULES_NAME} are no rules: {}",
            bad_lines.join(", ")
        ),
        done: "the other lines count".to_owned(),
        todo: format!("mend the file {RULES_NAME}"),
    }
}

/// Returns the path of the file with the rules.
#[must_use]
pub fn rules_path() -> RelPath {
    let name: Result<Name, NameError> = RULES_NAME.try_into();
    RelPath(name.into_iter().collect())
}

/// Tells why what is seen at a place is not synchronised although it is a directory or a link: it stands where the rules are
/// to be.
#[must_use]
pub fn odd_rules(path: &RelPath, sight: &Sight) -> Option<Block> {
    let is_odd = is_rules(&path.0) && matches!(sight, Sight::Dir(_) | Sight::Symlink(..));
    is_odd.then(|| Block::Unreadable("only a regular file can hold the folder's rules".to_owned()))
}
