//! The rules of the repository, checked like everything else. A rule that is in the way is changed here, with a reason,
//! and not passed over.

mod guests;
mod invariants;
mod links;
mod threats;

use anyhow::{Context as _, Result};
use std::fs;
use std::path::{Path, PathBuf};
use tests::binaries::repository;

/// The longest source file, in lines.
const FILE_LEN_MAX: usize = 500;
/// The longest function, in lines.
const FUNCTION_LEN_MAX: usize = 70;
/// All that the heart may stand on, tests excepted: each of these builds without `std`.
const HEART_DEPENDENCIES: [&str; 4] = ["blake3", "serde", "thiserror", "unicode-normalization"];

/// A text file of the repository.
pub(crate) struct Text {
    /// Its path from the root of the repository, with `/` between the names.
    pub(crate) path: String,
    pub(crate) content: String,
}

impl Text {
    fn is_source(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Tells whether it only tests. A table of cases may be long there.
    fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }

    /// Returns the lines that are no comment, with their numbers.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.content.lines().enumerate();
        lines
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
            .map(|(at, line)| (at + 1, line))
    }
}

/// Returns all text files that belong to the repository.
pub(crate) fn texts() -> Result<Vec<Text>> {
    let root = repository();
    let mut texts = Vec::new();
    let mut dirs = vec![PathBuf::new()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(root.join(&dir))? {
            let entry = entry?;
            let path = dir.join(entry.file_name());
            if is_left_out(&path) {
                continue;
            }
            if entry.file_type()?.is_dir() {
                dirs.push(path);
            } else if let Ok(content) = fs::read_to_string(entry.path()) {
                let names: Vec<_> = path.iter().map(|name| name.to_string_lossy()).collect();
                texts.push(Text {
                    path: names.join("/"),
                    content,
                });
            }
        }
    }
    texts.sort_by(|left, right| left.path.cmp(&right.path));
    assert!(
        texts.iter().any(|text| text.path == "Cargo.toml"),
        "this is not the repository"
    );
    Ok(texts)
}

/// Tells what git leaves out too: what is built, and keys. What is hostile on purpose follows no rule.
fn is_left_out(path: &Path) -> bool {
    let first = path.iter().next().unwrap_or_default().to_string_lossy();
    first == ".git"
        || first.starts_with("target")
        || ["target", "artifacts", "coverage", "corpus"]
            .iter()
            .any(|name| path == Path::new("fuzz").join(name))
        || (path.parent() == Some(Path::new("certs")) && !path.ends_with("README.md"))
}

/// Fails with all breaches of a rule.
pub(crate) fn nothing_breaks(rule: &str, breaches: &[String]) {
    assert!(breaches.is_empty(), "{rule}:\n{}", breaches.join("\n"));
}

/// Returns the places where code of some sources says one of these words.
fn places_of(words: &[&str], is_meant: impl Fn(&Text) -> bool) -> Result<Vec<String>> {
    let mut places = Vec::new();
    for text in texts()?.iter().filter(|text| text.is_source() && is_meant(text)) {
        let said = text
            .code()
            .filter(|(_, line)| words.iter().any(|word| line.contains(word)));
        places.extend(said.map(|(number, line)| format!("{}:{number}: {}", text.path, line.trim())));
    }
    Ok(places)
}

#[test]
fn no_source_file_is_longer_than_500_lines() -> Result<()> {
    let texts = texts()?;
    let long = texts
        .iter()
        .filter(|text| text.is_source() && FILE_LEN_MAX < text.content.lines().count());
    nothing_breaks(
        "too long",
        &long.map(|text| text.path.clone()).collect::<Vec<_>>(),
    );
    Ok(())
}

#[test]
fn no_function_is_longer_than_70_lines() -> Result<()> {
    let mut long = Vec::new();
    for text in texts()?.iter().filter(|text| text.is_source() && !text.is_test()) {
        let mut begun: Option<(usize, String, &str)> = None;
        for (number, line) in text.content.lines().enumerate() {
            let indent = &line[..line.len() - line.trim_start().len()];
            let is_function = begins_function(line.trim_start());
            if is_function && begun.is_none() && !line.ends_with('}') && !line.ends_with(';') {
                begun = Some((number, format!("{indent}}}"), line.trim()));
            } else if let Some((first, end, name)) = &begun
                && line == end
            {
                let n_lines = number + 1 - first;
                if FUNCTION_LEN_MAX < n_lines {
                    long.push(format!("{}:{}: {n_lines} lines: {name}", text.path, first + 1));
                }
                begun = None;
            }
        }
    }
    nothing_breaks("a function fits a screen", &long);
    Ok(())
}

/// Tells whether a line begins a function, whoever may call it.
fn begins_function(line: &str) -> bool {
    let line = line
        .strip_prefix("pub")
        .map_or(line, |rest| match rest.strip_prefix('(') {
            Some(rest) => rest.split_once(") ").map_or(rest, |(_, rest)| rest),
            None => rest.trim_start(),
        });
    ["fn ", "async fn ", "const fn "]
        .iter()
        .any(|begin| line.starts_with(begin))
}

#[test]
fn every_source_file_begins_with_what_it_is() -> Result<()> {
    let texts = texts()?;
    let bare = texts
        .iter()
        .filter(|text| text.is_source() && !text.content.starts_with("//!"));
    nothing_breaks(
        "no paragraph on top",
        &bare.map(|text| text.path.clone()).collect::<Vec<_>>(),
    );
    Ok(())
}

#[test]
fn only_the_codec_names_its_encoding() -> Result<()> {
    let word = ["bin", "code"].concat();
    let places = places_of(&[&word], |text| text.path != "common/src/codec.rs")?;
    nothing_breaks(
        "the codec is the only one that knows how messages become bytes",
        &places,
    );
    Ok(())
}

#[test]
fn only_the_settings_of_the_allocator_are_not_safe() -> Result<()> {
    // The second is what lets a file say the first.
    let words = [["unsa", "fe {"].concat(), ["unsa", "fe_code"].concat()];
    let places = places_of(&[&words[0], &words[1]], |text| {
        text.path != "tui-client/src/allocator.rs"
    })?;
    nothing_breaks("what is not safe stands in one file", &places);
    Ok(())
}

#[test]
fn only_one_file_reads_pem() -> Result<()> {
    let word = ["rustls", "_pemfile"].concat();
    let places = places_of(&[&word], |_| true)?;
    let mut files: Vec<&str> = places
        .iter()
        .filter_map(|place| place.split(':').next())
        .collect();
    files.dedup();
    assert!(files.len() <= 1, "{files:?}");
    Ok(())
}

#[test]
fn the_heart_has_no_std_and_stands_on_nothing_that_has() -> Result<()> {
    let root = repository().join("sync-engine");
    let library = fs::read_to_string(root.join("src").join("lib.rs"))?;
    assert!(library.contains("#![no_std]"));
    let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
    let section = manifest
        .split("[dependencies]")
        .nth(1)
        .context("no dependencies")?;
    let section = section.split("\n[").next().unwrap_or_default();
    for line in section.lines().filter(|line| !line.is_empty()) {
        let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
        assert!(HEART_DEPENDENCIES.contains(&name), "the heart stands on {name}");
    }
    Ok(())
}

#[test]
fn every_exception_from_a_lint_says_why() -> Result<()> {
    let allowed = ["#[", "#!["].map(|begin| format!("{begin}allow("));
    let mut places = places_of(&[&allowed[0], &allowed[1]], |_| true)?;
    let expected = ["#[", "#!["].map(|begin| format!("{begin}expect("));
    for text in texts()?.iter().filter(|text| text.is_source()) {
        for begin in &expected {
            for (at, _) in text.content.match_indices(begin.as_str()) {
                let attribute = text.content[at..].split(")]").next().unwrap_or_default();
                if !attribute.contains("reason") && !text.path.ends_with("tests/rules.rs") {
                    places.push(format!("{}: {attribute}", text.path));
                }
            }
        }
    }
    nothing_breaks("an exception is expected, with its reason", &places);
    Ok(())
}

#[test]
fn no_test_is_left_out_and_none_sleeps() -> Result<()> {
    let ignored = ["#[", "ignore"].concat();
    nothing_breaks("left out", &places_of(&[&ignored], |_| true)?);
    let sleep = ["sle", "ep("].concat();
    // In the simulated world time is simulated too, and passes at once.
    let is_simulated = |text: &Text| text.path.starts_with("tests/src/sim/");
    let waits = |text: &Text| !is_simulated(text) && (text.is_test() || text.path.starts_with("tests/"));
    nothing_breaks("a test waits for a condition", &places_of(&[&sleep], waits)?);
    Ok(())
}

#[test]
fn no_module_is_named_mod_and_no_test_module_is_forgotten() -> Result<()> {
    let texts = texts()?;
    let mut wrong = Vec::new();
    for text in &texts {
        if text.path.ends_with("/mod.rs") {
            wrong.push(text.path.clone());
        }
        let Some((package, file)) = text.path.split_once("/tests/") else {
            continue;
        };
        let Some(module) = file
            .strip_suffix(".rs")
            .filter(|name| !name.contains('/') && *name != "main")
        else {
            continue;
        };
        let main = texts
            .iter()
            .find(|text| text.path == format!("{package}/tests/main.rs"));
        if main.is_some_and(|main| !main.content.lines().any(|line| line == format!("mod {module};"))) {
            wrong.push(text.path.clone());
        }
    }
    nothing_breaks("a file that is no part of anything", &wrong);
    Ok(())
}

#[test]
fn nothing_speaks_of_the_computer_that_it_was_written_on() -> Result<()> {
    let words = [["/wo", "rk/"], ["/ro", "ot/"]].map(|parts| parts.concat());
    let mut places = Vec::new();
    for text in texts()? {
        for (number, line) in text.content.lines().enumerate() {
            if words.iter().any(|word| line.contains(word)) {
                places.push(format!("{}:{}: {line}", text.path, number + 1));
            }
        }
    }
    nothing_breaks("a path of one computer", &places);
    Ok(())
}

#[test]
fn the_commands_of_the_readme_are_what_the_gate_runs() -> Result<()> {
    let readme = fs::read_to_string(repository().join("README.md"))?;
    let gate = fs::read_to_string(repository().join(".ci").join("run"))?;
    for command in ["cargo demo", "cargo test --workspace"] {
        assert!(
            readme.lines().any(|line| line.trim() == command),
            "the README does not say `{command}`"
        );
        let runs = gate
            .lines()
            .any(|line| line.trim_start().contains(command) && !line.trim_start().starts_with('#'));
        assert!(runs, "the gate does not run `{command}`");
    }
    Ok(())
}

#[test]
fn the_page_on_reliability_tells_of_every_bug_that_can_be_planted() -> Result<()> {
    let page = fs::read_to_string(repository().join("docs/reliability.md"))?;
    let names = sync_engine::Bug::ALL.iter().map(|bug| bug.name());
    let missing: Vec<String> = names
        .filter(|name| !page.contains(&format!("| `{name}` |")))
        .map(str::to_owned)
        .collect();
    nothing_breaks("docs/reliability.md does not tell of", &missing);
    Ok(())
}

#[test]
fn nothing_can_be_planted_unless_it_is_asked_for() -> Result<()> {
    for text in texts()?.iter().filter(|text| text.path.ends_with("Cargo.toml")) {
        let is_heart = text.path == "sync-engine/Cargo.toml";
        let named = text.content.lines().filter(|line| line.contains("mutants"));
        let expected: &[&str] = if is_heart { &["mutants = []"] } else { &[] };
        assert!(named.eq(expected.iter().copied()), "{} turns bugs on", text.path);
    }
    Ok(())
}

#[test]
fn the_protocols_page_tells_of_every_message() -> Result<()> {
    let messages = fs::read_to_string(repository().join("common/src/message.rs"))?;
    let page = fs::read_to_string(repository().join("docs/protocol.md"))?;
    let mut missing = Vec::new();
    for name in [
        "Request", "Reply", "Auth", "Refusal", "Pushed", "Outcome", "Failure",
    ] {
        let body = messages
            .split(&format!("pub enum {name} {{\n"))
            .nth(1)
            .context("no such message")?;
        let body = body.split("\n}\n").next().unwrap_or_default();
        let variants = body.lines().filter(|line| {
            let line = line.strip_prefix("    ").unwrap_or_default();
            line.starts_with(|first: char| first.is_ascii_uppercase())
        });
        for variant in variants {
            let variant = variant
                .trim()
                .split(['(', ' ', ',', '{'])
                .next()
                .unwrap_or_default();
            if !page.contains(&format!("`{variant}`")) {
                missing.push(format!("{name}::{variant}"));
            }
        }
    }
    nothing_breaks("docs/protocol.md does not tell of", &missing);
    Ok(())
}
