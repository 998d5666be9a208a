//! A file's bytes out of the store: its chunks in order, by its lists, each verified.

use common::list::decode_list;
use std::borrow::Cow;
use std::io::Write;
use sync_engine::{Content, Hash};

use crate::chunk::{decode, is_whole};
use crate::store::{AccountKey, Blobs, ChunkRow, Metadata, Records, Store, StoreError};

/// Writes the bytes of a content.
pub(crate) fn write_content(
    store: &Store,
    account: AccountKey,
    content: &Content,
    to: &mut dyn Write,
) -> Result<(), StoreError> {
    if content.size_bytes == 0 {
        return Ok(());
    }
    store.metadata.read(|records| {
        if !records.has_content(account, content)? && records.is_thinned(account, &content.hash)? {
            return Err(StoreError::GivenUp {
                what: "this version".into(),
            });
        }
        // What is still to be written, the next last: a list is replaced by what it names.
        let mut rest = vec![(content.hash, content.depth, content.size_bytes)];
        while let Some((hash, depth, len_bytes)) = rest.pop() {
            let plain = read_plain(store, records, account, &hash, depth)?;
            if depth == 0 {
                to.write_all(&plain).map_err(|source| StoreError::File {
                    deed: "written",
                    path: "the file".into(),
                    source,
                })?;
                continue;
            }
            let parts = decode_list(&plain, depth, len_bytes).map_err(|_| damaged(&hash))?;
            rest.extend(
                parts
                    .iter()
                    .rev()
                    .map(|part| (part.hash, depth - 1, part.len_bytes)),
            );
        }
        Ok(())
    })
}

fn read_plain(
    store: &Store,
    records: &dyn Records,
    account: AccountKey,
    hash: &Hash,
    depth: u8,
) -> Result<Vec<u8>, StoreError> {
    let row = records
        .chunk(account, hash)?
        .filter(|row| row.depth == depth)
        .ok_or_else(|| damaged(hash))?;
    let stored = store.packs.read(account, hash, row.place)?;
    whole(&row, &stored).ok_or_else(|| damaged(hash))
}

fn whole(row: &ChunkRow, stored: &[u8]) -> Option<Vec<u8>> {
    if is_whole(row, stored) {
        decode(row.encoding, row.plain_len, stored).map(Cow::into_owned)
    } else {
        None
    }
}

fn damaged(hash: &Hash) -> StoreError {
    StoreError::Damaged {
        what: format!("chunk {hash}"),
    }
}
