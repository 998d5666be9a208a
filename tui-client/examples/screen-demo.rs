//! The screen on a scripted client, to look at it without a server. `screen-demo [ascii] [plain] [first] [brake]
//! [empty] [offline] [busy]`: words switch on what their name says.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::fingerprint::Fingerprint;
use sync_engine::{DeviceId, Name, NodeId, RelPath, Version};
use tokio::sync::{broadcast, mpsc, oneshot};
use tui_client::control::{
    Answer, Ask, ConflictItem, ConflictSide, DeviceItem, Identity, ItemKind, ItemState, ListItem, LogItem,
    State, Status,
};
use tui_client::notice::{ChangeKind, ChangeNotice, Direction, Notice, Progress, Trouble};
use tui_client::screen::{Client, Prefill, ScreenOptions, Theme, first_start, run};

const ID: &str = "7K3MQ-9PRTV-0D2FH-8JWXY-4C6BN-5GSAZ-E1";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let is = |word: &str| words.iter().any(|other| other == word);
    let theme = Theme::from_environment()
        .with_ascii(is("ascii"))
        .with_colour(!is("plain"));
    if is("first") {
        let setup = first_start(Prefill::default(), theme, async |_server| {
            tokio::time::sleep(Duration::from_millis(300)).await;
            Ok(Fingerprint([0xa7; 32]))
        })
        .await?;
        println!("{setup:?}");
        return Ok(());
    }
    let (asks, asked) = mpsc::channel(64);
    let (notices, heard) = broadcast::channel(1024);
    let script = Script {
        empty: is("empty"),
        offline: is("offline"),
        brake: is("brake"),
    };
    tokio::spawn(answer_all(asked, notices.clone(), script));
    if is("busy") {
        tokio::spawn(keep_busy(notices.clone()));
    }
    let mut options = ScreenOptions::new(PathBuf::from("/tmp"));
    options.theme = theme;
    let exit = run(Client { asks, notices: heard }, options).await?;
    println!("{exit:?}");
    Ok(())
}

#[derive(Clone, Copy)]
struct Script {
    empty: bool,
    offline: bool,
    brake: bool,
}

async fn answer_all(
    mut asked: mpsc::Receiver<(Ask, oneshot::Sender<Answer>)>,
    notices: broadcast::Sender<Notice>,
    script: Script,
) {
    let _ = notices.send(Notice::Account {
        id: None,
        handle: "41b3d145".to_owned(),
        device: "desk".to_owned(),
        server: "nas.local:7733".to_owned(),
        fingerprint: Fingerprint([0xa7; 32]).to_string(),
    });
    if script.offline {
        let _ = notices.send(Notice::Disconnected {
            reason: "connection refused".to_owned(),
            retry_ms: 12_000,
        });
    }
    while let Some((ask, answer)) = asked.recv().await {
        // Whoever asked may have left meanwhile.
        let _ = answer.send(answer_to(&ask, script));
    }
}

fn answer_to(ask: &Ask, script: Script) -> Answer {
    match ask {
        Ask::Status | Ask::Wait { .. } => Answer::Status(status(script)),
        Ask::Identity | Ask::ReplaceId => Answer::Identity(Identity {
            id: ID.to_owned(),
            link: format!("holdfast://nas.local:7733/{ID}#{}", Fingerprint([0xa7; 32])),
        }),
        Ask::List { .. } if script.empty => Answer::List(Vec::new()),
        Ask::List { dir: None } => Answer::List(root()),
        Ask::List { dir: Some(dir) } => Answer::List(inside(*dir)),
        Ask::Log { .. } if script.empty => Answer::Log(Vec::new()),
        Ask::Log { .. } => Answer::Log(log(12)),
        Ask::History { .. } => Answer::Log(log(6)),
        Ask::Conflicts if script.empty => Answer::Conflicts(Vec::new()),
        Ask::Conflicts => Answer::Conflicts(conflicts()),
        Ask::Devices => Answer::Devices(devices()),
        Ask::Restore { .. } => Answer::Restored(1),
        Ask::Why { .. } | Ask::Verify => Answer::Report {
            sound: true,
            is_partial: false,
            lines: vec!["Disk, local, synced and remote tree agree.".to_owned()],
        },
        Ask::Resolve { .. }
        | Ask::RenameDevice { .. }
        | Ask::RevokeDevice { .. }
        | Ask::Confirm
        | Ask::Revert
        | Ask::Rescan
        | Ask::Listen
        | Ask::Stop
        | Ask::GiveWay => Answer::Done,
    }
}

fn status(script: Script) -> Status {
    let blocked = if script.empty {
        Vec::new()
    } else {
        vec![(
            path("work/aux.txt"),
            "Windows cannot hold the name 'aux.txt'".to_owned(),
        )]
    };
    Status {
        state: match script {
            Script { brake: true, .. } => State::Halted,
            Script { offline: true, .. } => State::Offline,
            Script { empty: true, .. } => State::Synced,
            Script { .. } => State::Syncing,
        },
        version: Version(4711),
        pending: if script.empty { 0 } else { 12 },
        blocked,
        conflicts: if script.empty { 0 } else { 2 },
        nodes: if script.empty { 0 } else { 48_213 },
        device: "desk".to_owned(),
        device_id: Some(DeviceId([1; 16])),
        server: "nas.local:7733".to_owned(),
        connected: !script.offline,
        protected_ms: Some(now_ms() - 40_000),
        trouble: None,
        brake: script.brake.then_some((4100, 5000)),
        removed: None,
        warnings: Vec::new(),
    }
}

fn root() -> Vec<ListItem> {
    vec![
        item("photos", ItemKind::Dir, 0, ItemState::Uploading, 9),
        item("work", ItemKind::Dir, 0, ItemState::Conflict, 2),
        item("music", ItemKind::Dir, 0, ItemState::Synced, 0),
        item("notes.md", ItemKind::File, 4_312, ItemState::Synced, 0),
        item("budget 2026.ods", ItemKind::File, 48_200, ItemState::Synced, 0),
        item(
            "東京旅行の計画.txt",
            ItemKind::File,
            912,
            ItemState::Downloading,
            0,
        ),
        item(
            "invoice\u{202e}fdp.exe",
            ItemKind::File,
            1_200_000,
            ItemState::Blocked,
            0,
        ),
        item("latest", ItemKind::Symlink, 0, ItemState::Synced, 0),
        item("film.mkv", ItemKind::File, 4_700_000_000, ItemState::Waiting, 0),
        item("scratch.tmp", ItemKind::File, 10, ItemState::Ignored, 0),
    ]
}

fn inside(dir: NodeId) -> Vec<ListItem> {
    if dir != id("work") {
        return (1..=2000)
            .map(|n| {
                item(
                    &format!("IMG_{n:04}.jpg"),
                    ItemKind::File,
                    3_000_000 + n * 977,
                    ItemState::Synced,
                    0,
                )
            })
            .collect();
    }
    vec![
        item("report.docx", ItemKind::File, 88_000, ItemState::Conflict, 0),
        item(
            "report (conflict, laptop, 2026-11-22).docx",
            ItemKind::File,
            91_000,
            ItemState::Conflict,
            0,
        ),
        item("aux.txt", ItemKind::File, 120, ItemState::Blocked, 0),
    ]
}

fn log(n: u64) -> Vec<LogItem> {
    let kinds = [
        (ChangeKind::Edited, "notes.md", "desk"),
        (ChangeKind::Created, "photos/2026/IMG_2041.jpg", "phone"),
        (ChangeKind::Moved, "work/plan.md", "laptop"),
        (ChangeKind::Deleted, "old/draft.txt", "laptop"),
        (ChangeKind::Attributes, "bin/build.sh", "desk"),
    ];
    (0..n)
        .map(|i| {
            let (kind, at, device) = kinds[usize::try_from(i).unwrap_or(0) % kinds.len()];
            LogItem {
                version: Version(4711 - i),
                time_ms: now_ms() - 95_000 * (i * i + 1),
                device: device.to_owned(),
                kind,
                path: path(at),
                size_bytes: Some(1000 * (i + 3) * 77),
            }
        })
        .collect()
}

fn conflicts() -> Vec<ConflictItem> {
    let side = |at: &str, size_bytes| ConflictSide {
        id: id(at),
        path: path(at),
        size_bytes,
        mtime_ns: i64::try_from(now_ms()).unwrap_or(0) * 1_000_000 - 3_600_000_000_000,
    };
    let cause = "Both devices edited it since they last agreed.";
    vec![
        ConflictItem {
            this: Some(side("work/report.docx", 88_000)),
            that: side("work/report (conflict, laptop, 2026-11-22).docx", 91_000),
            device: "laptop".to_owned(),
            cause: cause.to_owned(),
        },
        ConflictItem {
            this: None,
            that: side("todo (conflict, phone, 2026-11-20).txt", 310),
            device: "phone".to_owned(),
            cause: cause.to_owned(),
        },
    ]
}

fn devices() -> Vec<DeviceItem> {
    let device = |n: u8, name: &str, online, revoked, seen_min: u64| DeviceItem {
        id: DeviceId([n; 16]),
        name: name.to_owned(),
        here: n == 1,
        online,
        revoked,
        enrolled_ms: now_ms() - 86_400_000 * 40,
        seen_ms: now_ms() - seen_min * 60_000,
    };
    vec![
        device(1, "desk", true, false, 0),
        device(2, "laptop", true, false, 0),
        device(3, "phone", false, false, 35),
        device(4, "old tablet", false, true, 60 * 24 * 90),
    ]
}

/// Sends what a busy client would send.
async fn keep_busy(notices: broadcast::Sender<Notice>) {
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    let transfers = [
        (
            "photos/2026/IMG_2041.jpg",
            Direction::Up,
            8_000_000_u64,
            330_000_u64,
        ),
        ("film.mkv", Direction::Down, 4_700_000_000, 21_000_000),
        ("music/live set.flac", Direction::Down, 310_000_000, 4_100_000),
        ("backup.tar", Direction::Up, 912_000_000, 11_300_000),
    ];
    for step in 1_u64.. {
        tick.tick().await;
        for (at, direction, total_bytes, each) in transfers {
            let done_bytes = step * each;
            if done_bytes <= total_bytes + each {
                let _ = notices.send(Notice::Progress(Progress {
                    id: id(at),
                    path: path(at),
                    direction,
                    done_bytes: done_bytes.min(total_bytes),
                    total_bytes,
                }));
            }
        }
        if step == 3 {
            let _ = notices.send(Notice::Error(Trouble {
                what: "could not read work/locked.db: another program keeps it locked".to_owned(),
                done: "it was left as it is and is tried again in a minute".to_owned(),
                todo: "close the program that uses it".to_owned(),
            }));
        }
        if step % 7 == 0 {
            let _ = notices.send(Notice::Change(ChangeNotice {
                path: path(&format!("photos/2026/IMG_{}.jpg", 2041 + step)),
                from: (step % 14 == 0).then(|| path("inbox/new.jpg")),
                kind: if step % 14 == 0 {
                    ChangeKind::Moved
                } else {
                    ChangeKind::Created
                },
                direction: if step % 2 == 0 {
                    Direction::Up
                } else {
                    Direction::Down
                },
                device: "phone".to_owned(),
                version: Some(Version(5000 + step)),
                remark: None,
            }));
        }
    }
}

fn item(name: &str, kind: ItemKind, size_bytes: u64, state: ItemState, unsettled: u64) -> ListItem {
    ListItem {
        id: id(name),
        name: Name::try_from(name).expect("the script has good names"),
        kind,
        size_bytes,
        mtime_ns: 0,
        state,
        unsettled,
    }
}

fn id(text: &str) -> NodeId {
    NodeId::derive("demo", NodeId::ROOT, DeviceId([0; 16]), text.as_bytes())
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).expect("the script has good paths")
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(0)
}
