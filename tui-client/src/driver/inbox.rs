//! What the eyes saw: how it enters the local tree.

use std::sync::Arc;

use sync_engine::NodeId;
use tokio::time::Instant;

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
        let update = self
            .observer
            .handle(event, self.session.trees(), self.session.in_hand());
        self.on_update(update);
    }

    fn on_update(&mut self, update: LocalUpdate) {
        let LocalUpdate {
            edits,
            blocks,
            prints,
            left_modes,
            lost,
            spoiled,
            chunked,
            small,
            ..
        } = update;
        for (id, mode) in left_modes {
            if !self.root.is_usual(mode)
                && let Some(path) = self.trees().local().path(id)
            {
                self.root.remember_bits(&path, mode);
            }
        }
        let now = self.now();
        if let Err(error) = self.session.observed(edits, blocks, now) {
            tracing::error!(%error, "what was seen does not fit the local tree; the folder is looked at anew");
            self.observer.rescan();
            return;
        }
        self.undo_mishaps(&lost, &spoiled);
        for (id, print) in prints {
            self.touched.print(id, print);
        }
        for (id, chunked) in chunked {
            self.keep_chunks(id, chunked);
        }
        for attachment in small {
            let len = attachment.bytes.len();
            self.going.put(attachment.head.hash, attachment, len);
        }
        if update.scan_finished {
            self.session.looked();
            self.firmness.looked();
            self.next_look = Instant::now() + self.interval;
        }
        if let Some(nodes) = update.scanned {
            self.tell(Notice::Scanning { nodes });
        }
        if let Some(token) = update.caught_up {
            self.session.caught_up(token);
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
        let folder = self.folder.display();
        let is_gone = format!("the folder {folder} is gone or is another: {lost}");
        let (what, todo) = match lost {
            RootLost::Gone | RootLost::Replaced | RootLost::Unreadable { .. } => (
                is_gone,
                "put the folder back (mount its disk) and start the client again",
            ),
            RootLost::MarkerMissing | RootLost::MarkerForeign => (
                is_gone,
                "put the folder back (mount its disk), or its .holdfast, and start the client again; where .holdfast is lost, \
                 join the account anew by its ID or link: nothing is deleted by that",
            ),
            RootLost::Private { .. } => (
                format!("in the folder {folder}, {lost}"),
                "see that no other client runs on the folder, and start the client again: it looks at everything anew, and \
                 deletes nothing that it does not know",
            ),
        };
        self.halt(Trouble {
            what,
            done: "nothing was taken for deleted; the client does nothing until it is started again".into(),
            todo: todo.into(),
        });
    }

    /// Stops all work on the folder and on the account until the client is started anew.
    pub(super) fn halt(&mut self, trouble: Trouble) {
        if self.trouble.as_ref().is_none_or(|(_, before)| *before != trouble) {
            self.tell(Notice::Error(trouble.clone()));
        }
        self.failing.send_replace(Some(Exit::Failed));
        self.trouble = Some((StateWord::Halted, trouble));
        self.session.halt();
    }

    /// Notes what cannot be mended by this client.
    pub(super) fn fatal(&mut self, trouble: Trouble, exit: Exit) {
        self.tell(Notice::Error(trouble.clone()));
        self.trouble = Some((StateWord::Error, trouble));
        // Whoever ends because of this has heard the reason by then.
        self.failing.send_replace(Some(exit));
        self.session.halt();
    }
}
