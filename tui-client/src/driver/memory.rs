//! The task that owns the folder's database. What is to be saved arrives in order on a bounded channel and shares one
//! transaction with whatever else comes within a pause that grows with what the last one took: so a flood costs few pages,
//! however many nodes it touches. What a crash loses by that, the next look finds again. A failed save is tried again with
//! the next; that saving fails is told to the driver once, until it has succeeded again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use sync_engine::{Hash, NodeId};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use crate::allocator;
use crate::state::{ChunkPlace, ChunkRow, Delta, FEED_LEN_MAX, StateError, Store};

/// As long as no more rows than this wait to be saved, none is looked for that others have replaced.
const N_ROWS_MIN: usize = 10_000;
/// How many orders wait at most.
const ORDERS_WAITING_MAX: usize = 64;
/// A save is followed by a pause of this many times what it took, unless somebody asks for something.
const PAUSES: u32 = 8;
/// The shortest pause.
const PAUSE_MIN: Duration = Duration::from_millis(10);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// Without orders for so long, the database rests.
const IDLE: Duration = Duration::from_secs(3);
/// After so many rows it pays to give the room back that was needed for them and for all else that had to do with them.
const N_ROWS_MANY: usize = 1000;

enum Order {
    Save(Box<Delta>),
    SaveDurably(Box<Delta>, oneshot::Sender<()>),
    Find(Vec<Hash>, oneshot::Sender<Vec<Option<ChunkPlace>>>),
    ChunksOf(NodeId, oneshot::Sender<Vec<ChunkRow>>),
    Finish(oneshot::Sender<()>),
}

/// A handle on the task. Cheap to clone; the task ends when all handles are dropped.
#[derive(Clone)]
pub struct Memory {
    orders: mpsc::Sender<Order>,
}

impl Memory {
    /// Makes a memory, of which so many rows were read, and the task that works for it, which blocks while it writes.
    /// Errors of saving arrive on `failures`.
    pub fn new(
        store: Box<dyn Store>,
        n_read: usize,
        failures: mpsc::Sender<Arc<StateError>>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (orders, waiting) = mpsc::channel(ORDERS_WAITING_MAX);
        (Self { orders }, serve(store, n_read, waiting, failures))
    }

    /// Saves what has changed, after all that was given before.
    pub async fn save(&self, delta: Delta) {
        self.order(Order::Save(Box::new(delta))).await;
    }

    /// Saves what has changed, and returns when no power cut can undo it.
    pub async fn save_durably(&self, delta: Delta) {
        let (done, saved) = oneshot::channel();
        self.order(Order::SaveDurably(Box::new(delta), done)).await;
        // If the task has ended there is nothing more to save.
        let _ = saved.await;
    }

    /// Returns, for each chunk in the same order, a place where it was seen.
    pub async fn find(&self, hashes: Vec<Hash>) -> Vec<Option<ChunkPlace>> {
        let n_hashes = hashes.len();
        let (done, found) = oneshot::channel();
        self.order(Order::Find(hashes, done)).await;
        found.await.unwrap_or_else(|_| vec![None; n_hashes])
    }

    /// Returns the chunks of a file in order, as they were when it was last read.
    pub async fn chunks_of(&self, id: NodeId) -> Vec<ChunkRow> {
        let (done, found) = oneshot::channel();
        self.order(Order::ChunksOf(id, done)).await;
        found.await.unwrap_or_default()
    }

    /// Closes the database in good order, after all that was given before.
    pub async fn finish(&self) {
        let (done, finished) = oneshot::channel();
        self.order(Order::Finish(done)).await;
        // If the task has ended before, the next start checks the file.
        let _ = finished.await;
    }

    async fn order(&self, order: Order) {
        if self.orders.send(order).await.is_err() {
            tracing::debug!("the memory's task has ended");
        }
    }
}

async fn serve(
    mut store: Box<dyn Store>,
    mut n_rows_since: usize,
    mut orders: mpsc::Receiver<Order>,
    failures: mpsc::Sender<Arc<StateError>>,
) {
    let mut unsaved = Unsaved {
        failures,
        has_failed: false,
        is_told: false,
        delta: Delta::default(),
        n_rows_max: N_ROWS_MIN,
    };
    let mut rested = Instant::now();
    let mut is_idle = false;
    loop {
        // After a failure it is tried again when there is something new.
        let next = if !unsaved.delta.is_empty() && !unsaved.has_failed {
            match timeout_at(rested, orders.recv()).await {
                Ok(next) => next,
                Err(_) => Some(Order::Save(Box::default())),
            }
        } else if is_idle {
            orders.recv().await
        } else if let Ok(next) = timeout(IDLE, orders.recv()).await {
            next
        } else {
            store.rest();
            is_idle = true;
            if N_ROWS_MANY <= n_rows_since {
                n_rows_since = 0;
                allocator::give_back();
            }
            continue;
        };
        is_idle = false;
        let Some(order) = next else { break };
        let (mut saved, mut finished) = (None, None);
        match order {
            Order::Save(delta) => n_rows_since += unsaved.add(*delta),
            Order::SaveDurably(delta, done) => {
                n_rows_since += unsaved.add(*delta);
                saved = Some(done);
            }
            Order::Find(hashes, done) => drop(done.send(unsaved.find(&*store, &hashes))),
            Order::ChunksOf(id, done) => drop(done.send(unsaved.chunks_of(&*store, id))),
            Order::Finish(done) => finished = Some(done),
        }
        let began = Instant::now();
        if saved.is_none() && finished.is_none() && began < rested {
            continue;
        }
        unsaved.save(&mut *store, saved.is_some());
        rested = Instant::now() + (began.elapsed() * PAUSES).clamp(PAUSE_MIN, PAUSE_MAX);
        // Who waited may have gone.
        if let Some(done) = saved {
            let _ = done.send(());
        }
        if let Some(done) = finished {
            if let Err(error) = store.finish() {
                tracing::warn!(%error, "the memory was not closed in good order");
            }
            let _ = done.send(());
            return;
        }
    }
    unsaved.save(&mut *store, false);
}

/// What is still to be saved.
struct Unsaved {
    delta: Delta,
    failures: mpsc::Sender<Arc<StateError>>,
    /// Whether the last try failed.
    has_failed: bool,
    /// Whether the driver knows that saving fails.
    is_told: bool,
    /// When so many rows wait, those that others have replaced are dropped.
    n_rows_max: usize,
}

impl Unsaved {
    /// Appends a later delta; returns how many rows it has.
    fn add(&mut self, later: Delta) -> usize {
        let n_rows = n_rows(&later);
        merge(&mut self.delta, later);
        n_rows
    }

    /// Returns, for each chunk in the same order, a place where it was seen.
    fn find(&self, store: &dyn Store, hashes: &[Hash]) -> Vec<Option<ChunkPlace>> {
        let mut places = store.find_chunks(hashes).unwrap_or_else(|error| {
            tracing::warn!(%error, "local chunks could not be looked up; they are fetched");
            vec![None; hashes.len()]
        });
        let all = hashes.iter().zip(&mut places);
        let mut open: BTreeMap<Hash, &mut Option<ChunkPlace>> = all
            .filter(|(_, place)| place.is_none())
            .map(|(hash, place)| (*hash, place))
            .collect();
        for (node, rows) in &self.delta.chunks {
            for ChunkRow { hash, offset, len } in rows.iter().flatten() {
                if let Some(place) = open.get_mut(hash) {
                    **place = Some(ChunkPlace {
                        node: *node,
                        offset: *offset,
                        len: *len,
                    });
                }
            }
        }
        places
    }

    /// Returns the chunks of a file in order, as they were when it was last read.
    fn chunks_of(&self, store: &dyn Store, id: NodeId) -> Vec<ChunkRow> {
        if let Some((_, rows)) = self.delta.chunks.iter().rev().find(|(node, _)| *node == id) {
            return rows.clone().unwrap_or_default();
        }
        store.chunks_of(id).unwrap_or_else(|error| {
            tracing::warn!(%error, "a file's chunks could not be looked up; its lists are fetched");
            Vec::new()
        })
    }

    fn save(&mut self, store: &mut dyn Store, durable: bool) {
        if self.delta.is_empty() && !durable {
            return;
        }
        let saved = if durable {
            store.save_durably(&self.delta)
        } else {
            store.save(&self.delta)
        };
        self.has_failed = saved.is_err();
        match saved {
            Ok(()) => {
                self.delta = Delta::default();
                self.is_told = false;
                return;
            }
            Err(error) if self.is_told => tracing::debug!(%error, "the memory cannot be saved yet"),
            Err(error) => self.is_told = self.failures.try_send(Arc::new(error)).is_ok(),
        }
        if self.n_rows_max < n_rows(&self.delta) {
            drop_replaced(&mut self.delta);
            self.n_rows_max = N_ROWS_MIN.max(2 * n_rows(&self.delta));
        }
    }
}

fn n_rows(delta: &Delta) -> usize {
    let nodes = delta.nodes.len() + delta.prints.len() + delta.blocked.len();
    nodes + delta.chunks.len() + delta.feed.len()
}

/// Drops rows that later ones of the same node replace, and of the feed what would not be kept.
fn drop_replaced(delta: &mut Delta) {
    fn keep_last<T>(rows: &mut Vec<(NodeId, T)>) {
        let mut seen = BTreeSet::new();
        rows.reverse();
        rows.retain(|(id, _)| seen.insert(*id));
        rows.reverse();
    }
    keep_last(&mut delta.nodes);
    keep_last(&mut delta.prints);
    keep_last(&mut delta.blocked);
    keep_last(&mut delta.chunks);
    delta.feed.drain(..delta.feed.len().saturating_sub(FEED_LEN_MAX));
}

/// Appends a later delta to an earlier one.
fn merge(into: &mut Delta, later: Delta) {
    into.nodes.extend(later.nodes);
    into.prints.extend(later.prints);
    into.blocked.extend(later.blocked);
    into.chunks.extend(later.chunks);
    into.trail.extend(later.trail);
    into.facts = later.facts.or(into.facts.take());
    into.begun = later.begun.or(into.begun.take());
    into.feed.extend(later.feed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// A store on a disk that may be full.
    struct Full(Arc<AtomicBool>);

    impl Store for Full {
        fn save(&mut self, _: &Delta) -> Result<(), StateError> {
            if self.0.load(Ordering::Relaxed) {
                return Err(StateError::Open {
                    path: "state.db".into(),
                    source: std::io::ErrorKind::StorageFull.into(),
                });
            }
            Ok(())
        }

        fn save_durably(&mut self, delta: &Delta) -> Result<(), StateError> {
            self.save(delta)
        }

        fn find_chunks(&self, hashes: &[Hash]) -> Result<Vec<Option<ChunkPlace>>, StateError> {
            Ok(vec![None; hashes.len()])
        }

        fn chunks_of(&self, _: NodeId) -> Result<Vec<ChunkRow>, StateError> {
            Ok(Vec::new())
        }

        fn rest(&self) {}

        fn finish(self: Box<Self>) -> Result<(), StateError> {
            Ok(())
        }
    }

    #[test]
    fn what_cannot_be_saved_takes_no_more_room_the_longer_it_lasts() {
        let (failures, _told) = mpsc::channel(1);
        let mut unsaved = Unsaved {
            has_failed: false,
            delta: Delta::default(),
            failures,
            is_told: false,
            n_rows_max: N_ROWS_MIN,
        };
        let mut store = Full(Arc::new(AtomicBool::new(true)));
        for n in 0..5 * N_ROWS_MIN {
            let id = NodeId([(n % 100) as u8; 16]);
            unsaved.delta.prints.push((id, Some(n.to_be_bytes().to_vec())));
            unsaved.save(&mut store, false);
            assert!(n_rows(&unsaved.delta) <= N_ROWS_MIN);
        }
        let last = unsaved.delta.prints.iter().rev().take(100);
        let mut last: Vec<_> = last.map(|(id, print)| (*id, print.clone())).collect();
        drop_replaced(&mut unsaved.delta);
        last.reverse();
        assert_eq!(unsaved.delta.prints, last);
    }

    #[tokio::test]
    async fn what_waits_to_be_saved_is_found_too() {
        let (failures, _told) = mpsc::channel(1);
        let full = Full(Arc::new(AtomicBool::new(true)));
        let (memory, work) = Memory::new(Box::new(full), 0, failures);
        let work = tokio::spawn(work);
        let (one, other) = (NodeId([1; 16]), NodeId([2; 16]));
        let row = |n| ChunkRow {
            hash: Hash([n; 32]),
            offset: u64::from(n),
            len: 9,
        };
        let chunks = [
            (one, Some(vec![row(1)])),
            (one, Some(vec![row(2), row(3)])),
            (other, None),
        ];
        memory
            .save(Delta {
                chunks: chunks.into(),
                ..Delta::default()
            })
            .await;
        let found = memory.find(vec![Hash([3; 32]), Hash([4; 32])]).await;
        let place = ChunkPlace {
            node: one,
            offset: 3,
            len: 9,
        };
        assert_eq!(found, [Some(place), None]);
        assert_eq!(memory.chunks_of(one).await, [row(2), row(3)]);
        assert_eq!(memory.chunks_of(other).await, []);
        memory.finish().await;
        work.await.unwrap();
    }

    #[tokio::test]
    async fn that_nothing_can_be_saved_is_told_once_until_it_can() {
        let is_full = Arc::new(AtomicBool::new(true));
        let (failures, mut told) = mpsc::channel(8);
        let (memory, work) = Memory::new(Box::new(Full(is_full.clone())), 0, failures);
        let work = tokio::spawn(work);
        for (full, n_told) in [(true, 1), (false, 0), (true, 1)] {
            is_full.store(full, Ordering::Relaxed);
            for _ in 0..5 {
                memory.save_durably(Delta::default()).await;
            }
            assert_eq!(told.len(), n_told);
            while told.try_recv().is_ok() {}
        }
        memory.finish().await;
        work.await.unwrap();
    }
}
