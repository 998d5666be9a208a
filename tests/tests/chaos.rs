//! Three people who work at random on the real programs; see `tests::chaos`. The seed is in the name of each test; a seed
//! that finds something stays. `cargo soak` does the same for longer.

use anyhow::{Context as _, Result};
use tests::chaos;

#[test]
fn nothing_is_lost_in_the_chaos_of_seed_1() -> Result<()> {
    chaos::run(1)
}

#[test]
fn nothing_is_lost_in_the_chaos_of_seed_2() -> Result<()> {
    chaos::run(2)
}

#[test]
fn nothing_is_lost_in_the_chaos_of_seed_3() -> Result<()> {
    chaos::run(3)
}

/// It found that what is done in a directory just before the client moves it was not seen.
#[test]
fn nothing_is_lost_in_the_chaos_of_seed_21() -> Result<()> {
    chaos::run(21)
}

/// Further seeds, such as `HOLDFAST_SEEDS=10..50`, for a long search or to run one again.
#[test]
fn nothing_is_lost_in_the_chaos_of_the_seeds_that_are_asked_for() -> Result<()> {
    let Ok(asked) = std::env::var("HOLDFAST_SEEDS") else {
        return Ok(());
    };
    let (first, end) = asked.split_once("..").context("HOLDFAST_SEEDS is no range")?;
    for seed in first.parse()?..end.parse()? {
        chaos::run(seed)?;
    }
    Ok(())
}
