//! Identifiers: fixed-size values made by whoever creates the thing, so that a request may safely arrive twice.

use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use serde::{Deserialize, Serialize};

/// Iterates over bytes, whose number is a multiple of eight, as numbers that are ordered as they are.
fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.as_chunks().0.iter().map(|word| u64::from_be_bytes(*word))
}

macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub struct $name(pub [u8; $len]);

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name {
            /// Compares the bytes, eight at a time: that is most of what a search in a large map does.
            fn cmp(&self, other: &Self) -> Ordering {
                words(&self.0).cmp(words(&other.0))
            }
        }

        impl fmt::Display for $name {
            /// Writes all bytes as lower-case hexadecimal digits.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl core::str::FromStr for $name {
            type Err = ParseIdError;

            /// Reads what `Display` writes.
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let mut bytes = [0; $len];
                parse_hex(text, &mut bytes)?;
                Ok(Self(bytes))
            }
        }
    };
}

bytes_id! {
    /// Names a node for life: a rename or a move keeps it. No two nodes of an account ever have the same; zero is the root
    /// directory.
    NodeId, 16
}
bytes_id! {
    /// Names a device within its account.
    DeviceId, 16
}
bytes_id! {
    /// Is renewed by the server whenever its store is restored from a backup.
    Epoch, 16
}
bytes_id! {
    /// A BLAKE3 hash: of a chunk's plain bytes, of a list of chunks, or of a journal entry and its predecessors.
    Hash, 32
}

/// Says that a text is not the expected number of hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the expected number of hexadecimal digits")]
pub struct ParseIdError;

fn parse_hex(text: &str, into: &mut [u8]) -> Result<(), ParseIdError> {
    let digits: Vec<u32> = text
        .chars()
        .map(|c| c.to_digit(16))
        .collect::<Option<_>>()
        .ok_or(ParseIdError)?;
    if digits.len() != into.len() * 2 {
        return Err(ParseIdError);
    }
    for (byte, pair) in into.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::try_from(pair[0] * 16 + pair[1]).map_err(|_| ParseIdError)?;
    }
    Ok(())
}

impl NodeId {
    /// The root directory. It is in every tree, has no name, and is never created, moved or deleted.
    pub const ROOT: Self = Self([0; 16]);

    /// Derives the id of a node that takes over from `from`: the same inputs give the same id, so that a step that
    /// is repeated after a crash makes the same node.
    #[must_use]
    pub fn derive(purpose: &str, from: Self, device: DeviceId, salt: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("holdfast 2026 derived node id");
        hasher.update(&[u8::try_from(purpose.len()).unwrap_or(u8::MAX)]);
        hasher.update(purpose.as_bytes());
        hasher.update(&from.0);
        hasher.update(&device.0);
        hasher.update(salt);
        let mut id = [0; 16];
        hasher.finalize_xof().fill(&mut id);
        Self(id)
    }
}

impl Hash {
    /// Hashes plain bytes: the name of a chunk.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

/// A journal number. Of a node: the number of the change that last touched it. Zero is before the first entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Version(pub u64);

impl Version {
    /// Before the first entry.
    pub const ZERO: Self = Self(0);

    /// Returns the number after this one.
    ///
    /// # Panics
    /// After 2^64 entries.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn an_id_reads_back_what_it_writes() {
        let id = NodeId(*b"0123456789abcdef");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("12".parse::<NodeId>(), Err(ParseIdError));
        assert_eq!(
            "zz23456789abcdef0123456789abcdef".parse::<NodeId>(),
            Err(ParseIdError)
        );
    }
}
