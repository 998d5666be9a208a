//! An ordered map for what there may be millions of. Its entries lie side by side in leaves, as in a B+ tree of two
//! levels. Compared with `BTreeMap`, whose nodes of eleven stay about half full when keys come in their order, it takes
//! little more than the entries themselves, and most of a search is within one leaf.
//!
//! Keys that come one after the other, or nearly so, fill their leaves, wherever they come; others split them in halves.

use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::mem::replace;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The most entries of a leaf: so many are moved at most to make room for one, and a map of a million has some thousand
/// leaves.
const LEAF_LEN_MAX: usize = 256;

/// Some entries, in the order of their keys.
#[derive(Clone)]
struct Leaf<K, V> {
    /// No key in the leaf is less, and all before the leaf are; that of the first leaf is not looked at. It stands beside
    /// those of the other leaves, so that a search for the leaf stays in the caches.
    bound: K,
    /// Not empty.
    entries: Vec<(K, V)>,
}

/// See the module's page. It is what its entries are: equal entries make equal maps, however they lie.
#[derive(Clone)]
pub struct PackedMap<K, V, const LEAF: usize = LEAF_LEN_MAX> {
    /// Each key is greater than all before it.
    leaves: Vec<Leaf<K, V>>,
    len: usize,
    /// The place behind the last entry that was added: where a key comes that follows it.
    next: (usize, usize),
    finger: Finger,
}

/// Where the last search ended. The next is often for the same key or the one behind it, and is over at once then. It may
/// point anywhere: what it points at is compared first. (Brown and Tarjan, Design and analysis of a data structure for
/// representing sorted lists, 1980, for the word.)
#[derive(Default)]
struct Finger(AtomicUsize);

impl Finger {
    fn leave(&self, (leaf, place): (usize, usize)) {
        self.0.store(leaf * LEAF_LEN_MAX + place, Relaxed);
    }

    fn at(&self) -> (usize, usize) {
        let at = self.0.load(Relaxed);
        (at / LEAF_LEN_MAX, at % LEAF_LEN_MAX)
    }
}

impl Clone for Finger {
    fn clone(&self) -> Self {
        Self(AtomicUsize::new(self.0.load(Relaxed)))
    }
}

impl<K, V, const LEAF: usize> Default for PackedMap<K, V, LEAF> {
    fn default() -> Self {
        Self {
            leaves: Vec::new(),
            len: 0,
            next: (0, 0),
            finger: Finger::default(),
        }
    }
}

impl<K: Clone, V> Leaf<K, V> {
    fn new(entries: Vec<(K, V)>) -> Self {
        let bound = entries[0].0.clone();
        Self { bound, entries }
    }
}

impl<K: Ord + Clone, V, const LEAF: usize> PackedMap<K, V, LEAF> {
    /// Returns the number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Tells whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the value of a key.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        let (at, place) = self.find(key);
        let there = place.ok()?;
        Some(&self.leaves[at].entries[there].1)
    }

    /// Sets the value of a key and returns the one that it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let (at, place) = self.find(&key);
        match place {
            Ok(there) => Some(replace(&mut self.leaves[at].entries[there].1, value)),
            Err(there) => {
                self.add(at, there, (key, value));
                self.len += 1;
                None
            }
        }
    }

    /// Removes a key and returns the value that it had.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let (at, place) = self.find(key);
        let there = place.ok()?;
        let (_, value) = self.leaves[at].entries.remove(there);
        self.len -= 1;
        self.tighten(at);
        Some(value)
    }

    /// Iterates in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let entries = self.leaves.iter().flat_map(|leaf| &leaf.entries);
        entries.map(|(key, value)| (key, value))
    }

    /// Returns the leaf in which a key is or would be, and its place there; leaf zero also when there is none.
    fn find(&self, key: &K) -> (usize, Result<usize, usize>) {
        let (at, there) = self.finger.at();
        if let Some(place) = self.find_beside(at, there, key) {
            return (at, place);
        }
        // Whatever is less than all other bounds belongs into the first leaf.
        let others = self.leaves.get(1..).unwrap_or_default();
        let at = others.partition_point(|leaf| leaf.bound <= *key);
        let place = match self.leaves.get(at) {
            Some(leaf) => leaf.entries.binary_search_by(|(other, _)| other.cmp(key)),
            None => Err(0),
        };
        self.finger
            .leave((at, place.unwrap_or_else(|there| there.saturating_sub(1))));
        (at, place)
    }

    /// Returns the place of a key if it is, or would come, right behind an entry, or is its key.
    fn find_beside(&self, at: usize, there: usize, key: &K) -> Option<Result<usize, usize>> {
        let leaf = self.leaves.get(at)?;
        match leaf.entries.get(there)?.0.cmp(key) {
            Ordering::Equal => Some(Ok(there)),
            Ordering::Greater => None,
            Ordering::Less => {
                let next = there + 1;
                let Some((other, _)) = leaf.entries.get(next) else {
                    let is_last = |behind: &Leaf<K, V>| *key < behind.bound;
                    return self.leaves.get(at + 1).is_none_or(is_last).then_some(Err(next));
                };
                match other.cmp(key) {
                    Ordering::Equal => {
                        self.finger.leave((at, next));
                        Some(Ok(next))
                    }
                    Ordering::Greater => Some(Err(next)),
                    Ordering::Less => None,
                }
            }
        }
    }

    /// Enters what is not there yet.
    fn add(&mut self, at: usize, there: usize, entry: (K, V)) {
        let is_next = self.next == (at, there);
        self.next = (at, there + 1);
        let Some(leaf) = self.leaves.get_mut(at) else {
            self.leaves.push(Leaf::new(vec![entry]));
            return;
        };
        let entries = &mut leaf.entries;
        if entries.len() < LEAF {
            put(entries, there, entry, LEAF);
        } else if there == LEAF {
            self.next = (at + 1, 1);
            match self
                .leaves
                .get_mut(at + 1)
                .filter(|next| next.entries.len() < LEAF)
            {
                Some(next) => {
                    next.bound = entry.0.clone();
                    put(&mut next.entries, 0, entry, LEAF);
                }
                None => self.leaves.insert(at + 1, Leaf::new(vec![entry])),
            }
        } else if is_next || 3 * LEAF <= 4 * there {
            // More may follow there: this leaf is left full, and theirs begins.
            let behind = entries.split_off(there);
            entries.push(entry);
            self.leaves.insert(at + 1, Leaf::new(behind));
            self.merge(at + 1);
        } else if let Some((at, there)) = self.share(at, there) {
            self.next = (at, there + 1);
            put(&mut self.leaves[at].entries, there, entry, LEAF);
        } else {
            let entries = &mut self.leaves[at].entries;
            let mut behind = entries.split_off(LEAF / 2);
            match there.checked_sub(LEAF / 2) {
                Some(there) => {
                    put(&mut behind, there, entry, LEAF);
                    self.next = (at + 1, there + 1);
                }
                None => entries.insert(there, entry),
            }
            self.leaves.insert(at + 1, Leaf::new(behind));
        }
    }

    /// Gives half of a neighbour's room to a full leaf, if that is worth it, and returns where what was to come in at a
    /// place in the middle of the leaf belongs now. So leaves are four fifths full and more, in whatever order entries
    /// come; halving full ones alone leaves two thirds. (Knuth, The Art of Computer Programming, volume 3, 6.2.4: B*-trees.)
    fn share(&mut self, at: usize, there: usize) -> Option<(usize, usize)> {
        let room = |leaf: Option<&Leaf<K, V>>| leaf.map_or(0, |leaf| LEAF - leaf.entries.len());
        let before = at.checked_sub(1);
        let moved = room(before.and_then(|before| self.leaves.get(before))) / 2;
        if let Some(before) = before.filter(|_| LEAF / 16 < moved) {
            let leaf = &mut self.leaves[at];
            let first: Vec<(K, V)> = leaf.entries.drain(..moved).collect();
            leaf.bound = leaf.entries[0].0.clone();
            let taking = &mut self.leaves[before].entries;
            let len = taking.len();
            make_room(taking, moved + 1, LEAF);
            taking.extend(first);
            return Some(match there.checked_sub(moved) {
                None | Some(0) => (before, len + there),
                Some(there) => (at, there),
            });
        }
        let moved = room(self.leaves.get(at + 1)) / 2;
        if LEAF / 16 < moved {
            let last = self.leaves[at].entries.split_off(LEAF - moved);
            let next = &mut self.leaves[at + 1];
            next.bound = last[0].0.clone();
            make_room(&mut next.entries, moved + 1, LEAF);
            next.entries.splice(0..0, last);
            return Some(match there.checked_sub(LEAF - moved) {
                None | Some(0) => (at, there),
                Some(there) => (at + 1, there),
            });
        }
        None
    }

    /// Gives back what a leaf does not need any more, of which an entry was taken away.
    fn tighten(&mut self, at: usize) {
        let len = self.leaves[at].entries.len();
        if len == 0 {
            self.leaves.remove(at);
        } else if !self.merge(at) && !at.checked_sub(1).is_some_and(|before| self.merge(before)) {
            let entries = &mut self.leaves[at].entries;
            if len <= entries.capacity() / 4 {
                entries.shrink_to(2 * len);
            }
        }
    }

    /// Makes one leaf of this one and the next, if they fit into a half.
    fn merge(&mut self, at: usize) -> bool {
        let is_small = |pair: &[Leaf<K, V>]| pair[0].entries.len() + pair[1].entries.len() <= LEAF / 2;
        let can = self.leaves.get(at..at + 2).is_some_and(is_small);
        if can {
            let next = self.leaves.remove(at + 1);
            self.leaves[at].entries.extend(next.entries);
        }
        can
    }
}

/// Puts an entry into a leaf that is not full.
fn put<T>(entries: &mut Vec<T>, there: usize, entry: T, max: usize) {
    make_room(entries, 1, max);
    entries.insert(there, entry);
}

/// Makes room in a leaf for so many more entries: twice of what it had, but never more than a leaf can have.
fn make_room<T>(entries: &mut Vec<T>, more: usize, max: usize) {
    let len = entries.len() + more;
    if entries.capacity() < len {
        let capacity = len.max(2 * entries.len()).min(max);
        entries.reserve_exact(capacity - entries.len());
    }
}

/// Of several entries with one key, which follow each other, leaves the last.
pub(crate) fn keep_last<K: PartialEq, V>(entries: &mut Vec<(K, V)>) {
    entries.dedup_by(|later, earlier| {
        let is_same = later.0 == earlier.0;
        if is_same {
            core::mem::swap(later, earlier);
        }
        is_same
    });
}

impl<K: Ord + Clone, V, const LEAF: usize> FromIterator<(K, V)> for PackedMap<K, V, LEAF> {
    /// Makes a map without a gap. Of several entries with one key the last counts.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut entries: Vec<(K, V)> = entries.into_iter().collect();
        if !entries.is_sorted_by(|(one, _), (next, _)| one < next) {
            entries.sort_by(|(one, _), (other, _)| one.cmp(other));
            keep_last(&mut entries);
        }
        let len = entries.len();
        let mut leaves = Vec::with_capacity(len.div_ceil(LEAF));
        if len <= LEAF {
            entries.shrink_to_fit();
            leaves.extend((len > 0).then(|| Leaf::new(entries)));
        } else {
            let mut entries = entries.into_iter();
            while entries.len() > 0 {
                let mut leaf = Vec::with_capacity(entries.len().min(LEAF));
                leaf.extend(entries.by_ref().take(LEAF));
                leaves.push(Leaf::new(leaf));
            }
        }
        let (next, finger) = ((0, 0), Finger::default());
        Self {
            leaves,
            len,
            next,
            finger,
        }
    }
}

impl<K: Ord + Clone, V: PartialEq, const LEAF: usize> PartialEq for PackedMap<K, V, LEAF> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<K: Ord + Clone, V: Eq, const LEAF: usize> Eq for PackedMap<K, V, LEAF> {}

impl<K: Ord + Clone + Hash, V: Hash, const LEAF: usize> Hash for PackedMap<K, V, LEAF> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.len.hash(state);
        self.iter().for_each(|entry| entry.hash(state));
    }
}

impl<K: Ord + Clone + fmt::Debug, V: fmt::Debug, const LEAF: usize> fmt::Debug for PackedMap<K, V, LEAF> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use proptest::prelude::*;

    type Small = PackedMap<u8, u16, 4>;

    fn check(map: &Small, model: &BTreeMap<u8, u16>) {
        assert!(map.iter().eq(model.iter()));
        assert_eq!(map.len(), model.len());
        assert_eq!(map.is_empty(), model.is_empty());
        assert!(
            map.leaves
                .iter()
                .all(|leaf| (1..=4).contains(&leaf.entries.len()))
        );
        for pair in map.leaves.windows(2) {
            assert!(pair[0].entries.last().unwrap().0 < pair[1].bound);
            assert!(pair[1].bound <= pair[1].entries[0].0);
            assert!(
                pair[0].entries.len() + pair[1].entries.len() > 2,
                "two that are one fit into a half"
            );
        }
    }

    proptest! {
        #[test]
        fn a_packed_map_is_a_map(
            begin in proptest::collection::vec((0..64u8, any::<u16>()), 0..60),
            edits in proptest::collection::vec((0..64u8, proptest::option::weighted(0.6, any::<u16>())), 0..200),
        ) {
            let mut map: Small = begin.iter().copied().collect();
            let mut model: BTreeMap<u8, u16> = begin.into_iter().collect();
            check(&map, &model);
            for (key, value) in edits {
                prop_assert_eq!(map.get(&key), model.get(&key));
                match value {
                    Some(value) => prop_assert_eq!(map.insert(key, value), model.insert(key, value)),
                    None => prop_assert_eq!(map.remove(&key), model.remove(&key)),
                }
                check(&map, &model);
            }
            prop_assert_eq!(&map, &model.into_iter().collect());
        }
    }

    /// Returns how much of the room that a map has taken is full, of keys that come mixed in blocks of so many.
    fn fill(block: u64) -> f64 {
        const N_BLOCKS: u64 = 50;
        // Prime to all of these, so that each key of a block comes once.
        const STEP: u64 = 611;
        let mut map: PackedMap<u64, u64> = PackedMap::default();
        for at in 0..N_BLOCKS * block {
            let key = at / block * block + at * STEP % block;
            assert_eq!(map.insert(key, at), None);
        }
        let room: usize = map.leaves.iter().map(|leaf| leaf.entries.capacity()).sum();
        map.len() as f64 / room as f64
    }

    #[test]
    fn leaves_are_full_however_mixed_the_keys_come() {
        for block in [100, 500, 1000, 5000] {
            assert!(0.75 <= fill(block), "{block}: {}", fill(block));
        }
    }

    #[test]
    fn keys_that_come_in_their_order_leave_no_gap() {
        let mut map: Small = [(0, 0), (200, 0)].into_iter().collect();
        for key in 1..=40 {
            map.insert(key, 0);
        }
        assert!(map.leaves.len() <= 42 / 4 + 2, "{map:?}");
        let mut nearly: PackedMap<u32, u32, 16> = PackedMap::default();
        for key in 0..1000_u32 {
            // Four by four, each four in some other order.
            nearly.insert(key ^ (key / 4 % 4), 0);
        }
        assert!(
            nearly.leaves.len() <= 1000 / 16 * 5 / 4,
            "{}",
            nearly.leaves.len()
        );
        let mut back = Small::default();
        for key in (1..=40).rev() {
            back.insert(key, 0);
        }
        assert!(back.leaves.len() <= 40 / 2 + 1, "{back:?}");
    }
}
