//! Small contents on their way, by hash: those that a commit will carry and those that a push has brought. Both caches
//! are bounded; what is dropped is read or fetched again.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use sync_engine::Hash;

/// How much one cache holds, in bytes.
const CACHE_LEN_MAX: usize = 32 * 1024 * 1024;

/// A bounded cache of contents; the oldest go first.
#[derive(Default)]
pub(super) struct Contents {
    held: BTreeMap<Hash, Bytes>,
    order: VecDeque<Hash>,
    len: usize,
}

impl Contents {
    /// Keeps a content, if it is not too large for the cache.
    pub(super) fn put(&mut self, hash: Hash, bytes: Bytes) {
        if bytes.len() > CACHE_LEN_MAX / 4 || self.held.contains_key(&hash) {
            return;
        }
        self.len += bytes.len();
        self.held.insert(hash, bytes);
        self.order.push_back(hash);
        while self.len > CACHE_LEN_MAX {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            self.drop_held(oldest);
        }
    }

    /// Returns a content.
    #[must_use]
    pub(super) fn get(&self, hash: Hash) -> Option<Bytes> {
        self.held.get(&hash).cloned()
    }

    /// Drops a content that is not needed any more.
    pub(super) fn forget(&mut self, hash: Hash) {
        self.drop_held(hash);
        if self.order.len() > 2 * self.held.len() + 64 {
            self.order.retain(|hash| self.held.contains_key(hash));
        }
    }

    fn drop_held(&mut self, hash: Hash) {
        if let Some(bytes) = self.held.remove(&hash) {
            self.len -= bytes.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_content_goes_when_the_cache_is_full() {
        let mut contents = Contents::default();
        let block = Bytes::from(vec![0; CACHE_LEN_MAX / 4]);
        for n in 0..5 {
            contents.put(Hash([n; 32]), block.clone());
        }
        assert_eq!(contents.get(Hash([0; 32])), None);
        assert!(contents.get(Hash([4; 32])).is_some());
        contents.forget(Hash([4; 32]));
        assert_eq!(contents.len, 3 * block.len());
    }
}
