//! Commits, pushes and cursors.

use crate::client::{TestServer, dir, file, name, node_id, plain, small};
use common::list::empty_content;
use common::message::{Cursor, Outcome, Pushed, Reply, Request, Role};
use sync_engine::chain::chain_next;
use sync_engine::{Change, Epoch, Hash, MoveTo, NodeId, Point, Rejection, Version};

const ROOT: NodeId = NodeId::ROOT;

#[tokio::test]
async fn a_commit_reaches_the_other_device_with_its_small_content() {
    let server = TestServer::start().await;
    let mut writer = server.register().await;
    writer.snapshot().await;
    let mut reader = writer.companion().await;
    reader.snapshot().await;

    let bytes = b"small and new";
    let changes = vec![dir(1, ROOT, "d"), file(2, node_id(1), "f", small(bytes))];
    let (outcomes, pushed) = writer.commit_with(changes.clone(), &[plain(bytes)]).await;
    assert_eq!(
        outcomes,
        [Outcome::Accepted(Version(1)), Outcome::Accepted(Version(2))]
    );
    let own = |pushed: &Pushed| match pushed {
        Pushed::Own { number, index, .. } => (number.0, *index),
        Pushed::Full(entry) => panic!("{entry:?}"),
    };
    assert_eq!(pushed.iter().map(own).collect::<Vec<_>>(), [(1, 0), (2, 1)]);

    let (entries, attachments) = reader.pushed().await;
    assert_eq!(
        entries
            .iter()
            .map(|entry| entry.change.clone())
            .collect::<Vec<_>>(),
        changes
    );
    assert_eq!(entries[0].device, writer.welcome.device);
    assert_eq!(attachments, [plain(bytes)]);
}

#[tokio::test]
async fn a_commit_that_arrives_twice_changes_nothing_the_second_time() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    client.snapshot().await;
    let create = vec![dir(1, ROOT, "d")];
    client.commit_ok(create.clone()).await;
    assert_eq!(
        client.commit(create).await,
        [Outcome::Rejected(Rejection::IdUsed)]
    );
    let delete = vec![Change::Delete {
        id: node_id(1),
        base: Version(1),
    }];
    client.commit_ok(delete.clone()).await;
    assert_eq!(
        client.commit(delete).await,
        [Outcome::Rejected(Rejection::Stale(None))]
    );
    let again = vec![dir(1, ROOT, "e")];
    assert_eq!(client.commit(again).await, [Outcome::Rejected(Rejection::IdUsed)]);
    assert_eq!(client.snapshot().await.1.version, Version(2));
}

#[tokio::test]
async fn names_are_swapped_by_one_move() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    client.snapshot().await;
    client.commit_ok(vec![dir(1, ROOT, "a"), dir(2, ROOT, "b")]).await;
    let to = |n, base, text| MoveTo {
        id: node_id(n),
        base: Version(base),
        parent: ROOT,
        name: name(text),
    };
    let taken = Change::Move {
        moves: vec![to(1, 1, "b")],
    };
    assert_eq!(
        client.commit(vec![taken]).await,
        [Outcome::Rejected(Rejection::NameTaken(node_id(2)))]
    );
    client
        .commit_ok(vec![Change::Move {
            moves: vec![to(1, 1, "b"), to(2, 2, "a")],
        }])
        .await;
    let (nodes, cursor) = client.snapshot().await;
    let mut places: Vec<_> = nodes
        .iter()
        .map(|(id, version, node)| (node.name.clone(), *id, *version))
        .collect();
    places.sort();
    let three = Version(3);
    assert_eq!(
        places,
        [(name("a"), node_id(2), three), (name("b"), node_id(1), three)]
    );
    assert_eq!(cursor.version, three);
}

#[tokio::test]
async fn each_change_of_a_batch_sees_those_before_it() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    client.snapshot().await;
    let outcomes = client
        .commit(vec![
            file(2, node_id(1), "too early", empty_content()),
            dir(1, ROOT, "d"),
            file(2, node_id(1), "f", empty_content()),
            Change::Delete {
                id: node_id(1),
                base: Version(1),
            },
            Change::Delete {
                id: node_id(2),
                base: Version(2),
            },
            Change::Delete {
                id: node_id(1),
                base: Version(1),
            },
        ])
        .await;
    assert_eq!(
        outcomes,
        [
            Outcome::Rejected(Rejection::NoParent),
            Outcome::Accepted(Version(1)),
            Outcome::Accepted(Version(2)),
            Outcome::Rejected(Rejection::NotEmpty),
            Outcome::Accepted(Version(3)),
            Outcome::Accepted(Version(4)),
        ]
    );
}

#[tokio::test]
async fn a_directory_that_moves_within_a_batch_is_where_it_went_for_what_follows() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    client.snapshot().await;
    let into = |n, base, parent, text| Change::Move {
        moves: vec![MoveTo {
            id: node_id(n),
            base: Version(base),
            parent: node_id(parent),
            name: name(text),
        }],
    };
    let outcomes = client
        .commit(vec![
            dir(1, ROOT, "a"),
            dir(2, ROOT, "b"),
            dir(3, node_id(1), "c"),
            into(1, 1, 2, "a"),
            into(2, 2, 3, "b"),
            into(1, 1, 2, "other"),
        ])
        .await;
    assert_eq!(
        outcomes[3..],
        [
            Outcome::Accepted(Version(4)),
            Outcome::Rejected(Rejection::Cycle),
            Outcome::Rejected(Rejection::Stale(Some(Version(4)))),
        ]
    );
}

#[tokio::test]
async fn a_device_that_was_away_gets_what_it_missed_and_the_chain_fits() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    let (_, start) = client.snapshot().await;
    for n in 0..300 {
        client.commit_ok(vec![dir(n + 1, ROOT, &n.to_string())]).await;
    }
    let server = server.restart().await;
    client.address = server.address();
    let mut client = client.again(Role::Control).await;
    let (mut chain, mut seen) = (start.chain, 0);
    let mut reply = client.pull(Some(start)).await;
    while seen < 300 {
        let Reply::Entries {
            entries,
            chain: after,
            head,
        } = reply
        else {
            panic!("{reply:?}")
        };
        for pushed in entries {
            let Pushed::Full(entry) = pushed else {
                panic!("{pushed:?}")
            };
            seen += 1;
            assert_eq!(entry.number, Version(seen));
            chain = chain_next(&chain, &entry);
        }
        assert_eq!((chain, head), (after, Version(300)));
        if seen < 300 {
            reply = client.next().await;
        } else {
            break;
        }
    }
    let cursor = Cursor {
        version: Version(300),
        chain,
        ..start
    };
    let reply = client.pull(Some(cursor)).await;
    assert_eq!(
        reply,
        Reply::Entries {
            entries: vec![],
            chain,
            head: Version(300)
        }
    );
}

#[tokio::test]
async fn a_cursor_that_is_not_of_this_journal_diverges() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    let (_, start) = client.snapshot().await;
    client.commit_ok(vec![dir(1, ROOT, "d")]).await;
    let epoch = client.welcome.epoch;
    let diverged = Reply::Diverged {
        epoch,
        head: Version(1),
    };
    for cursor in [
        Cursor {
            version: Version(2),
            ..start
        },
        Cursor {
            version: Version(u64::MAX),
            ..start
        },
        Cursor {
            version: Version(1),
            chain: Hash([9; 32]),
            ..start
        },
        Cursor {
            epoch: Epoch([1; 16]),
            ..start
        },
    ] {
        assert_eq!(client.pull(Some(cursor)).await, diverged);
    }
    assert!(matches!(client.pull(Some(start)).await, Reply::Entries { .. }));
}

#[tokio::test]
async fn the_newest_point_that_both_journals_have_is_found() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    let (_, start) = client.snapshot().await;
    client.commit_ok(vec![dir(1, ROOT, "d"), dir(2, ROOT, "e")]).await;
    let Reply::Entries { chain, .. } = client.pull(Some(start)).await else {
        panic!("there are entries")
    };
    let point = |number, chain| Point {
        version: Version(number),
        chain,
    };
    let (ours, beginning) = (point(2, chain), point(0, start.chain));
    let (lost, other) = (point(3, chain), point(1, chain));
    for (points, newest) in [
        (vec![lost, ours, other, beginning], Version(2)),
        (vec![lost, other, beginning], Version::ZERO),
        (vec![lost], Version::ZERO),
        (vec![], Version::ZERO),
    ] {
        let request = 7;
        client.send(Request::Compare { request, points }).await;
        assert_eq!(client.next().await, Reply::Compared { request, newest });
    }
}

#[tokio::test]
async fn a_snapshot_has_parents_before_children() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    client.snapshot().await;
    let mut changes = Vec::new();
    for n in 1..=3000_u64 {
        let parent = if n == 1 {
            ROOT
        } else {
            node_id(n * 7919 % (n - 1) + 1)
        };
        changes.push(dir(n, parent, &format!("{n:0200}")));
    }
    client.commit_ok(changes).await;
    let (nodes, cursor) = client.snapshot().await;
    assert_eq!((nodes.len(), cursor.version), (3000, Version(3000)));
    let mut seen = std::collections::BTreeSet::from([ROOT]);
    for (id, _, node) in nodes {
        assert!(seen.contains(&node.parent));
        seen.insert(id);
    }
}

#[tokio::test]
async fn pipelined_commits_are_answered_in_order_each_after_its_entries() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    client.snapshot().await;
    for n in 1..=200_u64 {
        let changes = vec![dir(n, ROOT, &n.to_string())];
        client.send(Request::Commit { request: n, changes }).await;
    }
    let (mut pushed_to, mut answered) = (0, 0);
    while answered < 200 {
        match client.next().await {
            Reply::Entries { entries, .. } => {
                for pushed in entries {
                    let Pushed::Own {
                        number,
                        request,
                        index,
                        ..
                    } = pushed
                    else {
                        panic!("{pushed:?}")
                    };
                    pushed_to += 1;
                    assert_eq!((number.0, request, index), (pushed_to, pushed_to, 0));
                }
            }
            Reply::Committed { request, outcomes } => {
                answered += 1;
                assert_eq!(request, answered);
                assert_eq!(outcomes, [Outcome::Accepted(Version(answered))]);
                assert!(answered <= pushed_to);
            }
            other => panic!("{other:?}"),
        }
    }
}
