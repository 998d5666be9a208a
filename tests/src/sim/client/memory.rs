//! What a simulated client remembers. It stands for the database, with what that promises: each save is whole or not
//! there; all that was saved outlives the program; a power cut undoes a number of the last saves, but none that was there
//! when something was saved durably.

use crate::noise::Noise;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use sync_engine::{Block, Generations, Hash, NodeId, Point, Sides, Trail, Trees, Version};
use tui_client::state::{ChunkPlace, ChunkRow, Delta, Facts, Loaded, Origin, Prints, StateError, Store};

/// See the module's page. Clones share it.
#[derive(Clone, Default)]
pub(super) struct SimMemory(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    /// What a power cut leaves in any case.
    flushed: Rows,
    /// What was saved since something was saved durably.
    unflushed: Vec<Delta>,
    /// All that was saved: what the client reads.
    rows: Rows,
    /// Whose saves count.
    life: u64,
    is_lost: bool,
    n_saves: u64,
    /// After which save somebody is told, once.
    told_after: Option<(u64, Told)>,
}

/// What is told right after a save.
type Told = Box<dyn FnOnce() + Send>;

/// All that is remembered.
#[derive(Clone, Default)]
struct Rows {
    nodes: BTreeMap<NodeId, Sides>,
    prints: BTreeMap<NodeId, Vec<u8>>,
    blocked: BTreeMap<NodeId, Block>,
    chunks: BTreeMap<NodeId, Vec<ChunkRow>>,
    trail: BTreeMap<Version, Hash>,
    facts: Facts,
    begun: Generations,
}

impl Rows {
    fn apply(&mut self, delta: &Delta) {
        self.nodes.extend(delta.nodes.iter().cloned());
        apply(&mut self.prints, &delta.prints);
        let changed = delta.nodes.iter().map(|(id, _)| id);
        for id in changed.chain(delta.prints.iter().map(|(id, _)| id)) {
            if self.nodes.get(id).is_none_or(Sides::is_empty) {
                self.nodes.remove(id);
                self.prints.remove(id);
            }
        }
        apply(&mut self.blocked, &delta.blocked);
        apply(&mut self.chunks, &delta.chunks);
        apply(&mut self.trail, &delta.trail);
        if let Some(facts) = &delta.facts {
            self.facts = facts.clone();
        }
        if let Some(begun) = &delta.begun {
            self.begun = begun.clone();
        }
    }
}

fn apply<K: Copy + Ord, T: Clone>(rows: &mut BTreeMap<K, T>, changes: &[(K, Option<T>)]) {
    for (id, value) in changes {
        match value {
            Some(value) => rows.insert(*id, value.clone()),
            None => rows.remove(id),
        };
    }
}

impl SimMemory {
    /// Begins the next life of the client with what is remembered.
    ///
    /// # Panics
    /// When what was saved is no valid tree: that breaks a promise of the client's.
    pub(super) fn open(&self) -> (Box<dyn Store>, Loaded) {
        let mut inner = self.lock();
        inner.life += 1;
        let origin = if std::mem::take(&mut inner.is_lost) {
            Origin::Lost {
                aside: PathBuf::new(),
                damage: "the simulation lost it".into(),
            }
        } else if inner.life == 1 {
            Origin::Fresh
        } else {
            Origin::Kept
        };
        let store = SimStore {
            memory: self.clone(),
            life: inner.life,
        };
        (Box::new(store), loaded(inner.rows.clone(), origin))
    }

    /// Ends the client's life: what it saves from now on goes nowhere.
    pub(super) fn end(&self) {
        self.lock().life += 1;
    }

    /// Tells somebody right after so many more saves.
    pub(super) fn tell_after(&self, n_saves: u64, told: impl FnOnce() + Send + 'static) {
        let mut inner = self.lock();
        inner.told_after = Some((inner.n_saves + n_saves, Box::new(told)));
    }

    /// Returns how many saves there were.
    pub(super) fn n_saves(&self) -> u64 {
        self.lock().n_saves
    }

    /// Undoes a number of the last saves, as chance has it.
    pub(super) fn cut_power(&self, dice: &mut Noise) {
        let mut inner = self.lock();
        let n_kept = dice.number() as usize % (inner.unflushed.len() + 1);
        inner.unflushed.truncate(n_kept);
        inner.flush();
        inner.rows = inner.flushed.clone();
    }

    /// Forgets everything, as when the file is damaged.
    pub(super) fn lose(&self) {
        let mut inner = self.lock();
        let life = inner.life;
        *inner = Inner {
            life,
            is_lost: true,
            n_saves: inner.n_saves,
            ..Inner::default()
        };
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn flush(&mut self) {
        for delta in std::mem::take(&mut self.unflushed) {
            self.flushed.apply(&delta);
        }
    }

    fn save(&mut self, delta: &Delta) {
        self.rows.apply(delta);
        self.unflushed.push(delta.clone());
    }
}

fn loaded(rows: Rows, origin: Origin) -> Loaded {
    let (mut remote, mut synced, mut local) = (Vec::new(), Vec::new(), Vec::new());
    for (id, sides) in rows.nodes {
        remote.extend(sides.remote.map(|item| (id, Some(item))));
        synced.extend(sides.synced.map(|base| (id, base)));
        local.extend(sides.local.map(|node| (id, Some(node))));
    }
    let mut trees = Trees::new();
    trees
        .edit_remote(remote)
        .expect("the remote tree that was saved is one");
    trees
        .edit_local(local)
        .expect("the local tree that was saved is one");
    let (remote, local) = (trees.remote().clone(), trees.local().clone());
    let points = rows.trail.into_iter();
    let points = points.map(|(version, chain)| Point { version, chain });
    let mut prints = Prints::default();
    for (id, print) in &rows.prints {
        prints.push(*id, print);
    }
    Loaded {
        trees: Trees::restore(remote, synced.into_iter().collect(), local, rows.blocked),
        prints,
        trail: Trail::restore(points),
        facts: rows.facts,
        begun: rows.begun,
        feed: Vec::new(),
        origin,
    }
}

/// The store of one life.
struct SimStore {
    memory: SimMemory,
    life: u64,
}

impl SimStore {
    fn living(&self) -> Option<MutexGuard<'_, Inner>> {
        Some(self.memory.lock()).filter(|inner| inner.life == self.life)
    }

    fn enter(&self, delta: &Delta, is_durable: bool) {
        let Some(mut inner) = self.living() else { return };
        inner.save(delta);
        if is_durable {
            inner.flush();
        }
        inner.n_saves += 1;
        let n_saves = inner.n_saves;
        let told = inner.told_after.take_if(|(at, _)| *at <= n_saves);
        drop(inner);
        if let Some((_, told)) = told {
            told();
        }
    }
}

impl Store for SimStore {
    fn save(&mut self, delta: &Delta) -> Result<(), StateError> {
        self.enter(delta, false);
        Ok(())
    }

    fn save_durably(&mut self, delta: &Delta) -> Result<(), StateError> {
        self.enter(delta, true);
        Ok(())
    }

    fn find_chunks(&self, hashes: &[Hash]) -> Result<Vec<Option<ChunkPlace>>, StateError> {
        let Some(inner) = self.living() else {
            return Ok(vec![None; hashes.len()]);
        };
        let find = |hash: &Hash| {
            inner.rows.chunks.iter().find_map(|(node, chunks)| {
                let chunk = chunks.iter().find(|chunk| chunk.hash == *hash)?;
                Some(ChunkPlace {
                    node: *node,
                    offset: chunk.offset,
                    len: chunk.len,
                })
            })
        };
        Ok(hashes.iter().map(find).collect())
    }

    fn chunks_of(&self, id: NodeId) -> Result<Vec<ChunkRow>, StateError> {
        let Some(inner) = self.living() else {
            return Ok(Vec::new());
        };
        Ok(inner.rows.chunks.get(&id).cloned().unwrap_or_default())
    }

    fn rest(&self) {}

    fn finish(self: Box<Self>) -> Result<(), StateError> {
        if let Some(mut inner) = self.living() {
            inner.flush();
        }
        Ok(())
    }
}
