//! The command line, line by line.

use super::*;

const FINGERPRINT: &str = "0707070707070707070707070707070707070707070707070707070707070707";

fn read(line: &str) -> Result<Invocation, Usage> {
    let now = "2026-11-22T15:00:00[UTC]".parse().unwrap();
    parse(std::iter::once("tui-client").chain(line.split_whitespace()), &now)
}

fn run(line: &str) -> Run {
    match read(line).unwrap() {
        Invocation::Run(run) => run,
        other => panic!("{line}: {other:?}"),
    }
}

fn deed(line: &str) -> Deed {
    match read(line).unwrap() {
        Invocation::Order(order) => {
            assert_eq!(order.folder, PathBuf::from("F"));
            order.deed
        }
        other => panic!("{line}: {other:?}"),
    }
}

fn usage(line: &str) -> String {
    let usage = read(line).unwrap_err();
    assert_eq!(usage.exit, Exit::Usage, "{line}");
    assert!(usage.text.starts_with("error: "), "{line}");
    assert!(
        usage
            .text
            .contains("\n  done: nothing was started or changed\n  next: "),
        "{line}"
    );
    usage.text
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).unwrap()
}

#[test]
fn the_program_itself_is_well_formed() {
    Args::command().debug_assert();
}

#[test]
fn nothing_said_leads_to_the_first_start() {
    let look = Look {
        mouse: true,
        ascii: false,
    };
    assert_eq!(read("").unwrap(), Invocation::FirstStart(look));
    let look = Look {
        mouse: false,
        ascii: true,
    };
    assert_eq!(read("--no-mouse --ascii").unwrap(), Invocation::FirstStart(look));
    usage("--headless");
}

#[test]
fn a_server_and_a_folder_are_enough() {
    let run = run("nas F");
    let expected = Start::Server {
        server: "nas:7733".parse().unwrap(),
        id: None,
        trust: FirstTrust::Ask,
    };
    assert_eq!(run.start, expected);
    assert_eq!(run.folder, PathBuf::from("F"));
    assert_eq!(run.rescan, Duration::from_secs(3600));
    assert!(matches!(run.listener, Listener::Screen(_)));
}

#[test]
fn everything_can_be_said_at_once() {
    let id = AccountId::generate().unwrap();
    let line = format!(
        "--headless --once --json [::1]:99 F 60 --id {} --fingerprint {FINGERPRINT} --device-name box",
        &*id.reveal()
    );
    let expected = Run {
        folder: "F".into(),
        start: Start::Server {
            server: "[::1]:99".parse().unwrap(),
            id: Some(id),
            trust: FirstTrust::Pinned(Fingerprint([7; 32])),
        },
        rescan: Duration::from_secs(60),
        device_name: Some("box".into()),
        listener: Listener::Headless {
            once: true,
            json: true,
            attached: false,
        },
    };
    assert_eq!(run(&line), expected);
    assert_eq!(run("--headless F").start, Start::Enrolled);
}

#[test]
fn a_link_says_all_by_itself() {
    let link = PairingLink {
        server: "nas:99".parse().unwrap(),
        id: AccountId::generate().unwrap(),
        fingerprint: Fingerprint([7; 32]),
    };
    let text = link.reveal();
    assert_eq!(run(&format!("{} F", &*text)).start, Start::Link(link));
    usage(&format!("{} F --trust-first-use", &*text));
}

#[test]
fn a_mistyped_id_is_wrong_usage_and_not_repeated() {
    let id = AccountId::generate().unwrap().reveal();
    let wrong = if id.starts_with('7') { "8" } else { "7" };
    let mistyped = format!("{wrong}{}", &id[1..]);
    let text = usage(&format!("nas F --id {mistyped}"));
    assert!(text.contains("mistyped"), "{text}");
    assert!(!text.contains(&mistyped[5..]), "{text}");
    let link = format!("holdfast://nas:1/{mistyped}#{FINGERPRINT}");
    let text = usage(&format!("{link} F"));
    assert!(!text.contains(&mistyped[5..]), "{text}");
}

#[test]
fn an_id_where_none_belongs_is_wrong_usage_and_not_repeated() {
    let id = AccountId::generate().unwrap().reveal();
    let (joined, small) = (id.replace('-', ""), id.to_lowercase());
    let link = format!("nas:1/{}#{FINGERPRINT}", &*id);
    for line in [
        format!("holdfst://{link} F"),
        format!("holdfast:/{link} F"),
        format!("{link} F"),
        format!("{} F", &*id),
        format!("{small} F"),
        format!("{joined}.local F"),
        format!("{} F", &joined[1..]),
        format!("nas {}", &*id),
        id.to_string(),
        format!("--headless {joined}"),
        format!("nas F --ID {}", &*id),
        format!("nas F -id {joined}"),
        format!("nas F --id{small}"),
        format!("nas F --{joined}"),
        format!("nas F {}", &*id),
        format!("nas F 10 {}", &*id),
        format!("nas F --id-file {}", &*id),
        format!("--link-file {} F", &*id),
        format!("holdfast://{}:x/{}#{FINGERPRINT} F", &*id, &*id),
        format!("status {}", &*id),
        format!("devices F revoke {joined} {joined}"),
    ] {
        let text = usage(&line).replace('-', "").to_uppercase();
        assert!(!text.contains(&joined[1..]), "{line}: {text}");
    }
}

#[test]
fn an_id_and_a_link_are_read_from_files() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, format!("{text}\n")).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let link = PairingLink {
        server: "nas:99".parse().unwrap(),
        id: AccountId::generate().unwrap(),
        fingerprint: Fingerprint([7; 32]),
    };
    let of_link = file("link", &link.reveal());
    let of_id = file("id", &link.id.reveal());
    let followed = run(&format!("--headless --link-file {of_link} F"));
    assert_eq!(followed.start, Start::Link(link.clone()));
    assert_eq!(followed.folder, PathBuf::from("F"));
    let seconds = run(&format!("--link-file {of_link} F 60")).rescan;
    assert_eq!(seconds, Duration::from_secs(60));
    let expected = Start::Server {
        server: "nas:7733".parse().unwrap(),
        id: Some(link.id.clone()),
        trust: FirstTrust::Pinned(Fingerprint([7; 32])),
    };
    let by_id = run(&format!("nas F --id-file {of_id} --fingerprint {FINGERPRINT}"));
    assert_eq!(by_id.start, expected);
    for line in [
        format!("--link-file {of_link}"),
        format!("--link-file {of_link} nas F"),
        format!("--link-file {of_link} F 0"),
        format!("--link-file {of_link} F --trust-first-use"),
        format!("--link-file {of_id} F"),
        format!("nas F --id-file {of_link}"),
        format!("nas F --id-file {of_id} --id -"),
        format!("nas F --id-file {of_id}.none"),
        format!("F --id-file {of_id}"),
        "-".to_owned(),
    ] {
        let text = usage(&line);
        assert!(!text.contains(&link.id.reveal()[5..]), "{line}: {text}");
    }
}

#[test]
fn wrong_usage_is_told() {
    for line in [
        "nas F 0",
        "nas F soon",
        "nas:0 F",
        "na/s F",
        "nas F --fingerprint 12",
        "nas F --once",
        "nas F --json",
        "nas F extra words",
        "F --trust-first-use",
        "status",
        "status F --fast",
        "restore F a",
        "restore F a --version 1 --time 2h",
        "restore F a --time tomorrow",
        "restore F ../a --version 1",
        "restore F /elsewhere/a --version 1",
        "restore F a --version 1 --to .holdfast/x",
        "resolve F a neither",
        "devices F rename box",
        "wait F --timeout -1",
        "log F --limit 0",
    ] {
        usage(line);
    }
    let long = "x".repeat(65);
    usage(&format!("nas F --device-name {long}"));
}

#[test]
fn help_and_version_are_no_errors() {
    for line in ["--help", "--version", "restore --help"] {
        assert_eq!(read(line).unwrap_err().exit, Exit::Done, "{line}");
    }
}

#[test]
fn each_command_is_understood() {
    let ms = |text: &str| {
        let instant: jiff::Timestamp = text.parse().unwrap();
        u64::try_from(instant.as_millisecond()).unwrap()
    };
    let cases = [
        ("status F", Deed::Status),
        ("wait F", Deed::Wait { timeout: None }),
        (
            "wait F --timeout 5",
            Deed::Wait {
                timeout: Some(Duration::from_secs(5)),
            },
        ),
        ("id F", Deed::Id),
        ("link F", Deed::Link),
        ("log F", Deed::Log { limit: 50 }),
        ("log F -n 3", Deed::Log { limit: 3 }),
        ("log F a/b", Deed::History { path: path("a/b") }),
        ("history F ./a//b/", Deed::History { path: path("a/b") }),
        (
            "restore F a --version 7 --to b",
            Deed::Restore {
                path: path("a"),
                at: Moment::Version(sync_engine::Version(7)),
                to: Some(path("b")),
            },
        ),
        (
            "restore F a --time 2026-11-22T14:00:00Z",
            Deed::Restore {
                path: path("a"),
                at: Moment::TimeMs(ms("2026-11-22T14:00:00Z")),
                to: None,
            },
        ),
        (
            "restore F a --kept 0123456789abcdef",
            Deed::Restore {
                path: path("a"),
                at: Moment::Kept(crate::control::KeptId::parse("0123456789abcdef").unwrap()),
                to: None,
            },
        ),
        ("conflicts F", Deed::Conflicts),
        (
            "resolve F a that",
            Deed::Resolve {
                path: path("a"),
                choice: Choice::That,
            },
        ),
        ("devices F", Deed::Devices),
        ("devices F list", Deed::Devices),
        (
            "devices F rename old new",
            Deed::RenameDevice {
                device: "old".into(),
                name: "new".into(),
            },
        ),
        (
            "devices F revoke old",
            Deed::RevokeDevice { device: "old".into() },
        ),
        ("devices F replace-id", Deed::ReplaceId),
        ("why F a", Deed::Why { path: path("a") }),
        (
            "why F a/.HoldFast/b",
            Deed::WhyReserved {
                above: path("a"),
                name: ".HoldFast".to_owned(),
            },
        ),
        ("confirm F", Deed::Confirm),
        ("confirm F --revert", Deed::Revert),
        ("verify F", Deed::Verify),
        ("doctor F", Deed::Doctor),
    ];
    for (line, expected) in cases {
        assert_eq!(deed(line), expected, "{line}");
    }
    assert!(matches!(
        read("status F --json"),
        Ok(Invocation::Order(Order { json: true, .. }))
    ));
}

#[test]
fn a_path_may_have_the_folder_in_front() {
    let folder = std::path::absolute("F").unwrap();
    let inside = folder.join("a").join("b");
    let order = read(&format!("why {} {}", folder.display(), inside.display())).unwrap();
    let Invocation::Order(order) = order else {
        panic!("{order:?}")
    };
    assert_eq!(order.deed, Deed::Why { path: path("a/b") });
}
