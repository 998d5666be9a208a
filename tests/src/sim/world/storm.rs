//! A storm in a simulated world: on one device directories and symbolic links take each other's place again and again, while
//! others work inside those directories. When the storm is over, all must come to rest soon, and no conflict copies may be
//! made any more.

use super::World;
use crate::noise::Noise;
use crate::sim::client::FOLDER;
use crate::sim::person::{Contents, Deed, tree};
use anyhow::{Result, ensure};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::sleep;
use tui_client::control::Ask;

/// The directories that links take the place of.
const DIRS: [&str; 3] = ["d0", "d1", "d1/inner"];
/// The files that are in each.
const N_FILES: u64 = 4;
/// After this time without an edit nothing changes any more.
const CALM: Duration = Duration::from_secs(30);
/// So long nothing changes then.
const QUIET: Duration = Duration::from_secs(120);

impl World {
    /// Lets a storm go over the world.
    pub(super) async fn storm(&mut self, seed: u64, n_deeds: usize) -> Result<()> {
        let mut dice = Noise::new(seed);
        for dir in DIRS {
            self.carry_out(0, &Deed::MakeDir(format!("{FOLDER}/{dir}")));
            for n in 0..N_FILES {
                self.carry_out(0, &Deed::Write(format!("{FOLDER}/{dir}/{n}")));
            }
        }
        self.settle().await?;
        let mut is_aside = [false; DIRS.len()];
        let longest = [2, 20, 200][(dice.number() % 3) as usize];
        let way = [Way::Beside, Way::Exchange, Way::Outside][(dice.number() % 3) as usize];
        let ends_in_place = dice.number().is_multiple_of(2);
        for _ in 0..n_deeds {
            let n = (dice.number() % DIRS.len() as u64) as usize;
            if dice.number().is_multiple_of(2) {
                self.swap(DIRS[n], &mut is_aside[n], way, &mut dice);
            } else {
                let deed = work(&mut dice, DIRS[n]);
                self.carry_out(1, &deed);
            }
            sleep(Duration::from_millis(dice.number() % longest)).await;
            if dice.number().is_multiple_of(20) {
                self.confirm().await;
            }
        }
        for (dir, is_aside) in DIRS.iter().zip(&mut is_aside) {
            if *is_aside && ends_in_place {
                self.swap(dir, is_aside, way, &mut Noise::new(0));
            }
        }
        sleep(CALM).await;
        self.confirm().await;
        sleep(CALM).await;
        let before = self.paths();
        sleep(QUIET).await;
        let after = self.paths();
        let new: Vec<_> = after.difference(&before).collect();
        ensure!(new.is_empty(), "after the storm there come {new:?}");
        self.settle().await
    }

    /// Puts a link in the place of a directory, or the directory back into the place of the link, at once or amid the next
    /// calls of the client.
    fn swap(&mut self, dir: &str, is_aside: &mut bool, way: Way, dice: &mut Noise) {
        let place = format!("{FOLDER}/{dir}");
        let aside = match way {
            Way::Beside | Way::Exchange => format!("{place}.real"),
            Way::Outside => format!("/{}", dir.replace('/', " ")),
        };
        let disk = self.clients[0].disk.clone();
        let deeds = match (way, *is_aside) {
            (Way::Exchange, _) if disk.names(&format!("{FOLDER}/{dir}.real")).is_ok() || *is_aside => {
                vec![Deed::Swap(place, aside)]
            }
            (Way::Exchange, _) => vec![Deed::Link(aside.clone()), Deed::Swap(place, aside)],
            (Way::Beside | Way::Outside, true) => vec![Deed::Delete(place.clone()), Deed::Move(aside, place)],
            (Way::Beside | Way::Outside, false) => vec![Deed::Move(place.clone(), aside), Deed::Link(place)],
        };
        *is_aside = !*is_aside;
        let amid = dice.number() % 2 == 1;
        for deed in deeds {
            let after = dice.number() % 40;
            if amid {
                let disk = disk.clone();
                // What cannot be done is not.
                disk.clone().amid_calls(after, move || {
                    drop(deed.carry_out(&disk, &mut Contents::default()));
                });
            } else {
                self.carry_out(0, &deed);
            }
        }
    }

    /// Lets go on whatever a person would have to confirm.
    async fn confirm(&mut self) {
        for client in &mut self.clients {
            client.ask(Ask::Confirm).await;
        }
    }

    fn paths(&self) -> BTreeSet<(String, Vec<u8>)> {
        let trees = self.clients.iter();
        trees
            .flat_map(|client| {
                tree(&client.disk)
                    .into_keys()
                    .map(|path| (client.name().to_owned(), path))
            })
            .collect()
    }
}

/// How a link takes the place of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The directory is renamed before, and stays in the folder.
    Beside,
    /// Both change their names at once.
    Exchange,
    /// The directory leaves the folder.
    Outside,
}

/// What somebody does in a directory.
fn work(dice: &mut Noise, dir: &str) -> Deed {
    let file = format!("{FOLDER}/{dir}/{}", dice.number() % N_FILES);
    match dice.number() % 8 {
        0..3 => Deed::Write(file),
        3 => Deed::Save(file),
        4 => Deed::Delete(file),
        5 => Deed::Execute(file),
        6 => Deed::Write(format!("{FOLDER}/{dir}/new {}", dice.number() % 50)),
        _ => Deed::Append(file),
    }
}
