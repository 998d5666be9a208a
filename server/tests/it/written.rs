//! What the server's commands write: for whom, and nowhere but where they were told to.

use crate::client::{Client, TestServer, dir, file, node_id, plain, small};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use sync_engine::NodeId;

const ROOT: NodeId = NodeId::ROOT;

/// Runs a command of the server under a mask that takes nothing from any mode.
fn run(server: &TestServer, arguments: &[&str], to: &Path) -> Output {
    Command::new("sh")
        .args(["-c", "umask 000; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_server")])
        .args(arguments)
        .arg(to)
        .arg("--data")
        .arg(server.directory.path().join("data"))
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// Returns all that is at a path and below it, links as what they are.
fn all_below(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![path.to_owned()];
    if fs::symlink_metadata(path).unwrap().is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            found.extend(all_below(&entry.unwrap().path()));
        }
    }
    found
}

async fn server_with_files() -> TestServer {
    let server = TestServer::start().await;
    let mut client: Client = server.register().await;
    client.snapshot().await;
    let changes = vec![
        dir(1, ROOT, "d"),
        file(2, node_id(1), "f", small(b"inside")),
        file(3, ROOT, "g", small(b"outside")),
    ];
    client
        .commit_with(changes, &[plain(b"inside"), plain(b"outside")])
        .await;
    server
}

#[tokio::test]
async fn a_backup_is_closed_to_others_whatever_the_mask_and_the_directory() {
    let server = server_with_files().await;
    let (new, open) = (
        server.directory.path().join("new/copy"),
        server.directory.path().join("open"),
    );
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
    for to in [&new, &open] {
        let output = run(&server, &["backup"], to);
        assert!(output.status.success(), "{}", said(&output));
        let found = all_below(to);
        assert!(to.join("store.db").is_file() && to.join("packs/00000001.pack").is_file());
        for path in found {
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{} is {mode:o}", path.display());
        }
        let verified = Command::new(env!("CARGO_BIN_EXE_server"))
            .arg("verify")
            .arg("--data")
            .arg(to)
            .output()
            .unwrap();
        assert!(verified.status.success(), "{}", said(&verified));
    }
    let left: Vec<_> = all_below(&server.directory.path().join("data"))
        .into_iter()
        .filter(|path| path.to_string_lossy().contains("copy"))
        .collect();
    assert_eq!(left, Vec::<PathBuf>::new());
}

#[tokio::test]
async fn nothing_is_exported_or_copied_through_a_link_in_place_of_the_directory() {
    let server = server_with_files().await;
    let outside = server.directory.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let link = server.directory.path().join("link");
    symlink(&outside, &link).unwrap();
    for command in [&["backup"][..], &["export", "1"]] {
        for to in [link.clone(), link.join(""), link.join(".")] {
            let output = run(&server, command, &to);
            assert_eq!(output.status.code(), Some(1), "{}", said(&output));
            assert!(said(&output).contains("next: "), "{}", said(&output));
        }
    }
    assert_eq!(all_below(&outside), std::slice::from_ref(&outside));
    let output = run(
        &server,
        &["export", "1"],
        &server.directory.path().join("new/export"),
    );
    assert!(output.status.success(), "{}", said(&output));
    let exported = server.directory.path().join("new/export/d/f");
    assert_eq!(fs::read(exported).unwrap(), b"inside");
}

#[tokio::test]
async fn a_copy_of_the_store_is_served_as_the_store_is() {
    let server = server_with_files().await;
    let copy = server.directory.path().join("copy");
    let output = run(&server, &["backup"], &copy);
    assert!(output.status.success(), "{}", said(&output));
    let store = server::Store::open(&copy).unwrap();
    drop(store);
    // Readers and the writer do not wait for each other: the version of the file's format says so.
    let header = fs::read(copy.join("store.db")).unwrap();
    assert_eq!(header[18..20], [2, 2]);
}
