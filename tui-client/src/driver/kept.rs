//! What this device alone still has. When the server was put back to an older store, contents that only the lost end of
//! the history had, and that no folder has any more, may lie in the stash of the devices that replaced or removed them. They
//! are listed with the history of the paths that they had, and brought back like other versions: the content is sent, and
//! becomes a version of the present history.
//!
//! Law: a content is listed as kept here exactly when the server lacks it. What is listed is not removed from the stash.

use std::collections::BTreeSet;
use std::sync::Arc;

use common::offload;
use sync_engine::tree::Item;
use sync_engine::{Content, FileState, Kind, Name, Node, NodeId, RelPath, Tree, Version};
use tokio::sync::oneshot;

use super::Driver;
use super::orders::Order;
use super::questions::{failed, give, unchanged};
use super::restore;
use super::stash::kept_by_server;
use super::transfers::Transferred;
use crate::chunker::Chunker;
use crate::control::{Answer, KeptId, KeptItem, LogItem};
use crate::disk::{Root, Stashed};
use crate::ids::NewIds;
use crate::net::Bulk;
use crate::notice::{Notice, Trouble};
use crate::transfer::upload::{Source, UploadError, upload};

/// How many are listed at once at most.
const LISTED_MAX: usize = 1000;

/// What a person means by a path: all that was there, or inside it.
pub(super) struct Place {
    paths: Vec<RelPath>,
    node: Option<NodeId>,
}

impl Place {
    fn has(&self, stashed: &Stashed) -> bool {
        let path = stashed.path.as_ref();
        let is_there = |dir: &RelPath| path.is_some_and(|path| path.starts_with(dir));
        self.paths.iter().any(is_there) || self.node.is_some() && self.node == stashed.node
    }
}

/// What the driver knows of the last time that the server was put back.
#[derive(Debug, Default)]
pub(super) struct LastPutBack {
    /// When it was noticed, in milliseconds since 1970.
    pub(super) at_ms: Option<u64>,
    /// Whether it is still to be found out what this device alone has.
    is_unsearched: bool,
}

impl LastPutBack {
    /// What is remembered of it at the start.
    pub(super) fn new(at_ms: Option<u64>) -> Self {
        let is_unsearched = false;
        Self { at_ms, is_unsearched }
    }
}

/// A content that was sent, of which a version is to be made.
pub(super) struct Sent {
    path: RelPath,
    to: RelPath,
    file: FileState,
    reply: oneshot::Sender<Answer>,
}

impl Driver {
    /// Notes and tells that the server was put back. What is in the stash by now is kept for longer.
    pub(super) fn note_put_back(&mut self) {
        self.put_back = LastPutBack {
            at_ms: Some(self.now_ms()),
            is_unsearched: true,
        };
        self.facts_changed = true;
        self.tell(Notice::Error(Trouble {
            what: "the server's history is not the one that this device knew; it was put back to an older state, or is \
                   another's"
                .into(),
            done: "nothing is deleted; both sides are united, and what the server lost is sent again".into(),
            todo: "nothing; look at the conflicts afterwards".into(),
        }));
    }

    /// Begins to find out, once after the server was put back, whether this device has what the server lacks.
    pub(super) fn seek_kept(&mut self) {
        let Some(bulk) = self.transfers.bulk().filter(|_| self.put_back.is_unsearched) else {
            return;
        };
        self.put_back.is_unsearched = false;
        let (root, results) = (self.root.clone(), self.transfers.results());
        let everywhere = self.kept_place(&RelPath::root());
        tokio::spawn(async move {
            let n_kept = lacking(stashed(root, everywhere).await, &bulk).await.len();
            // The driver may have ended.
            let _ = results.send(Transferred::Kept(n_kept)).await;
        });
    }

    /// Tells how many contents this device alone has.
    pub(super) fn tell_kept(&self, n_kept: usize) {
        if 0 < n_kept {
            self.tell(Notice::Error(Trouble {
                what: format!(
                    "the server was put back, and its history lacks {n_kept} earlier contents of files that this device still has"
                ),
                done: "this device keeps them, outside of the folder's files".into(),
                todo: "'history FOLDER .' lists them, and 'restore FOLDER PATH --kept ID' brings one back".into(),
            }));
        }
    }

    /// What a person means by a path.
    pub(super) fn kept_place(&self, path: &RelPath) -> Place {
        let node = self.remote_at(path).filter(|id| *id != NodeId::ROOT);
        let there = node.and_then(|id| self.trees().remote().path(id));
        Place {
            paths: [path.clone()].into_iter().chain(there).collect(),
            node,
        }
    }

    /// Answers with a history and what of it this device alone has.
    pub(super) fn give_history(
        &self,
        place: Place,
        path: RelPath,
        items: Vec<LogItem>,
        reply: oneshot::Sender<Answer>,
    ) {
        let (root, bulk) = (self.root.clone(), self.transfers.bulk());
        tokio::spawn(async move {
            let kept = match bulk {
                Some(bulk) => lacking(stashed(root, place).await, &bulk).await,
                None => Vec::new(),
            };
            let item = |stashed: &Stashed| KeptItem {
                id: KeptId::of(&stashed.content),
                time_ms: stashed.since_ms,
                path: stashed.path.clone().unwrap_or_default(),
                size_bytes: stashed.content.size_bytes,
            };
            let kept: Vec<KeptItem> = kept.iter().map(item).collect();
            give(
                reply,
                match (items.is_empty(), kept.is_empty()) {
                    (true, true) if !path.0.is_empty() => failed(
                        format!("the account's history knows no '{path}'"),
                        "give the path as seen from the root",
                    ),
                    (_, true) => Answer::Log(items),
                    (_, false) => Answer::History { items, kept },
                },
            );
        });
    }

    /// Sends a content that this device has kept; then a version is made of it.
    pub(super) fn restore_kept(
        &self,
        path: RelPath,
        id: KeptId,
        to: Option<RelPath>,
        reply: oneshot::Sender<Answer>,
    ) {
        let Some(bulk) = self.transfers.bulk() else {
            return give(reply, self.unconnected());
        };
        let (root, results, place) = (
            self.root.clone(),
            self.transfers.results(),
            self.kept_place(&path),
        );
        tokio::spawn(async move {
            let all = stashed(root.clone(), place).await;
            let Some(stashed) = all.into_iter().find(|stashed| KeptId::of(&stashed.content) == id) else {
                let what = format!("this device keeps no content {id} of '{path}'");
                return give(reply, failed(what, "run 'history' on this device for a list"));
            };
            // Of a directory that is named, it is the file in it.
            let path = stashed
                .path
                .clone()
                .filter(|was| was.starts_with(&path))
                .unwrap_or(path);
            let file = FileState {
                content: stashed.content,
                exec: stashed.print.exec(),
                mtime_ns: stashed.print.mtime_ns,
            };
            match send(root, stashed, bulk).await {
                Ok(()) => {
                    let to = to.unwrap_or_else(|| path.clone());
                    let sent = Sent {
                        path,
                        to,
                        file,
                        reply,
                    };
                    // If the driver has ended, nobody waits for the answer either.
                    let _ = results.send(Transferred::KeptSent(Box::new(sent))).await;
                }
                Err(error) => {
                    let what = format!("what this device has kept could not be sent: {error}");
                    give(reply, failed(what, "try again"));
                }
            }
        });
    }

    /// Makes a version of a content that the server has by now.
    pub(super) fn on_kept_sent(&mut self, sent: Sent) {
        let Sent {
            path,
            to,
            file,
            reply,
        } = sent;
        let mut ids = NewIds::default();
        let past = tree_of(&path, file, &mut || ids.make());
        let changes = past
            .ok_or_else(|| unchanged("only a file can be brought back so", "name the file"))
            .and_then(|past| restore::changes(self.trees().remote(), &past, &path, &to, &mut || ids.make()));
        match changes {
            Ok(changes) => {
                let answer = Answer::Restored(changes.len() as u64);
                let order = Order {
                    changes,
                    guards: Vec::new(),
                    answer,
                    unmark: None,
                };
                self.commit_ordered(order, reply);
            }
            Err(trouble) => give(reply, Answer::Failed(trouble)),
        }
    }
}

/// A tree with nothing in it but a file.
fn tree_of(path: &RelPath, file: FileState, new_id: &mut dyn FnMut() -> NodeId) -> Option<Tree> {
    let (last, above) = path.0.split_last()?;
    let mut tree = Tree::new();
    let mut parent = NodeId::ROOT;
    let mut add = |name: &Name, kind: Kind| {
        let node = Node {
            parent,
            name: name.clone(),
            kind,
            mark: None,
        };
        let version = Version::ZERO;
        parent = new_id();
        tree.edit([(
            parent,
            Some(Item {
                node: node.into(),
                version,
            }),
        )])
        .ok()
    };
    for name in above {
        add(name, Kind::Dir)?;
    }
    add(last, Kind::File(file))?;
    Some(tree)
}

/// What the stash has of a place, the newest first, each content of a path once.
async fn stashed(root: Root, place: Place) -> Vec<Stashed> {
    let listed = offload::run(move || root.list_stash()).await;
    let mut found: Vec<Stashed> = listed.unwrap_or_else(|error| {
        tracing::warn!(%error, "the stash could not be read");
        Vec::new()
    });
    found.retain(|stashed| place.has(stashed));
    found.sort_by_key(|stashed| std::cmp::Reverse(stashed.since_ms));
    let mut seen = BTreeSet::new();
    found.retain(|stashed| seen.insert((stashed.path.clone(), stashed.content.hash)));
    found
}

/// What of it the server lacks, so far as it can be asked.
async fn lacking(mut found: Vec<Stashed>, bulk: &Bulk) -> Vec<Stashed> {
    let asked: BTreeSet<Content> = found.iter().map(|stashed| stashed.content).collect();
    let Some(kept) = kept_by_server(asked, bulk).await else {
        return Vec::new();
    };
    found.retain(|stashed| !kept.contains(&stashed.content));
    found.truncate(LISTED_MAX);
    found
}

async fn send(root: Root, stashed: Stashed, bulk: Bulk) -> Result<(), UploadError> {
    let (cutting, key) = (root.clone(), stashed.key.clone());
    let cut = move || {
        let file = cutting.open_stashed(&key)?;
        let chunked = Chunker::new().chunk(file, |_, _| ());
        chunked.map_err(|error| UploadError::Unreadable(error.to_string()))
    };
    let chunked = offload::run(cut).await?;
    if chunked.content != stashed.content {
        return Err(UploadError::Changed);
    }
    upload(root, Source::Stash(stashed.key), Arc::new(chunked), bulk, |_| ()).await
}
