//! Somebody works in the private directory while the client runs.

use super::*;

const PARTS: [&str; 2] = ["staging", "stash"];

impl Folder {
    /// Removes a file of the folder as the client does; it is in the stash then.
    fn take_away(&self, path: &str) -> Result<(), HandError> {
        let print = self.print(path);
        let content = content(&self.read(path));
        self.root
            .remove_file(&rel(path), &known(&print, &content), &content_of)
    }
}

#[test]
fn parts_of_the_private_directory_that_are_removed_are_made_again() {
    for part in PARTS {
        let folder = Folder::new();
        folder.write("file", "x");
        folder.take_away("file").unwrap();
        let sealed = folder.sealed("new");
        fs::remove_dir_all(folder.root.private_path(part)).unwrap();

        folder.root.mend_private();
        assert_eq!(folder.root.take_made_again(), [part].into());
        assert_eq!(folder.root.take_made_again(), [].into(), "it is told once");
        assert_eq!(folder.root.private_fault(), None);
        let mode = fs::metadata(folder.root.private_path(part)).unwrap().mode();
        assert_eq!(mode & 0o7777, 0o700);
        // What was staged before is there still, or is made anew.
        assert_eq!(folder.root.install(sealed, &rel("old")).is_ok(), part == "stash");
        folder.root.install(folder.sealed("new"), &rel("new")).unwrap();
        folder.take_away("new").unwrap();
        assert!(folder.stash().contains(&"new".to_owned()));
        assert!(folder.names(".holdfast/staging").is_empty());
    }
}

#[test]
fn staging_is_made_again_for_whoever_needs_it() {
    let folder = Folder::new();
    fs::remove_dir_all(folder.root.private_path("staging")).unwrap();
    folder.root.install(folder.sealed("new"), &rel("new")).unwrap();
    assert_eq!(folder.root.take_made_again(), ["staging"].into());
}

#[test]
fn what_stands_in_place_of_a_part_is_neither_followed_nor_used_until_it_is_gone() {
    for part in PARTS {
        let folder = Folder::new();
        folder.write("file", "x");
        let (outside, at) = (folder.outside(), folder.root.private_path(part));
        for is_link in [true, false] {
            fs::remove_dir_all(&at).unwrap();
            if is_link {
                symlink(&outside, &at).unwrap();
            } else {
                fs::write(&at, "somebody's").unwrap();
            }
            folder.root.mend_private();
            let fault = folder.root.private_fault().unwrap();
            assert!(fault.contains(part), "{fault}");
            assert_eq!(folder.root.take_made_again(), [].into());
            let refused = folder.take_away("file");
            assert!(
                matches!(refused, Err(HandError::Disk(DiskError::ForeignPrivate { .. }))),
                "{refused:?}"
            );
            assert!(folder.root.stage().is_err());
            assert_eq!(folder.read("file"), "x");
            assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);

            fs::remove_file(&at).unwrap();
            folder.root.mend_private();
            assert_eq!(folder.root.private_fault(), None);
            assert_eq!(folder.root.take_made_again(), [part].into());
        }
        folder.take_away("file").unwrap();
    }
}

#[test]
fn a_part_that_was_moved_away_is_not_used_any_more() {
    let folder = Folder::new();
    folder.write("file", "x");
    fs::rename(folder.root.private_path("stash"), folder.at("away")).unwrap();
    folder.root.mend_private();
    folder.take_away("file").unwrap();
    assert_eq!(folder.stash(), ["x"]);
    assert!(folder.names("away").is_empty());
}

#[test]
fn an_effect_ends_in_the_stash_that_it_began_in() {
    let folder = Folder::new();
    let print = folder.write("file", "x");
    let kept = folder.root.keep_private();
    let meddle = |file: &mut File| {
        fs::rename(folder.root.private_path("stash"), folder.at("away"))?;
        folder.root.mend_private();
        content_of(file)
    };
    let expected = content("another");
    let failed = folder
        .root
        .remove_file(&rel("file"), &known(&print, &expected), &meddle);
    assert!(matches!(failed, Err(HandError::Surprise { .. })), "{failed:?}");
    assert_eq!(folder.read("file"), "x", "it is back at its name");
    drop(kept);
    folder.root.mend_private();
    assert_eq!(folder.root.take_made_again(), ["stash"].into());
}

#[test]
fn a_part_from_which_the_owner_was_shut_out_is_opened_again() {
    let folder = Folder::new();
    folder.root.marker().unwrap();
    for path in [".holdfast", ".holdfast/staging", ".holdfast/stash"] {
        fs::set_permissions(folder.at(path), PermissionsExt::from_mode(0o500)).unwrap();
        folder.root.check().unwrap();
        folder.root.mend_private();
        let mode = fs::metadata(folder.at(path)).unwrap().mode();
        assert_eq!(mode & 0o7777, 0o700, "{path}");
    }
    assert_eq!(folder.root.take_made_again(), [].into());
}

#[test]
fn without_what_is_held_open_in_the_private_directory_the_folder_is_lost() {
    let folder = Folder::new();
    let _lock = folder.root.lock().unwrap();
    folder.root.marker().unwrap();
    folder.root.check().unwrap();
    let lock = folder.root.private_path("lock");
    fs::rename(&lock, folder.at("lock")).unwrap();
    let lost =
        |name: &str| matches!(folder.root.check(), Err(RootLost::Private { name: lost }) if lost == name);
    assert!(lost("lock"));
    fs::write(&lock, "another").unwrap();
    assert!(lost("lock"));
    fs::rename(folder.at("lock"), &lock).unwrap();
    folder.root.check().unwrap();

    // A copy of the private directory, with the same marker.
    fs::rename(folder.at(".holdfast"), folder.at("away")).unwrap();
    fs::create_dir(folder.at(".holdfast")).unwrap();
    fs::copy(folder.at("away/folder-id"), folder.root.private_path("folder-id")).unwrap();
    assert!(lost(""));
    fs::remove_dir_all(folder.at(".holdfast")).unwrap();
    assert!(matches!(folder.root.check(), Err(RootLost::MarkerMissing)));
    folder.root.mend_private();
    assert!(!folder.at(".holdfast").exists(), "it is not made again");
}
