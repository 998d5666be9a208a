//! Simulated people and their programs: what they do in a folder, with the habits of real editors.

use crate::sim::client::FOLDER;
use crate::sim::disk::{Opened, Shown, SimDisk};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Seek as _, SeekFrom, Write as _};

/// The names that people give; few, so that they meet.
const NAMES: [&str; 9] = [
    "a",
    "b",
    "c",
    "notes.txt",
    "Ä",
    "d e",
    "x.tar.gz",
    "A",
    "A\u{308}",
];
/// A file of more than one chunk has this length, in bytes.
const LARGE_LEN: usize = 200_000;

/// Makes contents that are like no other.
#[derive(Debug, Default)]
pub(super) struct Contents(u64);

impl Contents {
    fn next(&mut self) -> Vec<u8> {
        self.0 += 1;
        format!("content {}\n", self.0).into_bytes()
    }

    /// Those that are of the same third share most of their chunks.
    fn large(&mut self) -> Vec<u8> {
        let end = self.next();
        let mut bytes = crate::noise::Noise::new(self.0 % 3).bytes(LARGE_LEN);
        bytes.extend(end);
        bytes
    }
}

/// What there is in a folder, but for the client's own.
pub(super) fn tree(disk: &SimDisk) -> BTreeMap<Vec<u8>, Shown> {
    let mut tree = disk.tree(FOLDER).unwrap_or_default();
    tree.retain(|path, _| !path.starts_with(b".holdfast"));
    tree
}

/// Something that a person or a program does, with paths from the top of the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deed {
    /// A file is made, or written anew in place.
    Write(String),
    /// As [`Deed::Write`], with more bytes than go into one chunk.
    WriteMuch(String),
    /// A file is saved as many editors do it: a new one, renamed over the old one.
    Save(String),
    /// A file is saved as other editors do it: the old one keeps its bytes under another name.
    SaveAndKeepOld(String),
    /// A file gets more bytes at its end.
    Append(String),
    /// Other bytes of the same length are written and the time is put back, as some programs do.
    RewriteUnseen(String),
    /// A file is read and written under another name.
    Copy(String, String),
    /// Something is renamed or moved to a free name.
    Move(String, String),
    /// A file is renamed or moved over another one.
    MoveOver(String, String),
    /// Two names change places.
    Swap(String, String),
    /// A file is removed.
    Delete(String),
    /// Something is removed with all that is in it.
    DeleteAll(String),
    /// A directory is made.
    MakeDir(String),
    /// Directories in each other are made, with a file in the last one.
    MakeDeep(String),
    /// A symbolic link is made.
    Link(String),
    /// A file becomes a program.
    Execute(String),
    /// A file gets another time, and keeps its bytes.
    Touch(String),
    /// A pipe is made.
    MakePipe(String),
}

impl Deed {
    /// Chooses something to do with what there is.
    pub(super) fn choose(tree: &BTreeMap<Vec<u8>, Shown>, how: u8, which: u16, whither: u16) -> Self {
        let files = of_kind(tree, |shown| matches!(shown, Shown::File { .. }));
        let dirs = of_kind(tree, |shown| matches!(shown, Shown::Dir { .. }));
        let all = of_kind(tree, |_| true);
        let pick = |list: &[String]| list.get(usize::from(which) % list.len().max(1)).cloned();
        let parent = match usize::from(whither) % (dirs.len() + 1) {
            0 => FOLDER,
            n => &dirs[n - 1],
        };
        let target = format!("{parent}/{}", NAMES[usize::from(whither / 8) % NAMES.len()]);
        // What came later has numbers of its own, so that stories that were kept mean what they meant.
        match how {
            240..=247 if !files.is_empty() => return pick(&files).map_or(Self::Write(target), Self::Touch),
            248..=251 => return Self::MakePipe(target),
            252.. => {
                let pipes = of_kind(tree, |shown| matches!(shown, Shown::Pipe));
                return pick(&pipes).map_or(Self::MakePipe(target), Self::Delete);
            }
            _ => (),
        }
        match (how % 20, pick(&files), pick(&dirs), pick(&all)) {
            (0..=2, ..) | (_, None, None, None) => Self::Write(target),
            (3 | 4, Some(file), ..) => Self::Write(file),
            (5, Some(file), ..) => Self::Save(file),
            (6, Some(file), ..) => Self::SaveAndKeepOld(file),
            (7, Some(file), ..) => Self::Append(file),
            (8 | 9, _, _, Some(any)) => Self::Move(any, target),
            (10, Some(file), ..) => Self::MoveOver(file, target),
            (11, Some(file), ..) => Self::Delete(file),
            (12, _, Some(dir), _) => Self::DeleteAll(dir),
            (13, ..) => Self::MakeDir(target),
            (14, ..) => Self::MakeDeep(target),
            (15, ..) => Self::Link(target),
            (16, Some(file), ..) => Self::Execute(file),
            (17, _, _, Some(any)) if any != target => Self::Swap(any, target),
            (18, Some(file), ..) => Self::Copy(file, target),
            (19, Some(file), ..) if file.ends_with('c') => Self::RewriteUnseen(file),
            (19, ..) => Self::WriteMuch(target),
            _ => Self::Write(target),
        }
    }

    /// Does it.
    ///
    /// # Errors
    /// When it cannot be done, because things are not so.
    pub(super) fn carry_out(&self, disk: &SimDisk, contents: &mut Contents) -> io::Result<()> {
        match self {
            Self::Write(file) => disk.write(file, contents.next()),
            Self::WriteMuch(file) => disk.write(file, contents.large()),
            Self::Save(file) => {
                let draft = format!("{file}.new~");
                disk.write(&draft, contents.next())?;
                disk.rename(&draft, file)
            }
            Self::SaveAndKeepOld(file) => {
                disk.rename(file, format!("{file}~"))?;
                disk.write(file, contents.next())
            }
            Self::Append(file) => {
                let mut bytes = disk.read(file)?;
                bytes.extend(contents.next());
                disk.write(file, bytes)
            }
            Self::RewriteUnseen(file) => rewrite_unseen(disk, file, contents),
            Self::Copy(file, to) => disk.write(to, disk.read(file)?),
            Self::Move(from, to) => disk.rename_new(from, to),
            Self::MoveOver(from, to) => disk.rename(from, to),
            Self::Swap(a, b) => disk.exchange(a, b),
            Self::Delete(file) => disk.unlink(file),
            Self::DeleteAll(path) => disk.remove_all(path),
            Self::MakeDir(dir) => disk.mkdir(dir),
            Self::MakeDeep(dir) => {
                disk.mkdir_all(format!("{dir}/b/c"))?;
                disk.write(format!("{dir}/b/c/deep"), contents.next())
            }
            Self::Link(link) => disk.symlink("../somewhere", link),
            Self::Execute(file) => disk.chmod(file, 0o755),
            Self::Touch(file) => {
                let mtime_ns = time_of(disk, file)?.unwrap_or_default();
                disk.set_mtime(file, mtime_ns + 3_000_000_000)
            }
            Self::MakePipe(pipe) => disk.mkfifo(pipe),
        }
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write(file) => write!(f, "write {file}"),
            Self::WriteMuch(file) => write!(f, "write much to {file}"),
            Self::Save(file) => write!(f, "save {file}"),
            Self::SaveAndKeepOld(file) => write!(f, "save {file} and keep the old"),
            Self::Append(file) => write!(f, "append to {file}"),
            Self::RewriteUnseen(file) => write!(f, "rewrite {file} unseen"),
            Self::Copy(file, to) => write!(f, "copy {file} to {to}"),
            Self::Move(from, to) => write!(f, "move {from} to {to}"),
            Self::MoveOver(from, to) => write!(f, "move {from} over {to}"),
            Self::Swap(a, b) => write!(f, "swap {a} and {b}"),
            Self::Delete(file) => write!(f, "delete {file}"),
            Self::DeleteAll(path) => write!(f, "delete all of {path}"),
            Self::MakeDir(dir) => write!(f, "make {dir}"),
            Self::MakeDeep(dir) => write!(f, "make {dir}/b/c"),
            Self::Link(link) => write!(f, "link {link}"),
            Self::Execute(file) => write!(f, "execute {file}"),
            Self::Touch(file) => write!(f, "touch {file}"),
            Self::MakePipe(pipe) => write!(f, "make a pipe {pipe}"),
        }
    }
}

/// Chooses a file.
pub(super) fn file(tree: &BTreeMap<Vec<u8>, Shown>, which: u16) -> Option<String> {
    let files = of_kind(tree, |shown| matches!(shown, Shown::File { .. }));
    files.get(usize::from(which) % files.len().max(1)).cloned()
}

/// Writes to a file that was opened before.
pub(super) fn write_opened(opened: &mut Opened, is_mapped: bool, contents: &mut Contents) -> io::Result<()> {
    let bytes = contents.next();
    if is_mapped {
        return opened.write_mapped(&bytes);
    }
    opened.set_len(0)?;
    opened.seek(SeekFrom::Start(0))?;
    opened.write_all(&bytes)
}

/// The paths of all of a kind.
fn of_kind(tree: &BTreeMap<Vec<u8>, Shown>, is_kind: impl Fn(&Shown) -> bool) -> Vec<String> {
    tree.iter()
        .filter(|(_, shown)| is_kind(shown))
        .map(|(path, _)| format!("{FOLDER}/{}", String::from_utf8_lossy(path)))
        .collect()
}

fn rewrite_unseen(disk: &SimDisk, file: &str, contents: &mut Contents) -> io::Result<()> {
    let len = disk.read(file)?.len();
    let Some(mtime_ns) = time_of(disk, file)? else {
        return Ok(());
    };
    let mut bytes = contents.next();
    bytes.resize(len, b'.');
    disk.write(file, bytes)?;
    disk.set_mtime(file, mtime_ns)
}

/// Returns the time of a file.
fn time_of(disk: &SimDisk, file: &str) -> io::Result<Option<i64>> {
    Ok(match disk.tree(FOLDER)?.remove(name_in_folder(file)) {
        Some(Shown::File { mtime_ns, .. }) => Some(mtime_ns),
        Some(Shown::Dir { .. } | Shown::Symlink(_) | Shown::Pipe) | None => None,
    })
}

fn name_in_folder(file: &str) -> &[u8] {
    file.strip_prefix(FOLDER)
        .and_then(|path| path.strip_prefix('/'))
        .unwrap_or(file)
        .as_bytes()
}
