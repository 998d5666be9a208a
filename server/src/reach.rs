//! What a content is made of: its lists and their chunks, down to the last.

use std::collections::HashSet;
use sync_engine::Hash;

use crate::damage::read_parts;
use crate::store::{AccountKey, Blobs, ChunkState, Records, StoreError};

/// What some contents of an account are made of.
#[derive(Debug, Default, Clone)]
pub(crate) struct Reach {
    /// The names of all chunks and lists, also of those that are not there.
    pub(crate) hashes: HashSet<Hash>,
    /// Lists that cannot be read, so that what they name is not known.
    pub(crate) unreadable: Vec<Hash>,
    /// Whether something of it is not there, or counts as missing without being condemned.
    pub(crate) is_lacking: bool,
}

impl Reach {
    /// Goes down from a chunk or list and adds all that it is made of.
    pub(crate) fn add(
        &mut self,
        records: &dyn Records,
        blobs: &dyn Blobs,
        account: AccountKey,
        top: Hash,
    ) -> Result<(), StoreError> {
        let mut rest = vec![top];
        while let Some(hash) = rest.pop() {
            if !self.hashes.insert(hash) {
                continue;
            }
            let row = records.chunk(account, &hash)?;
            self.is_lacking |=
                row.is_none_or(|row| matches!(row.state, ChunkState::Damaged | ChunkState::Incomplete));
            let Some(row) = row else { continue };
            if row.depth == 0 {
                continue;
            }
            match read_parts(blobs, account, &row) {
                Some(parts) => rest.extend(parts.iter().map(|part| part.hash)),
                None => self.unreadable.push(hash),
            }
        }
        Ok(())
    }

    /// Returns what all contents are made of that an account ever had, but for those that were given up.
    pub(crate) fn of_history(
        records: &dyn Records,
        blobs: &dyn Blobs,
        account: AccountKey,
    ) -> Result<Self, StoreError> {
        let mut tops = HashSet::new();
        records.every_state(account, &mut |_, _, node| {
            let content = node
                .as_ref()
                .and_then(|node| node.kind.file())
                .map(|file| file.content);
            tops.extend(content.map(|content| content.hash));
        })?;
        let mut reach = Self::default();
        for top in tops {
            if !records.is_thinned(account, &top)? {
                reach.add(records, blobs, account, top)?;
            }
        }
        Ok(reach)
    }
}
