//! The end-to-end tests: real servers and clients over TLS on this computer, and the rules of the repository. One
//! binary, so that the programs are built once.

mod chaos;
mod clocks;
mod conflicts;
mod contents;
mod damage;
mod directories;
mod disk;
mod doctor;
mod editors;
mod edits;
mod full;
mod fuzz;
mod harness;
mod history;
mod hostile;
mod joining;
mod live;
mod names;
mod pair;
mod places;
mod power;
mod rogue;
mod rot;
mod rotation;
mod rules;
mod safety;
mod screen;
mod simulation;
mod stamps;
mod store;
mod support;
mod transfers;
mod trust;
mod unreadable;
mod vouching;
