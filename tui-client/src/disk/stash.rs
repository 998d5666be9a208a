//! The stash: files that an effect took away wait here until they are known to be in the history. Somebody may still
//! hold such a file open and write to it; a file that changed, or was never verified because of a crash, is surfaced and
//! brought back, and nothing is removed whose bytes, read once more, are not in the history. Beside each file lies a
//! small note with the path that it had, so that a person can find it.

use super::error::{DiskError, block_of};
use super::hand::{ContentOf, HandError, failed, is_refusal};
use super::root::{Root, random_name};
use super::sight::{FileType, Print};
use super::volume::{Dir, File};
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use std::time::{Duration, UNIX_EPOCH};
use sync_engine::{Block, Bug, Content, Hash, NodeId, RelPath, Target, planted};

/// The names of notes end so.
const NOTE: &str = ".json";
/// The longest note that is read, in bytes: the longest path in both its spellings, with room.
const NOTE_LEN_MAX: u64 = 4 * 1024 * 1024;

/// What was taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kept {
    /// A file, with the content that it had, and that of the file which came in its place.
    File(Content, Option<Content>),
    /// A symbolic link, with the target that it had, and that which it was given.
    Symlink(Target, Option<Target>),
}

/// A file in the stash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stashed {
    /// Its name in the stash.
    pub key: String,
    /// Where it was; nothing when the note about it was lost in a power cut.
    pub path: Option<RelPath>,
    /// The node that it was.
    pub node: Option<NodeId>,
    /// What it holds now.
    pub content: Content,
    /// Its print now.
    pub print: Print,
    /// When it came into the stash, in milliseconds since 1970.
    pub since_ms: u64,
}

/// How long the stash keeps what is in the history anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StashLimits {
    /// The time now, in milliseconds since 1970.
    pub now_ms: u64,
    /// The least age at which a file is removed, in milliseconds.
    pub age_ms_min: u64,
    /// What is kept for longer.
    pub spared: Option<Spared>,
}

/// What was put into the stash within some time, and is kept for longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spared {
    /// Since then, in milliseconds since 1970.
    pub since_ms: u64,
    /// Until then.
    pub until_ms: u64,
    /// The least age at which such a file is removed, in milliseconds.
    pub age_ms_min: u64,
}

impl StashLimits {
    /// Tells whether what came at this time, in milliseconds since 1970, is old enough to go.
    fn is_old(&self, since_ms: u64) -> bool {
        let is_spared = |spared: &Spared| (spared.since_ms..=spared.until_ms).contains(&since_ms);
        let age_ms_min = match self.spared.filter(is_spared) {
            Some(spared) => spared.age_ms_min.max(self.age_ms_min),
            None => self.age_ms_min,
        };
        self.now_ms.saturating_sub(since_ms) >= age_ms_min
    }
}

/// What a purge did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purge {
    /// How many files were removed.
    pub removed: usize,
    /// Files that hold something which is nowhere in the history, to be brought back.
    pub changed: Vec<Stashed>,
}

/// The note beside a file. Numbers and hexadecimal digits only, but for `path`, which is for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    path: String,
    path_hex: String,
    node: Option<String>,
    hash: Option<String>,
    size_bytes: u64,
    depth: u8,
    /// The hash of the new file: it lies here itself when the replacement was undone.
    #[serde(default)]
    new_hash: Option<String>,
    target_hex: Option<String>,
    new_target_hex: Option<String>,
    print: Print,
}

impl Note {
    fn path(&self) -> Option<RelPath> {
        RelPath::parse(&from_hex(&self.path_hex)?).ok()
    }

    fn content(&self) -> Option<Content> {
        Some(Content {
            hash: self.hash.as_ref()?.parse::<Hash>().ok()?,
            size_bytes: self.size_bytes,
            depth: self.depth,
        })
    }

    /// Tells whether a file's content is one that is known to the history.
    fn is_known_content(&self, content: &Content) -> bool {
        let is_new = || self.new_hash.as_deref() == Some(content.hash.to_string().as_str());
        self.content() == Some(*content) || is_new()
    }

    /// Tells whether a symbolic link's target is one that is known to the history.
    fn is_known_target(&self, target: &[u8]) -> bool {
        let known = [&self.target_hex, &self.new_target_hex];
        known.into_iter().flatten().any(|hex| *hex == to_hex(target))
    }
}

/// Writes the note about a file that is about to be taken away, and returns the key under which it is to be kept.
pub(super) fn record(
    stash: &Dir,
    path: &RelPath,
    node: Option<NodeId>,
    kept: &Kept,
    print: &Print,
) -> Result<String, HandError> {
    let mut note = Note {
        path: path.to_string(),
        path_hex: to_hex(&path.to_bytes()),
        node: node.map(|node| node.to_string()),
        hash: None,
        size_bytes: print.size_bytes,
        depth: 0,
        new_hash: None,
        target_hex: None,
        new_target_hex: None,
        print: *print,
    };
    match kept {
        Kept::File(old, new) => {
            note.hash = Some(old.hash.to_string());
            note.size_bytes = old.size_bytes;
            note.depth = old.depth;
            note.new_hash = new.map(|new| new.hash.to_string());
        }
        Kept::Symlink(old, new) => {
            note.target_hex = Some(to_hex(old.as_bytes()));
            note.new_target_hex = new.as_ref().map(|new| to_hex(new.as_bytes()));
        }
    }
    let key = random_name();
    let write = || -> io::Result<()> {
        let mut file = stash.create_file(note_name(&key).as_bytes(), 0o600)?;
        file.write_all(&serde_json::to_vec(&note)?)
    };
    match write() {
        // A note costs space; on a full disk a file is taken away without one, or no deletion could ever end the want.
        Err(error) if block_of(&error) == Block::NoSpace && matches!(kept, Kept::File(..)) => {
            forget(stash, &key);
        }
        // Without it nothing is taken away, and it is not the file's fault.
        Err(error) if is_refusal(&error) => {
            return Err(HandError::Disk(DiskError::Private {
                deed: "write a note in",
                name: "stash".to_owned(),
                source: error,
            }));
        }
        result => result.map_err(failed("write a note in the stash"))?,
    }
    Ok(key)
}

/// Removes the note about a file that is no longer in the stash. One that stays is swept up at the next start.
pub(super) fn forget(stash: &Dir, key: &str) {
    let _ = stash.unlink(note_name(key).as_bytes());
}

fn note_name(key: &str) -> String {
    format!("{key}{NOTE}")
}

/// Reads the note about a file; nothing when it is missing or damaged, which is no error.
fn note(stash: &Dir, key: &str) -> Option<Note> {
    let name = note_name(key);
    let file = stash.open_file(name.as_bytes()).ok()?;
    let mut bytes = Vec::new();
    file.take(NOTE_LEN_MAX).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

impl Root {
    /// Removes what is old enough and in the history, by the bytes as they are now; returns what holds something else
    /// than was taken away and is nowhere in the history.
    ///
    /// # Errors
    /// When the stash cannot be read.
    pub fn purge_stash(
        &self,
        limits: &StashLimits,
        content_of: &ContentOf<'_>,
        is_in_history: &dyn Fn(&Content) -> bool,
    ) -> Result<Purge, DiskError> {
        let stash = &self.private()?.stash;
        let mut purge = Purge::default();
        // Who has one open may write to it still.
        let open = self.writers().stashed;
        for key in keys(stash)? {
            // A file that is in use, or cannot be read now, is judged at the next purge.
            let Ok(Some(judged)) = judge(stash, &key, limits, content_of, is_in_history) else {
                continue;
            };
            match judged {
                Judged::Remove if open.contains(&key) => (),
                Judged::Remove => {
                    if stash.unlink(key.as_bytes()).is_ok() {
                        forget(stash, &key);
                        purge.removed += 1;
                    }
                }
                Judged::BringBack(stashed) => purge.changed.push(*stashed),
            }
        }
        Ok(purge)
    }

    /// Returns the files of the stash that hold what they held when they were taken away.
    ///
    /// # Errors
    /// When the stash cannot be read.
    pub fn list_stash(&self) -> Result<Vec<Stashed>, DiskError> {
        let stash = &self.private()?.stash;
        let all = keys(stash)?.into_iter();
        Ok(all.filter_map(|key| as_noted(stash, key)).collect())
    }

    /// Opens a file of the stash.
    ///
    /// # Errors
    /// When it cannot be opened, or is not there any more.
    pub fn open_stashed(&self, key: &str) -> Result<File, DiskError> {
        let opened = self.private()?.stash.open_file(key.as_bytes());
        opened.map_err(|source| DiskError::Private {
            deed: "open a file of",
            name: "stash".to_owned(),
            source,
        })
    }

    /// Notes that a file was put into the stash: somebody may write to it still.
    pub(super) fn stashed(&self, key: &str) {
        self.stashed_keys().insert(key.to_owned());
    }

    /// Looks at a file of the stash; returns it if it holds something else than when it was taken away.
    pub(super) fn look_into_stash(&self, key: &str, content_of: &ContentOf<'_>) -> Option<Stashed> {
        // It is never so old that it would be removed.
        let limits = StashLimits {
            now_ms: 0,
            age_ms_min: u64::MAX,
            spared: None,
        };
        let stash = &self.private().ok()?.stash;
        match judge(stash, key, &limits, content_of, &|_| false).ok()?? {
            Judged::BringBack(stashed) => Some(*stashed),
            Judged::Remove => None,
        }
    }

    /// Moves a file out of the stash to a free name.
    ///
    /// # Errors
    /// [`HandError::Taken`] when the name is; [`HandError::Gone`] when it is not in the stash any more.
    pub fn bring_back(&self, stashed: &Stashed, to: &RelPath) -> Result<Print, HandError> {
        let place = self.place(to)?;
        let stash = &self.private()?.stash;
        place
            .dir
            .rename_new(stash, stashed.key.as_bytes(), place.name)
            .map_err(failed("bring a file back from the stash"))?;
        forget(stash, &stashed.key);
        place.expect_identity(&stashed.print)
    }
}

/// Returns the names of everything in the stash that is no note.
fn keys(stash: &Dir) -> Result<Vec<String>, DiskError> {
    let names = stash.names().map_err(|source| DiskError::Private {
        deed: "list",
        name: "stash".to_owned(),
        source,
    })?;
    let mut keys: Vec<String> = names
        .into_iter()
        .filter_map(|name| String::from_utf8(name).ok())
        .collect();
    keys.retain(|name| !name.ends_with(NOTE));
    keys.sort_unstable();
    Ok(keys)
}

/// Returns when a file came into the stash. The note is made just before; without one, the file's own time of change is it.
fn since_ms(stash: &Dir, key: &str, print: &Print) -> u64 {
    let since_ns = match stash.stat(note_name(key).as_bytes()) {
        Ok(note) => note.print.mtime_ns,
        Err(_) => print.ctime_ns.max(print.mtime_ns),
    };
    u64::try_from(since_ns / 1_000_000).unwrap_or(0)
}

/// Returns a file of the stash that holds what it held when it was taken away, as its note says.
fn as_noted(stash: &Dir, key: String) -> Option<Stashed> {
    let seen = stash.stat(key.as_bytes()).ok()?;
    let note = note(stash, &key).filter(|note| note.print.same_stamp(&seen.print))?;
    Some(Stashed {
        path: note.path(),
        content: note.content()?,
        print: seen.print,
        since_ms: since_ms(stash, &key, &seen.print),
        node: note.node.and_then(|node| node.parse().ok()),
        key,
    })
}

/// What is to become of a file in the stash, when it does not stay.
enum Judged {
    Remove,
    BringBack(Box<Stashed>),
}

fn judge(
    stash: &Dir,
    key: &str,
    limits: &StashLimits,
    content_of: &ContentOf<'_>,
    is_in_history: &dyn Fn(&Content) -> bool,
) -> io::Result<Option<Judged>> {
    let seen = stash.stat(key.as_bytes())?;
    if seen.file_type != FileType::File {
        return Ok(None);
    }
    let note = note(stash, key);
    let since_ms = since_ms(stash, key, &seen.print);
    let is_old = limits.is_old(since_ms);
    // What is written in the tick in which it was last written before leaves no other stamp.
    let taken_at = UNIX_EPOCH + Duration::from_millis(since_ms);
    let is_as_noted = note
        .as_ref()
        .is_some_and(|note| note.print.same_stamp(&seen.print) && !note.print.is_written_about(taken_at));
    if is_as_noted && !is_old {
        return Ok(None);
    }
    let mut file = stash.open_file(key.as_bytes())?;
    let before = stash.stat_file(&file)?.print;
    let content = content_of(&mut file)?;
    let print = stash.stat_file(&file)?.print;
    if !print.same_file_state(&before) {
        return Ok(None);
    }
    if is_in_history(&content) || planted(Bug::PurgeUnasked) {
        return Ok(is_old.then_some(Judged::Remove));
    }
    if note.as_ref().is_some_and(|note| note.is_known_content(&content)) {
        // The server was not asked, or lost it, by an older backup perhaps. This copy stays.
        return Ok(None);
    }
    Ok(Some(Judged::BringBack(Box::new(Stashed {
        key: key.to_owned(),
        path: note.as_ref().and_then(Note::path),
        node: note.and_then(|note| note.node?.parse().ok()),
        content,
        print,
        since_ms,
    }))))
}

fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut hex = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing into a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

fn from_hex(hex: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
        _ => None,
    };
    hex.as_bytes().chunks(2).map(byte).collect()
}

mod recover;
pub use recover::Recovered;
