//! A device with something to do, which goes on with it after each crash of the server until all is done, and knows
//! what it was told to be durable.

use common::message::Outcome;
use std::collections::{BTreeMap, BTreeSet};
use sync_engine::{Change, FileState, Hash, Kind, MoveTo, Name, Node, NodeId, Rejection, Version};

use super::caller::{Caller, Device, attachment, content};
use crate::noise::Noise;
use crate::sim::server::SimServer;

/// What the device does, in this order.
const STEPS: [Step; 12] = [
    Step::Dir(1),
    Step::File(2, Bring::Inline),
    Step::Bring(3),
    Step::Bring(4),
    Step::File(3, Bring::Before),
    Step::File(5, Bring::Inline),
    Step::Edit(2),
    Step::File(4, Bring::Before),
    Step::Delete(5),
    Step::Bring(6),
    Step::Move(3),
    Step::File(6, Bring::Before),
];

#[derive(Debug, Clone, Copy)]
enum Step {
    /// Makes a directory.
    Dir(u8),
    /// Brings the bytes of a file that will be made.
    Bring(u8),
    /// Makes a file.
    File(u8, Bring),
    /// Gives a file other bytes, attached.
    Edit(u8),
    /// Moves a file into the directory.
    Move(u8),
    /// Deletes a file.
    Delete(u8),
}

/// How a file's bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bring {
    /// With the commit.
    Inline,
    /// Before it.
    Before,
}

/// The tree, without versions.
pub(super) type Seen = BTreeMap<NodeId, Node>;

/// See the module's page.
pub(super) struct Scenario {
    device: Device,
    n_done: usize,
    acknowledged: Vec<(Version, Change)>,
    contents: BTreeSet<Hash>,
}

impl Scenario {
    pub(super) fn new() -> Self {
        Self {
            device: Device::new(1),
            n_done: 0,
            acknowledged: Vec::new(),
            contents: BTreeSet::new(),
        }
    }

    /// Returns the device.
    pub(super) fn into_device(self) -> Device {
        self.device
    }

    /// Does what is left to do; nothing if the server went away meanwhile.
    pub(super) async fn go_on(&mut self, server: &SimServer) -> Option<Seen> {
        self.go_on_until(server, STEPS.len()).await
    }

    /// Goes on until so many steps are done.
    pub(super) async fn go_on_until(&mut self, server: &SimServer, n_steps: usize) -> Option<Seen> {
        let (mut caller, _) = Caller::call(server, &mut self.device).await?;
        while self.n_done < n_steps {
            self.step(&mut caller, STEPS[self.n_done]).await?;
            self.n_done += 1;
        }
        let (nodes, _) = caller.snapshot().await?;
        Some(nodes.into_iter().map(|(id, _, node)| (id, node)).collect())
    }

    /// Fails if something is lost that was acknowledged.
    pub(super) async fn check(&mut self, server: &SimServer) {
        server.check().unwrap();
        if self.acknowledged.is_empty() {
            return;
        }
        let (mut caller, _) = Caller::call(server, &mut self.device).await.unwrap();
        let journal: BTreeMap<Version, Change> = caller
            .log()
            .await
            .unwrap()
            .into_iter()
            .map(|entry| (entry.number, entry.change))
            .collect();
        for (version, change) in &self.acknowledged {
            assert_eq!(journal.get(version), Some(change), "entry {version}");
        }
        let wanted: Vec<Hash> = self.contents.iter().copied().collect();
        let came: BTreeSet<Hash> = caller.get(&wanted).await.unwrap().into_iter().collect();
        assert_eq!(came, self.contents);
    }

    async fn step(&mut self, caller: &mut Caller, step: Step) -> Option<()> {
        let bytes = bytes_of(step);
        let change = match step {
            Step::Bring(_) => {
                caller.put(&[attachment(&bytes)]).await?;
                return Some(());
            }
            Step::Dir(n) => create(n, Kind::Dir),
            Step::File(n, _) => create(n, file(&bytes)),
            Step::Edit(n) => Change::Update {
                id: node_id(n),
                base: self.version_of(caller, n).await?,
                kind: file(&bytes),
            },
            Step::Move(n) => Change::Move {
                moves: vec![MoveTo {
                    id: node_id(n),
                    base: self.version_of(caller, n).await?,
                    parent: node_id(1),
                    name: name(n),
                }],
            },
            Step::Delete(n) => Change::Delete {
                id: node_id(n),
                base: self.version_of(caller, n).await?,
            },
        };
        let attached = match step {
            Step::File(_, Bring::Before) => Vec::new(),
            _ if bytes.is_empty() => Vec::new(),
            _ => vec![attachment(&bytes)],
        };
        let mut outcome = caller.commit(change.clone(), &attached).await?.unwrap();
        if matches!(outcome, Outcome::Rejected(Rejection::MissingContent(_))) {
            caller.put(&[attachment(&bytes)]).await?;
            outcome = caller.commit(change.clone(), &attached).await?.unwrap();
        }
        // A rejection means that the change was taken before the server went away. That is seen from the tree at last.
        if let Outcome::Accepted(version) = outcome {
            self.acknowledged.push((version, change));
            if !bytes.is_empty() {
                self.contents.insert(Hash::of(&bytes));
            }
        }
        Some(())
    }

    async fn version_of(&self, caller: &mut Caller, n: u8) -> Option<Version> {
        let (nodes, _) = caller.snapshot().await?;
        let found = nodes.iter().find(|(id, ..)| *id == node_id(n));
        // What is deleted already has no version any more.
        Some(found.map_or(Version::ZERO, |(_, version, _)| *version))
    }
}

/// Returns the bytes that a step is about. The bytes that are brought before are those of the file made later.
fn bytes_of(step: Step) -> Vec<u8> {
    let (seed, len) = match step {
        Step::Bring(n) | Step::File(n, Bring::Before) => (n, 3000),
        Step::File(n, Bring::Inline) => (n, 700),
        Step::Edit(n) => (100 + n, 900),
        Step::Dir(_) | Step::Move(_) | Step::Delete(_) => return Vec::new(),
    };
    Noise::new(u64::from(seed)).bytes(len)
}

fn node_id(n: u8) -> NodeId {
    NodeId([n; 16])
}

fn name(n: u8) -> Name {
    Name::try_from(format!("node {n}").as_str()).unwrap()
}

fn create(n: u8, kind: Kind) -> Change {
    let node = Node {
        parent: NodeId::ROOT,
        name: name(n),
        kind,
        mark: None,
    };
    Change::Create { id: node_id(n), node }
}

fn file(bytes: &[u8]) -> Kind {
    Kind::File(FileState {
        content: content(bytes),
        exec: false,
        mtime_ns: 1,
    })
}
