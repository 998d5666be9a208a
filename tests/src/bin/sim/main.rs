//! `cargo sim [--seeds N] [--from SEED]`: runs simulated worlds, each seed twice, on all cores, and ends with one line of
//! what came of it. A seed that fails is told, with the shortest story that was found to fail in the same world. With
//! `--first` the first one that fails is the last, and its story stays as long as it is.
//!
//! `cargo sim --sweep [--from SEED] [--stride N]`: plays one scenario in the world of a seed with a crash at every moment,
//! or at every so manieth, and ends with one line too.

use anyhow::Result;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};
use tests::args;
use tests::sim::search::{on_all_cores, try_seed};
use tests::sim::world::sweep::sweep;

/// How the program is called.
const USAGE: &str =
    "cargo sim [--seeds N] [--from SEED] [--tell] [--first] | --sweep [--from SEED] [--stride N]";

/// A seed, with the shortening of its story, takes no longer than this by far.
const PATIENCE: Duration = Duration::from_secs(600);

/// Each time that so many seeds are done, it is said on the error stream how far the search is.
const PROGRESS_EVERY: u64 = 1000;

/// What was asked for.
struct Args {
    n_seeds: u64,
    from: u64,
    tells: bool,
    ends_at_first: bool,
    sweeps: bool,
    stride: u64,
}

fn asked() -> Result<Args> {
    let mut args = Args {
        n_seeds: 100,
        from: 0,
        tells: false,
        ends_at_first: false,
        sweeps: false,
        stride: 1,
    };
    args::read(
        USAGE,
        &mut [
            ("--seeds", &mut args.n_seeds),
            ("--from", &mut args.from),
            ("--stride", &mut args.stride),
        ],
        &mut [
            ("--tell", &mut args.tells),
            ("--first", &mut args.ends_at_first),
            ("--sweep", &mut args.sweeps),
        ],
    )?;
    Ok(args)
}

fn main() -> ExitCode {
    args::run(asked(), |args| work(&args))
}

fn work(args: &Args) -> ExitCode {
    // What the parts say to their logs, if it is asked for: RUST_LOG=tui_client=debug cargo sim ...
    if std::env::var_os("RUST_LOG").is_some() {
        tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .with_writer(std::io::stderr)
            .without_time()
            .init();
    }
    let n_failures = match args.sweeps {
        true => try_moments(args),
        false => try_seeds(args),
    };
    ExitCode::from(u8::from(n_failures != 0))
}

/// Runs seeds; returns how many fail.
fn try_seeds(args: &Args) -> usize {
    let began = Instant::now();
    let seeds: Vec<u64> = (args.from..args.from + args.n_seeds).collect();
    let (is_over, n_done) = (AtomicBool::new(false), AtomicU64::new(0));
    let fails = on_all_cores(&seeds, |seed| {
        if is_over.load(Ordering::Relaxed) {
            return false;
        }
        let (run, finding) = watched(*seed, || try_seed(*seed, !args.ends_at_first));
        if args.tells {
            run.told.iter().for_each(|line| println!("{line}"));
        }
        if let Some(finding) = &finding {
            println!("{finding}");
        }
        is_over.fetch_or(args.ends_at_first && finding.is_some(), Ordering::Relaxed);
        let n = n_done.fetch_add(1, Ordering::Relaxed) + 1;
        if n.is_multiple_of(PROGRESS_EVERY) {
            let rate = n as f64 * 60.0 / began.elapsed().as_secs_f64();
            eprintln!("{n} of {} seeds, {rate:.0}/min", args.n_seeds);
        }
        finding.is_some()
    });
    let n_failures = fails.into_iter().filter(|fails| *fails).count();
    println!(
        "seeds={} failures={n_failures} rate={:.0}/min",
        args.n_seeds,
        args.n_seeds as f64 * 60.0 / began.elapsed().as_secs_f64()
    );
    n_failures
}

/// Does something with a seed. When that takes too long, it says so and ends the program: it would for ever.
fn watched<T>(seed: u64, deed: impl FnOnce() -> T) -> T {
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    let watcher = std::thread::spawn(move || {
        if is_done.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            println!("seed {seed}: does not end within {} s", PATIENCE.as_secs());
            std::process::exit(1);
        }
    });
    let done_with = deed();
    drop(done);
    let _ = watcher.join();
    done_with
}

/// Plays the scenario with crashes; returns how many fail, the run without a crash included.
fn try_moments(args: &Args) -> usize {
    let began = Instant::now();
    let swept = match sweep(args.from, usize::try_from(args.stride).unwrap_or(usize::MAX)) {
        Ok(swept) => swept,
        Err(error) => {
            println!("{error:#}");
            return 1;
        }
    };
    for (moment, failure) in &swept.failures {
        println!("{moment}: {failure}");
    }
    let counts: Vec<String> = swept
        .counts
        .iter()
        .map(|(effects, n_effects)| format!("{effects:?}={n_effects}"))
        .collect();
    println!(
        "sweep seed={} {} moments={} failures={} rate={:.0}/min",
        args.from,
        counts.join(" "),
        swept.n_moments,
        swept.failures.len(),
        swept.n_moments as f64 * 60.0 / began.elapsed().as_secs_f64()
    );
    swept.failures.len()
}
