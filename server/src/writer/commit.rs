//! Taking changes into an account's journal. Each is admitted by the heart's rules against the tree as the changes
//! before it left it; the ones that pass become entries, the others are answered with the reason.

use common::codec::encoded_len;
use common::limits::INLINE_LEN_MAX;
use common::message::{Attachment, Failure, Outcome, RequestId};
use std::sync::Arc;
use sync_engine::admit::{View, admit};
use sync_engine::chain::chain_next;
use sync_engine::{Change, Content, DeviceId, Entry, Name, Node, NodeId, Rejection, Version};
use tokio::sync::oneshot;

use super::Job;
use super::put::{len_of, take_chunks};
use crate::chunk::Verified;
use crate::feed::{Feed, OwnEntries, Recent};
use crate::store::{AccountKey, Blobs, Draft, Durability, StoreError, now_ms};

/// The longest change as encoded, in bytes: an entry has to fit into a frame with room to spare.
const CHANGE_LEN_MAX: usize = 512 * 1024;

/// What became of each change.
pub(crate) type Committed = Result<Vec<Outcome>, Failure>;

/// Changes that a device asks for.
pub(crate) struct CommitJob {
    /// The account's feed, which is told of the new entries.
    pub(crate) feed: Arc<Feed>,
    /// Where the connection learns which entries are its own.
    pub(crate) own: Arc<OwnEntries>,
    /// The device.
    pub(crate) device: DeviceId,
    /// The number of the request.
    pub(crate) request: RequestId,
    /// The changes.
    pub(crate) changes: Vec<Change>,
    /// What came attached, verified.
    pub(crate) chunks: Vec<Verified>,
    /// The way to answer.
    pub(crate) answer: oneshot::Sender<Committed>,
    /// What became of the changes, once run.
    pub(crate) outcomes: Vec<Outcome>,
    /// The entries made, once run.
    pub(crate) entries: Vec<Recent>,
}

impl Job for CommitJob {
    fn durability(&self) -> Durability {
        Durability::Flushed
    }

    fn len(&self) -> usize {
        len_of(&self.chunks)
    }

    fn run(&mut self, draft: &dyn Draft, blobs: &dyn Blobs) -> Result<(), StoreError> {
        self.outcomes.clear();
        self.entries.clear();
        let account = self.feed.account();
        take_chunks(draft, blobs, account, &self.chunks)?;
        let row = draft.account(account)?;
        let row = row.ok_or_else(|| StoreError::Damaged {
            what: "the table of accounts".into(),
        })?;
        let (mut head, mut chain) = (row.head, row.chain);
        for change in &self.changes {
            let nodes = match judge(draft, account, change)? {
                Ok(nodes) => nodes,
                Err(rejection) => {
                    self.outcomes.push(Outcome::Rejected(rejection));
                    continue;
                }
            };
            let entry = Entry {
                number: head.next(),
                device: self.device,
                time_ms: now_ms(),
                change: change.clone(),
            };
            head = entry.number;
            chain = chain_next(&chain, &entry);
            draft.put_nodes(account, head, &nodes)?;
            let len = draft.add_entry(account, &entry, &chain)?;
            self.outcomes.push(Outcome::Accepted(head));
            let contents = inline_contents(&entry.change, &self.chunks);
            self.entries.push(Recent {
                entry: Arc::new(entry),
                chain,
                len,
                contents,
            });
        }
        if head != row.head {
            draft.set_head(account, head, &chain)?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<(), Failure>) {
        let Self {
            feed,
            own,
            request,
            answer,
            outcomes,
            entries,
            ..
        } = *self;
        if outcome.is_ok() {
            own.learn(request, &outcomes);
            feed.publish(entries);
        }
        // The device may have gone; what it asked for is done all the same.
        let _ = answer.send(outcome.map(|()| outcomes));
    }
}

/// Decides on one change.
pub(crate) fn judge(
    draft: &dyn Draft,
    account: AccountKey,
    change: &Change,
) -> Result<Result<Vec<(NodeId, Option<Node>)>, Rejection>, StoreError> {
    if !encoded_len(change).is_ok_and(|len| len <= CHANGE_LEN_MAX) {
        return Ok(Err(Rejection::Quota));
    }
    admit(&AccountView { draft, account }, change)
}

/// Returns the small content that a change brings, if it came attached to the commit: it travels on with the push.
fn inline_contents(change: &Change, chunks: &[Verified]) -> Vec<Attachment> {
    let kind = match change {
        Change::Create { node, .. } => &node.kind,
        Change::Update { kind, .. } => kind,
        Change::Move { .. } | Change::Delete { .. } | Change::Mark { .. } => return Vec::new(),
    };
    let Some(content) = kind.file().map(|file| &file.content) else {
        return Vec::new();
    };
    let is_small = content.size_bytes <= INLINE_LEN_MAX as u64;
    if content.depth != 0 || !is_small {
        return Vec::new();
    }
    let found = chunks
        .iter()
        .find(|chunk| chunk.head.hash == content.hash && chunk.list.is_none());
    found
        .map(|chunk| Attachment {
            head: chunk.head,
            bytes: chunk.bytes.clone(),
        })
        .into_iter()
        .collect()
}

/// One account of a draft, as the heart's rules look at it.
struct AccountView<'d> {
    draft: &'d dyn Draft,
    account: AccountKey,
}

impl View for AccountView<'_> {
    type Error = StoreError;

    fn item(&self, id: NodeId) -> Result<Option<(Version, Node)>, StoreError> {
        self.draft.item(self.account, id)
    }

    fn child(&self, parent: NodeId, name: &Name) -> Result<Option<NodeId>, StoreError> {
        self.draft.child(self.account, parent, name)
    }

    fn has_children(&self, id: NodeId) -> Result<bool, StoreError> {
        self.draft.has_children(self.account, id)
    }

    fn id_used(&self, id: NodeId) -> Result<bool, StoreError> {
        self.draft.id_used(self.account, id)
    }

    fn has_content(&self, content: &Content) -> Result<bool, StoreError> {
        self.draft.has_content(self.account, content)
    }
}
