//! A crash at each step of an effect: the steps are run one by one, then a new client opens the folder.

use super::stash::{self, Kept};
use super::*;

fn reopen(folder: &Folder) -> (Root, Recovered) {
    let root = Root::open(folder.root.path()).unwrap();
    let recovered = root.recover(&|_| false).unwrap();
    (root, recovered)
}

const OLD: StashLimits = StashLimits {
    now_ms: u64::MAX,
    age_ms_min: 0,
    spared: None,
};

#[test]
fn a_crash_before_the_swap_leaves_the_old_file_and_nothing_to_bring_back() {
    let folder = Folder::new();
    let print = folder.write("file", "old");
    let private = folder.root.private().unwrap();
    let kept = Kept::File(content("old"), Some(content("new")));
    let key = stash::record(&private.stash, &rel("file"), Some(NODE), &kept, &print).unwrap();
    let mut sealed = folder.sealed("new");
    private
        .stash
        .rename_new(&private.staging, sealed.name(), key.as_bytes())
        .unwrap();
    sealed.moved().unwrap();
    let (root, _) = reopen(&folder);
    assert_eq!(folder.read("file"), "old");
    // The new bytes are the server's, so they are in the history.
    let purge = root
        .purge_stash(&OLD, &content_of, &|found| *found == content("new"))
        .unwrap();
    assert_eq!((purge.removed, purge.changed.len()), (1, 0));
}

#[test]
fn a_crash_after_the_swap_surfaces_an_edit_that_was_swapped_out_unverified() {
    let folder = Folder::new();
    let print = folder.write("file", "old");
    let private = folder.root.private().unwrap();
    let kept = Kept::File(content("old"), Some(content("new")));
    let key = stash::record(&private.stash, &rel("file"), Some(NODE), &kept, &print).unwrap();
    folder.write("file", "unseen edit");
    let mut sealed = folder.sealed("new");
    let path = rel("file");
    let place = folder.root.place(&path).unwrap();
    folder.root.swap(&mut sealed, &key, &place).unwrap();
    drop(sealed);
    let (root, _) = reopen(&folder);
    assert_eq!(folder.read("file"), "new");
    let purge = root
        .purge_stash(&OLD, &content_of, &|found| *found == content("new"))
        .unwrap();
    assert_eq!(purge.changed[0].path, Some(rel("file")));
    root.bring_back(&purge.changed[0], &rel("file (conflict)"))
        .unwrap();
    assert_eq!(folder.read("file (conflict)"), "unseen edit");
}

#[test]
fn a_lost_note_costs_only_the_path() {
    let folder = Folder::new();
    for note in [None, Some(""), Some("{\"path\":")] {
        folder.write_private("stash/0123", "bytes");
        if let Some(note) = note {
            folder.write_private("stash/0123.json", note);
        }
        let (root, _) = reopen(&folder);
        let purge = root.purge_stash(&OLD, &content_of, &|_| false).unwrap();
        assert_eq!((purge.changed.len(), &purge.changed[0].path), (1, &None));
        let purge = root.purge_stash(&OLD, &content_of, &|_| true).unwrap();
        assert_eq!(purge.removed, 1);
    }
}

#[test]
fn a_note_without_a_file_is_swept_up() {
    let folder = Folder::new();
    let print = folder.write("file", "old");
    let stash = &folder.root.private().unwrap().stash;
    stash::record(
        stash,
        &rel("file"),
        Some(NODE),
        &Kept::File(content("old"), Some(content("new"))),
        &print,
    )
    .unwrap();
    let (_, recovered) = reopen(&folder);
    assert_eq!(recovered.removed, 1);
    assert!(folder.names(".holdfast/stash").is_empty());
    assert_eq!(folder.read("file"), "old");
}

#[test]
fn a_crash_while_a_link_is_changed_leaves_no_stray_link() {
    for in_stash in ["old", "new"] {
        let folder = Folder::new();
        let print = folder.root.make_symlink(&rel("link"), &target("old")).unwrap();
        let stash = &folder.root.private().unwrap().stash;
        let kept = Kept::Symlink(target("old"), Some(target("new")));
        let key = stash::record(stash, &rel("link"), None, &kept, &print).unwrap();
        stash.make_symlink(in_stash.as_bytes(), key.as_bytes()).unwrap();
        let (_, recovered) = reopen(&folder);
        assert_eq!((recovered.removed, recovered.put_back), (1, 0));
        assert!(folder.names(".holdfast/stash").is_empty());
        assert_eq!(folder.names(""), ["link"]);
    }
}

#[test]
fn what_is_no_file_and_was_taken_away_unverified_goes_back() {
    let folder = Folder::new();
    let print = folder.write("file", "old");
    let stash = &folder.root.private().unwrap().stash;
    for name in ["file", "gone/name"] {
        let kept = Kept::File(content("old"), Some(content("new")));
        let key = stash::record(stash, &rel(name), Some(NODE), &kept, &print).unwrap();
        let dir = folder.at(&format!(".holdfast/stash/{key}"));
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("inside"), "precious").unwrap();
    }
    symlink("somewhere", folder.at(".holdfast/stash/4567")).unwrap();
    let (_, recovered) = reopen(&folder);
    assert_eq!(recovered.put_back, 3);
    assert_eq!(folder.read("file (rescued 1)/inside"), "precious");
    assert_eq!(folder.read("name (rescued 1)/inside"), "precious");
    assert_eq!(
        folder.names(""),
        [
            "file",
            "file (rescued 1)",
            "name (rescued 1)",
            "unknown (rescued 1)"
        ]
    );
}

#[test]
fn a_crash_between_two_names_of_a_new_file_is_swept_up() {
    let folder = Folder::new();
    let name = ".holdfast/staging/s-00112233445566778899aabbccddeeff";
    fs::write(folder.at(name), "whole").unwrap();
    fs::hard_link(folder.at(name), folder.at("file")).unwrap();
    reopen(&folder);
    assert_eq!(
        (folder.read("file").as_str(), folder.print("file").links),
        ("whole", 1)
    );
}
