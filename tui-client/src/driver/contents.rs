//! Small contents on their way, by hash: those that a commit will carry and those that a push has brought. Both caches
//! are bounded; what does not fit is read or fetched again.

use std::collections::BTreeMap;

use common::limits::held_at_most;
use sync_engine::Hash;

/// How much one cache holds, in bytes.
const CACHE_LEN_MAX: usize = 16 * 1024 * 1024;
/// With so much in it, in bytes, whoever fills a cache had better wait until some of it is needed no more.
const CACHE_LEN_AIM: usize = 4 * 1024 * 1024;

/// A bounded cache of contents, plain or as they travel.
pub(super) struct Contents<T> {
    held: BTreeMap<Hash, (T, usize)>,
    len: usize,
}

impl<T> Default for Contents<T> {
    fn default() -> Self {
        Self {
            held: BTreeMap::new(),
            len: 0,
        }
    }
}

impl<T: Clone> Contents<T> {
    /// Keeps a content of this length in bytes if there is room for it; the oldest are needed first.
    pub(super) fn put(&mut self, hash: Hash, content: T, len: usize) {
        if self.len + len <= held_at_most(CACHE_LEN_MAX) {
            self.keep(hash, content, len);
        }
    }

    /// Keeps a content in any case: it is needed at once.
    pub(super) fn keep(&mut self, hash: Hash, content: T, len: usize) {
        self.forget(hash);
        self.held.insert(hash, (content, len));
        self.len += len;
    }

    /// Tells whether it is better to wait than to put more into it.
    #[must_use]
    pub(super) fn is_full(&self) -> bool {
        held_at_most(CACHE_LEN_AIM) <= self.len
    }

    /// Returns a content.
    #[must_use]
    pub(super) fn get(&self, hash: Hash) -> Option<T> {
        self.held.get(&hash).map(|(content, _)| content.clone())
    }

    /// Drops a content that is not needed any more.
    pub(super) fn forget(&mut self, hash: Hash) {
        if let Some((_, len)) = self.held.remove(&hash) {
            self.len -= len;
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
        let len = CACHE_LEN_MAX / 4;
        for n in 0..5 {
            contents.put(Hash([n; 32]), n, len);
        }
        assert!(contents.is_full() && contents.get(Hash([0; 32])).is_some());
        assert_eq!(contents.get(Hash([4; 32])), None);
        contents.keep(Hash([4; 32]), 4, len);
        assert!(contents.get(Hash([4; 32])).is_some());
        (0..5).for_each(|n| contents.forget(Hash([n; 32])));
        assert_eq!(contents.len, 0);
        assert!(!contents.is_full());
    }
}
