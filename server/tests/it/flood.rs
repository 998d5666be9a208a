//! More callers, and more of everything, than a server has room for. `HOLDFAST_FLOOD` makes it so many times more.

use crate::client::{Client, Device, TestServer, Wire, dir, file, name, node_id, plain, small};
use common::message::{Auth, Hello, Outcome, Refusal, Reply, Request, Role};
use std::time::Duration;
use sync_engine::{Change, Hash, Kind, Node, NodeId, Rejection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, interval, timeout};

const ROOT: NodeId = NodeId::ROOT;
const PATIENCE: Duration = Duration::from_secs(60);

fn scale() -> usize {
    let said = std::env::var("HOLDFAST_FLOOD").ok();
    said.and_then(|text| text.parse().ok()).unwrap_or(1)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_a_byte_now_and_then_is_cut_off_in_time_and_holds_nobody_up() {
    let server = TestServer::start_with(|options| {
        options.limits.handshake_timeout = Duration::from_millis(500);
        options.limits.hello_timeout = Duration::from_millis(500);
    })
    .await;
    let address = server.address();
    let mut drips = Vec::new();
    for n in 0..60 * scale() {
        drips.push(tokio::spawn(async move {
            let begun = Instant::now();
            let mut stream = TcpStream::connect(address).await.unwrap();
            let (mut pace, mut answer) = (interval(Duration::from_millis(50)), [0; 64]);
            // A record of TLS that announces more than ever comes, or what is no TLS at all.
            let announced = if n % 2 == 0 {
                [0x16, 3, 1, 0x3f, 0xff, 1]
            } else {
                [0; 6]
            };
            let _ = stream.write_all(&announced).await;
            loop {
                tokio::select! {
                    _ = pace.tick() => if stream.write_all(&[0]).await.is_err() { break },
                    read = stream.read(&mut answer) => if matches!(read, Ok(0) | Err(_)) { break },
                }
            }
            begun.elapsed()
        }));
    }
    let mut client = server.register().await;
    client.snapshot().await;
    client.commit_ok(vec![dir(1, ROOT, "d")]).await;
    for drip in drips {
        let lasted = timeout(PATIENCE, drip).await.unwrap().unwrap();
        assert!(lasted < Duration::from_secs(10), "one stayed for {lasted:?}");
    }
}

/// Tries to get one more connection of a device.
async fn knock(client: &Client) -> Option<Wire> {
    let opened = Wire::try_open(client.address, &client.device.certificate);
    let mut wire = timeout(Duration::from_secs(2), opened).await.ok()?.ok()?;
    let hello = Hello {
        protocol: 1,
        agent: "test".into(),
        role: Role::Bulk,
        auth: Auth::Device,
        generation: client.device.generation,
        next_generation: [1; 16],
    };
    wire.send(Request::Hello(hello), &[]).await;
    let answer = wire.next().await?.message;
    matches!(answer, Reply::Welcome(_)).then_some(wire)
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_connections_leaves_the_server_memory_and_files_to_work_with() {
    use crate::program::started;
    use std::process::{Command, Stdio};
    let directory = tempfile::TempDir::new().unwrap();
    let program = started(
        Command::new("sh")
            .args(["-c", "ulimit -n 200 && exec \"$0\" --listen 127.0.0.1:0"])
            .arg(env!("CARGO_BIN_EXE_server"))
            .current_dir(directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let resident_kib = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", program.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap()
    };
    let mut first = Client::register(program.address).await;
    let second = Client::register(program.address).await;
    first.snapshot().await;
    let before = resident_kib();
    let mut held = Vec::new();
    for client in [&first, &second] {
        while held.len() < 300
            && let Some(wire) = knock(client).await
        {
            held.push(wire);
        }
    }
    assert!((50..200).contains(&held.len()), "{} were let in", held.len());
    let mut strangers = Vec::new();
    for _ in 0..400 * scale() {
        strangers.push(TcpStream::connect(program.address).await);
    }
    // Nothing was ever put, so the pack is still to be opened.
    let content = [5; 50_000];
    for n in 1..10 {
        let reply = first.put(&[plain(&[n; 60_000])]).await;
        assert!(matches!(reply, Reply::Stored { .. }), "{reply:?}");
        let made = file(n.into(), ROOT, &format!("f{n}"), small(&content));
        let (outcomes, _) = first.commit_with(vec![made], &[plain(&content)]).await;
        assert!(matches!(outcomes[..], [Outcome::Accepted(_)]), "{outcomes:?}");
    }
    assert_eq!(first.get(vec![Hash::of(&content)]).await.0.len(), 1);
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 64 * 1024, "the server has grown by {grown} KiB");
    drop((held, strangers));
    let back = async { while knock(&second).await.is_none() {} };
    timeout(PATIENCE, back).await.unwrap();
}

#[tokio::test]
async fn directories_nest_only_so_deep() {
    let server = TestServer::start().await;
    let mut client = server.register().await;
    client.snapshot().await;
    let inside = |n: u64| if n == 1 { ROOT } else { node_id(n - 1) };
    let chain: Vec<Change> = (1..=1100).map(|n| dir(n, inside(n), "d")).collect();
    let outcomes = client.commit(chain).await;
    let taken = outcomes
        .iter()
        .take_while(|outcome| matches!(outcome, Outcome::Accepted(_)))
        .count();
    assert!((1000..1100).contains(&taken), "{taken}");
    assert_eq!(outcomes[taken], Outcome::Rejected(Rejection::TooDeep));
    // Nor can a deep directory be moved into another one.
    let deep = dir(2000, ROOT, "other");
    let inner = Change::Create {
        id: node_id(2001),
        node: Node {
            parent: node_id(2000),
            name: name("inner"),
            kind: Kind::Dir,
            mark: None,
        },
    };
    client.commit_ok(vec![deep, inner]).await;
    let moves = vec![sync_engine::MoveTo {
        id: node_id(2000),
        base: sync_engine::Version(taken as u64 + 1),
        parent: node_id(taken as u64),
        name: name("other"),
    }];
    let outcomes = client.commit(vec![Change::Move { moves }]).await;
    assert_eq!(outcomes, [Outcome::Rejected(Rejection::TooDeep)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_account_that_uploads_does_not_hold_up_another() {
    let server = TestServer::start().await;
    let mut greedy = server.register().await;
    let mut other = server.register().await;
    other.snapshot().await;
    let upload = tokio::spawn(async move {
        for n in 0..100_u32 {
            let chunk = [n.to_be_bytes(); 60_000].concat();
            let request = greedy.request();
            greedy.wire.send(Request::Put { request }, &[plain(&chunk)]).await;
        }
        for _ in 0..100 {
            assert!(matches!(greedy.next().await, Reply::Stored { .. }));
        }
    });
    let mut slowest = Duration::ZERO;
    for n in 1..=20 {
        let begun = Instant::now();
        other.commit_ok(vec![dir(n, ROOT, &format!("d{n}"))]).await;
        slowest = slowest.max(begun.elapsed());
    }
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    upload.await.unwrap();
}

#[tokio::test]
async fn an_address_makes_only_so_many_accounts_at_a_time() {
    let server = TestServer::start_with(|options| options.limits.registrations_per_minute_max = 3).await;
    let first = server.register().await;
    for _ in 0..2 {
        server.register().await;
    }
    for _ in 0..20 {
        let device = Device::new();
        let mut wire = Wire::open(server.address(), &device.certificate).await;
        let auth = Auth::Register {
            device_name: "x".into(),
        };
        let answer = wire.hello(Role::Control, auth, &device, [1; 16]).await;
        assert_eq!(answer, Reply::Refused(Refusal::Busy));
    }
    first.again(Role::Control).await;
    first.companion().await;
}
