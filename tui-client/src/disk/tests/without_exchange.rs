//! A real disk taken for one that cannot let two names change places: other calls then do the same.

use super::*;

fn folder() -> Folder {
    let folder = Folder::new();
    folder.root.forget_exchange();
    folder
}

#[test]
fn a_file_and_a_link_are_replaced() {
    let folder = folder();
    let (print, expect) = (folder.write("file", "old"), content("old"));
    let known = known(&print, &expect);
    let new = folder
        .root
        .replace(
            folder.sealed("new"),
            &content("new"),
            &rel("file"),
            &known,
            &content_of,
        )
        .unwrap();
    assert_eq!(folder.root.look(&rel("file")), Sight::File(new));
    assert_eq!(
        (folder.read("file").as_str(), folder.stash()),
        ("new", vec!["old".to_owned()])
    );

    let path = rel("link");
    let print = folder.root.make_symlink(&path, &target("old")).unwrap();
    let print = folder
        .root
        .replace_symlink(&path, &print, &target("old"), &target("new"))
        .unwrap();
    assert_eq!(folder.root.look(&path), Sight::Symlink(print, target("new")));
}

#[test]
fn an_edit_that_left_the_print_as_it_was_stays() {
    let folder = folder();
    let (print, expect) = (folder.write("file", "edit"), content("old"));
    let known = known(&print, &expect);
    let replaced = folder.root.replace(
        folder.sealed("new"),
        &content("new"),
        &rel("file"),
        &known,
        &content_of,
    );
    assert!(matches!(replaced, Err(HandError::Surprise { .. })));
    assert_eq!(
        (folder.read("file").as_str(), folder.names("")),
        ("edit", vec!["file".to_owned()])
    );
}

#[test]
fn a_file_and_a_directory_change_places() {
    let folder = folder();
    let dir = folder.root.make_dir(&rel("dir")).unwrap();
    let file = folder.write("file", "x");
    let (dir, file) = folder
        .root
        .exchange(&rel("dir"), &dir, &rel("file"), &file)
        .unwrap();
    assert_eq!(folder.root.look(&rel("file")), Sight::Dir(dir));
    assert_eq!(folder.root.look(&rel("dir")), Sight::File(file));
    assert_eq!(folder.names(""), ["dir", "file"]);
}
