//! Runs the target `pack_header` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tests::fuzz::feed("pack_header", bytes));
