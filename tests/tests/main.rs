//! The end-to-end tests: real servers and clients over TLS on this computer, and the rules of the repository. One
//! binary, so that the programs are built once.

mod chaos;
mod conflicts;
mod contents;
mod damage;
mod directories;
mod disk;
mod edits;
mod fuzz;
mod harness;
mod history;
mod joining;
mod live;
mod names;
mod places;
mod rules;
mod safety;
mod screen;
mod simulation;
mod stamps;
mod store;
mod support;
mod transfers;
mod trust;
