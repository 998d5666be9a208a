//! A device with its session, on a disk that does what it is told, with a line to the server. Nothing happens by itself:
//! whoever drives it says when it looks, takes a step, or reads.

use crate::device::{fits, policy};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use sync_engine::session::{Limits, Suspect, Tell};
use sync_engine::time::Instant;
use sync_engine::{
    Change, Content, Cursor, DeviceId, Entry, Hash, Kind, Node, NodeId, Origin, Point, Policy, Rejection,
    Session, Step, Trail, Tree, Trees, Version, complete,
};

/// What a device asks of the server.
#[derive(Clone, Hash)]
pub(crate) enum Request {
    Pull(Option<Cursor>),
    Commit(u64, Vec<Change>),
    Upload(NodeId, Hash),
    LookBack(Suspect),
    Compare(Vec<Point>),
    Ping(u64),
}

/// What the server tells a device.
#[derive(Clone, Hash)]
pub(crate) enum Message {
    Snapshot(Vec<(NodeId, Version, Node)>, Cursor),
    Entry(Entry, Origin),
    /// A change of a commit of this device's was taken, at this time.
    Own(u64, u32, Version, u64),
    /// The chain's hash after the entries so far, and the newest entry.
    Followed(Hash, Version),
    Answer(u64, Vec<Result<Version, Rejection>>),
    Uploaded(NodeId, Hash),
    LookedBack(Suspect, Vec<Entry>),
    Diverged,
    Compared(Version),
    Pong(u64, Version),
}

/// A connection.
#[derive(Clone, Default, Hash)]
pub(crate) struct Line {
    pub(crate) up: VecDeque<Request>,
    pub(crate) down: VecDeque<Message>,
    /// Whether the server tells of new entries.
    pub(crate) follows: bool,
}

/// 'Synced' was said: up to where, what was on the disk when the proof of it began, and the newest entry then.
#[derive(Clone, Hash)]
pub(crate) struct Said {
    pub(crate) version: Version,
    pub(crate) disk: Tree,
    pub(crate) head: Version,
}

/// See the module's page.
#[derive(Clone, Hash)]
pub(crate) struct Member {
    pub(crate) session: Session,
    /// What users see. It has the ids that a perfect scan would find.
    pub(crate) disk: Tree,
    pub(crate) line: Option<Line>,
    /// Steps that were ordered and not yet taken.
    pub(crate) hand: VecDeque<Step>,
    pub(crate) now: Instant,
    pub(crate) said: Option<Said>,
    /// Whether it may prove that it is synced; that makes no difference to the trees.
    pub(crate) probes: bool,
    /// Whether it was ever told that the server's journal is another one.
    pub(crate) has_diverged: bool,
    policy: Policy,
    last_request: u64,
    /// The proof under way: its cookie, the disk and the newest entry when it began.
    cookie: Option<u64>,
    proof: Option<(Tree, Version)>,
}

impl Member {
    /// Makes a device with an empty folder that was looked at, and no connection.
    pub(crate) fn new(number: u8, inline_len_max: u64) -> Self {
        let limits = Limits {
            inline_len_max,
            commit_len_aim: 1_000_000,
            changes_aim: 2,
            tree_len_max: 1 << 20,
        };
        let now = Instant::default();
        let mut session = Session::new(Trees::new(), None, Trail::default(), limits, now);
        session.looked();
        Self {
            session,
            disk: Tree::new(),
            line: None,
            hand: VecDeque::new(),
            now,
            said: None,
            probes: true,
            has_diverged: false,
            policy: policy(number),
            last_request: 0,
            cookie: None,
            proof: None,
        }
    }

    pub(crate) fn id(&self) -> DeviceId {
        self.policy.device
    }

    /// Looks at the whole disk; tells whether there was anything new.
    pub(crate) fn look(&mut self) -> bool {
        let is_new = self.scan();
        let cookie = self.cookie.take();
        if let Some(cookie) = cookie {
            // What was there before and is not any more was never seen; what is there now was looked at.
            if let Some((disk, _)) = &mut self.proof {
                *disk = self.disk.clone();
            }
            self.session.caught_up(cookie);
        }
        is_new || cookie.is_some()
    }

    /// Tells whether there is anything to look at.
    pub(crate) fn has_to_look(&self) -> bool {
        self.cookie.is_some() || !self.unseen().is_empty()
    }

    fn scan(&mut self) -> bool {
        let edits = self.unseen();
        let is_new = !edits.is_empty();
        self.session.observed(edits, Vec::new(), self.now).unwrap();
        is_new
    }

    fn unseen(&self) -> Vec<(NodeId, Option<Arc<Node>>)> {
        let local = self.session.trees().local();
        let ids: BTreeSet<NodeId> = local.iter().chain(self.disk.iter()).map(|(id, _)| id).collect();
        let seen = |id| {
            let old = local.node(id);
            let new = self.disk.node(id).map(|new| {
                let mark = old.and_then(|old| old.mark.clone());
                Arc::new(Node {
                    mark,
                    ..Node::clone(new)
                })
            });
            (old.cloned() != new).then_some((id, new))
        };
        ids.into_iter().filter_map(seen).collect()
    }

    /// Plans, orders, sends and says what there is to say; tells whether anything came of it.
    pub(crate) fn turn(&mut self) -> bool {
        let mut is_active = false;
        let plan = self.session.plan(self.now, &self.policy);
        self.hear();
        if let Some(plan) = plan {
            is_active |= !plan.is_empty();
            let orders = self.session.order(plan, self.now);
            self.hear();
            let line = self.line.as_mut().expect("nothing is planned without a line");
            let uploads = orders.uploads.into_iter();
            line.up
                .extend(uploads.map(|(id, content)| Request::Upload(id, content.hash)));
            line.up
                .extend(orders.questions.into_iter().map(Request::LookBack));
            self.hand.extend(orders.steps);
        }
        self.session.rest(self.now);
        // Nothing here is saved.
        drop(self.session.take_unsaved());
        while self.commit() {
            is_active = true;
        }
        is_active | self.tell()
    }

    fn commit(&mut self) -> bool {
        let commit = self.session.next_commit(&mut |_| Some(1));
        let Some(line) = self.line.as_mut().filter(|_| !commit.changes.is_empty()) else {
            return false;
        };
        self.last_request += 1;
        line.up
            .push_back(Request::Commit(self.last_request, commit.changes.clone()));
        self.session.sent(self.last_request, commit.changes);
        true
    }

    fn tell(&mut self) -> bool {
        if !self.probes {
            return false;
        }
        let probe = self.session.probe(self.now, true);
        if let (Some(number), Some(line)) = (probe, &mut self.line) {
            self.session.expect_cookie(number);
            self.cookie = Some(number);
            line.up.push_back(Request::Ping(number));
            self.proof = Some((self.disk.clone(), self.session.version()));
        }
        if let Some(synced) = self.session.synced(self.now, true).filter(|said| said.is_new) {
            let (disk, head) = self.proof.clone().expect("there was a proof");
            self.said = Some(Said {
                version: synced.version,
                disk,
                head,
            });
        }
        probe.is_some() || self.said.is_some()
    }

    fn hear(&mut self) {
        for tell in self.session.take_tells() {
            match tell {
                Tell::Reidentified { from, to } => self.reidentify(from, to),
                Tell::Pull(cursor) => {
                    let line = self.line.as_mut().expect("nothing is asked without a line");
                    line.up.push_back(Request::Pull(cursor));
                }
                Tell::LookAgain => drop(self.scan()),
                Tell::Diverged => self.has_diverged = true,
                Tell::Compare(points) => {
                    let line = self.line.as_mut().expect("nothing is asked without a line");
                    line.up.push_back(Request::Compare(points));
                }
                Tell::Remark(_) | Tell::Brake(_) | Tell::Burst(_) => (),
            }
        }
    }

    fn reidentify(&mut self, from: NodeId, to: NodeId) {
        let Some(item) = self.disk.item(from).cloned() else {
            return;
        };
        let children: Vec<NodeId> = self.disk.children(from).map(|(_, id)| id).collect();
        let mut edits = vec![(from, None), (to, Some(item))];
        for child in children {
            let mut item = self.disk.item(child).unwrap().clone();
            Arc::make_mut(&mut item.node).parent = to;
            edits.push((child, Some(item)));
        }
        self.disk.edit(edits).unwrap();
    }

    /// Confirms the removals that the brake holds back, if it does.
    pub(crate) fn confirm(&mut self) -> bool {
        let is_held = self.session.brake().is_some();
        if is_held {
            self.session.confirm_removals();
        }
        is_held
    }

    /// Takes the next step, if there is one.
    pub(crate) fn act(&mut self) -> bool {
        let Some(step) = self.hand.pop_front() else {
            return false;
        };
        match self.take(&step) {
            Some(disk) => {
                self.session.step_done(&step).expect("it was tried before");
                self.disk = disk;
            }
            None => self.fail(&step),
        }
        true
    }

    /// A step cannot be taken; the disk is looked at again.
    pub(crate) fn fail(&mut self, step: &Step) {
        self.session.step_failed(step, None, self.now);
        self.scan();
    }

    /// Returns the disk as it is after a step; nothing when it is not as expected.
    fn take(&self, step: &Step) -> Option<Tree> {
        let local = self.session.trees().local();
        let is_same = |id| match (local.node(id), self.disk.node(id)) {
            (Some(local), Some(disk)) => local.kind == disk.kind && local.same_place(disk),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !step.ids().all(is_same) || !fits(local, step) {
            return None;
        }
        let mut trees = self.session.trees().clone();
        let delta = complete(&mut trees, step).ok()?;
        let mut disk = self.disk.clone();
        let edits = delta
            .local
            .iter()
            .map(|id| (*id, trees.local().item(*id).cloned()));
        disk.edit(edits.collect::<Vec<_>>()).ok()?;
        Some(disk)
    }

    /// Connects.
    pub(crate) fn connect(&mut self, epoch: sync_engine::Epoch, head: Version) {
        self.line = Some(Line::default());
        self.session.connected(epoch, head);
        self.hear();
    }

    /// Loses the connection with all that was on the way.
    pub(crate) fn disconnect(&mut self) {
        let Some(line) = self.line.take() else { return };
        for request in line.up {
            match request {
                Request::LookBack(suspect) => self.session.not_asked(&suspect),
                Request::Upload(id, _) => self.session.upload_given_up(id),
                Request::Pull(_) | Request::Commit(..) | Request::Compare(_) | Request::Ping(_) => (),
            }
        }
        for message in line.down {
            match message {
                Message::LookedBack(suspect, _) => self.session.not_asked(&suspect),
                Message::Uploaded(id, _) => self.session.upload_given_up(id),
                _ => (),
            }
        }
        self.session.disconnected();
        self.hear();
    }

    /// Reads one message.
    pub(crate) fn read(&mut self) -> bool {
        let Some(message) = self.line.as_mut().and_then(|line| line.down.pop_front()) else {
            return false;
        };
        match message {
            Message::Snapshot(nodes, cursor) => self.session.snapshot(nodes, cursor, true).unwrap(),
            Message::Entry(entry, origin) => assert!(self.session.follow(&entry, origin), "{entry:?}"),
            Message::Own(request, index, number, time_ms) => {
                let own = self.session.own_entry(request, index, number, self.id(), time_ms);
                let (entry, origin) = own.expect("the server speaks of a commit that was sent");
                assert!(self.session.follow(&entry, origin), "{entry:?}");
            }
            Message::Followed(chain, head) => self.session.followed(&chain, head),
            Message::Answer(request, outcomes) => {
                let answered = self.session.committed(request, outcomes, self.now, &self.policy);
                answered.expect("the server answers what was sent");
            }
            Message::Uploaded(id, hash) => self.session.uploaded(id, hash),
            Message::LookedBack(suspect, entries) => {
                let more = self.session.looked_back(suspect, &entries, false);
                assert!(more.is_none());
            }
            Message::Diverged => self.session.put_back(),
            Message::Compared(newest) => self.session.compared(newest),
            Message::Pong(number, head) => self.session.pong(number, head),
        }
        self.hear();
        true
    }

    /// Lets time pass until something is due; tells whether anything is.
    pub(crate) fn tick(&mut self) -> bool {
        let Some(due) = self.session.next_due() else {
            return false;
        };
        self.now = self.now.max(due);
        self.session.wake(self.now);
        self.hear();
        true
    }

    /// The contents of conflict copies.
    pub(crate) fn copies(&self) -> BTreeSet<Content> {
        let nodes = self.disk.iter().map(|(_, item)| &item.node);
        let marked = nodes.filter(|node| node.mark.is_some());
        marked
            .filter_map(|node| node.kind.file().map(|file| file.content))
            .collect()
    }

    pub(crate) fn contents(&self) -> impl Iterator<Item = Content> {
        self.disk.iter().filter_map(|(_, item)| match &item.node.kind {
            Kind::File(file) => Some(file.content),
            Kind::Dir | Kind::Symlink(_) => None,
        })
    }
}
