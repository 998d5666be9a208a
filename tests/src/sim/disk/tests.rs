//! What the disk is told to do badly, it does so; and one seed gives one run. What it does well is compared with a real
//! disk in `tests/tests/disk/`.

use super::*;
use std::io::{ErrorKind, Read as _, Write as _};
use tui_client::disk::{DiskError, Folds, RootLost};

fn disk(options: Options) -> SimDisk {
    let disk = SimDisk::new(options, SimClock::standing());
    disk.mkdir("folder").unwrap();
    disk.sync().unwrap();
    disk
}

fn kind<T: std::fmt::Debug>(result: io::Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

#[test]
fn names_are_folded_as_told_and_kept_as_given() {
    for (folds_case, folds_form) in [(false, false), (true, false), (false, true), (true, true)] {
        let disk = disk(Options {
            folds_case,
            folds_form,
            ..Options::new(1)
        });
        let folds = Folds {
            case: folds_case,
            form: folds_form,
        };
        assert_eq!(disk.root("folder").unwrap().folds().unwrap(), folds);
        disk.write("folder/Name", "x").unwrap();
        assert_eq!(disk.read("folder/name").is_ok(), folds_case);
        if folds_case {
            disk.rename("folder/name", "folder/NAME").unwrap();
            assert!(disk.names("folder").unwrap().contains(&"NAME".to_owned()));
        }
    }
}

#[test]
fn a_full_disk_takes_what_fits_and_no_more() {
    let disk = disk(Options::new(1));
    disk.set_space(Some(4096));
    let mut file = disk.open("folder/file").unwrap();
    let mut written = 0;
    let error = loop {
        match file.write(&[1; 1000]) {
            Ok(len) => written += len,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert_eq!(disk.read("folder/file").unwrap().len(), written);
    assert_eq!(kind(disk.mkdir("folder/dir")), ErrorKind::StorageFull);
    assert_eq!(disk.root("folder").unwrap().free_bytes().unwrap(), Some(0));
    disk.unlink("folder/file").unwrap();
    assert_eq!(
        kind(disk.mkdir("folder/dir")),
        ErrorKind::StorageFull,
        "it is open still"
    );
    drop(file);
    disk.mkdir("folder/dir").unwrap();
}

#[test]
fn what_is_denied_or_damaged_is_not_absent() {
    let disk = disk(Options::new(1));
    disk.mkdir("folder/dir").unwrap();
    disk.write("folder/dir/file", "x").unwrap();
    let root = disk.root("folder").unwrap();
    let path = |path: &str| sync_engine::RelPath::parse(path.as_bytes()).unwrap();
    let is_unknown = |result: Result<_, DiskError>| {
        assert!(matches!(result, Err(DiskError::Blocked { .. })));
    };
    disk.deny("folder/dir", true).unwrap();
    is_unknown(root.list(&path("dir")).map(drop));
    is_unknown(root.open_file(&path("dir/file")).map(drop));
    disk.deny("folder/dir", false).unwrap();
    disk.damage("folder/dir/file", true).unwrap();
    let (mut file, _) = root.open_file(&path("dir/file")).unwrap();
    assert!(file.read(&mut [0]).is_err());
}

#[test]
fn a_lock_ends_with_its_file_and_with_the_client() {
    let disk = disk(Options::new(1));
    let root = disk.root("folder").unwrap();
    let lock = root.lock().unwrap();
    assert!(matches!(
        disk.root("folder").unwrap().lock(),
        Err(DiskError::InUse { .. })
    ));
    drop(lock);
    let _lost = root.lock().unwrap();
    disk.crash(Crash::Kill);
    assert!(disk.root("folder").is_err() && root.lock().is_err());
    disk.restart();
    disk.root("folder").unwrap().lock().unwrap();
    assert!(root.list(&sync_engine::RelPath::root()).is_err());
}

#[test]
fn a_file_stays_open_over_a_rename_and_without_a_name() {
    let disk = disk(Options::new(1));
    let mut file = disk.open("folder/a").unwrap();
    disk.rename("folder/a", "folder/b").unwrap();
    file.write_all(b"x").unwrap();
    assert_eq!(disk.read("folder/b").unwrap(), b"x");
    disk.unlink("folder/b").unwrap();
    file.write_all(b"y").unwrap();
    disk.write("folder/b", "").unwrap();
    disk.crash(Crash::PowerCut);
    assert!(file.write(b"z").is_err());
}

#[test]
fn an_effect_fails_once_when_it_was_told_to() {
    let disk = disk(Options::new(1));
    let root = disk.root("folder").unwrap();
    let dir = |name: &str| root.make_dir(&sync_engine::RelPath::parse(name.as_bytes()).unwrap());
    disk.fail_after(1, Fail::NoSpace);
    assert!(dir("a").is_ok() && dir("b").is_err() && dir("b").is_ok());
    assert_eq!(disk.names("folder").unwrap(), ["a", "b"]);
}

#[test]
fn a_flush_that_failed_is_not_made_good_by_another() {
    for seed in 0..20 {
        let disk = disk(Options::new(seed));
        disk.write("folder/file", "old").unwrap();
        disk.sync().unwrap();
        let file = disk.open("folder/file").unwrap();
        disk.write("folder/file", "new").unwrap();
        disk.fail_flush("folder/file").unwrap();
        assert!(file.sync().is_err());
        file.sync().unwrap();
        disk.crash(Crash::PowerCut);
        assert_eq!(disk.read("folder/file").unwrap(), b"old");
    }
}

#[test]
fn a_watcher_hears_of_what_anybody_does() {
    let disk = disk(Options::new(1));
    let events = disk.subscribe("folder", WatchOptions::default()).unwrap();
    disk.write("folder/a", "x").unwrap();
    disk.rename("folder/a", "folder/b").unwrap();
    disk.mkdir_all("folder/dir/inner").unwrap();
    disk.write("elsewhere", "x").unwrap();
    let mut heard = Vec::new();
    while let Some(event) = events.try_next() {
        heard.push((String::from_utf8(event.path).unwrap(), event.happened));
    }
    let at = |path: &str, happened| (path.to_owned(), happened);
    let (is_dir, cookie) = (false, 1);
    assert_eq!(
        heard,
        [
            at("a", Happened::Created { is_dir }),
            at("a", Happened::Modified),
            at("a", Happened::Modified),
            at("a", Happened::Closed),
            at("a", Happened::MovedFrom { is_dir, cookie }),
            at("b", Happened::MovedTo { is_dir, cookie }),
            // What is in the new directory was made before the watcher knew of it.
            at("dir", Happened::Created { is_dir: true }),
        ]
    );
    disk.write("folder/dir/c", "").unwrap();
    assert_eq!(events.try_next().unwrap().path, b"dir/c");
    disk.rename("folder", "away").unwrap();
    let last = std::iter::from_fn(|| events.try_next()).last().unwrap();
    assert_eq!(last.happened, Happened::RootGone);
}

#[test]
fn a_cookie_is_heard_of_and_leaves_nothing() {
    let disk = disk(Options::new(1));
    let root = disk.root("folder").unwrap();
    root.create_private().unwrap();
    let events = disk.subscribe("folder", WatchOptions::default()).unwrap();
    for _ in 0..2 {
        root.make_cookie("cookie").unwrap();
        let heard: Vec<SimEvent> = std::iter::from_fn(|| events.try_next()).collect();
        assert!(heard.iter().all(|event| event.path == b".holdfast/cookie") && !heard.is_empty());
        assert_eq!(disk.names("folder/.holdfast").unwrap(), ["staging", "stash"]);
        disk.write("folder/.holdfast/cookie", "left by a crash").unwrap();
        while events.try_next().is_some() {}
    }
}

#[test]
fn what_somebody_removes_of_the_private_directory_is_made_again() {
    let disk = disk(Options::new(1));
    let root = disk.root("folder").unwrap();
    let _lock = root.lock().unwrap();
    root.marker().unwrap();
    for part in ["staging", "stash"] {
        let at = format!("folder/.holdfast/{part}");
        disk.remove_all(&at).unwrap();
        root.check().unwrap();
        root.mend_private();
        assert_eq!(root.take_made_again(), [part].into());
        disk.rmdir(&at).unwrap();
        disk.symlink("elsewhere", &at).unwrap();
        root.mend_private();
        assert!(root.private_fault().unwrap().contains(part));
        disk.unlink(&at).unwrap();
        root.mend_private();
        assert_eq!(root.private_fault(), None);
        assert_eq!(root.take_made_again(), [part].into());
    }
    disk.unlink("folder/.holdfast/lock").unwrap();
    assert!(matches!(root.check(), Err(RootLost::Private { name }) if name == "lock"));
}

#[test]
fn a_full_queue_overflows_and_says_so() {
    let disk = disk(Options::new(1));
    let options = WatchOptions {
        waiting_max: 2,
        ..WatchOptions::default()
    };
    let events = disk.subscribe("folder", options).unwrap();
    for name in ["folder/a", "folder/b", "folder/c", "folder/d"] {
        disk.mkdir(name).unwrap();
    }
    let heard: Vec<Happened> = std::iter::from_fn(|| events.try_next())
        .map(|event| event.happened)
        .collect();
    assert_eq!((heard.len(), heard[2]), (3, Happened::Overflow));
}

#[test]
fn a_power_cut_tears_what_was_not_flushed_and_spares_what_was() {
    let (mut old, mut new, mut torn) = (0, 0, 0);
    for seed in 0..60 {
        let disk = disk(Options::new(seed));
        disk.write("folder/file", [1; 4096]).unwrap();
        disk.sync().unwrap();
        disk.write("folder/file", [2; 4096]).unwrap();
        disk.crash(Crash::PowerCut);
        let bytes = disk.read("folder/file").unwrap();
        assert!(
            bytes
                .chunks(512)
                .all(|block| block.iter().all(|byte| *byte == block[0]))
        );
        match (bytes.contains(&1), bytes.contains(&2)) {
            (true, false) => old += 1,
            (false, true) => new += 1,
            (true, true) => torn += 1,
            (false, false) => panic!("the length was the same before and after"),
        }
    }
    assert!(0 < old && 0 < new && 0 < torn, "{old} {new} {torn}");
}

#[test]
fn a_file_that_changed_its_directory_is_never_lost_by_a_power_cut() {
    for seed in 0..200 {
        let disk = disk(Options::new(seed));
        disk.write("folder/file", "x").unwrap();
        disk.mkdir("folder/a").unwrap();
        disk.sync().unwrap();
        disk.mkdir("folder/new").unwrap();
        disk.rename("folder/file", "folder/new/file").unwrap();
        disk.rename("folder/new", "folder/a/new").unwrap();
        disk.rename("folder/a/new/file", "folder/back").unwrap();
        disk.rmdir("folder/a/new").unwrap();
        disk.rmdir("folder/a").unwrap();
        // These may get the inode numbers of directories whose removal is lost.
        disk.mkdir("folder/b").unwrap();
        disk.mkdir("folder/c").unwrap();
        disk.crash(Crash::PowerCut);
        disk.restart();
        let root = disk.root("folder").unwrap();
        let listing = root.list(&sync_engine::RelPath::root()).unwrap();
        let mut numbers: Vec<u64> = listing
            .entries
            .iter()
            .filter_map(|(_, sight)| Some(sight.print()?.inode))
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), listing.entries.len(), "seed {seed}");
        let tree = disk.tree("folder").unwrap();
        let files = tree.values().filter(|shown| matches!(shown, Shown::File { .. }));
        assert_eq!(files.count(), 1, "seed {seed}: {tree:?}");
    }
}

#[test]
fn a_system_that_flushes_by_itself_loses_little() {
    for seed in 0..20 {
        let disk = disk(Options {
            sync_every_ns: Some(1),
            ..Options::new(seed)
        });
        disk.write("folder/file", "x").unwrap();
        disk.mkdir("folder/later").unwrap();
        disk.crash(Crash::PowerCut);
        assert_eq!(disk.read("folder/file").unwrap(), b"x");
    }
}

#[test]
fn one_seed_gives_one_run() {
    let run = |seed| {
        let disk = disk(Options {
            is_choppy: true,
            granularity_ns: 4_000_000,
            ..Options::new(seed)
        });
        for number in 0..50 {
            disk.mkdir(format!("folder/{number}")).unwrap();
            let mut file = disk.open(format!("folder/{number}/file")).unwrap();
            let _ = file.write(&[number; 3000]);
        }
        disk.crash(Crash::PowerCut);
        disk.tree("folder").unwrap()
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

mod observed;
