//! Small contents on their way, by hash: those that a commit will carry and those that a push has brought. Both caches
//! are bounded; what does not fit is read or fetched again.

use std::collections::BTreeMap;

use bytes::Bytes;
use sync_engine::Hash;

/// How much one cache holds, in bytes.
const CACHE_LEN_MAX: usize = 32 * 1024 * 1024;

/// A bounded cache of contents.
#[derive(Default)]
pub(super) struct Contents {
    held: BTreeMap<Hash, Bytes>,
    len: usize,
}

impl Contents {
    /// Keeps a content if there is room for it; the oldest are needed first.
    pub(super) fn put(&mut self, hash: Hash, bytes: Bytes) {
        if self.len + bytes.len() <= CACHE_LEN_MAX {
            self.keep(hash, bytes);
        }
    }

    /// Keeps a content in any case: it is needed at once.
    pub(super) fn keep(&mut self, hash: Hash, bytes: Bytes) {
        let len = bytes.len();
        if self.held.insert(hash, bytes).is_none() {
            self.len += len;
        }
    }

    /// Returns a content.
    #[must_use]
    pub(super) fn get(&self, hash: Hash) -> Option<Bytes> {
        self.held.get(&hash).cloned()
    }

    /// Drops a content that is not needed any more.
    pub(super) fn forget(&mut self, hash: Hash) {
        if let Some(bytes) = self.held.remove(&hash) {
            self.len -= bytes.len();
        }
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_cache_takes_only_what_is_needed_at_once() {
        let mut contents = Contents::default();
        let block = Bytes::from(vec![0; CACHE_LEN_MAX / 4]);
        for n in 0..5 {
            contents.put(Hash([n; 32]), block.clone());
        }
        assert!(contents.get(Hash([0; 32])).is_some());
        assert_eq!(contents.get(Hash([4; 32])), None);
        contents.keep(Hash([4; 32]), block.clone());
        assert!(contents.get(Hash([4; 32])).is_some());
        (0..5).for_each(|n| contents.forget(Hash([n; 32])));
        assert_eq!(contents.len, 0);
    }
}
