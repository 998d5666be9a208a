//! Giving the room of dropped chunks back to the system. Where they lay is known by what lies between the chunks that
//! are there; so an interrupted run needs no memory. A pack without any chunk is removed.

use std::collections::BTreeMap;

use crate::store::blobs::Mark;
use crate::store::{Metadata, Store, StoreError};

/// Gaps that are shorter than this stay, in bytes.
const GAP_LEN_MIN: u64 = 4096;

/// What was given back.
#[derive(Debug)]
pub(super) struct Released {
    /// Packs that were removed.
    pub(super) n_packs: usize,
    /// Bytes of packs that nothing uses, those that were given back earlier included.
    pub(super) len_bytes: u64,
    /// Whether the system can give back parts of a file.
    pub(super) is_supported: bool,
}

/// Gives back what is not used of all packs, up to where they are flushed: behind it a server may be writing.
pub(super) fn release(store: &Store) -> Result<Released, StoreError> {
    let mut used: BTreeMap<u32, Vec<(u64, u64)>> = BTreeMap::new();
    let flushed = store.metadata.read(|records| {
        records.chunks_behind(Mark::default(), &mut |_, row| {
            let span = (row.place.offset, row.end().len);
            used.entry(row.place.pack).or_default().push(span);
        })?;
        records.flushed()
    })?;
    let mut released = Released {
        n_packs: 0,
        len_bytes: 0,
        is_supported: true,
    };
    for pack in store
        .packs
        .numbers()?
        .into_iter()
        .filter(|pack| *pack <= flushed.pack)
    {
        let spans = used.remove(&pack).unwrap_or_default();
        let len = store.packs.measure(pack)?;
        if spans.is_empty() && pack < flushed.pack {
            released.len_bytes += len;
            released.n_packs += 1;
            store.packs.remove(pack)?;
            continue;
        }
        let end = if pack < flushed.pack {
            len
        } else {
            flushed.len.min(len)
        };
        for (from, to) in gaps(&spans, end) {
            released.len_bytes += to - from;
            released.is_supported &= store.packs.release(pack, from, to - from)?;
        }
    }
    Ok(released)
}

/// Returns what lies between spans, which are in order, and behind the last up to `end`.
fn gaps(spans: &[(u64, u64)], end: u64) -> Vec<(u64, u64)> {
    let mut at = 0;
    let mut found = Vec::new();
    for (from, to) in spans.iter().copied().chain([(end, end)]) {
        if at + GAP_LEN_MIN <= from.min(end) {
            found.push((at, from.min(end)));
        }
        at = at.max(to);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_lie_between_spans_and_behind_the_last_and_short_ones_stay() {
        let far = GAP_LEN_MIN * 10;
        let spans = [(0, 10), (20, 30), (30 + GAP_LEN_MIN, far)];
        assert_eq!(
            gaps(&spans, far + GAP_LEN_MIN),
            [(30, 30 + GAP_LEN_MIN), (far, far + GAP_LEN_MIN)]
        );
        assert_eq!(gaps(&spans, far), [(30, 30 + GAP_LEN_MIN)]);
        assert_eq!(gaps(&[], GAP_LEN_MIN), [(0, GAP_LEN_MIN)]);
        // A chunk behind the end is being written.
        assert_eq!(gaps(&[(far, far + 5)], GAP_LEN_MIN), [(0, GAP_LEN_MIN)]);
        assert_eq!(gaps(&[(0, 9), (far, far + 5)], GAP_LEN_MIN), []);
    }
}
