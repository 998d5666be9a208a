//! By which a copy of a device's state is told from a server that was put back. At each connection a device begins a
//! generation, a random number; the server keeps the one that it began last, and the one that it confirmed by that. Who
//! presents neither is a copy of the device, or was put back to an older state, unless it has itself begun what the server
//! keeps: then it is the server that was put back, and the device goes on from there.
//!
//! Law: whatever stores are put back and whatever answers are lost, a device of whose state there is no copy is admitted,
//! and stays the device that it is; but for a store that was copied while the answer to the device's last hello was lost,
//! and is put back after another one was: what it keeps as begun the device never heard of, and it joins as a new one. Of
//! two copies of one state, of which one has gone on, the other is not admitted by any store that knows of that.

use crate::Hash;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// A random number that a device makes for each connection; zeros before the first.
pub type Generation = [u8; 16];

/// So many of those that a device has begun are remembered. A backup that is older than that makes it another device.
pub const GENERATIONS_MAX: usize = 4096;

/// What a server keeps of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// The generation that the device has confirmed.
    pub confirmed: Generation,
    /// The one that it was told to begin, and has not confirmed yet.
    pub begun: Generation,
}

impl Kept {
    /// Returns what is kept once a device is admitted that presents one generation and begins another; nothing if it is
    /// not admitted.
    #[must_use]
    pub fn admit(self, presented: &Generation, next: Generation) -> Option<Self> {
        (*presented == self.confirmed || *presented == self.begun).then_some(Self {
            confirmed: *presented,
            begun: next,
        })
    }
}

/// The generations that a device has begun, as far as it knows that the server has heard of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Generations(VecDeque<Generation>);

impl Generations {
    /// Puts them together out of bytes that were kept, the oldest first.
    #[must_use]
    pub fn restore(bytes: &[u8]) -> Self {
        Self(bytes.as_chunks().0.iter().copied().collect())
    }

    /// Returns them as bytes, the oldest first.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flatten().copied().collect()
    }

    /// Enters the one that was begun last.
    pub fn enter(&mut self, generation: Generation) {
        if self.0.back() != Some(&generation) && generation != Generation::default() {
            self.0.push_back(generation);
        }
        let n_too_many = self.0.len().saturating_sub(GENERATIONS_MAX);
        self.0.drain(..n_too_many);
    }

    /// Returns the generation that has this name, if this device has begun it.
    #[must_use]
    pub fn begun(&self, name: &Hash) -> Option<Generation> {
        let begun = self.0.iter().rev();
        begun.copied().find(|generation| name_of(generation) == *name)
    }
}

/// Names a generation to one who has begun it, without telling it to anybody else.
#[must_use]
pub fn name_of(generation: &Generation) -> Hash {
    let mut hasher = blake3::Hasher::new_derive_key("holdfast 2026 generation");
    hasher.update(generation);
    Hash(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A device's state, as it can be copied.
    #[derive(Debug, Clone, Default)]
    struct State {
        generation: Generation,
        begun: Generations,
        /// What it begins until an answer comes.
        next: Generation,
    }

    /// The world: a server's row, and random numbers.
    struct World {
        kept: Kept,
        n_random: u128,
    }

    impl World {
        fn new() -> (Self, State) {
            let mut world = Self {
                kept: Kept {
                    confirmed: Generation::default(),
                    begun: Generation::default(),
                },
                n_random: 0,
            };
            let mut state = State::default();
            assert!(world.call(&mut state, true));
            (world, state)
        }

        /// A device connects, as the programs do; tells whether it is admitted as the one that it is.
        fn call(&mut self, state: &mut State, is_heard: bool) -> bool {
            if state.next == Generation::default() {
                self.n_random += 1;
                state.next = self.n_random.to_le_bytes();
            }
            let kept = self.kept.admit(&state.generation, state.next).or_else(|| {
                state.generation = state.begun.begun(&name_of(&self.kept.begun))?;
                self.kept.admit(&state.generation, state.next)
            });
            let Some(kept) = kept else { return false };
            self.kept = kept;
            if is_heard {
                state.generation = core::mem::take(&mut state.next);
                state.begun.enter(state.generation);
            }
            true
        }
    }

    proptest! {
        #[test]
        fn whatever_is_put_back_a_device_of_which_there_is_no_copy_stays_what_it_is(
            acts in prop::collection::vec((0_u8..6, any::<prop::sample::Index>()), 1..200),
        ) {
            let (mut world, mut state) = World::new();
            let mut backups = Vec::from([world.kept]);
            for (act, which) in acts {
                match act {
                    0 if state.next == Generation::default() => backups.push(world.kept),
                    0 => (),
                    1 => world.kept = *which.get(&backups),
                    _ => prop_assert!(world.call(&mut state, act != 2)),
                }
            }
        }

        #[test]
        fn of_two_copies_only_the_one_that_went_on_is_admitted_also_after_a_put_back(
            n_before in 0_usize..5, n_since in 2_usize..5, at in any::<prop::sample::Index>(), is_put_back: bool,
        ) {
            let (mut world, mut one) = World::new();
            let mut backups = Vec::from([world.kept]);
            for _ in 0..n_before {
                world.call(&mut one, true);
                backups.push(world.kept);
            }
            let mut other = one.clone();
            if is_put_back {
                // Nobody knows any more which of them was there first.
                world.call(&mut one, true);
                world.kept = *at.get(&backups);
            }
            for _ in 0..n_since {
                prop_assert!(world.call(&mut one, true));
            }
            prop_assert!(!world.call(&mut other, true));
            prop_assert!(world.call(&mut one, true));
        }
    }

    #[test]
    fn a_state_that_was_put_back_is_taken_for_a_copy() {
        let (mut world, mut state) = World::new();
        let mut before = state.clone();
        assert!(world.call(&mut state, true) && world.call(&mut state, true));
        assert!(!world.call(&mut before, true));
    }

    #[test]
    fn the_newest_are_kept_and_come_back_out_of_bytes() {
        let mut begun = Generations::default();
        for n in 0..=GENERATIONS_MAX as u128 + 1 {
            begun.enter(n.to_le_bytes());
            begun.enter(n.to_le_bytes());
        }
        let of = |n: u128| begun.begun(&name_of(&n.to_le_bytes()));
        assert_eq!((of(0), of(1)), (None, None));
        assert_eq!(of(2), Some(2_u128.to_le_bytes()));
        assert_eq!(begun.to_bytes().len(), 16 * GENERATIONS_MAX);
        assert_eq!(Generations::restore(&begun.to_bytes()), begun);
    }
}
