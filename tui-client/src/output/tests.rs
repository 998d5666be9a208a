//! The lines of the headless mode, letter by letter: programs read them.

use sync_engine::NodeId;

use super::*;

fn path(bytes: &[u8]) -> RelPath {
    RelPath::parse(bytes).unwrap()
}

/// One notice of each kind, and the variants that read differently.
fn notices() -> Vec<Notice> {
    let change = ChangeNotice {
        path: path(b"docs/a\x1b[2J.txt"),
        from: Some(path(b"old")),
        kind: ChangeKind::Moved,
        direction: Direction::Down,
        device: "tower".into(),
        version: Some(Version(9)),
        remark: Some("an edit beat a deletion".into()),
    };
    let plain = ChangeNotice {
        path: path(b"caf\xe9"),
        from: None,
        kind: ChangeKind::Created,
        direction: Direction::Up,
        version: None,
        remark: None,
        ..change.clone()
    };
    let conflict = |with, resolved| Notice::Conflict {
        path: path(b"a (conflict)"),
        with,
        device: "tower".into(),
        resolved,
    };
    vec![
        Notice::Account {
            id: Some("AAAA-BBBB".into()),
            handle: "41b3d145".into(),
            device: "box".into(),
            server: "nas:7733".into(),
            fingerprint: "07".into(),
        },
        Notice::Account {
            id: None,
            handle: "41b3d145".into(),
            device: "box".into(),
            server: "nas:7733".into(),
            fingerprint: "07".into(),
        },
        Notice::Connected {
            server: "nas:7733".into(),
        },
        Notice::Disconnected {
            reason: "refused".into(),
            retry_ms: 1500,
        },
        Notice::Scanning { nodes: 0 },
        Notice::Scanning { nodes: 7 },
        Notice::Change(change),
        Notice::Change(plain),
        conflict(Some(path(b"a")), false),
        conflict(None, false),
        conflict(Some(path(b"a")), true),
        Notice::Blocked {
            path: path(b"con"),
            reason: Some("the name is illegal here".into()),
        },
        Notice::Blocked {
            path: path(b"con"),
            reason: None,
        },
        Notice::Brake {
            removals: 90,
            nodes: 100,
            reason: "most of the folder would go".into(),
        },
        Notice::Brake {
            removals: 0,
            nodes: 0,
            reason: String::new(),
        },
        Notice::Progress(Progress {
            id: NodeId([1; 16]),
            path: path(b"big"),
            direction: Direction::Up,
            done_bytes: 5,
            total_bytes: 10,
        }),
        Notice::Synced { version: Version(9) },
        Notice::Syncing { pending: 3 },
        Notice::Error(Trouble {
            what: "the disk is full".into(),
            done: "it is tried again".into(),
            todo: "make space".into(),
        }),
    ]
}

#[test]
fn each_notice_is_one_line_of_json_with_event_and_time_first() {
    let time = time_of_ms(1_795_356_000_123);
    let lines: Vec<String> = notices()
        .iter()
        .filter_map(|notice| notice_as_json(notice, time))
        .collect();
    for line in &lines {
        assert!(!line.contains('\n'));
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(value.is_object());
    }
    insta::assert_snapshot!(lines.join("\n"), @r#"
    {"event":"account","time":"2026-11-22T14:00:00.123Z","id":"AAAA-BBBB","handle":"41b3d145","device":"box","server":"nas:7733","fingerprint":"07"}
    {"event":"account","time":"2026-11-22T14:00:00.123Z","handle":"41b3d145","device":"box","server":"nas:7733","fingerprint":"07"}
    {"event":"connected","time":"2026-11-22T14:00:00.123Z","server":"nas:7733"}
    {"event":"disconnected","time":"2026-11-22T14:00:00.123Z","reason":"refused","retry_ms":1500}
    {"event":"scanning","time":"2026-11-22T14:00:00.123Z","nodes":0}
    {"event":"scanning","time":"2026-11-22T14:00:00.123Z","nodes":7}
    {"event":"change","time":"2026-11-22T14:00:00.123Z","path":"docs/a\u001b[2J.txt","from":"old","kind":"moved","direction":"down","device":"tower","journal":9,"remark":"an edit beat a deletion"}
    {"event":"change","time":"2026-11-22T14:00:00.123Z","path":"caf\\xe9","path_bytes":"636166e9","kind":"created","direction":"up","device":"tower"}
    {"event":"conflict","time":"2026-11-22T14:00:00.123Z","path":"a (conflict)","with":"a","device":"tower","resolved":false}
    {"event":"conflict","time":"2026-11-22T14:00:00.123Z","path":"a (conflict)","with":null,"device":"tower","resolved":false}
    {"event":"conflict","time":"2026-11-22T14:00:00.123Z","path":"a (conflict)","with":"a","device":"tower","resolved":true}
    {"event":"blocked","time":"2026-11-22T14:00:00.123Z","path":"con","blocked":true,"reason":"the name is illegal here"}
    {"event":"blocked","time":"2026-11-22T14:00:00.123Z","path":"con","blocked":false,"reason":null}
    {"event":"brake","time":"2026-11-22T14:00:00.123Z","removals":90,"nodes":100,"reason":"most of the folder would go"}
    {"event":"brake","time":"2026-11-22T14:00:00.123Z","removals":0,"nodes":0,"reason":""}
    {"event":"progress","time":"2026-11-22T14:00:00.123Z","path":"big","direction":"up","done_bytes":5,"total_bytes":10}
    {"event":"synced","time":"2026-11-22T14:00:00.123Z","journal":9}
    {"event":"error","time":"2026-11-22T14:00:00.123Z","what":"the disk is full","done":"it is tried again","todo":"make space"}
    "#);
}

#[test]
fn each_notice_worth_it_is_one_line_of_words_that_is_safe_to_show() {
    let lines: Vec<String> = notices().iter().filter_map(notice_in_words).collect();
    for line in &lines {
        assert!(!line.contains(is_deceptive));
    }
    insta::assert_snapshot!(lines.join("\n"), @r#"
    account AAAA-BBBB, device box, server nas:7733 (key 07)
    account 41b3d145, device box, server nas:7733 (key 07)
    connected to nas:7733
    not connected: refused; next try in 2 s
    looking at the folder
    down: docs/a\u{1b}[2J.txt moved from old by tower (an edit beat a deletion)
    up: caf\xe9 created by tower
    conflict: a (conflict) is the side of tower; a keeps the name
    conflict: a (conflict) is the side of tower; the other is gone
    conflict resolved: a (conflict)
    blocked: con (the name is illegal here)
    blocked no more: con
    stopped before removing 90 of 100 files and directories: most of the folder would go; `confirm` lets it go on
    the brake is released
    synced, journal 9
    error: the disk is full; it is tried again; make space
    "#);
}

#[test]
fn a_time_that_cannot_be_is_shown_and_does_no_harm() {
    assert_eq!(rfc3339(time_of_ms(u64::MAX)), "1970-01-01T00:00:00.000Z");
    assert_eq!(rfc3339(time_of_ms(5)), "1970-01-01T00:00:00.005Z");
}

proptest::proptest! {
    #[test]
    fn json_has_nothing_that_a_terminal_would_not_show_as_it_is(
        text in "[\\u{7f}-\\u{a0}\\u{ad}\\u{202a}-\\u{202e}\\u{2800}\\u{e0000}-\\u{e007f}a-z\"\\\\\\u{1f600}]{0,20}",
    ) {
        let reason = text.clone();
        let line = notice_as_json(&Notice::Disconnected { reason, retry_ms: 1 }, Timestamp::UNIX_EPOCH).unwrap();
        proptest::prop_assert!(!line.contains(is_deceptive), "{}", line);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        proptest::prop_assert_eq!(value["reason"].as_str(), Some(text.as_str()));
    }
}
