//! The account that is given at the end of a test: every content is somewhere, the store is sound, and no secret was
//! written where it can be read.

use crate::device::Device;
use crate::tokens::Tokens;
use crate::world::World;
use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::path::Path;

/// The number of the first account of a store.
const ACCOUNT: &str = "1";

/// Checks that each token is in a folder or in a past version that can be had again, that the store is sound, and that
/// no program of the test wrote a secret. Devices that do not run may be among them.
///
/// # Errors
/// When something is lost, damaged or told; the error says what.
pub fn account(world: &World, devices: &[&Device], tokens: Tokens) -> Result<()> {
    let lost = lost(world, devices, tokens)?;
    ensure!(lost.is_empty(), "lost: {lost:?}");
    world.server.admin(&["verify"])?.ok()?;
    let mut secrets = pem_lines(&world.server.certs())?;
    let mut logs = vec![world.server.log()];
    for device in devices {
        secrets.extend(pem_lines(&device.config)?);
        logs.push(device.log());
    }
    if let Some(device) = devices.first() {
        secrets.push(device.id()?);
    }
    for log in logs {
        let told = secrets.iter().position(|secret| log.contains(secret));
        ensure!(told.is_none(), "a secret was written:\n{log}");
    }
    Ok(())
}

fn lost(world: &World, devices: &[&Device], mut tokens: Tokens) -> Result<Tokens> {
    for device in devices {
        tokens = tokens.missing_in(&device.folder)?;
    }
    let Some(device) = devices.first() else {
        return Ok(tokens);
    };
    let status = device.json("status", &[])?;
    let journal = status.first().and_then(|status| status.number("journal"));
    for version in (1..=journal.context("status tells no journal number")?).rev() {
        if tokens.is_empty() {
            break;
        }
        let past = tempfile::tempdir_in(world.home())?;
        let goal = past.path().join("past");
        let goal_text = goal.to_str().context("the directory has no text for a name")?;
        let version = version.to_string();
        world
            .server
            .admin(&["export", ACCOUNT, goal_text, "--version", &version])?
            .ok()?;
        tokens = tokens.missing_in(&goal)?;
    }
    Ok(tokens)
}

/// Returns the lines of all private keys in a directory and those below it.
fn pem_lines(dir: &Path) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            lines.extend(pem_lines(&path)?);
        } else if let Ok(text) = fs::read_to_string(&path)
            && text.contains("PRIVATE KEY")
        {
            let body = text.lines().filter(|line| !line.starts_with("-----"));
            // The last line of a key may be short enough to be met by chance.
            lines.extend(body.filter(|line| 32 <= line.len()).map(str::to_owned));
        }
    }
    Ok(lines)
}
