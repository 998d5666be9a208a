//! Moves that tangle: nodes that come to be inside what took their own places. They are the same nodes all the while.

use std::fs;
use std::path::Path;

use sync_engine::NodeId;

use crate::eyes::Eyes;

/// Moves and new directories, in order: `a > b` is a move, `a/` a new directory, `-a` a removal.
fn script(folder: &Path, deeds: &[&str]) {
    for deed in deeds {
        if let Some((from, to)) = deed.split_once(" > ") {
            fs::rename(folder.join(from), folder.join(to)).unwrap();
        } else if let Some(gone) = deed.strip_prefix('-') {
            fs::remove_dir_all(folder.join(gone)).unwrap();
        } else {
            fs::create_dir_all(folder.join(deed)).unwrap();
        }
    }
}

/// Two directories and a file, each directory with a file in it.
async fn eyes() -> (Eyes, Vec<NodeId>) {
    let mut eyes = Eyes::new().await;
    for dir in ["a", "b"] {
        fs::create_dir(eyes.path(dir)).unwrap();
        eyes.write(&format!("{dir}/in_{dir}"), dir);
    }
    eyes.write("f", "f");
    eyes.settle().await;
    let ids = ["a", "a/in_a", "b", "b/in_b", "f"].map(|path| eyes.id(path));
    (eyes, ids.to_vec())
}

/// Runs a script on a watched folder, and on one that nobody watches meanwhile; the nodes are to be at these paths
/// then (`-`: nowhere).
async fn check(deeds: &[&str], paths: [&str; 5]) {
    for is_away in [false, true] {
        let (mut eyes, ids) = eyes().await;
        let n_contents = eyes.n_contents;
        if is_away {
            eyes.while_away(|folder| script(folder, deeds)).await;
        } else {
            script(eyes.folder.path(), deeds);
            eyes.settle().await;
        }
        for (path, id) in paths.iter().zip(ids) {
            let at = eyes.trees.local().path(id).map(|path| path.to_string());
            assert_eq!(at.as_deref().unwrap_or("-"), *path, "away: {is_away}");
        }
        assert_eq!(eyes.n_contents, n_contents, "nothing is read anew");
    }
}

#[tokio::test]
async fn a_directory_moves_into_a_new_one_that_took_the_place_of_a_removed_one() {
    let deeds = ["-a", "a", "b > a/b"];
    check(&deeds, ["a", "-", "a/b", "a/b/in_b", "f"]).await;
}

#[tokio::test]
async fn a_directory_moves_deep_into_a_new_one_that_took_its_place() {
    let deeds = ["a > t", "a/x/y", "t > a/x/y/z"];
    check(&deeds, ["a/x/y/z", "a/x/y/z/in_a", "b", "b/in_b", "f"]).await;
}

#[tokio::test]
async fn a_directory_moves_into_another_that_took_its_place() {
    let deeds = ["b > t", "a > t/a", "t > a"];
    check(&deeds, ["a/a", "a/a/in_a", "a", "a/in_b", "f"]).await;
}

#[tokio::test]
async fn two_directories_move_into_new_ones_that_took_each_others_place() {
    let deeds = ["a > t", "b > u", "a", "b", "t > b/t", "u > a/u"];
    check(&deeds, ["b/t", "b/t/in_a", "a/u", "a/u/in_b", "f"]).await;
}

#[tokio::test]
async fn a_file_moves_into_a_directory_that_took_its_name() {
    let deeds = ["f > t", "f", "t > f/t", "b > f/b"];
    check(&deeds, ["a", "a/in_a", "f/b", "f/b/in_b", "f/t"]).await;
}

#[tokio::test]
async fn a_file_moves_out_of_a_directory_that_is_replaced_with_what_was_in_it() {
    let deeds = ["a > t", "a", "t/in_a > a/moved", "-t"];
    check(&deeds, ["a", "a/moved", "b", "b/in_b", "f"]).await;
}

#[tokio::test]
async fn a_directory_moves_into_one_that_was_in_it_and_is_in_what_took_its_place() {
    for is_away in [false, true] {
        let (mut eyes, ids) = eyes().await;
        fs::create_dir(eyes.path("a/inner")).unwrap();
        eyes.write("a/inner/deep", "deep");
        eyes.settle().await;
        let inner = ["a/inner", "a/inner/deep"].map(|path| eyes.id(path));
        let deeds = ["a > t", "a", "t/inner > a/inner", "t > a/inner/t"];
        if is_away {
            eyes.while_away(|folder| script(folder, &deeds)).await;
        } else {
            script(eyes.folder.path(), &deeds);
            eyes.settle().await;
        }
        let now = ["a/inner/t", "a/inner/t/in_a"].map(|path| eyes.id(path));
        assert_eq!(now, ids[..2], "away: {is_away}");
        assert_eq!(["a/inner", "a/inner/deep"].map(|path| eyes.id(path)), inner);
    }
}

#[tokio::test]
async fn a_directory_that_is_made_anew_with_the_same_names_is_the_same() {
    let (mut eyes, ids) = eyes().await;
    script(eyes.folder.path(), &["-a", "a"]);
    eyes.write("a/in_a", "anew");
    eyes.settle().await;
    assert_eq!(vec![eyes.id("a"), eyes.id("a/in_a")], ids[..2]);
}
