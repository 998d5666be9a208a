//! An observer at work on a folder, and what it said so far.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::offload;
use sync_engine::{Kind, NodeId, RelPath, Trees};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tui_client::chunker::Chunker;
use tui_client::disk::{Print, Root};
use tui_client::observer::{Event, LocalUpdate, Observer, Remembered, Start, SystemWatch, Watch, Worker};
use tui_client::rules::Rules;

/// An observed folder, and a driver that does nothing but what the observer says.
pub(crate) struct Eyes {
    pub(crate) folder: TempDir,
    pub(crate) root: Root,
    pub(crate) observer: Observer,
    events: mpsc::Receiver<Event>,
    run: Run,
    pub(crate) trees: Trees,
    prints: BTreeMap<NodeId, Print>,
    pub(crate) busy: BTreeSet<NodeId>,
    /// How many edits of files' bytes there were.
    pub(crate) n_contents: usize,
    pub(crate) notices: Vec<String>,
    pub(crate) root_lost: bool,
}

/// How the observer's workers run. As tasks of the test they look at nothing before the test waits, so that all that it
/// did is seen at once.
type Run = fn(Worker);

fn as_task(worker: Worker) {
    tokio::spawn(worker.run());
}

fn as_thread(worker: Worker) {
    offload::start(worker.name(), worker.run()).unwrap();
}

fn beginning(root: &Root, prints: Vec<(NodeId, Print)>) -> Start {
    static MADE: AtomicU64 = AtomicU64::new(1);
    let new_id = || NodeId(u128::from(MADE.fetch_add(1, Ordering::Relaxed)).to_be_bytes());
    Start {
        root: root.clone(),
        rules: Rules::default(),
        remembered: Remembered {
            prints,
            ..Remembered::default()
        },
        new_id: Box::new(new_id),
        rescan_interval: Duration::from_secs(3600),
    }
}

fn start(
    root: &Root,
    prints: Vec<(NodeId, Print)>,
    watch: Box<dyn Watch>,
    run: Run,
) -> (Observer, mpsc::Receiver<Event>) {
    let (observer, events, workers) = Observer::with_workers(beginning(root, prints), watch);
    workers.into_iter().for_each(run);
    (observer, events)
}

impl Eyes {
    pub(crate) fn on(folder: TempDir) -> Self {
        let watch = SystemWatch::new(folder.path());
        Self::with(folder, Box::new(watch), as_task)
    }

    /// Begins with what is told instead of the system's watch.
    pub(crate) fn with_watch(watch: impl Watch + 'static) -> Self {
        Self::with(TempDir::new().unwrap(), Box::new(watch), as_task)
    }

    /// Begins with workers that run while the test does, as in the client.
    pub(crate) fn with_threads() -> Self {
        let folder = TempDir::new().unwrap();
        let watch = SystemWatch::new(folder.path());
        Self::with(folder, Box::new(watch), as_thread)
    }

    fn with(folder: TempDir, watch: Box<dyn Watch>, run: Run) -> Self {
        let root = Root::open(folder.path()).unwrap();
        root.create_private().unwrap();
        root.marker().unwrap();
        let (observer, events) = start(&root, Vec::new(), watch, run);
        Self {
            folder,
            root,
            observer,
            events,
            run,
            trees: Trees::new(),
            prints: BTreeMap::new(),
            busy: BTreeSet::new(),
            n_contents: 0,
            notices: Vec::new(),
            root_lost: false,
        }
    }

    pub(crate) async fn new() -> Self {
        let mut eyes = Self::on(TempDir::new().unwrap());
        eyes.settle().await;
        eyes
    }

    /// Ends the observer, does something to the folder, and begins anew with what was known.
    pub(crate) async fn while_away(&mut self, deed: impl FnOnce(&Path)) {
        let (_, events) = mpsc::channel(1);
        self.events = events;
        deed(self.folder.path());
        let root = Root::open(self.folder.path()).unwrap();
        root.marker().unwrap();
        let prints = self.prints.iter().map(|(id, print)| (*id, *print)).collect();
        let watch = Box::new(SystemWatch::new(self.folder.path()));
        (self.observer, self.events) = start(&root, prints, watch, self.run);
        self.settle().await;
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, bytes: &str) {
        fs::write(self.path(path), bytes).unwrap();
    }

    pub(crate) fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    pub(crate) fn id(&self, path: &str) -> NodeId {
        self.find(path)
            .unwrap_or_else(|| panic!("{path} is not in {:?}", self.paths()))
    }

    pub(crate) fn find(&self, path: &str) -> Option<NodeId> {
        self.trees
            .local()
            .lookup(&RelPath::parse(path.as_bytes()).unwrap())
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths: Vec<String> = self
            .trees
            .local()
            .iter()
            .map(|(id, _)| self.trees.local().path(id).unwrap().to_string())
            .collect();
        paths.sort();
        paths
    }

    /// Waits for the next event, which is to be handled later.
    pub(crate) async fn next(&mut self) -> Event {
        let event = tokio::time::timeout(Duration::from_secs(15), self.events.recv()).await;
        event
            .expect("the observer says something")
            .expect("the observer runs")
    }

    pub(crate) async fn step(&mut self) -> LocalUpdate {
        let event = self.next().await;
        self.handle(event)
    }

    pub(crate) fn handle(&mut self, event: Event) -> LocalUpdate {
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
    pub(crate) async fn settle(&mut self) {
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
