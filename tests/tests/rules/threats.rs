//! The page on security is true: each threat has a test, and each test that it names exists.

use super::{nothing_breaks, texts};
use anyhow::Result;
use std::collections::BTreeSet;
use std::fs;
use tests::binaries::repository;

/// The number of the last threat.
const THREAT_MAX: usize = 39;

#[test]
fn every_threat_has_a_test_that_exists() -> Result<()> {
    let page = fs::read_to_string(repository().join("docs").join("security.md"))?;
    let texts = texts()?;
    let functions: BTreeSet<&str> = texts
        .iter()
        .filter(|text| text.path.ends_with(".rs"))
        .flat_map(|text| text.content.lines())
        .filter_map(|line| line.trim().split_once("fn ")?.1.split('(').next())
        .collect();
    let mut wrong = Vec::new();
    for number in 1..=THREAT_MAX {
        let begin = format!("| S{number} |");
        let row = page
            .lines()
            .find(|line| line.starts_with(&begin))
            .unwrap_or_default();
        let last = row
            .trim_end_matches(" |")
            .rsplit(" | ")
            .next()
            .unwrap_or_default();
        let tests: Vec<&str> = last.split('`').skip(1).step_by(2).collect();
        if tests.is_empty() {
            wrong.push(format!("S{number} has no test"));
        }
        let missing = tests.iter().filter(|test| !functions.contains(**test));
        wrong.extend(missing.map(|test| format!("S{number}: there is no {test}")));
    }
    nothing_breaks("docs/security.md", &wrong);
    Ok(())
}
