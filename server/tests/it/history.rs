//! Looking back.

use crate::client::{Client, TestServer, dir, name, node_id};
use common::message::{At, Failure, Reply, Request};
use sync_engine::{Change, MoveTo, Node, NodeId, Version};

const ROOT: NodeId = NodeId::ROOT;

async fn browse(client: &mut Client, at: At) -> Result<(Version, Vec<(NodeId, Version, Node)>), Failure> {
    let request = client.request();
    client.send(Request::Browse { request, at }).await;
    let mut all = Vec::new();
    loop {
        match client.next().await {
            Reply::Past {
                version, nodes, last, ..
            } => {
                all.extend(nodes);
                if last {
                    return Ok((version, all));
                }
            }
            Reply::Failed { failure, .. } => return Err(failure),
            other => panic!("{other:?}"),
        }
    }
}

async fn log(client: &mut Client, id: Option<NodeId>, before: Option<Version>) -> (Vec<u64>, bool) {
    let request = client.request();
    let question = match id {
        Some(id) => Request::History { request, id, before },
        None => Request::Log { request, before },
    };
    client.send(question).await;
    let Reply::History { entries, more, .. } = client.next().await else {
        panic!()
    };
    (entries.iter().map(|entry| entry.number.0).collect(), more)
}

#[tokio::test]
async fn the_tree_of_every_version_can_be_looked_at() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    client.snapshot().await;
    let mut trees = vec![vec![]];
    let to = |base, parent, text| MoveTo {
        id: node_id(2),
        base: Version(base),
        parent,
        name: name(text),
    };
    for change in [
        dir(1, ROOT, "a"),
        dir(2, node_id(1), "b"),
        Change::Move {
            moves: vec![to(2, ROOT, "c")],
        },
        Change::Delete {
            id: node_id(1),
            base: Version(1),
        },
        dir(3, ROOT, "a"),
    ] {
        client.commit_ok(vec![change]).await;
        trees.push(client.snapshot().await.0);
    }
    for (version, tree) in (0..).map(Version).zip(&mut trees) {
        let (at, mut past) = browse(&mut client, At::Version(version)).await.unwrap();
        past.sort_by_key(|(id, ..)| *id);
        tree.sort_by_key(|(id, ..)| *id);
        assert_eq!((at, &past), (version, &*tree));
    }
    assert_eq!(
        browse(&mut client, At::Version(Version(6))).await,
        Err(Failure::NotFound)
    );
    assert_eq!(
        browse(&mut client, At::TimeMs(0)).await.unwrap(),
        (Version::ZERO, vec![])
    );
    assert_eq!(
        browse(&mut client, At::TimeMs(u64::MAX)).await.unwrap().0,
        Version(5)
    );
}

#[tokio::test]
async fn histories_come_in_pages_newest_first() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    client.snapshot().await;
    client
        .commit_ok((1..=300).map(|n| dir(n, ROOT, &n.to_string())).collect())
        .await;
    let rename = MoveTo {
        id: node_id(7),
        base: Version(7),
        parent: ROOT,
        name: name("renamed"),
    };
    client.commit_ok(vec![Change::Move { moves: vec![rename] }]).await;
    assert_eq!(
        log(&mut client, Some(node_id(7)), None).await,
        (vec![301, 7], false)
    );
    assert_eq!(
        log(&mut client, Some(node_id(7)), Some(Version(301))).await,
        (vec![7], false)
    );
    assert_eq!(log(&mut client, Some(node_id(999)), None).await, (vec![], false));
    let (first, more) = log(&mut client, None, None).await;
    assert!(more);
    let last = Version(*first.last().unwrap());
    let (rest, more) = log(&mut client, None, Some(last)).await;
    assert!(!more);
    assert_eq!([first, rest].concat(), (1..=301).rev().collect::<Vec<_>>());
}
