//! The account of all contents that there ever were in a simulated world. A content may only be gone if a person took it
//! away where it was, before it had reached the server, or if a power cut took it before that and before it was durable.

use crate::sim::disk::Shown;
use std::collections::{BTreeMap, BTreeSet};
use sync_engine::Hash;
use tui_client::chunker::Chunker;

/// See the module's page.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Contents that must be somewhere, with where they were seen first.
    owed: BTreeMap<Hash, String>,
    /// Those that a device has said to be on the server.
    acknowledged: BTreeSet<Hash>,
    /// All that people ever wrote.
    written: BTreeSet<Hash>,
    /// What losses of power made of it.
    torn: BTreeSet<Hash>,
}

/// The contents of a folder's files.
pub(super) fn contents(tree: &BTreeMap<Vec<u8>, Shown>) -> BTreeSet<Hash> {
    tree.values()
        .filter_map(|shown| match shown {
            Shown::File { bytes, .. } => Some(name_of(bytes)),
            Shown::Dir { .. } | Shown::Symlink(_) | Shown::Pipe => None,
        })
        .collect()
}

/// The files of a folder, each with the beginning of its content's name.
pub(super) fn shown(tree: &BTreeMap<Vec<u8>, Shown>) -> String {
    let files = tree.iter().filter_map(|(path, shown)| match shown {
        Shown::File { bytes, .. } => {
            let content = name_of(bytes).to_string();
            Some(format!("{}={:.4}", String::from_utf8_lossy(path), content))
        }
        Shown::Dir { .. } | Shown::Symlink(_) | Shown::Pipe => None,
    });
    files.collect::<Vec<_>>().join(" ")
}

/// The name that a content has in an account.
pub(super) fn name_of(bytes: &[u8]) -> Hash {
    /// No file of this length has more than one chunk.
    const ONE_CHUNK_LEN: usize = 4096;
    if bytes.len() <= ONE_CHUNK_LEN {
        return Hash::of(bytes);
    }
    let chunked = Chunker::new().chunk(bytes, |_, _| ());
    chunked.map_or_else(|_| Hash::of(bytes), |chunked| chunked.content.hash)
}

impl Ledger {
    /// Somebody changed a folder, or something was lost there: what is new is owed from now on, what is gone is not, unless
    /// it was acknowledged.
    pub(super) fn changed(&mut self, before: &BTreeSet<Hash>, after: &BTreeSet<Hash>, by: &str) {
        for content in after.difference(before) {
            self.written.insert(*content);
            self.owed.entry(*content).or_insert_with(|| by.to_owned());
        }
        for content in before.difference(after) {
            if !self.acknowledged.contains(content) {
                self.owed.remove(content);
            }
        }
    }

    /// A computer has lost power, and may have lost these, which were not durable on its disk: what is nowhere now is not owed,
    /// unless it was acknowledged.
    pub(super) fn forfeited(&mut self, contents: &BTreeSet<Hash>, left: &BTreeSet<Hash>) {
        for content in contents.difference(left) {
            if !self.acknowledged.contains(content) {
                self.owed.remove(content);
            }
        }
    }

    /// Tells whether a file is shown that holds a part of what was written, but not nothing.
    pub(super) fn shows_torn(&self, shown: &str) -> bool {
        let mut torn = self.torn.iter().filter(|torn| **torn != Hash::of(b""));
        torn.any(|torn| shown.contains(&torn.to_string()))
    }

    /// These were found after a loss of power.
    pub(super) fn torn(&mut self, found: &BTreeSet<Hash>) {
        self.torn.extend(found.difference(&self.written));
    }

    /// Returns what nobody has written.
    pub(super) fn unwritten(&self, found: &BTreeSet<Hash>) -> Vec<String> {
        let unknown = found.difference(&self.written);
        let unknown = unknown.filter(|content| !self.torn.contains(*content));
        unknown.map(Hash::to_string).collect()
    }

    /// Returns what a device has said to be on the server, and is not there.
    pub(super) fn unstored(&self, on_server: &BTreeSet<Hash>) -> Vec<String> {
        let unstored = self.acknowledged.difference(on_server);
        unstored.map(|content| self.shown(content)).collect()
    }

    /// A device has said that these are on the server.
    pub(super) fn acknowledge(&mut self, contents: &BTreeSet<Hash>) {
        for content in contents {
            if self.owed.contains_key(content) {
                self.acknowledged.insert(*content);
            }
        }
    }

    /// The server's store was put back: what is neither there nor on any disk is lost with the server's blessing.
    pub(super) fn put_back(&mut self, left: &BTreeSet<Hash>, on_server: &BTreeSet<Hash>) {
        self.owed.retain(|content, _| left.contains(content));
        self.acknowledged.retain(|content| on_server.contains(content));
    }

    /// Returns what is owed and not there, with where it was seen first.
    pub(super) fn missing(&self, there: &BTreeSet<Hash>) -> Vec<String> {
        let missing = self.owed.keys().filter(|content| !there.contains(content));
        missing.map(|content| self.shown(content)).collect()
    }

    fn shown(&self, content: &Hash) -> String {
        let by = self.owed.get(content).map_or("", String::as_str);
        let is_acknowledged = self.acknowledged.contains(content);
        let known = if is_acknowledged { ", acknowledged" } else { "" };
        format!("{content} ({by}{known})")
    }
}
