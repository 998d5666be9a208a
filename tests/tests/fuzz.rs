//! The fuzz targets, without a fuzzer: each takes its kept corpus and what is made of it. With `HOLDFAST_FUZZ_SECONDS`
//! that takes so long in all, and `HOLDFAST_FUZZ_SEED` makes other bytes. What goes wrong is named, and kept by copying
//! it into the corpus.

use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tests::binaries::repository;
use tests::fuzz::mutate::mutate;
use tests::fuzz::{TARGETS, Target};
use tests::noise::Noise;

/// How many inputs are made for each target when no time was given.
const N_MADE: u64 = 2000;
/// How many made inputs that were believed are changed further.
const POOL_MAX: usize = 512;

fn corpus_of(target: &Target) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let directory = repository().join("fuzz").join("corpus").join(target.name);
    let mut corpus = Vec::new();
    for entry in fs::read_dir(&directory).with_context(|| directory.display().to_string())? {
        let path = entry?.path();
        corpus.push((path.clone(), fs::read(&path)?));
    }
    corpus.sort();
    Ok(corpus)
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Feeds a target, and says what it fails with; of what it was made does not matter, as it is written down.
fn feed(target: &Target, bytes: &[u8]) -> Result<bool> {
    let fed = catch_unwind(AssertUnwindSafe(|| (target.feed)(bytes)));
    let Ok(believed) = fed else {
        let name = blake3::hash(bytes).to_hex();
        let path = std::env::temp_dir().join(format!("{}-{}", target.name, &name[..16]));
        fs::write(&path, bytes)?;
        anyhow::bail!("{} fails on {}", target.name, path.display());
    };
    Ok(believed)
}

fn attack(target: &Target, seed: u64, time: Option<Duration>) -> Result<()> {
    let begun = Instant::now();
    let mut pool: Vec<Vec<u8>> = Vec::new();
    for (path, bytes) in corpus_of(target)? {
        feed(target, &bytes).with_context(|| path.display().to_string())?;
        pool.push(bytes);
    }
    let mut n_made = 0;
    let goes_on = |n_made| match time {
        Some(time) => begun.elapsed() < time,
        None => n_made < N_MADE,
    };
    while goes_on(n_made) {
        let mut noise = Noise::new(seed ^ n_made.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let made = mutate(&mut noise, &pool);
        let begun = Instant::now();
        if feed(target, &made)? && pool.len() < POOL_MAX {
            pool.push(made);
        }
        ensure!(begun.elapsed() < Duration::from_secs(10), "{} hangs", target.name);
        n_made += 1;
    }
    println!("{}: {n_made} inputs, {} believed", target.name, pool.len());
    Ok(())
}

#[test]
fn no_decoder_fails_on_hostile_bytes() -> Result<()> {
    let seed = number("HOLDFAST_FUZZ_SEED").unwrap_or(1);
    let n_threads = std::thread::available_parallelism()?.get();
    let time = number("HOLDFAST_FUZZ_SECONDS").map(|seconds| {
        let share = Duration::from_secs(seconds) / u32::try_from(TARGETS.len()).unwrap_or(1);
        share * u32::try_from(n_threads).unwrap_or(1)
    });
    let next = AtomicUsize::new(0);
    let work = || -> Result<()> {
        while let Some(target) = TARGETS.get(next.fetch_add(1, Ordering::Relaxed)) {
            attack(target, seed, time).with_context(|| format!("seed {seed}"))?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..n_threads).map(|_| scope.spawn(work)).collect();
        let mut ended = workers.into_iter().map(std::thread::ScopedJoinHandle::join);
        ended.try_for_each(|ended| ended.expect("a worker catches panics"))
    })
}

#[test]
fn the_honest_part_of_the_corpus_is_believed() -> Result<()> {
    for target in TARGETS {
        let corpus = corpus_of(&target)?;
        let believed = corpus.iter().filter(|(_, bytes)| (target.feed)(bytes)).count();
        assert!(0 < believed, "{}: nothing honest to begin with", target.name);
        for (path, bytes) in corpus {
            let is_honest = path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("ok-"));
            assert!(
                !is_honest || (target.feed)(&bytes),
                "{} is not believed",
                path.display()
            );
        }
    }
    Ok(())
}

#[test]
fn each_target_has_its_program_and_its_corpus() -> Result<()> {
    let root = repository().join("fuzz");
    let names_in = |directory: &str| -> Result<BTreeSet<String>> {
        let entries = fs::read_dir(root.join(directory))?;
        let names = entries.map(|entry| {
            Ok(entry?
                .path()
                .file_stem()
                .map(|stem| stem.to_string_lossy().into_owned()))
        });
        Ok(names.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    };
    let names: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(names_in("fuzz_targets")?, names);
    assert_eq!(names_in("corpus")?, names);
    let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
    for name in names {
        assert!(
            manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")),
            "{name}"
        );
        let program = fs::read_to_string(root.join("fuzz_targets").join(format!("{name}.rs")))?;
        assert!(
            program.contains(&format!("tests::fuzz::feed(\"{name}\", bytes)")),
            "{name}"
        );
    }
    Ok(())
}
