//! The task that changes the folder. Steps arrive in the planner's order, each with what it expects to find; contents
//! that are ready together are flushed together, then moved into place, then their directories are flushed, and only
//! then is anything said to be done.

use std::collections::BTreeSet;
use std::io;

use bytes::Bytes;
use common::offload;
use sync_engine::plan::Step;
use sync_engine::{Block, Content, FileState, NodeId, RelPath, Target};
use tokio::sync::mpsc;

use crate::chunker::Chunker;
use crate::disk::{DiskError, File, HandError, Known, Print, Root, Sealed, Sight, Staged};
use crate::fault::chain;

/// How many jobs wait at most.
const JOBS_WAITING_MAX: usize = 1024;
/// How many contents share a flush at most.
const GROUP_MAX: usize = 512;

/// What a step does on disk, with paths and expectations resolved.
pub enum Deed {
    /// Makes a directory.
    MakeDir(RelPath),
    /// Makes a symbolic link where nothing is.
    MakeSymlink(RelPath, Target),
    /// Puts a new file where nothing is. It is to have the permission bits of another, if there is one that it belongs to.
    Install(RelPath, FileState, Body, Option<u32>),
    /// Replaces a file's bytes.
    Replace(RelPath, Print, Content, FileState, Body),
    /// Replaces a symbolic link; the targets are the old and the new.
    ReplaceSymlink(RelPath, Print, Target, Target),
    /// Sets a file's attributes.
    SetAttributes(RelPath, Print, Content, FileState),
    /// Renames or moves a node.
    Move(RelPath, Print, RelPath),
    /// Exchanges two nodes.
    Exchange((RelPath, Print), (RelPath, Print)),
    /// Takes a file away into the stash.
    RemoveFile(RelPath, Print, Content),
    /// Takes a symbolic link away.
    RemoveSymlink(RelPath, Print, Target),
    /// Takes an empty directory away.
    RemoveDir(RelPath, Print),
    /// Copies a file aside.
    KeepCopy(RelPath, Print, Content, RelPath),
}

/// The bytes of a file that is to be.
pub enum Body {
    /// In memory.
    Bytes(Bytes),
    /// Already in staging.
    Staged(Staged),
    /// In staging, complete.
    Sealed(Sealed),
}

/// A step that is to be carried out.
pub struct Job {
    /// The step.
    pub step: Step,
    /// What it does on disk.
    pub deed: Deed,
}

/// A step that was carried out or not.
pub struct Applied {
    /// The step.
    pub step: Step,
    /// The new prints of the nodes that it touched, or what was found instead.
    pub outcome: Result<Vec<(NodeId, Print)>, HandError>,
}

/// The two ends of the hand that the driver holds.
pub struct Hand {
    /// Takes jobs; the hand ends when this is dropped.
    pub jobs: mpsc::Sender<Job>,
    /// What came of them, in groups.
    pub applied: mpsc::Receiver<Vec<Applied>>,
}

/// Makes a hand and the task that works for it, which blocks while it writes.
pub fn hand(root: Root) -> (Hand, impl Future<Output = ()> + Send + 'static) {
    let (jobs, waiting) = mpsc::channel(JOBS_WAITING_MAX);
    let (done, applied) = mpsc::channel(4);
    (Hand { jobs, applied }, serve(root, waiting, done))
}

async fn serve(root: Root, mut jobs: mpsc::Receiver<Job>, done: mpsc::Sender<Vec<Applied>>) {
    while let Some(first) = jobs.recv().await {
        let mut group = vec![first];
        while group.len() < GROUP_MAX
            && let Ok(job) = jobs.try_recv()
        {
            group.push(job);
        }
        let applied = apply(&root, group);
        offload::lag().await;
        if done.send(applied).await.is_err() {
            return;
        }
    }
}

/// Carries out a group of steps in order.
fn apply(root: &Root, group: Vec<Job>) -> Vec<Applied> {
    root.mend_private();
    let _working = root.keep_private();
    let mut dirs = BTreeSet::new();
    let mut applied: Vec<Applied> = stage_all(root, group)
        .into_iter()
        .map(|(step, ready)| {
            let outcome = ready.and_then(|deed| {
                dirs.extend(deed.dirs());
                carry_out(root, &step, deed)
            });
            Applied { step, outcome }
        })
        .collect();
    let dirs: Vec<RelPath> = dirs.into_iter().collect();
    if let Err(error) = root.flush_dirs(&dirs) {
        // What was moved into place may not survive a power cut, so it is not said to be done: it is looked at anew.
        tracing::warn!(%error, "directories could not be flushed");
        for one in applied.iter_mut().filter(|one| one.outcome.is_ok()) {
            one.outcome = Err(not_flushed(&error));
        }
    }
    applied
}

fn not_flushed(error: &DiskError) -> HandError {
    if error.is_full() {
        return HandError::NoSpace;
    }
    HandError::Io {
        deed: "flush what was written",
        source: io::Error::other(error.to_string()),
    }
}

/// Writes all contents of a group to staging and flushes them as one.
fn stage_all(root: &Root, group: Vec<Job>) -> Vec<(Step, Result<Deed, HandError>)> {
    let (mut ready, mut sealed, mut owners) = (Vec::with_capacity(group.len()), Vec::new(), Vec::new());
    for Job { step, deed } in group {
        match stage(root, deed) {
            Ok((deed, Some(one))) => {
                sealed.push(one);
                owners.push(ready.len());
                ready.push((step, Ok(deed)));
            }
            Ok((deed, None)) => ready.push((step, Ok(deed))),
            Err(error) => ready.push((step, Err(error))),
        }
    }
    match root.flush_staged(&mut sealed) {
        Ok(()) => {
            for (owner, one) in owners.into_iter().zip(sealed) {
                if let Some((_, Ok(Deed::Install(_, _, body, _) | Deed::Replace(_, _, _, _, body)))) =
                    ready.get_mut(owner)
                {
                    *body = Body::Sealed(one);
                }
            }
        }
        Err(error) => owners
            .into_iter()
            .for_each(|owner| ready[owner].1 = Err(not_flushed(&error))),
    }
    ready
}

/// Writes the content of a deed, if it has one, to staging, and seals it with the permission bits that it is to have.
fn stage(root: &Root, deed: Deed) -> Result<(Deed, Option<Sealed>), HandError> {
    let empty = || Body::Bytes(Bytes::new());
    match deed {
        Deed::Install(path, file, body, like) => {
            let sealed = match (staged(root, body)?, root.bits_left_at(&path).or(like)) {
                (Written::Sealed(sealed), _) => sealed,
                (Written::Staged(staged), Some(mode)) => staged.seal_like(mode, file.exec, file.mtime_ns)?,
                (Written::Staged(staged), None) => staged.seal(file.exec, file.mtime_ns)?,
            };
            Ok((Deed::Install(path, file, empty(), like), Some(sealed)))
        }
        Deed::Replace(path, print, content, file, body) => {
            let sealed = match staged(root, body)? {
                Written::Sealed(sealed) => sealed,
                Written::Staged(mut staged) => {
                    let mode = root.bits_of_replaced(&path, &print, &mut staged);
                    staged.seal_like(mode, file.exec, file.mtime_ns)?
                }
            };
            Ok((Deed::Replace(path, print, content, file, empty()), Some(sealed)))
        }
        Deed::RemoveFile(ref path, ref print, _) | Deed::RemoveDir(ref path, ref print) => {
            // What comes in its place, in this group or later, is to be no more open than it was.
            root.remember_bits(path, print.mode);
            Ok((deed, None))
        }
        other => Ok((other, None)),
    }
}

/// A content in staging.
enum Written {
    Staged(Staged),
    Sealed(Sealed),
}

/// Brings a content to staging, if it is not there.
fn staged(root: &Root, body: Body) -> Result<Written, HandError> {
    let bytes = match body {
        Body::Sealed(sealed) => return Ok(Written::Sealed(sealed)),
        Body::Staged(staged) => return Ok(Written::Staged(staged)),
        Body::Bytes(bytes) => bytes,
    };
    let mut staged = root.stage()?;
    let file = staged.file();
    file.write_sparsely_at(&bytes, 0, false)
        .and_then(|()| file.set_len(bytes.len() as u64))
        .map_err(|source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => HandError::NoSpace,
            _ => HandError::Io {
                deed: "write to staging",
                source,
            },
        })?;
    Ok(Written::Staged(staged))
}

impl Deed {
    /// The directories in which it changes names.
    fn dirs(&self) -> Vec<RelPath> {
        match self {
            Self::MakeDir(path)
            | Self::MakeSymlink(path, _)
            | Self::Install(path, ..)
            | Self::Replace(path, ..)
            | Self::ReplaceSymlink(path, ..)
            | Self::RemoveFile(path, ..)
            | Self::RemoveSymlink(path, ..)
            | Self::RemoveDir(path, _)
            | Self::KeepCopy(.., path) => vec![parent(path)],
            Self::Move(from, _, to) => vec![parent(from), parent(to)],
            Self::Exchange((a, _), (b, _)) => vec![parent(a), parent(b)],
            Self::SetAttributes(..) => Vec::new(),
        }
    }
}

fn parent(path: &RelPath) -> RelPath {
    path.split_last().map_or_else(RelPath::root, |(parent, _)| parent)
}

fn known<'a>(node: NodeId, print: &'a Print, content: &'a Content) -> Known<'a> {
    Known { node, print, content }
}

fn carry_out(root: &Root, step: &Step, deed: Deed) -> Result<Vec<(NodeId, Print)>, HandError> {
    let mut ids = step.ids();
    let id = ids.next().unwrap_or(NodeId::ROOT);
    let other = ids.next().unwrap_or(id);
    let one = |print: Print| vec![(id, print)];
    match deed {
        Deed::MakeDir(path) => root.make_dir(&path).map(one),
        Deed::MakeSymlink(path, target) => root
            .make_symlink(&path, &target)
            .map(|print| vec![(other, print)]),
        Deed::Install(path, _, Body::Sealed(sealed), _) => root.install(sealed, &path).map(one),
        Deed::Replace(path, print, content, file, Body::Sealed(sealed)) => {
            let known = known(id, &print, &content);
            root.replace(sealed, &file.content, &path, &known, &content_of)
                .map(one)
        }
        Deed::Install(..) | Deed::Replace(..) => unreachable!("every content was staged before"),
        Deed::ReplaceSymlink(path, expect, old, new) => {
            root.replace_symlink(&path, &expect, &old, &new).map(one)
        }
        Deed::SetAttributes(path, print, content, file) => {
            let known = known(id, &print, &content);
            root.set_attributes(&path, &known, file.exec, file.mtime_ns, &content_of)
                .map(one)
        }
        Deed::Move(from, expect, to) => root.rename(&from, &expect, &to).map(one),
        Deed::Exchange((a, expect_a), (b, expect_b)) => {
            let (print_a, print_b) = root.exchange(&a, &expect_a, &b, &expect_b)?;
            Ok(vec![(id, print_a), (other, print_b)])
        }
        Deed::RemoveFile(path, print, content) => {
            let known = known(id, &print, &content);
            root.remove_file(&path, &known, &content_of).map(|()| Vec::new())
        }
        Deed::RemoveSymlink(path, expect, target) => {
            root.remove_symlink(&path, &expect, &target).map(|()| Vec::new())
        }
        Deed::RemoveDir(path, expect) => root.remove_dir(&path, &expect).map(|()| Vec::new()),
        Deed::KeepCopy(path, print, content, to) => {
            let known = known(id, &print, &content);
            root.keep_copy(&path, &known, &to, &content_of)
                .map(|print| vec![(other, print)])
        }
    }
}

/// Reads a file whole and names its content.
pub(super) fn content_of(file: &mut File) -> io::Result<Content> {
    Ok(Chunker::new().chunk(file, |_, _| ())?.content)
}

/// What a failed step means for its node: a reason to tell a person, or nothing when looking again is enough.
#[must_use]
pub fn block_of(error: &HandError) -> Option<Block> {
    match error {
        HandError::NoSpace => Some(Block::NoSpace),
        HandError::Refused(block) => Some(block.clone()),
        HandError::Busy => Some(Block::Busy),
        HandError::Io { .. } => Some(Block::Unreadable(error.to_string())),
        HandError::Surprise {
            found: Sight::Unknown(block),
        } => Some(block.clone()),
        HandError::Disk(error) if error.is_full() => Some(Block::NoSpace),
        HandError::Disk(error) => Some(Block::Unreadable(chain(error))),
        // What is new in it makes another plan. What stays is not synchronised, and a person has to see to it.
        HandError::NotEmpty => Some(Block::NotEmpty),
        HandError::Surprise { .. } | HandError::Rescued { .. } | HandError::Taken | HandError::Gone => None,
    }
}
