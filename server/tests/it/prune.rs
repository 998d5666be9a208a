//! Room: `server prune` beside a server that runs, and killed while it works; and how much an account may keep.

use crate::client::{Client, TestServer, dir, file, name, node_id, plain, small};
use common::message::{Failure, Outcome, Reply};
use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};
use sync_engine::{Change, Hash, MoveTo, NodeId, Rejection, Version};

const ROOT: NodeId = NodeId::ROOT;

fn command(server: &TestServer, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_server"));
    command
        .args(arguments)
        .arg("--data")
        .arg(server.directory.path().join("data"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(server: &TestServer, arguments: &[&str]) -> Output {
    command(server, arguments).output().unwrap()
}

#[track_caller]
fn prints(output: &Output, code: i32, words: &[&str]) {
    let text = [&output.stdout[..], &output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert_eq!(output.status.code(), Some(code), "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text}");
    }
}

const PRUNE: [&str; 5] = ["prune", "--keep-days", "0", "--keep-versions", "1"];

fn bytes(n: u8) -> Vec<u8> {
    vec![n; 20_000]
}

/// Makes so many versions of a file, and returns the last.
async fn versions(client: &mut Client, id: u64, count: u8) -> Version {
    let mut base = None;
    for n in 0..count {
        let content = small(&bytes(n));
        let created = file(id, ROOT, &format!("f{id}"), content);
        let change = match (base, created) {
            (Some(base), Change::Create { node, .. }) => Change::Update {
                id: node_id(id),
                base,
                kind: node.kind,
            },
            (_, created) => created,
        };
        let (outcomes, _) = client.commit_with(vec![change], &[plain(&bytes(n))]).await;
        let [Outcome::Accepted(version)] = outcomes[..] else {
            panic!("{outcomes:?}")
        };
        base = Some(version);
    }
    base.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn old_versions_are_given_up_beside_a_running_server_and_devices_bring_again_what_they_need() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    client.snapshot().await;
    let last = versions(&mut client, 1, 4).await;
    let old = Hash::of(&bytes(0));
    let foretold = run(&server, &[&PRUNE[..], &["--dry-run"]].concat());
    prints(
        &foretold,
        0,
        &["would give up account=1", "name=f1", "would_give_up=3"],
    );
    assert_eq!(client.missing(vec![old]).await, []);
    prints(
        &run(&server, &PRUNE),
        0,
        &["given_up=3", "condemned=3", "dropped=0"],
    );
    assert_eq!(client.missing(vec![old]).await, [old]);
    prints(&run(&server, &["verify"]), 0, &["damages=0"]);
    prints(
        &run(&server, &PRUNE),
        0,
        &["given_up=0", "dropped=3", "pardoned=0"],
    );
    prints(&run(&server, &["verify"]), 0, &["chunks=1 damages=0"]);
    assert_eq!(client.get(vec![old]).await, (vec![], vec![old]));
    assert_eq!(client.get(vec![Hash::of(&bytes(3))]).await.0.len(), 1);

    // What is gone is said to be gone, and nothing is changed.
    prints(
        &run(&server, &["restore", "1", "--version", "1"]),
        1,
        &["f1", "given up by `server prune`", "nothing was changed"],
    );
    prints(
        &run(&server, &["history", "1"]),
        0,
        &["version=1", "(its bytes were given up)"],
    );
    let again = file(2, ROOT, "again", small(&bytes(0)));
    let missing = Outcome::Rejected(Rejection::MissingContent(old));
    assert_eq!(client.commit(vec![again.clone()]).await, [missing]);
    let (outcomes, _) = client.commit_with(vec![again], &[plain(&bytes(0))]).await;
    assert_eq!(outcomes, [Outcome::Accepted(last.next())]);
    prints(
        &run(&server, &["restore", "1", "--version", "1"]),
        0,
        &["restored version=1"],
    );
    prints(&run(&server, &["verify"]), 0, &["damages=0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prune_that_is_killed_leaves_a_sound_store_and_the_next_goes_on() {
    let server = TestServer::start().await;
    let mut clients = Vec::new();
    for _ in 0..6 {
        let mut client = server.register().await;
        client.snapshot().await;
        versions(&mut client, 1, 6).await;
        clients.push(client);
    }
    for n_lines in 0..8 {
        let mut child = command(&server, &PRUNE).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        (0..n_lines).for_each(|_| drop(lines.next()));
        // It may have ended already.
        let _ = child.kill();
        child.wait().unwrap();
        prints(&run(&server, &["verify"]), 0, &["damages=0"]);
    }
    prints(&run(&server, &PRUNE), 0, &["pruned"]);
    prints(&run(&server, &PRUNE), 0, &["given_up=0 condemned=0"]);
    prints(&run(&server, &["verify"]), 0, &["chunks=6 damages=0"]);
    for client in &mut clients {
        assert_eq!(client.get(vec![Hash::of(&bytes(5))]).await.0.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn room_is_given_back_to_the_system() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    client.snapshot().await;
    versions(&mut client, 1, 40).await;
    prints(&run(&server, &PRUNE), 0, &[]);
    prints(&run(&server, &PRUNE), 0, &["dropped=39", "bytes_unused=78"]);
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::MetadataExt;
        let pack = server.directory.path().join("data/packs/00000001.pack");
        let pack = std::fs::metadata(pack).unwrap();
        assert_eq!(pack.len(), 40 * 20_064);
        assert!(pack.blocks() * 512 < 100_000, "{}", pack.blocks());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_keeps_no_more_than_its_quota_and_others_are_not_touched_by_that() {
    let server = TestServer::start_with(|options| options.limits.quota_bytes = Some(50_000)).await;
    let mut client = server.register().await;
    client.snapshot().await;
    let last = versions(&mut client, 1, 2).await;
    let full = |reply: Reply| {
        matches!(
            reply,
            Reply::Failed {
                failure: Failure::Limit,
                ..
            }
        )
    };
    assert!(full(client.put(&[plain(&bytes(9))]).await));
    let more = file(2, ROOT, "more", small(&bytes(9)));
    let delete = Change::Delete {
        id: node_id(1),
        base: last,
    };
    let (outcomes, _) = client
        .commit_with(vec![more.clone(), delete], &[plain(&bytes(9))])
        .await;
    assert_eq!(
        outcomes,
        [
            Outcome::Rejected(Rejection::Quota),
            Outcome::Accepted(last.next())
        ]
    );
    // What is there already takes no more room.
    assert!(!full(client.put(&[plain(&bytes(1))]).await));
    let mut other = server.register().await;
    assert!(!full(other.put(&[plain(&bytes(9))]).await));

    prints(
        &run(&server, &["account", "list"]),
        0,
        &["account=1", "bytes=41471 quota=default"],
    );
    prints(
        &run(&server, &["account", "quota", "1", "1M"]),
        0,
        &["quota=1048576"],
    );
    let (outcomes, _) = client.commit_with(vec![more], &[plain(&bytes(9))]).await;
    assert!(matches!(outcomes[..], [Outcome::Accepted(_)]));
    prints(
        &run(&server, &["account", "quota", "1", "default"]),
        0,
        &["bytes=62085 quota=default"],
    );
    assert!(full(client.put(&[plain(&bytes(8))]).await));
    // Pruning makes room.
    let drop_deleted = [&PRUNE[..], &["--drop-deleted"]].concat();
    prints(&run(&server, &drop_deleted), 0, &["given_up=2"]);
    prints(&run(&server, &drop_deleted), 0, &["dropped=2"]);
    assert!(!full(client.put(&[plain(&bytes(8))]).await));
    prints(&run(&server, &["account", "list"]), 0, &["bytes=41893"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_without_any_bytes_counts_too_and_can_be_deleted_when_the_quota_is_full() {
    let server = TestServer::start_with(|options| options.limits.quota_bytes = Some(1900)).await;
    let mut client = server.register().await;
    client.snapshot().await;
    let made: Vec<Change> = (1..=5).map(|n| dir(n, ROOT, &format!("d{n}"))).collect();
    let outcomes = client.commit(made).await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Outcome::Accepted(_)))
    );
    let moved = |n: u64, base: u64| Change::Move {
        moves: vec![MoveTo {
            id: node_id(n),
            base: Version(base),
            parent: ROOT,
            name: name(&format!("moved {n}")),
        }],
    };
    let delete = Change::Delete {
        id: node_id(3),
        base: Version(3),
    };
    let changes = vec![
        moved(1, 1),
        dir(6, ROOT, "one more"),
        moved(2, 2),
        delete,
        moved(2, 2),
    ];
    let outcomes = client.commit(changes).await;
    let full = Outcome::Rejected(Rejection::Quota);
    let taken = |n: u64| Outcome::Accepted(Version(n));
    assert_eq!(outcomes, [taken(6), full.clone(), full.clone(), taken(7), full]);
}

/// Returns how many bytes the first account takes in the store, and how many count for its quota.
fn stored_and_counted(server: &TestServer) -> (u64, u64) {
    let data = server.directory.path().join("data");
    let database = rusqlite::Connection::open(data.join("store.db")).unwrap();
    let number = |pragma: &str| {
        database
            .pragma_query_value(None, pragma, |row| row.get::<_, i64>(0))
            .unwrap()
    };
    let pages = number("page_count") - number("freelist_count");
    let packs = std::fs::read_dir(data.join("packs")).unwrap();
    let packs: u64 = packs.map(|pack| pack.unwrap().metadata().unwrap().len()).sum();
    let list = run(server, &["account", "list"]);
    let text = String::from_utf8_lossy(&list.stdout).into_owned();
    let counted = text
        .split_whitespace()
        .find_map(|word| word.strip_prefix("bytes="));
    let stored = u64::try_from(pages * number("page_size")).unwrap() + packs;
    (stored, counted.unwrap().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_room_in_the_store_counts_about_as_much() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    client.snapshot().await;
    let compare = |(stored_before, counted_before), what: &str| {
        let (stored, counted) = stored_and_counted(&server);
        let (more_stored, more_counted) = (stored - stored_before, counted - counted_before);
        assert!(
            more_stored * 2 < more_counted * 3 && more_counted < more_stored * 2,
            "{what}: {more_stored} bytes are stored and {more_counted} count"
        );
        (stored, counted)
    };
    const N: u64 = 2000;
    let long = |n: u64, round: u64| format!("{n:090}{round}");
    let made = (1..=N).map(|n| dir(n, ROOT, &long(n, 0)));
    client.commit_ok(made.collect()).await;
    let mut before = stored_and_counted(&server);
    let mut base = None;
    for round in 1..=3 {
        let to = |n: u64| MoveTo {
            id: node_id(n),
            base: base.unwrap_or(Version(n)),
            parent: ROOT,
            name: name(&long(n, round)),
        };
        let moves = (1..=N).map(to).collect();
        base = Some(client.commit_ok(vec![Change::Move { moves }]).await);
    }
    before = compare(before, "moves of many nodes");
    for n in 1..=4 {
        let link = |m: u64| {
            let target = [format!("{n}-{m}").as_bytes(), &[b'x'; 4000]].concat();
            let node = sync_engine::Node {
                parent: ROOT,
                name: name(&format!("link {n} {m}")),
                kind: sync_engine::Kind::Symlink(sync_engine::Target::new(&target).unwrap()),
                mark: None,
            };
            let id = node_id(10_000 * n + m);
            Change::Create { id, node }
        };
        client.commit_ok((1..=200).map(link).collect()).await;
    }
    before = compare(before, "links with long targets");
    let chunks: Vec<_> = (0..4000_u32).map(|n| plain(&n.to_be_bytes())).collect();
    assert!(matches!(client.put(&chunks).await, Reply::Stored { .. }));
    compare(before, "chunks of few bytes");
    prints(&run(&server, &["verify"]), 0, &["damages=0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_made_while_devices_write_and_versions_are_given_up_is_sound() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    client.snapshot().await;
    versions(&mut client, 1, 3).await;
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let writing = tokio::spawn(async move {
        let mut id = 2;
        while stopped.try_recv().is_err() {
            versions(&mut client, id, 3).await;
            id += 1;
        }
        id
    });
    for n in 0..5 {
        let copy = server.directory.path().join(format!("copy {n}"));
        let copy = copy.to_str().unwrap();
        let backup = command(&server, &["backup", copy]).spawn().unwrap();
        let pruned = run(&server, &PRUNE);
        // Only one of the two is at work at a time; the other says so.
        assert!(matches!(pruned.status.code(), Some(0 | 1)));
        let backup = backup.wait_with_output().unwrap();
        if backup.status.success() {
            let verified = Command::new(env!("CARGO_BIN_EXE_server"))
                .args(["verify", "--data", copy])
                .output()
                .unwrap();
            prints(&verified, 0, &["damages=0"]);
        } else {
            prints(&backup, 1, &["is at work on this store"]);
            prints(&run(&server, &["backup", copy]), 0, &["copied to="]);
        }
    }
    stop.send(()).unwrap();
    assert!(3 < writing.await.unwrap());
}
