//! What only Unix has: links that anybody may make, pipes, hard links, modes.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use sync_engine::{Block, RelPath};
use tempfile::TempDir;

use crate::eyes::Eyes;

#[tokio::test]
async fn links_are_data_and_pipes_hang_nobody() {
    let mut eyes = Eyes::new().await;
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    symlink(outside.path(), eyes.path("out")).unwrap();
    symlink("loop", eyes.path("loop")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        eyes.path("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    eyes.write("a", "a");
    eyes.settle().await;
    assert_eq!(eyes.paths(), ["a", "loop", "out"]);
    let pipe = RelPath::parse(b"pipe").unwrap();
    assert_eq!(eyes.observer.oddities().get(&pipe), Some(&Block::UnsupportedType));
    fs::remove_file(eyes.path("pipe")).unwrap();
    fs::remove_file(eyes.path("out")).unwrap();
    symlink("elsewhere", eyes.path("out")).unwrap();
    eyes.settle().await;
    assert!(eyes.observer.oddities().is_empty());
}

#[tokio::test]
async fn a_file_that_becomes_a_pipe_is_blocked_and_not_gone() {
    let mut eyes = Eyes::new().await;
    eyes.write("a", "a");
    eyes.settle().await;
    let a = eyes.id("a");
    fs::remove_file(eyes.path("a")).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        eyes.path("a"),
        rustix::fs::FileType::Fifo,
        mode,
        0,
    )
    .unwrap();
    let token = eyes.observer.sync();
    while eyes.step().await.caught_up < Some(token) {}
    assert_eq!(eyes.id("a"), a);
    assert_eq!(eyes.trees.blocked().get(&a), Some(&Block::UnsupportedType));
    fs::remove_file(eyes.path("a")).unwrap();
    eyes.write("a", "back");
    eyes.settle().await;
    assert_eq!(eyes.id("a"), a);
    assert!(eyes.trees.blocked().is_empty());
}

#[tokio::test]
async fn hard_links_are_files_of_their_own() {
    let mut eyes = Eyes::new().await;
    eyes.write("a", "a");
    eyes.settle().await;
    let a = eyes.id("a");
    fs::hard_link(eyes.path("a"), eyes.path("b")).unwrap();
    eyes.settle().await;
    assert_eq!(eyes.id("a"), a);
    let b = eyes.id("b");
    assert_ne!(b, a);
    eyes.write("b", "both change");
    eyes.settle().await;
    eyes.observer.rescan();
    eyes.settle().await;
    fs::remove_file(eyes.path("b")).unwrap();
    eyes.settle().await;
    assert_eq!(eyes.id("a"), a);
}

#[tokio::test]
async fn a_change_of_mode_is_an_edit_without_new_bytes() {
    let mut eyes = Eyes::new().await;
    eyes.write("a", "a");
    eyes.settle().await;
    let n_contents = eyes.n_contents;
    fs::set_permissions(eyes.path("a"), fs::Permissions::from_mode(0o755)).unwrap();
    eyes.settle().await;
    let a = eyes.id("a");
    assert!(eyes.trees.local().node(a).unwrap().kind.file().unwrap().exec);
    assert_eq!(eyes.n_contents, n_contents);
}

#[tokio::test]
async fn what_was_written_by_a_name_that_is_gone_is_seen_by_the_other_names() {
    let mut eyes = Eyes::new().await;
    eyes.write("a", "first");
    fs::hard_link(eyes.path("a"), eyes.path("b")).unwrap();
    eyes.settle().await;
    eyes.write("b", "second");
    fs::remove_file(eyes.path("b")).unwrap();
    eyes.settle().await;
}
