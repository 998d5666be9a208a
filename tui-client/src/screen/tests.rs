//! The screen from outside: notices, answers and keys in; text and effects out. Each test is a model, some keys, and
//! what is seen.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use sync_engine::{DeviceId, Name, NodeId, RelPath, Version};

use super::keys::Key;
use super::message::{Effect, Message};
use super::model::Model;
use super::{ScreenOptions, Theme, update, view};
use crate::control::{
    Answer, Ask, ConflictItem, ConflictSide, DeviceItem, Identity, ItemKind, ItemState, ListItem, LogItem,
    State, Status,
};
use crate::notice::{ChangeKind, ChangeNotice, Direction, Notice, Progress};

mod first;
mod habits;
mod keys;
mod looks;
mod storms;

/// The time in these tests: 2026-11-22 10:00:00 UTC.
const NOW_MS: u64 = 1_795_341_600_000;
const ID: &str = "7K3MQ-9PRTV-0D2FH-8JWXY-4C6BN-5GSAZ-E1TK";

/// The screen, driven by hand.
struct Screen {
    model: Model,
    /// What was asked for, but for the questions that the screen asks by itself.
    effects: Vec<Effect>,
}

impl Screen {
    /// Starts with nothing known.
    fn bare(columns: u16, rows: u16, theme: Theme) -> Self {
        let mut options = ScreenOptions::new("/home/ann/folder".into());
        options.theme = theme;
        let mut model = Model::new(options);
        model.want_all();
        let mut screen = Self {
            model,
            effects: Vec::new(),
        };
        screen.take(Message::Clock(NOW_MS));
        screen.take(Message::Resize { columns, rows });
        screen
    }

    /// Starts with a folder that has something of everything.
    fn new(columns: u16, rows: u16) -> Self {
        let mut screen = Self::bare(columns, rows, Theme::plain(false, false));
        screen.hear(Notice::Account {
            id: None,
            handle: "41b3d145".to_owned(),
            device: "desk".to_owned(),
            server: "nas.local:7733".to_owned(),
            fingerprint: "a7".repeat(32),
        });
        screen.answer(Ask::Status, Answer::Status(status()));
        screen.answer(
            Ask::Identity,
            Answer::Identity(Identity {
                id: ID.to_owned(),
                link: format!("holdfast://nas.local:7733/{ID}#{}", "a7".repeat(32)),
            }),
        );
        screen.answer(Ask::List { dir: None }, Answer::List(root()));
        screen.answer(Ask::Log { limit: 200 }, Answer::Log(log()));
        screen.answer(Ask::Conflicts, Answer::Conflicts(conflicts()));
        screen.answer(Ask::Devices, Answer::Devices(devices()));
        screen.effects.clear();
        screen
    }

    fn take(&mut self, message: Message) {
        let effects = update::update(&mut self.model, message);
        self.effects
            .extend(effects.into_iter().filter(|effect| !is_question(effect)));
    }

    fn hear(&mut self, notice: Notice) {
        self.take(Message::Notice(Box::new(notice)));
    }

    fn answer(&mut self, ask: Ask, answer: Answer) {
        self.take(Message::Answer {
            ask,
            answer: Box::new(answer),
        });
    }

    /// Presses keys, named as in the table and parted by spaces.
    fn press(&mut self, keys: &str) -> &mut Self {
        for key in keys.split(' ') {
            self.take(Message::Key(Key::parse(key).expect("a key")));
        }
        self
    }

    /// Draws, and returns what is seen.
    fn seen(&self) -> String {
        let (columns, rows) = self.model.size;
        let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a terminal");
        terminal
            .draw(|frame| view::view(&self.model, frame))
            .expect("a drawing");
        terminal.backend().to_string()
    }

    #[track_caller]
    fn sees(&self, text: &str) {
        assert!(self.seen().contains(text), "no '{text}' in\n{}", self.seen());
    }

    #[track_caller]
    fn sees_not(&self, text: &str) {
        assert!(!self.seen().contains(text), "'{text}' in\n{}", self.seen());
    }

    /// Returns the orders that were sent, and forgets them.
    fn orders(&mut self) -> Vec<Ask> {
        let effects = std::mem::take(&mut self.effects).into_iter();
        effects
            .filter_map(|effect| match effect {
                Effect::Ask(ask) => Some(ask),
                _ => None,
            })
            .collect()
    }
}

fn is_question(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::Ask(
            Ask::Status
                | Ask::Identity
                | Ask::List { .. }
                | Ask::Log { .. }
                | Ask::History { .. }
                | Ask::Conflicts
                | Ask::Devices
        )
    )
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).expect("a path")
}

fn id(text: &str) -> NodeId {
    NodeId::derive("test", NodeId::ROOT, DeviceId([0; 16]), text.as_bytes())
}

fn item(name: &str, kind: ItemKind, size_bytes: u64, state: ItemState, unsettled: u64) -> ListItem {
    ListItem {
        id: id(name),
        name: Name::try_from(name).expect("a name"),
        kind,
        size_bytes,
        mtime_ns: 0,
        state,
        unsettled,
    }
}

fn root() -> Vec<ListItem> {
    vec![
        item("photos", ItemKind::Dir, 0, ItemState::Uploading, 9),
        item("work", ItemKind::Dir, 0, ItemState::Conflict, 2),
        item("notes.md", ItemKind::File, 4_312, ItemState::Synced, 0),
        item("計画 2026.txt", ItemKind::File, 912, ItemState::Downloading, 0),
        item(
            "evil\u{1b}[2J\u{202e}\nx",
            ItemKind::File,
            10,
            ItemState::Blocked,
            0,
        ),
        item("latest", ItemKind::Symlink, 0, ItemState::Waiting, 0),
        item("scratch.tmp", ItemKind::File, 10, ItemState::Ignored, 0),
    ]
}

fn status() -> Status {
    Status {
        state: State::Syncing,
        version: Version(4711),
        pending: 12,
        blocked: vec![(path("work/aux.txt"), "Windows cannot hold this name".to_owned())],
        conflicts: 2,
        nodes: 48_213,
        device: "desk".to_owned(),
        device_id: Some(DeviceId([1; 16])),
        server: "nas.local:7733".to_owned(),
        connected: true,
        protected_ms: Some(NOW_MS - 120_000),
        trouble: None,
        brake: None,
        removed: None,
        warnings: Vec::new(),
    }
}

fn log() -> Vec<LogItem> {
    let entry = |version, minutes: u64, kind, at: &str, device: &str| LogItem {
        version: Version(version),
        time_ms: NOW_MS - minutes * 60_000,
        device: device.to_owned(),
        kind,
        path: path(at),
        size_bytes: Some(version * 10),
    };
    vec![
        entry(4711, 2, ChangeKind::Edited, "notes.md", "desk"),
        entry(4710, 50, ChangeKind::Created, "photos/IMG_2041.jpg", "phone"),
        entry(4709, 180, ChangeKind::Deleted, "old/draft.txt", "laptop"),
    ]
}

fn conflicts() -> Vec<ConflictItem> {
    let side = |at: &str, size_bytes| ConflictSide {
        id: id(at),
        path: path(at),
        size_bytes,
        mtime_ns: i64::try_from(NOW_MS).expect("a time") * 1_000_000,
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
    let device = |n: u8, name: &str, online, revoked, minutes: u64| DeviceItem {
        id: DeviceId([n; 16]),
        name: name.to_owned(),
        here: n == 1,
        online,
        revoked,
        enrolled_ms: NOW_MS - 86_400_000 * 40,
        seen_ms: NOW_MS - minutes * 60_000,
    };
    vec![
        device(1, "desk", true, false, 0),
        device(2, "laptop", true, false, 0),
        device(3, "phone", false, false, 35),
        device(4, "tablet", false, true, 60 * 24 * 90),
    ]
}

fn change(at: &str, version: u64) -> Notice {
    Notice::Change(ChangeNotice {
        path: path(at),
        from: None,
        kind: ChangeKind::Edited,
        direction: Direction::Down,
        device: "phone".to_owned(),
        version: Some(Version(version)),
        remark: None,
    })
}

fn progress(done_bytes: u64, total_bytes: u64) -> Notice {
    Notice::Progress(Progress {
        id: id("film.mkv"),
        path: path("film.mkv"),
        direction: Direction::Down,
        done_bytes,
        total_bytes,
    })
}
