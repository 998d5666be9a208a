//! The thread that owns the folder's database. What is to be saved arrives in order on a bounded channel and shares one
//! transaction with whatever else is waiting. A failed save is told to the driver and tried again with the next.

use std::sync::Arc;

use sync_engine::{Hash, NodeId};
use tokio::sync::{mpsc, oneshot};

use crate::state::{ChunkPlace, ChunkRow, Delta, State, StateError};

/// How many orders wait at most.
const ORDERS_WAITING_MAX: usize = 64;

enum Order {
    Save(Box<Delta>),
    SaveDurably(Box<Delta>, oneshot::Sender<()>),
    Find(Vec<Hash>, oneshot::Sender<Vec<Option<ChunkPlace>>>),
    ChunksOf(NodeId, oneshot::Sender<Vec<ChunkRow>>),
    Finish(oneshot::Sender<()>),
}

/// A handle on the thread. Cheap to clone; the thread ends when all handles are dropped.
#[derive(Clone)]
pub struct Memory {
    orders: mpsc::Sender<Order>,
}

impl Memory {
    /// Starts the thread. Errors of saving arrive on `failures`.
    ///
    /// # Panics
    /// When the system gives no thread.
    #[must_use]
    pub fn start(state: State, failures: mpsc::Sender<Arc<StateError>>) -> Self {
        let (orders, waiting) = mpsc::channel(ORDERS_WAITING_MAX);
        std::thread::Builder::new()
            .name("memory".into())
            .spawn(move || serve(state, waiting, &failures))
            .expect("the system gives a thread");
        Self { orders }
    }

    /// Saves what has changed, after all that was given before.
    pub async fn save(&self, delta: Delta) {
        self.order(Order::Save(Box::new(delta))).await;
    }

    /// Saves what has changed, and returns when no power cut can undo it.
    pub async fn save_durably(&self, delta: Delta) {
        let (done, saved) = oneshot::channel();
        self.order(Order::SaveDurably(Box::new(delta), done)).await;
        // If the thread has ended there is nothing more to save.
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
        // If the thread has ended before, the next start checks the file.
        let _ = finished.await;
    }

    async fn order(&self, order: Order) {
        if self.orders.send(order).await.is_err() {
            tracing::debug!("the memory's thread has ended");
        }
    }
}

fn serve(mut state: State, mut orders: mpsc::Receiver<Order>, failures: &mpsc::Sender<Arc<StateError>>) {
    let mut unsaved = Delta::default();
    while let Some(order) = orders.blocking_recv() {
        let mut next = Some(order);
        while let Some(Order::Save(delta)) = next {
            merge(&mut unsaved, *delta);
            next = orders.try_recv().ok();
        }
        if let Some(Order::SaveDurably(delta, _)) = &mut next {
            merge(&mut unsaved, std::mem::take(delta));
        }
        let durable = matches!(next, Some(Order::SaveDurably(..)));
        save(&mut state, &mut unsaved, durable, failures);
        match next {
            Some(Order::SaveDurably(_, done)) => drop(done.send(())),
            Some(Order::Find(hashes, done)) => drop(done.send(find(&state, &hashes))),
            Some(Order::ChunksOf(id, done)) => drop(done.send(chunks_of(&state, id))),
            Some(Order::Finish(done)) => {
                if let Err(error) = state.finish() {
                    tracing::warn!(%error, "the memory was not closed in good order");
                }
                // Who waited may have gone.
                let _ = done.send(());
                return;
            }
            Some(Order::Save(_)) | None => (),
        }
    }
}

fn save(state: &mut State, unsaved: &mut Delta, durable: bool, failures: &mpsc::Sender<Arc<StateError>>) {
    if unsaved.is_empty() && !durable {
        return;
    }
    let saved = if durable {
        state.save_durably(unsaved)
    } else {
        state.save(unsaved)
    };
    match saved {
        Ok(()) => *unsaved = Delta::default(),
        // If the driver has not yet read the last failure it need not be told again.
        Err(error) => drop(failures.try_send(Arc::new(error))),
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

fn find(state: &State, hashes: &[Hash]) -> Vec<Option<ChunkPlace>> {
    state.find_chunks(hashes).unwrap_or_else(|error| {
        tracing::warn!(%error, "local chunks could not be looked up; they are fetched");
        vec![None; hashes.len()]
    })
}

fn chunks_of(state: &State, id: NodeId) -> Vec<ChunkRow> {
    state.chunks_of(id).unwrap_or_else(|error| {
        tracing::warn!(%error, "a file's chunks could not be looked up; its lists are fetched");
        Vec::new()
    })
}
