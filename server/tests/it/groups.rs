//! Groups of changes: the server takes one whole or not at all, and only while what its guards name is as they say.

use crate::client::{Client, TestServer, dir, name, node_id};
use common::message::{Outcome, Reply, Request, Role};
use sync_engine::{Change, Cursor, Guard, Hash, MoveTo, Node, NodeId, Rejection, Version};

/// Commits a group and returns what became of each change.
async fn commit_group(client: &mut Client, guards: Vec<Guard>, changes: Vec<Change>) -> Vec<Outcome> {
    let request = client.request();
    client
        .send(Request::CommitGroup {
            request,
            guards,
            changes,
        })
        .await;
    loop {
        match client.next().await {
            Reply::Entries { .. } => (),
            Reply::Committed { outcomes, .. } => return outcomes,
            other => panic!("{other:?}"),
        }
    }
}

/// Returns the account's tree, and the end of its journal, as another device sees it.
async fn seen_by(companion: &Client) -> (Vec<(NodeId, Version, Node)>, Cursor) {
    companion.again(Role::Control).await.snapshot().await
}

/// Numbers without a pattern, the same in each run.
struct Dice(u64);

impl Dice {
    fn number(&mut self) -> u64 {
        self.0 += 1;
        let hash = Hash::of(&self.0.to_be_bytes()).0;
        u64::from_be_bytes(std::array::from_fn(|n| hash[n]))
    }
}

fn delete(n: u64, base: u64) -> Change {
    Change::Delete {
        id: node_id(n),
        base: Version(base),
    }
}

fn rename(n: u64, base: u64, to: &str) -> Change {
    Change::Move {
        moves: vec![MoveTo {
            id: node_id(n),
            base: Version(base),
            parent: NodeId::ROOT,
            name: name(to),
        }],
    }
}

fn guard(n: u64, version: Option<u64>) -> Guard {
    Guard {
        id: node_id(n),
        version: version.map(Version),
    }
}

#[tokio::test]
async fn a_group_is_taken_in_one_piece() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    client
        .commit_ok(vec![dir(1, NodeId::ROOT, "a"), dir(2, NodeId::ROOT, "b")])
        .await;
    let group = vec![delete(1, 1), rename(2, 2, "a")];
    let outcomes = commit_group(&mut client, vec![guard(3, None)], group).await;
    assert_eq!(
        outcomes,
        [Outcome::Accepted(Version(3)), Outcome::Accepted(Version(4))]
    );
}

#[tokio::test]
async fn of_a_group_that_is_refused_nothing_is_left() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    client
        .commit_ok(vec![dir(1, NodeId::ROOT, "a"), dir(2, NodeId::ROOT, "b")])
        .await;
    let companion = client.companion().await;
    let before = seen_by(&companion).await;
    let stale = Rejection::Stale(Some(Version(2)));
    let group = vec![delete(1, 1), rename(2, 1, "a"), dir(3, NodeId::ROOT, "c")];
    assert_eq!(
        commit_group(&mut client, Vec::new(), group).await,
        [Rejection::Group, stale, Rejection::Group].map(Outcome::Rejected)
    );
    assert_eq!(seen_by(&companion).await, before);
}

#[tokio::test]
async fn a_group_is_refused_when_what_it_relies_on_has_changed() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    client
        .commit_ok(vec![dir(1, NodeId::ROOT, "a"), dir(2, NodeId::ROOT, "b")])
        .await;
    for unmet in [guard(1, Some(2)), guard(1, None), guard(3, Some(1))] {
        let group = vec![delete(2, 2)];
        let refused = Outcome::Rejected(Rejection::Guarded(unmet.id));
        assert_eq!(commit_group(&mut client, vec![unmet], group).await, [refused]);
    }
    let met = vec![guard(1, Some(1)), guard(3, None)];
    let taken = commit_group(&mut client, met, vec![delete(2, 2)]).await;
    assert_eq!(taken, [Outcome::Accepted(Version(3))]);
}

/// Groups of few nodes and names, so that many do not fit: the journal goes on without a gap, and after a refusal
/// everything is as it was before.
#[tokio::test]
async fn groups_of_any_changes_are_taken_whole_or_not_at_all() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    let companion = client.companion().await;
    let mut dice = Dice(0);
    let (mut n_taken, mut n_refused) = (0, 0);
    let (mut before, mut head) = (Vec::new(), 0);
    for _ in 0..150 {
        let group: Vec<Change> = (0..1 + dice.number() % 3)
            .map(|_| any_change(&mut dice, &before, head))
            .collect();
        let outcomes = commit_group(&mut client, Vec::new(), group.clone()).await;
        let (after, cursor) = seen_by(&companion).await;
        let numbers: Vec<u64> = outcomes
            .iter()
            .filter_map(|outcome| match outcome {
                Outcome::Accepted(version) => Some(version.0),
                Outcome::Rejected(_) => None,
            })
            .collect();
        if numbers.is_empty() {
            n_refused += usize::from(1 < group.len());
            assert_eq!(after, before, "{group:?}");
        } else {
            n_taken += usize::from(1 < group.len());
            let all: Vec<u64> = (head + 1..=head + group.len() as u64).collect();
            assert_eq!(numbers, all, "{group:?}");
        }
        head += numbers.len() as u64;
        assert_eq!(cursor.version, Version(head));
        before = after;
    }
    assert!(
        10 < n_taken && 10 < n_refused,
        "{n_taken} taken, {n_refused} refused"
    );
}

/// Makes, renames or deletes something; most often what there is, at the version that it has.
fn any_change(dice: &mut Dice, nodes: &[(NodeId, Version, Node)], head: u64) -> Change {
    let to = ["a", "b", "c", "d"][(dice.number() % 4) as usize];
    let n = dice.number() as usize % nodes.len().max(1);
    let Some((id, version, _)) = nodes.get(n).filter(|_| !dice.number().is_multiple_of(3)) else {
        return dir(1000 * head + dice.number() % 1000, NodeId::ROOT, to);
    };
    let base = Version(version.0 + u64::from(dice.number().is_multiple_of(5)));
    if dice.number().is_multiple_of(2) {
        return Change::Delete { id: *id, base };
    }
    let moves = vec![MoveTo {
        id: *id,
        base,
        parent: NodeId::ROOT,
        name: name(to),
    }];
    Change::Move { moves }
}
