//! What one account may do to the others: whatever it sends, asks or leaves unread, another's small commit is answered
//! soon, and the server's memory stays within its bounds.

use crate::client::{Client, TestServer, attachment, dir, name, node_id, plain};
use common::list::{LIST_LEN_MAX, list_hash};
use common::message::{At, Attachment, Encoding, Form, Outcome, Reply, Request, Role};
use std::time::Duration;
use sync_engine::{Change, Hash, Kind, MoveTo, Node, NodeId, Rejection, Target, Version};
use tokio::time::{Instant, timeout};

const ROOT: NodeId = NodeId::ROOT;
/// No small commit waits longer for what others do: a second on a computer that does nothing else, with a program that
/// was built to be fast.
const PATIENCE: Duration = Duration::from_secs(5);
/// What the requests and answers of one account may take, with room for what the system's allocator keeps, in MiB.
const GROWTH_MAX_MIB: usize = 128;

/// How long the slowest of several small commits takes.
async fn slowest(client: &mut Client) -> Duration {
    let mut slowest = Duration::ZERO;
    for _ in 0..5 {
        let begun = Instant::now();
        let made = client.request();
        client
            .commit_ok(vec![dir(1_000_000 + made, ROOT, &format!("small {made}"))])
            .await;
        slowest = slowest.max(begun.elapsed());
    }
    slowest
}

/// Sends requests that nobody waits for, as long as the server takes them.
fn pour(mut client: Client, requests: Vec<(Request, Vec<Attachment>)>) -> tokio::task::JoinHandle<Client> {
    tokio::spawn(async move {
        for (request, attachments) in requests {
            client.wire.send(request, &attachments).await;
        }
        client
    })
}

/// Returns commits that move many nodes at the bottom of a deep tree, over and over, and are all refused.
async fn heavy_commits(client: &mut Client, n_commits: usize) -> Vec<(Request, Vec<Attachment>)> {
    const DEPTH: u64 = 200;
    const N_NODES: u64 = 1000;
    let inside = |n: u64| if n == 1 { ROOT } else { node_id(n - 1) };
    client
        .commit_ok((1..=DEPTH).map(|n| dir(n, inside(n), "d")).collect())
        .await;
    let bottom = node_id(DEPTH);
    let nodes = (0..N_NODES).map(|n| dir(10_000 + n, bottom, &format!("n{n}")));
    client.commit_ok(nodes.collect()).await;
    let moves: Vec<MoveTo> = (0..N_NODES - 1)
        .map(|n| MoveTo {
            id: node_id(10_000 + n),
            base: Version(DEPTH + 1 + n),
            parent: bottom,
            // The last of them wants a name that is taken.
            name: name(&if n == N_NODES - 2 {
                format!("n{}", N_NODES - 1)
            } else {
                format!("m{n}")
            }),
        })
        .collect();
    let refused = client.commit(vec![Change::Move { moves: moves.clone() }]).await;
    assert!(matches!(
        refused[..],
        [Outcome::Rejected(Rejection::NameTaken(_))]
    ));
    let changes = vec![Change::Move { moves }; 20];
    let commit = |request| Request::Commit {
        request,
        changes: changes.clone(),
    };
    (0..n_commits as u64)
        .map(|n| (commit(1_000 + n), Vec::new()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn moves_that_are_refused_over_and_over_hold_nobody_up() {
    let server = TestServer::start().await;
    let mut other = server.register().await;
    other.snapshot().await;
    let mut heavy = server.register().await;
    heavy.snapshot().await;
    let commits = heavy_commits(&mut heavy, 10).await;
    let poured = pour(heavy, commits);
    let slowest = slowest(&mut other).await;
    poured.abort();
    assert!(slowest < PATIENCE, "{slowest:?}");
}

#[tokio::test]
async fn a_commit_that_is_cut_into_transactions_is_answered_whole_and_in_order() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    client.snapshot().await;
    let mut watching = client.companion().await;
    watching.snapshot().await;
    let many = |from: u64| {
        (from..from + 4096)
            .map(|n| dir(n, ROOT, &format!("{n}")))
            .collect::<Vec<_>>()
    };
    let mut requests = Vec::new();
    for from in [1, 5001, 10_001] {
        let (request, changes) = (client.request(), many(from));
        client.send(Request::Commit { request, changes }).await;
        requests.push(request);
    }
    let (mut n_pushed, mut answered) = (0_u64, Vec::new());
    while answered.len() < requests.len() {
        match client.next().await {
            Reply::Entries { entries, .. } => n_pushed += entries.len() as u64,
            Reply::Committed { request, outcomes } => {
                let first = answered.len() as u64 * 4096;
                let versions = (first + 1..=first + 4096).map(|n| Outcome::Accepted(Version(n)));
                assert!(outcomes.into_iter().eq(versions));
                assert!(first + 4096 <= n_pushed, "answered before all was pushed");
                answered.push(request);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(answered, requests);
    let mut n_seen = 0;
    while n_seen < 3 * 4096 {
        n_seen += watching.pushed().await.0.len();
    }
}

#[tokio::test]
async fn what_a_request_names_twice_is_worked_on_once() {
    let server = TestServer::start().await;
    let mut control = server.register().await;
    let mut bulk = control.again(Role::Bulk).await;
    let chunk = plain(&[7; 100_000]);
    let hash = chunk.head.hash;
    // Only the first is looked at, so what the second says of itself is not even read.
    let other = Attachment {
        head: chunk.head,
        bytes: vec![8; 100_000].into(),
    };
    let stored = bulk.put(&[chunk.clone(), other]).await;
    assert!(matches!(stored, Reply::Stored { incomplete, .. } if incomplete.is_empty()));
    let (came, missing) = bulk.get(vec![hash; 4096]).await;
    assert_eq!((came, missing), (vec![chunk], Vec::new()));
    let unknown = Hash([1; 32]);
    assert_eq!(bulk.missing(vec![unknown, hash, unknown]).await, [unknown]);
    control.snapshot().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_a_tree_slowly_keeps_nobody_from_another_nor_from_the_same() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    client.snapshot().await;
    let link = |n: u64| Change::Create {
        id: node_id(n),
        node: Node {
            parent: ROOT,
            name: name(&format!("{n}")),
            kind: Kind::Symlink(Target::new(&[b'x'; 4000]).unwrap()),
            mark: None,
        },
    };
    const N_NODES: u64 = 2000;
    for from in (1..=N_NODES).step_by(200) {
        client.commit_ok((from..from + 200).map(link).collect()).await;
    }
    let mut slow = Vec::new();
    for n in 0..40 {
        let mut reader = client.companion().await;
        if n % 2 == 0 {
            reader.send(Request::Pull { cursor: None }).await;
        } else {
            let (request, at) = (reader.request(), At::Version(Version(N_NODES - n)));
            reader.send(Request::Browse { request, at }).await;
        }
        slow.push(reader);
    }
    let mut other = server.register().await;
    timeout(PATIENCE, other.snapshot()).await.unwrap();
    // What is changed meanwhile follows on the tree that the others read.
    client
        .commit_ok(
            (1..=50)
                .map(|n| dir(900_000 + n, ROOT, &format!("new {n}")))
                .collect(),
        )
        .await;
    let mut late = client.companion().await;
    let (nodes, cursor) = timeout(2 * PATIENCE, late.snapshot()).await.unwrap();
    assert!(cursor.version == Version(N_NODES) && nodes.len() as u64 == N_NODES);
    let mut n_pushed = 0;
    while n_pushed < 50 {
        n_pushed += late.pushed().await.0.len();
    }
}

#[cfg(target_os = "linux")]
mod memory {
    use super::*;
    use crate::program::{Program, started};
    use std::process::{Command, Stdio};

    fn start(directory: &tempfile::TempDir) -> Program {
        started(
            Command::new(env!("CARGO_BIN_EXE_server"))
                .args(["--listen", "127.0.0.1:0"])
                .current_dir(directory.path())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        )
    }

    fn resident_mib(program: &Program) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", program.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() / 1024
    }

    /// Watches the most that the server ever held, while another account is served.
    async fn stays_small(program: &Program, before: usize, other: &mut Client) {
        for _ in 0..4 {
            let slowest = slowest(other).await;
            assert!(slowest < PATIENCE, "{slowest:?}");
        }
        let grown = resident_mib(program) - before;
        assert!(grown < GROWTH_MAX_MIB, "the server has grown by {grown} MiB");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn commits_that_wait_take_a_bounded_room() {
        let directory = tempfile::TempDir::new().unwrap();
        let program = start(&directory);
        let mut other = Client::register(program.address).await;
        other.snapshot().await;
        let mut first = Client::register(program.address).await;
        first.snapshot().await;
        let commits = heavy_commits(&mut first, 64).await;
        let before = resident_mib(&program);
        let mut poured = Vec::new();
        for _ in 0..5 {
            poured.push(pour(first.companion().await, commits.clone()));
        }
        stays_small(&program, before, &mut other).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn lists_of_few_bytes_that_stand_for_much_take_a_bounded_room() {
        let directory = tempfile::TempDir::new().unwrap();
        let program = start(&directory);
        let mut other = Client::register(program.address).await;
        other.snapshot().await;
        let first = Client::register(program.address).await;
        let lists: Vec<Attachment> = (0..6000_u32)
            .map(|n| {
                // The parts of each have one and the same hash, so they are hardly anything when compressed.
                let part = [&n.to_be_bytes()[..], &[1; 28], &1_u64.to_be_bytes()].concat();
                let bytes = [&[1][..], &part.repeat(512)].concat();
                assert_eq!(bytes.len(), LIST_LEN_MAX);
                let sent = zstd::bulk::compress(&bytes, 1).unwrap();
                attachment(list_hash(&bytes), Form::List, Encoding::Zstd, bytes.len(), sent)
            })
            .collect();
        let before = resident_mib(&program);
        let mut poured = Vec::new();
        for _ in 0..6 {
            let puts = (1..=4).map(|request| (Request::Put { request }, lists.clone()));
            poured.push(pour(first.again(Role::Bulk).await, puts.collect()));
        }
        stays_small(&program, before, &mut other).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn frames_that_are_begun_and_answers_that_are_not_read_take_a_bounded_room() {
        let directory = tempfile::TempDir::new().unwrap();
        let program = start(&directory);
        let mut other = Client::register(program.address).await;
        other.snapshot().await;
        let mut first = Client::register(program.address).await;
        first.snapshot().await;
        let chunks: Vec<Attachment> = (0..4_u8).map(|n| plain(&[n; 500_000])).collect();
        let mut bulk = first.again(Role::Bulk).await;
        assert!(matches!(bulk.put(&chunks).await, Reply::Stored { .. }));
        let before = resident_mib(&program);
        let mut held = Vec::new();
        for n in 0..60_u64 {
            let mut bulk = first.again(Role::Bulk).await;
            if n % 2 == 0 {
                // All but the last byte of a long frame.
                let begun = [
                    &4_000_000_u32.to_be_bytes()[..],
                    &100_u32.to_be_bytes(),
                    &[0; 3_999_995],
                ]
                .concat();
                held.push(tokio::spawn(async move {
                    bulk.wire.send_raw(&begun).await;
                    bulk
                }));
            } else {
                let hashes: Vec<Hash> = chunks.iter().map(|chunk| chunk.head.hash).collect();
                for request in 1..=20 {
                    let hashes = hashes.clone();
                    bulk.send(Request::Get { request, hashes }).await;
                }
                held.push(tokio::spawn(async move { bulk }));
            }
        }
        stays_small(&program, before, &mut other).await;
    }
}
