//! The observer on real folders: whatever is done to one, the local tree comes to equal it, and nodes keep their ids.

#![expect(clippy::unwrap_used, reason = "a test may stop at once")]

mod eyes;
mod meddling;
mod own_steps;
mod tangles;
mod tasks;
#[cfg(unix)]
mod unix;

use std::collections::BTreeMap;
use std::fs;

use eyes::Eyes;
use sync_engine::{Block, Hash};
use tempfile::TempDir;

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
        small.extend(update.small.into_iter().map(|sent| (sent.head.hash, sent.bytes)));
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
