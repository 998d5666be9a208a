//! Whatever is done to a folder, in whatever order.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sync_engine::NodeId;
use tui_client::disk::Identity;

use crate::eyes::Eyes;

/// A source of decisions that is the same at every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn path(&mut self, folder: &Path) -> PathBuf {
        let mut path = folder.to_owned();
        for _ in 0..=self.roll(3) {
            path.push(["a", "b", "c", "d"][self.roll(4) as usize]);
        }
        path
    }
}

/// Does something to a folder that may or may not be possible.
fn meddle(folder: &Path, dice: &mut Dice) {
    let (path, other) = (dice.path(folder), dice.path(folder));
    let _ = match dice.roll(8) {
        0 => fs::create_dir_all(path),
        1 | 2 => fs::write(path, dice.roll(1000).to_string()),
        3 | 4 => fs::rename(path, other),
        5 => fs::remove_file(path),
        6 => fs::hard_link(path, other),
        _ => fs::remove_dir_all(path),
    };
}

/// Returns the directories by what the disk calls them. What moves while nobody looks keeps its id, whatever is done.
fn dirs(eyes: &Eyes) -> BTreeMap<Identity, NodeId> {
    let local = eyes.trees.local();
    let dirs = local.iter().map(|(id, _)| id).filter(|id| local.is_dir(*id));
    dirs.filter_map(|id| Some((eyes.observer.print(id)?.identity(), id)))
        .collect()
}

#[tokio::test]
async fn whatever_is_done_to_a_folder_the_tree_comes_to_equal_it() {
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let rounds = std::env::var("HOLDFAST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(40);
    let mut eyes = Eyes::with_threads();
    for round in 0..rounds {
        for _ in 0..dice.roll(40) {
            meddle(eyes.folder.path(), &mut dice);
        }
        eyes.settle().await;
        if round % 10 == 9 {
            let before = dirs(&eyes);
            let mut away = Dice(dice.roll(u64::MAX) | 1);
            eyes.while_away(|folder| (0..20).for_each(|_| meddle(folder, &mut away)))
                .await;
            for (identity, id) in dirs(&eyes) {
                let known = before.get(&identity);
                assert!(
                    known.is_none_or(|known| *known == id),
                    "round {round}, {identity:?}"
                );
            }
        }
    }
}
