//! What the eyes saw: how it enters the local tree.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use sync_engine::{Block, NodeId};

use super::Driver;
use crate::chunker::{ChunkRef, Chunked};
use crate::control::State as StateWord;
use crate::disk::RootLost;
use crate::fault::Exit;
use crate::notice::{Notice, Trouble};
use crate::observer::{Event, LocalUpdate};
use crate::state::ChunkRow;

impl Driver {
    pub(super) fn on_seen(&mut self, event: Event) {
        let busy = std::mem::take(&mut self.in_hand);
        let update = self.observer.handle(event, &self.trees, &busy);
        self.in_hand = busy;
        self.on_update(update);
    }

    fn on_update(&mut self, update: LocalUpdate) {
        let LocalUpdate {
            edits,
            blocks,
            prints,
            chunked,
            small,
            ..
        } = update;
        if !edits.is_empty() || !blocks.is_empty() {
            self.settled.disturb();
            self.pace.want();
        }
        let ids: Vec<_> = edits.iter().map(|(id, _)| *id).collect();
        if edits.iter().any(|(_, node)| node.is_none()) {
            self.removals.seen(Instant::now());
        }
        match self.trees.edit_local(edits) {
            Ok(()) => ids.iter().for_each(|id| self.touched.local(*id)),
            Err(error) => {
                tracing::error!(%error, "what was seen does not fit the local tree; the folder is looked at anew");
                self.observer.rescan();
                return;
            }
        }
        for (id, block) in blocks {
            self.touched.blocked(id);
            self.trees.set_block(id, block);
        }
        for (id, print) in prints {
            self.touched.print(id, print);
        }
        for (id, chunked) in chunked {
            self.keep_chunks(id, chunked);
        }
        for (hash, bytes) in small {
            self.going.put(hash, bytes);
        }
        // Whatever was tried with these nodes was tried with what they were before.
        ids.iter().for_each(|id| self.holds.retry(*id));
        if update.scan_finished {
            self.looked = true;
            self.pace.want();
            self.next_look = Instant::now() + self.interval;
        }
        if let Some(nodes) = update.scanned {
            self.tell(Notice::Scanning { nodes });
        }
        if let Some(token) = update.caught_up {
            self.settled.caught_up(token);
        }
        if let Some(lost) = update.root_lost {
            self.on_root_lost(&lost);
        }
        for trouble in update.notices {
            self.tell(Notice::Error(trouble));
        }
    }

    /// Keeps where the chunks of a file are.
    fn keep_chunks(&mut self, id: NodeId, chunked: Arc<Chunked>) {
        let row = |chunk: &ChunkRef| ChunkRow {
            hash: chunk.hash,
            offset: chunk.offset,
            len: chunk.len,
        };
        let rows = chunked.chunks.iter().map(row).collect();
        self.touched.chunks(id, Some(rows));
        self.chunked.insert(id, chunked);
    }

    /// A missing folder is not an empty folder: nothing that is seen of it counts any more.
    pub(super) fn on_root_lost(&mut self, lost: &RootLost) {
        self.halt(Trouble {
            what: format!(
                "the folder {} is gone or is another: {lost}",
                self.folder.display()
            ),
            done: "nothing was taken for deleted; the client does nothing until it is started again".into(),
            todo: "put the folder back (mount its disk) and start the client again".into(),
        });
    }

    /// Stops all work on the folder and on the account until the client is started anew.
    pub(super) fn halt(&mut self, trouble: Trouble) {
        if self.trouble.as_ref().is_none_or(|(_, before)| *before != trouble) {
            self.tell(Notice::Error(trouble.clone()));
        }
        self.failing.send_replace(Some(Exit::Failed));
        self.trouble = Some((StateWord::Halted, trouble));
        self.settled.disturb();
    }

    /// Notes what cannot be mended by this client.
    pub(super) fn fatal(&mut self, trouble: Trouble, exit: Exit) {
        self.tell(Notice::Error(trouble.clone()));
        self.trouble = Some((StateWord::Error, trouble));
        // Whoever ends because of this has heard the reason by then.
        self.failing.send_replace(Some(exit));
        self.settled.disturb();
    }

    /// Everything that is blocked, with the reasons, whoever found it.
    pub(super) fn all_blocked(&self) -> BTreeMap<NodeId, Block> {
        let seen = self
            .trees
            .blocked()
            .iter()
            .map(|(id, block)| (*id, block.clone()));
        let planned = self.unplaceable.iter().cloned();
        let failing = self.holds.blocked().map(|(id, block)| (id, block.clone()));
        seen.chain(planned).chain(failing).collect()
    }
}
