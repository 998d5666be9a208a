//! The narrow door to the records. An implementation gives consistent views to any number of readers and one draft at
//! a time to a writer. Everything is asked for within one account, but for the few questions that find an account.

use sync_engine::admit::Inside;
use sync_engine::{Content, DeviceId, Entry, Epoch, Hash, Name, Node, NodeId, Version};

use super::blobs::Mark;
use super::{
    AccountKey, AccountRow, ChunkRow, ChunkState, DeviceRow, KeyHash, NewDevice, StoreError, StoredEntry,
};

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// What is told of a node while a tree is read; `false` ends the reading.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(NodeId, Version, Node) -> bool;

/// A node, the directory that it is in, and the entry that gave it its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlaceOf {
    /// The directory.
    pub(crate) parent: NodeId,
    /// The node.
    pub(crate) id: NodeId,
    /// The entry.
    pub(crate) version: Version,
}

/// What is told of each state that a node ever had; nothing stands for its deletion.
pub(crate) type VisitState<'a> = &'a mut dyn FnMut(NodeId, Version, Option<Node>);

/// Whether a transaction has to be on the disk before it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It is flushed before it is answered.
    Flushed,
    /// It may be lost in a crash of the machine, together with all that comes after it.
    Later,
}

/// Opens views and drafts.
pub(crate) trait Metadata: Send + Sync {
    /// Runs `work` on a view that does not change meanwhile. The work opens no other view or draft: there may be one only.
    fn read<T>(&self, work: impl FnOnce(&dyn Records) -> Result<T>) -> Result<T>;

    /// Runs `work` on a draft and makes it count if `work` succeeds; else nothing has changed.
    fn write<T>(&self, durability: Durability, work: impl FnOnce(&dyn Draft) -> Result<T>) -> Result<T>;
}

/// A consistent view of the records.
pub(crate) trait Records {
    /// Returns the store's epoch.
    fn epoch(&self) -> Result<Epoch>;
    /// Returns how far the packs were flushed when the last durable transaction was made.
    fn flushed(&self) -> Result<Mark>;
    /// Returns all accounts, the oldest first.
    fn accounts(&self) -> Result<Vec<AccountRow>>;
    /// Returns an account.
    fn account(&self, account: AccountKey) -> Result<Option<AccountRow>>;
    /// Counts anew what an account's chunks count for its quota, and what its journal and the states of its nodes count.
    fn sums(&self, account: AccountKey) -> Result<(u64, u64)>;
    /// Finds an account by the hash of its ID.
    fn account_by_id(&self, id_hash: &Hash) -> Result<Option<AccountRow>>;
    /// Finds a device by its key.
    fn device_by_key(&self, key: &KeyHash) -> Result<Option<DeviceRow>>;
    /// Returns an account's devices in the order of their enrolment.
    fn devices(&self, account: AccountKey) -> Result<Vec<DeviceRow>>;
    /// Returns a node that is in the tree.
    fn item(&self, account: AccountKey, id: NodeId) -> Result<Option<(Version, Node)>>;
    /// Tells whether a node has, or ever had, this id.
    fn id_used(&self, account: AccountKey, id: NodeId) -> Result<bool>;
    /// Returns the node that has a name in a directory.
    fn child(&self, account: AccountKey, parent: NodeId, name: &Name) -> Result<Option<NodeId>>;
    /// Tells whether a directory has anything in it.
    fn has_children(&self, account: AccountKey, parent: NodeId) -> Result<bool>;
    /// Returns how much is in a directory, on all levels; it stops counting after `n_max` nodes.
    fn inside(&self, account: AccountKey, id: NodeId, n_max: usize) -> Result<Inside>;
    /// Visits the tree as it is, parents before children.
    fn tree(&self, account: AccountKey, visit: Visit<'_>) -> Result<()>;
    /// Visits the tree as it was after an entry, parents before children.
    fn past_tree(&self, account: AccountKey, at: Version, visit: Visit<'_>) -> Result<()>;
    /// Returns where each node is, and the entry that gave it its state, now or after an entry: in no order.
    fn places(&self, account: AccountKey, at: Option<Version>) -> Result<Vec<PlaceOf>>;
    /// Visits each state that any node ever had: node by node, the oldest first.
    fn every_state(&self, account: AccountKey, visit: VisitState<'_>) -> Result<()>;
    /// Returns the state that an entry gave to a node, nothing inside for its deletion; nothing if it gave none.
    fn state_after(&self, account: AccountKey, id: NodeId, entry: Version) -> Result<Option<Option<Node>>>;
    /// Returns the state that a node had after an entry, and which entry gave it that: nothing inside if it was deleted by
    /// then, nothing if it was not yet made.
    fn state_at(
        &self,
        account: AccountKey,
        id: NodeId,
        at: Version,
    ) -> Result<Option<(Version, Option<Node>)>>;
    /// Returns entries after `after`, in order: at least one if there is one, and about `len_max` bytes at most.
    fn entries(
        &self,
        account: AccountKey,
        after: Version,
        n_max: usize,
        len_max: usize,
    ) -> Result<Vec<StoredEntry>>;
    /// Returns the chain's hash at an entry; before the first it is zeros.
    fn chain(&self, account: AccountKey, at: Version) -> Result<Option<Hash>>;
    /// Returns the newest entries before `before`, newest first; of one node's, if one is named. There are about `len_max`
    /// bytes at most, but at least one entry if there is one; whether there are more is told as well.
    fn log(
        &self,
        account: AccountKey,
        node: Option<NodeId>,
        before: Version,
        n_max: usize,
        len_max: usize,
    ) -> Result<(Vec<Entry>, bool)>;
    /// Returns the last entry that was taken at or before a time.
    fn version_at(&self, account: AccountKey, time_ms: u64) -> Result<Version>;
    /// Returns a chunk or list of this account, damaged or not.
    fn chunk(&self, account: AccountKey, hash: &Hash) -> Result<Option<ChunkRow>>;
    /// Visits all chunks and lists that lie behind a mark, in the order in which they lie.
    fn chunks_behind(&self, mark: Mark, visit: &mut dyn FnMut(AccountKey, ChunkRow)) -> Result<()>;
    /// Visits all chunks and lists of this account, in no order that counts.
    fn chunks_of(&self, account: AccountKey, visit: &mut dyn FnMut(ChunkRow)) -> Result<()>;
    /// Returns where the last chunk ends that is known.
    fn end_of_chunks(&self) -> Result<Mark>;
    /// Returns all lists of this account, those that are named before those that name them.
    fn lists(&self, account: AccountKey) -> Result<Vec<ChunkRow>>;
    /// Returns the chunks and lists of this account that are in a state other than whole, lists last.
    fn chunks_in(&self, account: AccountKey, state: ChunkState) -> Result<Vec<ChunkRow>>;
    /// Returns the times at which the entries of a journal were taken, in order, in milliseconds since 1970.
    fn entry_times(&self, account: AccountKey) -> Result<Vec<u64>>;
    /// Tells whether retention gave up the content whose topmost hash this is.
    fn is_thinned(&self, account: AccountKey, hash: &Hash) -> Result<bool>;
    /// Tells whether retention gave up any content of this account.
    fn has_thinned(&self, account: AccountKey) -> Result<bool>;
    /// Returns where the last chunk ended when the last collection began.
    fn pruned(&self) -> Result<Mark>;
    /// Returns the hashes that the account should have and lacks: what is damaged, and the lists above it.
    fn lacking(&self, account: AccountKey, n_max: usize) -> Result<Vec<Hash>>;

    /// Tells whether all bytes of a file are in this account. A list is only taken when all that it names is there, so
    /// one look is enough.
    fn has_content(&self, account: AccountKey, content: &Content) -> Result<bool> {
        if content.size_bytes == 0 {
            return Ok(content.depth == 0 && content.hash == Hash::of(b""));
        }
        let row = self.chunk(account, &content.hash)?;
        Ok(row.is_some_and(|row| row.is_here() && row.extent().is_all_of(content)))
    }
}

/// A view that can be changed.
pub(crate) trait Draft: Records {
    /// Runs a part of the transaction. What it has written is taken back unless it says that it is to stand.
    fn whole_or_nothing(&self, part: &mut dyn FnMut() -> Result<bool>) -> Result<()>;
    /// Returns the time in milliseconds since 1970. It is shown to people and decides nothing.
    fn now_ms(&self) -> u64;
    /// Gives the store another epoch.
    fn set_epoch(&self, epoch: Epoch) -> Result<()>;
    /// Notes how far the packs are flushed.
    fn set_flushed(&self, mark: Mark) -> Result<()>;
    /// Makes an account.
    fn add_account(&self, id_hash: &Hash, time_ms: u64) -> Result<AccountKey>;
    /// Gives an account another ID.
    fn set_account_id(&self, account: AccountKey, id_hash: &Hash) -> Result<()>;
    /// Moves the end of the journal, and notes how many bytes more it counts.
    fn set_head(&self, account: AccountKey, head: Version, chain: &Hash, more_bytes: u64) -> Result<()>;
    /// Enrols a device.
    fn add_device(&self, account: AccountKey, device: &NewDevice, time_ms: u64) -> Result<()>;
    /// Notes a device's generations.
    fn set_generation(&self, key: &KeyHash, current: &[u8; 16], next: &[u8; 16]) -> Result<()>;
    /// Notes when a device was last connected.
    fn set_seen(&self, account: AccountKey, device: DeviceId, time_ms: u64) -> Result<()>;
    /// Gives a device another name; tells whether there is such a device.
    fn rename_device(&self, account: AccountKey, device: DeviceId, name: &str) -> Result<bool>;
    /// Shuts a device out; tells whether there is such a device.
    fn revoke_device(&self, account: AccountKey, device: DeviceId) -> Result<bool>;
    /// Forgets a device that is shut out.
    fn forget_device(&self, account: AccountKey, device: DeviceId) -> Result<()>;
    /// Puts nodes where an entry has them, all at once; nothing instead of a node deletes it. Returns how many bytes that
    /// counts.
    fn put_nodes(
        &self,
        account: AccountKey,
        version: Version,
        nodes: &[(NodeId, Option<Node>)],
    ) -> Result<u64>;
    /// Appends an entry and says how long its change is as stored.
    fn add_entry(&self, account: AccountKey, entry: &Entry, chain: &Hash) -> Result<usize>;
    /// Enters a chunk, or enters it again with another place.
    fn put_chunk(&self, account: AccountKey, chunk: &ChunkRow) -> Result<()>;
    /// Notes in which state a chunk is, unless it has come again to another place or was condemned since the row was
    /// read: of what is condemned only a collection takes anything back.
    fn set_chunk_state(&self, account: AccountKey, row: &ChunkRow, state: ChunkState) -> Result<()>;
    /// Forgets a chunk that nothing needs, unless it has come again to another place since the row was read, or was
    /// condemned then and is not any more.
    fn drop_chunk(&self, account: AccountKey, row: &ChunkRow) -> Result<()>;
    /// Notes that an account's chunks count more bytes than before, or fewer.
    fn add_stored(&self, account: AccountKey, more_bytes: i64) -> Result<()>;
    /// Sets how many bytes an account's chunks may have; nothing lets the server's own limit stand.
    fn set_quota(&self, account: AccountKey, quota_bytes: Option<u64>) -> Result<()>;
    /// Notes that retention gave up a content, or that it has come again.
    fn set_thinned(&self, account: AccountKey, hash: &Hash, is_thinned: bool) -> Result<()>;
    /// Notes where the last chunk ended when a collection began.
    fn set_pruned(&self, mark: Mark) -> Result<()>;
}
