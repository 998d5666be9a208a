//! The judge of what a client says of itself: what it claims to be synced is compared with its folder and with the tree at
//! the head of the server's journal.

use super::World;
use super::check::is_inside;
use crate::sim::disk::{Opened, Shown};
use crate::sim::ledger::name_of;
use crate::sim::person;
use anyhow::{Result, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use sync_engine::{Block, Kind, RelPath};
use tui_client::control::{Answer, Ask, State, Status};
use tui_client::words::block_in_words;

/// A silent line is noticed within this time. Until then a client may believe in a journal that the server has lost.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// What is shown of a file that a program has open.
const OPEN: &str = "open";

impl World {
    /// Asks a device how it stands, and judges the answer.
    pub(super) async fn ask(&mut self, device: u8) -> Result<()> {
        let n = usize::from(device) % self.clients.len();
        if !self.clients[n].is_running() {
            return Ok(());
        }
        self.take_amid();
        let mut before = person::tree(&self.clients[n].disk);
        let Some(Answer::Status(status)) = self.clients[n].ask(Ask::Status).await else {
            return Ok(());
        };
        // What is done while the answer comes is no part of it.
        let is_past = self.take_amid();
        let name = self.clients[n].name();
        let told = format!("{name} says {:?} at {}", status.state, status.version.0);
        self.said.push(told);
        if !is_past && self.check_claim(n, &status)? {
            // Of what is written through a memory map the client hears later, and it does not speak of it yet.
            let open = self.held.get(&n).and_then(Opened::bytes);
            before.retain(
                |_, shown| !matches!(shown, Shown::File { bytes, .. } if open.as_ref() == Some(bytes)),
            );
            self.acknowledge(n, before, &status);
        }
        Ok(())
    }

    /// Compares what a device claims with what is true; tells whether it claims anything that can be compared.
    ///
    /// # Errors
    /// With every path at which its folder and the server differ although it says that it is synced.
    pub(super) fn check_claim(&self, n: usize, status: &Status) -> Result<bool> {
        let client = &self.clients[n];
        let was_put_back = self.put_back_at.is_some_and(|at| at.elapsed() < SILENCE_MAX);
        let is_claimed = status.state == State::Synced && client.is_running() && !client.loses_events();
        let lacking = block_in_words(&Block::Lacking);
        let has_lacks = status.blocked.iter().any(|(_, reason)| *reason == lacking);
        if !is_claimed || was_put_back || has_lacks || !self.server.is_running() {
            return Ok(false);
        }
        let mut heads = self.server.heads()?;
        // Of what the server has taken since, the device has not heard yet.
        let Some(at) = heads.iter().position(|head| head.version == status.version) else {
            return Ok(false);
        };
        let on_server = shown_on_server(heads.swap_remove(at).tree);
        let here = self.shown_here(n);
        let paths: BTreeSet<&String> = here.keys().chain(on_server.keys()).collect();
        let is_left_out = |path: &str| {
            let mut blocked = status.blocked.iter();
            here.get(path).is_some_and(|shown| shown == OPEN)
                || blocked.any(|(blocked, _)| is_inside(path, &blocked.to_string()))
        };
        let differ = paths
            .into_iter()
            .filter(|path| !is_left_out(path) && here.get(*path) != on_server.get(*path));
        let differ: Vec<String> = differ
            .map(|path| {
                format!(
                    "{path}: {} here, {} on the server",
                    here.get(path).map_or("nothing", String::as_str),
                    on_server.get(path).map_or("nothing", String::as_str)
                )
            })
            .collect();
        ensure!(
            differ.is_empty(),
            "claims to be synced: {}: {}; blocked: {:?}",
            client.name(),
            differ.join("; "),
            status.blocked
        );
        Ok(true)
    }

    /// What is in a folder. What a program has open may be written through a memory map, of which nobody is told.
    fn shown_here(&self, n: usize) -> BTreeMap<String, String> {
        let open = self.held.get(&n).and_then(Opened::bytes);
        let tree = person::tree(&self.clients[n].disk);
        let seen = tree.into_iter().map(|(path, shown)| {
            let shown = match shown {
                Shown::File { bytes, .. } if open.as_ref() == Some(&bytes) => OPEN.to_owned(),
                Shown::File { bytes, mode, .. } => file(&name_of(&bytes).to_string(), mode & 0o100 != 0),
                Shown::Dir { .. } => "dir".to_owned(),
                Shown::Symlink(target) => link(&target),
                Shown::Pipe => "pipe".to_owned(),
            };
            (String::from_utf8_lossy(&path).into_owned(), shown)
        });
        seen.collect()
    }
}

fn shown_on_server(tree: BTreeMap<RelPath, Kind>) -> BTreeMap<String, String> {
    tree.into_iter()
        .map(|(path, kind)| {
            let shown = match kind {
                Kind::File(state) => file(&state.content.hash.to_string(), state.exec),
                Kind::Dir => "dir".to_owned(),
                Kind::Symlink(target) => link(target.as_bytes()),
            };
            (path.to_string(), shown)
        })
        .collect()
}

fn file(content: &str, is_executable: bool) -> String {
    format!(
        "{}{:.12}",
        if is_executable { "program " } else { "file " },
        content
    )
}

fn link(target: &[u8]) -> String {
    format!("link {}", String::from_utf8_lossy(target))
}
