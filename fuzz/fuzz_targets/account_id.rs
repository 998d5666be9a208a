//! Runs the target `account_id` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tests::fuzz::feed("account_id", bytes));
