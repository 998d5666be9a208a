//! The program as people and scripts meet it: what it prints, how it ends, and what a kill leaves behind.

use crate::client::{Client, dir, file, name, node_id, plain, small};
use common::message::{Pushed, Reply, Role};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use sync_engine::{Change, MoveTo, NodeId, Version};
use tempfile::TempDir;

const ROOT: NodeId = NodeId::ROOT;

pub(crate) struct Program {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    line: String,
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_server"));
    command
        .args(arguments)
        .current_dir(directory)
        .stderr(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

fn run(directory: &Path, arguments: &[&str]) -> Output {
    command(directory, arguments).output().unwrap()
}

fn start(directory: &Path) -> Program {
    started(
        command(directory, &["--listen", "127.0.0.1:0"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    )
}

pub(crate) fn started(mut child: Child) -> Program {
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let address = line
        .split_whitespace()
        .find_map(|word| word.strip_prefix("addr="))
        .expect(&line);
    Program {
        address: address.parse().unwrap(),
        child,
        line,
    }
}

/// Asserts how the program ended, and that it said so in three parts.
#[track_caller]
fn assert_trouble(output: &Output, code: i32, words: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}");
    for word in ["error: ", "\n  done: ", "\n  next: "].iter().chain(words) {
        assert!(text.contains(word), "{word:?} is not in {text}");
    }
}

#[track_caller]
fn assert_prints(output: &Output, word: &str) {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains(word), "{word:?} is not in {text}");
}

#[tokio::test]
async fn what_was_confirmed_survives_a_kill() {
    let directory = TempDir::new().unwrap();
    let mut program = start(directory.path());
    let mut client = Client::register(program.address).await;
    let (_, start_cursor) = client.snapshot().await;
    let chunk = plain(&[5; 50_000]);
    let changes = vec![dir(1, ROOT, "d"), file(2, node_id(1), "f", small(&[5; 50_000]))];
    client
        .commit_with(changes.clone(), std::slice::from_ref(&chunk))
        .await;
    program.child.kill().unwrap();
    program.child.wait().unwrap();

    let again = start(directory.path());
    assert_eq!(
        again.line.split("fingerprint=").nth(1),
        program.line.split("fingerprint=").nth(1)
    );
    client.address = again.address;
    let mut client = client.again(Role::Control).await;
    let Reply::Entries { entries, .. } = client.pull(Some(start_cursor)).await else {
        panic!()
    };
    let change = |pushed: Pushed| match pushed {
        Pushed::Full(entry) => entry.change,
        Pushed::Own { .. } => panic!("{pushed:?}"),
    };
    assert_eq!(entries.into_iter().map(change).collect::<Vec<_>>(), changes);
    assert_eq!(client.get(vec![chunk.head.hash]).await.0, [chunk]);
    assert_prints(
        &run(directory.path(), &["verify"]),
        "accounts=1 entries=2 chunks=1 damages=0",
    );
}

#[test]
fn a_second_server_on_one_store_is_refused_and_so_is_a_port_in_use() {
    let directory = TempDir::new().unwrap();
    let program = start(directory.path());
    let second = run(directory.path(), &["--listen", "127.0.0.1:0"]);
    assert_trouble(&second, 1, &["another server is using", "--data DIR"]);
    let elsewhere = TempDir::new().unwrap();
    let taken = run(elsewhere.path(), &["--listen", &program.address.to_string()]);
    assert_trouble(
        &taken,
        1,
        &["cannot listen on", "stop the program that uses this port"],
    );
}

#[test]
fn a_certificate_is_made_once_and_never_overwritten_unasked() {
    let directory = TempDir::new().unwrap();
    let fingerprint = |output: &Output| String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let first = run(directory.path(), &["--gen-cert", "--host", "files.example"]);
    assert_prints(&first, "fingerprint=");
    assert_trouble(&run(directory.path(), &["--gen-cert"]), 1, &["--force"]);
    let program = start(directory.path());
    assert!(
        program.line.starts_with("ready addr=127.0.0.1:"),
        "{}",
        program.line
    );
    assert!(
        program.line.trim().ends_with(&fingerprint(&first)),
        "{}",
        program.line
    );
    let forced = run(directory.path(), &["--gen-cert", "--force"]);
    assert_prints(&forced, "fingerprint=");
    assert_ne!(fingerprint(&forced), fingerprint(&first));
}

#[test]
fn a_key_is_rotated_only_where_there_is_one_and_the_old_one_is_gone_then() {
    let directory = TempDir::new().unwrap();
    let missing = run(directory.path(), &["--rotate-cert"]);
    assert_trouble(&missing, 1, &["no certificate was made", "--gen-cert"]);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    let made = run(directory.path(), &["--gen-cert"]);
    let key = directory
        .path()
        .join("certs")
        .join(common::certificate::SERVER_KEY_FILE);
    let old_key = std::fs::read(&key).unwrap();
    let rotated = run(directory.path(), &["--rotate-cert", "--host", "files.example"]);
    assert_prints(&rotated, "fingerprint=");
    assert_ne!(rotated.stdout, made.stdout);
    assert_ne!(std::fs::read(&key).unwrap(), old_key);
    let program = start(directory.path());
    let fingerprint = String::from_utf8_lossy(&rotated.stdout).trim().to_owned();
    assert!(program.line.trim().ends_with(&fingerprint), "{}", program.line);
}

#[test]
fn wrong_usage_is_said_to_be_that() {
    let directory = TempDir::new().unwrap();
    for arguments in [
        &["--no-such-option"][..],
        &["70000"],
        &["--listen", "nowhere"],
        &["--host", "x"],
        &["export", "1"],
        &["--gen-cert", "7733"],
        &["--rotate-cert", "7733"],
        &["--rotate-cert", "--gen-cert"],
        &["--rotate-cert", "--force"],
        &["restore", "1", "--time", "yesterday"],
    ] {
        assert_trouble(&run(directory.path(), arguments), 2, &["server --help"]);
    }
    assert_prints(&run(directory.path(), &["--version"]), "server 0");
    assert_trouble(&run(directory.path(), &["verify"]), 1, &["there is no store"]);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_store_that_is_none_or_is_newer_is_refused_and_left_as_it_is() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("holdfast-data");
    std::fs::create_dir(&data).unwrap();
    let database = data.join("store.db");
    std::fs::write(&database, [7; 4096]).unwrap();
    assert_trouble(
        &run(directory.path(), &["--listen", "127.0.0.1:0"]),
        1,
        &["not a store of Holdfast"],
    );
    assert_eq!(std::fs::read(&database).unwrap(), [7; 4096]);
    std::fs::remove_file(&database).unwrap();
    drop(start(directory.path()));
    rusqlite::Connection::open(&database)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    assert_trouble(
        &run(directory.path(), &["--listen", "127.0.0.1:0"]),
        1,
        &["format 99", "newer version"],
    );
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_and_half_a_certificate_are_refused() {
    use std::os::unix::fs::PermissionsExt;
    let directory = TempDir::new().unwrap();
    run(directory.path(), &["--gen-cert"]);
    let key = directory
        .path()
        .join("certs")
        .join(common::certificate::SERVER_KEY_FILE);
    let set_mode = |mode| std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
    let mode = std::fs::metadata(&key).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    set_mode(0o644);
    assert_trouble(
        &run(directory.path(), &["--listen", "127.0.0.1:0"]),
        1,
        &["chmod 600"],
    );
    set_mode(0o600);
    std::fs::remove_file(&key).unwrap();
    assert_trouble(
        &run(directory.path(), &["--listen", "127.0.0.1:0"]),
        1,
        &["no private key"],
    );
}

#[cfg(unix)]
#[test]
fn a_server_that_is_asked_to_stop_ends_well() {
    let directory = TempDir::new().unwrap();
    let mut program = start(directory.path());
    let pid = rustix::process::Pid::from_child(&program.child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(program.child.wait().unwrap().success());
    let data = directory.path().join("holdfast-data");
    let mode =
        |path| std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).unwrap().permissions());
    assert_eq!(mode(data.join("store.db")) & 0o777, 0o600);
    assert_eq!(mode(data) & 0o777, 0o700);
}

#[tokio::test]
async fn a_tree_is_restored_and_exported_beside_the_running_server() {
    let directory = TempDir::new().unwrap();
    let program = start(directory.path());
    let mut client = Client::register(program.address).await;
    client.snapshot().await;
    let to = |n, base, parent, text| MoveTo {
        id: node_id(n),
        base: Version(base),
        parent,
        name: name(text),
    };
    let changes = vec![
        dir(1, ROOT, "a"),
        dir(2, node_id(1), "b"),
        file(3, node_id(2), "f", small(b"then")),
        file(4, ROOT, "g", small(b"then")),
    ];
    client.commit_with(changes, &[plain(b"then")]).await;
    // Turned inside out, one deleted, one edited, one new in the place of another.
    let edited = sync_engine::Kind::File(sync_engine::FileState {
        content: small(b"now"),
        exec: false,
        mtime_ns: 2,
    });
    let changes = vec![
        Change::Delete {
            id: node_id(4),
            base: Version(4),
        },
        Change::Move {
            moves: vec![to(2, 2, ROOT, "a"), to(1, 1, node_id(2), "b")],
        },
        Change::Update {
            id: node_id(3),
            base: Version(3),
            kind: edited,
        },
        file(5, ROOT, "g", small(b"now")),
    ];
    client.commit_with(changes, &[plain(b"now")]).await;

    let now = directory.path().join("now");
    assert_prints(
        &run(directory.path(), &["export", "1", "now"]),
        "version=8 written=4 left_out=0",
    );
    assert_eq!(std::fs::read(now.join("a/f")).unwrap(), b"now");
    assert!(now.join("a/b").is_dir());
    assert_trouble(&run(directory.path(), &["export", "1", "now"]), 1, &["not empty"]);

    assert_prints(
        &run(directory.path(), &["restore", "1", "--version", "4"]),
        "restored version=4",
    );
    let mut n_pushed = 0;
    while n_pushed < 9 {
        n_pushed += client.pushed().await.0.len();
    }
    assert_prints(
        &run(directory.path(), &["export", "1", "then"]),
        "written=4 left_out=0",
    );
    let then = directory.path().join("then");
    assert_eq!(std::fs::read(then.join("a/b/f")).unwrap(), b"then");
    assert_eq!(std::fs::read(then.join("g")).unwrap(), b"then");
    assert_prints(&run(directory.path(), &["history", "1", "a/b/f"]), "update node=");
    assert_prints(&run(directory.path(), &["verify"]), "damages=0");
}

#[tokio::test]
async fn a_device_revoked_on_the_command_line_is_cut_off_by_the_running_server() {
    let directory = TempDir::new().unwrap();
    let program = start(directory.path());
    let first = Client::register(program.address).await;
    let mut second = first.companion().await;
    assert_prints(&run(directory.path(), &["account", "list"]), "account=1");
    let device = second.welcome.device.to_string();
    assert_prints(&run(directory.path(), &["device", "list", "1"]), &device);
    assert_prints(
        &run(directory.path(), &["device", "revoke", "1", &device]),
        "revoked",
    );
    assert!(second.wire.next().await.is_none());
    assert_trouble(
        &run(directory.path(), &["device", "revoke", "1", "x"]),
        1,
        &["no device x"],
    );
}

#[tokio::test]
async fn a_backup_is_whole_and_devices_that_meet_it_compare_anew() {
    let directory = TempDir::new().unwrap();
    let program = start(directory.path());
    let mut client = Client::register(program.address).await;
    let (_, cursor) = client.snapshot().await;
    client
        .commit_with(vec![file(1, ROOT, "f", small(b"kept"))], &[plain(b"kept")])
        .await;
    assert_prints(&run(directory.path(), &["backup", "copy"]), "copied to=copy");
    assert_trouble(
        &run(directory.path(), &["new-epoch"]),
        1,
        &["a server is using this store"],
    );
    drop(program);
    assert_prints(
        &run(directory.path(), &["verify", "--data", "copy"]),
        "entries=1 chunks=1 damages=0",
    );
    std::fs::remove_dir_all(directory.path().join("holdfast-data")).unwrap();
    std::fs::rename(
        directory.path().join("copy"),
        directory.path().join("holdfast-data"),
    )
    .unwrap();
    let program = start(directory.path());
    client.address = program.address;
    let mut client = client.again(Role::Control).await;
    assert!(matches!(
        client.pull(Some(cursor)).await,
        Reply::Diverged { head: Version(1), .. }
    ));
    assert_eq!(
        client.get(vec![sync_engine::Hash::of(b"kept")]).await.0,
        [plain(b"kept")]
    );
}

#[tokio::test]
async fn damage_is_found_and_named() {
    let directory = TempDir::new().unwrap();
    let program = start(directory.path());
    let mut client = Client::register(program.address).await;
    client
        .commit_with(vec![file(1, ROOT, "f", small(b"kept"))], &[plain(b"kept")])
        .await;
    drop(program);
    let pack = directory.path().join("holdfast-data/packs/00000001.pack");
    let mut bytes = std::fs::read(&pack).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&pack, bytes).unwrap();
    let output = run(directory.path(), &["verify"]);
    assert_trouble(&output, 1, &["1 things in the store are damaged"]);
    let named = format!("chunk {}", sync_engine::Hash::of(b"kept"));
    assert!(String::from_utf8_lossy(&output.stdout).contains(&named));
}

#[cfg(unix)]
#[tokio::test]
async fn a_full_disk_is_said_to_be_full_and_the_server_goes_on() {
    let directory = TempDir::new().unwrap();
    let script = "trap '' XFSZ; ulimit -f 5000; exec \"$0\" --listen 127.0.0.1:0";
    let mut limited = Command::new("sh");
    limited
        .args(["-c", script, env!("CARGO_BIN_EXE_server")])
        .current_dir(directory.path());
    let program = started(
        limited
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let mut client = Client::register(program.address).await;
    client.snapshot().await;
    let mut n_taken = 0_u8;
    let failure = loop {
        match client.put(&[plain(&[n_taken; 500_000])]).await {
            Reply::Stored { .. } => n_taken += 1,
            Reply::Failed { failure, .. } => break failure,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(failure, common::message::Failure::ServerFull);
    assert!(0 < n_taken);
    // What is small still fits, and what was taken is whole.
    client
        .commit_ok(vec![dir(1, ROOT, "d"), file(2, ROOT, "f", small(&[0; 500_000]))])
        .await;
    let taken = plain(&[n_taken - 1; 500_000]);
    assert_eq!(client.get(vec![taken.head.hash]).await.0, [taken]);
    drop(program);
    assert_prints(&run(directory.path(), &["verify"]), "damages=0");
}
