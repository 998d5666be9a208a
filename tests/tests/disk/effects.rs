//! Effects when the disk is as expected, and when a name is taken or the thing is gone.

use super::*;

#[test]
fn making_things_spares_what_is_there() {
    everywhere(|folder| {
        let dir = folder.root().make_dir(&rel("dir")).unwrap();
        assert_eq!(folder.root().look(&rel("dir")), Sight::Dir(dir));
        let link = folder
            .root()
            .make_symlink(&rel("dir/link"), &target("../..//x"))
            .unwrap();
        assert_eq!(
            folder.root().look(&rel("dir/link")),
            Sight::Symlink(link, target("../..//x"))
        );
        folder.write("file", "old");
        for path in ["dir", "dir/link", "file"] {
            let path = rel(path);
            assert!(matches!(folder.root().make_dir(&path), Err(HandError::Taken)));
            assert!(matches!(
                folder.root().make_symlink(&path, &target("x")),
                Err(HandError::Taken)
            ));
            assert!(matches!(
                folder.root().install(folder.sealed("new"), &path),
                Err(HandError::Taken)
            ));
        }
        assert!(matches!(
            folder.root().install(folder.sealed("new"), &rel("no/file")),
            Err(HandError::Gone)
        ));
        assert_eq!(folder.read("file"), "old");
        assert!(folder.names(".holdfast/staging").is_empty());
    });
}

#[test]
fn no_effect_reaches_through_a_link() {
    everywhere(|folder| {
        folder.mkdir("../outside");
        folder.put("../outside/file", "precious");
        folder.symlink("../outside", "way");
        let (path, own) = (rel("way/file"), rel("own"));
        let print = folder.write("own", "own");
        let expect = content("precious");
        let known = known(&print, &expect);
        let root = folder.root();
        let gone = |error| assert!(matches!(error, HandError::Gone), "{error:?}");
        gone(root.make_dir(&rel("way/dir")).unwrap_err());
        gone(root.make_symlink(&rel("way/link"), &target("x")).unwrap_err());
        gone(root.install(folder.sealed("new"), &rel("way/new")).unwrap_err());
        gone(
            root.replace(folder.sealed("new"), &content("new"), &path, &known, &content_of)
                .unwrap_err(),
        );
        gone(
            root.replace_symlink(&path, &print, &target("x"), &target("y"))
                .unwrap_err(),
        );
        gone(
            root.set_attributes(&path, &known, true, 0, &content_of)
                .unwrap_err(),
        );
        gone(root.rename(&path, &print, &rel("new")).unwrap_err());
        gone(root.rename(&own, &print, &rel("way/own")).unwrap_err());
        gone(root.exchange(&path, &print, &own, &print).unwrap_err());
        gone(root.remove_file(&path, &known, &content_of).unwrap_err());
        gone(root.remove_symlink(&path, &print, &target("x")).unwrap_err());
        gone(root.remove_dir(&rel("way/dir"), &print).unwrap_err());
        gone(
            root.keep_copy(&path, &known, &rel("copy"), &content_of)
                .unwrap_err(),
        );
        root.flush_dirs(&[rel("way")]).unwrap();
        assert_eq!(folder.names("../outside"), ["file"]);
        assert_eq!(folder.read("../outside/file"), "precious");
    });
}

#[test]
fn no_effect_takes_a_link_for_the_file_that_it_points_at() {
    everywhere(|folder| {
        folder.put("../outside", "precious");
        let print = folder.write("file", "precious");
        // Made before the file goes, so that it cannot get the file's inode and time of birth.
        folder.symlink("../outside", "link");
        folder.rename("link", "file");
        let expect = content("precious");
        let (path, known) = (rel("file"), known(&print, &expect));
        let root = folder.root();
        let surprised = |error| {
            assert!(
                matches!(
                    error,
                    HandError::Surprise {
                        found: Sight::Symlink(..)
                    }
                ),
                "{error:?}"
            );
        };
        surprised(
            root.replace(folder.sealed("new"), &content("new"), &path, &known, &content_of)
                .unwrap_err(),
        );
        surprised(
            root.set_attributes(&path, &known, true, 0, &content_of)
                .unwrap_err(),
        );
        surprised(root.remove_file(&path, &known, &content_of).unwrap_err());
        surprised(
            root.keep_copy(&path, &known, &rel("copy"), &content_of)
                .unwrap_err(),
        );
        surprised(root.rename(&path, &print, &rel("new")).unwrap_err());
        surprised(root.remove_dir(&path, &print).unwrap_err());
        assert_eq!(folder.read("../outside"), "precious");
    });
}

#[test]
fn a_replaced_file_is_in_the_stash_and_the_other_name_of_its_inode_keeps_its_bytes() {
    everywhere(|folder| {
        folder.write("file", "old");
        folder.link("file", "other name");
        let (print, expect) = (folder.print("file"), content("old"));
        let sealed = folder.sealed("new");
        let new = folder
            .root()
            .replace(
                sealed,
                &content("new"),
                &rel("file"),
                &known(&print, &expect),
                &content_of,
            )
            .unwrap();
        assert_eq!(folder.root().look(&rel("file")), Sight::File(new));
        assert_eq!(
            (folder.read("file"), folder.read("other name")),
            ("new".into(), "old".into())
        );
        assert_eq!(folder.stash(), ["old"]);
        assert!(folder.names(".holdfast/staging").is_empty());
    });
}

#[test]
fn a_link_gets_another_target() {
    everywhere(|folder| {
        let path = rel("link");
        let print = folder.root().make_symlink(&path, &target("old")).unwrap();
        let wrong = folder
            .root()
            .replace_symlink(&path, &print, &target("other"), &target("new"));
        assert!(matches!(wrong, Err(HandError::Surprise { .. })));
        let print = folder
            .root()
            .replace_symlink(&path, &print, &target("old"), &target("new"))
            .unwrap();
        assert_eq!(folder.root().look(&path), Sight::Symlink(print, target("new")));
        folder
            .root()
            .remove_symlink(&path, &print, &target("new"))
            .unwrap();
        assert_eq!(folder.root().look(&path), Sight::Absent);
        assert!(folder.names(".holdfast/stash").is_empty());
    });
}

#[test]
fn attributes_are_set_and_special_bits_go() {
    everywhere(|folder| {
        folder.write("file", "x");
        folder.chmod("file", 0o6644);
        let (print, expect) = (folder.print("file"), content("x"));
        let set = folder
            .root()
            .set_attributes(
                &rel("file"),
                &known(&print, &expect),
                true,
                5_000_000_001,
                &content_of,
            )
            .unwrap();
        assert_eq!(folder.root().look(&rel("file")), Sight::File(set));
        assert!(set.exec() && set.mode & 0o7000 == 0 && set.mtime_ns == folder.rounded(5_000_000_001));
        let unset = folder
            .root()
            .set_attributes(
                &rel("file"),
                &known(&set, &expect),
                false,
                5_000_000_001,
                &content_of,
            )
            .unwrap();
        assert!(!unset.exec());
    });
}

#[test]
fn a_rename_spares_a_taken_name_and_keeps_the_identity() {
    everywhere(|folder| {
        let print = folder.write("a", "a");
        folder.write("b", "b");
        assert!(matches!(
            folder.root().rename(&rel("a"), &print, &rel("b")),
            Err(HandError::Taken)
        ));
        assert!(matches!(
            folder.root().rename(&rel("b"), &print, &rel("c")),
            Err(HandError::Surprise { .. })
        ));
        assert!(matches!(
            folder.root().rename(&rel("x"), &print, &rel("c")),
            Err(HandError::Gone)
        ));
        let moved = folder.root().rename(&rel("a"), &print, &rel("c")).unwrap();
        assert!(moved.same_stamp(&print));
        assert_eq!(folder.root().look(&rel("c")), Sight::File(moved));
        let dir = folder.root().make_dir(&rel("dir")).unwrap();
        assert!(matches!(
            folder.root().rename(&rel("dir"), &dir, &rel("dir/dir")),
            Err(HandError::Refused(_))
        ));
        folder.root().rename(&rel("dir"), &dir, &rel("dir2")).unwrap();
        assert_eq!(folder.names(""), ["b", "c", "dir2"]);
    });
}

#[test]
fn an_exchange_swaps_files_and_directories() {
    everywhere(|folder| {
        let dir = folder.root().make_dir(&rel("dir")).unwrap();
        let file = folder.write("file", "x");
        folder.write("dir/inside", "y");
        let (new_dir, new_file) = folder
            .root()
            .exchange(&rel("dir"), &dir, &rel("file"), &file)
            .unwrap();
        assert_eq!(folder.root().look(&rel("file")), Sight::Dir(new_dir));
        assert_eq!(folder.root().look(&rel("dir")), Sight::File(new_file));
        assert_eq!(folder.names(""), ["dir", "file"]);
        let inner = folder.print("file/inside");
        let error = folder
            .root()
            .exchange(&rel("file"), &new_dir, &rel("file/inside"), &inner);
        assert!(matches!(error, Err(HandError::Refused(_))));
        let error = folder.root().exchange(&rel("dir"), &dir, &rel("file"), &file);
        assert!(matches!(error, Err(HandError::Surprise { .. })));
    });
}

#[test]
fn an_edit_that_nobody_has_seen_is_not_hidden_by_a_move() {
    everywhere(|folder| {
        let print = folder.write("a", "old");
        folder.write("a", "newer");
        let moved = match folder.root().rename(&rel("a"), &print, &rel("b")) {
            // Without a time of birth it may be another file, and is left where it is.
            Err(HandError::Surprise { .. }) => return assert_eq!(folder.names(""), ["a"]),
            moved => moved.unwrap(),
        };
        assert_ne!(folder.root().look(&rel("b")), Sight::File(moved));
        let (a, b) = (folder.write("c", "c"), folder.print("b"));
        folder.write("c", "edited");
        let (moved_c, moved_b) = folder.root().exchange(&rel("c"), &a, &rel("b"), &b).unwrap();
        assert_ne!(folder.root().look(&rel("b")), Sight::File(moved_c));
        assert_eq!(folder.root().look(&rel("c")), Sight::File(moved_b));
    });
}

#[test]
fn a_directory_goes_only_when_it_is_empty() {
    everywhere(|folder| {
        let dir = folder.root().make_dir(&rel("dir")).unwrap();
        folder.write("dir/.hidden", "x");
        assert!(matches!(
            folder.root().remove_dir(&rel("dir"), &dir),
            Err(HandError::NotEmpty)
        ));
        folder.remove("dir/.hidden");
        folder.root().remove_dir(&rel("dir"), &dir).unwrap();
        assert!(matches!(
            folder.root().remove_dir(&rel("dir"), &dir),
            Err(HandError::Gone)
        ));
    });
}

#[test]
fn a_copy_keeps_bytes_mode_and_time_and_spares_a_taken_name() {
    everywhere(|folder| {
        folder.write("file", "mine");
        folder.chmod("file", 0o4711);
        let (print, expect) = (folder.print("file"), content("mine"));
        let known = known(&print, &expect);
        let copy = folder
            .root()
            .keep_copy(&rel("file"), &known, &rel("copy"), &content_of)
            .unwrap();
        assert_eq!((copy.mode, copy.mtime_ns), (0o711, print.mtime_ns));
        assert_ne!(copy.inode, print.inode);
        assert_eq!(folder.read("copy"), "mine");
        let again = folder
            .root()
            .keep_copy(&rel("file"), &known, &rel("copy"), &content_of);
        assert!(matches!(again, Err(HandError::Taken)));
        assert!(folder.names(".holdfast/staging").is_empty());
    });
}
