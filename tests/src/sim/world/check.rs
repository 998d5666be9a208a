//! What must be true when all has come to rest.

use super::{REST_MAX, World};
use crate::sim::client::{FOLDER, SimClient, Weather};
use crate::sim::disk::{Crash, Shown};
use crate::sim::ledger::contents;
use crate::sim::person;
use anyhow::{Result, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use sync_engine::Hash;
use tokio::time::sleep;

/// So many rounds of waiting are enough for all to have seen what the others sent.
const ROUNDS_MAX: usize = 8;

impl World {
    /// Mends everything, waits until all is at rest, and looks.
    pub(super) async fn settle(&mut self) -> Result<()> {
        self.mend()?;
        for _ in 0..ROUNDS_MAX {
            self.wait().await?;
            if self.is_agreed() {
                // What is tidied up in passing has time for that.
                sleep(Duration::from_secs(1)).await;
                return self.look();
            }
        }
        bail!("the folders are not the same: {}", self.differences());
    }

    fn mend(&mut self) -> Result<()> {
        self.start_server()?;
        for n in 0..self.clients.len() {
            self.clients[n].set_weather(Weather::Fair(2));
            if !self.clients[n].is_running() {
                self.end_client(n, Crash::Kill);
            }
            self.start(u8::try_from(n)?)?;
        }
        Ok(())
    }

    /// Waits until each device has said that it is synced. What was in a folder before that, and still is, is on the
    /// server then.
    async fn wait(&mut self) -> Result<()> {
        for n in 0..self.clients.len() {
            let before = contents(&person::tree(&self.clients[n].disk));
            if let Err(status) = self.clients[n].wait_synced(REST_MAX).await {
                if !self.server.is_running() {
                    // The crash that was to come has come.
                    self.server.start()?;
                    continue;
                }
                if self.clients[n].is_running() {
                    bail!("{} does not come to rest: {status:?}", self.clients[n].name());
                }
                // The crash that was to come has come.
                self.end_client(n, Crash::Kill);
                self.start(u8::try_from(n)?)?;
                continue;
            }
            let after = contents(&person::tree(&self.clients[n].disk));
            self.ledger
                .acknowledge(&before.intersection(&after).copied().collect());
        }
        Ok(())
    }

    fn is_agreed(&self) -> bool {
        let mut trees = self
            .clients
            .iter()
            .map(|client| comparable(&person::tree(&client.disk)));
        let first = trees.next();
        trees.all(|tree| Some(tree) == first) && self.clients.iter().all(SimClient::is_running)
    }

    fn differences(&self) -> String {
        let trees: Vec<_> = self
            .clients
            .iter()
            .map(|client| (client.name(), comparable(&person::tree(&client.disk))))
            .collect();
        let mut paths: BTreeMap<&String, Vec<(&str, &String)>> = BTreeMap::new();
        for (name, tree) in &trees {
            for (path, shown) in tree {
                paths.entry(path).or_default().push((name, shown));
            }
        }
        paths.retain(|_, shown| shown.len() < trees.len() || shown.iter().any(|one| one.1 != shown[0].1));
        format!("{paths:?}")
    }

    /// Looks whether the promises were kept.
    fn look(&self) -> Result<()> {
        self.server.check()?;
        let missing = self.ledger.missing(&self.everything()?);
        ensure!(missing.is_empty(), "lost: {}", missing.join(", "));
        for client in &self.clients {
            let staged = client.disk.names(&format!("{FOLDER}/.holdfast/staging"))?;
            ensure!(
                staged.is_empty(),
                "{} leaves {staged:?} in staging",
                client.name()
            );
        }
        Ok(())
    }

    /// Returns all contents that there are: in the folders, in what the clients have put aside, and on the server.
    pub(super) fn everything(&self) -> Result<BTreeSet<Hash>> {
        let mut everything = self.server.contents()?;
        for client in &self.clients {
            everything.extend(contents(&client.disk.tree(FOLDER)?));
        }
        Ok(everything)
    }
}

/// What has to be the same on all devices.
fn comparable(tree: &BTreeMap<Vec<u8>, Shown>) -> BTreeMap<String, String> {
    let show = |shown: &Shown| match shown {
        Shown::File { bytes, mode, .. } => {
            let start = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
            format!("file {} {} {start:?}", Hash::of(bytes), mode & 0o100)
        }
        Shown::Dir { .. } => "dir".to_owned(),
        Shown::Symlink(target) => format!("link {}", String::from_utf8_lossy(target)),
    };
    tree.iter()
        .map(|(path, shown)| (String::from_utf8_lossy(path).into_owned(), show(shown)))
        .collect()
}
