//! Surprises in the middle of an effect: whatever a person's program wrote is still somewhere they can see.

use super::*;
use std::cell::Cell;

#[test]
fn an_edit_before_the_step_surprises_it() {
    everywhere(|folder| {
        let (print, expect) = (folder.write("file", "old"), content("old"));
        folder.write("file", "edit");
        let known = known(&print, &expect);
        let root = folder.root();
        for error in [
            root.replace(
                folder.sealed("new"),
                &content("new"),
                &rel("file"),
                &known,
                &content_of,
            )
            .unwrap_err(),
            root.remove_file(&rel("file"), &known, &content_of).unwrap_err(),
            root.keep_copy(&rel("file"), &known, &rel("copy"), &content_of)
                .unwrap_err(),
            root.set_attributes(&rel("file"), &known, true, 0, &content_of)
                .unwrap_err(),
        ] {
            assert!(matches!(
                error,
                HandError::Surprise {
                    found: Sight::File(_)
                }
            ));
        }
        assert_eq!(folder.read("file"), "edit");
        assert!(folder.names(".holdfast/staging").is_empty() && folder.stash().is_empty());
    });
}

#[test]
fn an_edit_that_left_the_print_as_it_was_is_put_back() {
    everywhere(|folder| {
        let (print, expect) = (folder.write("file", "edit"), content("old"));
        let known = known(&print, &expect);
        let replaced = folder.root().replace(
            folder.sealed("new"),
            &content("new"),
            &rel("file"),
            &known,
            &content_of,
        );
        assert!(matches!(
            replaced,
            Err(HandError::Surprise {
                found: Sight::File(_)
            })
        ));
        assert_eq!(folder.read("file"), "edit");
        // The new file is in the stash now, and nobody's work.
        let stashed = folder.root().take_stashed();
        assert!(folder.root().rewritten(&stashed, &content_of).is_empty());
        let removed = folder.root().remove_file(&rel("file"), &known, &content_of);
        assert!(matches!(
            removed,
            Err(HandError::Surprise {
                found: Sight::File(_)
            })
        ));
        assert_eq!(folder.read("file"), "edit");
        assert_eq!(folder.names(""), ["file"]);
    });
}

#[test]
fn a_write_through_an_old_descriptor_during_the_swap_wins_the_name_back() {
    everywhere(|folder| {
        let (print, expect) = (folder.write("file", "old"), content("old"));
        let writer = folder.open("file");
        let act = then(|| writer.append(" and edited"));
        let replaced = folder.root().replace(
            folder.sealed("new"),
            &content("new"),
            &rel("file"),
            &known(&print, &expect),
            &act,
        );
        assert!(matches!(replaced, Err(HandError::Surprise { .. })));
        assert_eq!(folder.read("file"), "old and edited");

        let print = folder.print("file");
        let expect = content("old and edited");
        let act = then(|| writer.append(" again"));
        let removed = folder
            .root()
            .remove_file(&rel("file"), &known(&print, &expect), &act);
        assert!(matches!(removed, Err(HandError::Surprise { .. })));
        assert_eq!(folder.read("file"), "old and edited again");
    });
}

#[test]
fn a_second_surprise_while_undoing_puts_a_part_beside() {
    everywhere(|folder| {
        if !folder.can_exchange() {
            return;
        }
        let (print, expect) = (folder.write("file.txt", "first edit"), content("old"));
        let act = then(|| {
            folder.put("temporary", "second edit");
            folder.rename("temporary", "file.txt");
        });
        let replaced = folder.root().replace(
            folder.sealed("new"),
            &content("new"),
            &rel("file.txt"),
            &known(&print, &expect),
            &act,
        );
        assert!(matches!(replaced, Err(HandError::Rescued { at }) if at == rel("file (rescued 1).txt")));
        assert_eq!(folder.read("file.txt"), "first edit");
        assert_eq!(folder.read("file (rescued 1).txt"), "second edit");
    });
}

#[test]
fn a_write_into_the_new_file_before_the_undoing_is_kept_beside() {
    everywhere(|folder| {
        if !folder.can_exchange() {
            return;
        }
        let (print, expect) = (folder.write("file", "first edit"), content("old"));
        let act = then(|| folder.put("file", "into the new one"));
        let replaced = folder.root().replace(
            folder.sealed("new"),
            &content("new"),
            &rel("file"),
            &known(&print, &expect),
            &act,
        );
        assert!(matches!(replaced, Err(HandError::Rescued { .. })));
        assert_eq!(folder.read("file"), "first edit");
        assert_eq!(folder.read("file (rescued 1)"), "into the new one");
    });
}

#[test]
fn a_name_deleted_during_the_swap_gets_its_unseen_edit_back() {
    everywhere(|folder| {
        if !folder.can_exchange() {
            return;
        }
        let (print, expect) = (folder.write("file", "edit"), content("old"));
        let act = then(|| folder.remove("file"));
        let replaced = folder.root().replace(
            folder.sealed("new"),
            &content("new"),
            &rel("file"),
            &known(&print, &expect),
            &act,
        );
        assert!(matches!(replaced, Err(HandError::Surprise { .. })));
        assert_eq!(folder.read("file"), "edit");
    });
}

#[test]
fn a_name_taken_while_a_removal_is_undone_keeps_both() {
    everywhere(|folder| {
        let (print, expect) = (folder.write("file", "edit"), content("old"));
        let act = then(|| folder.put("file", "newer"));
        let removed = folder
            .root()
            .remove_file(&rel("file"), &known(&print, &expect), &act);
        assert!(matches!(removed, Err(HandError::Rescued { .. })));
        assert_eq!(folder.read("file"), "newer");
        assert_eq!(folder.read("file (rescued 1)"), "edit");
    });
}

#[test]
fn a_file_that_cannot_be_verified_is_put_back() {
    everywhere(|folder| {
        let (print, expect) = (folder.write("file", "old"), content("old"));
        let fail = |_: &mut File| Err(io::Error::other("the disk has a bad sector"));
        let known = known(&print, &expect);
        let removed = folder.root().remove_file(&rel("file"), &known, &fail);
        assert!(matches!(removed, Err(HandError::Io { .. })));
        let print = folder.print("file");
        let replaced = folder.root().replace(
            folder.sealed("new"),
            &content("new"),
            &rel("file"),
            &self::known(&print, &expect),
            &fail,
        );
        assert!(matches!(replaced, Err(HandError::Io { .. })));
        assert_eq!(folder.read("file"), "old");
    });
}

#[test]
fn a_write_while_attributes_are_set_is_not_hidden() {
    everywhere(|folder| {
        let (print, expect) = (folder.write("file", "old"), content("old"));
        let act = |file: &mut File| {
            folder.put("file", "OLD");
            content_of(file)
        };
        let set = folder
            .root()
            .set_attributes(&rel("file"), &known(&print, &expect), true, 77, &act);
        assert!(matches!(set, Err(HandError::Surprise { .. })));
        assert!(!folder.print("file").same_file_state(&print));
    });
}

#[test]
fn a_write_while_a_copy_is_made_leaves_no_copy() {
    everywhere(|folder| {
        let (print, expect) = (folder.write("file", "edit"), content("old"));
        let copied =
            folder
                .root()
                .keep_copy(&rel("file"), &known(&print, &expect), &rel("copy"), &content_of);
        assert!(matches!(copied, Err(HandError::Surprise { .. })));
        assert_eq!(folder.names(""), ["file"]);
    });
}

#[test]
fn a_write_after_the_step_into_the_stash_is_surfaced_and_brought_back() {
    everywhere(|folder| {
        let (print, expect) = (folder.write("dir", "old"), content("old"));
        let writer = folder.open("dir");
        folder
            .root()
            .remove_file(&rel("dir"), &known(&print, &expect), &content_of)
            .unwrap();
        let limits = StashLimits {
            now_ms: u64::MAX,
            age_ms_min: 0,
            spared: None,
        };
        let young = StashLimits {
            now_ms: 0,
            age_ms_min: 1,
            spared: None,
        };
        let is_old = |content_: &Content| *content_ == content("old");
        assert_eq!(
            folder.root().purge_stash(&young, &content_of, &is_old).unwrap(),
            Purge::default()
        );
        writer.append(" late");
        for limits in [young, limits] {
            let purge = folder.root().purge_stash(&limits, &content_of, &is_old).unwrap();
            assert_eq!((purge.removed, purge.changed.len()), (0, 1));
            let stashed = &purge.changed[0];
            assert_eq!(
                (stashed.path.clone(), stashed.node),
                (Some(rel("dir")), Some(NODE))
            );
            assert_eq!(stashed.content, content("old late"));
        }
        let purge = folder.root().purge_stash(&young, &content_of, &is_old).unwrap();
        folder.write("taken", "x");
        assert!(matches!(
            folder.root().bring_back(&purge.changed[0], &rel("taken")),
            Err(HandError::Taken)
        ));
        folder.root().bring_back(&purge.changed[0], &rel("back")).unwrap();
        assert_eq!(folder.read("back"), "old late");
        assert!(folder.names(".holdfast/stash").is_empty());
    });
}

#[test]
fn the_stash_gives_up_only_what_is_old_and_in_the_history() {
    everywhere(|folder| {
        let (print, expect) = (folder.write("file", "old"), content("old"));
        folder
            .root()
            .remove_file(&rel("file"), &known(&print, &expect), &content_of)
            .unwrap();
        let old = StashLimits {
            now_ms: u64::MAX,
            age_ms_min: 1,
            spared: None,
        };
        let asked = Cell::new(0);
        let no = |_: &Content| {
            asked.set(asked.get() + 1);
            false
        };
        assert_eq!(
            folder.root().purge_stash(&old, &content_of, &no).unwrap(),
            Purge::default()
        );
        assert_eq!((asked.get(), folder.stash()), (1, vec!["old".to_owned()]));
        let purge = folder.root().purge_stash(&old, &content_of, &|_| true).unwrap();
        assert_eq!(purge.removed, 1);
        assert!(folder.names(".holdfast/stash").is_empty());
    });
}

#[test]
fn of_many_who_want_one_name_exactly_one_gets_it() {
    everywhere(|folder| {
        for round in 0..50 {
            let path = rel(&format!("f{round}"));
            let sealed: Vec<Sealed> = (0..4).map(|i| folder.sealed(&format!("{i}"))).collect();
            let winners = std::thread::scope(|scope| {
                let install = |sealed| scope.spawn(|| folder.root().install(sealed, &path).is_ok());
                let threads: Vec<_> = sealed.into_iter().map(install).collect();
                threads
                    .into_iter()
                    .map(|thread| thread.join().unwrap())
                    .filter(|won| *won)
                    .count()
            });
            assert_eq!(winners, 1);
        }
        assert!(folder.names(".holdfast/staging").is_empty());
    });
}

#[test]
fn a_program_that_saves_all_the_time_loses_nothing_to_a_stream_of_replacements() {
    everywhere(|folder| {
        let saved = std::sync::atomic::AtomicBool::new(false);
        folder.write("file", "remote 0");
        let texts = |folder: &Folder| {
            let mut texts: Vec<String> = folder.names("").iter().map(|name| folder.read(name)).collect();
            texts.extend(folder.stash());
            texts
        };
        // The program lets its new file and the old one change places, so that it overwrites nothing unseen itself.
        let save = |i: usize| {
            let own = format!("local {i}");
            folder.put(&own, &own);
            let _ = folder.exchange(&own, "file");
        };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                (0..200).for_each(save);
                saved.store(true, std::sync::atomic::Ordering::Release);
            });
            let mut i = 0;
            while !saved.load(std::sync::atomic::Ordering::Acquire) {
                i += 1;
                let Ok((mut file, print)) = folder.root().open_file(&rel("file")) else {
                    continue;
                };
                let expect = content_of(&mut file).unwrap();
                let text = format!("remote {i}");
                let (sealed, new) = (folder.sealed(&text), content(&text));
                let _ = folder
                    .root
                    .replace(sealed, &new, &rel("file"), &known(&print, &expect), &content_of);
            }
        });
        let texts = texts(folder);
        for i in 0..200 {
            assert!(texts.contains(&format!("local {i}")), "local {i} is lost");
        }
    });
}
