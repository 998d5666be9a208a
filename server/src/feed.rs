//! What goes on in an account whose devices are connected: the newest entries, so that a push does not go through the
//! database, and who is connected. It is only a memory: a connection that has fallen behind what is kept here reads
//! the journal.

use common::limits::HASHES_MAX;
use common::message::{Attachment, Outcome, RequestId, Role};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use sync_engine::{DeviceId, Entry, Hash, Version};
use tokio_util::sync::CancellationToken;

use crate::beacon::{Beacon, Watcher};
use crate::reading::Trees;
use crate::room::Room;
use crate::store::{AccountKey, StoredEntry};

/// What is kept of the newest entries of an account, with their contents, in bytes.
const RECENT_LEN_MAX: usize = 2 * 1024 * 1024;
/// The most entries that are kept.
const RECENT_MAX: usize = 4096;
/// The most hashes that are told of at a time when an account lacks something; the others follow when these are there.
pub(crate) const LACKING_MAX: usize = HASHES_MAX;
/// What an entry takes besides what it brings, about, in bytes.
const ENTRY_LEN: usize = 256;

/// A new entry.
#[derive(Debug, Clone)]
pub(crate) struct Recent {
    /// The entry.
    pub(crate) entry: Arc<Entry>,
    /// The chain's hash at this entry.
    pub(crate) chain: Hash,
    /// The length of its change as stored, in bytes.
    pub(crate) len: usize,
    /// The small content that it brings, if that came with the commit.
    pub(crate) contents: Vec<Attachment>,
}

impl Recent {
    /// Returns about how much memory this takes, in bytes.
    pub(crate) fn weight(&self) -> usize {
        ENTRY_LEN
            + self.len
            + self
                .contents
                .iter()
                .map(|content| content.bytes.len())
                .sum::<usize>()
    }
}

impl From<StoredEntry> for Recent {
    fn from(stored: StoredEntry) -> Self {
        let StoredEntry { entry, chain, len } = stored;
        Self {
            entry: Arc::new(entry),
            chain,
            len,
            contents: Vec::new(),
        }
    }
}

/// All accounts with a device connected.
#[derive(Debug, Default)]
pub(crate) struct Feeds {
    live: Mutex<BTreeMap<AccountKey, Weak<Feed>>>,
}

impl Feeds {
    /// Returns the feed of an account.
    pub(crate) fn open(&self, account: AccountKey) -> Arc<Feed> {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(feed) = live.get(&account).and_then(Weak::upgrade) {
            return feed;
        }
        live.retain(|_, feed| feed.strong_count() != 0);
        let feed = Arc::new(Feed {
            account,
            head: Beacon::new(Version::ZERO),
            lacking: Beacon::new(Arc::default()),
            recent: Mutex::default(),
            connections: Mutex::default(),
            room: Room::of_account(),
            trees: Trees::default(),
        });
        live.insert(account, Arc::downgrade(&feed));
        feed
    }

    /// Returns all feeds that are open.
    pub(crate) fn all(&self) -> Vec<Arc<Feed>> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.values().filter_map(Weak::upgrade).collect()
    }
}

/// One account.
#[derive(Debug)]
pub(crate) struct Feed {
    account: AccountKey,
    /// The newest entry, as far as is known here; it only grows. Connections wait for it to change; they may miss
    /// values, but never the last.
    head: Beacon<Version>,
    /// What the account should have and lacks, as far as was noticed. Connections tell their devices when it changes;
    /// they may miss values, but never the last.
    lacking: Beacon<Arc<Vec<Hash>>>,
    recent: Mutex<RecentEntries>,
    connections: Mutex<Connections>,
    room: Room,
    trees: Trees,
}

#[derive(Debug, Default)]
struct RecentEntries {
    entries: VecDeque<Recent>,
    weight: usize,
}

#[derive(Debug, Default)]
struct Connections {
    next: u64,
    live: BTreeMap<u64, Connected>,
}

#[derive(Debug)]
struct Connected {
    device: DeviceId,
    role: Role,
    cut: CancellationToken,
}

impl Feed {
    /// Returns the account.
    pub(crate) fn account(&self) -> AccountKey {
        self.account
    }

    /// Returns what bounds the memory that is held for all connections of the account together.
    pub(crate) fn room(&self) -> &Room {
        &self.room
    }

    /// Returns the trees of the account that are read out.
    pub(crate) fn trees(&self) -> &Trees {
        &self.trees
    }

    /// Waits for new entries by this.
    pub(crate) fn watch(&self) -> Watcher<Version> {
        self.head.watch()
    }

    /// Returns the newest entry, as far as is known here.
    pub(crate) fn head(&self) -> Version {
        self.head.get()
    }

    /// Waits by this until something else is lacking.
    pub(crate) fn watch_lacking(&self) -> Watcher<Arc<Vec<Hash>>> {
        self.lacking.watch()
    }

    /// Notes what the account should have and lacks.
    pub(crate) fn lack(&self, hashes: Vec<Hash>) {
        self.lacking.change(|known| {
            let is_new = **known != hashes;
            if is_new {
                *known = Arc::new(hashes);
            }
            is_new
        });
    }

    /// Notes that the journal is at least this long.
    pub(crate) fn raise(&self, head: Version) {
        self.head.change(|known| {
            let is_new = *known < head;
            if is_new {
                *known = head;
            }
            is_new
        });
    }

    /// Tells all connections of new entries, which are durable.
    pub(crate) fn publish(&self, entries: Vec<Recent>) {
        let Some(head) = entries.last().map(|last| last.entry.number) else {
            return;
        };
        {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            for entry in entries {
                recent.push(entry);
            }
        }
        self.raise(head);
    }

    /// Returns entries after `after`, in order, about `len_max` bytes; nothing if they are no longer kept here.
    pub(crate) fn recent(&self, after: Version, n_max: usize, len_max: usize) -> Option<Vec<Recent>> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let first = recent.entries.front()?.entry.number;
        let skip = usize::try_from(after.next().0.checked_sub(first.0)?).ok()?;
        let mut entries: Vec<Recent> = Vec::new();
        let mut weight = 0;
        for entry in recent.entries.iter().skip(skip).take(n_max) {
            weight += entry.weight();
            if len_max < weight && !entries.is_empty() {
                break;
            }
            entries.push(entry.clone());
        }
        (!entries.is_empty()).then_some(entries)
    }

    /// Tells whether [`Feed::recent`] has something that is not longer than this.
    pub(crate) fn has_recent(&self, after: Version, len_max: usize) -> bool {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let first = recent.entries.front().map(|first| first.entry.number);
        let skip = first.and_then(|first| after.next().0.checked_sub(first.0));
        let next = skip
            .and_then(|skip| usize::try_from(skip).ok())
            .and_then(|skip| recent.entries.get(skip));
        next.is_some_and(|next| next.weight() <= len_max)
    }

    /// Enters a connection; nothing if the account has too many. An older control connection of the same device is
    /// cut: the device has come back before the server noticed that it was gone.
    pub(crate) fn join(
        self: &Arc<Self>,
        device: DeviceId,
        role: Role,
        n_max: usize,
        cut: &CancellationToken,
    ) -> Option<Joined> {
        let mut connections = self.lock_connections();
        if role == Role::Control {
            connections.live.retain(|_, other| {
                let is_older = other.device == device && other.role == Role::Control;
                if is_older {
                    other.cut.cancel();
                }
                !is_older
            });
        }
        if n_max <= connections.live.len() {
            return None;
        }
        let number = connections.next;
        connections.next += 1;
        connections.live.insert(
            number,
            Connected {
                device,
                role,
                cut: cut.clone(),
            },
        );
        Some(Joined {
            feed: self.clone(),
            number,
        })
    }

    /// Returns the devices that are connected.
    pub(crate) fn online(&self) -> BTreeSet<DeviceId> {
        self.lock_connections()
            .live
            .values()
            .map(|connected| connected.device)
            .collect()
    }

    /// Cuts all connections; the devices come back.
    pub(crate) fn cut_all(&self) {
        self.cut_those(|_| true);
    }

    /// Cuts all connections of a device.
    pub(crate) fn cut(&self, device: DeviceId) {
        self.cut_those(|connected| connected.device == device);
    }

    fn cut_those(&self, are_meant: impl Fn(&Connected) -> bool) {
        let connections = self.lock_connections();
        let meant = connections.live.values().filter(|connected| are_meant(connected));
        meant.for_each(|connected| connected.cut.cancel());
    }

    fn lock_connections(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RecentEntries {
    fn push(&mut self, entry: Recent) {
        let follows = self
            .entries
            .back()
            .is_none_or(|last| last.entry.number.next() == entry.entry.number);
        if !follows {
            // Another process has written in between: the memory has a gap, so it begins anew.
            self.entries.clear();
            self.weight = 0;
        }
        self.weight += entry.weight();
        self.entries.push_back(entry);
        while RECENT_MAX < self.entries.len() || RECENT_LEN_MAX < self.weight {
            let Some(oldest) = self.entries.pop_front() else {
                break;
            };
            self.weight -= oldest.weight();
        }
    }
}

/// A connection that is entered in its account's feed, and leaves it when this is dropped.
#[derive(Debug)]
pub(crate) struct Joined {
    feed: Arc<Feed>,
    number: u64,
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.feed.lock_connections().live.remove(&self.number);
    }
}

/// Which entries came from a connection's own commits: told by the writer before it publishes them, asked by the
/// connection when it pushes them. It holds no more than the commits that are under way.
#[derive(Debug, Default)]
pub(crate) struct OwnEntries(Mutex<BTreeMap<Version, (RequestId, u32)>>);

impl OwnEntries {
    /// Learns which entries a commit made; the first of the outcomes is that of its change `n_before`.
    pub(crate) fn learn(&self, request: RequestId, n_before: usize, outcomes: &[Outcome]) {
        let mut own = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (index, outcome) in (0..).skip(n_before).zip(outcomes) {
            match outcome {
                Outcome::Accepted(number) => {
                    own.insert(*number, (request, index));
                }
                Outcome::Rejected(_) => (),
            }
        }
    }

    /// Returns which commit made an entry, and forgets it.
    pub(crate) fn take(&self, number: Version) -> Option<(RequestId, u32)> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&number)
    }

    /// Forgets all: a connection that is not pushed to does not ask.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
