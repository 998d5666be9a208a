//! What is let in, and what is not let out: where dependencies come from, and what secrets cannot do.

use super::nothing_breaks;
use anyhow::{Context as _, Result};
use std::fs;
use tests::binaries::repository;

#[test]
fn every_dependency_comes_from_the_registry_and_is_known_by_its_hash() -> Result<()> {
    let mut strange = Vec::new();
    for lock in ["Cargo.lock", "fuzz/Cargo.lock"] {
        let lock = fs::read_to_string(repository().join(lock))?;
        let ours = ["sync-engine", "common", "server", "tui-client", "tests", "fuzz"];
        for package in lock.split("[[package]]").skip(1) {
            let field = |name: &str| {
                let begin = format!("{name} = \"");
                let value = package.lines().find_map(|line| line.strip_prefix(&begin));
                value.map(|value| value.trim_end_matches('"'))
            };
            let name = field("name").context("a package without a name")?;
            let from_registry =
                field("source") == Some("registry+https://github.com/rust-lang/crates.io-index");
            let is_known = field("checksum").is_some_and(|sum| sum.len() == 64);
            let is_guest = from_registry && is_known;
            if !is_guest && !ours.contains(&name) {
                strange.push(name.to_owned());
            }
        }
    }
    nothing_breaks("a dependency from elsewhere", &strange);
    Ok(())
}

#[test]
fn a_secret_is_compared_in_constant_time_and_wiped() -> Result<()> {
    let source = fs::read_to_string(repository().join("common/src/identity.rs"))?;
    let (before, after) = source.split_once("pub struct AccountId").context("the ID")?;
    let derived = before.rsplit("#[derive(").next().unwrap_or_default();
    for word in ["Debug", "PartialEq", "Hash", "Ord", "Copy"] {
        assert!(!derived.contains(word), "an ID derives {word}");
    }
    assert!(!after.contains("Display for AccountId"), "an ID can be shown");
    let body = |begin: &str| {
        after
            .split_once(begin)
            .and_then(|(_, rest)| rest.split("\n}\n").next())
    };
    let compared = body("impl PartialEq for AccountId").context("how IDs are compared")?;
    assert!(compared.contains("ct_eq"), "{compared}");
    let dropped = body("impl Drop for AccountId").context("how IDs end")?;
    assert!(dropped.contains("zeroize()"), "{dropped}");
    Ok(())
}
