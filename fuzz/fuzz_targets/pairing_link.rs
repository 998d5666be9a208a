//! Runs the target `pairing_link` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tests::fuzz::feed("pairing_link", bytes));
