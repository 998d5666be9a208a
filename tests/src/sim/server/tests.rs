//! What a server may never lose, however it ends: each test ends it in the course of each of its effects on the disk.

mod caller;
mod member;
mod scenario;
mod tools;

use common::message::{Failure, Reply};
use std::future::Future;

use self::caller::{Caller, Device, file};
use self::member::Member;
use self::scenario::{Scenario, Seen};
use super::{Damage, PutBack, SimServer};
use crate::noise::Noise;

/// Runs something simulated.
fn simulated<T>(seed: u64, work: impl Future<Output = T>) -> T {
    let _simulated = common::entropy::simulate(seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.unwrap().block_on(work)
}

/// Returns a server that runs on an empty store.
fn started(seed: u64) -> SimServer {
    let server = SimServer::new(seed);
    server.start().unwrap();
    server
}

/// Returns what the scenario comes to when nothing ends, and how many effects it has.
fn undisturbed() -> (Seen, u64) {
    simulated(1, async {
        let server = started(1);
        let mut scenario = Scenario::new();
        let seen = scenario.go_on(&server).await.unwrap();
        scenario.check(&server).await;
        (seen, server.n_effects())
    })
}

#[test]
fn a_kill_in_any_effect_loses_nothing_acknowledged() {
    let (wanted, n_effects) = undisturbed();
    assert!(20 < n_effects, "{n_effects} effects");
    for effect in 1..=n_effects {
        simulated(effect, async {
            let server = started(effect);
            server.kill_at(effect);
            let mut scenario = Scenario::new();
            let seen = scenario.go_on(&server).await;
            assert!(seen.is_none() || effect == n_effects);
            server.start().unwrap();
            scenario.check(&server).await;
            assert_eq!(scenario.go_on(&server).await.as_ref(), Some(&wanted), "{effect}");
            scenario.check(&server).await;
        });
    }
}

#[test]
fn a_loss_of_power_in_any_effect_loses_nothing_acknowledged() {
    let (wanted, n_effects) = undisturbed();
    for seed in 0..n_effects * 3 {
        simulated(seed, async {
            let server = started(seed);
            server.kill_at(seed % n_effects + 1);
            let mut scenario = Scenario::new();
            scenario.go_on(&server).await;
            server.power_cut();
            server.start().unwrap();
            scenario.check(&server).await;
            assert_eq!(scenario.go_on(&server).await.as_ref(), Some(&wanted), "{seed}");
            scenario.check(&server).await;
        });
    }
}

#[test]
fn one_crash_after_the_other_loses_nothing_acknowledged() {
    let (wanted, n_effects) = undisturbed();
    for seed in 0..60 {
        simulated(seed, async {
            let server = SimServer::new(seed);
            let mut dice = Noise::new(seed);
            let mut scenario = Scenario::new();
            for _ in 0..5 {
                server.kill_at(1 + dice.number() % n_effects);
                if server.start().is_ok() {
                    scenario.go_on(&server).await;
                }
                if dice.number().is_multiple_of(2) {
                    server.power_cut();
                } else {
                    server.kill();
                }
            }
            server.start().unwrap();
            scenario.check(&server).await;
            assert_eq!(scenario.go_on(&server).await.as_ref(), Some(&wanted), "{seed}");
            scenario.check(&server).await;
        });
    }
}

#[test]
fn devices_that_change_the_same_things_see_one_journal_whatever_happens_to_the_server() {
    for seed in 0..40 {
        simulated(seed, async {
            let server = started(seed);
            let mut dice = Noise::new(seed);
            let mut first = Member::new(0, None, seed);
            let id = first.register(&server).await;
            let mut second = Member::new(1, id.clone(), seed);
            let mut third = Member::new(2, id, seed);
            for _ in 0..4 {
                server.kill_at(1 + dice.number() % 100);
                tokio::join!(
                    first.live(&server, 6),
                    second.live(&server, 6),
                    third.live(&server, 6)
                );
                if dice.number().is_multiple_of(2) {
                    server.power_cut();
                }
                server.start().unwrap();
                server.check().unwrap();
            }
            let tree = first.finish(&server).await;
            assert_eq!(second.finish(&server).await, tree);
            assert_eq!(third.finish(&server).await, tree);
        });
    }
}

#[test]
fn what_a_killed_server_left_unflushed_is_flushed_before_a_commit_counts_on_it() {
    for seed in 0..20 {
        simulated(seed, async {
            let server = started(seed);
            let mut scenario = Scenario::new();
            // The bytes of two files are brought, and no commit has named them yet.
            scenario.go_on_until(&server, 4).await.unwrap();
            server.start().unwrap();
            // One of them is named; nothing is appended for it.
            scenario.go_on_until(&server, 5).await.unwrap();
            server.power_cut();
            server.start().unwrap();
            scenario.check(&server).await;
        });
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        simulated(seed, async {
            let server = started(seed);
            server.kill_at(15);
            let mut scenario = Scenario::new();
            scenario.go_on(&server).await;
            server.power_cut();
            server.start().unwrap();
            scenario.go_on(&server).await.unwrap();
            format!("{:?}", server.backup())
        })
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

#[test]
fn a_failed_flush_ends_the_server_and_nothing_is_acknowledged() {
    simulated(1, async {
        let server = started(1);
        let mut scenario = Scenario::new();
        scenario.go_on_until(&server, 1).await.unwrap();
        server.fail_next_flush();
        assert_eq!(scenario.go_on(&server).await, None);
        server.ended().await;
        server.power_cut();
        server.start().unwrap();
        scenario.check(&server).await;
        assert!(scenario.go_on(&server).await.is_some());
    });
}

#[test]
fn a_full_disk_is_an_answer_and_not_an_end() {
    simulated(1, async {
        let server = started(1);
        let mut device = Device::new(9);
        let (mut caller, _) = Caller::call(&server, &mut device).await.unwrap();
        server.set_room(Some(0));
        let (_, bytes) = file(&[7; 5000]);
        let refused = caller.put(&bytes).await;
        let is_full = |reply: &Option<Reply>| matches!(reply, Some(Reply::Failed { failure, .. }) if *failure == Failure::ServerFull);
        assert!(is_full(&refused), "{refused:?}");
        server.set_room(None);
        let stored = caller.put(&bytes).await;
        assert!(matches!(stored, Some(Reply::Stored { .. })), "{stored:?}");
        server.check().unwrap();
    });
}

#[test]
fn a_store_that_was_put_back_is_known_for_another() {
    simulated(1, async {
        let server = started(1);
        let mut scenario = Scenario::new();
        scenario.go_on_until(&server, 5).await.unwrap();
        let backup = server.backup();
        let mut other = Device::new(9);
        let (mut caller, _) = Caller::call(&server, &mut other).await.unwrap();
        let (_, cursor) = caller.snapshot().await.unwrap();
        server.put_back(&backup, PutBack::WithNewEpoch).unwrap();
        server.start().unwrap();
        server.check().unwrap();
        // The account of this device is not in the backup, and the other's cursor is of another epoch.
        let mut first = scenario.into_device();
        let (mut caller, welcome) = Caller::call(&server, &mut first).await.unwrap();
        assert_ne!(welcome.epoch, cursor.epoch);
        let reply = caller.pull(cursor).await;
        assert!(matches!(reply, Some(Reply::Diverged { .. })), "{reply:?}");
    });
}

#[test]
fn a_damaged_pack_is_seen() {
    for n in 0..3 {
        simulated(1, async {
            let server = started(1);
            Scenario::new().go_on(&server).await.unwrap();
            server.stop().await;
            server.check().unwrap();
            let (pack, len) = server.packs()[0];
            server.damage(match n {
                0 => Damage::Flip { pack, at: len / 2 },
                1 => Damage::Cut { pack, len: len / 2 },
                _ => Damage::Lose { pack },
            });
            assert!(server.check().is_err());
        });
    }
}
