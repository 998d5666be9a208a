//! Waiting until devices agree.

use crate::device::{Device, PATIENCE};
use crate::tree::{Tree, differences};
use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// How long one look waits for the next event before it looks again.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Waits until all devices are synced and have the same tree twice in a row, and returns it.
///
/// # Errors
/// When that does not happen within a minute; the error says in what they differ.
pub fn settle(devices: &[&Device]) -> Result<Tree> {
    let trees = settle_apart(devices, |trees| trees.windows(2).all(|pair| pair[0] == pair[1]))?;
    Ok(trees.into_iter().next().unwrap_or_default())
}

/// Waits until all devices are synced and their trees are twice in a row the same as before and such as wanted, and
/// returns them. For devices that cannot hold the same tree.
///
/// # Errors
/// When that does not happen within a minute; the error says in what they differ.
pub fn settle_apart(devices: &[&Device], wanted: impl Fn(&[Tree]) -> bool) -> Result<Vec<Tree>> {
    let deadline = Instant::now() + PATIENCE;
    let mut before: Option<Vec<Tree>> = None;
    loop {
        for device in devices {
            device.wait_synced()?;
        }
        // A tree may change while it is looked at; then it is looked at again.
        let trees: Option<Vec<Tree>> = devices.iter().map(|device| device.tree().ok()).collect();
        if let Some(now) = &trees
            && before.as_ref() == Some(now)
            && wanted(now)
        {
            return Ok(now.clone());
        }
        if deadline < Instant::now() {
            bail!(
                "the devices do not agree: {}",
                disagreement(devices, trees.as_deref())
            );
        }
        let unsettled = trees.as_ref().is_none_or(|trees| !wanted(trees));
        before = trees;
        if unsettled && let Some(device) = devices.first() {
            let events = device.events()?;
            events.wait_for(events.mark(), LOOK_INTERVAL, |_| true);
        }
    }
}

fn disagreement(devices: &[&Device], trees: Option<&[Tree]>) -> String {
    let mut text = String::new();
    if let Some(trees) = trees {
        for pair in trees.windows(2) {
            text.push_str(&differences(&pair[0], &pair[1]).join("\n"));
        }
    }
    for device in devices {
        text.push('\n');
        text.push_str(&device.output());
    }
    text
}
