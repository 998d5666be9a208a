//! `cargo crowd [--idle N] [--busy M] [--seconds S]`: a real server with many devices at once, all over TLS. It prints
//! what an idle device takes of the server's memory, and how many commits of busy ones the server answers a second,
//! beside how many flushes a second the disk can do that its store lies on, where `TMPDIR` says.

mod device;

use anyhow::{Context as _, Result, ensure};
use device::Device;
use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tests::args;
use tests::server_process::{ServerOptions, ServerProcess};
use tokio::task::JoinSet;

/// How the program is called.
const USAGE: &str = "cargo crowd [--idle N] [--busy M] [--seconds S]";
/// Devices of an account.
const DEVICES_AN_ACCOUNT: usize = 4;
/// Devices that come before memory is looked at for the first time, so that what is made once is there.
const FIRST: usize = 100;
/// Devices that come at the same time.
const COMING_AT_ONCE: usize = 32;
/// How long the disk's flushes are counted.
const FLUSHES_FOR: Duration = Duration::from_secs(2);

/// What was asked for.
struct Args {
    n_idle: u64,
    n_busy: u64,
    seconds: u64,
}

fn asked() -> Result<Args> {
    let mut args = Args {
        n_idle: 1_000,
        n_busy: 200,
        seconds: 10,
    };
    let numbers = &mut [
        ("--idle", &mut args.n_idle),
        ("--busy", &mut args.n_busy),
        ("--seconds", &mut args.seconds),
    ];
    args::read(USAGE, numbers, &mut [])?;
    Ok(args)
}

fn main() -> ExitCode {
    args::run(asked(), |args| match work(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    })
}

fn work(args: &Args) -> Result<()> {
    let home = tempfile::tempdir()?;
    let flushes = flushes_a_second(home.path())?;
    println!("the disk does {flushes:.0} flushes a second");
    let n_all = usize::try_from(args.n_idle + args.n_busy)? + FIRST;
    let options = ServerOptions {
        args: vec![
            format!("--connections={}", n_all + 16),
            format!("--registrations={n_all}"),
        ],
        ..ServerOptions::default()
    };
    let server = ServerProcess::start(home.path(), options)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        idle(&server, usize::try_from(args.n_idle)?).await?;
        busy(&server, usize::try_from(args.n_busy)?, args.seconds, flushes).await
    })
}

/// Lets devices come, and tells what they take of the server's memory while they do nothing.
async fn idle(server: &ServerProcess, n_idle: usize) -> Result<()> {
    let mut resting = JoinSet::new();
    for device in devices(server.address(), FIRST).await? {
        resting.spawn(device.rest());
    }
    let before = memory_bytes(server)?;
    let began = Instant::now();
    for device in devices(server.address(), n_idle).await? {
        resting.spawn(device.rest());
    }
    let came_in = began.elapsed();
    let after = memory_bytes(server)?;
    println!(
        "idle={n_idle} bytes_a_device={} server_bytes={after} came_a_second={:.0}",
        after.saturating_sub(before) / n_idle.max(1) as u64,
        n_idle as f64 / came_in.as_secs_f64(),
    );
    match resting.try_join_next() {
        Some(ended) => ended?.context("a device that did nothing was cut off"),
        None => Ok(()),
    }
}

/// Lets devices commit, each as soon as its last commit is answered.
async fn busy(server: &ServerProcess, n_busy: usize, seconds: u64, flushes: f64) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut working = JoinSet::new();
    for device in devices(server.address(), n_busy).await? {
        working.spawn(device.work(until));
    }
    let began = Instant::now();
    let mut waits = Vec::new();
    while let Some(worked) = working.join_next().await {
        waits.extend(worked??);
    }
    ensure!(!waits.is_empty(), "no commit was answered in this time");
    waits.sort();
    let rate = waits.len() as f64 / began.elapsed().as_secs_f64();
    let wait_ms = |share: usize| waits[(waits.len() - 1) * share / 100].as_secs_f64() * 1000.0;
    println!(
        "busy={n_busy} commits={} commits_a_second={rate:.0} commits_a_flush={:.2} median_ms={:.1} p99_ms={:.1}",
        waits.len(),
        rate / flushes,
        wait_ms(50),
        wait_ms(99),
    );
    Ok(())
}

/// Makes devices, in accounts of a few.
async fn devices(address: SocketAddr, n_devices: usize) -> Result<Vec<Device>> {
    let mut coming = JoinSet::new();
    let mut come = Vec::with_capacity(n_devices);
    for first in (0..n_devices).step_by(DEVICES_AN_ACCOUNT) {
        coming.spawn(Device::account(
            address,
            DEVICES_AN_ACCOUNT.min(n_devices - first),
        ));
        if COMING_AT_ONCE <= coming.len() * DEVICES_AN_ACCOUNT
            && let Some(came) = coming.join_next().await
        {
            come.extend(came??);
        }
    }
    while let Some(came) = coming.join_next().await {
        come.extend(came??);
    }
    Ok(come)
}

/// Returns how often a second a small write to the disk can be flushed, one after the other.
fn flushes_a_second(dir: &Path) -> Result<f64> {
    let mut file = File::create(dir.join("flushed"))?;
    let began = Instant::now();
    let mut n_flushes = 0_u32;
    while began.elapsed() < FLUSHES_FOR {
        file.write_all(&[1; 4096])?;
        file.sync_data()?;
        n_flushes += 1;
    }
    Ok(f64::from(n_flushes) / began.elapsed().as_secs_f64())
}

/// Returns what of the server is in memory.
fn memory_bytes(server: &ServerProcess) -> Result<u64> {
    let id = server.id().context("the server has ended")?;
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = resident.context("the system does not tell what is in memory")?;
    Ok(resident.trim().trim_end_matches(" kB").trim().parse::<u64>()? * 1024)
}
