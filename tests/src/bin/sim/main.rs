//! `cargo sim --seeds N [--from SEED]`: runs simulated worlds, each seed twice, on all cores, and ends with one line of
//! what came of it. A seed that fails is told, with the shortest story that was found to fail in the same world. With
//! `--first` the first one that fails is the last, and its story stays as long as it is.

use anyhow::{Context as _, Result, bail};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tests::sim::act::Wildness;
use tests::sim::world::{run, shorten, story_of};

/// How many runs the search for a shorter story takes at most.
const SHORTENING_RUNS_MAX: usize = 200;

/// What was asked for.
struct Args {
    n_seeds: u64,
    from: u64,
    tells: bool,
    ends_at_first: bool,
}

fn args() -> Result<Args> {
    let mut args = Args {
        n_seeds: 100,
        from: 0,
        tells: false,
        ends_at_first: false,
    };
    let mut given = std::env::args().skip(1);
    while let Some(arg) = given.next() {
        let mut number = || -> Result<u64> {
            let value = given.next().with_context(|| format!("{arg} needs a number"))?;
            value
                .parse()
                .with_context(|| format!("{arg}: {value} is no number"))
        };
        match arg.as_str() {
            "--seeds" => args.n_seeds = number()?,
            "--from" => args.from = number()?,
            "--tell" => args.tells = true,
            "--first" => args.ends_at_first = true,
            _ => bail!("unknown option {arg}; usage: cargo sim [--seeds N] [--from SEED] [--tell] [--first]"),
        }
    }
    Ok(args)
}

fn main() -> ExitCode {
    let args = match args() {
        Ok(args) => args,
        Err(error) => {
            eprintln!("{error:#}");
            return ExitCode::from(2);
        }
    };
    // What the parts say to their logs, if it is asked for: RUST_LOG=tui_client=debug cargo sim ...
    if std::env::var_os("RUST_LOG").is_some() {
        tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .with_writer(std::io::stderr)
            .without_time()
            .init();
    }
    let began = Instant::now();
    let next = AtomicU64::new(args.from);
    let failures = Mutex::new(Vec::new());
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..n_threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if args.from + args.n_seeds <= seed {
                        return;
                    }
                    if let Some(failure) = try_seed(seed, &args) {
                        if args.ends_at_first {
                            next.store(u64::MAX / 2, Ordering::Relaxed);
                        }
                        println!("seed {seed}: {failure}");
                        failures.lock().expect("no thread panics with it").push(seed);
                    }
                }
            });
        }
    });
    let n_failures = failures.lock().expect("no thread panics with it").len();
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    println!(
        "seeds={} failures={n_failures} rate={:.0}/min",
        args.n_seeds,
        args.n_seeds as f64 / minutes
    );
    ExitCode::from(u8::from(n_failures != 0))
}

/// Runs a seed twice; returns what was wrong.
fn try_seed(seed: u64, args: &Args) -> Option<String> {
    let wildness = Wildness::of(seed);
    let first = run(seed, wildness);
    if args.tells {
        first.told.iter().for_each(|line| println!("{line}"));
    }
    let second = run(seed, wildness);
    if first.trace != second.trace {
        let at = first.told.iter().zip(&second.told).position(|(a, b)| a != b);
        let line = |told: &[String]| at.and_then(|at| told.get(at).cloned()).unwrap_or_default();
        return Some(format!(
            "two runs differ:\n{}\n{}",
            line(&first.told),
            line(&second.told)
        ));
    }
    let failure = first.failure?;
    if args.ends_at_first {
        return Some(failure);
    }
    let acts = story_of(seed, wildness);
    let shortest = shorten(seed, wildness, &acts, &failure, SHORTENING_RUNS_MAX);
    let lines: Vec<String> = shortest.iter().map(|act| format!("  {act}")).collect();
    Some(format!("{failure}\n{}", lines.join("\n")))
}
