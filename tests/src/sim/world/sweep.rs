//! The crash sweep: one scenario of two devices, played once for each moment at which somebody can end. The moments are
//! right after an effect of a client's on its disk, after something that a client remembers, and in an effect of the
//! server's on its disk; what ends is the program or the computer. It is started again soon, the scenario goes on, and at
//! the end everything must be as after any other story.

mod scenario;

use super::{Run, World, run_told};
use crate::sim::act::Wildness;
use crate::sim::client::Weather;
use crate::sim::disk::Crash;
use crate::sim::search::on_all_cores;
use anyhow::{Context as _, Result, ensure};
use scenario::{Scene, scenario};
use std::fmt;
use std::time::Duration;

/// The world of the scenario.
const WILDNESS: Wildness = Wildness {
    n_devices: 2,
    n_acts: 0,
};

/// What somebody does that can be the last that they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effects {
    /// Those of a device's client on its disk.
    OfDisk(u8),
    /// Those of a device's client on its memory.
    OfMemory(u8),
    /// Those of the server on its disk.
    OfServer,
}

/// All whose effects are counted.
const EFFECTS: [Effects; 5] = [
    Effects::OfDisk(0),
    Effects::OfDisk(1),
    Effects::OfMemory(0),
    Effects::OfMemory(1),
    Effects::OfServer,
];

/// A moment at which somebody ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Of whom.
    pub effects: Effects,
    /// Which effect is the last; the first of the scenario is number 1.
    pub last: u64,
    /// The computer ends, not just the program.
    pub is_power_cut: bool,
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// What came of a sweep.
#[derive(Debug)]
pub struct Sweep {
    /// How many effects there are.
    pub counts: Vec<(Effects, u64)>,
    /// How many moments were tried.
    pub n_moments: usize,
    /// What was wrong, and when.
    pub failures: Vec<(Moment, String)>,
}

/// Plays the scenario without a crash, and then with one at every so manieth moment.
///
/// # Errors
/// When it fails without a crash.
pub fn sweep(seed: u64, stride: usize) -> Result<Sweep> {
    let counts = counts(seed)?;
    let mut moments = Vec::new();
    for (effects, n_effects) in &counts {
        for last in 1..=*n_effects {
            for is_power_cut in [false, true] {
                moments.push(Moment {
                    effects: *effects,
                    last,
                    is_power_cut,
                });
            }
        }
    }
    let moments: Vec<Moment> = moments.into_iter().step_by(stride.max(1)).collect();
    let failures = on_all_cores(&moments, |moment| {
        let failure = play(seed, *moment).failure?;
        Some((*moment, failure))
    });
    Ok(Sweep {
        counts,
        n_moments: moments.len(),
        failures: failures.into_iter().flatten().collect(),
    })
}

/// Plays the scenario with a crash.
#[must_use]
pub fn play(seed: u64, moment: Moment) -> Run {
    run_told(seed, async |told| {
        let mut world = World::new(seed, WILDNESS).await?;
        world.arm(moment)?;
        world.play(told, Some(moment)).await?;
        let settled = world.settle().await;
        world.hear(told);
        settled
    })
}

/// Plays the scenario without a crash, and returns how many effects there are in it.
fn counts(seed: u64) -> Result<Vec<(Effects, u64)>> {
    let mut counts = Vec::new();
    let run = run_told(seed, async |told| {
        let mut world = World::new(seed, WILDNESS).await?;
        let before = EFFECTS.map(|effects| world.n_effects(effects));
        world.play(told, None).await?;
        let after = EFFECTS.map(|effects| world.n_effects(effects));
        counts = (EFFECTS.into_iter().zip(before.into_iter().zip(after)))
            .map(|(effects, (before, after))| (effects, after - before))
            .collect();
        world.settle().await
    });
    match run.failure {
        None => Ok(counts),
        Some(failure) => Err(anyhow::anyhow!(failure)).context("it fails without a crash"),
    }
}

impl World {
    fn n_effects(&mut self, effects: Effects) -> u64 {
        match effects {
            Effects::OfDisk(device) => self.client(device).disk.n_effects(),
            Effects::OfMemory(device) => self.client(device).n_saves(),
            Effects::OfServer => self.server.n_effects(),
        }
    }

    fn arm(&mut self, moment: Moment) -> Result<()> {
        ensure!(0 < moment.last, "the first effect is number 1");
        let crash = match moment.is_power_cut {
            true => Crash::PowerCut,
            false => Crash::Kill,
        };
        match moment.effects {
            Effects::OfDisk(device) => self.client(device).kill_after(moment.last, crash),
            Effects::OfMemory(device) => self.client(device).kill_after_saves(moment.last, crash),
            Effects::OfServer => self.server.kill_at(moment.last),
        }
        Ok(())
    }

    async fn play(&mut self, told: &mut Vec<String>, moment: Option<Moment>) -> Result<()> {
        for (n, scene) in scenario().into_iter().enumerate() {
            told.push(format!("{n}: {scene:?}"));
            match scene {
                Scene::Do(device, deed) => self.carry_out(device, &deed),
                Scene::Pass(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
                Scene::Part(device) => self.client(device).set_weather(Weather::Down),
                Scene::Join(device) => self.client(device).set_weather(Weather::Fair(2)),
            }
            tokio::task::yield_now().await;
            self.hear(told);
            self.revive(told, moment)?;
        }
        Ok(())
    }

    /// Starts again what has crashed.
    fn revive(&mut self, told: &mut Vec<String>, moment: Option<Moment>) -> Result<()> {
        for n in 0..self.clients.len() {
            if !self.clients[n].is_running() {
                told.push(format!("{} crashed", self.clients[n].name()));
                self.end_client(n, Crash::Kill);
                self.start(u8::try_from(n)?)?;
            }
        }
        if !self.server.is_running() {
            told.push("the server crashed".to_owned());
            if moment.is_some_and(|moment| moment.is_power_cut) {
                self.server.power_cut();
            }
            self.server.start()?;
        }
        Ok(())
    }
}
