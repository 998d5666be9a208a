//! Three people who work at random, on devices that come and go, with a server that is killed now and then. At the end
//! all devices agree, no content is lost, and the server's store is whole. A seed decides what they do, and chance when.

use crate::noise::Noise;
use crate::{Device, Tokens, World, settle};
use anyhow::{Context as _, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// What is done in one run.
const N_DEEDS: usize = 70;
/// Files that nobody touches, so that no deletion is large enough for the brake.
const N_ANCHORS: usize = 40;

/// Runs a seed.
///
/// # Errors
/// When a promise is broken, or a program does not do what it should.
pub fn run(seed: u64) -> Result<()> {
    Chaos::begin(seed)?
        .run()
        .with_context(|| format!("with seed {seed}"))
}

struct Person {
    device: Device,
    is_online: bool,
}

struct Chaos {
    world: World,
    people: Vec<Person>,
    tokens: Tokens,
    dice: Noise,
    n_fresh: usize,
}

impl Chaos {
    fn begin(seed: u64) -> Result<Self> {
        let (world, devices) = World::with_devices::<3>()?;
        let mut tokens = Tokens::new();
        for n in 0..N_ANCHORS {
            tokens.write(&devices[0].path(&format!("anchor/{n}")))?;
        }
        settle(&devices.each_ref())?;
        let people = devices.into_iter().map(|device| Person {
            device,
            is_online: true,
        });
        Ok(Self {
            world,
            people: people.collect(),
            tokens,
            dice: Noise::new(seed),
            n_fresh: 0,
        })
    }

    fn run(mut self) -> Result<()> {
        for n_deed in 0..N_DEEDS {
            let who = self.throw(self.people.len());
            self.deed(who).with_context(|| format!("in deed {n_deed}"))?;
        }
        for person in &mut self.people {
            if !person.is_online {
                person.device.start()?;
            }
        }
        let devices: Vec<&Device> = self.people.iter().map(|person| &person.device).collect();
        settle(&devices)?;
        let folders: Vec<&Path> = devices.iter().map(|device| device.folder.as_path()).collect();
        self.tokens.all_in(&folders)?;
        drop(self.people);
        self.world.server.terminate()?.ok()?;
        self.world.server.admin(&["verify"])?.ok()?;
        Ok(())
    }

    fn throw(&mut self, n_sides: usize) -> usize {
        usize::try_from(self.dice.number() % n_sides as u64).expect("it is less than a usize")
    }

    fn deed(&mut self, who: usize) -> Result<()> {
        match self.throw(12) {
            0 => self.come_or_go(who, false),
            1 => self.come_or_go(who, true),
            2 if self.throw(3) == 0 => {
                self.world.server.kill()?;
                self.world.server.start_again()
            }
            3 if self.people[who].is_online => self.people[who].device.wait_synced(),
            _ if self.people[who].is_online => self.work_online(who),
            _ => self.work_offline(who),
        }
    }

    fn come_or_go(&mut self, who: usize, is_killed: bool) -> Result<()> {
        let person = &mut self.people[who];
        match (person.is_online, is_killed) {
            (false, _) => person.device.start()?,
            (true, true) => drop(person.device.kill()?),
            (true, false) => drop(person.device.stop()?),
        }
        person.is_online = !person.is_online;
        Ok(())
    }

    /// While a client runs it may bring something new to any name at any moment. Who replaced that would have to say so
    /// to the token account; so only new names are written, and what is there is only moved to new names.
    fn work_online(&mut self, who: usize) -> Result<()> {
        let fresh = self.fresh_place(who);
        if self.throw(2) == 0 {
            self.tokens.write(&fresh)?;
        } else if let Some(from) = self.some_place(who)? {
            // The client may have moved or deleted it in this moment.
            let _gone = fs::rename(from, fresh);
        }
        Ok(())
    }

    fn work_offline(&mut self, who: usize) -> Result<()> {
        let (some, other) = (self.some_place(who)?, self.some_place(who)?);
        match (self.throw(4), some, other) {
            (0, Some(path), _) if path.is_file() => {
                self.tokens.retire_under(&path)?;
                self.tokens.write(&path)?;
            }
            (1, Some(path), _) => {
                self.tokens.retire_under(&path)?;
                if path.is_dir() {
                    fs::remove_dir_all(path)?;
                } else {
                    fs::remove_file(path)?;
                }
            }
            (2, Some(from), Some(to)) if from.is_file() && to.is_file() && from != to => {
                self.tokens.retire_under(&to)?;
                fs::rename(from, to)?;
            }
            (_, Some(from), Some(dir)) if dir.is_dir() && !dir.starts_with(&from) => {
                let to = dir.join(format!("moved {}", self.next_fresh()));
                fs::rename(from, to)?;
            }
            (..) => {
                let fresh = self.fresh_place(who);
                self.tokens.write(&fresh)?;
            }
        }
        Ok(())
    }

    fn next_fresh(&mut self) -> usize {
        self.n_fresh += 1;
        self.n_fresh
    }

    /// Returns a name that nobody uses. On two devices it may be in a directory of the same name.
    fn fresh_place(&mut self, who: usize) -> PathBuf {
        let dir = self.throw(3);
        let n_fresh = self.next_fresh();
        let dir = self.people[who].device.path(&format!("dir {dir}"));
        // When the client takes it away in this moment, the one who writes there makes it again.
        let _there = fs::create_dir_all(&dir);
        dir.join(format!("file {n_fresh}"))
    }

    /// Returns something that is in the folder, the anchors left out.
    fn some_place(&mut self, who: usize) -> Result<Option<PathBuf>> {
        let mut found = Vec::new();
        let mut dirs = vec![self.people[who].device.folder.clone()];
        while let Some(dir) = dirs.pop() {
            // A directory may vanish while it is looked at.
            for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.ends_with(".holdfast") || path.ends_with("anchor") {
                    continue;
                }
                if path.is_dir() {
                    dirs.push(path.clone());
                }
                found.push(path);
            }
        }
        found.sort();
        if found.is_empty() {
            return Ok(None);
        }
        let index = self.throw(found.len());
        Ok(Some(found.swap_remove(index)))
    }
}
