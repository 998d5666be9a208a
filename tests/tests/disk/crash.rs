//! A crash after each effect of a step, of the client or of the computer: the old file or the new one stands whole under
//! the name, and the old bytes are somewhere.

use super::*;
use tests::sim::disk::Crash;

const OLD: &str = "old bytes";
const NEW: &str = "new bytes, and more of them";

/// What is under a name after the crash, and everything that the stash gives up.
fn after(disk: &SimDisk, name: &str) -> (Option<String>, Vec<String>) {
    disk.restart();
    let root = disk.root("folder").unwrap();
    root.recover(&|_| false).unwrap();
    let limits = StashLimits {
        now_ms: u64::MAX,
        age_ms_min: 0,
        spared: None,
    };
    let is_in_history = |found: &Content| *found == content(NEW);
    let purge = root.purge_stash(&limits, &content_of, &is_in_history).unwrap();
    let mut kept = Vec::new();
    for (number, stashed) in purge.changed.iter().enumerate() {
        let to = format!("back {number}");
        root.bring_back(stashed, &rel(&to)).unwrap();
        kept.push(to);
    }
    let stash = disk.names("folder/.holdfast/stash").unwrap();
    kept.extend(stash.iter().map(|key| format!(".holdfast/stash/{key}")));
    let read = |path: &str| String::from_utf8(disk.read(path).unwrap()).unwrap();
    let there = disk.names("folder").unwrap().contains(&name.to_owned());
    let kept = kept.iter().map(|path| read(&format!("folder/{path}"))).collect();
    (there.then(|| read(&format!("folder/{name}"))), kept)
}

/// Does something on a disk that crashes after so many effects; false when it was done before.
fn crashed(
    disk: &SimDisk,
    n_effects: u64,
    crash: Crash,
    deed: impl FnOnce(&Root, &Known<'_>) -> Result<(), HandError>,
) -> bool {
    disk.mkdir("folder").unwrap();
    let root = disk.root("folder").unwrap();
    root.create_private().unwrap();
    disk.write("folder/file", OLD).unwrap();
    disk.sync().unwrap();
    let print = *root.look(&rel("file")).print().unwrap();
    let expect = content(OLD);
    disk.crash_after(n_effects, crash, || ());
    let result = deed(&root, &known(&print, &expect));
    assert_eq!(result.is_err(), disk.is_crashed());
    disk.is_crashed()
}

fn everywhere_it_crashes(
    deed: impl Fn(&Root, &Known<'_>) -> Result<(), HandError>,
    check: impl Fn(Option<String>, Vec<String>),
) {
    for crash in [Crash::Kill, Crash::PowerCut] {
        for seed in 0..20 {
            for n_effects in 1.. {
                let disk = SimDisk::new(Options::new(seed), SimClock::standing());
                if !crashed(&disk, n_effects, crash, &deed) {
                    assert!(1 < n_effects, "it had no effect");
                    break;
                }
                eprintln!("{crash:?} after {n_effects}, seed {seed}");
                let (there, kept) = after(&disk, "file");
                check(there, kept);
            }
        }
    }
}

fn stage(root: &Root) -> Result<Sealed, HandError> {
    let mut staged = root.stage()?;
    let written = staged.file().write_all(NEW.as_bytes());
    written.map_err(|source| HandError::Io {
        deed: "write",
        source,
    })?;
    Ok(staged.seal(false, 0)?)
}

#[test]
fn a_replacement_that_is_cut_short_leaves_a_whole_file_and_the_old_bytes() {
    everywhere_it_crashes(
        |root, known| {
            let sealed = stage(root)?;
            root.replace(sealed, &content("new"), &rel("file"), known, &content_of)?;
            Ok(root.flush_dirs(&[RelPath::root()])?)
        },
        |there, kept| {
            let there = there.unwrap();
            assert!(there == OLD || there == NEW, "{there:?}");
            assert!(there == OLD || kept.contains(&OLD.to_owned()), "{kept:?}");
        },
    );
}

#[test]
fn a_removal_that_is_cut_short_leaves_the_file_or_its_bytes() {
    everywhere_it_crashes(
        |root, known| {
            root.remove_file(&rel("file"), known, &content_of)?;
            Ok(root.flush_dirs(&[RelPath::root()])?)
        },
        |there, kept| {
            let is_there = there.as_deref() == Some(OLD);
            assert!(is_there || kept.contains(&OLD.to_owned()), "{there:?} {kept:?}");
        },
    );
}

#[test]
fn what_is_flushed_outlasts_a_power_cut_and_the_rest_may_not() {
    let (mut lost, mut kept) = (0, 0);
    for seed in 0..40 {
        let disk = SimDisk::new(Options::new(seed), SimClock::standing());
        disk.mkdir("folder").unwrap();
        disk.sync().unwrap();
        let root = disk.root("folder").unwrap();
        root.create_private().unwrap();
        root.install(stage(&root).unwrap(), &rel("flushed")).unwrap();
        root.flush_dirs(&[RelPath::root()]).unwrap();
        root.install(stage(&root).unwrap(), &rel("not flushed")).unwrap();
        disk.crash(Crash::PowerCut);
        assert!(root.list(&RelPath::root()).is_err(), "the client is dead");
        assert_eq!(disk.read("folder/flushed").unwrap(), NEW.as_bytes());
        match disk.read("folder/not flushed") {
            Ok(bytes) => {
                assert_eq!(
                    bytes,
                    NEW.as_bytes(),
                    "its bytes were flushed, only its name was not"
                );
                kept += 1;
            }
            Err(_) => lost += 1,
        }
    }
    assert!(0 < lost && 0 < kept, "{lost} lost, {kept} kept");
}
