//! What is told of changes: up when the server has taken them, down when they are on disk here. The newest are also
//! kept, so that a listener that comes later has something to show.

use std::collections::BTreeMap;

use common::message::Request;
use sync_engine::plan::{Brake, Remark, Step};
use sync_engine::{Block, Change, DeviceId, Entry, NodeId, RelPath, Version};

use super::Driver;
use super::questions::Question;
use super::steps::node_of;
use super::views::path_of;
use crate::control::LogItem;
use crate::notice::{ChangeKind, ChangeNotice, Direction, Notice};
use crate::words::{block_in_words, path_in_words};

/// Changes that are not yet told, and remarks on them.
#[derive(Default)]
pub(super) struct Feed {
    /// What came from the server and is not yet on disk.
    coming: BTreeMap<NodeId, (DeviceId, ChangeNotice)>,
    remarks: BTreeMap<NodeId, &'static str>,
    /// What cannot be told before the name of its device is known: one that was enrolled lately.
    unnamed: Vec<Telling>,
    /// Whether the names are being asked for.
    is_naming: bool,
    pending_told: u64,
}

/// A change that is told.
struct Telling {
    id: NodeId,
    time_ms: u64,
    device: DeviceId,
    notice: ChangeNotice,
}

impl Driver {
    /// Describes an entry before it enters the remote tree: what is removed has a path only now.
    pub(super) fn notices_of(&self, entry: &Entry) -> Vec<(NodeId, ChangeNotice)> {
        let own = Some(entry.device) == self.account.device;
        let direction = if own { Direction::Up } else { Direction::Down };
        let device = self.name_of(entry.device);
        let remote = self.trees().remote();
        let notice = |id, path, from, kind| {
            let device = device.clone();
            (
                id,
                ChangeNotice {
                    path,
                    from,
                    kind,
                    direction,
                    device,
                    version: Some(entry.number),
                    remark: None,
                },
            )
        };
        let inside = |parent: NodeId, name| remote.path(parent).map(|dir| dir.join(name));
        match &entry.change {
            Change::Create { id, node } => inside(node.parent, &node.name)
                .map(|path| notice(*id, path, None, ChangeKind::Created))
                .into_iter()
                .collect(),
            Change::Update { id, kind, .. } => {
                let same = remote.node(*id).is_some_and(|node| node.kind.same_content(kind));
                let kind = if same {
                    ChangeKind::Attributes
                } else {
                    ChangeKind::Edited
                };
                remote
                    .path(*id)
                    .map(|path| notice(*id, path, None, kind))
                    .into_iter()
                    .collect()
            }
            Change::Delete { id, .. } => remote
                .path(*id)
                .map(|path| notice(*id, path, None, ChangeKind::Deleted))
                .into_iter()
                .collect(),
            Change::Move { moves } => moves
                .iter()
                .filter_map(|to| {
                    Some(notice(
                        to.id,
                        inside(to.parent, &to.name)?,
                        remote.path(to.id),
                        ChangeKind::Moved,
                    ))
                })
                .collect(),
            Change::Mark { .. } => Vec::new(),
        }
    }

    /// Notes an entry that has entered the remote tree.
    pub(super) fn note_entry(&mut self, entry: &Entry, notices: Vec<(NodeId, ChangeNotice)>) {
        let device = entry.device;
        if !self.device_names.contains_key(&device) {
            self.ask_device_names();
        }
        for (id, notice) in notices {
            let remark = self.feed.remarks.remove(&id).map(str::to_owned);
            let notice = ChangeNotice { remark, ..notice };
            match notice.direction {
                Direction::Up => self.tell_change(Telling {
                    id,
                    time_ms: entry.time_ms,
                    device,
                    notice,
                }),
                Direction::Down => {
                    // A file that was created and edited before it came here was, for people here, created.
                    let before = self.feed.coming.remove(&id);
                    let kind = match before.map(|(_, before)| before.kind) {
                        Some(ChangeKind::Created) if notice.kind != ChangeKind::Deleted => {
                            ChangeKind::Created
                        }
                        _ => notice.kind,
                    };
                    let notice = ChangeNotice { kind, ..notice };
                    self.feed.coming.insert(id, (device, notice));
                }
            }
        }
        if let Change::Create { id, node } = &entry.change
            && node.mark.is_some()
        {
            self.tell_conflict(*id);
        }
        if let Change::Mark {
            id, mark: Some(_), ..
        } = &entry.change
        {
            self.tell_conflict(*id);
        }
    }

    /// Says which conflict an entry ends that has not yet entered the remote tree.
    pub(super) fn conflict_ended_by(&self, entry: &Entry) -> Option<Notice> {
        match &entry.change {
            Change::Delete { id, .. } | Change::Mark { id, mark: None, .. } => self.conflict_of(*id, true),
            Change::Create { .. }
            | Change::Update { .. }
            | Change::Move { .. }
            | Change::Mark { mark: Some(_), .. } => None,
        }
    }

    /// Asks for the devices' names, if they are not being asked for.
    pub(super) fn ask_device_names(&mut self) {
        if !self.feed.is_naming {
            let asked = self.question(|request| Request::Devices { request }, Question::DeviceNames);
            self.feed.is_naming = asked.is_ok();
        }
    }

    /// The devices' names are known, or will not be known for now: tells what waited for them.
    pub(super) fn tell_unnamed(&mut self) {
        self.feed.is_naming = false;
        for telling in std::mem::take(&mut self.feed.unnamed) {
            self.tell_change(telling);
        }
    }

    fn tell_change(&mut self, telling: Telling) {
        if self.feed.is_naming && !self.device_names.contains_key(&telling.device) {
            return self.feed.unnamed.push(telling);
        }
        let Telling {
            id,
            time_ms,
            device,
            notice,
        } = telling;
        let device = self.name_of(device);
        let notice = ChangeNotice { device, ..notice };
        let size_bytes = self
            .trees()
            .remote()
            .node(id)
            .and_then(|node| node.kind.file())
            .map(|file| file.content.size_bytes);
        self.touched.feed(LogItem {
            version: notice.version.unwrap_or(Version::ZERO),
            time_ms,
            device: notice.device.clone(),
            kind: notice.kind,
            path: notice.path.clone(),
            size_bytes,
        });
        self.tell(Notice::Change(notice));
    }

    /// Tells what a step has brought to the disk.
    pub(super) fn tell_applied(&mut self, step: &Step) {
        if matches!(step, Step::KeepCopy { .. } | Step::Park { .. }) {
            return;
        }
        let id = node_of(step);
        if let Some((device, notice)) = self.feed.coming.remove(&id) {
            self.tell_change(Telling {
                id,
                time_ms: self.now_ms(),
                device,
                notice,
            });
        }
    }

    fn tell_conflict(&self, id: NodeId) {
        if let Some(notice) = self.conflict_of(id, false) {
            self.tell(notice);
        }
    }

    fn conflict_of(&self, id: NodeId, resolved: bool) -> Option<Notice> {
        let mark = self.trees().remote().node(id)?.mark.clone()?;
        Some(Notice::Conflict {
            path: path_of(self.trees(), id)?,
            with: path_of(self.trees(), mark.with),
            device: self.name_of(mark.device),
            resolved,
        })
    }

    /// Keeps what the planner remarked, to be said with the change that it leads to.
    pub(super) fn note_remark(&mut self, remark: &Remark) {
        let (id, text) = match remark {
            Remark::EditBeatDelete(id) => (
                *id,
                "it was deleted here and changed elsewhere: the change stands",
            ),
            Remark::Reborn(_, id) => (
                *id,
                "it was deleted elsewhere and changed here: the change stands",
            ),
            Remark::DirectoryLives(id) => (*id, "it was deleted, but there is something new in it"),
            Remark::MoveLost(id) => (*id, "it was moved on both sides: the first move stands"),
            Remark::CycleUndone(id) => (*id, "the move here would have put it inside itself: it is undone"),
            Remark::Conflict(id, _) => (*id, "both sides changed it: the other side is kept beside it"),
            Remark::NameLost(id, _) => (*id, "its name was taken on the other side"),
        };
        self.feed.remarks.insert(id, text);
    }

    /// Lets what is kept about a local node follow it to its new id.
    pub(super) fn follow(&mut self, from: NodeId, to: NodeId) {
        let print = self.observer.follow(from, to);
        self.touched.print(from, None);
        self.touched.print(to, print);
        if let Some(chunked) = self.chunked.remove(&from) {
            self.chunked.insert(to, chunked);
        }
        self.touched.chunks(from, None);
    }

    pub(super) fn tell_brake(&mut self, brake: Option<Brake>) {
        let (removals, nodes) = brake.map_or((0, 0), |brake| (brake.removals as u64, brake.nodes as u64));
        let reason = if brake.is_some() {
            format!(
                "{removals} of {nodes} nodes would be removed; nothing is removed until a person confirms it"
            )
        } else {
            "the brake is released".into()
        };
        self.tell(Notice::Brake {
            removals,
            nodes,
            reason,
        });
    }

    /// Returns every path that is not as in the account, with the reason: where what is blocked is here, and where it is to
    /// come if that is elsewhere.
    pub(super) fn left_out(&self, blocked: &BTreeMap<NodeId, Block>) -> BTreeMap<RelPath, String> {
        let (local, remote) = (self.trees().local(), self.trees().remote());
        let mut paths = BTreeMap::new();
        for (id, block) in blocked {
            let (here, there) = (local.path(*id), remote.path(*id));
            let reason = block_in_words(block);
            if let (Some(here), Some(there)) = (&here, &there)
                && here != there
            {
                let at = path_in_words(here);
                paths.insert(there.clone(), format!("it is still '{at}' here: {reason}"));
            }
            paths.extend(here.or(there).map(|path| (path, reason)));
        }
        let odd = self.observer.oddities().iter();
        paths.extend(odd.map(|(path, block)| (path.clone(), block_in_words(block))));
        paths
    }

    /// Tells what became blocked and what is blocked no more.
    pub(super) fn tell_blocked(&mut self, blocked: &BTreeMap<NodeId, Block>) {
        let mut blocks = blocked.values().chain(self.observer.oddities().values());
        if blocks.any(|block| *block == Block::Lacking) {
            self.look_soon();
        }
        let now = self.left_out(blocked);
        if now == self.blocked_told {
            return;
        }
        for (path, reason) in &now {
            if self.blocked_told.get(path) != Some(reason) {
                self.tell(Notice::Blocked {
                    path: path.clone(),
                    reason: Some(reason.clone()),
                });
            }
        }
        for path in self.blocked_told.keys().filter(|path| !now.contains_key(*path)) {
            self.tell(Notice::Blocked {
                path: path.clone(),
                reason: None,
            });
        }
        self.blocked_told = now;
    }

    /// Tells how many nodes are waiting, when that number is another than before.
    pub(super) fn tell_pending(&mut self, blocked: &BTreeMap<NodeId, Block>) {
        let pending = self.session.n_pending(blocked);
        if pending != self.feed.pending_told {
            self.feed.pending_told = pending;
            if pending > 0 {
                self.session.said_pending();
                self.tell(Notice::Syncing { pending });
            }
        }
    }
}
