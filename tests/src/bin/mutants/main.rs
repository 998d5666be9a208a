//! `cargo mutants-check [--heart] [--part K/N] [--all] [--seeds N] [BUG]...`: plants one bug after the other, and looks
//! which check finds it. Each check has to pass without a bug first; a bug that no check finds is a gap in the tests.
//!
//! A bug's own check comes first, then the others, the quickest first. `--all` runs all of them, to see how many find it.
//! `--heart` builds nothing but the heart and plants only its bugs, which takes seconds.

mod check;
mod home;

use anyhow::{Context as _, Result, bail};
use check::{Check, Found};
use home::home;
use std::process::ExitCode;
use std::time::Duration;
use sync_engine::Bug;

/// No check takes longer than this without a bug, on any machine.
const TIME_MAX: Duration = Duration::from_secs(3600);
/// With a bug a check may take so many times what it takes without one on the same machine: what is made small takes its
/// time, and the machine may have other things to do by now. Only a bug by which something does not end takes as long.
const TIMES: u32 = 10;
/// So much more it may take, however short it is.
const GRACE: Duration = Duration::from_secs(60);

/// What was asked for.
struct Args {
    bugs: Vec<Bug>,
    is_heart_only: bool,
    runs_all: bool,
    n_seeds: u64,
}

const USAGE: &str = "usage: cargo mutants-check [--heart] [--part K/N] [--all] [--seeds N] [BUG]...";

fn args() -> Result<Args> {
    let (mut bugs, mut part) = (Vec::new(), (0, 1));
    let (mut is_heart_only, mut runs_all, mut n_seeds) = (false, false, 30);
    let mut given = std::env::args().skip(1);
    while let Some(arg) = given.next() {
        match arg.as_str() {
            "--heart" => is_heart_only = true,
            "--all" => runs_all = true,
            "--seeds" => n_seeds = given.next().context(USAGE)?.parse()?,
            "--part" => {
                let both = given.next().context(USAGE)?;
                let (k, n) = both.split_once('/').context(USAGE)?;
                part = (k.parse::<usize>()?, n.parse::<usize>()?.max(1));
            }
            name => match Bug::ALL.iter().find(|bug| bug.name() == name) {
                Some(bug) => bugs.push(*bug),
                None => bail!("there is no bug {name}; {USAGE}"),
            },
        }
    }
    if bugs.is_empty() {
        bugs = Bug::ALL.to_vec();
    }
    bugs.retain(|bug| !is_heart_only || home(*bug) == check::HEART);
    let (k, n) = part;
    let bugs = bugs.into_iter().enumerate().filter(|(at, _)| at % n == k % n);
    Ok(Args {
        bugs: bugs.map(|(_, bug)| bug).collect(),
        is_heart_only,
        runs_all,
        n_seeds,
    })
}

fn main() -> ExitCode {
    match args().and_then(|args| run(&args)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}

/// Plants the bugs; tells whether all were found.
fn run(args: &Args) -> Result<bool> {
    let mut checks: Vec<(Check, Duration)> = Vec::new();
    for check in check::build(args.is_heart_only, args.n_seeds)? {
        match check.run(None, TIME_MAX)? {
            Found::Nothing(took) => checks.push((check, took)),
            Found::Bug(what, _) => bail!("{} fails without a bug: {what}", check.name),
        }
    }
    checks.sort_by_key(|(_, took)| *took);
    let mut missed = Vec::new();
    for &bug in &args.bugs {
        let own = |(check, _): &&(Check, Duration)| check.name == home(bug);
        let first = checks.iter().filter(own);
        let others = checks.iter().filter(|one| !own(one));
        let mut finders = Vec::new();
        for (check, usual) in first.chain(others) {
            if let Found::Bug(what, took) = check.run(Some(bug), *usual * TIMES + GRACE)? {
                finders.push(format!("{} ({what}; {:.1} s)", check.name, took.as_secs_f64()));
                if !args.runs_all {
                    break;
                }
            }
        }
        if finders.is_empty() {
            missed.push(bug.name());
            finders.push(format!("NOT FOUND; {}", bug.what()));
        }
        println!("{}: {}", bug.name(), finders.join(", "));
    }
    println!("bugs={} missed={}", args.bugs.len(), missed.join(","));
    Ok(missed.is_empty())
}
