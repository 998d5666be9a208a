//! Looking: present, absent and unknown are told apart, and nothing outside is seen.

use super::*;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

#[test]
fn a_listing_shows_everything_but_the_private_directory() {
    let folder = Folder::new();
    folder.write("file", "x");
    fs::create_dir(folder.at("dir")).unwrap();
    symlink("/etc/passwd", folder.at("link")).unwrap();
    fs::write(folder.at("").join(OsStr::from_bytes(b"\xff\xfe")), "y").unwrap();
    let listing = folder.root.list(&RelPath::root()).unwrap();
    let shown: Vec<String> = listing
        .entries
        .iter()
        .map(|(name, sight)| match sight {
            Sight::File(_) => format!("file {name}"),
            Sight::Dir(_) => format!("dir {name}"),
            Sight::Symlink(_, target) => format!("link {name} {target:?}"),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(
        shown,
        [
            "dir dir",
            "file file",
            "link link \"/etc/passwd\"",
            "file \\xff\\xfe"
        ]
    );
    assert!(listing.odd.is_empty() && !listing.restless);
}

#[test]
fn a_reserved_name_further_down_is_odd_and_not_hidden() {
    let folder = Folder::new();
    fs::create_dir_all(folder.at("dir/.holdfast")).unwrap();
    let listing = folder.root.list(&rel("dir")).unwrap();
    assert!(listing.entries.is_empty());
    assert_eq!(listing.odd[0].0, ".holdfast");
    let look = |above: &str, name| folder.root.look_at_reserved(&rel(above), name).unwrap();
    assert_eq!(look("dir", ".holdfast"), Some(false));
    assert_eq!(look("dir", ".Holdfast"), None);
    assert_eq!(look("none", ".holdfast"), None);
}

#[test]
fn beside_the_private_directory_its_name_in_another_case_is_odd() {
    let folder = Folder::new();
    if fs::create_dir(folder.at(".HoldFast")).is_err() {
        eprintln!("passed over: this disk folds case");
        return;
    }
    let listing = folder.root.list(&RelPath::root()).unwrap();
    let odd: Vec<&str> = listing.odd.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((listing.entries.len(), odd), (0, vec![".HoldFast"]));
    let look = |name| folder.root.look_at_reserved(&RelPath::root(), name).unwrap();
    assert_eq!((look(".HoldFast"), look(".holdfast")), (Some(false), Some(true)));
}

#[test]
fn a_pipe_is_seen_and_never_waited_for() {
    let folder = Folder::new();
    rustix::fs::mkfifoat(rustix::fs::CWD, folder.at("pipe"), rustix::fs::Mode::RWXU).unwrap();
    assert!(matches!(folder.root.look(&rel("pipe")), Sight::Other(_)));
    let error = folder.root.open_file(&rel("pipe")).unwrap_err();
    assert!(matches!(
        error,
        DiskError::Blocked {
            block: Block::UnsupportedType,
            ..
        }
    ));
}

#[test]
fn a_link_is_followed_neither_at_the_end_nor_on_the_way() {
    let folder = Folder::new();
    fs::write(folder.outside().join("secret"), "s").unwrap();
    symlink(folder.outside(), folder.at("dir")).unwrap();
    symlink(folder.outside().join("secret"), folder.at("file")).unwrap();
    assert!(matches!(folder.root.look(&rel("file")), Sight::Symlink(..)));
    assert_eq!(folder.root.look(&rel("dir/secret")), Sight::Absent);
    assert!(folder.root.open_file(&rel("file")).is_err());
    assert!(folder.root.open_file(&rel("dir/secret")).is_err());
    assert!(folder.root.list(&rel("dir")).is_err());
}

#[test]
fn another_file_system_is_not_entered() {
    let root = Root::open("/".as_ref()).unwrap();
    assert_eq!(root.look(&rel("proc")), Sight::Unknown(Block::OtherFileSystem));
    assert!(matches!(
        root.list(&rel("proc")),
        Err(DiskError::Blocked {
            block: Block::OtherFileSystem,
            ..
        })
    ));
    assert_eq!(
        root.look(&rel("proc/self")),
        Sight::Unknown(Block::OtherFileSystem)
    );
}

#[test]
fn absent_is_said_only_below_a_living_root() {
    let folder = Folder::new();
    folder.write("file", "x");
    assert_eq!(folder.root.look(&rel("nothing")), Sight::Absent);
    assert_eq!(folder.root.look(&rel("nothing/below")), Sight::Absent);
    assert_eq!(folder.root.look(&rel("file/below")), Sight::Absent);
    assert!(matches!(
        folder.root.list(&rel("nothing")),
        Err(DiskError::Gone { .. })
    ));
    fs::remove_dir_all(folder.at("")).unwrap();
    assert!(matches!(folder.root.look(&rel("file")), Sight::Unknown(_)));
    assert!(matches!(folder.root.look(&RelPath::root()), Sight::Unknown(_)));
    assert!(folder.root.list(&RelPath::root()).is_err());
}

#[test]
fn a_path_longer_than_the_system_takes_is_walked_in_steps() {
    let folder = Folder::new();
    let name = Name::new("n".repeat(255).as_bytes()).unwrap();
    let mut path = RelPath::root();
    for _ in 0..30 {
        path = path.join(&name);
        folder.root.make_dir(&path).unwrap();
    }
    assert!(path.to_bytes().len() > 4096);
    let file = path.join(&name);
    folder.root.install(folder.sealed("deep"), &file).unwrap();
    let (mut opened, print) = folder.root.open_file(&file).unwrap();
    assert_eq!(content_of(&mut opened).unwrap(), content("deep"));
    assert_eq!(folder.root.look(&file), Sight::File(print));
    assert_eq!(folder.root.list(&path).unwrap().entries.len(), 1);
    let expect = content("deep");
    folder
        .root
        .remove_file(&file, &known(&print, &expect), &content_of)
        .unwrap();
    folder.root.flush_dirs(&[path.clone()]).unwrap();
    let Sight::Dir(dir) = folder.root.look(&path) else {
        panic!("it is a directory")
    };
    folder.root.remove_dir(&path, &dir).unwrap();
}

#[test]
fn the_root_is_missed_when_it_is_gone_replaced_or_stripped_of_its_marker() {
    let folder = Folder::new();
    assert!(folder.root.is_new().unwrap());
    let id = folder.root.marker().unwrap();
    assert!(!folder.root.is_new().unwrap());
    assert_eq!(Root::open(folder.root.path()).unwrap().marker().unwrap(), id);
    folder.root.check().unwrap();

    let marker = folder.root.private_path("folder-id");
    let text = fs::read_to_string(&marker).unwrap();
    fs::remove_file(&marker).unwrap();
    assert!(matches!(folder.root.check(), Err(RootLost::MarkerMissing)));
    fs::write(&marker, format!("{}\n", FolderId::random())).unwrap();
    assert!(matches!(folder.root.check(), Err(RootLost::MarkerForeign)));
    fs::write(&marker, text).unwrap();
    folder.root.check().unwrap();

    let away = folder.dir.path().join("away");
    fs::rename(folder.at(""), &away).unwrap();
    assert!(matches!(folder.root.check(), Err(RootLost::Gone)));
    fs::create_dir(folder.at("")).unwrap();
    assert!(matches!(folder.root.check(), Err(RootLost::Replaced)));
}

#[test]
fn a_damaged_marker_is_neither_believed_nor_replaced() {
    let folder = Folder::new();
    fs::write(folder.root.private_path("folder-id"), "rubbish").unwrap();
    assert!(matches!(folder.root.marker(), Err(DiskError::DamagedMarker)));
    assert_eq!(folder.read(".holdfast/folder-id"), "rubbish");
}

#[test]
fn a_link_in_place_of_the_private_directory_or_its_parts_is_refused() {
    for part in [".holdfast", ".holdfast/staging", ".holdfast/stash"] {
        let dir = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        if part != ".holdfast" {
            fs::create_dir(dir.path().join(".holdfast")).unwrap();
        }
        symlink(outside.path(), dir.path().join(part)).unwrap();
        let root = Root::open(dir.path()).unwrap();
        assert!(
            matches!(root.create_private(), Err(DiskError::ForeignPrivate { .. })),
            "{part}"
        );
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }
}

#[test]
fn the_private_directory_is_closed_to_others() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join(".holdfast")).unwrap();
    fs::set_permissions(dir.path().join(".holdfast"), PermissionsExt::from_mode(0o777)).unwrap();
    Root::open(dir.path()).unwrap().create_private().unwrap();
    for part in [".holdfast", ".holdfast/staging", ".holdfast/stash"] {
        assert_eq!(
            fs::metadata(dir.path().join(part)).unwrap().mode() & 0o7777,
            0o700
        );
    }
}

#[test]
fn only_one_client_gets_the_lock_and_a_link_in_its_place_is_refused() {
    let folder = Folder::new();
    let lock = folder.root.lock_as(Holder::Helper).unwrap();
    let other = Root::open(folder.root.path()).unwrap();
    let pid = std::process::id();
    let Err(DiskError::InUse { pid: noted, holder }) = other.lock() else {
        panic!("it was taken twice")
    };
    assert_eq!((noted, holder), (Some(pid), Some(Holder::Helper)));
    assert_eq!(other.lock_holder(), Some(pid));
    drop(lock);
    assert_eq!(other.lock_holder(), None);
    drop(other.lock().unwrap());
    let outside = folder.outside().join("file");
    fs::write(&outside, "precious").unwrap();
    fs::remove_file(folder.root.private_path("lock")).unwrap();
    symlink(&outside, folder.root.private_path("lock")).unwrap();
    assert!(matches!(other.lock(), Err(DiskError::ForeignPrivate { .. })));
    assert_eq!(fs::read_to_string(outside).unwrap(), "precious");
}

#[test]
fn names_that_differ_are_not_folded_here() {
    let folder = Folder::new();
    let folds = folder.root.folds().unwrap();
    fs::write(folder.at("probe"), "").unwrap();
    assert_eq!(folds.case, folder.at("PROBE").exists());
    assert!(folder.names(".holdfast/staging").is_empty());
    assert!(folder.root.free_bytes().unwrap().is_some());
}

#[test]
fn a_file_that_stays_is_listed_however_busy_its_directory_is() {
    let folder = Folder::new();
    folder.write("steady", "x");
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Acquire) {
                fs::write(folder.at("busy"), "x").unwrap();
                fs::rename(folder.at("busy"), folder.at("busier")).unwrap();
                fs::remove_file(folder.at("busier")).unwrap();
            }
        });
        for _ in 0..200 {
            let listing = folder.root.list(&RelPath::root()).unwrap();
            let is_steady = |(name, _): &(Name, Sight)| name.as_bytes() == b"steady";
            assert!(listing.entries.iter().any(is_steady));
        }
        done.store(true, std::sync::atomic::Ordering::Release);
    });
}

#[test]
fn what_is_to_stay_apart_from_the_folder_is_neither_seen_nor_opened() {
    let folder = Folder::new();
    for dir in ["other/.holdfast", "store/packs", "secrets", "plain/.holdfast"] {
        fs::create_dir_all(folder.at(dir)).unwrap();
    }
    let account = common::apart::ACCOUNT_BEGINS;
    let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n";
    for (file, content) in [
        ("other/.holdfast/folder-id", "x"),
        ("other/file", "x"),
        ("store/store.db", "x"),
        ("store/store.db-wal", "x"),
        ("store/letter", "x"),
        ("secrets/device.key", key),
        ("secrets/account.toml", account),
        ("secrets/account.toml.0123456789abcdef.new", account),
        ("plain/device.key", "no key"),
        ("plain/account.toml", "[account]"),
        ("plain/letter.key", key),
        ("plain/store.db", "x"),
    ] {
        fs::write(folder.at(file), content).unwrap();
    }
    let block_of = |sight: &Sight| match sight {
        Sight::Unknown(block) => Some(block.clone()),
        _ => None,
    };
    for (path, seen) in [
        ("other", Some(Block::OtherFolder)),
        ("other/file", Some(Block::OtherFolder)),
        ("store", Some(Block::Store)),
        ("store/packs", Some(Block::Store)),
        ("store/store.db", Some(Block::Store)),
        ("store/store.db-wal", Some(Block::Store)),
        ("store/letter", None),
        ("secrets", None),
        ("plain", None),
        ("plain/store.db", None),
    ] {
        let path = rel(path);
        assert_eq!(block_of(&folder.root.look_exactly(&path)), seen, "{path}");
        let held = folder.root.hold_parent(&path).unwrap();
        assert_eq!(block_of(&held.look(&path).unwrap()), seen, "{path}");
        let (parent, name) = path.split_last().unwrap();
        let listing = folder.root.list(&parent);
        if parent == rel("other") {
            let block = Block::OtherFolder;
            assert!(matches!(listing, Err(DiskError::Blocked { block: found, .. }) if found == block));
            continue;
        }
        let entries = listing.unwrap().entries;
        let entry = entries.iter().find(|(entry, _)| entry == name);
        assert_eq!(block_of(&entry.unwrap().1), seen, "{path}");
    }
    for (path, is_secret) in [
        ("secrets/device.key", true),
        ("secrets/account.toml", true),
        ("secrets/account.toml.0123456789abcdef.new", true),
        ("plain/device.key", false),
        ("plain/account.toml", false),
        ("plain/letter.key", false),
    ] {
        let path = rel(path);
        let held = folder.root.hold_parent(&path).unwrap();
        for opened in [folder.root.open_file(&path), held.open_file(&path)] {
            let block = Block::Secret;
            let is_refused = matches!(opened, Err(DiskError::Blocked { block: found, .. }) if found == block);
            assert_eq!(is_refused, is_secret, "{path}");
        }
    }
}
