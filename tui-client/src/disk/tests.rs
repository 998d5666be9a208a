//! Real folders, real effects, and surprises at the worst moment: the function that reads a file's content is called in
//! the middle of each destructive effect, so a test changes the disk from there.

use super::root::Root;
use super::*;
use std::fs;
use std::io::{Read, Seek};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use sync_engine::{Block, Content, Hash, Name, NodeId, RelPath, Target};
use tempfile::TempDir;

mod crash;
mod looking;
mod private;
mod without_exchange;

/// A folder with its root opened and prepared.
struct Folder {
    dir: TempDir,
    root: Root,
}

impl Folder {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("folder");
        fs::create_dir(&folder).unwrap();
        let root = Root::open(&folder).unwrap();
        root.create_private().unwrap();
        Self { dir, root }
    }

    /// The path of something in the folder.
    fn at(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    /// A directory beside the folder, that must never be touched.
    fn outside(&self) -> PathBuf {
        let outside = self.dir.path().join("outside");
        fs::create_dir_all(&outside).unwrap();
        outside
    }

    fn write(&self, path: &str, text: &str) -> Print {
        fs::write(self.at(path), text).unwrap();
        self.print(path)
    }

    /// Writes into the private directory.
    fn write_private(&self, path: &str, text: &str) {
        fs::write(self.root.private_path(path), text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap()
    }

    fn print(&self, path: &str) -> Print {
        *self.root.look(&rel(path)).print().unwrap()
    }

    fn sealed(&self, text: &str) -> Sealed {
        use std::io::Write;
        let mut staged = self.root.stage().unwrap();
        staged.file().write_all(text.as_bytes()).unwrap();
        staged.seal(false, 1_600_000_000_000_000_000).unwrap()
    }

    fn names(&self, path: &str) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.at(path))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|name| name != ".holdfast")
            .collect();
        names.sort();
        names
    }

    /// The bytes of all files in the stash.
    fn stash(&self) -> Vec<String> {
        let mut texts: Vec<String> = self
            .names(".holdfast/stash")
            .into_iter()
            .filter(|name| !name.ends_with(".json"))
            .map(|name| self.read(&format!(".holdfast/stash/{name}")))
            .collect();
        texts.sort();
        texts
    }
}

fn rel(path: &str) -> RelPath {
    RelPath::parse(path.as_bytes()).unwrap()
}

fn target(text: &str) -> Target {
    Target::new(text.as_bytes()).unwrap()
}

fn content(text: &str) -> Content {
    Content {
        hash: Hash::of(text.as_bytes()),
        size_bytes: text.len() as u64,
        depth: 0,
    }
}

fn content_of(file: &mut File) -> std::io::Result<Content> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(Content {
        hash: Hash::of(&bytes),
        size_bytes: bytes.len() as u64,
        depth: 0,
    })
}

const NODE: NodeId = NodeId([7; 16]);

fn known<'a>(print: &'a Print, content: &'a Content) -> Known<'a> {
    Known {
        node: NODE,
        print,
        content,
    }
}
