//! `cargo soak [--minutes M] [--from SEED]`: the random soak. The real programs run seed after seed for so long, three
//! devices and a server that come and go while people work; every content is accounted for, and the server's store is
//! verified. It prints each seed, and ends with one line of what came of it.

use anyhow::Result;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tests::{args, chaos};

/// How the program is called.
const USAGE: &str = "cargo soak [--minutes M] [--from SEED]";

/// What was asked for.
struct Args {
    minutes: u64,
    from: u64,
}

fn asked() -> Result<Args> {
    let mut args = Args { minutes: 20, from: 1 };
    args::read(
        USAGE,
        &mut [("--minutes", &mut args.minutes), ("--from", &mut args.from)],
        &mut [],
    )?;
    Ok(args)
}

fn main() -> ExitCode {
    args::run(asked(), |args| work(&args))
}

fn work(args: &Args) -> ExitCode {
    let began = Instant::now();
    let (mut n_seeds, mut n_failures) = (0, 0);
    while n_seeds == 0 || began.elapsed() < Duration::from_secs(60 * args.minutes) {
        let seed = args.from + n_seeds;
        n_seeds += 1;
        match chaos::run(seed) {
            Ok(()) => println!("seed {seed}: nothing is lost"),
            Err(error) => {
                n_failures += 1;
                println!("seed {seed}: {error:#}");
            }
        }
    }
    println!(
        "soak from={} seeds={n_seeds} failures={n_failures} minutes={:.1}",
        args.from,
        began.elapsed().as_secs_f64() / 60.0
    );
    ExitCode::from(u8::from(n_failures != 0))
}
