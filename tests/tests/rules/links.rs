//! Every link between the pages of the repository leads somewhere.

use super::{Text, nothing_breaks, texts};
use anyhow::Result;
use tests::binaries::repository;

/// Returns where the links of a page lead, those in code left out.
fn links(page: &str) -> Vec<&str> {
    let mut links = Vec::new();
    let mut in_code = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for part in line.split("](").skip(1) {
            links.extend(part.split(')').next());
        }
    }
    links
}

/// Returns the name by which a heading is linked to.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            _ => c.is_alphanumeric().then_some(c),
        })
        .collect()
}

fn has_anchor(page: &Text, wanted: &str) -> bool {
    page.content
        .lines()
        .any(|line| line.starts_with('#') && anchor(line) == wanted)
}

#[test]
fn every_link_leads_somewhere() -> Result<()> {
    let texts = texts()?;
    let mut broken = Vec::new();
    for page in texts.iter().filter(|text| text.path.ends_with(".md")) {
        for link in links(&page.content) {
            if link.starts_with("https://") {
                continue;
            }
            let (path, wanted) = link
                .split_once('#')
                .map_or((link, None), |(path, anchor)| (path, Some(anchor)));
            let dir = page.path.rsplit_once('/').map_or("", |(dir, _)| dir);
            let goal = if path.is_empty() {
                page.path.clone()
            } else {
                resolved(dir, path)
            };
            let is_there = repository().join(&goal).exists();
            let found = texts.iter().find(|text| text.path == goal);
            let is_found = wanted.is_none_or(|wanted| found.is_some_and(|page| has_anchor(page, wanted)));
            if !is_there || !is_found {
                broken.push(format!("{}: {link}", page.path));
            }
        }
    }
    nothing_breaks("leads nowhere", &broken);
    Ok(())
}

/// Joins a page's directory and a link, and takes the `..` out.
fn resolved(dir: &str, link: &str) -> String {
    let mut names: Vec<&str> = dir.split('/').filter(|name| !name.is_empty()).collect();
    for name in link.split('/') {
        match name {
            ".." => drop(names.pop()),
            "." | "" => (),
            _ => names.push(name),
        }
    }
    names.join("/")
}
