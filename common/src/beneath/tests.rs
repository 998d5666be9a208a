//! Links and moves in the way of somebody who writes a tree.

use super::Dir;
use super::unix::PASS;
use rustix::io::Errno;
use std::io;
use std::os::fd::AsFd;
use sync_engine::{Name, RelPath};

fn names(path: &str) -> Vec<Name> {
    RelPath::parse(path.as_bytes()).unwrap().0
}

fn is_refused(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::LOOP | Errno::NOTDIR | Errno::NOENT)
    )
}

#[test]
fn component_by_component_is_as_strict_as_the_kernel() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("a/b/c")).unwrap();
    std::os::unix::fs::symlink("b", dir.path().join("a/link")).unwrap();
    let root = Dir::open_root(dir.path()).unwrap();
    let each = |path: &str| root.open_each(root.as_fd(), &names(path), PASS);
    let whole = |path: &str| root.open_beneath(root.as_fd(), &names(path), PASS);
    for path in ["a", "a/b/c"] {
        assert!(each(path).is_ok() && whole(path).is_ok());
    }
    for path in ["a/link", "a/link/c", "a/none", "a/none/c"] {
        let (each, whole) = (each(path).unwrap_err(), whole(path).unwrap_err());
        assert!(is_refused(&each), "{path}: {each}");
        assert!(is_refused(&whole), "{path}: {whole}");
    }
    let slash = Dir::open_root("/".as_ref()).unwrap();
    let error = slash.open_each(slash.as_fd(), &names("proc"), PASS).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::CrossesDevices);
}

#[test]
fn nothing_is_written_through_a_link_that_was_put_in_the_way() {
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let root = Dir::make_root(dir.path(), 0o777).unwrap();
    root.make_dir(b"d", 0o777).unwrap();
    std::fs::write(outside.path().join("theirs"), "untouched").unwrap();
    for (name, target) in [("link", outside.path()), ("file", &outside.path().join("theirs"))] {
        std::os::unix::fs::symlink(target, dir.path().join(name)).unwrap();
    }
    // A directory that was made, and gave way to a link before it was filled.
    std::fs::remove_dir(dir.path().join("d")).unwrap();
    std::os::unix::fs::symlink(outside.path(), dir.path().join("d")).unwrap();
    for path in ["link", "d"] {
        assert!(is_refused(&root.descend(&names(path)).unwrap_err()), "{path}");
        assert!(
            is_refused(&root.descend_to_read(&names(path)).unwrap_err()),
            "{path}"
        );
        assert!(is_refused(&root.enter(path).unwrap_err()), "{path}");
    }
    for error in [
        root.create_file(b"file", 0o666).unwrap_err(),
        root.make_dir(b"link", 0o777).unwrap_err(),
        root.make_symlink(b"x", b"link").unwrap_err(),
    ] {
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    }
    assert!(Dir::open_root(&dir.path().join("link")).is_ok());
    for end in ["link", "link/", "link/."] {
        assert!(
            is_refused(&Dir::make_root(&dir.path().join(end), 0o777).unwrap_err()),
            "{end}"
        );
    }
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
    assert_eq!(
        std::fs::read_to_string(outside.path().join("theirs")).unwrap(),
        "untouched"
    );
}

#[test]
fn what_is_held_stays_held_when_its_path_leads_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let (here, there) = (dir.path().join("here"), dir.path().join("there"));
    std::fs::create_dir_all(here.join("d")).unwrap();
    let root = Dir::make_root(&here, 0o777).unwrap();
    let below = root.descend(&names("d")).unwrap();
    std::fs::rename(&here, &there).unwrap();
    std::os::unix::fs::symlink("/", &here).unwrap();
    below.create_file(b"one", 0o666).unwrap();
    let again = root.descend_to_read(&names("d")).unwrap();
    again.create_file(b"two", 0o666).unwrap();
    let mut found = again.names().unwrap();
    found.sort_unstable();
    assert_eq!(found, [b"one".to_vec(), b"two".to_vec()]);
    assert!(there.join("d/one").is_file() && there.join("d/two").is_file());
}

#[test]
fn a_root_is_made_and_the_way_to_it_leads_over_no_link_of_anybody_else() {
    use std::os::unix::fs::{PermissionsExt, lchown, symlink};
    let dir = tempfile::tempdir().unwrap();
    let at = |path: &str| dir.path().join(path);
    Dir::make_root(&at("a/b/c"), 0o700).unwrap();
    Dir::make_root(&at("a/b/../b/./c/"), 0o700).unwrap();
    for path in ["a", "a/b", "a/b/c"] {
        assert_eq!(
            std::fs::metadata(at(path)).unwrap().permissions().mode() & 0o777,
            0o700
        );
    }
    symlink("a/b", at("mine")).unwrap();
    symlink(at("mine"), at("mine, far")).unwrap();
    symlink("circle", at("circle")).unwrap();
    Dir::make_root(&at("mine/d"), 0o777).unwrap();
    Dir::make_root(&at("mine, far/e"), 0o777).unwrap();
    assert!(at("a/b/d").is_dir() && at("a/b/e").is_dir());
    assert!(is_refused(&Dir::make_root(&at("circle/f"), 0o777).unwrap_err()));
    std::fs::write(at("file"), "").unwrap();
    assert!(is_refused(&Dir::make_root(&at("file/f"), 0o777).unwrap_err()));
    // Only the administrator can make what is another user's.
    symlink("a/b", at("theirs")).unwrap();
    if lchown(at("theirs"), Some(54_321), None).is_ok() {
        assert!(is_refused(&Dir::make_root(&at("theirs/f"), 0o777).unwrap_err()));
        assert!(!at("a/b/f").exists());
    }
}
