//! Runs the target `reply_of_stranger` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tests::fuzz::feed("reply_of_stranger", bytes));
