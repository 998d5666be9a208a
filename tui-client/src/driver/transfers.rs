//! Contents under way in both directions: how many at once, in which order, and what became of them. Small contents go in
//! groups, large ones one by one; neither holds up the other.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::limits::{CHUNK_LEN_MAX, held_at_most};
use common::message::{Attachment, Form};
use common::offload;
use sync_engine::plan::Step;
use sync_engine::{Content, Hash, Name, NodeId, RelPath};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::kept;
use super::memory::Memory;
use super::pieces::Pieces;
use super::steps::{file_of, node_of};
use super::writers;
use crate::chunker::{Chunked, Chunker};
use crate::disk::{Root, Staged, Stashed};
use crate::net::{Bulk, BulkError};
use crate::notice::Direction;
use crate::state::ChunkRow;
use crate::transfer::compress::{attach, detach};
use crate::transfer::download::{DownloadError, download};
use crate::transfer::space::Space;
use crate::transfer::upload::{Source, UploadError, upload};

/// How many groups of small contents are fetched at once.
const GROUPS_UNDER_WAY: usize = 3;
/// How many bytes a group of small contents has, about.
const GROUP_LEN_AIM: u64 = 1024 * 1024;
/// How many contents a group has at most.
const GROUP_MAX: usize = 512;
/// While more small contents than fill this wait to be fetched, the server waits, in bytes.
const SMALL_WAITING_MAX: usize = 4 * 1024 * 1024;
/// What a step whose content is to be fetched takes up, about, with what is told of it, in bytes.
const SMALL_WAITING_LEN: usize = 1024;
/// How many large contents are fetched at once.
const DOWNLOADS_UNDER_WAY: usize = 2;
/// How many contents are sent at once.
const UPLOADS_UNDER_WAY: usize = 4;
/// How often a listener hears of one transfer at most.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);
/// How many results wait for the driver at most.
const RESULTS_WAITING_MAX: usize = 64;

/// A buffer with so much room to spare is filled by one call, in bytes.
const READ_ROOM: usize = 64;

/// What became of a transfer, or how far it is.
pub(super) enum Transferred {
    /// A content was sent, or not.
    Uploaded {
        /// The file.
        id: NodeId,
        /// Its content.
        content: Content,
        /// What became of it.
        outcome: Result<(), UploadError>,
    },
    /// Small contents of files were read again, for commits to carry, or could not be.
    Loaded(Vec<(NodeId, Result<Attachment, UploadError>)>),
    /// A file was cut again, so that it can be sent.
    Cut {
        /// The file.
        id: NodeId,
        /// Its pieces.
        chunked: Arc<Chunked>,
    },
    /// Contents were fetched, or not.
    Fetched(Fetched),
    /// A transfer moved on.
    Progress {
        /// The file.
        id: NodeId,
        /// Which way.
        direction: Direction,
        /// Bytes that are through.
        done_bytes: u64,
        /// Bytes in all.
        total_bytes: u64,
    },
    /// Something in the stash was changed after it was taken away; the function names what is brought back.
    Changed(Box<Stashed>, Box<Naming>),
    /// The file system was flushed, or not: what this number and those before it are of.
    Flushed(u64, bool),
    /// Files that others have open were looked at.
    Writers(Box<writers::Found>),
    /// What bursts of removals took was brought back.
    Reverted,
    /// So many contents this device alone has.
    Kept(usize),
    /// A content that this device alone had was sent.
    KeptSent(Box<kept::Sent>),
    /// A transfer wants to know where files are now.
    Where(Vec<NodeId>, oneshot::Sender<Vec<Option<RelPath>>>),
}

/// Makes the n-th name for something that is brought back.
pub(super) type Naming = dyn Fn(&Name, u32) -> Name + Send;

/// A content that is to be sent.
struct ToSend {
    id: NodeId,
    path: RelPath,
    chunked: Arc<Chunked>,
}

/// See the module's page.
pub(super) struct Transfers {
    root: Root,
    space: Space,
    memory: Memory,
    done: mpsc::Sender<Transferred>,
    session: Option<(Bulk, CancellationToken, DropGuard)>,
    small: VecDeque<(Step, Content)>,
    large: VecDeque<(Step, Content)>,
    to_send: VecDeque<ToSend>,
    n_groups: usize,
    n_downloads: usize,
    n_uploads: usize,
    /// Whether something may be in staging that nobody goes on with.
    has_begun: bool,
}

impl Transfers {
    /// Makes a manager without a session.
    #[must_use]
    pub(super) fn new(root: Root, memory: Memory) -> (Self, mpsc::Receiver<Transferred>) {
        let (done, results) = mpsc::channel(RESULTS_WAITING_MAX);
        let transfers = Self {
            space: Space::new(root.clone()),
            root,
            memory,
            done,
            session: None,
            small: VecDeque::new(),
            large: VecDeque::new(),
            to_send: VecDeque::new(),
            n_groups: 0,
            n_downloads: 0,
            n_uploads: 0,
            // An earlier run may have left something.
            has_begun: true,
        };
        (transfers, results)
    }

    /// Begins a session.
    pub(super) fn connect(&mut self, bulk: Bulk) {
        let token = CancellationToken::new();
        let guard = token.clone().drop_guard();
        self.session = Some((bulk, token, guard));
    }

    /// Ends the session: whatever is under way fails by itself, and what waits is given back: steps whose contents were to
    /// be fetched, and files that were to be sent.
    pub(super) fn disconnect(&mut self) -> (Vec<Step>, Vec<NodeId>) {
        self.session = None;
        let steps = self
            .small
            .drain(..)
            .chain(self.large.drain(..))
            .map(|(step, _)| step);
        (steps.collect(), self.give_back_uploads())
    }

    /// Gives back the files that wait to be sent.
    pub(super) fn give_back_uploads(&mut self) -> Vec<NodeId> {
        self.to_send.drain(..).map(|to_send| to_send.id).collect()
    }

    /// The bulk connection of the session.
    #[must_use]
    pub(super) fn bulk(&self) -> Option<Bulk> {
        self.session.as_ref().map(|(bulk, _, _)| bulk.clone())
    }

    /// The bulk connection of the session, and what is cancelled when that is over.
    #[must_use]
    pub(super) fn session(&self) -> Option<(Bulk, CancellationToken)> {
        let (bulk, over, _) = self.session.as_ref()?;
        Some((bulk.clone(), over.clone()))
    }

    /// Where other tasks send what the driver should know.
    #[must_use]
    pub(super) fn results(&self) -> mpsc::Sender<Transferred> {
        self.done.clone()
    }

    /// Orders the content of a step.
    pub(super) fn fetch(&mut self, step: Step, content: Content) {
        if content.depth == 0 {
            self.small.push_back((step, content));
        } else {
            self.large.push_back((step, content));
        }
    }

    /// Orders a content to be sent.
    pub(super) fn send(&mut self, id: NodeId, path: RelPath, chunked: Arc<Chunked>) {
        self.to_send.push_back(ToSend { id, path, chunked });
    }

    /// Cuts a file again and orders its content to be sent: it was read in an earlier run.
    pub(super) fn cut_and_send(&self, id: NodeId, path: RelPath, content: Content) {
        let (root, done) = (self.root.clone(), self.done.clone());
        tokio::spawn(async move {
            let cut = offload::run(move || cut(&root, &path, content)).await;
            let told = match cut {
                Ok(chunked) => Transferred::Cut {
                    id,
                    chunked: Arc::new(chunked),
                },
                Err(error) => Transferred::Loaded(vec![(id, Err(error))]),
            };
            // The driver may have ended; then nobody wants it.
            let _ = done.send(told).await;
        });
    }

    /// Reads small contents again, so that a commit can carry them.
    pub(super) fn load(&self, loads: Vec<(NodeId, RelPath, Content)>) {
        if loads.is_empty() {
            return;
        }
        let (root, done) = (self.root.clone(), self.done.clone());
        tokio::spawn(async move {
            let read = move || {
                let read = |(id, path, content)| (id, read_small(&root, &path, content));
                loads.into_iter().map(read).collect()
            };
            // The driver may have ended; then nobody wants it.
            let _ = done.send(Transferred::Loaded(offload::run(read).await)).await;
        });
    }

    /// Tells whether so many small contents wait to be fetched that the server should wait. Each of them ends, by itself or
    /// with the session.
    pub(super) fn are_many(&self) -> bool {
        self.session.is_some() && held_at_most(SMALL_WAITING_MAX) < self.small.len() * SMALL_WAITING_LEN
    }

    /// Notes that results came, so that others can begin.
    pub(super) fn finished(&mut self, done: &Transferred) {
        match done {
            Transferred::Uploaded { .. } => self.n_uploads -= 1,
            Transferred::Fetched(steps) if is_group(steps) => self.n_groups -= 1,
            Transferred::Fetched(_) => self.n_downloads -= 1,
            Transferred::Loaded(..)
            | Transferred::Cut { .. }
            | Transferred::Changed(..)
            | Transferred::Writers(..)
            | Transferred::Reverted
            | Transferred::Kept(_)
            | Transferred::KeptSent(_)
            | Transferred::Flushed(..)
            | Transferred::Progress { .. }
            | Transferred::Where(..) => (),
        }
    }

    /// Tells, once, whether downloads that are over may have left something in staging.
    pub(super) fn take_begun(&mut self) -> bool {
        self.n_downloads == 0 && std::mem::take(&mut self.has_begun)
    }

    /// Notes that something begun was left in staging.
    pub(super) fn leave_begun(&mut self) {
        self.has_begun = true;
    }

    /// Begins as many transfers as may be under way; small contents only if there is room for what they bring.
    pub(super) fn begin(&mut self, may_fetch_small: bool) {
        let Some((bulk, token, _)) = &self.session else {
            return;
        };
        let (bulk, token) = (bulk.clone(), token.clone());
        while may_fetch_small && self.n_groups < GROUPS_UNDER_WAY && !self.small.is_empty() {
            let group = next_group(&mut self.small);
            self.n_groups += 1;
            spawn(
                &token,
                &self.done,
                group.clone(),
                fetch_group(group, bulk.clone(), self.space.clone()),
            );
        }
        while self.n_downloads < DOWNLOADS_UNDER_WAY
            && let Some((step, content)) = self.large.pop_front()
        {
            self.n_downloads += 1;
            self.has_begun = true;
            let fetching = self.fetch_large(step.clone(), content, bulk.clone());
            spawn(&token, &self.done, vec![(step, content)], fetching);
        }
        while self.n_uploads < UPLOADS_UNDER_WAY
            && let Some(ToSend { id, path, chunked }) = self.to_send.pop_front()
        {
            self.n_uploads += 1;
            let (root, bulk, done, token) =
                (self.root.clone(), bulk.clone(), self.done.clone(), token.clone());
            tokio::spawn(async move {
                let content = chunked.content;
                let progress = progress(done.clone(), id, Direction::Up, content.size_bytes);
                let outcome = tokio::select! {
                    biased;
                    outcome = upload(root, Source::Folder(path), chunked, bulk, progress) => outcome,
                    () = token.cancelled() => Err(UploadError::Bulk(BulkError::Lost)),
                };
                // The driver may have ended; then nobody wants it.
                let _ = done.send(Transferred::Uploaded { id, content, outcome }).await;
            });
        }
    }

    fn fetch_large(
        &self,
        step: Step,
        content: Content,
        bulk: Bulk,
    ) -> impl Future<Output = Fetched> + Send + use<> {
        let space = self.space.clone();
        let pieces = Pieces::new(self.memory.clone(), self.done.clone(), node_of(&step));
        let progress = progress(
            self.done.clone(),
            node_of(&step),
            Direction::Down,
            content.size_bytes,
        );
        async move {
            let brought = download(&space, content, &pieces, &bulk, progress).await;
            vec![(
                step,
                brought.map(|(staged, chunks)| Brought::Large(staged, chunks)),
            )]
        }
    }
}

/// A content that was fetched.
pub(super) enum Brought {
    /// A small one.
    Small(Bytes),
    /// A large one, in staging, and which chunk is where in it.
    Large(Staged, Vec<ChunkRow>),
}

/// Steps with what became of their contents.
type Fetched = Vec<(Step, Result<Brought, DownloadError>)>;

/// Tells a group of small contents from a large one.
fn is_group(steps: &Fetched) -> bool {
    steps
        .first()
        .is_none_or(|(step, _)| file_of(step).is_none_or(|file| file.content.depth == 0))
}

/// Runs a fetch; when the session ends before, every step fails.
fn spawn(
    token: &CancellationToken,
    done: &mpsc::Sender<Transferred>,
    steps: Vec<(Step, Content)>,
    fetching: impl Future<Output = Fetched> + Send + 'static,
) {
    let (token, done) = (token.clone(), done.clone());
    tokio::spawn(async move {
        let fetched = tokio::select! {
                    biased;
            fetched = fetching => fetched,
            () = token.cancelled() => steps
                .into_iter()
                .map(|(step, _)| (step, Err(DownloadError::Bulk(BulkError::Lost))))
                .collect(),
        };
        // The driver may have ended; then nobody wants it.
        let _ = done.send(Transferred::Fetched(fetched)).await;
    });
}

fn next_group(small: &mut VecDeque<(Step, Content)>) -> Vec<(Step, Content)> {
    let (mut group, mut len) = (Vec::new(), 0);
    while len < GROUP_LEN_AIM
        && group.len() < GROUP_MAX
        && let Some((step, content)) = small.pop_front()
    {
        len = content.size_bytes.saturating_add(len);
        group.push((step, content));
    }
    if small.is_empty() {
        // Of a first sync it holds room for everything.
        small.shrink_to_fit();
    }
    group
}

async fn fetch_group(group: Vec<(Step, Content)>, bulk: Bulk, space: Space) -> Fetched {
    let mut left = offload::run(move || space.free_bytes()).await;
    let (group, large): (Vec<_>, Vec<_>) = group.into_iter().partition(|(_, content)| {
        let fits = content.size_bytes <= left;
        left -= if fits { content.size_bytes } else { 0 };
        fits
    });
    let refused = large
        .into_iter()
        .map(|(step, _)| (step, Err(DownloadError::NoSpace)));
    let mut fetched = fetch_fitting(group, bulk).await;
    fetched.extend(refused);
    fetched
}

async fn fetch_fitting(group: Vec<(Step, Content)>, bulk: Bulk) -> Fetched {
    let mut hashes: Vec<Hash> = group.iter().map(|(_, content)| content.hash).collect();
    if hashes.is_empty() {
        return Vec::new();
    }
    hashes.sort();
    hashes.dedup();
    let got = match bulk.get(hashes).await {
        Ok(got) => got,
        Err(error) => {
            return group
                .into_iter()
                .map(|(step, _)| (step, Err(error.clone().into())))
                .collect();
        }
    };
    let plain: BTreeMap<Hash, Bytes> = got
        .attachments
        .iter()
        .filter_map(|attachment| Some((attachment.head.hash, detach(attachment).ok()?)))
        .collect();
    let of = |content: Content| match plain.get(&content.hash) {
        Some(bytes) if bytes.len() as u64 == content.size_bytes => Ok(Brought::Small(bytes.clone())),
        Some(_) | None => Err(DownloadError::Missing(content.hash)),
    };
    group
        .into_iter()
        .map(|(step, content)| (step, of(content)))
        .collect()
}

fn read_small(root: &Root, path: &RelPath, content: Content) -> Result<Attachment, UploadError> {
    let (file, _) = root.open_file(path)?;
    // One byte more than there should be tells a file that has grown, and there is room to find the end.
    let len_max = content.size_bytes + 1;
    let mut bytes = Vec::with_capacity(usize::try_from(len_max).unwrap_or(CHUNK_LEN_MAX) + READ_ROOM);
    file.take(len_max)
        .read_to_end(&mut bytes)
        .map_err(|error| UploadError::Unreadable(error.to_string()))?;
    if Hash::of(&bytes) == content.hash {
        Ok(attach(content.hash, Form::Data, bytes.into()))
    } else {
        Err(UploadError::Changed)
    }
}

fn cut(root: &Root, path: &RelPath, content: Content) -> Result<Chunked, UploadError> {
    let (file, _) = root.open_file(path)?;
    let chunked = Chunker::new()
        .chunk(file, |_, _| ())
        .map_err(|error| UploadError::Unreadable(error.to_string()))?;
    if chunked.content == content {
        Ok(chunked)
    } else {
        Err(UploadError::Changed)
    }
}

/// Makes a function that tells the driver how far a transfer is, not too often.
fn progress(
    done: mpsc::Sender<Transferred>,
    id: NodeId,
    direction: Direction,
    total_bytes: u64,
) -> impl Fn(u64) {
    let last = std::sync::Mutex::new(None::<Instant>);
    move |done_bytes| {
        let mut last = last.lock().expect("nothing panics while it is held");
        let now = Instant::now();
        if done_bytes < total_bytes && last.is_none_or(|last| now - last >= PROGRESS_INTERVAL) {
            *last = Some(now);
            // A report that is lost is followed by another.
            let _ = done.try_send(Transferred::Progress {
                id,
                direction,
                done_bytes,
                total_bytes,
            });
        }
    }
}
