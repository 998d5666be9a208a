//! The page about reliability tells of tests that exist, and of every invariant.

use super::{nothing_breaks, texts};
use anyhow::{Context as _, Result};
use std::collections::BTreeSet;

/// The page.
const PAGE: &str = "docs/reliability.md";
/// How many invariants there are.
const N_INVARIANTS: usize = 30;
/// A name of so many words in the page is that of a test.
const TEST_WORDS_MIN: usize = 4;

#[test]
fn the_page_about_reliability_tells_of_every_invariant_and_of_tests_that_exist() -> Result<()> {
    let texts = texts()?;
    let page = texts
        .iter()
        .find(|text| text.path == PAGE)
        .context("the page is gone")?;
    let sources = texts.iter().filter(|text| text.is_source());
    let functions: BTreeSet<&str> = sources
        .flat_map(|text| text.content.lines())
        .filter_map(|line| line.split_once("fn ")?.1.split('(').next())
        .collect();
    let is_test = |name: &str| {
        TEST_WORDS_MIN <= name.split('_').count()
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let mut missing: Vec<String> = Vec::new();
    let named = |text: &str| -> Vec<String> {
        let parts = text.split('`').skip(1).step_by(2);
        parts.filter(|name| is_test(name)).map(str::to_owned).collect()
    };
    for name in named(&page.content) {
        if !functions.contains(name.as_str()) {
            missing.push(format!("there is no test {name}"));
        }
    }
    for number in 1..=N_INVARIANTS {
        let row = page
            .content
            .lines()
            .find(|line| line.starts_with(&format!("| I{number} |")));
        if row.is_none_or(|row| named(row).is_empty()) {
            missing.push(format!("no test shows I{number}"));
        }
    }
    nothing_breaks("each invariant is shown by tests that exist", &missing);
    Ok(())
}
