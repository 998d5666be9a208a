//! What makes it cheap to go through many states that differ little: a value that its copies share until one of them
//! changes it, and that remembers its key.

use std::cell::OnceCell;
use std::hash::{Hash, Hasher};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// Returns what stands for a value: a hash of all of it, so long that no two values have the same.
pub(crate) fn key(value: &impl Hash) -> u128 {
    let mut bytes = Bytes(Vec::with_capacity(16 * 1024));
    value.hash(&mut bytes);
    let hash = blake3::hash(&bytes.0);
    u128::from_le_bytes(*hash.as_bytes().first_chunk().unwrap())
}

/// All bytes that a value says of itself.
struct Bytes(Vec<u8>);

impl Hasher for Bytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        unreachable!("the bytes are taken instead")
    }
}

/// See the module's page.
#[derive(Clone, Default)]
pub(crate) struct Shared<T> {
    value: Arc<T>,
    key: OnceCell<u128>,
}

impl<T> Shared<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            value: Arc::new(value),
            key: OnceCell::new(),
        }
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.key.take();
        Arc::make_mut(&mut self.value)
    }
}

impl<T: Hash> Shared<T> {
    /// Returns the value's key.
    pub(crate) fn key(&self) -> u128 {
        *self.key.get_or_init(|| key(&*self.value))
    }
}

impl<T: Hash> Hash for Shared<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}
