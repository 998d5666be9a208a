//! How changes and nodes are kept in the database: in the wire's own encoding, which is frozen.

use common::codec::{from_bytes, to_bytes};
use std::sync::Arc;
use sync_engine::{Change, ConflictMark, Kind};

use super::ChunkState;

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

/// Returns the number that stands for a state in the database.
pub(super) fn state_number(state: ChunkState) -> u8 {
    match state {
        ChunkState::Whole => 0,
        ChunkState::Damaged => 1,
        ChunkState::Incomplete => 2,
        ChunkState::Condemned => 3,
    }
}

/// Returns the state that a number stands for.
pub(super) fn state_of(number: u8) -> Option<ChunkState> {
    match number {
        0 => Some(ChunkState::Whole),
        1 => Some(ChunkState::Damaged),
        2 => Some(ChunkState::Incomplete),
        3 => Some(ChunkState::Condemned),
        _ => None,
    }
}
