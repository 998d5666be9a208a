//! What happens in worlds where there is no room, where a person comes too late, or where there is a storm.

use super::{REST_MAX, World, run_told};
use crate::sim::act::Wildness;
use crate::sim::client::{FOLDER, Weather};
use crate::sim::ledger::contents;
use crate::sim::person::{Deed, tree};
use anyhow::{Context as _, Result, bail, ensure};
use std::cell::Cell;
use std::time::Duration;
use sync_engine::RelPath;
use tokio::time::sleep;
use tui_client::control::{Answer, Ask, Choice};
use tui_client::notice::Notice;
use tui_client::transfer::space::SPARE_LEN;

/// Runs something in a world of two devices.
fn in_a_world(seed: u64, tell: impl AsyncFnOnce(&mut World) -> Result<()>) {
    let wildness = Wildness {
        n_devices: 2,
        n_acts: 0,
    };
    let run = run_told(seed, async |told| {
        let mut world = World::new(seed, wildness).await?;
        let outcome = tell(&mut world).await;
        world.hear(told);
        outcome
    });
    let failure = run.failure;
    assert!(failure.is_none(), "{failure:?}\n{}", run.told.join("\n"));
}

#[test]
fn a_full_server_is_asked_as_seldom_for_many_files_as_for_one() {
    in_a_world(1, async |world| {
        world.server.set_room(Some(1));
        for n in 0..150 {
            let path = format!("{FOLDER}/{n}");
            let deed = if n % 10 == 0 {
                Deed::WriteMuch(path)
            } else {
                Deed::Write(path)
            };
            world.carry_out(0, &deed);
            sleep(Duration::from_millis(30)).await;
        }
        sleep(Duration::from_secs(120)).await;
        let n_refused = world.server.n_refused();
        assert!((10..60).contains(&n_refused), "{n_refused}");
        world.settle().await
    });
}

#[test]
fn what_needs_no_room_goes_on_while_the_server_is_full() {
    in_a_world(2, async |world| {
        for name in ["moved", "deleted"] {
            world.carry_out(0, &Deed::Write(format!("{FOLDER}/{name}")));
        }
        world.settle().await?;
        world.server.set_room(Some(1));
        world.carry_out(0, &Deed::Write(format!("{FOLDER}/new")));
        world.carry_out(0, &Deed::MakeDeep(format!("{FOLDER}/deep")));
        world.carry_out(
            0,
            &Deed::Move(format!("{FOLDER}/moved"), format!("{FOLDER}/deep/moved")),
        );
        world.carry_out(0, &Deed::Delete(format!("{FOLDER}/deleted")));
        sleep(Duration::from_secs(5)).await;
        let seen = tree(&world.clients[1].disk);
        let paths: Vec<_> = seen.keys().map(|path| String::from_utf8_lossy(path)).collect();
        assert_eq!(paths, ["deep", "deep/b", "deep/b/c", "deep/moved"]);
        world.settle().await
    });
}

#[test]
fn what_does_not_fit_is_not_begun_and_what_does_arrives() {
    in_a_world(3, async |world| {
        let disk = world.clients[1].disk.clone();
        // There is room for one of the large files, and no more.
        disk.set_space(Some(disk.used_bytes() + SPARE_LEN + 300_000));
        for n in 0..3 {
            world.carry_out(0, &Deed::WriteMuch(format!("{FOLDER}/large {n}")));
        }
        sleep(Duration::from_secs(30)).await;
        world.carry_out(0, &Deed::Write(format!("{FOLDER}/small")));
        sleep(Duration::from_secs(5)).await;
        let paths: Vec<_> = tree(&disk).into_keys().collect();
        assert_eq!(paths.len(), 2, "{paths:?}");
        assert!(paths.contains(&b"small".to_vec()));
        let staged = disk.names(&format!("{FOLDER}/.holdfast/staging"))?;
        assert!(staged.is_empty(), "{staged:?}");
        let Some(Answer::Status(status)) = world.clients[1].ask(Ask::Status).await else {
            bail!("no answer");
        };
        assert_eq!(status.blocked.len(), 2);
        disk.set_space(None);
        sleep(Duration::from_secs(15)).await;
        assert_eq!(
            tree(&disk).len(),
            4,
            "what waits for room is tried again by itself"
        );
        world.settle().await
    });
}

#[test]
fn synced_is_said_once_of_what_stays_as_it_is_however_often_the_rest_is_tried() {
    in_a_world(4, async |world| {
        world.carry_out(0, &Deed::MakeDir(format!("{FOLDER}/shut")));
        world.settle().await?;
        world.clients[1].disk.deny(&format!("{FOLDER}/shut"), true)?;
        world.carry_out(0, &Deed::Write(format!("{FOLDER}/shut/new")));
        sleep(Duration::from_secs(10)).await;
        drop(world.clients[1].heard());
        sleep(Duration::from_secs(120)).await;
        let heard = world.clients[1].heard();
        let is_synced = |notice: &&Notice| matches!(notice, Notice::Synced { .. });
        assert_eq!(heard.iter().filter(is_synced).count(), 0, "{heard:?}");
        world.clients[1].disk.mend();
        sleep(Duration::from_secs(15)).await;
        let heard = world.clients[1].heard();
        assert_eq!(heard.iter().filter(is_synced).count(), 1, "{heard:?}");
        world.settle().await
    });
}

/// Makes a conflict about one file, and resolves it on one device while the other one, of which it has not heard yet,
/// does something else. Tells whether the order was refused.
async fn resolve_too_late(world: &mut World, choice: Choice, other: &Deed) -> Result<bool> {
    let file = format!("{FOLDER}/plan");
    world.carry_out(0, &Deed::Write(file.clone()));
    world.settle().await?;
    for n in 0..2 {
        world.clients[n].set_weather(Weather::Down);
        world.carry_out(u8::try_from(n)?, &Deed::Write(file.clone()));
    }
    world.settle().await?;
    let sides = tree(&world.clients[0].disk);
    let is_copy = |path: &[u8]| path.windows(8).any(|part| part == b"conflict");
    let chosen = sides
        .iter()
        .find(|(path, _)| is_copy(path) == (choice == Choice::That));
    let chosen = contents(
        &chosen
            .map(|(path, shown)| (path.clone(), shown.clone()))
            .into_iter()
            .collect(),
    );
    world.clients[0].set_weather(Weather::Fair(400));
    world.carry_out(1, other);
    world.clients[1].wait_synced(REST_MAX).await.ok();
    let path = RelPath::parse(b"plan").context("no path")?;
    let answer = world.clients[0].ask(Ask::Resolve { path, choice }).await;
    world.settle().await?;
    let left = contents(&tree(&world.clients[0].disk));
    let is_refused = matches!(&answer, Some(Answer::Failed(_)));
    // What the other device deletes, before or after the choice, is in the history; but when it came first, the copy
    // stays too.
    let is_kept = match choice {
        Choice::This => !is_refused || !left.is_empty(),
        Choice::That | Choice::Both => chosen.is_subset(&left),
    };
    ensure!(is_kept, "{choice:?} lost what was chosen: {answer:?}");
    Ok(is_refused)
}

#[test]
fn what_is_chosen_in_a_conflict_stays_when_another_device_was_faster() {
    let file = format!("{FOLDER}/plan");
    for (choice, other) in [
        (Choice::That, Deed::Write(file.clone())),
        (Choice::This, Deed::Delete(file)),
    ] {
        let n_refused = Cell::new(0);
        for seed in 0..12 {
            in_a_world(seed, async |world| {
                let is_refused = resolve_too_late(world, choice, &other).await?;
                n_refused.set(n_refused.get() + usize::from(is_refused));
                Ok(())
            });
        }
        assert!(0 < n_refused.get(), "{choice:?} never came too late");
    }
}

/// More of them are asked for by `HOLDFAST_STORMS=300`.
#[test]
fn after_a_storm_of_links_in_the_place_of_directories_all_is_at_rest() {
    let seeds = std::env::var("HOLDFAST_STORMS").ok();
    let n_seeds = seeds.and_then(|asked| asked.parse().ok()).unwrap_or(6);
    for seed in 0..n_seeds {
        in_a_world(seed, async |world| {
            world
                .storm(seed, 200)
                .await
                .map_err(|error| error.context(format!("storm {seed}")))
        });
    }
}
