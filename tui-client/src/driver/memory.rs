//! The task that owns the folder's database. What is to be saved arrives in order on a bounded channel and shares one
//! transaction with whatever else comes within a pause that grows with what the last one took: so a flood costs few pages,
//! however many nodes it touches. What a crash loses by that, the next look finds again. A failed save is told to the
//! driver and tried again with the next.

use std::sync::Arc;
use std::time::Duration;

use sync_engine::{Hash, NodeId};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::state::{ChunkPlace, ChunkRow, Delta, StateError, Store};

/// How many orders wait at most.
const ORDERS_WAITING_MAX: usize = 64;
/// A save is followed by a pause of this many times what it took, unless somebody asks for something.
const PAUSES: u32 = 8;
/// The shortest pause.
const PAUSE_MIN: Duration = Duration::from_millis(10);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(1);

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
    /// Makes a memory and the task that works for it, which blocks while it writes. Errors of saving arrive on
    /// `failures`.
    pub fn new(
        store: Box<dyn Store>,
        failures: mpsc::Sender<Arc<StateError>>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (orders, waiting) = mpsc::channel(ORDERS_WAITING_MAX);
        (Self { orders }, serve(store, waiting, failures))
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
    mut orders: mpsc::Receiver<Order>,
    failures: mpsc::Sender<Arc<StateError>>,
) {
    let (mut unsaved, mut rested) = (Delta::default(), Instant::now());
    // After a failure it is tried again when there is something new.
    let mut has_failed = false;
    loop {
        let next = if unsaved.is_empty() || has_failed {
            orders.recv().await
        } else {
            match timeout_at(rested, orders.recv()).await {
                Ok(next) => next,
                Err(_) => Some(Order::Save(Box::default())),
            }
        };
        let Some(mut order) = next else { break };
        match &mut order {
            Order::Save(delta) | Order::SaveDurably(delta, _) => merge(&mut unsaved, std::mem::take(delta)),
            Order::Find(..) | Order::ChunksOf(..) | Order::Finish(_) => (),
        }
        let began = Instant::now();
        if matches!(order, Order::Save(_)) && began < rested {
            continue;
        }
        let durable = matches!(order, Order::SaveDurably(..));
        has_failed = !save(&mut *store, &mut unsaved, durable, &failures);
        rested = Instant::now() + (began.elapsed() * PAUSES).clamp(PAUSE_MIN, PAUSE_MAX);
        match order {
            Order::SaveDurably(_, done) => drop(done.send(())),
            Order::Find(hashes, done) => drop(done.send(find(&*store, &hashes))),
            Order::ChunksOf(id, done) => drop(done.send(chunks_of(&*store, id))),
            Order::Finish(done) => {
                if let Err(error) = store.finish() {
                    tracing::warn!(%error, "the memory was not closed in good order");
                }
                // Who waited may have gone.
                let _ = done.send(());
                return;
            }
            Order::Save(_) => (),
        }
    }
    save(&mut *store, &mut unsaved, false, &failures);
}

/// Saves what is unsaved; tells whether that went well.
fn save(
    store: &mut dyn Store,
    unsaved: &mut Delta,
    durable: bool,
    failures: &mpsc::Sender<Arc<StateError>>,
) -> bool {
    if unsaved.is_empty() && !durable {
        return true;
    }
    let saved = if durable {
        store.save_durably(unsaved)
    } else {
        store.save(unsaved)
    };
    match saved {
        Ok(()) => {
            *unsaved = Delta::default();
            true
        }
        Err(error) => {
            // If the driver has not yet read the last failure it need not be told again.
            let _ = failures.try_send(Arc::new(error));
            false
        }
    }
}

/// Appends a later delta to an earlier one.
fn merge(into: &mut Delta, later: Delta) {
    if later.forget_remote {
        into.forget_remote = true;
        into.remote.clear();
    }
    if later.forget_bases {
        into.forget_bases = true;
        into.synced.clear();
    }
    into.remote.extend(later.remote);
    into.synced.extend(later.synced);
    into.local.extend(later.local);
    into.prints.extend(later.prints);
    into.blocked.extend(later.blocked);
    into.chunks.extend(later.chunks);
    into.facts = later.facts.or(into.facts.take());
    into.feed.extend(later.feed);
}

fn find(store: &dyn Store, hashes: &[Hash]) -> Vec<Option<ChunkPlace>> {
    store.find_chunks(hashes).unwrap_or_else(|error| {
        tracing::warn!(%error, "local chunks could not be looked up; they are fetched");
        vec![None; hashes.len()]
    })
}

fn chunks_of(store: &dyn Store, id: NodeId) -> Vec<ChunkRow> {
    store.chunks_of(id).unwrap_or_else(|error| {
        tracing::warn!(%error, "a file's chunks could not be looked up; its lists are fetched");
        Vec::new()
    })
}
