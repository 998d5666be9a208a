//! Simulated worlds: seeds, of which a failing one is told as a short story, and one scenario with a crash at many moments.
//! `cargo sim` does the same for longer.

use anyhow::{Context as _, Result};
use std::ops::Range;
use tests::sim::search::{on_all_cores, try_seed};
use tests::sim::world::sweep::sweep;

/// The seeds that are tried if no others are asked for.
const SEEDS: Range<u64> = 0..200;
/// At every so manieth moment a crash is tried if nothing else is asked for.
const STRIDE: usize = 13;

/// Other seeds are asked for by `HOLDFAST_SIM_SEEDS=100..400`.
#[test]
fn nothing_is_lost_in_simulated_worlds() -> Result<()> {
    let seeds = match std::env::var("HOLDFAST_SIM_SEEDS") {
        Err(_) => SEEDS,
        Ok(asked) => {
            let (first, end) = asked.split_once("..").context("HOLDFAST_SIM_SEEDS is no range")?;
            first.parse()?..end.parse()?
        }
    };
    let seeds: Vec<u64> = seeds.collect();
    let findings = on_all_cores(&seeds, |seed| {
        try_seed(*seed, true).1.map(|found| found.to_string())
    });
    let findings: Vec<String> = findings.into_iter().flatten().collect();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
    Ok(())
}

/// Every moment is asked for by `HOLDFAST_SWEEP_STRIDE=1`.
#[test]
fn a_crash_at_any_moment_of_a_scenario_loses_nothing() -> Result<()> {
    let stride = match std::env::var("HOLDFAST_SWEEP_STRIDE") {
        Err(_) => STRIDE,
        Ok(asked) => asked.parse().context("HOLDFAST_SWEEP_STRIDE is no number")?,
    };
    let swept = sweep(0, stride)?;
    let failures: Vec<String> = swept
        .failures
        .iter()
        .map(|(moment, failure)| format!("{moment}: {failure}"))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}
