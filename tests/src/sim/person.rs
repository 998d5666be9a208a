//! Simulated people and their programs: what they do in a folder, with the habits of real editors.

use crate::sim::client::FOLDER;
use crate::sim::disk::{Shown, SimDisk};
use std::collections::BTreeMap;
use std::io;

/// The names that people give; few, so that they meet.
const NAMES: [&str; 7] = ["a", "b", "c", "notes.txt", "Ä", "d e", "x.tar.gz"];
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

    fn large(&mut self) -> Vec<u8> {
        self.0 += 1;
        crate::noise::Noise::new(self.0).bytes(LARGE_LEN)
    }
}

/// What there is in a folder, but for the client's own.
pub(super) fn tree(disk: &SimDisk) -> BTreeMap<Vec<u8>, Shown> {
    let mut tree = disk.tree(FOLDER).unwrap_or_default();
    tree.retain(|path, _| !path.starts_with(b".holdfast"));
    tree
}

/// Does something in a folder. What cannot be done, because things are not so, is not done.
pub(super) fn edit(disk: &SimDisk, contents: &mut Contents, how: u8, which: u16, whither: u16) -> String {
    let tree = tree(disk);
    let text = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
    let files: Vec<String> = of_kind(&tree, |shown| matches!(shown, Shown::File { .. }));
    let dirs: Vec<String> = of_kind(&tree, |shown| matches!(shown, Shown::Dir { .. }));
    let all: Vec<String> = tree.keys().map(|path| text(path)).collect();
    let pick = |list: &[String]| list.get(usize::from(which) % list.len().max(1)).cloned();
    let dir = match usize::from(whither) % (dirs.len() + 1) {
        0 => FOLDER.to_owned(),
        n => format!("{FOLDER}/{}", dirs[n - 1]),
    };
    let target = format!("{dir}/{}", NAMES[usize::from(whither / 8) % NAMES.len()]);
    let act = Edit {
        disk,
        contents,
        file: pick(&files).map(|path| format!("{FOLDER}/{path}")),
        dir: pick(&dirs).map(|path| format!("{FOLDER}/{path}")),
        any: pick(&all).map(|path| format!("{FOLDER}/{path}")),
        target,
    };
    let told = act.carry_out(how);
    match told {
        (what, Ok(())) => what,
        (what, Err(error)) => format!("{what}: {error}"),
    }
}

fn of_kind(tree: &BTreeMap<Vec<u8>, Shown>, is_kind: impl Fn(&Shown) -> bool) -> Vec<String> {
    tree.iter()
        .filter(|(_, shown)| is_kind(shown))
        .map(|(path, _)| String::from_utf8_lossy(path).into_owned())
        .collect()
}

struct Edit<'a> {
    disk: &'a SimDisk,
    contents: &'a mut Contents,
    file: Option<String>,
    dir: Option<String>,
    any: Option<String>,
    target: String,
}

impl Edit<'_> {
    fn carry_out(self, how: u8) -> (String, io::Result<()>) {
        let Self {
            disk,
            contents,
            file,
            dir,
            any,
            target,
        } = self;
        match (how % 20, file, dir, any) {
            (0..=2, ..) | (_, None, None, None) => {
                (format!("write {target}"), disk.write(&target, contents.next()))
            }
            (3 | 4, Some(file), ..) => (format!("overwrite {file}"), disk.write(&file, contents.next())),
            (5, Some(file), ..) => (format!("save {file}"), save(disk, &file, contents)),
            (6, Some(file), ..) => (
                format!("save {file} and keep the old"),
                save_with_backup(disk, &file, contents),
            ),
            (7, Some(file), ..) => (format!("append to {file}"), append(disk, &file, contents)),
            (8 | 9, _, _, Some(any)) => (format!("move {any} to {target}"), disk.rename_new(&any, &target)),
            (10, Some(file), ..) => (format!("move {file} over {target}"), disk.rename(&file, &target)),
            (11, Some(file), ..) => (format!("delete {file}"), disk.unlink(&file)),
            (12, _, Some(dir), _) => (format!("delete all of {dir}"), disk.remove_all(&dir)),
            (13, ..) => (format!("make {target}"), disk.mkdir(&target)),
            (14, ..) => (format!("make {target}/b/c"), make_deep(disk, &target, contents)),
            (15, ..) => (format!("link {target}"), disk.symlink("../somewhere", &target)),
            (16, Some(file), ..) => (format!("execute {file}"), disk.chmod(&file, 0o755)),
            (17, _, _, Some(any)) if any != target => {
                (format!("swap {any} and {target}"), disk.exchange(&any, &target))
            }
            (18, Some(file), ..) => (format!("copy {file} to {target}"), copy(disk, &file, &target)),
            (19, Some(file), ..) if file.ends_with('c') => (
                format!("rewrite {file} unseen"),
                rewrite_unseen(disk, &file, contents),
            ),
            (19, ..) => (
                format!("write much to {target}"),
                disk.write(&target, contents.large()),
            ),
            _ => (format!("write {target}"), disk.write(&target, contents.next())),
        }
    }
}

/// Saves as many editors do: a new file, renamed over the old one.
fn save(disk: &SimDisk, file: &str, contents: &mut Contents) -> io::Result<()> {
    let draft = format!("{file}.new~");
    disk.write(&draft, contents.next())?;
    disk.rename(&draft, file)
}

/// Saves as other editors do: the old file keeps its bytes under another name.
fn save_with_backup(disk: &SimDisk, file: &str, contents: &mut Contents) -> io::Result<()> {
    disk.rename(file, format!("{file}~"))?;
    disk.write(file, contents.next())
}

fn append(disk: &SimDisk, file: &str, contents: &mut Contents) -> io::Result<()> {
    let mut bytes = disk.read(file)?;
    bytes.extend(contents.next());
    disk.write(file, bytes)
}

fn make_deep(disk: &SimDisk, dir: &str, contents: &mut Contents) -> io::Result<()> {
    disk.mkdir_all(format!("{dir}/b/c"))?;
    disk.write(format!("{dir}/b/c/deep"), contents.next())
}

fn copy(disk: &SimDisk, file: &str, target: &str) -> io::Result<()> {
    let bytes = disk.read(file)?;
    disk.write(target, bytes)
}

/// Writes other bytes of the same length and puts the time back, as some programs do.
fn rewrite_unseen(disk: &SimDisk, file: &str, contents: &mut Contents) -> io::Result<()> {
    let len = disk.read(file)?.len();
    let Some(Shown::File { mtime_ns, .. }) = disk.tree(FOLDER)?.remove(name_in_folder(file)) else {
        return Ok(());
    };
    let mut bytes = contents.next();
    bytes.resize(len, b'.');
    disk.write(file, bytes)?;
    disk.set_mtime(file, mtime_ns)
}

fn name_in_folder(file: &str) -> &[u8] {
    file.strip_prefix(FOLDER)
        .and_then(|path| path.strip_prefix('/'))
        .unwrap_or(file)
        .as_bytes()
}
