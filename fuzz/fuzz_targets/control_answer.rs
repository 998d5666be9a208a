//! Runs the target `control_answer` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tests::fuzz::feed("control_answer", bytes));
