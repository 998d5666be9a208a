//! The planner's steps on their way to the disk: contents are fetched, paths and expectations resolved, and what came of
//! each step enters the trees.

use common::message::Attachment;
use sync_engine::plan::{Folding, Place, Step};
use sync_engine::{Block, Bug, Content, FileState, Kind, Name, Node, NodeId, RelPath, planted};

use super::Driver;
use super::applier::{Applied, Body, Deed, Job, block_of};
use super::transfers::{Brought, Transferred};
use crate::disk::{HandError, Print};
use crate::fault::chain;
use crate::net::BulkError;
use crate::notice::{Direction, Notice, Progress};
use crate::transfer::compress::detach;
use crate::transfer::download::DownloadError;
use crate::transfer::upload::UploadError;

/// For so many jobs room is kept when none waits.
const JOBS_KEPT: usize = 256;

/// The content that a step puts on disk, of a file.
#[must_use]
pub(super) fn file_of(step: &Step) -> Option<&FileState> {
    match step {
        Step::Fetch { node, .. } => node.kind.file(),
        Step::Replace { with, .. } => with.file(),
        Step::MakeDir { .. }
        | Step::SetAttributes { .. }
        | Step::Move { .. }
        | Step::Park { .. }
        | Step::Exchange { .. }
        | Step::Remove { .. }
        | Step::KeepCopy { .. } => None,
    }
}

/// The first of the nodes that a step is about.
#[must_use]
pub(super) fn node_of(step: &Step) -> NodeId {
    step.ids().next().unwrap_or(NodeId::ROOT)
}

/// The length of the content that a step carries in memory, in bytes.
fn small_len(step: &Step) -> u64 {
    match file_of(step) {
        Some(file) if file.content.depth == 0 => file.content.size_bytes,
        Some(_) | None => 0,
    }
}

/// The place where a step puts something.
fn target_of(step: &Step) -> Option<Place> {
    match step {
        Step::Fetch { node, .. } | Step::MakeDir { node, .. } | Step::KeepCopy { node, .. } => {
            Some(Place::of(node))
        }
        Step::Move { to, .. } | Step::Park { to, .. } => Some(to.clone()),
        Step::Replace { .. } | Step::SetAttributes { .. } | Step::Exchange { .. } | Step::Remove { .. } => {
            None
        }
    }
}

impl Driver {
    /// Begins a step. Its place is reserved, and its content fetched if that is not at hand.
    pub(super) fn begin_step(&mut self, step: Step) {
        if let Some((path, block)) = self.in_the_way(&step) {
            // Whether it still is there the next try finds out.
            self.observer.look(&path);
            return self.step_failed(&step, Some(&block));
        }
        if let Some(place) = target_of(&step) {
            if self.path_of_place(place.parent, &place.name).is_none() {
                // Something stands in the way of the directory that it is to come into; it waits for that.
                return self.session.step_given_up(&step);
            }
            self.observer.reserve(place);
        }
        if let Step::MakeDir { id, node, .. } = &step
            && let Some(path) = self.path_in(node.parent, node)
        {
            self.making.insert(*id, path);
        }
        match file_of(&step).map(|file| file.content) {
            Some(content) if content.size_bytes > 0 => self.begin_fetch(step, content),
            Some(_) | None => self.give_to_hand(step, Some(Body::Bytes(bytes::Bytes::new()))),
        }
    }

    /// Returns what stands where a step is to put something, or on the way there, and cannot be a node: where, and why not.
    fn in_the_way(&self, step: &Step) -> Option<(RelPath, Block)> {
        let place = target_of(step).filter(|_| !self.observer.oddities().is_empty())?;
        let path = self.path_of_place(place.parent, &place.name)?;
        let (local, odd) = (self.trees().local(), self.observer.oddities());
        // A directory that holds something odd is listed too, and stands in nobody's way.
        let is_no_node = |(odd, _): &(&RelPath, &Block)| local.lookup(odd).is_none();
        let found = if self.folding == Folding::None {
            let on_the_way = (1..=path.0.len()).map(|len| RelPath(path.0[..len].to_vec()));
            on_the_way
                .filter_map(|at| odd.get_key_value(&at))
                .find(is_no_node)
        } else {
            // To this disk it may be there under another spelling.
            let is_one = |(a, b): (&Name, &Name)| self.folding.key(a) == self.folding.key(b);
            let leads_there =
                |at: &RelPath| at.0.len() <= path.0.len() && at.0.iter().zip(&path.0).all(is_one);
            odd.iter().filter(|(at, _)| leads_there(at)).find(is_no_node)
        };
        found.map(|(path, block)| (path.clone(), block.clone()))
    }

    /// Returns why a step failed, for people; nothing when another look and another plan are the answer.
    fn block_of_failure(&self, step: &Step, error: &HandError) -> Option<Block> {
        let is_taken = matches!(error, HandError::Taken | HandError::Gone);
        let place = target_of(step).filter(|_| is_taken);
        let path = place.and_then(|place| self.path_of_place(place.parent, &place.name));
        let is_left_out =
            |path: &RelPath| matches!(error, HandError::Taken) && self.observer.leaves_out(path);
        match path.filter(is_left_out) {
            Some(_) => Some(Block::Ignored),
            None => self
                .in_the_way(step)
                .filter(|_| is_taken)
                .map(|(_, block)| block)
                .or_else(|| self.displaced_by(step).filter(|_| is_taken))
                .or_else(|| block_of(error)),
        }
    }

    /// Returns why a step cannot put a node where it is wanted if another has its place here and is blocked.
    fn displaced_by(&self, step: &Step) -> Option<Block> {
        let place = target_of(step)?;
        let other = self.trees().local().child(place.parent, &place.name)?;
        let is_blocked = self.session.blocked().contains_key(&other);
        is_blocked.then(|| Block::NameClash(place.name.clone()))
    }

    fn begin_fetch(&mut self, step: Step, content: Content) {
        let going = || detach(&self.going.get(content.hash)?).ok();
        let held = self.come.get(content.hash).or_else(going);
        if let Some(bytes) =
            held.filter(|bytes| content.depth == 0 && bytes.len() as u64 == content.size_bytes)
        {
            self.come.forget(content.hash);
            self.give_to_hand(step, Some(Body::Bytes(bytes)));
        } else {
            self.downloading.insert(node_of(&step));
            self.transfers.fetch(step, content);
        }
    }

    /// The path of a place, also inside a directory that is being made.
    fn path_of_place(&self, parent: NodeId, name: &Name) -> Option<RelPath> {
        let dir = self
            .making
            .get(&parent)
            .cloned()
            .or_else(|| self.trees().local().path(parent))?;
        Some(dir.join(name))
    }

    fn path_in(&self, parent: NodeId, node: &Node) -> Option<RelPath> {
        self.path_of_place(parent, &node.name)
    }

    fn give_to_hand(&mut self, step: Step, body: Option<Body>) {
        match self.deed(&step, body) {
            Some(deed) => {
                self.hand_len += small_len(&step);
                self.jobs_waiting.push_back(Job { step, deed });
            }
            // What the step is about is not on disk any more as it was: planning again is all there is to do.
            None => self.step_failed(&step, None),
        }
    }

    /// Resolves what a step does on disk; nothing if the trees have changed so that it makes no sense any more.
    fn deed(&self, step: &Step, body: Option<Body>) -> Option<Deed> {
        let at = |id: NodeId| Some((self.trees().local().path(id)?, *self.observer.print(id)?));
        let to = |place: &Place| self.path_of_place(place.parent, &place.name);
        Some(match step {
            Step::MakeDir { node, .. } => Deed::MakeDir(self.path_in(node.parent, node)?),
            Step::Fetch { node, .. } => {
                let path = self.path_in(node.parent, node)?;
                match &node.kind {
                    Kind::File(file) => {
                        // A conflict copy holds what the node holds that it is one of.
                        let with = node.mark.as_ref().map(|mark| mark.with);
                        let like = with.and_then(|with| self.observer.print(with));
                        let is_unusual = |print: &&Print| !self.root.is_usual(print.mode);
                        Deed::Install(
                            path,
                            *file,
                            body?,
                            like.filter(is_unusual).map(|print| print.mode),
                        )
                    }
                    Kind::Symlink(target) => Deed::MakeSymlink(path, target.clone()),
                    Kind::Dir => Deed::MakeDir(path),
                }
            }
            Step::Replace { id, expect, with, .. } => {
                let (path, print) = at(*id)?;
                match (expect, with) {
                    (Kind::File(before), Kind::File(file)) => {
                        Deed::Replace(path, print, before.content, *file, body?)
                    }
                    (Kind::Symlink(old), Kind::Symlink(new)) => {
                        Deed::ReplaceSymlink(path, print, old.clone(), new.clone())
                    }
                    (Kind::File(_) | Kind::Symlink(_) | Kind::Dir, _) => return None,
                }
            }
            Step::SetAttributes { id, expect, with } => {
                let (path, print) = at(*id)?;
                Deed::SetAttributes(path, print, expect.content, *with)
            }
            Step::Move { id, to: place, .. } | Step::Park { id, to: place, .. } => {
                let (path, print) = at(*id)?;
                Deed::Move(path, print, to(place)?)
            }
            Step::Exchange { a, b, .. } => Deed::Exchange(at(*a)?, at(*b)?),
            Step::Remove { id, expect } => {
                let (path, print) = at(*id)?;
                match &expect.kind {
                    Kind::File(file) => Deed::RemoveFile(path, print, file.content),
                    Kind::Symlink(target) => Deed::RemoveSymlink(path, print, target.clone()),
                    Kind::Dir => Deed::RemoveDir(path, print),
                }
            }
            Step::KeepCopy { of, node, .. } => {
                let (path, print) = at(*of)?;
                let copy = self.path_in(node.parent, node)?;
                match &node.kind {
                    Kind::Symlink(target) => Deed::MakeSymlink(copy, target.clone()),
                    Kind::File(file) => Deed::KeepCopy(path, print, file.content, copy),
                    Kind::Dir => return None,
                }
            }
        })
    }

    /// Gives the hand as much as it takes.
    pub(super) fn feed_hand(&mut self) {
        while let Some(job) = self.jobs_waiting.pop_front() {
            if let Err(refused) = self.jobs.try_send(job) {
                self.jobs_waiting.push_front(refused.into_inner());
                return;
            }
        }
        // Of a first sync it holds room for everything.
        self.jobs_waiting.shrink_to(JOBS_KEPT);
    }

    pub(super) fn on_applied(&mut self, applied: Vec<Applied>) {
        for Applied { step, outcome } in applied {
            self.hand_len = self.hand_len.saturating_sub(small_len(&step));
            match outcome {
                Ok(prints) => self.step_done(&step, prints),
                Err(_) if planted(Bug::SurpriseIgnored) => self.step_done(&step, Vec::new()),
                Err(error) => {
                    tracing::debug!(%error, ?step, "a step was not taken");
                    self.look_again(&step, &error);
                    let block = self.block_of_failure(&step, &error);
                    self.step_failed(&step, block.as_ref());
                }
            }
        }
    }

    fn step_done(&mut self, step: &Step, prints: Vec<(NodeId, Print)>) {
        let brought = self.brought.remove(&node_of(step));
        self.let_go(step);
        let were_at = self.moved_dirs(step, &prints);
        if let Err(error) = self.session.step_done(step) {
            tracing::warn!(%error, ?step, "a step does not fit the local tree; the folder is looked at anew");
            self.observer.rescan();
        }
        self.hear();
        self.note_done(step, prints, were_at);
        if let Some(content) = file_of(step)
            .map(|file| file.content)
            .filter(|content| content.depth > 0)
        {
            let (id, total_bytes) = (node_of(step), content.size_bytes);
            if let Some(chunks) = brought {
                self.touched.chunks(id, Some(chunks));
            }
            self.tell_progress(id, Direction::Down, total_bytes, total_bytes);
        }
        self.tell_applied(step);
    }

    /// Lets the eyes look at what surprised the hand.
    fn look_again(&mut self, step: &Step, error: &HandError) {
        if matches!(error, HandError::NoSpace) {
            return;
        }
        for id in step.ids() {
            let Some(path) = self.session.trees().local().path(id) else {
                continue;
            };
            match error {
                // It may have found other bytes under an equal print.
                HandError::Surprise { .. } => self.observer.reread(id, &path),
                _ => self.observer.look(&path),
            }
        }
        if let Some(path) = target_of(step).and_then(|place| self.path_of_place(place.parent, &place.name)) {
            self.observer.look(&path);
        }
    }

    fn step_failed(&mut self, step: &Step, block: Option<&Block>) {
        self.let_go(step);
        if block == Some(&Block::NoSpace) {
            self.clear_stash(true);
        }
        let now = self.now();
        self.session.step_failed(step, block, now);
    }

    /// Ends what [`Self::begin_step`] began.
    pub(super) fn let_go(&mut self, step: &Step) {
        if let Some(place) = target_of(step) {
            self.observer.release(&place);
        }
        for id in step.ids() {
            self.making.remove(&id);
            self.downloading.remove(&id);
            self.brought.remove(&id);
        }
    }

    pub(super) fn on_transferred(&mut self, done: Transferred) {
        self.transfers.finished(&done);
        match done {
            Transferred::Uploaded { id, content, outcome } => {
                self.on_uploaded(id, content, outcome);
            }
            Transferred::Loaded(loads) => {
                for (id, outcome) in loads {
                    self.on_loaded(id, outcome);
                }
            }
            Transferred::Cut { id, chunked } => {
                self.chunked.insert(id, chunked);
                self.session.upload_given_up(id);
            }
            Transferred::Fetched(steps) => {
                for (step, outcome) in steps {
                    self.on_fetched(step, outcome);
                }
            }
            Transferred::Progress {
                id,
                direction,
                done_bytes,
                total_bytes,
            } => {
                self.tell_progress(id, direction, done_bytes, total_bytes);
            }
            Transferred::Changed(stashed, name) => drop(self.bring_back(&stashed, &name)),
            Transferred::Writers(found) => self.on_writers(*found),
            Transferred::Reverted => self.forget_bursts(),
            Transferred::Kept(n_kept) => self.tell_kept(n_kept),
            Transferred::KeptSent(sent) => self.on_kept_sent(*sent),
            Transferred::Flushed(number, is_done) => self.on_flushed(number, is_done),
            Transferred::Where(ids, reply) => {
                let paths = ids.into_iter().map(|id| self.trees().local().path(id)).collect();
                // Who asked may have given up; nothing is lost by that.
                let _ = reply.send(paths);
            }
        }
    }

    fn on_fetched(&mut self, step: Step, outcome: Result<Brought, DownloadError>) {
        match outcome {
            Ok(Brought::Small(bytes)) => self.give_to_hand(step, Some(Body::Bytes(bytes))),
            Ok(Brought::Large(staged, chunks)) => {
                self.brought.insert(node_of(&step), chunks);
                self.give_to_hand(step, Some(Body::Staged(staged)));
            }
            Err(error) => {
                tracing::debug!(%error, "a content was not fetched");
                let block = match &error {
                    error if error.is_full() => Some(Block::NoSpace),
                    DownloadError::Missing(_) | DownloadError::Inconsistent => Some(Block::MissingContent),
                    DownloadError::NoSpace => Some(Block::NoSpace),
                    DownloadError::Disk(error) => Some(Block::Unreadable(error.to_string())),
                    DownloadError::Staging(error) => Some(Block::Unreadable(chain(error))),
                    DownloadError::Bulk(BulkError::Lost) => None,
                    DownloadError::Bulk(error) => Some(Block::Refused(error.to_string())),
                };
                self.step_failed(&step, block.as_ref());
            }
        }
    }

    /// A small content was read again: its change goes on.
    fn on_loaded(&mut self, id: NodeId, outcome: Result<Attachment, UploadError>) {
        match outcome {
            Ok(attachment) => {
                let len = attachment.bytes.len();
                self.going.keep(attachment.head.hash, attachment, len);
                self.session.loaded(id);
            }
            Err(error) => self.upload_failed(id, &error),
        }
    }

    fn on_uploaded(&mut self, id: NodeId, content: Content, outcome: Result<(), UploadError>) {
        match outcome {
            Ok(()) => {
                self.session.uploaded(id, content.hash);
                self.tell_progress(id, Direction::Up, content.size_bytes, content.size_bytes);
            }
            Err(error) => self.upload_failed(id, &error),
        }
    }

    fn upload_failed(&mut self, id: NodeId, error: &UploadError) {
        tracing::debug!(%error, "a content was not sent");
        let block = match error {
            UploadError::Changed | UploadError::Bulk(BulkError::Lost) => None,
            UploadError::Unreadable(reason) => Some(Block::Unreadable(reason.clone())),
            UploadError::Bulk(BulkError::ServerFull) => Some(Block::ServerFull),
            UploadError::Bulk(BulkError::Quota) => Some(Block::Quota),
            UploadError::Bulk(error) => Some(Block::Refused(error.to_string())),
        };
        if matches!(error, UploadError::Changed | UploadError::Unreadable(_))
            && let Some(path) = self.trees().local().path(id)
        {
            self.observer.reread(id, &path);
        }
        let (now, is_for_room) = (
            self.now(),
            matches!(block, Some(Block::ServerFull | Block::Quota)),
        );
        self.session.upload_failed(id, block, now);
        if is_for_room {
            // Which of them may still fit the session knows.
            let waiting = self.transfers.give_back_uploads();
            waiting
                .into_iter()
                .for_each(|id| self.session.upload_given_up(id));
        }
    }

    fn tell_progress(&self, id: NodeId, direction: Direction, done_bytes: u64, total_bytes: u64) {
        if let Some(path) = super::views::path_of(self.trees(), id) {
            self.tell(Notice::Progress(Progress {
                id,
                path,
                direction,
                done_bytes,
                total_bytes,
            }));
        }
    }
}
