//! The observer on real folders: whatever is done to one, the local tree comes to equal it, and nodes keep their ids.

#![expect(clippy::unwrap_used, reason = "a test may stop at once")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sync_engine::{Block, Hash, Kind, NodeId, RelPath, Trees};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tui_client::chunker::Chunker;
use tui_client::disk::{Print, Root};
use tui_client::observer::{Event, LocalUpdate, Observer, Start};
use tui_client::rules::Rules;

/// An observed folder, and a driver that does nothing but what the observer says.
struct Eyes {
    folder: TempDir,
    observer: Observer,
    events: mpsc::Receiver<Event>,
    trees: Trees,
    prints: BTreeMap<NodeId, Print>,
    busy: BTreeSet<NodeId>,
    /// How many edits of files' bytes there were.
    n_contents: usize,
    notices: Vec<String>,
    root_lost: bool,
}

fn start(root: &Root, prints: Vec<(NodeId, Print)>) -> (Observer, mpsc::Receiver<Event>) {
    static MADE: AtomicU64 = AtomicU64::new(1);
    let new_id = || NodeId(u128::from(MADE.fetch_add(1, Ordering::Relaxed)).to_be_bytes());
    Observer::start(Start {
        root: root.clone(),
        rules: Rules::default(),
        prints,
        new_id: Box::new(new_id),
        rescan_interval: Duration::from_secs(3600),
    })
    .unwrap()
}

impl Eyes {
    fn on(folder: TempDir) -> Self {
        let root = Root::open(folder.path()).unwrap();
        root.create_private().unwrap();
        root.marker().unwrap();
        let (observer, events) = start(&root, Vec::new());
        Self {
            folder,
            observer,
            events,
            trees: Trees::new(),
            prints: BTreeMap::new(),
            busy: BTreeSet::new(),
            n_contents: 0,
            notices: Vec::new(),
            root_lost: false,
        }
    }

    async fn new() -> Self {
        let mut eyes = Self::on(TempDir::new().unwrap());
        eyes.settle().await;
        eyes
    }

    /// Ends the observer, does something to the folder, and begins anew with what was known.
    async fn while_away(&mut self, deed: impl FnOnce(&Path)) {
        let (_, events) = mpsc::channel(1);
        self.events = events;
        deed(self.folder.path());
        let root = Root::open(self.folder.path()).unwrap();
        root.marker().unwrap();
        let prints = self.prints.iter().map(|(id, print)| (*id, *print)).collect();
        (self.observer, self.events) = start(&root, prints);
        self.settle().await;
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn write(&self, path: &str, bytes: &str) {
        fs::write(self.path(path), bytes).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn id(&self, path: &str) -> NodeId {
        self.find(path)
            .unwrap_or_else(|| panic!("{path} is not in {:?}", self.paths()))
    }

    fn find(&self, path: &str) -> Option<NodeId> {
        self.trees
            .local()
            .lookup(&RelPath::parse(path.as_bytes()).unwrap())
    }

    fn paths(&self) -> Vec<String> {
        let mut paths: Vec<String> = self
            .trees
            .local()
            .iter()
            .map(|(id, _)| self.trees.local().path(id).unwrap().to_string())
            .collect();
        paths.sort();
        paths
    }

    async fn step(&mut self) -> LocalUpdate {
        let event = tokio::time::timeout(Duration::from_secs(15), self.events.recv()).await;
        let event = event
            .expect("the observer says something")
            .expect("the observer runs");
        let update = self.observer.handle(event, &self.trees, &self.busy);
        self.n_contents += update
            .edits
            .iter()
            .filter(|(id, node)| {
                let content = |node: &sync_engine::Node| node.kind.file().map(|file| file.content);
                let old = self.trees.local().node(*id).and_then(|node| content(node));
                node.as_ref()
                    .and_then(|node| content(node))
                    .is_some_and(|new| old != Some(new))
            })
            .count();
        self.trees
            .edit_local(update.edits.clone())
            .expect("an update fits the tree that it was made for");
        for (id, block) in &update.blocks {
            self.trees.set_block(*id, block.clone());
        }
        for (id, print) in &update.prints {
            match print {
                Some(print) => drop(self.prints.insert(*id, *print)),
                None => drop(self.prints.remove(id)),
            }
        }
        self.notices
            .extend(update.notices.iter().map(ToString::to_string));
        self.root_lost |= update.root_lost.is_some();
        update
    }

    /// Waits until all that was done so far has been seen, and compares the tree with the disk.
    async fn settle(&mut self) {
        let token = self.observer.sync();
        while self.step().await.caught_up < Some(token) {}
        assert_eq!(self.paths(), disk(self.folder.path()));
        for (id, item) in self.trees.local().iter() {
            let path = self.path(&self.trees.local().path(id).unwrap().to_string());
            match &item.node.kind {
                Kind::File(file) if !self.trees.blocked().contains_key(&id) => {
                    let chunked = Chunker::new()
                        .chunk(fs::File::open(&path).unwrap(), |_, _| ())
                        .unwrap();
                    assert_eq!(chunked.content, file.content, "{}", path.display());
                }
                Kind::File(_) => (),
                Kind::Dir => assert!(path.symlink_metadata().unwrap().is_dir()),
                Kind::Symlink(target) => {
                    assert_eq!(
                        fs::read_link(&path).unwrap().as_os_str().as_encoded_bytes(),
                        target.as_bytes()
                    );
                }
            }
        }
    }
}

/// Lists what should be in the tree.
fn disk(folder: &Path) -> Vec<String> {
    fn visit(at: &Path, folder: &Path, paths: &mut Vec<String>) {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            let file_type = path.symlink_metadata().unwrap().file_type();
            let name = path.file_name().unwrap().to_str().unwrap();
            if name == ".holdfast"
                || Rules::default().ignores(&RelPath::parse(name.as_bytes()).unwrap(), false)
            {
                continue;
            }
            if file_type.is_file() || file_type.is_dir() || file_type.is_symlink() {
                paths.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
            if file_type.is_dir() {
                visit(&path, folder, paths);
            }
        }
    }
    let mut paths = Vec::new();
    visit(folder, folder, &mut paths);
    paths.sort();
    paths
}

#[tokio::test]
async fn what_is_there_at_the_start_is_seen() {
    let folder = TempDir::new().unwrap();
    fs::create_dir_all(folder.path().join("a/b/c")).unwrap();
    fs::write(folder.path().join("a/b/c/file"), "bytes").unwrap();
    fs::write(folder.path().join("empty"), "").unwrap();
    let mut eyes = Eyes::on(folder);
    eyes.settle().await;
    assert_eq!(eyes.paths(), ["a", "a/b", "a/b/c", "a/b/c/file", "empty"]);
    assert!(eyes.notices.is_empty(), "{:?}", eyes.notices);
}

#[tokio::test]
async fn edits_renames_and_deletions_are_seen_and_ids_stay() {
    let mut eyes = Eyes::new().await;
    eyes.write("a", "1");
    eyes.settle().await;
    let a = eyes.id("a");
    eyes.write("a", "2");
    eyes.settle().await;
    assert_eq!(eyes.id("a"), a);
    eyes.rename("a", "b");
    eyes.settle().await;
    assert_eq!(eyes.id("b"), a);
    fs::create_dir(eyes.path("d")).unwrap();
    eyes.rename("b", "d/c");
    eyes.settle().await;
    assert_eq!(eyes.id("d/c"), a);
    fs::remove_dir_all(eyes.path("d")).unwrap();
    eyes.settle().await;
    assert!(eyes.trees.local().is_empty());
    assert!(eyes.observer.idle());
}

#[tokio::test]
async fn a_burst_of_deep_new_directories_arrives_with_the_files_in_them() {
    let mut eyes = Eyes::new().await;
    for i in 0..300 {
        let dir = format!("{}/{}/{}/{}", i % 7, i % 11, i % 13, i);
        fs::create_dir_all(eyes.path(&dir)).unwrap();
        eyes.write(&format!("{dir}/file"), &i.to_string());
    }
    eyes.settle().await;
    assert_eq!(
        eyes.paths().iter().filter(|path| path.ends_with("file")).count(),
        300
    );
}

#[tokio::test]
async fn a_deep_directory_moves_with_one_edit_and_no_reading() {
    let mut eyes = Eyes::new().await;
    fs::create_dir_all(eyes.path("a/b/c")).unwrap();
    for i in 0..50 {
        eyes.write(&format!("a/b/c/{i}"), &i.to_string());
    }
    eyes.settle().await;
    let (dir, file, n_contents) = (eyes.id("a/b"), eyes.id("a/b/c/7"), eyes.n_contents);
    eyes.rename("a/b", "moved");
    eyes.settle().await;
    assert_eq!((eyes.id("moved"), eyes.id("moved/c/7")), (dir, file));
    assert_eq!(eyes.n_contents, n_contents);
    eyes.write("moved/c/7", "seen in its new place");
    eyes.settle().await;
    assert_eq!(eyes.id("moved/c/7"), file);
}

#[tokio::test]
async fn a_storm_of_edits_ends_with_the_last_one() {
    let mut eyes = Eyes::new().await;
    for i in 0..400 {
        eyes.write("a", &format!("{i:04}"));
        if i % 40 == 0 {
            eyes.settle().await;
        }
    }
    eyes.settle().await;
    assert_eq!(eyes.paths(), ["a"]);
}

#[tokio::test]
async fn the_ways_of_editors_to_save_keep_the_node() {
    let mut eyes = Eyes::new().await;
    eyes.write("doc", "first");
    eyes.settle().await;
    let doc = eyes.id("doc");
    for round in 0..3 {
        // Vim: a probe, a swap file, the old one put aside, a new one written, the old one removed.
        eyes.write("4913", "");
        fs::remove_file(eyes.path("4913")).unwrap();
        eyes.write(".doc.swp", "swap");
        eyes.rename("doc", "doc~");
        eyes.write("doc", &format!("vim {round}"));
        fs::remove_file(eyes.path("doc~")).unwrap();
        fs::remove_file(eyes.path(".doc.swp")).unwrap();
        eyes.settle().await;
        assert_eq!(eyes.id("doc"), doc, "vim");
        // Emacs: the old one stays as a backup.
        eyes.rename("doc", "doc~");
        eyes.write("doc", &format!("emacs {round}"));
        eyes.settle().await;
        assert_eq!(eyes.id("doc"), doc, "emacs");
        assert_ne!(eyes.id("doc~"), doc);
        // LibreOffice and many others: a new file renamed over the old one.
        eyes.write("lu12345.tmp", &format!("office {round}"));
        eyes.rename("lu12345.tmp", "doc");
        eyes.settle().await;
        assert_eq!(eyes.id("doc"), doc, "rename over");
        // The same, slowly: the new file is a node of its own before it is renamed.
        eyes.write("doc.new", &format!("slow {round}"));
        eyes.settle().await;
        eyes.rename("doc.new", "doc");
        eyes.settle().await;
        assert_eq!(eyes.id("doc"), doc, "slow rename over");
        // VS Code and others: truncated and written in place.
        eyes.write("doc", &format!("in place {round}"));
        eyes.settle().await;
        assert_eq!(eyes.id("doc"), doc, "in place");
        assert_eq!(eyes.paths(), ["doc", "doc~"]);
    }
}

#[tokio::test]
async fn swapped_and_rotated_names_are_moves() {
    let mut eyes = Eyes::new().await;
    for name in ["a", "b", "c"] {
        eyes.write(name, name);
    }
    eyes.settle().await;
    let ids = ["a", "b", "c"].map(|name| eyes.id(name));
    let n_contents = eyes.n_contents;
    for (from, to) in [("a", "t"), ("b", "a"), ("c", "b"), ("t", "c")] {
        eyes.rename(from, to);
    }
    eyes.settle().await;
    assert_eq!(["c", "a", "b"].map(|name| eyes.id(name)), ids);
    eyes.while_away(|folder| {
        for (from, to) in [("a", "t"), ("b", "a"), ("t", "b")] {
            fs::rename(folder.join(from), folder.join(to)).unwrap();
        }
    })
    .await;
    assert_eq!(["c", "b", "a"].map(|name| eyes.id(name)), ids);
    assert_eq!(eyes.n_contents, n_contents);
}

#[tokio::test]
async fn what_happens_while_the_client_does_not_run_is_seen_at_the_next_start() {
    let mut eyes = Eyes::new().await;
    fs::create_dir_all(eyes.path("z/deep")).unwrap();
    fs::create_dir_all(eyes.path("a")).unwrap();
    for name in ["z/deep/moves", "z/stays", "z/changes", "goes"] {
        eyes.write(name, name);
    }
    eyes.settle().await;
    let ids = ["z/deep/moves", "z/stays", "z/changes"].map(|name| eyes.id(name));
    let n_contents = eyes.n_contents;
    eyes.while_away(|folder| {
        fs::rename(folder.join("z/deep/moves"), folder.join("a/moved")).unwrap();
        fs::rename(folder.join("z"), folder.join("b")).unwrap();
        fs::remove_dir(folder.join("b/deep")).unwrap();
        fs::write(folder.join("b/changes"), "other bytes").unwrap();
        fs::remove_file(folder.join("goes")).unwrap();
    })
    .await;
    assert_eq!(["a/moved", "b/stays", "b/changes"].map(|name| eyes.id(name)), ids);
    assert_eq!(eyes.n_contents, n_contents + 1);
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[tokio::test]
    async fn links_are_data_and_pipes_hang_nobody() {
        let mut eyes = Eyes::new().await;
        let outside = TempDir::new().unwrap();
        fs::write(outside.path().join("secret"), "secret").unwrap();
        symlink(outside.path(), eyes.path("out")).unwrap();
        symlink("loop", eyes.path("loop")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            eyes.path("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        eyes.write("a", "a");
        eyes.settle().await;
        assert_eq!(eyes.paths(), ["a", "loop", "out"]);
        let pipe = RelPath::parse(b"pipe").unwrap();
        assert_eq!(eyes.observer.oddities().get(&pipe), Some(&Block::UnsupportedType));
        fs::remove_file(eyes.path("pipe")).unwrap();
        fs::remove_file(eyes.path("out")).unwrap();
        symlink("elsewhere", eyes.path("out")).unwrap();
        eyes.settle().await;
        assert!(eyes.observer.oddities().is_empty());
    }

    #[tokio::test]
    async fn a_file_that_becomes_a_pipe_is_blocked_and_not_gone() {
        let mut eyes = Eyes::new().await;
        eyes.write("a", "a");
        eyes.settle().await;
        let a = eyes.id("a");
        fs::remove_file(eyes.path("a")).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            eyes.path("a"),
            rustix::fs::FileType::Fifo,
            mode,
            0,
        )
        .unwrap();
        let token = eyes.observer.sync();
        while eyes.step().await.caught_up < Some(token) {}
        assert_eq!(eyes.id("a"), a);
        assert_eq!(eyes.trees.blocked().get(&a), Some(&Block::UnsupportedType));
        fs::remove_file(eyes.path("a")).unwrap();
        eyes.write("a", "back");
        eyes.settle().await;
        assert_eq!(eyes.id("a"), a);
        assert!(eyes.trees.blocked().is_empty());
    }

    #[tokio::test]
    async fn hard_links_are_files_of_their_own() {
        let mut eyes = Eyes::new().await;
        eyes.write("a", "a");
        eyes.settle().await;
        let a = eyes.id("a");
        fs::hard_link(eyes.path("a"), eyes.path("b")).unwrap();
        eyes.settle().await;
        assert_eq!(eyes.id("a"), a);
        let b = eyes.id("b");
        assert_ne!(b, a);
        eyes.write("b", "both change");
        eyes.settle().await;
        eyes.observer.rescan();
        eyes.settle().await;
        fs::remove_file(eyes.path("b")).unwrap();
        eyes.settle().await;
        assert_eq!(eyes.id("a"), a);
    }

    #[tokio::test]
    async fn a_change_of_mode_is_an_edit_without_new_bytes() {
        let mut eyes = Eyes::new().await;
        eyes.write("a", "a");
        eyes.settle().await;
        let n_contents = eyes.n_contents;
        fs::set_permissions(eyes.path("a"), fs::Permissions::from_mode(0o755)).unwrap();
        eyes.settle().await;
        let a = eyes.id("a");
        assert!(eyes.trees.local().node(a).unwrap().kind.file().unwrap().exec);
        assert_eq!(eyes.n_contents, n_contents);
    }
}

#[tokio::test]
async fn a_type_that_changes_is_another_node() {
    let mut eyes = Eyes::new().await;
    eyes.write("a", "a");
    eyes.settle().await;
    let a = eyes.id("a");
    fs::remove_file(eyes.path("a")).unwrap();
    fs::create_dir(eyes.path("a")).unwrap();
    eyes.write("a/inside", "inside");
    eyes.settle().await;
    assert_ne!(eyes.id("a"), a);
    assert_eq!(eyes.paths(), ["a", "a/inside"]);
}

#[tokio::test]
async fn an_overflow_is_made_good_by_a_full_walk() {
    let mut eyes = Eyes::new().await;
    eyes.write("a", "a");
    eyes.settle().await;
    eyes.observer.rescan();
    loop {
        if eyes.step().await.scan_finished {
            break;
        }
    }
    eyes.settle().await;
}

#[tokio::test]
async fn what_the_rules_leave_out_is_not_seen_and_never_deleted() {
    let mut eyes = Eyes::new().await;
    fs::create_dir(eyes.path("build")).unwrap();
    eyes.write("build/out", "out");
    eyes.settle().await;
    let (build, out) = (eyes.id("build"), eyes.id("build/out"));
    eyes.write(".holdfastignore", "build/\n");
    let token = eyes.observer.sync();
    while eyes.step().await.caught_up < Some(token) {}
    assert_eq!(eyes.trees.blocked().get(&build), Some(&Block::Ignored));
    fs::remove_dir_all(eyes.path("build")).unwrap();
    let token = eyes.observer.sync();
    while eyes.step().await.caught_up < Some(token) {}
    assert_eq!((eyes.id("build"), eyes.id("build/out")), (build, out));
    fs::create_dir(eyes.path("build")).unwrap();
    eyes.write("build/out", "again");
    fs::remove_file(eyes.path(".holdfastignore")).unwrap();
    eyes.settle().await;
    assert_eq!(eyes.id("build"), build);
    assert!(eyes.trees.blocked().is_empty());
}

#[tokio::test]
async fn a_place_that_the_driver_works_on_is_left_alone_until_it_is_done() {
    let mut eyes = Eyes::new().await;
    eyes.write("a", "1");
    eyes.settle().await;
    let a = eyes.id("a");
    eyes.busy.insert(a);
    eyes.write("a", "2 is longer");
    let before = eyes.trees.local().clone();
    for _ in 0..5 {
        eyes.step().await;
        assert_eq!(eyes.trees.local(), &before);
    }
    eyes.busy.clear();
    eyes.settle().await;
}

#[tokio::test]
async fn a_folder_that_goes_is_lost_and_not_empty() {
    let mut eyes = Eyes::new().await;
    eyes.write("a", "a");
    eyes.settle().await;
    let before = eyes.trees.local().clone();
    let away = TempDir::new_in(eyes.folder.path().parent().unwrap()).unwrap();
    fs::rename(eyes.folder.path(), away.path().join("moved")).unwrap();
    while !eyes.root_lost {
        eyes.step().await;
    }
    assert_eq!(eyes.trees.local(), &before);
    fs::rename(away.path().join("moved"), eyes.folder.path()).unwrap();
}

#[tokio::test]
async fn a_large_file_comes_in_pieces_and_a_small_one_with_its_bytes() {
    let mut eyes = Eyes::new().await;
    eyes.write("large", &"0123456789".repeat(300_000));
    eyes.write("small", "small");
    let token = eyes.observer.sync();
    let (mut pieces, mut small) = (BTreeMap::new(), BTreeMap::new());
    loop {
        let update = eyes.step().await;
        pieces.extend(update.chunked);
        small.extend(update.small);
        if update.caught_up >= Some(token) {
            break;
        }
    }
    let large = eyes
        .trees
        .local()
        .node(eyes.id("large"))
        .unwrap()
        .kind
        .file()
        .unwrap()
        .content;
    assert_eq!(pieces[&eyes.id("large")].content, large);
    assert_eq!(small[&Hash::of(b"small")].as_ref(), b"small");
}

/// A source of decisions that is the same at every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn path(&mut self, folder: &Path) -> PathBuf {
        let mut path = folder.to_owned();
        for _ in 0..=self.roll(3) {
            path.push(["a", "b", "c", "d"][self.roll(4) as usize]);
        }
        path
    }
}

/// Does something to a folder that may or may not be possible.
fn meddle(folder: &Path, dice: &mut Dice) {
    let (path, other) = (dice.path(folder), dice.path(folder));
    let _ = match dice.roll(8) {
        0 => fs::create_dir_all(path),
        1 | 2 => fs::write(path, dice.roll(1000).to_string()),
        3 | 4 => fs::rename(path, other),
        5 => fs::remove_file(path),
        6 => fs::hard_link(path, other),
        _ => fs::remove_dir_all(path),
    };
}

#[tokio::test]
async fn whatever_is_done_to_a_folder_the_tree_comes_to_equal_it() {
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let rounds = std::env::var("HOLDFAST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(40);
    let mut eyes = Eyes::new().await;
    for round in 0..rounds {
        for _ in 0..dice.roll(40) {
            meddle(eyes.folder.path(), &mut dice);
        }
        eyes.settle().await;
        if round % 10 == 9 {
            let mut away = Dice(dice.roll(u64::MAX) | 1);
            eyes.while_away(|folder| (0..20).for_each(|_| meddle(folder, &mut away)))
                .await;
        }
    }
}
