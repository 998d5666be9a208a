//! The client's hand on the disk, on a real disk and on simulated ones of several kinds: all that it does is done on
//! each of them. The function that reads a file's content is called in the middle of each destructive effect, so a test
//! changes the disk from there.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may stop at once")]

use std::cell::RefCell;
use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use sync_engine::{Content, Hash, NodeId, RelPath, Target};
use tempfile::TempDir;
use tests::sim::disk::{Opened, Options, SimClock, SimDisk};
use tui_client::disk::{File, HandError, Known, Print, Purge, Root, Sealed, Sight, StashLimits};

mod crash;
mod effects;
mod model;
mod staging;
mod surprises;

/// A folder with its root opened and prepared. A path beginning with `../` leads beside it.
struct Folder {
    disk: Disk,
    root: Root,
    /// Those of a simulated disk.
    options: Option<Options>,
}

enum Disk {
    Real(TempDir),
    Simulated(SimDisk),
}

/// Runs a test on all kinds of disk.
fn everywhere(test: impl Fn(&Folder)) {
    let usual = Options::new(7);
    let kinds = [
        None,
        Some(usual),
        Some(Options {
            can_exchange: false,
            ..usual
        }),
        Some(Options {
            is_choppy: true,
            ..usual
        }),
        Some(Options {
            granularity_ns: 2_000_000_000,
            tells_birth: false,
            folds_case: true,
            folds_form: true,
            ..usual
        }),
    ];
    for options in kinds {
        // Shown when the test fails.
        eprintln!("on {options:?}");
        let folder = match options {
            None => Folder::real(),
            Some(options) => Folder::simulated(options),
        };
        test(&folder);
    }
}

impl Folder {
    fn real() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("folder");
        fs::create_dir(&folder).unwrap();
        let root = Root::open(&folder).unwrap();
        root.create_private().unwrap();
        Self {
            disk: Disk::Real(dir),
            root,
            options: None,
        }
    }

    fn simulated(options: Options) -> Self {
        let disk = SimDisk::new(options, SimClock::standing());
        disk.mkdir("folder").unwrap();
        let root = disk.root("folder").unwrap();
        root.create_private().unwrap();
        Self {
            disk: Disk::Simulated(disk),
            root,
            options: Some(options),
        }
    }

    /// Tells whether two names can change places.
    fn can_exchange(&self) -> bool {
        self.options.is_none_or(|options| options.can_exchange)
    }

    /// Returns a time as the disk keeps it.
    fn rounded(&self, time_ns: i64) -> i64 {
        let granularity_ns = self.options.map_or(1, |options| options.granularity_ns);
        time_ns - time_ns.rem_euclid(granularity_ns)
    }

    fn root(&self) -> &Root {
        &self.root
    }

    fn path(&self, path: &str) -> String {
        match path.strip_prefix("../") {
            Some(beside) => beside.to_owned(),
            None => format!("folder/{path}").trim_end_matches('/').to_owned(),
        }
    }

    /// Calls the real disk or the simulated one with these paths.
    fn on<const N: usize>(
        &self,
        paths: [&str; N],
        real: impl FnOnce([PathBuf; N]) -> io::Result<()>,
        simulated: impl FnOnce(&SimDisk, [String; N]) -> io::Result<()>,
    ) -> io::Result<()> {
        let paths = paths.map(|path| self.path(path));
        match &self.disk {
            Disk::Real(dir) => real(paths.map(|path| dir.path().join(path))),
            Disk::Simulated(disk) => simulated(disk, paths),
        }
    }

    fn put(&self, path: &str, text: &str) {
        let real = |[path]: [PathBuf; 1]| fs::write(path, text);
        self.on([path], real, |disk, [path]| disk.write(&path, text))
            .unwrap();
    }

    fn write(&self, path: &str, text: &str) -> Print {
        self.put(path, text);
        self.print(path)
    }

    /// Writes into the private directory.
    fn write_private(&self, path: &str, text: &str) {
        self.put(&format!(".holdfast/{path}"), text);
    }

    fn read(&self, path: &str) -> String {
        let path = self.path(path);
        let bytes = match &self.disk {
            Disk::Real(dir) => fs::read(dir.path().join(path)),
            Disk::Simulated(disk) => disk.read(&path),
        };
        String::from_utf8(bytes.unwrap()).unwrap()
    }

    fn print(&self, path: &str) -> Print {
        *self.root.look(&rel(path)).print().unwrap()
    }

    fn mkdir(&self, path: &str) {
        self.on(
            [path],
            |[path]| fs::create_dir(path),
            |disk, [path]| disk.mkdir(&path),
        )
        .unwrap();
    }

    fn symlink(&self, target: &str, path: &str) {
        let real = |[path]: [PathBuf; 1]| symlink(target, path);
        self.on([path], real, |disk, [path]| disk.symlink(target, &path))
            .unwrap();
    }

    fn link(&self, from: &str, to: &str) {
        let real = |[from, to]: [PathBuf; 2]| fs::hard_link(from, to);
        self.on([from, to], real, |disk, [from, to]| disk.link(&from, &to))
            .unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        let real = |[from, to]: [PathBuf; 2]| fs::rename(from, to);
        self.on([from, to], real, |disk, [from, to]| disk.rename(&from, &to))
            .unwrap();
    }

    fn exchange(&self, a: &str, b: &str) -> io::Result<()> {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        let real = |[a, b]: [PathBuf; 2]| Ok(renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE)?);
        self.on([a, b], real, |disk, [a, b]| disk.exchange(&a, &b))
    }

    fn remove(&self, path: &str) {
        self.on(
            [path],
            |[path]| fs::remove_file(path),
            |disk, [path]| disk.unlink(&path),
        )
        .unwrap();
    }

    fn chmod(&self, path: &str, mode: u32) {
        let real = |[path]: [PathBuf; 1]| fs::set_permissions(path, PermissionsExt::from_mode(mode));
        self.on([path], real, |disk, [path]| disk.chmod(&path, mode))
            .unwrap();
    }

    /// Opens a file for a program that writes in place, at its end.
    fn open(&self, path: &str) -> Writer {
        let path = self.path(path);
        Writer(RefCell::new(match &self.disk {
            Disk::Real(dir) => {
                let opened = fs::OpenOptions::new().write(true).open(dir.path().join(path));
                Program::Real(opened.unwrap())
            }
            Disk::Simulated(disk) => Program::Simulated(disk.open(&path).unwrap()),
        }))
    }

    fn sealed(&self, text: &str) -> Sealed {
        let mut staged = self.root.stage().unwrap();
        staged.file().write_all(text.as_bytes()).unwrap();
        staged.seal(false, 1_600_000_000_000_000_000).unwrap()
    }

    fn names(&self, path: &str) -> Vec<String> {
        let path = self.path(path);
        let mut names: Vec<String> = match &self.disk {
            Disk::Real(dir) => fs::read_dir(dir.path().join(path))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
                .collect(),
            Disk::Simulated(disk) => disk.names(&path).unwrap(),
        };
        names.retain(|name| name != ".holdfast");
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

/// A file that a program holds open.
struct Writer(RefCell<Program>);

enum Program {
    Real(fs::File),
    Simulated(Opened),
}

impl Writer {
    fn append(&self, text: &str) {
        fn write(mut to: impl Write + Seek, text: &str) -> io::Result<()> {
            to.seek(SeekFrom::End(0))?;
            to.write_all(text.as_bytes())
        }
        match &mut *self.0.borrow_mut() {
            Program::Real(file) => write(file, text),
            Program::Simulated(file) => write(file, text),
        }
        .unwrap();
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

fn content_of(file: &mut File) -> io::Result<Content> {
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

/// Reads the content, and then lets something happen.
fn then(act: impl Fn()) -> impl Fn(&mut File) -> io::Result<Content> {
    move |file| {
        let content = content_of(file)?;
        act();
        Ok(content)
    }
}

fn known<'a>(print: &'a Print, content: &'a Content) -> Known<'a> {
    Known {
        node: NODE,
        print,
        content,
    }
}
