//! The simulation: real parts of Holdfast in one thread, on disks, clocks and connections that are made up. The same
//! seed gives the same run.

pub mod server;
