//! Appending to an account's journal inside one transaction: the heart's rules decide, the store keeps.

use common::codec::encoded_len;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use sync_engine::admit::{self, Effects, Inside, View, check_guards};
use sync_engine::chain::chain_next;
use sync_engine::{Change, Content, DeviceId, Entry, Guard, Hash, Name, Node, NodeId, Rejection, Version};

use crate::feed::Recent;
use crate::store::{AccountKey, AccountRow, Draft, ENTRY_LEN, Extent, STATE_LEN, StoreError};
use crate::writer::Work;

/// The longest change as encoded, in bytes: an entry has to fit into a frame with room to spare.
const CHANGE_LEN_MAX: usize = 512 * 1024;
/// The most nodes that the changes of a group touch, all in all: it is judged in one turn of the writer.
const NODES_IN_GROUP_MAX: usize = 4096;
/// Directories that are remembered at a time.
const DIRS_MAX: usize = 4096;

/// Changes that mean one thing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group<'a> {
    /// What they rely on and do not change.
    pub(crate) guards: &'a [Guard],
    /// The changes, in order.
    pub(crate) changes: &'a [Change],
}

/// The end of an account's journal, within a transaction.
pub(crate) struct JournalEnd<'d> {
    draft: &'d dyn Draft,
    account: AccountKey,
    began: Version,
    head: Version,
    chain: Hash,
    /// How many bytes its chunks count.
    stored_bytes: u64,
    /// How many bytes all else of it counts, up to now and since the end was opened.
    journal_bytes: u64,
    more_bytes: u64,
    /// How many bytes it may have.
    quota_bytes: u64,
    /// Whether retention gave up anything of this account.
    has_thinned: bool,
    /// Contents that are known to be there, because they came along.
    here: Option<&'d BTreeMap<Hash, Extent>>,
    /// What may still be done, if that is bounded.
    work: Option<&'d Work>,
    /// Directories as they are now, since each change in one asks for it and for all above it.
    dirs: RefCell<BTreeMap<NodeId, (Version, Node)>>,
}

impl<'d> JournalEnd<'d> {
    /// Opens the end of an account's journal.
    pub(crate) fn open(draft: &'d dyn Draft, account: AccountKey) -> Result<Self, StoreError> {
        Self::open_at(draft, &account_row(draft, account)?)
    }

    /// Opens it as [`JournalEnd::open`] does, for somebody who is held to a quota: what was set for the account, or this.
    /// The contents in `here` are known to be there.
    pub(crate) fn open_within(
        draft: &'d dyn Draft,
        account: AccountKey,
        default_bytes: Option<u64>,
        here: &'d BTreeMap<Hash, Extent>,
        work: &'d Work,
    ) -> Result<Self, StoreError> {
        let row = account_row(draft, account)?;
        Ok(Self {
            quota_bytes: row.quota_bytes.or(default_bytes).unwrap_or(u64::MAX),
            here: Some(here),
            work: Some(work),
            ..Self::open_at(draft, &row)?
        })
    }

    fn open_at(draft: &'d dyn Draft, row: &AccountRow) -> Result<Self, StoreError> {
        Ok(Self {
            draft,
            account: row.key,
            began: row.head,
            head: row.head,
            chain: row.chain,
            stored_bytes: row.stored_bytes,
            journal_bytes: row.journal_bytes,
            more_bytes: 0,
            quota_bytes: u64::MAX,
            has_thinned: draft.has_thinned(row.key)?,
            here: None,
            work: None,
            dirs: RefCell::default(),
        })
    }

    /// Appends a change, if it stands against the tree as it is now.
    pub(crate) fn append(
        &mut self,
        device: DeviceId,
        change: &Change,
    ) -> Result<Result<Recent, Rejection>, StoreError> {
        self.spend(Work::CHANGE);
        let effects = match self.judge(change)? {
            Ok(effects) => effects,
            Err(rejection) => return Ok(Err(rejection)),
        };
        if !self.has_room(change, &effects) {
            return Ok(Err(Rejection::Quota));
        }
        let entry = Entry {
            number: self.head.next(),
            device,
            time_ms: self.draft.now_ms(),
            change: change.clone(),
        };
        self.head = entry.number;
        self.chain = chain_next(&self.chain, &entry);
        for (id, _) in &effects {
            self.dirs.get_mut().remove(id);
        }
        self.spend(Work::ROW * (1 + 2 * effects.len() as u64));
        let states_bytes = self.draft.put_nodes(self.account, self.head, &effects)?;
        if self.has_thinned
            && let Some((_, content)) = change.content()
        {
            self.draft.set_thinned(self.account, &content.hash, false)?;
        }
        let len = self.draft.add_entry(self.account, &entry, &self.chain)?;
        self.more_bytes += ENTRY_LEN + len as u64 + states_bytes;
        Ok(Ok(Recent {
            entry: Arc::new(entry),
            chain: self.chain,
            len,
            contents: Vec::new(),
        }))
    }

    /// Appends changes that mean one thing, all or none of them. What is not taken is answered for each change: with the
    /// reason for the one that was refused, and for the others with [`Rejection::Group`].
    pub(crate) fn append_group(
        &mut self,
        device: DeviceId,
        group: Group<'_>,
    ) -> Result<Vec<Result<Recent, Rejection>>, StoreError> {
        let moves = |change: &Change| match change {
            Change::Move { moves } => moves.len(),
            Change::Create { .. } | Change::Update { .. } | Change::Delete { .. } | Change::Mark { .. } => 1,
        };
        if NODES_IN_GROUP_MAX < group.changes.iter().map(moves).sum() {
            return Ok(group.changes.iter().map(|_| Err(Rejection::Malformed)).collect());
        }
        let (head, chain, more_bytes) = (self.head, self.chain, self.more_bytes);
        let mut outcome = Ok(Vec::with_capacity(group.changes.len()));
        let draft = self.draft;
        draft.whole_or_nothing(&mut || {
            outcome = self.append_while_taken(device, group)?;
            Ok(outcome.is_ok())
        })?;
        if outcome.is_err() {
            (self.head, self.chain, self.more_bytes) = (head, chain, more_bytes);
            self.dirs.get_mut().clear();
        }
        Ok(match outcome {
            Ok(taken) => taken.into_iter().map(Ok).collect(),
            Err(rejections) => rejections.into_iter().map(Err).collect(),
        })
    }

    fn append_while_taken(
        &mut self,
        device: DeviceId,
        group: Group<'_>,
    ) -> Result<Result<Vec<Recent>, Vec<Rejection>>, StoreError> {
        if let Err(rejection) = check_guards(self, group.guards)? {
            return Ok(Err(vec![rejection; group.changes.len()]));
        }
        let mut taken = Vec::with_capacity(group.changes.len());
        for change in group.changes {
            match self.append(device, change)? {
                Ok(recent) => taken.push(recent),
                Err(rejection) => {
                    let mut rejections = vec![Rejection::Group; group.changes.len()];
                    rejections[taken.len()] = rejection;
                    return Ok(Err(rejections));
                }
            }
        }
        Ok(Ok(taken))
    }

    /// Notes where the journal ends now; without this nothing was appended.
    pub(crate) fn finish(self) -> Result<Version, StoreError> {
        if self.head != self.began {
            self.draft
                .set_head(self.account, self.head, &self.chain, self.more_bytes)?;
        }
        Ok(self.head)
    }

    /// Tells whether the account has room for another entry. What is there can be moved until its journal alone fills the
    /// quota, and deleted in any case.
    fn has_room(&self, change: &Change, effects: &Effects) -> bool {
        if self.quota_bytes == u64::MAX {
            return true;
        }
        let journal = self.journal_bytes.saturating_add(self.more_bytes);
        let journal = journal.saturating_add(bytes_of(change, effects));
        match change {
            Change::Create { .. } | Change::Update { .. } => {
                self.stored_bytes.saturating_add(journal) <= self.quota_bytes
            }
            Change::Move { .. } | Change::Mark { .. } => journal <= self.quota_bytes,
            Change::Delete { .. } => true,
        }
    }

    fn spend(&self, work: u64) {
        if let Some(left) = self.work {
            left.spend(work);
        }
    }

    fn judge(&self, change: &Change) -> Result<Result<Effects, Rejection>, StoreError> {
        if !encoded_len(change).is_ok_and(|len| len <= CHANGE_LEN_MAX) {
            return Ok(Err(Rejection::Malformed));
        }
        admit::admit(self, change)
    }
}

/// Returns how many bytes a change will count.
fn bytes_of(change: &Change, effects: &Effects) -> u64 {
    let states = effects.iter().map(|(_, node)| {
        let len = node.as_ref().map_or(0, |node| {
            let state = encoded_len(&(&node.kind, &node.mark)).unwrap_or(0);
            node.name.as_bytes().len() + state
        });
        STATE_LEN + 2 * len as u64
    });
    ENTRY_LEN + encoded_len(change).unwrap_or(0) as u64 + states.sum::<u64>()
}

fn account_row(draft: &dyn Draft, account: AccountKey) -> Result<AccountRow, StoreError> {
    draft.account(account)?.ok_or_else(|| StoreError::Damaged {
        what: "the table of accounts".into(),
    })
}

impl View for JournalEnd<'_> {
    type Error = StoreError;

    fn item(&self, id: NodeId) -> Result<Option<(Version, Node)>, StoreError> {
        if let Some(dir) = self.dirs.borrow().get(&id) {
            self.spend(Work::KNOWN);
            return Ok(Some(dir.clone()));
        }
        self.spend(Work::QUESTION);
        let item = self.draft.item(self.account, id)?;
        if let Some(dir) = item.as_ref().filter(|(_, node)| node.kind.is_dir()) {
            let mut dirs = self.dirs.borrow_mut();
            if DIRS_MAX <= dirs.len() {
                dirs.clear();
            }
            dirs.insert(id, dir.clone());
        }
        Ok(item)
    }

    fn child(&self, parent: NodeId, name: &Name) -> Result<Option<NodeId>, StoreError> {
        self.spend(Work::QUESTION);
        self.draft.child(self.account, parent, name)
    }

    fn has_children(&self, id: NodeId) -> Result<bool, StoreError> {
        self.spend(Work::QUESTION);
        self.draft.has_children(self.account, id)
    }

    fn id_used(&self, id: NodeId) -> Result<bool, StoreError> {
        self.spend(Work::QUESTION);
        self.draft.id_used(self.account, id)
    }

    fn has_content(&self, content: &Content) -> Result<bool, StoreError> {
        self.spend(Work::QUESTION);
        match self.here.and_then(|here| here.get(&content.hash)) {
            Some(extent) => Ok(extent.is_all_of(content)),
            None => self.draft.has_content(self.account, content),
        }
    }

    fn inside(&self, id: NodeId, n_max: usize) -> Result<Inside, StoreError> {
        let inside = self.draft.inside(self.account, id, n_max)?;
        self.spend(Work::QUESTION * (1 + inside.nodes as u64 / 2));
        Ok(inside)
    }
}
