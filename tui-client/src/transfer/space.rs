//! Room on the device's disk for what is to be fetched. Nothing large is begun that does not fit beside what is being
//! fetched already, and some room is left for what is small, and for the client's memory.

use crate::disk::Root;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Room that large files leave on the disk, in bytes.
pub const SPARE_LEN: u64 = 1024 * 1024;

/// See the module's page. Clones know of each other's promises.
#[derive(Debug, Clone)]
pub struct Space {
    root: Root,
    promised_bytes: Arc<AtomicU64>,
}

/// Room that is kept for a large file until it is dropped.
#[derive(Debug)]
pub struct Promise {
    promised_bytes: Arc<AtomicU64>,
    left_bytes: AtomicU64,
}

impl Space {
    /// Looks at the disk that a folder is on.
    #[must_use]
    pub fn new(root: Root) -> Self {
        Self {
            root,
            promised_bytes: Arc::default(),
        }
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// Returns how much is free, in bytes. Of a disk that does not tell, only trying shows it.
    #[must_use]
    pub fn free_bytes(&self) -> u64 {
        self.root.free_bytes().ok().flatten().unwrap_or(u64::MAX)
    }

    /// Tells whether a large file of this length fits beside those that are being fetched.
    #[must_use]
    pub fn fits(&self, len_bytes: u64) -> bool {
        let wanted = self.promised_bytes.load(Ordering::Relaxed);
        wanted.saturating_add(len_bytes).saturating_add(SPARE_LEN) <= self.free_bytes()
    }

    /// Keeps so much room for a large file, in bytes, if it is there.
    #[must_use]
    pub fn promise(&self, len_bytes: u64) -> Option<Promise> {
        if 0 < len_bytes && !self.fits(len_bytes) {
            return None;
        }
        self.promised_bytes.fetch_add(len_bytes, Ordering::Relaxed);
        Some(Promise {
            promised_bytes: self.promised_bytes.clone(),
            left_bytes: len_bytes.into(),
        })
    }
}

impl Promise {
    /// Notes that so much of it is in use now, in bytes.
    pub fn used(&self, len_bytes: u64) {
        let left = self.left_bytes.load(Ordering::Relaxed);
        let used = len_bytes.min(left);
        self.left_bytes.store(left - used, Ordering::Relaxed);
        self.promised_bytes.fetch_sub(used, Ordering::Relaxed);
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.used(u64::MAX);
    }
}
