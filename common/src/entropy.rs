//! Random numbers: for ids, keys and secrets. They come from the system and from nowhere else. A simulation has to
//! repeat itself exactly, so with the feature `simulation`, which no released program is built with, one thread may
//! draw them from a seed instead.

pub use getrandom::Error;

/// Fills bytes with random numbers.
///
/// # Errors
/// When the system has none to give.
pub fn fill(bytes: &mut [u8]) -> Result<(), Error> {
    #[cfg(feature = "simulation")]
    if simulated::fill(bytes) {
        return Ok(());
    }
    getrandom::fill(bytes)
}

#[cfg(feature = "simulation")]
pub use simulated::{Simulated, simulate};

#[cfg(feature = "simulation")]
pub(crate) use simulated::is_on;

#[cfg(feature = "simulation")]
mod simulated {
    use std::cell::RefCell;
    use std::marker::PhantomData;

    thread_local! {
        static SOURCE: RefCell<Option<blake3::OutputReader>> = const { RefCell::new(None) };
    }

    /// While it lives, its thread's random numbers come from a seed. It stays on its thread.
    #[derive(Debug)]
    pub struct Simulated(PhantomData<*const ()>);

    /// Draws this thread's random numbers from a seed.
    #[must_use]
    pub fn simulate(seed: u64) -> Simulated {
        let source = blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof();
        SOURCE.set(Some(source));
        Simulated(PhantomData)
    }

    impl Drop for Simulated {
        fn drop(&mut self) {
            SOURCE.set(None);
        }
    }

    /// Tells whether this thread is simulated.
    pub(crate) fn is_on() -> bool {
        SOURCE.with_borrow(Option::is_some)
    }

    /// Fills bytes if this thread is simulated.
    pub(super) fn fill(bytes: &mut [u8]) -> bool {
        SOURCE.with_borrow_mut(|source| source.as_mut().map(|source| source.fill(bytes)).is_some())
    }
}

#[cfg(all(test, feature = "simulation"))]
mod tests {
    use super::*;

    fn draw() -> [u8; 16] {
        let mut bytes = [0; 16];
        fill(&mut bytes).expect("random numbers");
        bytes
    }

    #[test]
    fn a_seed_repeats_itself_until_the_simulation_ends() {
        let (first, second) = {
            let _simulated = simulate(7);
            (draw(), draw())
        };
        assert_ne!(first, second);
        assert_ne!(draw(), first);
        let _simulated = simulate(7);
        assert_eq!((draw(), draw()), (first, second));
    }
}
