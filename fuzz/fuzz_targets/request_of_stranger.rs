//! Runs the target `request_of_stranger` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tests::fuzz::feed("request_of_stranger", bytes));
