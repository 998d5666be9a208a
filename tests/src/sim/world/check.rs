//! What must be true when all has come to rest.

use super::{REST_MAX, World};
use crate::sim::client::{FOLDER, SimClient, Weather};
use crate::sim::disk::Shown;
use crate::sim::ledger::{contents, name_of};
use crate::sim::person;
use anyhow::{Result, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use sync_engine::{Block, Hash, RelPath};
use tokio::time::sleep;
use tui_client::control::{Ask, Status};
use tui_client::words::block_in_words;

/// So many rounds of waiting are enough for all to have seen what the others sent.
const ROUNDS_MAX: usize = 8;

/// What could not be done, for want of space or since the disk refused, is tried again within this time.
const PATIENCE: Duration = Duration::from_secs(15);

/// What is written to a file that was open when another took its place is in a folder within this time.
const SURFACES_MAX: Duration = Duration::from_secs(60);

impl World {
    /// Mends everything, waits until all is at rest, and looks.
    pub(super) async fn settle(&mut self) -> Result<()> {
        self.mend()?;
        if !self.held.is_empty() {
            sleep(SURFACES_MAX).await;
        }
        for _ in 0..ROUNDS_MAX {
            self.wait().await?;
            if self.restless.is_none() && self.is_agreed() {
                // What is tidied up in passing has time for that.
                sleep(Duration::from_secs(1)).await;
                // A crash that was to come may have come just then.
                if self.is_agreed() {
                    self.look()?;
                    return self.rest();
                }
            }
            // What the disk refused is tried again after a while; it is mended now.
            if !self.blocked.is_empty() {
                sleep(PATIENCE).await;
            }
        }
        if let Some(restless) = self.restless.take() {
            bail!("does not come to rest: {restless}");
        }
        bail!("the folders are not the same: {}", self.differences());
    }

    fn mend(&mut self) -> Result<()> {
        self.server.set_room(None);
        self.start_server()?;
        for n in 0..self.clients.len() {
            self.clients[n].set_weather(Weather::Fair(2));
            self.clients[n].disk.set_space(None);
            self.clients[n].disk.mend();
            self.clients[n].disk.forget_deeds();
            self.clients[n].disk.limit_watches(false);
            self.clients[n].disk.hold_events_back(false);
            self.start(u8::try_from(n)?)?;
        }
        Ok(())
    }

    /// Waits until each device has said that it is synced. What was in a folder before that, and still is, is on the
    /// server then.
    async fn wait(&mut self) -> Result<()> {
        self.blocked.clear();
        self.restless = None;
        for n in 0..self.clients.len() {
            // What was lost on the way from the watcher, or can be read again, is found by a look at everything.
            if self.clients[n].loses_events() || self.damaged.contains(&n) {
                self.clients[n].ask(Ask::Rescan).await;
            }
            let before = person::tree(&self.clients[n].disk);
            match self.clients[n].wait_synced(REST_MAX).await {
                Ok(status) => {
                    if let Some(path) = unreadable(&status) {
                        // The disk is mended, and it is tried again after a while.
                        let name = self.clients[n].name();
                        self.restless = Some(format!("{name}: {path} still cannot be read or written"));
                        sleep(PATIENCE).await;
                    }
                    // What is done while the answer comes is no part of it.
                    if !self.take_amid() {
                        self.check_claim(n, &status)?;
                    }
                    self.acknowledge(n, before, &status);
                    self.blocked.extend(blocked_in(&status));
                }
                // A crash that was to come has come.
                Err(_) if !self.server.is_running() => {
                    self.restless = Some("the server has crashed".into());
                    self.server.start()?;
                }
                Err(_) if !self.clients[n].is_running() => {
                    self.restless = Some(format!("{} has crashed", self.clients[n].name()));
                    self.start(u8::try_from(n)?)?;
                }
                // Whoever emptied a folder means it.
                Err(Some(status)) if status.brake.is_some() => {
                    self.restless = Some(format!("{} brakes", self.clients[n].name()));
                    self.clients[n].ask(Ask::Confirm).await;
                }
                // It says so at once when it can only wait, as for space; that has come, and is found after a while.
                Err(status) => {
                    self.restless = Some(format!("{}: {status:?}", self.clients[n].name()));
                    sleep(PATIENCE).await;
                }
            }
        }
        Ok(())
    }

    /// Notes what a device has said to be on the server: all that was there before it was asked, and still is, but for what
    /// it says to be blocked.
    pub(super) fn acknowledge(&mut self, n: usize, mut before: BTreeMap<Vec<u8>, Shown>, status: &Status) {
        let blocked = blocked_in(status);
        before.retain(|path, _| {
            let path = String::from_utf8_lossy(path);
            !blocked.iter().any(|blocked| is_inside(&path, blocked))
        });
        let after = contents(&person::tree(&self.clients[n].disk));
        let kept = contents(&before).intersection(&after).copied().collect();
        self.ledger.acknowledge(&kept);
    }

    /// All is at rest. Where nobody has done anything since it last was, and nothing is blocked, nothing has changed. After a
    /// loss of power what was there may have another name, as before it was renamed, there may be more, and what was written
    /// just before may be taken for what the disk has kept a part of.
    fn rest(&mut self) -> Result<()> {
        let trees = self.comparable();
        let Some((_, tree)) = trees.first().filter(|_| self.blocked.is_empty()) else {
            self.at_rest = None;
            return Ok(());
        };
        let n_power_cuts = self.clients.iter().map(|client| client.disk.n_power_cuts()).sum();
        if let Some((before, n_power_cuts_before)) = &self.at_rest {
            let mut changes = changes(before, tree);
            if n_power_cuts != *n_power_cuts_before {
                let added = tree.iter().filter(|(path, _)| !before.contains_key(*path));
                let added: BTreeSet<&String> = added.map(|(_, shown)| shown).collect();
                let is_under_another_name =
                    |path: &String, shown: &String| !tree.contains_key(path) && added.contains(shown);
                let is_torn =
                    |path: &String| tree.get(path).is_some_and(|shown| self.ledger.shows_torn(shown));
                changes.retain(|(path, _)| {
                    let was = before.get(path);
                    was.is_some_and(|shown| !is_under_another_name(path, shown)) && !is_torn(path)
                });
            }
            let changes: Vec<String> = changes.into_iter().map(|(_, change)| change).collect();
            ensure!(
                changes.is_empty(),
                "changed although nobody did anything: {}",
                changes.join(", ")
            );
        }
        self.at_rest = Some((tree.clone(), n_power_cuts));
        Ok(())
    }

    fn is_agreed(&self) -> bool {
        let trees = self.comparable();
        trees.windows(2).all(|pair| pair[0].1 == pair[1].1) && self.clients.iter().all(SimClient::is_running)
    }

    fn differences(&self) -> String {
        let trees = self.comparable();
        let mut paths: BTreeMap<&String, Vec<(&str, &String)>> = BTreeMap::new();
        for (name, tree) in &trees {
            for (path, shown) in tree {
                paths.entry(path).or_default().push((name, shown));
            }
        }
        paths.retain(|_, shown| shown.len() < trees.len() || shown.iter().any(|one| one.1 != shown[0].1));
        format!("{paths:?}")
    }

    /// What has to be the same on all devices: all but what is blocked on one of them, and what is inside that.
    fn comparable(&self) -> Vec<(&str, BTreeMap<String, String>)> {
        let show = |client: &SimClient| comparable(&person::tree(&client.disk));
        let mut trees: Vec<_> = self
            .clients
            .iter()
            .map(|client| (client.name(), show(client)))
            .collect();
        let mut left_out = self.blocked.clone();
        if !left_out.is_empty() {
            left_out.extend(self.clashes(&trees));
        }
        let is_left_out = |path: &String| left_out.iter().any(|dir| is_inside(path, dir));
        let mut hidden: BTreeSet<String> = BTreeSet::new();
        for (_, tree) in &mut trees {
            let gone = tree.iter().filter(|(path, _)| is_left_out(path));
            hidden.extend(gone.map(|(_, shown)| shown.clone()));
            tree.retain(|path, _| !is_left_out(path));
        }
        // What has moved to where a device cannot follow stays behind there.
        let common: BTreeSet<String> = common_to(&trees);
        for (_, tree) in &mut trees {
            // And so do the directories that it is in.
            let leads_there = |path: &str| left_out.iter().any(|out| is_inside(out, path));
            tree.retain(|path, shown| {
                common.contains(path) || !(hidden.contains(shown) || leads_there(path))
            });
        }
        trees
    }

    /// The paths of which a disk can hold one only. What is blocked for that has its old path on that disk, and its new
    /// one on the others.
    fn clashes(&self, trees: &[(&str, BTreeMap<String, String>)]) -> BTreeSet<String> {
        let paths: BTreeSet<&String> = trees.iter().flat_map(|(_, tree)| tree.keys()).collect();
        let mut clashes = BTreeSet::new();
        for client in &self.clients {
            let mut found: BTreeMap<String, &String> = BTreeMap::new();
            for path in &paths {
                let Some(folded) = client.disk.folded(path) else {
                    break;
                };
                if let Some(other) = found.insert(folded, path) {
                    clashes.extend([other.clone(), (*path).clone()]);
                }
            }
        }
        clashes
    }

    /// Looks whether the promises were kept.
    fn look(&self) -> Result<()> {
        self.server.check()?;
        let faults = self.server.take_faults();
        ensure!(faults.is_empty(), "{}", faults.join("\n"));
        let missing = self.ledger.missing(&self.everything()?);
        ensure!(missing.is_empty(), "lost: {}", missing.join(", "));
        let unstored = self.ledger.unstored(&self.server.contents()?);
        ensure!(unstored.is_empty(), "not on the server: {}", unstored.join(", "));
        for client in &self.clients {
            let unwritten = self.ledger.unwritten(&contents(&person::tree(&client.disk)));
            ensure!(
                unwritten.is_empty(),
                "nobody wrote what is on {}: {}",
                client.name(),
                unwritten.join(", ")
            );
        }
        let reached = self.reached()?;
        // What was damaged by a power cut may be open, and is kept in the stash alone.
        for (n, opened) in self.held.iter().filter(|(n, _)| self.written_to.contains(n)) {
            let is_reached = opened
                .bytes()
                .is_none_or(|bytes| reached.contains(&name_of(&bytes)));
            ensure!(
                is_reached,
                "what is open on {} is in no folder",
                self.clients[*n].name()
            );
        }
        for client in &self.clients {
            let staged = client.disk.names(&format!("{FOLDER}/.holdfast/staging"))?;
            // Of what is blocked, the download is kept.
            ensure!(
                staged.len() <= self.blocked.len(),
                "{} leaves {staged:?} in staging",
                client.name()
            );
        }
        Ok(())
    }

    /// Returns all contents that people can reach: in the folders, and on the server.
    fn reached(&self) -> Result<BTreeSet<Hash>> {
        let mut reached = self.server.contents()?;
        reached.extend(
            self.clients
                .iter()
                .flat_map(|client| contents(&person::tree(&client.disk))),
        );
        Ok(reached)
    }

    /// Returns all contents that there are: in the folders, in what the clients have put aside, and on the server. What a
    /// client has begun to make in staging does not count: the next one makes it anew.
    pub(super) fn everything(&self) -> Result<BTreeSet<Hash>> {
        let mut everything = self.server.contents()?;
        for client in &self.clients {
            let mut tree = client.disk.tree(FOLDER)?;
            tree.retain(|path, _| !path.starts_with(b".holdfast/staging/"));
            everything.extend(contents(&tree));
        }
        Ok(everything)
    }
}

/// The paths that a device says to be blocked.
fn blocked_in(status: &Status) -> Vec<String> {
    status.blocked.iter().map(|(path, _)| path.to_string()).collect()
}

/// Returns where two folders differ, with what was and is there.
fn changes(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let paths: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let changed = paths
        .into_iter()
        .filter(|path| before.get(*path) != now.get(*path));
    let show = |path: &String| format!("{path}: {:?} then, {:?} now", before.get(path), now.get(path));
    changed.map(|path| (path.clone(), show(path))).collect()
}

/// Returns a path that could not be read or written when it was last tried.
fn unreadable(status: &Status) -> Option<&RelPath> {
    let words = block_in_words(&Block::Unreadable(String::new()));
    let mut blocked = status.blocked.iter();
    let found = blocked.find(|(_, reason)| reason.starts_with(&words));
    found.map(|(path, _)| path)
}

/// The paths at which all trees show the same.
fn common_to(trees: &[(&str, BTreeMap<String, String>)]) -> BTreeSet<String> {
    let Some(((_, first), others)) = trees.split_first() else {
        return BTreeSet::new();
    };
    let is_same = |path: &str, shown: &String| others.iter().all(|(_, tree)| tree.get(path) == Some(shown));
    let common = first.iter().filter(|(path, shown)| is_same(path, shown));
    common.map(|(path, _)| path.clone()).collect()
}

/// Tells whether a path is another or leads through it.
pub(super) fn is_inside(path: &str, dir: &str) -> bool {
    path.strip_prefix(dir)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A folder as it is compared.
fn comparable(tree: &BTreeMap<Vec<u8>, Shown>) -> BTreeMap<String, String> {
    let show = |shown: &Shown| match shown {
        Shown::File { bytes, mode, .. } => {
            let start = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
            format!("file {} {} {start:?}", name_of(bytes), mode & 0o100)
        }
        Shown::Dir { .. } => "dir".to_owned(),
        Shown::Symlink(target) => format!("link {}", String::from_utf8_lossy(target)),
        // It is the same on no other device, so it has to be among what is blocked.
        Shown::Pipe => "pipe".to_owned(),
    };
    tree.iter()
        .map(|(path, shown)| (String::from_utf8_lossy(path).into_owned(), show(shown)))
        .collect()
}
