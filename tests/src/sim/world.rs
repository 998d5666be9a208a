//! A simulated world: a server, several computers with a client each, and people who work on them while things go wrong.
//! After a story all is mended; then all must come to rest, agree, and have lost nothing.

mod check;
mod claim;
mod people;
#[cfg(test)]
mod storm;
pub mod sweep;
#[cfg(test)]
mod tests;

use crate::noise::Noise;
use crate::sim::act::{Act, LineWeather, Wildness, story};
use crate::sim::client::{FOLDER, SimClient, Weather};
use crate::sim::disk::{Crash, Opened, Options, WatchOptions};
use crate::sim::ledger::{Ledger, contents, name_of, shown};
use crate::sim::person::{self, Contents};
use crate::sim::server::{Backup, PutBack, SimServer};
use anyhow::{Result, bail};
use common::entropy;
use common::identity::AccountId;
use common::offload::set_lag;
use people::Amid;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use sync_engine::Hash;
use tokio::time::Instant;

/// All must come to rest within this time once everything is mended.
const REST_MAX: Duration = Duration::from_secs(600);

/// How a run ended.
#[derive(Debug)]
pub struct Run {
    /// Stands for all that happened: two runs of one story give the same.
    pub trace: Hash,
    /// What happened, line by line.
    pub told: Vec<String>,
    /// What was wrong, if anything.
    pub failure: Option<String>,
}

/// Runs the story of a seed.
#[must_use]
pub fn run(seed: u64, wildness: Wildness) -> Run {
    run_acts(seed, wildness, &story_of(seed, wildness))
}

/// Returns the story of a seed.
#[must_use]
pub fn story_of(seed: u64, wildness: Wildness) -> Vec<Act> {
    story(&mut Noise::new(seed), wildness)
}

/// Runs a story in the world of a seed.
///
/// # Panics
/// When the system has no runtime to give.
#[must_use]
pub fn run_acts(seed: u64, wildness: Wildness, acts: &[Act]) -> Run {
    run_told(seed, async |told| tell_story(seed, wildness, acts, told).await)
}

/// Runs what tells a story, in a runtime in which all is decided by the seed.
fn run_told(seed: u64, tell: impl AsyncFnOnce(&mut Vec<String>) -> Result<()>) -> Run {
    let _simulated = entropy::simulate(seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("the system gives a runtime");
    runtime.block_on(async {
        let mut told = Vec::new();
        let outcome = tell(&mut told).await;
        let trace = Hash::of(told.join("\n").as_bytes());
        Run {
            trace,
            told,
            failure: outcome.err().map(|error| format!("{error:#}")),
        }
    })
}

/// Returns the shortest part of a failing story that was found to fail in the same way. It takes up to so many runs.
#[must_use]
pub fn shorten(seed: u64, wildness: Wildness, acts: &[Act], failure: &str, n_runs_max: usize) -> Vec<Act> {
    let (mut acts, mut n_runs) = (acts.to_vec(), 0);
    let fails = |acts: &[Act]| {
        let run = run_acts(seed, wildness, acts);
        run.failure
            .is_some_and(|other| kind_of(&other) == kind_of(failure))
    };
    let mut len = acts.len() / 2;
    while len > 0 && n_runs < n_runs_max {
        let mut from = 0;
        while from < acts.len() && n_runs < n_runs_max {
            let mut shorter = acts.clone();
            // The end, where all is looked at, stays.
            let to = (from + len).min(acts.len() - 1);
            shorter.drain(from..to.max(from));
            n_runs += 1;
            if shorter.len() < acts.len() && fails(&shorter) {
                acts = shorter;
            } else {
                from += len;
            }
        }
        len /= 2;
    }
    acts
}

/// The words of a failure that say what is wrong, without where and with what.
fn kind_of(failure: &str) -> String {
    let what = failure
        .split(": ")
        .filter(|part| !part.starts_with("at act"))
        .nth(1);
    what.unwrap_or(failure)
        .chars()
        .filter(|c| !c.is_ascii_digit())
        .take(24)
        .collect()
}

async fn tell_story(seed: u64, wildness: Wildness, acts: &[Act], told: &mut Vec<String>) -> Result<()> {
    let mut world = World::new(seed, wildness).await?;
    for (n, act) in acts.iter().enumerate() {
        told.push(format!("{n}: {act}"));
        let happened = world.happen(*act).await;
        world.hear(told);
        happened.map_err(|error| error.context(format!("at act {n}: {act}")))?;
    }
    Ok(())
}

/// See the module's page.
struct World {
    server: Arc<SimServer>,
    clients: Vec<SimClient>,
    account: Option<AccountId>,
    /// What people write next.
    contents: Arc<Mutex<Contents>>,
    amid: Amid,
    ledger: Ledger,
    backup: Option<Backup>,
    /// The file that a program has open on each device.
    held: BTreeMap<usize, Opened>,
    /// The devices on which that program has written to its file.
    written_to: BTreeSet<usize>,
    /// The devices on whose disks something could not be read, of whose mending nobody is told.
    damaged: BTreeSet<usize>,
    /// What a device has said to be blocked, when all were last asked.
    blocked: Vec<String>,
    /// Who was not at rest, when all were last asked, and how that stood.
    restless: Option<String>,
    /// How often each computer had lost power when its client was last found dead.
    n_power_cuts: BTreeMap<usize, u64>,
    /// What was in all folders when all was last at rest, if nobody has done anything there since, and how often computers
    /// had lost power by then.
    at_rest: Option<(BTreeMap<String, String>, u64)>,
    /// When the server's store was last put back.
    put_back_at: Option<Instant>,
    said: Vec<String>,
}

impl World {
    /// Makes a world in which all are connected and at rest.
    async fn new(seed: u64, wildness: Wildness) -> Result<Self> {
        let server = Arc::new(SimServer::new(seed));
        server.start()?;
        let mut clients = Vec::new();
        for number in 0..wildness.n_devices {
            let seed = seed.wrapping_mul(31).wrapping_add(u64::from(number));
            let kind = Noise::new(seed).number();
            clients.push(SimClient::new(
                number,
                server.clone(),
                disk_of(seed, kind),
                watch_of(kind),
                seed,
            )?);
        }
        set_lag(Duration::ZERO);
        let mut world = Self {
            server,
            clients,
            account: None,
            contents: Arc::default(),
            amid: Amid::default(),
            ledger: Ledger::default(),
            backup: None,
            held: BTreeMap::new(),
            written_to: BTreeSet::new(),
            damaged: BTreeSet::new(),
            blocked: Vec::new(),
            restless: None,
            n_power_cuts: BTreeMap::new(),
            at_rest: None,
            put_back_at: None,
            said: Vec::new(),
        };
        for client in &mut world.clients {
            client.start(world.account.clone())?;
            if client.wait_synced(REST_MAX).await.is_err() {
                bail!("{} does not get synced at first", client.name());
            }
            world.account = client.account_id().await;
        }
        Ok(world)
    }

    fn client(&mut self, device: u8) -> &mut SimClient {
        let n = usize::from(device) % self.clients.len();
        &mut self.clients[n]
    }

    async fn happen(&mut self, act: Act) -> Result<()> {
        match act {
            Act::Edit {
                device,
                how,
                which,
                whither,
            } => self.edit(device, how, which, whither),
            Act::EditAmid {
                device,
                how,
                which,
                whither,
                n_calls,
            } => self.edit_amid(device, (how, which, whither), n_calls),
            Act::Hold { device, which } => self.hold(device, which),
            Act::WriteHeld { device, is_mapped } => self.write_held(device, is_mapped),
            Act::Pass(ms) => tokio::time::sleep(Duration::from_millis(ms.into())).await,
            Act::Lag(ms) => set_lag(Duration::from_millis(ms.into())),
            Act::Line { device, weather } => self.client(device).set_weather(weather_of(weather)),
            Act::Crash {
                device,
                is_power_cut,
                after,
            } => self.crash(device, is_power_cut, after),
            Act::Start { device } => self.start(device)?,
            Act::LoseMemory { device } => {
                let client = self.client(device);
                if !client.is_running() {
                    client.lose_memory();
                }
            }
            Act::WatchLimit { device, is_limited } => self.client(device).disk.limit_watches(is_limited),
            Act::HoldBack { device, is_held_back } => {
                self.client(device).disk.hold_events_back(is_held_back);
            }
            Act::ScarceDescriptors { device, n_calls } => {
                self.client(device).disk.make_descriptors_scarce(n_calls.into());
            }
            Act::Ask { device } => self.ask(device).await?,
            Act::Overflow { device } => self.client(device).disk.overflow(),
            Act::Space { device, left } => {
                let disk = &self.client(device).disk;
                disk.set_space((left > 0).then(|| disk.used_bytes() + u64::from(left)));
            }
            Act::Refuse {
                device,
                which,
                is_damaged,
            } => self.refuse(device, which, is_damaged),
            Act::Mend { device } => self.client(device).disk.mend(),
            Act::ServerSpace { left } => {
                self.server.set_room((left > 0).then_some(u64::from(left)));
            }
            Act::Clock { device, hours } => {
                let clock = self.client(device).disk.clock();
                clock.jump(i64::from(hours) * 3_600_000_000_000);
            }
            Act::CrashServer { is_power_cut, after } => self.crash_server(is_power_cut, after),
            Act::StartServer => self.start_server()?,
            Act::Backup => self.backup = Some(self.server.backup()),
            Act::Tool { tool, n_steps } => self.server.start_tool(tool, n_steps.into())?,
            Act::PutBack { has_new_epoch } => self.put_back(has_new_epoch)?,
            Act::Settle => self.settle().await?,
        }
        // Whatever is ready goes on before the next act, so that time zero is long enough for what needs none.
        tokio::task::yield_now().await;
        self.take_amid();
        Ok(())
    }

    fn refuse(&mut self, device: u8, which: u16, is_damaged: bool) {
        let disk = self.client(device).disk.clone();
        let paths: Vec<Vec<u8>> = person::tree(&disk).into_keys().collect();
        let Some(path) = paths.get(usize::from(which) % paths.len().max(1)) else {
            return;
        };
        let path = format!("{FOLDER}/{}", String::from_utf8_lossy(path));
        if is_damaged {
            let n = usize::from(device) % self.clients.len();
            self.damaged.insert(n);
        }
        // If it is not there any more, nothing refuses.
        let _ = match is_damaged {
            true => disk.damage(&path, true),
            false => disk.deny(&path, true),
        };
        self.said.push(format!("{path} cannot be read"));
    }

    fn crash(&mut self, device: u8, is_power_cut: bool, after: u16) {
        let crash = if is_power_cut {
            Crash::PowerCut
        } else {
            Crash::Kill
        };
        let n = usize::from(device) % self.clients.len();
        if after > 0 && self.clients[n].is_running() {
            return self.clients[n].kill_after(after.into(), crash);
        }
        self.end_client(n, crash);
    }

    /// Ends a client; a power cut may take what was not flushed, and nothing else is forgiven.
    fn end_client(&mut self, n: usize, crash: Crash) {
        self.take_amid();
        self.clients[n].kill(crash);
        if let Ok(tree) = self.clients[n].disk.tree(FOLDER) {
            self.said
                .push(format!("{} ends with {}", self.clients[n].name(), shown(&tree)));
        }
        let forfeited = self.clients[n].disk.take_forfeited();
        let forfeited: BTreeSet<Hash> = forfeited.iter().map(|bytes| name_of(bytes)).collect();
        if !forfeited.is_empty()
            && let Ok(left) = self.everything()
        {
            self.ledger.forfeited(&forfeited, &left);
        }
        let n_power_cuts = self.clients[n].disk.n_power_cuts();
        if self.n_power_cuts.insert(n, n_power_cuts) != Some(n_power_cuts) {
            let mut tree = self.clients[n].disk.tree(FOLDER).unwrap_or_default();
            tree.retain(|path, _| !path.starts_with(b".holdfast/staging/"));
            self.ledger.torn(&contents(&tree));
        }
    }

    fn start(&mut self, device: u8) -> Result<()> {
        let n = usize::from(device) % self.clients.len();
        if !self.clients[n].is_running() {
            // A crash that was to come may have come since, and taken something with it.
            self.end_client(n, Crash::Kill);
            self.clients[n].start(self.account.clone())?;
        }
        Ok(())
    }

    fn crash_server(&mut self, is_power_cut: bool, after: u16) {
        match (is_power_cut, after) {
            (true, 0) => self.server.power_cut(),
            (true, after) => self.server.power_cut_at(after.into()),
            (false, 0) => self.server.kill(),
            (false, after) => self.server.kill_at(after.into()),
        }
    }

    fn start_server(&mut self) -> Result<()> {
        // A crash that was to come may come while it starts.
        if !self.server.is_running() && self.server.start().is_err() {
            self.server.start()?;
        }
        Ok(())
    }

    fn put_back(&mut self, has_new_epoch: bool) -> Result<()> {
        self.backup = self.server.take_copy().or(self.backup.take());
        let Some(backup) = &self.backup else { return Ok(()) };
        let how = if has_new_epoch {
            PutBack::WithNewEpoch
        } else {
            PutBack::AsItWas
        };
        self.server.put_back(backup, how)?;
        self.put_back_at = Some(Instant::now());
        let left = self.everything()?;
        self.ledger.put_back(&left, &self.server.contents()?);
        Ok(())
    }

    /// Notes what everybody has said.
    fn hear(&mut self, told: &mut Vec<String>) {
        told.append(&mut self.said);
        for client in &mut self.clients {
            let name = client.name().to_owned();
            told.extend(
                client
                    .heard()
                    .into_iter()
                    .map(|notice| format!("   {name} {notice:?}")),
            );
        }
    }
}

fn weather_of(weather: LineWeather) -> Weather {
    match weather {
        LineWeather::Fair(delay_ms) => Weather::Fair(delay_ms.into()),
        LineWeather::Down => Weather::Down,
        LineWeather::Silent => Weather::Silent,
        LineWeather::BreaksAfter(n_bytes) => Weather::BreaksAfter(n_bytes.into()),
    }
}

/// The disk of a computer: stamps are fine on some and coarse on others, and so on.
fn disk_of(seed: u64, kind: u64) -> Options {
    Options {
        granularity_ns: [1, 1, 4_000_000, 1_000_000_000, 2_000_000_000][(kind % 5) as usize],
        tells_birth: !(kind / 5).is_multiple_of(4),
        can_exchange: !(kind / 20).is_multiple_of(3),
        is_choppy: (kind / 60).is_multiple_of(3),
        folds_case: (kind / 1440).is_multiple_of(4),
        folds_form: (kind / 1440).is_multiple_of(8),
        ..Options::new(seed)
    }
}

fn watch_of(kind: u64) -> WatchOptions {
    // On coarse stamps, a file that is written within their tick looks as before: then the word of it is all there is.
    let loses = kind % 5 < 3;
    WatchOptions {
        waiting_max: [16_384, 16][usize::from((kind / 180).is_multiple_of(4))],
        repeat_one_in: [0, 5][(kind / 720 % 2) as usize],
        lose_one_in: [0, 0, 0, if loses { 6 } else { 0 }][(kind / 20_000 % 4) as usize],
        ..WatchOptions::default()
    }
}
