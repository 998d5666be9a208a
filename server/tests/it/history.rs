//! Looking back.

use crate::client::{Client, TestServer, dir, name, node_id};
use common::message::{At, Failure, Reply, Request, Traced};
use sync_engine::{Change, MoveTo, Node, NodeId, RelPath, Version};

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

/// Returns the entries of a path with the paths that they had then, newest first.
async fn trace(client: &mut Client, path: &str) -> Vec<(u64, Vec<String>)> {
    let request = client.request();
    let path = RelPath::parse(path.as_bytes()).unwrap().0;
    let before = None;
    client
        .send(Request::Trace {
            request,
            path,
            before,
        })
        .await;
    let Reply::Traced { entries, more, .. } = client.next().await else {
        panic!()
    };
    assert!(!more);
    let shown = |traced: &Traced| traced.paths.iter().map(ToString::to_string).collect();
    entries
        .iter()
        .map(|traced| (traced.entry.number.0, shown(traced)))
        .collect()
}

async fn recover(client: &mut Client, at: u64, path: &str) -> Version {
    let request = client.request();
    client
        .send(Request::Recover {
            request,
            at: At::Version(Version(at)),
            path: RelPath::parse(path.as_bytes()).unwrap().0,
        })
        .await;
    loop {
        match client.next().await {
            Reply::Past {
                version, last: true, ..
            } => return version,
            Reply::Past { .. } => (),
            other => panic!("{other:?}"),
        }
    }
}

fn gone(n: u64, base: u64) -> Change {
    Change::Delete {
        id: node_id(n),
        base: Version(base),
    }
}

fn moved(n: u64, base: u64, parent: NodeId, text: &str) -> Change {
    let to = MoveTo {
        id: node_id(n),
        base: Version(base),
        parent,
        name: name(text),
    };
    Change::Move { moves: vec![to] }
}

#[tokio::test]
async fn an_entry_has_the_path_that_its_node_had_then() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    client.snapshot().await;
    for change in [
        dir(1, ROOT, "a"),
        dir(2, node_id(1), "x"),
        moved(1, 1, ROOT, "b"),
        gone(2, 2),
        gone(1, 3),
        dir(3, ROOT, "b"),
        dir(4, node_id(3), "x"),
    ] {
        client.commit_ok(vec![change]).await;
    }
    let expected = |all: &[(u64, &str)]| -> Vec<(u64, Vec<String>)> {
        let one = |(number, path): &(u64, &str)| (*number, vec![(*path).to_owned()]);
        all.iter().map(one).collect()
    };
    let all = [
        (7, "b/x"),
        (6, "b"),
        (5, "b"),
        (4, "b/x"),
        (3, "b"),
        (2, "a/x"),
        (1, "a"),
    ];
    assert_eq!(trace(&mut client, "").await, expected(&all));
    // A path has the history of all that ever stood there, made anew or not.
    let anew = [(7, "b/x"), (4, "b/x"), (2, "a/x")];
    assert_eq!(trace(&mut client, "b/x").await, expected(&anew));
    // What left it is told of up to then.
    assert_eq!(trace(&mut client, "a").await, expected(&[(3, "b"), (1, "a")]));
    assert_eq!(trace(&mut client, "a/x").await, expected(&[(2, "a/x")]));
    assert_eq!(trace(&mut client, "c").await, expected(&[]));
}

#[tokio::test]
async fn a_deleted_directory_is_found_as_it_was_before_it_was_emptied() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    client.snapshot().await;
    for change in [
        dir(1, ROOT, "a"),
        dir(2, node_id(1), "x"),
        dir(3, node_id(2), "y"),
        dir(4, ROOT, "other"),
        gone(3, 3),
        moved(4, 4, ROOT, "another"),
        gone(2, 2),
        gone(1, 1),
        dir(5, ROOT, "a"),
    ] {
        client.commit_ok(vec![change]).await;
    }
    // What happened elsewhere meanwhile does not count.
    assert_eq!(recover(&mut client, 8, "a").await, Version(3));
    assert_eq!(recover(&mut client, 7, "a").await, Version(3));
    assert_eq!(recover(&mut client, 7, "a/x").await, Version(3));
    assert_eq!(recover(&mut client, 5, "a/x/y").await, Version(3));
    // Any other moment is taken as it is named.
    for at in [2, 3, 5, 6, 9] {
        assert_eq!(recover(&mut client, at, "a").await, Version(at));
    }
}
