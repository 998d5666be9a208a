//! The real server under bytes that no client sends, and what the programs' logs tell to whoever reads them.

use anyhow::{Context as _, Result};
use bytes::BytesMut;
use common::certificate::Certificate;
use common::codec::{FrameCodec, encode};
use common::limits::PROTOCOL_VERSION;
use common::message::{Auth, Hello, Reply, Request, Role};
use std::sync::Arc;
use std::time::Duration;
use tests::binaries::repository;
use tests::fuzz::mutate::mutate;
use tests::noise::Noise;
use tests::{ServerOptions, World};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::codec::Decoder as _;
use tui_client::net::{Endpoint, TlsDial};

/// Connections, each of which ends with the first frame that is none.
const N_CONNECTIONS: u64 = 150;
/// Frames that are sent at once on each.
const N_FRAMES: usize = 20;

/// Introduces a device that is enrolled, and sends bytes; returns when the server has hung up, or says nothing more.
async fn send(endpoint: &Endpoint, bytes: &[u8]) -> Result<()> {
    let (mut stream, _) = endpoint.dial.dial(endpoint).await?;
    let hello = Request::Hello(Hello {
        protocol: PROTOCOL_VERSION,
        agent: "hostile".into(),
        role: Role::Control,
        auth: Auth::Device,
        generation: [1; 16],
        next_generation: [1; 16],
    });
    let mut greeting = BytesMut::new();
    encode(&hello, &[], &mut greeting)?;
    stream.write_all(&greeting).await?;
    // The server may have hung up by now.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut answers = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answers)).await;
    read.context("the server neither answers nor hangs up")?.ok();
    let mut answers = BytesMut::from(&answers[..]);
    let first = FrameCodec::<Reply, Request>::new().decode(&mut answers)?;
    let first = first.context("no answer")?.message;
    anyhow::ensure!(matches!(first, Reply::Welcome(_)), "not let in: {first:?}");
    Ok(())
}

#[test]
fn a_device_that_sends_anything_at_all_ends_nothing_but_its_own_connection() -> Result<()> {
    let scale = std::env::var("HOLDFAST_FLOOD")
        .ok()
        .and_then(|text| text.parse::<u64>().ok());
    let (mut world, [device]) = World::with_devices()?;
    let mut seeds = Vec::new();
    for entry in std::fs::read_dir(repository().join("fuzz/corpus/request"))? {
        seeds.push(std::fs::read(entry?.path())?);
    }
    seeds.sort();
    let endpoint = Endpoint {
        dial: Arc::new(TlsDial),
        address: world.address().parse()?,
        key: Arc::new(tui_client::net::ServerKey::not_kept(
            tui_client::net::Voucher::Nobody,
        )),
        certificate: Arc::new(Certificate::generate(&[])?),
    };
    let introduction = tui_client::net::Introduction {
        role: Role::Control,
        auth: Auth::Register {
            device_name: "hostile".into(),
        },
        generation: [0; 16],
        next_generation: [1; 16],
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        tui_client::net::connect::connect(&endpoint, &introduction).await?;
        let mut noise = Noise::new(1);
        for _ in 0..N_CONNECTIONS * scale.unwrap_or(1) {
            let mut bytes = Vec::new();
            for _ in 0..N_FRAMES {
                // Half of them are as a client would send them, so that what is wrong comes later, too.
                let at = usize::try_from(noise.number() % (2 * seeds.len() as u64))?;
                bytes.extend(
                    seeds
                        .get(at)
                        .cloned()
                        .unwrap_or_else(|| mutate(&mut noise, &seeds)),
                );
            }
            send(&endpoint, &bytes).await?;
        }
        anyhow::Ok(())
    })?;
    device.write("still.txt", "there")?;
    device.wait_synced()?;
    let output = world.server.output();
    assert!(!output.contains("panicked"), "{output}");
    world.server.terminate()?.ok()?;
    world.server.admin(&["verify"])?.ok()?;
    Ok(())
}

#[test]
fn logs_at_their_loudest_hold_no_secret_and_no_trick() -> Result<()> {
    let env = [("RUST_LOG", "trace"), ("NO_COLOR", "1")];
    let mut world = World::start_with(ServerOptions {
        env: env
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        ..ServerOptions::default()
    })?;
    let mut device = world.device("a")?;
    let id = device.id()?;
    device.stop()?;
    if cfg!(unix) {
        device.write("clear\u{1b}[2Jscreen\u{202e}", "x")?;
    }
    device.write("content.txt", "what a person wrote")?;
    let mut command = device.headless()?;
    let finished =
        tests::process::run("a", command.arg("--once").envs(env), Duration::from_secs(60))?.ok()?;
    assert!(
        finished.stderr.contains("TRACE"),
        "nothing was logged: {finished:?}"
    );
    let key = std::fs::read_to_string(world.server.certs().join("server.key"))?;
    let key = key.lines().nth(1).context("the key")?;
    for (whose, log) in [
        ("the client's", finished.stderr),
        ("the server's", world.server.terminate()?.stderr),
    ] {
        for secret in [
            &id,
            &id.replace('-', ""),
            &id.to_lowercase(),
            key,
            "what a person wrote",
        ] {
            assert!(!log.contains(secret), "{whose} log tells {secret}");
        }
        let trick = log
            .chars()
            .find(|character| *character == '\u{1b}' || *character == '\u{202e}');
        assert_eq!(trick, None, "{whose} log");
    }
    assert!(!finished.stdout.contains('\u{1b}'), "{}", finished.stdout);
    Ok(())
}
