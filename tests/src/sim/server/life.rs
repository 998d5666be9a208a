//! One process of a simulated server, from its start to its end. Each of its effects on the disk asks it first: when
//! the process has ended there are no more, and in the one in which it ends, chance says how far that came.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

use crate::noise::Noise;

/// See the module's page.
#[derive(Debug)]
pub(super) struct Life {
    course: Mutex<Course>,
    over: CancellationToken,
}

#[derive(Debug)]
struct Course {
    n_effects: u64,
    /// The effect in which it ends.
    last: u64,
    dice: Noise,
}

/// How far an effect comes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Extent {
    /// It is done.
    Whole,
    /// The process ends in it; how far it came, the number says.
    Part(u64),
}

impl Life {
    /// Begins; how an effect is broken off comes from the seed.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            course: Mutex::new(Course {
                n_effects: 0,
                last: u64::MAX,
                dice: Noise::new(seed),
            }),
            over: CancellationToken::new(),
        }
    }

    /// Ends it in a later effect; the next is number 1.
    pub(super) fn end_at(&self, effect: u64) {
        let mut course = self.lock();
        course.last = course.n_effects.saturating_add(effect);
    }

    /// Ends it.
    pub(super) fn end(&self) {
        self.over.cancel();
    }

    /// Tells whether it goes on.
    pub(super) fn is_on(&self) -> bool {
        !self.over.is_cancelled()
    }

    /// Waits for its end.
    pub(super) async fn ended(&self) {
        self.over.cancelled().await;
    }

    /// Returns how many effects there were.
    pub(super) fn n_effects(&self) -> u64 {
        self.lock().n_effects
    }

    /// Fails when it has ended.
    pub(super) fn go_on(&self) -> io::Result<()> {
        if self.is_on() { Ok(()) } else { Err(gone()) }
    }

    /// Has an effect.
    pub(super) fn effect<T>(&self, perform: impl FnOnce(Extent) -> io::Result<T>) -> io::Result<T> {
        self.go_on()?;
        let extent = {
            let mut course = self.lock();
            course.n_effects += 1;
            let is_last = course.last <= course.n_effects;
            is_last.then(|| match course.dice.number() {
                number if number % 2 == 0 => Extent::Whole,
                number => Extent::Part(number / 2),
            })
        };
        let Some(extent) = extent else {
            return perform(Extent::Whole);
        };
        // Nobody is left to be told.
        let _ = perform(extent);
        self.end();
        Err(gone())
    }

    fn lock(&self) -> MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn gone() -> io::Error {
    io::Error::other("the process has ended")
}
