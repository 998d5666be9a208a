//! The commands against a client that is made up, and against a folder on which none runs.

use std::sync::Arc;

use common::fingerprint::Fingerprint;
use common::identity::AccountId;
use common::message::Cursor;
use sync_engine::node::ConflictCause;
use sync_engine::tree::Item;
use sync_engine::{
    Base, Block, ConflictMark, Content, Epoch, FileState, Hash, Kind, Name, Node, NodeId, RelPath, Sides,
    Version,
};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::*;
use crate::config::Account;
use crate::control::{ConflictItem, ConflictSide, Identity, LogItem};
use crate::notice::{ChangeKind, Trouble};
use crate::options::{Invocation, parse};
use crate::socket::{Call, Socket};
use crate::state::{Delta, Facts, STATE_NAME, State as Memory};

struct World {
    dir: TempDir,
    surroundings: Surroundings,
    folder: FolderId,
}

impl World {
    /// A folder that is enrolled, without a memory.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("folder");
        std::fs::create_dir(&path).unwrap();
        let root = Root::open(&path).unwrap();
        root.create_private().unwrap();
        let folder = root.marker().unwrap();
        let surroundings = Surroundings {
            config: Config::at(&dir.path().join("config")),
            program: dir.path().join("no such program"),
            terminal: false,
            now: "2026-11-22T15:00:00[UTC]".parse().unwrap(),
        };
        let world = Self {
            dir,
            surroundings,
            folder,
        };
        world
            .surroundings
            .config
            .save_account(folder, &world.account())
            .unwrap();
        world
    }

    fn account(&self) -> Account {
        Account {
            server: Some("nas".parse().unwrap()),
            fingerprint: Some(Fingerprint([7; 32])),
            id: Some(
                "0000-0000-0000-0000-0000-0000-0000-0000-00"
                    .parse::<AccountId>()
                    .unwrap(),
            ),
            device_name: "box".into(),
            device: Some(DeviceId([8; 16])),
            is_id_replaced: false,
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("folder")
    }

    fn remember(&self, delta: &Delta) {
        let path = self.path().join(".holdfast").join(STATE_NAME);
        let (mut memory, _) = Memory::open(&path).unwrap();
        memory.save(delta).unwrap();
        memory.finish().unwrap();
    }

    /// Runs a client that answers each question with the next of these.
    async fn client(&self, answers: Vec<Answer>) -> (Socket, mpsc::Receiver<Ask>) {
        let (calls, mut taken) = mpsc::channel::<Call>(1);
        let (asked, heard) = mpsc::channel(16);
        tokio::spawn(async move {
            for answer in answers {
                let Some(call) = taken.recv().await else { return };
                asked.send(call.ask).await.unwrap();
                call.answers.send(answer).await.unwrap();
            }
        });
        let place = self.surroundings.config.place(self.folder);
        (Socket::listen(&place, calls).await.unwrap(), heard)
    }

    /// Runs a command; `F` in the line is the folder.
    async fn run(&self, line: &str) -> Result<(String, u8), Fault> {
        let folder = self.path().display().to_string();
        let words = line
            .split_whitespace()
            .map(|word| if word == "F" { &folder } else { word });
        let words = std::iter::once("tui-client").chain(words);
        let Ok(Invocation::Order(order)) = parse(words, &self.surroundings.now) else {
            panic!("{line}")
        };
        let mut out = Vec::new();
        let exit = run(&order, &self.surroundings, &mut out).await?;
        Ok((String::from_utf8(out).unwrap(), exit.code()))
    }
}

fn status(state: State) -> Status {
    Status {
        state,
        version: Version(42),
        pending: 1,
        blocked: vec![],
        conflicts: 0,
        nodes: 120,
        device: "box".into(),
        device_id: Some(DeviceId([8; 16])),
        server: "nas:7733".into(),
        connected: true,
        protected_ms: Some(1_795_356_000_000),
        trouble: None,
        brake: None,
        removed: None,
        warnings: Vec::new(),
    }
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).unwrap()
}

#[tokio::test]
async fn status_is_told_in_lines_and_as_json_with_its_exit_code() {
    let world = World::new();
    let mut worried = status(State::Synced);
    worried.blocked = vec![(path("aux"), "this disk cannot hold the name".into())];
    worried.conflicts = 2;
    worried.warnings = vec![Trouble {
        what: "the system cannot watch all".into(),
        done: "it is looked at".into(),
        todo: "raise the limit".into(),
    }];
    let answers = vec![
        Answer::Status(status(State::Synced)),
        Answer::Status(worried.clone()),
        Answer::Status(worried),
    ];
    let (_socket, _heard) = world.client(answers).await;
    let (text, code) = world.run("status F").await.unwrap();
    assert_eq!(code, 0);
    insta::assert_snapshot!(text, @r#"
    state      synced
    journal    42
    pending    1
    nodes      120
    protected  2026-11-22 14:00:00
    device     box
    server     nas:7733, connected
    conflicts  0
    blocked    0
    "#);
    let (text, code) = world.run("status F --json").await.unwrap();
    assert_eq!(code, 3);
    insta::assert_snapshot!(text, @r#"{"event":"status","time":"2026-11-22T15:00:00.000Z","state":"synced","journal":42,"pending":1,"blocked":[{"path":"aux","reason":"this disk cannot hold the name"}],"conflicts":2,"nodes":120,"device":"box","device_id":"08080808080808080808080808080808","server":"nas:7733","connected":true,"protected":"2026-11-22T14:00:00.000Z","trouble":null,"brake":null,"removed":null,"warnings":[{"what":"the system cannot watch all","done":"it is looked at","todo":"raise the limit"}]}"#);
    let (text, code) = world.run("status F").await.unwrap();
    assert_eq!(code, 3);
    assert!(text.ends_with("\nwarning    the system cannot watch all\n  done     it is looked at\n  next     raise the limit\n"), "{text}");
}

#[test]
fn each_state_has_its_exit_code() {
    let states = [
        (State::Synced, 0),
        (State::Syncing, 1),
        (State::Offline, 4),
        (State::Halted, 1),
        (State::Error, 1),
    ];
    for (state, code) in states {
        assert_eq!(exit_of_status(&status(state)).code(), code);
    }
}

#[tokio::test]
async fn waiting_ends_with_0_when_synced_and_1_when_not_in_time() {
    let world = World::new();
    let answers = vec![
        Answer::Status(status(State::Synced)),
        Answer::TimedOut(status(State::Syncing)),
    ];
    let (_socket, mut heard) = world.client(answers).await;
    assert_eq!(world.run("wait F").await.unwrap().1, 0);
    assert_eq!(heard.recv().await, Some(Ask::Wait { timeout_ms: None }));
    assert_eq!(world.run("wait F --timeout 3").await.unwrap().1, 1);
    let asked = Ask::Wait {
        timeout_ms: Some(3000),
    };
    assert_eq!(heard.recv().await, Some(asked));
}

#[tokio::test]
async fn a_folder_without_a_client_tells_what_its_memory_knows() {
    let world = World::new();
    world.remember(&remembered());
    let (text, code) = world.run("status F --json").await.unwrap();
    assert_eq!(code, 4);
    insta::assert_snapshot!(text, @r#"{"event":"status","time":"2026-11-22T15:00:00.000Z","state":"offline","journal":9,"pending":1,"blocked":[{"path":"a (conflict)","reason":"this disk cannot hold the name"}],"conflicts":1,"nodes":1,"device":"box","device_id":"08080808080808080808080808080808","server":"nas:7733","connected":false,"protected":null,"trouble":null,"brake":null,"removed":null,"warnings":[]}"#);
    insta::assert_snapshot!(world.run("conflicts F").await.unwrap().0, @r#"
    this  a, 5 bytes, 2026-11-22 14:00:00
    that  a (conflict), 5 bytes, 2026-11-22 14:00:00
          of box: both sides edited it
    "#);
    insta::assert_snapshot!(world.run("log F -n 1").await.unwrap().0, @"       9  2026-11-22 14:00:00  edited                         5  tower  a");
    insta::assert_snapshot!(world.run("id F").await.unwrap().0, @"0000-0000-0000-0000-0000-0000-0000-0000-00");
    insta::assert_snapshot!(world.run("link F").await.unwrap().0, @"holdfast://nas:7733/0000-0000-0000-0000-0000-0000-0000-0000-00#0707070707070707070707070707070707070707070707070707070707070707");
}

/// A memory with a synced file, a conflict copy of it that waits to be fetched, a blocked node and two changes.
fn remembered() -> Delta {
    let file = |name: &str, mark| {
        Arc::new(Node {
            parent: NodeId::ROOT,
            name: Name::try_from(name).unwrap(),
            kind: Kind::File(FileState {
                content: Content {
                    hash: Hash([1; 32]),
                    size_bytes: 5,
                    depth: 0,
                },
                exec: false,
                mtime_ns: 1_795_356_000_000_000_000,
            }),
            mark,
        })
    };
    let [a, b] = [NodeId([1; 16]), NodeId([2; 16])];
    let mark = ConflictMark {
        with: a,
        base: Version(1),
        device: DeviceId([8; 16]),
        name: Name::try_from("a").unwrap(),
        cause: ConflictCause::BothEdited,
    };
    let plain = file("a", None);
    let copy = file("a (conflict)", Some(Arc::new(mark)));
    let version = Version(3);
    let item = |node: &Arc<Node>| {
        let node = Arc::clone(node);
        Some(Item { node, version })
    };
    let entry = |number: u64| LogItem {
        version: Version(number),
        time_ms: 1_795_356_000_000 + number,
        device: "tower".into(),
        kind: ChangeKind::Edited,
        path: path("a"),
        size_bytes: Some(5),
    };
    let everywhere = Sides {
        remote: item(&plain),
        synced: Some(Base {
            node: Arc::clone(&plain),
            version,
        }),
        local: Some(plain),
    };
    let only_remote = Sides {
        remote: item(&copy),
        ..Sides::default()
    };
    Delta {
        nodes: vec![(a, everywhere), (b, only_remote)],
        blocked: vec![(b, Some(Block::IllegalName))],
        facts: Some(Facts {
            cursor: Some(Cursor {
                epoch: Epoch([1; 16]),
                version: Version(9),
                chain: Hash([3; 32]),
            }),
            ..Facts::default()
        }),
        feed: vec![entry(8), entry(9)],
        ..Delta::default()
    }
}

#[tokio::test]
async fn what_needs_a_client_says_so_when_none_can_be_started() {
    let world = World::new();
    for line in [
        "wait F",
        "history F a",
        "devices F",
        "why F a",
        "verify F",
        "confirm F",
    ] {
        let fault = world.run(line).await.unwrap_err();
        assert_eq!(fault.exit, Exit::Failed);
        assert!(fault.trouble.what.contains("no client runs"), "{fault}");
    }
}

#[tokio::test]
async fn a_strange_folder_stays_one() {
    let world = World::new();
    let strange = world.dir.path().join("strange");
    std::fs::create_dir(&strange).unwrap();
    let fault = world
        .run(&format!("status {}", strange.display()))
        .await
        .unwrap_err();
    assert!(
        fault.trouble.what.contains("is not a folder that Holdfast keeps"),
        "{fault}"
    );
    assert_eq!(std::fs::read_dir(&strange).unwrap().count(), 0);
    assert!(
        world
            .run(&format!("status {}/none", strange.display()))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_device_is_found_by_name_or_id_or_not_at_all() {
    let device = |byte: u8, name: &str| DeviceItem {
        id: DeviceId([byte; 16]),
        name: name.into(),
        here: byte == 1,
        online: byte == 1,
        revoked: byte == 4,
        enrolled_ms: 1,
        seen_ms: 1_795_356_000_000,
    };
    let devices = Answer::Devices(vec![
        device(1, "box"),
        device(2, "twin"),
        device(3, "twin"),
        device(4, "box"),
    ]);
    let world = World::new();
    let mut answers = vec![devices.clone(), devices.clone(), Answer::Done];
    answers.extend([devices.clone(), Answer::Done, devices.clone(), devices]);
    let (_socket, mut heard) = world.client(answers).await;
    insta::assert_snapshot!(world.run("devices F").await.unwrap().0, @r#"
    01010101010101010101010101010101  online                    box (this one)
    02020202020202020202020202020202  seen 2026-11-22 14:00:00  twin
    03030303030303030303030303030303  seen 2026-11-22 14:00:00  twin
    04040404040404040404040404040404  shut out                  box
    "#);
    assert_eq!(world.run("devices F rename box tower").await.unwrap().0, "done\n");
    let id = DeviceId([3; 16]).to_string();
    let (said, exit) = world.run(&format!("devices F revoke {id}")).await.unwrap();
    assert!(
        exit == 0 && said.starts_with("done") && said.contains("replace-id"),
        "{said}"
    );
    let twins = world.run("devices F revoke twin").await.unwrap_err();
    assert!(twins.trouble.what.contains("2 devices"), "{twins}");
    let none = world.run("devices F revoke other").await.unwrap_err();
    assert!(none.trouble.what.contains("no device"), "{none}");
    let mut asked = Vec::new();
    while let Ok(ask) = heard.try_recv() {
        asked.push(ask);
    }
    let rename = Ask::RenameDevice {
        device: DeviceId([1; 16]),
        name: "tower".into(),
    };
    let revoke = Ask::RevokeDevice {
        device: DeviceId([3; 16]),
    };
    let expected = [
        Ask::Devices,
        Ask::Devices,
        rename,
        Ask::Devices,
        revoke,
        Ask::Devices,
        Ask::Devices,
    ];
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn what_the_client_cannot_do_is_a_fault_and_what_is_unsound_is_no_success() {
    let world = World::new();
    let trouble = Trouble {
        what: "there is no such file".into(),
        done: "nothing was changed".into(),
        todo: "look at `log`".into(),
    };
    let report = Answer::Report {
        sound: false,
        is_partial: false,
        lines: vec!["a: \u{1b}[2J".into()],
    };
    let answers = vec![
        Answer::Failed(trouble.clone()),
        report.clone(),
        report,
        Answer::Restored(2),
    ];
    let (_socket, _heard) = world.client(answers).await;
    assert_eq!(world.run("history F a").await, Err(Fault::told(trouble)));
    assert_eq!(world.run("verify F").await.unwrap().1, 1);
    assert_eq!(world.run("why F a").await.unwrap(), ("a: \\u{1b}[2J\n".into(), 0));
    let (text, code) = world.run("restore F a --version 3 --json").await.unwrap();
    assert_eq!(code, 0);
    insta::assert_snapshot!(text, @r#"{"event":"restored","time":"2026-11-22T15:00:00.000Z","nodes":2}"#);
}

#[tokio::test]
async fn a_conflict_whose_other_side_is_gone_is_listed_too() {
    let side = |name: &str| ConflictSide {
        id: NodeId([1; 16]),
        path: path(name),
        size_bytes: 5,
        mtime_ns: 1_795_356_000_000_000_000,
    };
    let item = |this| ConflictItem {
        this,
        that: side("a (conflict)"),
        device: "tower".into(),
        cause: "both sides edited it".into(),
    };
    let world = World::new();
    let answer = Answer::Conflicts(vec![item(Some(side("a"))), item(None)]);
    let (_socket, _heard) = world.client(vec![answer.clone(), answer]).await;
    insta::assert_snapshot!(world.run("conflicts F").await.unwrap().0, @r#"
    this  a, 5 bytes, 2026-11-22 14:00:00
    that  a (conflict), 5 bytes, 2026-11-22 14:00:00
          of tower: both sides edited it
    this  is gone
    that  a (conflict), 5 bytes, 2026-11-22 14:00:00
          of tower: both sides edited it
    "#);
    insta::assert_snapshot!(world.run("conflicts F --json").await.unwrap().0, @r#"
    {"event":"conflict","time":"2026-11-22T15:00:00.000Z","path":"a (conflict)","with":"a","device":"tower","resolved":false,"cause":"both sides edited it"}
    {"event":"conflict","time":"2026-11-22T15:00:00.000Z","path":"a (conflict)","with":null,"device":"tower","resolved":false,"cause":"both sides edited it"}
    "#);
}

#[tokio::test]
async fn the_link_is_a_qr_code_on_a_terminal_only() {
    let mut world = World::new();
    let identity = Identity {
        id: "ID".into(),
        link: "holdfast://nas:7733/ID#07".into(),
    };
    let (_socket, _heard) = world.client(vec![Answer::Identity(identity); 3]).await;
    assert_eq!(world.run("id F").await.unwrap().0, "ID\n");
    assert_eq!(
        world.run("link F").await.unwrap().0,
        "holdfast://nas:7733/ID#07\n"
    );
    world.surroundings.terminal = true;
    let (text, _) = world.run("link F").await.unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("holdfast://nas:7733/ID#07"));
    let widths: Vec<usize> = lines.map(|line| line.chars().count()).collect();
    assert!(10 < widths.len() && widths.iter().all(|width| *width == widths[0]));
}

#[tokio::test]
async fn the_doctor_looks_and_tells() {
    let world = World::new();
    let (text, code) = world.run("doctor F").await.unwrap();
    // The device is enrolled, but its key is not there; then the server is not asked.
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("memory         ok"), "{text}");
    assert!(text.contains("key            WRONG"), "{text}");
    assert!(!text.contains("server         "), "{text}");
    std::fs::write(
        world.path().join(".holdfast").join(STATE_NAME),
        b"rubbish, and enough of it",
    )
    .unwrap();
    let (text, code) = world.run("doctor F").await.unwrap();
    assert_eq!(code, 1);
    assert!(text.contains("memory         WRONG"), "{text}");
}
