//! Looks that a step of the driver's own has overtaken.

use std::fs;
use std::sync::Arc;

use sync_engine::{FileState, Kind, Node, Place, RelPath};
use tui_client::chunker::Chunker;

use crate::eyes::Eyes;

/// Does what a step of the driver's own does: replaces a file, and says so.
fn replace(eyes: &mut Eyes, path: &str, bytes: &str) {
    eyes.write(".holdfast/staged", bytes);
    eyes.rename(".holdfast/staged", path);
    let (id, at) = (eyes.id(path), RelPath::parse(path.as_bytes()).unwrap());
    let print = *eyes.root.look(&at).print().unwrap();
    let mut node = Node::clone(eyes.trees.local().node(id).unwrap());
    node.kind = Kind::File(FileState {
        content: Chunker::new().chunk(bytes.as_bytes(), |_, _| ()).unwrap().content,
        exec: false,
        mtime_ns: print.mtime_ns,
    });
    eyes.trees.edit_local(vec![(id, Some(Arc::new(node)))]).unwrap();
    eyes.observer.note(id, Some(print));
}

#[tokio::test]
async fn what_was_read_before_a_step_of_our_own_does_not_undo_it() {
    let mut eyes = Eyes::new().await;
    eyes.write("a.txt", "first");
    eyes.settle().await;
    eyes.write("a.txt", "second");
    // The look asks for the file to be read; the reading is held back until the file is another.
    eyes.step().await;
    let reading = eyes.next().await;
    replace(&mut eyes, "a.txt", "third");
    let update = eyes.handle(reading);
    assert!(update.edits.is_empty(), "{update:?}");
    eyes.settle().await;
}

#[tokio::test]
async fn what_was_seen_before_a_removal_of_our_own_does_not_come_back() {
    let mut eyes = Eyes::new().await;
    eyes.write("a.txt", "first");
    eyes.settle().await;
    let (id, node) = (
        eyes.id("a.txt"),
        eyes.trees.local().node(eyes.id("a.txt")).unwrap().clone(),
    );
    eyes.write("a.txt", "second");
    eyes.step().await;
    let reading = eyes.next().await;
    fs::remove_file(eyes.path("a.txt")).unwrap();
    eyes.trees.edit_local(vec![(id, None)]).unwrap();
    eyes.observer.note(id, None);
    eyes.observer.note_left(Place::of(&node));
    let update = eyes.handle(reading);
    assert!(update.edits.is_empty(), "{update:?}");
    eyes.settle().await;
}

#[tokio::test]
async fn what_was_done_in_a_directory_just_before_a_step_of_our_own_moves_it_is_seen() {
    let mut eyes = Eyes::new().await;
    fs::create_dir(eyes.path("d")).unwrap();
    eyes.write("d/f", "bytes");
    eyes.settle().await;
    let id = eyes.id("d");
    eyes.busy.insert(id);
    eyes.rename("d/f", "d/g");
    eyes.rename("d", "e");
    // The eyes look while the step is under way, and are put off again and again.
    for _ in 0..8 {
        eyes.step().await;
    }
    let print = *eyes.root.look(&RelPath::parse(b"e").unwrap()).print().unwrap();
    let mut node = Node::clone(eyes.trees.local().node(id).unwrap());
    node.name = "e".try_into().unwrap();
    eyes.trees.edit_local(vec![(id, Some(Arc::new(node)))]).unwrap();
    eyes.observer.note(id, Some(print));
    eyes.busy.clear();
    eyes.settle().await;
    assert_eq!(eyes.paths(), ["e", "e/g"]);
}
