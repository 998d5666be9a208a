//! How changes and nodes are kept in the database: in the wire's own encoding, which is frozen.

use common::codec::{from_bytes, to_bytes};
use std::sync::Arc;
use sync_engine::{Change, ConflictMark, Kind};

/// Encodes a change.
pub(super) fn encode_change(change: &Change) -> Vec<u8> {
    to_bytes(change).expect("a change came through a frame, so it has an encoding")
}

/// Decodes a change; nothing if the bytes are damaged.
pub(super) fn decode_change(bytes: &[u8]) -> Option<Change> {
    from_bytes(bytes).ok()
}

/// Encodes what a node is, apart from where it is.
pub(super) fn encode_state(kind: &Kind, mark: Option<&Arc<ConflictMark>>) -> Vec<u8> {
    to_bytes(&(kind, mark)).expect("a node came through a frame, so it has an encoding")
}

/// Decodes what a node is; nothing if the bytes are damaged.
pub(super) fn decode_state(bytes: &[u8]) -> Option<(Kind, Option<Arc<ConflictMark>>)> {
    from_bytes(bytes).ok()
}
