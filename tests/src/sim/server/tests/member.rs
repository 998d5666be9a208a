//! One of several devices of an account that change the same few things at the same time. It holds the server to its
//! word: entries come in order, without gaps, chained, and none of those it has seen is ever gone.

use common::identity::AccountId;
use common::message::{Attachment, Cursor, Failure, Outcome, Pushed, Reply, Request, RequestId};
use std::collections::BTreeMap;
use sync_engine::{Change, DeviceId, Entry, Kind, MoveTo, Name, Node, NodeId, Version, chain_next};

use super::caller::{Caller, Device, file};
use crate::noise::Noise;
use crate::sim::server::SimServer;

/// Commits under way at a time.
const COMMITS_MAX: u64 = 3;
/// Names that there are, so few that devices meet.
const NAMES_MAX: u64 = 5;

/// A tree as a device knows it.
pub(super) type Nodes = BTreeMap<NodeId, (Version, Node)>;

/// See the module's page.
pub(super) struct Member {
    device: Device,
    cursor: Option<Cursor>,
    nodes: Nodes,
    dice: Noise,
    last_request: RequestId,
}

/// The commits that are under way on a connection.
type Sent = BTreeMap<RequestId, Vec<Change>>;

impl Member {
    pub(super) fn new(number: u8, id: Option<AccountId>, seed: u64) -> Self {
        Self {
            device: Device::of_account(number, id),
            cursor: None,
            nodes: Nodes::new(),
            dice: Noise::new(seed ^ u64::from(number) << 32),
            last_request: 0,
        }
    }

    /// Registers and returns the account's ID.
    pub(super) async fn register(&mut self, server: &SimServer) -> Option<AccountId> {
        let (_, welcome) = Caller::call(server, &mut self.device).await?;
        welcome.id
    }

    /// Changes this and that; nothing if the server went away meanwhile.
    pub(super) async fn live(&mut self, server: &SimServer, n_bursts: usize) -> Option<()> {
        let (mut caller, welcome) = Caller::call(server, &mut self.device).await?;
        self.catch_up(&mut caller).await?;
        for _ in 0..n_bursts {
            // Now and then the disk is nearly full.
            let is_full = self.dice.number().is_multiple_of(8);
            server.set_room(is_full.then(|| self.dice.number() % 5000));
            self.burst(&mut caller, welcome.device).await?;
        }
        Some(())
    }

    /// Reads all that is left to read, and returns the tree that it made of what it was pushed, which is the one that
    /// the server shows to newcomers.
    pub(super) async fn finish(mut self, server: &SimServer) -> Nodes {
        let (mut caller, _) = Caller::call(server, &mut self.device).await.unwrap();
        self.catch_up(&mut caller).await.unwrap();
        let (mut caller, _) = Caller::call(server, &mut self.device).await.unwrap();
        let (nodes, cursor) = caller.snapshot().await.unwrap();
        assert_eq!(self.cursor, Some(cursor));
        let shown: Nodes = nodes
            .into_iter()
            .map(|(id, version, node)| (id, (version, node)))
            .collect();
        assert_eq!(self.nodes, shown);
        shown
    }

    async fn catch_up(&mut self, caller: &mut Caller) -> Option<()> {
        let Some(cursor) = self.cursor else {
            let (nodes, cursor) = caller.snapshot().await?;
            let nodes = nodes.into_iter();
            self.nodes = nodes.map(|(id, version, node)| (id, (version, node))).collect();
            self.cursor = Some(cursor);
            return Some(());
        };
        let request = Request::Pull { cursor: Some(cursor) };
        caller.send(request, &[]).await?;
        loop {
            match caller.next().await?.message {
                Reply::Entries { entries, chain, head } => {
                    self.take(entries, DeviceId([0; 16]), &Sent::new());
                    let now = self.cursor.unwrap();
                    assert_eq!(now.chain, chain);
                    if now.version == head {
                        return Some(());
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// Commits several times without waiting, and reads until all are answered.
    async fn burst(&mut self, caller: &mut Caller, me: DeviceId) -> Option<()> {
        let mut sent = Sent::new();
        for _ in 0..=self.dice.number() % COMMITS_MAX {
            self.last_request += 1;
            let request = self.last_request;
            let (change, attachments) = self.some_change();
            let changes = vec![change];
            sent.insert(request, changes.clone());
            let commit = Request::Commit { request, changes };
            caller.send(commit, &attachments).await?;
        }
        let mut open = sent.keys().copied().collect::<Vec<_>>().into_iter();
        let mut next = open.next();
        while next.is_some() {
            match caller.next().await?.message {
                Reply::Entries { entries, chain, .. } => {
                    self.take(entries, me, &sent);
                    assert_eq!(self.cursor.unwrap().chain, chain);
                }
                Reply::Committed { request, outcomes } => {
                    assert_eq!(Some(request), next, "answers come in order");
                    next = open.next();
                    self.look_at(&outcomes);
                }
                Reply::Failed { request, failure } => {
                    assert_eq!((Some(request), failure), (next, Failure::ServerFull));
                    next = open.next();
                }
                other => panic!("{other:?}"),
            }
        }
        Some(())
    }

    /// What was taken was pushed before it was answered.
    fn look_at(&self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            if let Outcome::Accepted(version) = outcome {
                assert!(*version <= self.cursor.unwrap().version);
            }
        }
    }

    fn take(&mut self, entries: Vec<Pushed>, me: DeviceId, sent: &Sent) {
        for pushed in entries {
            let entry = match pushed {
                Pushed::Full(entry) => entry,
                Pushed::Own {
                    number,
                    time_ms,
                    request,
                    index,
                } => Entry {
                    number,
                    device: me,
                    time_ms,
                    change: sent[&request][index as usize].clone(),
                },
            };
            let cursor = self.cursor.as_mut().unwrap();
            assert_eq!(entry.number, cursor.version.next(), "entries come in order");
            cursor.version = entry.number;
            cursor.chain = chain_next(&cursor.chain, &entry);
            self.apply(entry.number, entry.change);
        }
    }

    fn apply(&mut self, version: Version, change: Change) {
        match change {
            Change::Create { id, node } => {
                self.nodes.insert(id, (version, node));
            }
            Change::Update { id, kind, .. } => {
                let (at, node) = self.nodes.get_mut(&id).unwrap();
                *at = version;
                node.kind = kind;
            }
            Change::Move { moves } => {
                for to in moves {
                    let (at, node) = self.nodes.get_mut(&to.id).unwrap();
                    *at = version;
                    (node.parent, node.name) = (to.parent, to.name);
                }
            }
            Change::Delete { id, .. } => {
                self.nodes.remove(&id);
            }
            Change::Mark { id, mark, .. } => {
                let (at, node) = self.nodes.get_mut(&id).unwrap();
                *at = version;
                node.mark = mark;
            }
        }
    }

    /// Returns a change that may or may not stand.
    fn some_change(&mut self) -> (Change, Vec<Attachment>) {
        let kind = self.dice.number() % 8;
        let Some((id, base, is_file)) = self.some_node() else {
            return self.creation(true);
        };
        match kind {
            0..3 => self.creation(true),
            3 => self.creation(false),
            4 | 5 if is_file => {
                let (kind, attachments) = self.content();
                (Change::Update { id, base, kind }, attachments)
            }
            6 => {
                let (parent, name) = (self.some_parent(), self.some_name());
                let to = MoveTo {
                    id,
                    base,
                    parent,
                    name,
                };
                (Change::Move { moves: vec![to] }, Vec::new())
            }
            _ => (Change::Delete { id, base }, Vec::new()),
        }
    }

    fn creation(&mut self, is_file: bool) -> (Change, Vec<Attachment>) {
        let (kind, attachments) = if is_file {
            self.content()
        } else {
            (Kind::Dir, Vec::new())
        };
        let id = NodeId(self.dice.bytes(16).try_into().unwrap());
        let node = Node {
            parent: self.some_parent(),
            name: self.some_name(),
            kind,
            mark: None,
        };
        (Change::Create { id, node }, attachments)
    }

    fn content(&mut self) -> (Kind, Vec<Attachment>) {
        let len = 1 + self.dice.number() % 4000;
        let bytes = self.dice.bytes(usize::try_from(len).unwrap());
        file(&bytes)
    }

    fn some_node(&mut self) -> Option<(NodeId, Version, bool)> {
        let n_nodes = self.nodes.len() as u64;
        let at = self.dice.number().checked_rem(n_nodes)?;
        let (id, (version, node)) = self.nodes.iter().nth(usize::try_from(at).unwrap())?;
        Some((*id, *version, !node.kind.is_dir()))
    }

    fn some_parent(&mut self) -> NodeId {
        match self.some_node() {
            Some((id, _, false)) => id,
            Some(_) | None => NodeId::ROOT,
        }
    }

    fn some_name(&mut self) -> Name {
        let number = self.dice.number() % NAMES_MAX;
        Name::try_from(format!("name {number}").as_str()).unwrap()
    }
}
