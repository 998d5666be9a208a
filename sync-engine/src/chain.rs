//! The chain through an account's journal: each entry's hash covers the entry and the hash before it, so one hash
//! stands for the whole history up to there. A device that finds another hash at its place knows that the server was
//! put back, or is another.
//!
//! The encoding is written by hand and frozen: it depends on no serialiser. Integers are little-endian. Bytes of
//! variable length and lists are preceded by their length as a `u32`, a choice by its number as one byte. So no two
//! entries have one encoding.
//!
//! | what | encoding |
//! | --- | --- |
//! | entry | number `u64`, device 16 bytes, time `u64`, change |
//! | change | 0 create: id, node; 1 update: id, base `u64`, kind; 2 move: list of (id, base, parent, name); 3 delete: id, base; 4 mark: id, base, mark |
//! | node | parent, name, kind, mark |
//! | kind | 0 file: hash 32 bytes, size `u64`, depth one byte, exec one byte, mtime `i64`; 1 directory; 2 symbolic link: target |
//! | mark | 0 none; 1: with, base, device, name, cause one byte (0 both edited, 1 same name, 2 kind swapped) |

use crate::node::ConflictCause;
use crate::{Change, ConflictMark, Entry, Epoch, Hash, Kind, Node, NodeId, Version};
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A point of an account's journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cursor {
    /// The store's epoch.
    pub epoch: Epoch,
    /// The number of the last entry seen.
    pub version: Version,
    /// The chain's hash at that entry.
    pub chain: Hash,
}

/// The hash before the first entry.
pub const CHAIN_START: Hash = Hash([0; 32]);

/// Returns the chain's hash after `entry`, when `prev` is the one before it: BLAKE3, keyed for this purpose alone, of
/// `prev` and the entry's encoding.
#[must_use]
pub fn chain_next(prev: &Hash, entry: &Entry) -> Hash {
    let mut hasher = blake3::Hasher::new_derive_key("holdfast 2026 journal chain");
    hasher.update(&prev.0);
    hasher.update(&encode(entry));
    Hash(*hasher.finalize().as_bytes())
}

fn encode(entry: &Entry) -> Vec<u8> {
    let mut out = Vec::with_capacity(160);
    put_version(&mut out, entry.number);
    out.extend(entry.device.0);
    out.extend(entry.time_ms.to_le_bytes());
    put_change(&mut out, &entry.change);
    out
}

fn put_change(out: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Create { id, node } => {
            out.push(0);
            put_id(out, *id);
            put_node(out, node);
        }
        Change::Update { id, base, kind } => {
            out.push(1);
            put_id(out, *id);
            put_version(out, *base);
            put_kind(out, kind);
        }
        Change::Move { moves } => {
            out.push(2);
            put_len(out, moves.len());
            for to in moves {
                put_id(out, to.id);
                put_version(out, to.base);
                put_id(out, to.parent);
                put_bytes(out, to.name.as_bytes());
            }
        }
        Change::Delete { id, base } => {
            out.push(3);
            put_id(out, *id);
            put_version(out, *base);
        }
        Change::Mark { id, base, mark } => {
            out.push(4);
            put_id(out, *id);
            put_version(out, *base);
            put_mark(out, mark.as_ref());
        }
    }
}

fn put_node(out: &mut Vec<u8>, node: &Node) {
    put_id(out, node.parent);
    put_bytes(out, node.name.as_bytes());
    put_kind(out, &node.kind);
    put_mark(out, node.mark.as_ref());
}

fn put_kind(out: &mut Vec<u8>, kind: &Kind) {
    match kind {
        Kind::File(file) => {
            out.push(0);
            out.extend(file.content.hash.0);
            out.extend(file.content.size_bytes.to_le_bytes());
            out.push(file.content.depth);
            out.push(u8::from(file.exec));
            out.extend(file.mtime_ns.to_le_bytes());
        }
        Kind::Dir => out.push(1),
        Kind::Symlink(target) => {
            out.push(2);
            put_bytes(out, target.as_bytes());
        }
    }
}

fn put_mark(out: &mut Vec<u8>, mark: Option<&Arc<ConflictMark>>) {
    let Some(mark) = mark else {
        out.push(0);
        return;
    };
    out.push(1);
    put_id(out, mark.with);
    put_version(out, mark.base);
    out.extend(mark.device.0);
    put_bytes(out, mark.name.as_bytes());
    out.push(match mark.cause {
        ConflictCause::BothEdited => 0,
        ConflictCause::SameName => 1,
        ConflictCause::KindSwapped => 2,
    });
}

fn put_id(out: &mut Vec<u8>, id: NodeId) {
    out.extend(id.0);
}

fn put_version(out: &mut Vec<u8>, version: Version) {
    out.extend(version.0.to_le_bytes());
}

fn put_len(out: &mut Vec<u8>, len: usize) {
    let len = u32::try_from(len).expect("names, targets and moves are far fewer than 2^32");
    out.extend(len.to_le_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_len(out, bytes.len());
    out.extend(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, DeviceId, FileState, MoveTo, Target};
    use alloc::string::ToString;

    fn entry(change: Change) -> Entry {
        Entry {
            number: Version(7),
            device: DeviceId([3; 16]),
            time_ms: 1_700_000_000_000,
            change,
        }
    }

    fn mark() -> Option<Arc<ConflictMark>> {
        Some(Arc::new(ConflictMark {
            with: NodeId([9; 16]),
            base: Version(4),
            device: DeviceId([3; 16]),
            name: "a.txt".try_into().unwrap(),
            cause: ConflictCause::SameName,
        }))
    }

    fn one_of_each() -> [Change; 5] {
        let (id, base) = (NodeId([1; 16]), Version(5));
        let file = FileState {
            content: Content {
                hash: Hash::of(b"bytes"),
                size_bytes: 5,
                depth: 0,
            },
            exec: true,
            mtime_ns: -1,
        };
        let target = Target::new(b"../x").unwrap();
        let node = Node {
            parent: NodeId::ROOT,
            name: "a".try_into().unwrap(),
            kind: Kind::File(file),
            mark: mark(),
        };
        let to = MoveTo {
            id,
            base,
            parent: NodeId([2; 16]),
            name: "b".try_into().unwrap(),
        };
        [
            Change::Create { id, node },
            Change::Update {
                id,
                base,
                kind: Kind::Symlink(target),
            },
            Change::Move { moves: [to].into() },
            Change::Delete { id, base },
            Change::Mark {
                id,
                base,
                mark: mark(),
            },
        ]
    }

    #[test]
    fn the_chain_over_one_entry_of_each_kind_never_changes() {
        let chain = one_of_each()
            .into_iter()
            .fold(CHAIN_START, |prev, change| chain_next(&prev, &entry(change)));
        assert_eq!(
            chain.to_string(),
            "181b3b9416f889f810fb817dd833fe478b1298276a748d2cd35f47851f2aed1e"
        );
    }

    /// The example of the protocol's page.
    #[test]
    fn the_chain_after_a_deletion_is_as_described() {
        let entry = Entry {
            number: Version(1),
            device: DeviceId([3; 16]),
            time_ms: 0,
            change: Change::Delete {
                id: NodeId([1; 16]),
                base: Version(0),
            },
        };
        let mut described = alloc::vec![1, 0, 0, 0, 0, 0, 0, 0];
        described.extend([3; 16]);
        described.extend([0; 8]);
        described.push(3);
        described.extend([1; 16]);
        described.extend([0; 8]);
        assert_eq!(encode(&entry), described);
        assert_eq!(
            chain_next(&CHAIN_START, &entry).to_string(),
            "a6ffc5484b5f71ede5a2293a7b5e91d3033034a56ec3a27cacdf4e423b4ebd86"
        );
    }

    #[test]
    fn whatever_differs_in_an_entry_or_before_it_differs_in_the_chain() {
        let mut seen = alloc::collections::BTreeSet::new();
        for change in one_of_each() {
            let whole = entry(change);
            let mut later = whole.clone();
            later.number = Version(8);
            let mut other = whole.clone();
            other.device = DeviceId([4; 16]);
            let mut earlier = whole.clone();
            earlier.time_ms -= 1;
            for entry in [&whole, &later, &other, &earlier] {
                assert!(seen.insert(chain_next(&CHAIN_START, entry)));
                assert!(seen.insert(chain_next(&Hash([1; 32]), entry)));
            }
        }
    }
}
