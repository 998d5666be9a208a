//! What devices of one account cannot do: to other accounts, and to their own history.

use crate::client::{Client, TestServer, dir, file, node_id, plain, small};
use common::message::{At, Failure, Outcome, Reply, Request};
use std::process::Command;
use sync_engine::{Change, Hash, NodeId, Rejection};

const ROOT: NodeId = NodeId::ROOT;

#[tokio::test]
async fn no_account_reads_or_changes_what_is_anothers() {
    let server = TestServer::start().await;
    let mut owner = server.register().await;
    owner.snapshot().await;
    let base = owner.commit_ok(vec![dir(1, ROOT, "d")]).await;
    let mut stranger = server.register().await;
    assert_eq!(stranger.snapshot().await.0, []);
    let request = stranger.request();
    stranger
        .send(Request::History {
            request,
            id: node_id(1),
            before: None,
        })
        .await;
    let nothing = Reply::History {
        request,
        entries: vec![],
        more: false,
    };
    assert_eq!(stranger.next().await, nothing);
    stranger
        .send(Request::Log {
            request,
            before: None,
        })
        .await;
    assert_eq!(stranger.next().await, nothing);
    stranger
        .send(Request::Browse {
            request,
            at: At::Version(base),
        })
        .await;
    let not_found = Reply::Failed {
        request,
        failure: Failure::NotFound,
    };
    assert_eq!(stranger.next().await, not_found);
    let device = owner.welcome.device;
    stranger.send(Request::RevokeDevice { request, device }).await;
    assert_eq!(stranger.next().await, not_found);
    stranger
        .send(Request::RenameDevice {
            request,
            device,
            name: "mine".into(),
        })
        .await;
    assert_eq!(stranger.next().await, not_found);
    let unknown = Outcome::Rejected(Rejection::Stale(None));
    let gone = Change::Delete { id: node_id(1), base };
    assert_eq!(stranger.commit(vec![gone]).await, [unknown]);
    let inside = stranger.commit(vec![dir(2, node_id(1), "inside")]).await;
    assert_eq!(inside, [Outcome::Rejected(Rejection::NoParent)]);
    // That an id is in use elsewhere is no hint either.
    stranger.commit_ok(vec![dir(1, ROOT, "my own")]).await;
    let mut again = owner.again(common::message::Role::Control).await;
    let (nodes, cursor) = again.snapshot().await;
    assert_eq!((nodes.len(), cursor.version), (1, base));
}

fn bytes(n: u64) -> Vec<u8> {
    format!("what a person wrote in file {n}").into_bytes()
}

fn overwritten(n: u64, base: sync_engine::Version, junk: &[u8]) -> Change {
    let Change::Create { node, .. } = file(n, ROOT, "x", small(junk)) else {
        unreachable!("a file is created")
    };
    Change::Update {
        id: node_id(n),
        base,
        kind: node.kind,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_overwrites_and_deletes_everything_destroys_no_history() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    client.snapshot().await;
    let mut bases = Vec::new();
    for n in 1..=20 {
        let (outcomes, _) = client
            .commit_with(
                vec![file(n, ROOT, &format!("f{n}"), small(&bytes(n)))],
                &[plain(&bytes(n))],
            )
            .await;
        let [Outcome::Accepted(version)] = outcomes[..] else {
            panic!("{outcomes:?}")
        };
        bases.push(version);
    }
    for round in 0..10_u8 {
        let junk = vec![round; 500];
        let changes = (1..)
            .zip(&bases)
            .map(|(n, base)| overwritten(n, *base, &junk))
            .collect();
        let (outcomes, _) = client.commit_with(changes, &[plain(&junk)]).await;
        for (base, outcome) in bases.iter_mut().zip(outcomes) {
            let Outcome::Accepted(version) = outcome else {
                panic!("{outcome:?}")
            };
            *base = version;
        }
    }
    let gone = (1..).zip(&bases).map(|(n, base)| Change::Delete {
        id: node_id(n),
        base: *base,
    });
    client.commit_ok(gone.collect()).await;
    for arguments in [&["prune"][..], &["restore", "1", "--version", "20"]] {
        let data = server.directory.path().join("data");
        let mut command = Command::new(env!("CARGO_BIN_EXE_server"));
        let output = command.args(arguments).arg("--data").arg(data).output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let mut person: Client = client.companion().await;
    let (nodes, _) = person.snapshot().await;
    let mut found: Vec<Hash> = nodes
        .iter()
        .filter_map(|(_, _, node)| node.kind.file().map(|file| file.content.hash))
        .collect();
    let mut wanted: Vec<Hash> = (1..=20).map(|n| Hash::of(&bytes(n))).collect();
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
    assert_eq!(person.get(wanted).await.0.len(), 20);
}
