//! The search for seeds that fail: each is run twice, on several threads. What is found is told as a story that is as
//! short as it could be made, in the way in which a test that keeps it is written.

use crate::sim::act::{Act, Wildness};
use crate::sim::world::{Run, run, shorten, story_of};
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many runs the search for a shorter story takes at most.
const SHORTENING_RUNS_MAX: usize = 200;

/// A seed that fails.
#[derive(Debug)]
pub struct Finding {
    /// The seed.
    pub seed: u64,
    /// What was wrong.
    pub failure: String,
    /// The shortest story that was found to fail so; none when two runs of the seed differ.
    pub acts: Vec<Act>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, failure, acts } = self;
        writeln!(f, "seed {seed}: {failure}")?;
        if acts.is_empty() {
            return Ok(());
        }
        writeln!(f, "check(\n    {seed},\n    &[")?;
        for act in acts {
            writeln!(f, "        {act},")?;
        }
        write!(f, "    ],\n)")
    }
}

/// Runs a seed twice. Returns the first run, and what was wrong, with its story made shorter if `shortens`.
#[must_use]
pub fn try_seed(seed: u64, shortens: bool) -> (Run, Option<Finding>) {
    let wildness = Wildness::of(seed);
    let (first, second) = (run(seed, wildness), run(seed, wildness));
    let finding = |failure, acts| Some(Finding { seed, failure, acts });
    if first.trace != second.trace {
        let found = finding(difference(&first, &second), Vec::new());
        return (first, found);
    }
    let Some(failure) = first.failure.clone() else {
        return (first, None);
    };
    let mut acts = story_of(seed, wildness);
    if shortens {
        acts = shorten(seed, wildness, &acts, &failure, SHORTENING_RUNS_MAX);
    }
    (first, finding(failure, acts))
}

/// Says in which line the two runs of one story begin to differ.
fn difference(first: &Run, second: &Run) -> String {
    let at = first
        .told
        .iter()
        .zip(&second.told)
        .position(|(one, other)| one != other);
    let at = at.unwrap_or_else(|| first.told.len().min(second.told.len()));
    let line = |run: &Run| run.told.get(at).cloned().unwrap_or_default();
    format!("two runs differ:\n{}\n{}", line(first), line(second))
}

/// Does something with each of a number of things, on all cores, and returns what came of them, in order.
///
/// # Panics
/// When what is done panics.
pub fn on_all_cores<T: Sync, R: Send>(things: &[T], deed: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(things.len()));
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..n_threads {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some(thing) = things.get(n) else { return };
                    let came = deed(thing);
                    done.lock().expect("no thread panics with it").push((n, came));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no thread panicked with it");
    done.sort_by_key(|(n, _)| *n);
    done.into_iter().map(|(_, came)| came).collect()
}
