//! The simulation: computers whose disks, networks, clocks and random numbers are made of memory and a seed, so that
//! one seed gives one run.

pub mod disk;
