//! What the driver has to do after an event.

use std::sync::Arc;

use common::message::Attachment;
use sync_engine::{Block, Node, NodeId};

use crate::chunker::Chunked;
use crate::disk::{Print, RootLost};
use crate::notice::Trouble;

/// What an event changed.
///
/// Law: `edits` can be given to `Trees::edit_local` as they are, if the trees are those that were handed to
/// [`super::Observer::handle`]; edits, blocks and prints belong into one transaction of the driver's memory.
#[derive(Debug, Default)]
pub struct LocalUpdate {
    /// Edits of the local tree.
    pub edits: Vec<(NodeId, Option<Arc<Node>>)>,
    /// Blocks that are set or lifted.
    pub blocks: Vec<(NodeId, Option<Block>)>,
    /// The modes of nodes among `edits` that are gone.
    pub left_modes: Vec<(NodeId, u32)>,
    /// Prints to remember or to forget.
    pub prints: Vec<(NodeId, Option<Print>)>,
    /// Nodes among `edits` that a crash of the computer has taken away; nobody removed them.
    pub lost: Vec<NodeId>,
    /// Files among `edits` whose bytes came about in a crash; nobody edited them.
    pub spoiled: Vec<NodeId>,
    /// The pieces of files with new bytes of more than one chunk.
    pub chunked: Vec<(NodeId, Arc<Chunked>)>,
    /// The new contents of files that are small enough to travel inside a commit.
    pub small: Vec<Attachment>,
    /// A full walk is over: all of the folder was looked at, though files may still wait to be read.
    pub scan_finished: bool,
    /// A full walk goes on; this many places were seen so far.
    pub scanned: Option<u64>,
    /// All that was written before [`super::Observer::sync`] gave this token is in the local tree. It stands for all
    /// tokens before it.
    pub caught_up: Option<u64>,
    /// The folder is gone or another: the driver halts, and believes nothing more of the disk.
    pub root_lost: Option<RootLost>,
    /// What a person should know.
    pub notices: Vec<Trouble>,
}

impl LocalUpdate {
    /// Tells whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
            && self.blocks.is_empty()
            && self.prints.is_empty()
            && !self.scan_finished
            && self.scanned.is_none()
            && self.caught_up.is_none()
            && self.root_lost.is_none()
            && self.notices.is_empty()
    }
}
