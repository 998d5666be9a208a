//! What a time stamp cannot tell: files that are written within one tick of the disk's stamps. The real observer watches
//! a simulated disk that knows every second second only.

#![expect(clippy::unwrap_used, reason = "a test may stop at once")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use sync_engine::{Block, Content, FileState, Kind, Node, NodeId, RelPath, Trees};
use tests::sim::disk::{Options, SimClock, SimDisk, SimWatch, WatchOptions};
use tokio::sync::mpsc;
use tui_client::chunker::Chunker;
use tui_client::disk::{HandError, Print, Root};
use tui_client::observer::{Event, Observer, Remembered, Start};
use tui_client::rules::Rules;

const FOLDER: &str = "folder";
const FILE: &str = "folder/file";
const TICK_NS: i64 = 2_000_000_000;
const ID: NodeId = NodeId([1; 16]);

/// The observer of a folder, and a driver that does what it says.
struct Eyes {
    disk: SimDisk,
    root: Root,
    observer: Observer,
    seen: mpsc::Receiver<Event>,
    trees: Trees,
    prints: BTreeMap<NodeId, Print>,
}

fn coarse(seed: u64) -> Options {
    Options {
        granularity_ns: TICK_NS,
        ..Options::new(seed)
    }
}

fn folding() -> Options {
    Options {
        folds_case: true,
        folds_form: true,
        ..Options::new(1)
    }
}

fn content(bytes: &str) -> Content {
    Chunker::new().chunk(bytes.as_bytes(), |_, _| ()).unwrap().content
}

fn path() -> RelPath {
    RelPath::parse(b"file").unwrap()
}

impl Eyes {
    async fn on_coarse_disk() -> Self {
        Self::on_disk(coarse(1)).await
    }

    async fn on_disk(options: Options) -> Self {
        let disk = SimDisk::new(options, SimClock::of_runtime());
        disk.mkdir(FOLDER).unwrap();
        let root = disk.root(FOLDER).unwrap();
        root.create_private().unwrap();
        root.folds().unwrap();
        // The first node that is made has a known id.
        let mut last = 0;
        let new_id = move || {
            last += 1;
            NodeId([last; 16])
        };
        let start = Start {
            root: root.clone(),
            rules: Rules::default(),
            remembered: Remembered::default(),
            new_id: Box::new(new_id),
            rescan_interval: Duration::from_secs(3600),
        };
        let watch = SimWatch::new(&disk, FOLDER, WatchOptions::default());
        let (observer, seen, workers) = Observer::with_workers(start, Box::new(watch));
        for worker in workers {
            tokio::spawn(worker.run());
        }
        let mut eyes = Self {
            disk,
            root,
            observer,
            seen,
            trees: Trees::new(),
            prints: BTreeMap::new(),
        };
        eyes.settle().await;
        eyes
    }

    /// Waits until all that is written is seen.
    async fn settle(&mut self) {
        let token = self.observer.sync();
        while self.step().await < Some(token) {}
    }

    /// Takes in an event; returns how far all that is written is seen.
    async fn step(&mut self) -> Option<u64> {
        let event = self.seen.recv().await.unwrap();
        let update = self.observer.handle(event, &self.trees, &BTreeSet::new());
        self.trees.edit_local(update.edits).unwrap();
        for (id, block) in update.blocks {
            self.trees.set_block(id, block);
        }
        for (id, print) in update.prints {
            match print {
                Some(print) => self.prints.insert(id, print),
                None => self.prints.remove(&id),
            };
        }
        update.caught_up
    }

    /// Lets a tick of the stamps begin.
    async fn tick(&self) {
        let left_ns = TICK_NS - self.disk.clock().now_ns().rem_euclid(TICK_NS);
        tokio::time::advance(Duration::from_nanos(left_ns.unsigned_abs())).await;
    }

    /// Puts the file there as the hand does, changed now, and says so.
    fn install(&mut self, bytes: &str) {
        let now_ns = self.disk.clock().now_ns();
        self.install_with_time(bytes, now_ns);
    }

    fn install_with_time(&mut self, bytes: &str, mtime_ns: i64) {
        let print = self.put(bytes, mtime_ns, &path());
        self.know(bytes, mtime_ns, print);
    }

    /// Puts a file there as the hand does, and says nothing of it.
    fn put(&self, bytes: &str, mtime_ns: i64, path: &RelPath) -> Print {
        let mut staged = self.root.stage().unwrap();
        std::io::Write::write_all(staged.file(), bytes.as_bytes()).unwrap();
        let sealed = staged.seal(false, mtime_ns).unwrap();
        self.root.install(sealed, path).unwrap()
    }

    fn know(&mut self, bytes: &str, mtime_ns: i64, print: Print) {
        let state = FileState {
            content: content(bytes),
            exec: false,
            mtime_ns,
        };
        let node = Node {
            parent: NodeId::ROOT,
            name: "file".try_into().unwrap(),
            kind: Kind::File(state),
            mark: None,
        };
        self.trees.edit_local(vec![(ID, Some(Arc::new(node)))]).unwrap();
        self.observer.note(ID, Some(print));
        self.prints.insert(ID, print);
    }

    fn file(&self) -> &FileState {
        self.trees.local().node(ID).unwrap().kind.file().unwrap()
    }

    /// Tells whether the file has a print that is equal to what is known.
    fn looks_the_same(&self) -> bool {
        self.looks_the_same_at("file")
    }

    /// Tells so of a file that stands somewhere else by now.
    fn looks_the_same_at(&self, path: &str) -> bool {
        let path = RelPath::parse(path.as_bytes()).unwrap();
        self.root.look(&path).print() == self.prints.get(&ID)
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_in_the_tick_in_which_the_hand_put_the_file_there_is_seen() {
    let mut eyes = Eyes::on_coarse_disk().await;
    eyes.tick().await;
    eyes.install("ours");
    eyes.disk.write(FILE, "mine").unwrap();
    assert!(eyes.looks_the_same());
    eyes.settle().await;
    assert_eq!(eyes.file().content, content("mine"));
}

#[tokio::test(start_paused = true)]
async fn a_write_in_the_tick_is_seen_although_the_word_of_it_was_lost() {
    let mut eyes = Eyes::on_coarse_disk().await;
    eyes.tick().await;
    eyes.install("ours");
    eyes.settle().await;
    eyes.disk.write(FILE, "mine").unwrap();
    eyes.disk.overflow();
    assert!(eyes.looks_the_same());
    eyes.settle().await;
    assert_eq!(eyes.file().content, content("mine"));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_written_and_moved_in_the_tick_is_read_where_it_is() {
    let mut eyes = Eyes::on_coarse_disk().await;
    eyes.tick().await;
    eyes.install("ours");
    eyes.settle().await;
    eyes.disk.write(FILE, "mine").unwrap();
    eyes.disk.rename(FILE, "folder/moved").unwrap();
    assert!(eyes.looks_the_same_at("moved"));
    eyes.settle().await;
    assert_eq!(eyes.file().content, content("mine"));
    assert_eq!(eyes.trees.local().node(ID).unwrap().name.as_bytes(), b"moved");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_written_and_moved_with_its_directory_in_the_tick_is_read_where_it_is() {
    let mut eyes = Eyes::on_coarse_disk().await;
    eyes.disk.mkdir("folder/dir").unwrap();
    eyes.settle().await;
    eyes.tick().await;
    eyes.disk.write("folder/dir/file", "ours").unwrap();
    eyes.settle().await;
    let id = eyes.trees.local().lookup(&RelPath::parse(b"dir/file").unwrap());
    eyes.disk.write("folder/dir/file", "mine").unwrap();
    eyes.disk.rename("folder/dir", "folder/moved").unwrap();
    eyes.settle().await;
    let moved = eyes.trees.local().lookup(&RelPath::parse(b"moved/file").unwrap());
    assert_eq!(moved, id);
    let file = eyes.trees.local().node(id.unwrap()).unwrap().kind.file().unwrap();
    assert_eq!(file.content, content("mine"));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_written_in_the_tick_in_which_the_hand_moves_it_is_read_where_it_is() {
    let mut eyes = Eyes::on_coarse_disk().await;
    eyes.tick().await;
    eyes.install("ours");
    eyes.settle().await;
    eyes.disk.write(FILE, "mine").unwrap();
    let moved = RelPath::parse(b"moved").unwrap();
    eyes.disk.rename(FILE, "folder/moved").unwrap();
    let print = *eyes.root.look(&moved).print().unwrap();
    let mut node = Node::clone(eyes.trees.local().node(ID).unwrap());
    node.name = "moved".try_into().unwrap();
    eyes.trees.edit_local(vec![(ID, Some(Arc::new(node)))]).unwrap();
    eyes.observer.note_moved(ID, print, &moved, eyes.root.now());
    assert!(eyes.looks_the_same_at("moved"));
    eyes.settle().await;
    assert_eq!(eyes.file().content, content("mine"));
}

#[tokio::test(start_paused = true)]
async fn a_write_in_the_tick_is_seen_although_the_clock_was_set() {
    for by_s in [-1_000_000, 1_000_000] {
        let mut eyes = Eyes::on_coarse_disk().await;
        eyes.tick().await;
        eyes.install("ours");
        eyes.settle().await;
        eyes.disk.write(FILE, "mine").unwrap();
        eyes.disk.clock().jump(by_s * 1_000_000_000);
        assert!(eyes.looks_the_same());
        eyes.settle().await;
        assert_eq!(eyes.file().content, content("mine"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_takes_anothers_place_and_number_in_the_tick_is_read() {
    let mut n_same = 0;
    for seed in 0..40 {
        let mut eyes = Eyes::on_disk(coarse(seed)).await;
        eyes.tick().await;
        eyes.disk.mkdir("folder/dir").unwrap();
        eyes.disk.write("folder/dir/file", "ours").unwrap();
        let path = RelPath::parse(b"dir/file").unwrap();
        // It is read once more only when its stamps can be trusted.
        let id = loop {
            match eyes.trees.local().lookup(&path) {
                Some(id) => break id,
                None => drop(eyes.step().await),
            }
        };
        let print = eyes.root.look(&path);
        eyes.disk.remove_all("folder/dir").unwrap();
        eyes.disk.mkdir("folder/dir").unwrap();
        eyes.disk.write("folder/dir/file", "mine").unwrap();
        n_same += usize::from(eyes.root.look(&path) == print);
        eyes.settle().await;
        assert_eq!(eyes.trees.local().lookup(&path), Some(id));
        let file = eyes.trees.local().node(id).unwrap().kind.file().unwrap();
        assert_eq!(file.content, content("mine"), "{seed}");
    }
    assert!(0 < n_same, "no file got the number of the one before");
}

/// Only the walk through a directory that the hand has just made meets what was written in it before it was watched.
#[tokio::test(start_paused = true)]
async fn a_write_in_a_directory_that_the_hand_has_just_made_is_seen() {
    let mut eyes = Eyes::on_coarse_disk().await;
    eyes.tick().await;
    let (dir, dir_id) = (RelPath::parse(b"dir").unwrap(), NodeId([0xdd; 16]));
    let made = eyes.root.make_dir(&dir).unwrap();
    let mtime_ns = eyes.disk.clock().now_ns();
    let print = eyes.put("ours", mtime_ns, &RelPath::parse(b"dir/file").unwrap());
    let node = |parent, name: &str, kind| Node {
        parent,
        name: name.try_into().unwrap(),
        kind,
        mark: None,
    };
    let state = FileState {
        content: content("ours"),
        exec: false,
        mtime_ns,
    };
    let nodes = vec![
        (dir_id, Some(Arc::new(node(NodeId::ROOT, "dir", Kind::Dir)))),
        (ID, Some(Arc::new(node(dir_id, "file", Kind::File(state))))),
    ];
    eyes.trees.edit_local(nodes).unwrap();
    eyes.observer.note(dir_id, Some(made));
    eyes.observer.note(ID, Some(print));
    eyes.prints.insert(ID, print);
    eyes.disk.write("folder/dir/file", "mine").unwrap();
    assert!(eyes.looks_the_same_at("dir/file"));
    eyes.settle().await;
    assert_eq!(eyes.file().content, content("mine"));
}

/// Directories that were made anew within one tick, and got each other's numbers, look as if they had changed places.
#[tokio::test(start_paused = true)]
async fn directories_that_take_each_others_numbers_in_the_tick_are_looked_at_with_pauses() {
    for seed in 0..40 {
        let mut eyes = Eyes::on_disk(coarse(seed)).await;
        eyes.tick().await;
        for bytes in ["ours", "mine"] {
            for dir in ["folder/dir", "folder/dir/b", "folder/dir/b/c"] {
                eyes.disk.mkdir(dir).unwrap();
            }
            eyes.disk.write("folder/dir/b/c/file", bytes).unwrap();
            let path = RelPath::parse(b"dir/b/c/file").unwrap();
            if bytes == "ours" {
                while eyes.trees.local().lookup(&path).is_none() {
                    eyes.step().await;
                }
                eyes.disk.remove_all("folder/dir").unwrap();
                continue;
            }
            eyes.settle().await;
            let id = eyes.trees.local().lookup(&path).unwrap();
            let file = eyes.trees.local().node(id).unwrap().kind.file().unwrap();
            assert_eq!(file.content, content("mine"), "{seed}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_whose_stamps_are_young_is_doubted_under_another_id_as_well() {
    let mut eyes = Eyes::on_coarse_disk().await;
    eyes.tick().await;
    eyes.disk.write(FILE, "mine").unwrap();
    while eyes.trees.local().node(ID).is_none() {
        eyes.step().await;
    }
    assert!(eyes.observer.doubts());
    let (other, node) = (NodeId([0xee; 16]), eyes.trees.local().node(ID).cloned());
    eyes.trees.edit_local(vec![(ID, None), (other, node)]).unwrap();
    assert_eq!(eyes.observer.follow(ID, other), eyes.prints.get(&ID).copied());
    assert!(eyes.observer.doubts());
    eyes.settle().await;
    assert!(!eyes.observer.doubts());
}

#[tokio::test(start_paused = true)]
async fn a_name_whose_case_alone_was_changed_is_a_move_on_a_disk_that_folds() {
    let mut eyes = Eyes::on_disk(folding()).await;
    for name in ["FILE", "File", "f\u{ed}le", "fi\u{301}le"] {
        eyes.disk.write(FILE, "mine").unwrap();
        eyes.settle().await;
        let ids = |eyes: &Eyes| {
            eyes.trees
                .local()
                .children(NodeId::ROOT)
                .map(|(_, id)| id)
                .collect::<Vec<_>>()
        };
        let before = ids(&eyes);
        eyes.disk.rename(FILE, format!("folder/{name}")).unwrap();
        eyes.settle().await;
        assert_eq!(ids(&eyes), before, "{name}");
        let node = eyes.trees.local().node(before[0]).unwrap();
        assert_eq!(node.name.as_bytes(), name.as_bytes());
        eyes.disk.rename(format!("folder/{name}"), FILE).unwrap();
    }
}

/// A file may have a second name elsewhere: the stash keeps one of what was to be replaced when the client ended.
#[tokio::test(start_paused = true)]
async fn the_hand_changes_the_case_alone_of_a_file_that_has_a_second_name() {
    let eyes = Eyes::on_disk(folding()).await;
    let path = |name: &str| RelPath::parse(name.as_bytes()).unwrap();
    eyes.disk.mkdir("folder/dir").unwrap();
    eyes.disk.write(FILE, "mine").unwrap();
    eyes.disk.link(FILE, "folder/dir/file").unwrap();
    let print = *eyes.root.look(&path("file")).print().unwrap();
    eyes.root.rename(&path("file"), &print, &path("FILE")).unwrap();
    assert!(eyes.root.look_exactly(&path("FILE")).print().is_some());
    assert!(eyes.root.look_exactly(&path("file")).print().is_none());
    // Of two names in one directory the other one is in the way, and so is one in another directory.
    eyes.disk.link("folder/FILE", "folder/other").unwrap();
    let print = *eyes.root.look(&path("FILE")).print().unwrap();
    for (from, to) in [("other", "file"), ("FILE", "dir/FILE")] {
        let refused = eyes.root.rename(&path(from), &print, &path(to));
        assert!(matches!(refused, Err(HandError::Taken)), "{refused:?}");
        assert!(eyes.root.look_exactly(&path(from)).print().is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_hand_put_there_is_not_read_again() {
    let mut eyes = Eyes::on_coarse_disk().await;
    eyes.tick().await;
    eyes.install("ours");
    // If it were read, it would be listed as unreadable.
    eyes.disk.damage(FILE, true).unwrap();
    eyes.settle().await;
    eyes.disk.chmod(FILE, 0o644).unwrap();
    eyes.settle().await;
    assert_eq!(eyes.trees.blocked().get(&ID), None);
    eyes.disk.write(FILE, "mine").unwrap();
    eyes.settle().await;
    assert!(matches!(
        eyes.trees.blocked().get(&ID),
        Some(Block::Unreadable(_))
    ));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_was_found_to_be_another_is_read_although_it_looks_the_same() {
    let mut eyes = Eyes::on_coarse_disk().await;
    eyes.disk.write(FILE, "mine").unwrap();
    eyes.settle().await;
    eyes.tick().await;
    eyes.tick().await;
    // As if it had been another when it was read.
    let print = eyes.prints[&ID];
    eyes.know("ours", print.mtime_ns, print);
    eyes.observer.look(&path());
    eyes.settle().await;
    assert_eq!(eyes.file().content, content("ours"));
    eyes.observer.reread(ID, &path());
    eyes.settle().await;
    assert_eq!(eyes.file().content, content("mine"));
}

#[tokio::test(start_paused = true)]
async fn a_time_that_the_disk_rounds_is_not_taken_for_another() {
    let mut eyes = Eyes::on_coarse_disk().await;
    eyes.install_with_time("ours", 1_234_567_891);
    eyes.observer.reread(ID, &path());
    eyes.settle().await;
    assert_eq!(eyes.file().mtime_ns, 1_234_567_891);
    eyes.disk.set_mtime(FILE, 8_000_000_000).unwrap();
    eyes.settle().await;
    assert_eq!(eyes.file().mtime_ns, 8_000_000_000);
}
