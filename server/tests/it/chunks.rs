//! Chunks and lists: what is taken, what is refused, and who may have it.

use crate::client::{TestServer, attachment, file, plain, small};
use common::limits::CHUNK_LEN_MAX;
use common::list::{ListBuilder, empty_content};
use common::message::{Attachment, Encoding, Failure, Form, Outcome, Reply, Role, UNASKED};
use sync_engine::{Content, Hash, NodeId, Rejection, Version};

const ROOT: NodeId = NodeId::ROOT;

/// Makes chunks and the lists over them.
fn large(n_chunks: u32) -> (Vec<Attachment>, Vec<Attachment>, Content) {
    let mut builder = ListBuilder::new();
    let (mut chunks, mut lists) = (Vec::new(), Vec::new());
    for n in 0..n_chunks {
        let bytes = n.to_be_bytes();
        lists.extend(builder.push(Hash::of(&bytes), 4).unwrap());
        chunks.push(plain(&bytes));
    }
    let (rest, content) = builder.finish().unwrap();
    lists.extend(rest);
    let list = |list: common::list::List| Attachment::list(list.bytes.into());
    (chunks, lists.into_iter().map(list).collect(), content)
}

fn hashes(attachments: &[Attachment]) -> Vec<Hash> {
    attachments
        .iter()
        .map(|attachment| attachment.head.hash)
        .collect()
}

#[tokio::test]
async fn a_large_file_goes_up_and_comes_down_by_lists() {
    let server = TestServer::start().await;
    let mut control = server.register().await;
    control.snapshot().await;
    let mut bulk = control.again(Role::Bulk).await;
    let (chunks, lists, content) = large(2000);
    assert!(1 < content.depth);
    let change = vec![file(1, ROOT, "large", content)];
    let missing = Outcome::Rejected(Rejection::MissingContent(content.hash));
    assert_eq!(control.commit(change.clone()).await, [missing]);
    let all: Vec<_> = chunks.iter().chain(&lists).cloned().collect();
    assert_eq!(bulk.missing(hashes(&all)).await, hashes(&all));
    assert!(matches!(bulk.put(&all).await, Reply::Stored { incomplete, .. } if incomplete.is_empty()));
    assert!(bulk.missing(hashes(&all)).await.is_empty());
    control.commit_ok(change).await;

    let server = server.restart().await;
    control.address = server.address();
    let mut bulk = control.again(Role::Bulk).await;
    let (came, missing) = bulk.get(hashes(&all)).await;
    assert!(missing.is_empty());
    assert_eq!(came, all);
}

#[tokio::test]
async fn a_list_comes_only_after_all_that_it_names() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    let (chunks, lists, _) = large(40);
    let stored = |reply| match reply {
        Reply::Stored { incomplete, .. } => incomplete,
        other => panic!("{other:?}"),
    };
    assert_eq!(stored(client.put(&lists).await), hashes(&lists));
    assert_eq!(stored(client.put(&chunks[1..]).await), []);
    assert_eq!(stored(client.put(&lists).await).last(), hashes(&lists).last());
    assert_eq!(stored(client.put(&chunks[..1]).await), []);
    assert_eq!(stored(client.put(&lists).await), []);
}

#[tokio::test]
async fn chunks_that_are_longer_together_than_one_write_come_back_as_they_came() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    let long = |n: u8| plain(&vec![n; CHUNK_LEN_MAX - usize::from(n)]);
    let short = |n: u8| plain(&[n; 3]);
    let all: Vec<_> = (0..6).flat_map(|n| [short(n), long(n)]).collect();
    let twice: Vec<_> = all.iter().chain(&all[..1]).cloned().collect();
    assert!(matches!(client.put(&twice).await, Reply::Stored { incomplete, .. } if incomplete.is_empty()));
    assert_eq!(client.get(hashes(&all)).await, (all, Vec::new()));
}

#[tokio::test]
async fn bytes_that_are_not_what_their_name_says_are_refused() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    client.snapshot().await;
    let mut wrong = plain(b"right");
    wrong.bytes = b"wrong".as_slice().into();
    let mismatch = |reply: Reply| {
        matches!(
            reply,
            Reply::Failed {
                failure: Failure::Mismatch,
                ..
            }
        )
    };
    assert!(mismatch(client.put(&[plain(b"good"), wrong.clone()]).await));
    assert_eq!(
        client
            .missing(vec![Hash::of(b"right"), Hash::of(b"good")])
            .await
            .len(),
        2
    );
    let change = vec![file(1, ROOT, "f", small(b"right"))];
    let (outcomes, _) = client.commit_with(change, &[wrong]).await;
    assert_eq!(
        outcomes,
        [Outcome::Rejected(Rejection::MissingContent(Hash::of(b"right")))]
    );
    // A list under the hash of its bytes, and bytes of a file under the name of a list.
    let (_, lists, _) = large(40);
    let list = &lists[0];
    let as_data = attachment(
        list.head.hash,
        Form::Data,
        Encoding::Plain,
        list.bytes.len(),
        list.bytes.to_vec(),
    );
    assert!(mismatch(client.put(&[as_data]).await));
    let plain_hash = Hash::of(&list.bytes);
    let as_list = attachment(
        plain_hash,
        Form::List,
        Encoding::Plain,
        list.bytes.len(),
        list.bytes.to_vec(),
    );
    assert!(mismatch(client.put(&[as_list]).await));
}

#[tokio::test]
async fn a_chunk_that_unfolds_beyond_what_it_says_is_refused() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    let zeros = vec![0_u8; 64 * 1024 * 1024];
    let bomb = zstd::bulk::compress(&zeros, 3).unwrap();
    for plain_len in [CHUNK_LEN_MAX, 1000] {
        let hash = Hash::of(&zeros[..plain_len]);
        let bomb = attachment(hash, Form::Data, Encoding::Zstd, plain_len, bomb.clone());
        let reply = client.put(&[bomb]).await;
        assert!(
            matches!(
                reply,
                Reply::Failed {
                    failure: Failure::Mismatch,
                    ..
                }
            ),
            "{reply:?}"
        );
    }
    let honest = zstd::bulk::compress(&zeros[..1000], 3).unwrap();
    let honest = attachment(Hash::of(&zeros[..1000]), Form::Data, Encoding::Zstd, 1000, honest);
    assert!(matches!(
        client.put(std::slice::from_ref(&honest)).await,
        Reply::Stored { .. }
    ));
    assert_eq!(client.get(vec![honest.head.hash]).await.0, [honest]);
}

#[tokio::test]
async fn no_account_learns_or_uses_what_another_has() {
    let server = TestServer::start().await;
    let mut owner = server.register().await;
    let mut stranger = server.register().await;
    stranger.snapshot().await;
    let secret = b"a secret of the first account";
    owner.put(&[plain(secret)]).await;
    let hash = Hash::of(secret);
    assert_eq!(owner.missing(vec![hash]).await, []);
    assert_eq!(stranger.missing(vec![hash]).await, [hash]);
    assert_eq!(stranger.get(vec![hash]).await, (vec![], vec![hash]));
    let outcomes = stranger.commit(vec![file(1, ROOT, "f", small(secret))]).await;
    assert_eq!(outcomes, [Outcome::Rejected(Rejection::MissingContent(hash))]);
}

#[tokio::test]
async fn a_content_has_to_be_as_long_as_it_says() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    client.snapshot().await;
    client.put(&[plain(b"abc")]).await;
    let hash = Hash::of(b"abc");
    for content in [
        Content {
            hash,
            size_bytes: 4,
            depth: 0,
        },
        Content {
            hash,
            size_bytes: 3,
            depth: 1,
        },
        Content {
            hash,
            size_bytes: 0,
            depth: 0,
        },
    ] {
        let outcomes = client.commit(vec![file(1, ROOT, "f", content)]).await;
        assert!(
            matches!(outcomes[..], [Outcome::Rejected(_)]),
            "{content:?}: {outcomes:?}"
        );
    }
    let empty = file(1, ROOT, "empty", empty_content());
    assert_eq!(
        client
            .commit_ok(vec![empty, file(2, ROOT, "f", small(b"abc"))])
            .await,
        Version(2)
    );
}

#[tokio::test]
async fn a_damaged_chunk_counts_as_missing_until_it_comes_again() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    client.snapshot().await;
    let chunk = plain(&[42; 5000]);
    let hash = chunk.head.hash;
    client
        .commit_with(
            vec![file(1, ROOT, "f", small(&[42; 5000]))],
            std::slice::from_ref(&chunk),
        )
        .await;
    let pack = server.directory.path().join("data/packs/00000001.pack");
    let mut bytes = std::fs::read(&pack).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&pack, bytes).unwrap();
    assert_eq!(client.get(vec![hash]).await, (vec![], vec![hash]));
    assert_eq!(client.missing(vec![hash]).await, [hash]);
    client.put(std::slice::from_ref(&chunk)).await;
    assert_eq!(client.get(vec![hash]).await, (vec![chunk], vec![]));
}

#[tokio::test]
async fn the_torn_end_of_a_pack_is_cut_off_and_the_rest_stays() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    client.snapshot().await;
    let (kept, loose) = (plain(&[1; 9000]), plain(&[2; 9000]));
    client
        .commit_with(
            vec![file(1, ROOT, "f", small(&[1; 9000]))],
            std::slice::from_ref(&kept),
        )
        .await;
    client.put(std::slice::from_ref(&loose)).await;
    let TestServer { directory, running } = server;
    running.shutdown().await;
    // A crash of the machine took the end of what was brought without a commit, and left other bytes behind it.
    let pack = directory.path().join("data/packs/00000001.pack");
    let bytes = std::fs::read(&pack).unwrap();
    std::fs::write(&pack, [&bytes[..bytes.len() - 100], &[0; 5000]].concat()).unwrap();
    let running = server::Server::start(crate::client::options_in(&directory))
        .await
        .unwrap();
    let server = TestServer { directory, running };
    client.address = server.address();
    let mut client = client.again(Role::Control).await;
    assert_eq!(
        client.missing(vec![kept.head.hash, loose.head.hash]).await,
        [loose.head.hash]
    );
    assert_eq!(std::fs::metadata(&pack).unwrap().len(), 9064);
    client.put(std::slice::from_ref(&loose)).await;
    let both = vec![kept.head.hash, loose.head.hash];
    assert_eq!(client.get(both).await, (vec![kept, loose], vec![]));
}

/// Starts a server again on a store whose pack was harmed in between.
async fn restart_harmed(server: TestServer, harm: impl FnOnce(&mut Vec<u8>)) -> TestServer {
    let TestServer { directory, running } = server;
    running.shutdown().await;
    let pack = directory.path().join("data/packs/00000001.pack");
    let mut bytes = std::fs::read(&pack).unwrap();
    harm(&mut bytes);
    std::fs::write(&pack, bytes).unwrap();
    let running = server::Server::start(crate::client::options_in(&directory))
        .await
        .unwrap();
    TestServer { directory, running }
}

#[tokio::test]
async fn a_list_is_forgotten_with_what_a_crash_took_from_below_it() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    client.snapshot().await;
    let (chunks, lists, content) = large(40);
    let all: Vec<_> = chunks.iter().chain(&lists).cloned().collect();
    client.put(&all).await;
    // The first chunk was never written, and all behind it was.
    let server = restart_harmed(server, |bytes| bytes[64] ^= 1).await;
    client.address = server.address();
    let mut client = client.again(Role::Control).await;
    client.snapshot().await;
    let missing = client.missing(hashes(&all)).await;
    assert_eq!(missing.first(), Some(&chunks[0].head.hash));
    assert!(missing.contains(&content.hash), "{missing:?}");
    let change = vec![file(1, ROOT, "large", content)];
    assert!(matches!(
        client.commit(change.clone()).await[..],
        [Outcome::Rejected(_)]
    ));
    client.put(&all).await;
    client.commit_ok(change).await;
    assert_eq!(client.get(hashes(&all)).await, (all, vec![]));
}

#[tokio::test]
async fn what_was_damaged_came_again_and_was_lost_in_a_crash_is_asked_for_again() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    client.snapshot().await;
    let chunk = plain(&[42; 5000]);
    let hash = chunk.head.hash;
    let change = vec![file(1, ROOT, "f", small(&[42; 5000]))];
    client.commit_with(change, std::slice::from_ref(&chunk)).await;
    let server = restart_harmed(server, |bytes| bytes[100] ^= 1).await;
    client.address = server.address();
    let mut client = client.again(Role::Bulk).await;
    assert_eq!(client.get(vec![hash]).await, (vec![], vec![hash]));
    client.put(std::slice::from_ref(&chunk)).await;
    let server = restart_harmed(server, |bytes| *bytes.last_mut().unwrap() ^= 1).await;
    client.address = server.address();
    let mut client = client.again(Role::Control).await;
    client.snapshot().await;
    let asked = client.next().await;
    assert!(
        matches!(&asked, Reply::Missing { request: UNASKED, hashes } if hashes[..] == [hash]),
        "{asked:?}"
    );
    client.put(std::slice::from_ref(&chunk)).await;
    assert_eq!(client.get(vec![hash]).await, (vec![chunk], vec![]));
}

#[tokio::test]
async fn a_file_with_a_damaged_chunk_is_missing_as_a_whole_until_that_comes_again() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    client.snapshot().await;
    let (chunks, lists, content) = large(2000);
    for part in chunks.chunks(500).chain([&lists[..]]) {
        client.put(part).await;
    }
    client.commit_ok(vec![file(1, ROOT, "large", content)]).await;
    let server = restart_harmed(server, |bytes| bytes[64] ^= 1).await;
    client.address = server.address();
    let mut client = client.again(Role::Bulk).await;
    let first = chunks[0].head.hash;
    assert_eq!(client.get(vec![first]).await.1, [first]);
    let missing = client.missing(hashes(&lists)).await;
    assert_eq!(missing.len(), usize::from(content.depth), "{missing:?}");
    assert_eq!(missing.last(), Some(&content.hash));
    client.put(&chunks[..1]).await;
    assert_eq!(client.missing(hashes(&lists)).await, []);
}

#[tokio::test]
async fn nothing_is_appended_to_a_pack_that_lost_its_end() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    client.snapshot().await;
    let chunk = plain(&[1; 9000]);
    let change = vec![file(1, ROOT, "f", small(&[1; 9000]))];
    client.commit_with(change, std::slice::from_ref(&chunk)).await;
    let server = restart_harmed(server, |bytes| bytes.truncate(5000)).await;
    client.address = server.address();
    let mut client = client.again(Role::Control).await;
    client.snapshot().await;
    let later = plain(&[2; 9000]);
    let change = vec![file(2, ROOT, "g", small(&[2; 9000]))];
    client.commit_with(change, std::slice::from_ref(&later)).await;
    let server = server.restart().await;
    client.address = server.address();
    let mut client = client.again(Role::Bulk).await;
    let both = vec![chunk.head.hash, later.head.hash];
    assert_eq!(client.get(both).await, (vec![later], vec![chunk.head.hash]));
}
