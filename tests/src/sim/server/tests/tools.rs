//! The tools beside a device that brings, commits and deletes, while the server ends in any effect.

use common::message::{Attachment, Outcome};
use std::sync::Arc;
use std::time::Duration;
use sync_engine::{Change, Kind, Name, Node, NodeId, Version};

use super::caller::{Caller, Device, file};
use super::{simulated, started};
use crate::noise::Noise;
use crate::sim::server::{SimServer, Tool};

struct Play {
    server: Arc<SimServer>,
    dice: Noise,
    device: Device,
    caller: Option<Caller>,
    /// Files that are there.
    files: Vec<(NodeId, Version)>,
    n_ids: u8,
    n_accepted: u64,
    n_ends: u64,
}

impl Play {
    fn roll(&mut self, sides: u64) -> u64 {
        self.dice.number() % sides
    }

    /// A file of few blocks, so that files share chunks and come again.
    fn file(&mut self) -> (Kind, Vec<Attachment>) {
        let n_blocks = 2 + self.roll(4);
        let bytes: Vec<u8> = (0..n_blocks)
            .flat_map(|_| vec![self.roll(4) as u8; 1000])
            .collect();
        file(&bytes)
    }

    /// Does something; nothing if the server went away meanwhile.
    async fn happen(&mut self) -> Option<()> {
        if !self.server.is_running() {
            self.n_ends += 1;
            self.caller = None;
            // An end that was to come may come while it starts.
            self.server.start().or_else(|_| self.server.start()).unwrap();
        }
        let mut caller = match self.caller.take() {
            Some(caller) => caller,
            None => Caller::call(&self.server, &mut self.device).await?.0,
        };
        match self.roll(14) {
            0 | 1 => {
                let (_, attachments) = self.file();
                let n = 1 + self.roll(attachments.len() as u64) as usize;
                caller.put(&attachments[..n]).await?;
            }
            2..=4 => {
                let (_, attachments) = self.file();
                caller.put(&attachments).await?;
            }
            5..=7 => {
                let (kind, _) = self.file();
                self.create(&mut caller, kind).await?;
            }
            8 if !self.files.is_empty() => {
                let n = self.roll(self.files.len() as u64) as usize;
                let (id, base) = self.files.swap_remove(n);
                caller.commit(Change::Delete { id, base }, &[]).await?.unwrap();
            }
            9 | 10 => self.start_tool(),
            11 => {
                let effect = 1 + self.roll(30);
                match self.roll(2) {
                    0 => self.server.kill_at(effect),
                    _ => self.server.power_cut_at(effect),
                }
            }
            _ => {
                let longest = [5, 100, 2_000][self.roll(3) as usize];
                tokio::time::sleep(Duration::from_millis(self.roll(longest))).await;
            }
        }
        self.caller = Some(caller);
        Some(())
    }

    async fn create(&mut self, caller: &mut Caller, kind: Kind) -> Option<()> {
        self.n_ids += 1;
        let id = NodeId([self.n_ids; 16]);
        let node = Node {
            parent: NodeId::ROOT,
            name: Name::try_from(format!("file {}", self.n_ids).as_str()).unwrap(),
            kind,
            mark: None,
        };
        // Nothing comes along: it is there, or the change is refused.
        let outcome = caller.commit(Change::Create { id, node }, &[]).await?;
        if let Outcome::Accepted(version) = outcome.unwrap() {
            self.files.push((id, version));
            self.n_accepted += 1;
        }
        Some(())
    }

    fn start_tool(&mut self) {
        let tool = match self.roll(8) {
            0 => Tool::Verify,
            1 => Tool::Backup,
            _ => Tool::Prune(1),
        };
        let n_steps = match self.roll(4) {
            0 => 1 + self.roll(12),
            _ => 0,
        };
        self.server.start_tool(tool, n_steps).unwrap();
    }
}

/// Plays so many acts, and returns how many commits were taken and how often the server ended.
fn play(seed: u64, n_acts: usize) -> (u64, u64) {
    simulated(seed, async {
        let mut play = Play {
            server: Arc::new(started(seed)),
            dice: Noise::new(seed),
            device: Device::new(1),
            caller: None,
            files: Vec::new(),
            n_ids: 0,
            n_accepted: 0,
            n_ends: 0,
        };
        for _ in 0..n_acts {
            if play.happen().await.is_none() {
                play.caller = None;
            }
        }
        let faults = play.server.take_faults();
        assert!(faults.is_empty(), "seed {seed}: {}", faults.join("\n"));
        if let Err(error) = play.server.check() {
            panic!("seed {seed}: {error:#}");
        }
        (play.n_accepted, play.n_ends)
    })
}

#[test]
fn whatever_tools_do_beside_a_device_and_wherever_the_server_ends_the_store_is_sound() {
    let (mut n_accepted, mut n_ends) = (0, 0);
    for seed in 0..100 {
        let (accepted, ends) = play(seed, 120);
        n_accepted += accepted;
        n_ends += ends;
    }
    // Both were met: files that are committed, and servers that end.
    assert!(100 < n_accepted && 50 < n_ends, "{n_accepted} {n_ends}");
}

#[test]
fn a_tool_that_is_alone_works_to_its_end() {
    simulated(1, async {
        let server = Arc::new(started(1));
        let mut device = Device::new(1);
        let (mut caller, _) = Caller::call(&server, &mut device).await.unwrap();
        let (_, attachments) = file(&[7; 3000]);
        caller.put(&attachments).await.unwrap();
        server.stop().await;
        for tool in [Tool::Prune(1), Tool::Prune(1), Tool::Verify, Tool::Backup] {
            server.start_tool(tool, 0).unwrap();
        }
        assert_eq!(server.take_faults(), [""; 0]);
        assert!(server.take_copy().is_some());
        server.check().unwrap();
    });
}
