//! What a session believes of a server, and when it says that all is synced.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use core::time::Duration;
use sync_engine::advance::Origin;
use sync_engine::plan::{Folding, NameRules, Policy, Removals, Step};
use sync_engine::session::{Limits, Tell};
use sync_engine::time::Instant;
use sync_engine::{
    CHAIN_START, Change, Content, Cursor, DeviceId, Entry, Epoch, FileState, Hash, Kind, Name, Node, NodeId,
    Point, Session, Target, Trail, Trees, Version, chain_next,
};

const NOW: Instant = Instant(Duration::ZERO);
const EPOCH: Epoch = Epoch([1; 16]);
const START: Cursor = Cursor {
    epoch: EPOCH,
    version: Version(4),
    chain: CHAIN_START,
};

fn policy() -> Policy {
    Policy {
        device: DeviceId([1; 16]),
        device_name: "D1".into(),
        date: (2026, 11, 22),
        names: NameRules::Unix,
        folding: Folding::None,
        has_symlinks: true,
        has_exec_bits: true,
        cursor: Version::ZERO,
        removals: Removals::default(),
        arrivals_max: usize::MAX,
    }
}

const LIMITS: Limits = Limits {
    inline_len_max: 0,
    commit_len_aim: 1,
    changes_aim: 1,
    tree_len_max: 1 << 20,
};

/// A session that has looked at an empty folder and holds an empty account up to [`START`].
fn session() -> Session {
    let mut session = Session::new(Trees::new(), None, Trail::default(), LIMITS, NOW);
    session.looked();
    session.connected(EPOCH, START.version);
    session.snapshot(Vec::new(), START, true).unwrap();
    drop(session.take_tells());
    session
}

/// Plans until nothing is to be done.
fn rest(session: &mut Session) {
    while let Some(plan) = session.plan(NOW, &policy()) {
        let orders = session.order(plan, NOW);
        assert!(orders.steps.is_empty());
        session.rest(NOW);
    }
}

/// An entry that makes a directory.
fn entry(number: u64) -> Entry {
    let node = Node {
        parent: NodeId::ROOT,
        name: Name::try_from("d").unwrap(),
        kind: Kind::Dir,
        mark: None,
    };
    Entry {
        number: Version(number),
        device: DeviceId([2; 16]),
        time_ms: 0,
        change: Change::Create {
            id: NodeId([9; 16]),
            node,
        },
    }
}

#[test]
fn a_store_of_another_epoch_is_asked_for_all_that_it_has() {
    let mut session = session();
    session.disconnected();
    session.connected(EPOCH, START.version);
    assert_eq!(session.take_tells(), [Tell::Pull(Some(START))]);
    session.disconnected();
    session.connected(Epoch([2; 16]), START.version);
    let Cursor { version, chain, .. } = START;
    let points = [Point { version, chain }].into();
    assert_eq!(session.take_tells(), [Tell::Diverged, Tell::Compare(points)]);
    session.compared(START.version);
    assert_eq!(session.take_tells(), [Tell::Pull(None)]);
}

#[test]
fn nothing_is_forgotten_before_the_tree_of_a_server_that_was_put_back_is_here() {
    let mut session = session();
    session.put_back();
    session.compared(Version::ZERO);
    assert!(!session.follows() && !session.is_pulled());
    // The connection is lost meanwhile: the next one begins where this one began.
    session.disconnected();
    session.connected(EPOCH, START.version);
    let last = session.take_tells().pop();
    assert_eq!(last, Some(Tell::Pull(Some(START))));
}

/// A session with a node that is the same here and on the server, and whose device is taken for a copy.
fn doubted() -> Session {
    let mut session = session();
    assert!(session.follow(&entry(5), Origin::Foreign));
    let Change::Create { id, node } = entry(5).change else {
        panic!("it makes a node");
    };
    let seen = [(id, Some(node.into()))].into();
    session.observed(seen, Vec::new(), NOW).unwrap();
    rest(&mut session);
    assert_eq!(session.trees().n_bases(), 1);
    session.disconnected();
    session.doubt();
    session.connected(EPOCH, Version(5));
    session
}

#[test]
fn what_a_copied_device_remembers_is_no_base() {
    let mut session = doubted();
    session.followed(&chain_next(&CHAIN_START, &entry(5)), Version(5));
    assert_eq!((session.trees().n_bases(), session.is_doubted()), (0, false));
}

#[test]
fn a_node_that_is_forgotten_with_its_tree_is_to_be_saved() {
    let Change::Create { id, .. } = entry(5).change else {
        panic!("it makes a node");
    };
    let mut session = doubted();
    drop(session.take_unsaved());
    session.followed(&chain_next(&CHAIN_START, &entry(5)), Version(5));
    assert!(session.take_unsaved().nodes.contains(&id));
    assert!(session.trees().sides(id).synced.is_none());
    session.disconnected();
    session.connected(Epoch([2; 16]), Version::ZERO);
    session.compared(Version::ZERO);
    session.snapshot(Vec::new(), START, true).unwrap();
    assert!(session.take_unsaved().nodes.contains(&id));
    assert!(session.trees().sides(id).remote.is_none());
}

#[test]
fn what_is_remembered_of_before_the_server_was_put_back_stays_a_base() {
    let mut session = doubted();
    session.put_back();
    session.compared(Version(5));
    let Change::Create { id, node } = entry(5).change else {
        panic!("it makes a node");
    };
    session
        .snapshot([(id, Version(5), node)].into(), START, true)
        .unwrap();
    assert_eq!((session.trees().n_bases(), session.is_doubted()), (1, false));
}

/// A device sent a file, a power cut took what it remembered of that and emptied the file, and the account is heard only
/// afterwards.
#[test]
fn what_a_crash_made_of_a_file_that_was_sent_and_forgotten_gives_way_to_what_was_sent() {
    let file = |bytes: &[u8]| FileState {
        content: Content {
            hash: Hash::of(bytes),
            size_bytes: bytes.len() as u64,
            depth: 0,
        },
        exec: false,
        mtime_ns: 1,
    };
    let node = |bytes: &[u8]| Node {
        parent: NodeId::ROOT,
        name: Name::try_from("f").unwrap(),
        kind: Kind::File(file(bytes)),
        mark: None,
    };
    let id = NodeId([9; 16]);
    let heard = |is_changed_since: bool| {
        let mut session = Session::new(Trees::new(), None, Trail::default(), LIMITS, NOW);
        session.looked();
        session
            .observed(vec![(id, Some(node(b"").into()))], Vec::new(), NOW)
            .unwrap();
        assert!(!session.spoiled(id) && session.take_spoiled().is_empty());
        if is_changed_since {
            session
                .observed(vec![(id, Some(node(b"edited").into()))], Vec::new(), NOW)
                .unwrap();
        }
        session.connected(EPOCH, START.version);
        session
            .snapshot(vec![(id, Version(1), node(b"sent"))], START, true)
            .unwrap();
        let undone = session.take_spoiled();
        let plan = session.plan(NOW, &policy()).unwrap();
        (undone, session.order(plan, NOW).steps)
    };
    let (undone, steps) = heard(false);
    assert_eq!(undone, [id]);
    assert!(
        matches!(&steps[..], [Step::Replace { with: Kind::File(with), .. }] if *with == file(b"sent")),
        "{steps:?}"
    );
    // Whatever somebody has made of it since is an edit.
    assert_eq!(heard(true).0, []);
}

#[test]
fn an_entry_is_followed_only_in_its_turn() {
    assert!(session().follow(&entry(5), Origin::Foreign));
    for number in [4, 6] {
        let mut session = session();
        assert!(!session.follow(&entry(number), Origin::Foreign), "{number}");
        assert_eq!(session.cursor(), None);
        assert_eq!(session.take_tells(), [Tell::Diverged, Tell::Pull(None)]);
    }
}

#[test]
fn a_journal_with_another_chain_is_another_journal() {
    let mut session = session();
    assert!(session.follow(&entry(5), Origin::Foreign));
    session.followed(&chain_next(&CHAIN_START, &entry(5)), Version(5));
    assert!(session.follows());
    session.followed(&Hash([7; 32]), Version(5));
    assert!(!session.follows());
    assert_eq!(session.take_tells(), [Tell::Diverged, Tell::Pull(None)]);
}

#[test]
fn synced_is_said_when_cookie_and_server_have_answered_and_not_before() {
    let mut session = session();
    rest(&mut session);
    assert_eq!(session.synced(NOW, true), None);
    let probe = session.probe(NOW, true).unwrap();
    session.expect_cookie(7);
    session.pong(probe, START.version);
    assert_eq!(session.synced(NOW, true), None, "the cookie has not come back");
    session.caught_up(7);
    assert_eq!(session.synced(NOW, false), None, "there is something to look at");
    assert!(session.synced(NOW, true).unwrap().is_new);
}

#[test]
fn synced_is_not_said_while_the_server_has_something_newer() {
    let mut session = session();
    rest(&mut session);
    let probe = session.probe(NOW, true).unwrap();
    session.expect_cookie(7);
    session.caught_up(7);
    session.pong(probe, START.version.next());
    assert_eq!(session.synced(NOW, true), None);
}

/// A link of the name that [`entry`] gives to a directory.
fn link_of_the_same_name(target: &[u8]) -> Node {
    Node {
        parent: NodeId::ROOT,
        name: Name::try_from("d").unwrap(),
        kind: Kind::Symlink(Target::new(target).unwrap()),
        mark: None,
    }
}

#[test]
fn a_question_that_cannot_be_sent_waits_and_is_asked_again() {
    let mut session = session();
    assert!(session.follow(&entry(5), Origin::Foreign));
    let seen = [(NodeId([7; 16]), Some(link_of_the_same_name(b"x").into()))].into();
    session.observed(seen, Vec::new(), NOW).unwrap();
    let mut now = NOW;
    for _ in 0..3 {
        let plan = session.plan(now, &policy()).unwrap();
        let mut orders = session.order(plan, now);
        session.rest(now);
        let question = orders.questions.pop().unwrap();
        session.question_refused(&question, now);
        // What can be done without an answer is done; then there is a pause.
        while let Some(plan) = session.plan(now, &policy()) {
            assert!(session.order(plan, now).questions.is_empty());
            session.rest(now);
        }
        let due = session.next_due().unwrap();
        assert!(now < due);
        session.wake(due);
        now = due;
    }
}
