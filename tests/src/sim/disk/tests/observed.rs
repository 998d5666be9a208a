//! The client's real observer on a simulated disk, in simulated time.

use super::*;
use std::collections::BTreeSet;
use std::time::Duration;
use sync_engine::{Hash, NodeId, RelPath, Trees};
use tokio::sync::mpsc;
use tui_client::chunker::Chunker;
use tui_client::observer::{Event, Observer, Remembered, Start};
use tui_client::rules::Rules;

struct Observed {
    disk: SimDisk,
    observer: Observer,
    events: mpsc::Receiver<Event>,
    trees: Trees,
    n_notices: usize,
    contents: BTreeSet<Hash>,
}

impl Observed {
    fn new(options: Options, watch: WatchOptions) -> Self {
        let disk = SimDisk::new(options, SimClock::of_runtime());
        disk.mkdir("folder").unwrap();
        let root = disk.root("folder").unwrap();
        root.create_private().unwrap();
        root.marker().unwrap();
        let made = std::sync::atomic::AtomicU64::new(1);
        let new_id = move || {
            let number = made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            NodeId(u128::from(number).to_be_bytes())
        };
        let start = Start {
            root,
            rules: Rules::default(),
            remembered: Remembered::default(),
            new_id: Box::new(new_id),
            rescan_interval: Duration::from_secs(3600),
        };
        let watch = Box::new(SimWatch::new(&disk, "folder", watch));
        let (observer, events, workers) = Observer::with_workers(start, watch);
        for worker in workers {
            tokio::spawn(worker.run());
        }
        Self {
            disk,
            observer,
            events,
            trees: Trees::new(),
            n_notices: 0,
            contents: BTreeSet::new(),
        }
    }

    /// Waits until all that was done so far has been seen, and compares the tree with the disk.
    async fn settle(&mut self) {
        let token = self.observer.sync();
        loop {
            let event = self.events.recv().await.unwrap();
            let update = self.observer.handle(event, &self.trees, &BTreeSet::new());
            let nodes = update.edits.iter().filter_map(|(_, node)| node.as_ref());
            let files = nodes.filter_map(|node| node.kind.file());
            self.contents.extend(files.map(|file| file.content.hash));
            self.trees.edit_local(update.edits).unwrap();
            for (id, block) in update.blocks {
                self.trees.set_block(id, block);
            }
            self.n_notices += update.notices.len();
            if Some(token) <= update.caught_up {
                break;
            }
        }
        let shown = |path: &RelPath| path.to_bytes();
        let local = self.trees.local();
        let mut seen: Vec<Vec<u8>> = local
            .iter()
            .filter_map(|(id, _)| Some(shown(&local.path(id)?)))
            .collect();
        seen.sort_unstable();
        let mut there: Vec<Vec<u8>> = self.disk.tree("folder").unwrap().into_keys().collect();
        there.retain(|path| !path.starts_with(b".holdfast"));
        assert_eq!(seen, there);
    }
}

#[tokio::test(start_paused = true)]
async fn the_observer_sees_at_once_what_the_watcher_tells() {
    let mut observed = Observed::new(Options::new(1), WatchOptions::default());
    observed.settle().await;
    let begun = tokio::time::Instant::now();
    let disk = observed.disk.clone();
    disk.mkdir_all("folder/a/b/c").unwrap();
    disk.write("folder/a/b/c/file", "x").unwrap();
    observed.settle().await;
    disk.rename("folder/a/b", "folder/b").unwrap();
    disk.symlink("b", "folder/link").unwrap();
    observed.settle().await;
    disk.remove_all("folder/b").unwrap();
    observed.settle().await;
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(observed.n_notices, 0);
}

#[tokio::test(start_paused = true)]
async fn what_came_or_moved_while_events_were_lost_is_watched() {
    let mut observed = Observed::new(Options::new(1), WatchOptions::default());
    let disk = observed.disk.clone();
    disk.mkdir_all("folder/was/inner").unwrap();
    observed.settle().await;
    disk.mkdir_all("folder/new/inner").unwrap();
    disk.rename("folder/was", "folder/moved").unwrap();
    disk.overflow();
    observed.settle().await;
    for dir in ["new", "new/inner", "moved", "moved/inner"] {
        disk.write(format!("folder/{dir}/file"), "x").unwrap();
        observed.settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_looked_into_is_blocked_and_nothing_in_it_is_gone() {
    let mut observed = Observed::new(Options::new(3), WatchOptions::default());
    let disk = observed.disk.clone();
    disk.mkdir("folder/dir").unwrap();
    disk.write("folder/dir/file", "x").unwrap();
    observed.settle().await;
    disk.deny("folder/dir", true).unwrap();
    disk.overflow();
    observed.settle().await;
    let dir = observed.trees.local().lookup(&RelPath::parse(b"dir").unwrap());
    assert!(observed.trees.blocked().keys().eq(dir.iter()));
    disk.deny("folder/dir", false).unwrap();
    disk.overflow();
    observed.settle().await;
    assert!(observed.trees.blocked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_looked_at_and_is_not_there_is_not_listed_for_ever() {
    let mut observed = Observed::new(Options::new(3), WatchOptions::default());
    let disk = observed.disk.clone();
    disk.mkdir("folder/dir").unwrap();
    observed.settle().await;
    disk.write("folder/dir/file", "x").unwrap();
    disk.remove_all("folder/dir/file").unwrap();
    disk.deny("folder/dir", true).unwrap();
    observed.settle().await;
    let file = RelPath::parse(b"dir/file").unwrap();
    assert!(observed.observer.oddities().contains_key(&file));
    disk.deny("folder/dir", false).unwrap();
    observed.observer.rescan();
    observed.settle().await;
    assert!(observed.observer.oddities().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_written_while_it_is_read_is_never_seen_as_a_mix() {
    let options = Options {
        is_choppy: true,
        ..Options::new(4)
    };
    let mut observed = Observed::new(options, WatchOptions::default());
    let (old, new) = ([b'a'; 100_000], [b'b'; 100_000]);
    let disk = observed.disk.clone();
    disk.write("folder/file", old).unwrap();
    let writer = disk.clone();
    let write = move || writer.write("folder/file", new).unwrap();
    disk.while_reading("folder/file", write).unwrap();
    observed.settle().await;
    let hash = Chunker::new().chunk(&new[..], |_, _| ()).unwrap().content.hash;
    assert_eq!(observed.contents, [hash].into());
}

#[tokio::test(start_paused = true)]
async fn the_observer_sees_what_a_bad_watcher_does_not_tell_when_it_looks_again() {
    let options = Options {
        is_choppy: true,
        granularity_ns: 4_000_000,
        ..Options::new(2)
    };
    let watch = WatchOptions {
        waiting_max: 8,
        ..WatchOptions::default()
    };
    let mut observed = Observed::new(options, watch);
    observed.settle().await;
    let disk = observed.disk.clone();
    for number in 0..40 {
        disk.mkdir(format!("folder/{number}")).unwrap();
        disk.write(format!("folder/{number}/file"), "x").unwrap();
    }
    observed.settle().await;
}
