//! What the observer's threads find and send to the driver.

use std::collections::BTreeSet;
use std::sync::Arc;

use common::message::Attachment;
use sync_engine::observe::Moment;
use sync_engine::{Block, Name, RelPath};

use super::doubt::Doubt;
use super::explore::Inside;
use super::freshness::Glance;
use crate::chunker::Chunked;
use crate::disk::{Listing, Print, RootLost, Sight};
use crate::notice::Trouble;

/// Something that was seen. Every event has to be given to [`super::Observer::handle`], in order and each once, also
/// after an edit was refused; what is still open is counted by it.
#[derive(Debug)]
pub struct Event {
    pub(super) findings: Vec<Finding>,
    /// Since when these were looked for.
    pub(super) glance: Glance,
    /// The epochs of the work that this ends.
    pub(super) epochs: Vec<u64>,
    /// Whether it is of the thread that looks, which waits for the handling of what it found.
    pub(super) from_looker: bool,
    /// Whether everything that was seen before has been handled.
    pub(super) moment: Moment,
}

/// A part of an event.
#[derive(Debug)]
pub(super) enum Finding {
    /// A place was looked at.
    Look(Look),
    /// A directory was listed completely.
    Listing {
        /// The directory.
        dir: RelPath,
        /// What the directory was before and after.
        print: Print,
        /// What is in it.
        listing: Listing,
        /// The files whose prints are not believed.
        doubted: BTreeSet<Name>,
    },
    /// A file was read, or could not be.
    Reading {
        /// Its path.
        path: RelPath,
        /// The directory that the path led through; nothing for the root.
        parent: Option<Print>,
        /// Its bytes by name, or why there are none.
        result: Result<Reading, Block>,
    },
    /// A full walk is over.
    Walked,
    /// A full walk goes on; this many places were seen so far.
    Walking(u64),
    /// The folder is not the one that was opened.
    RootLost(RootLost),
    /// Something a person should know.
    Trouble(Trouble),
}

/// What was seen at a place.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) path: RelPath,
    pub(super) sight: Sight,
    /// The directory that the path led through; nothing for the root, whose path is checked elsewhere.
    pub(super) parent: Option<Print>,
    /// How far an equal print is believed, if it is a file.
    pub(super) doubt: Doubt,
    /// What is inside it is to be seen as well, if it is a directory.
    pub(super) deep: bool,
    /// It is a directory whose contents are about to be listed.
    pub(super) is_walked: bool,
    /// What is inside it, if it is a directory that was looked into.
    pub(super) inside: Option<Inside>,
}

/// A file that was read whole, between two equal prints.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) print: Print,
    /// It is read once more when its print can be trusted.
    pub(super) is_young: bool,
    pub(super) chunked: Arc<Chunked>,
    /// The content itself, of a small file of one chunk.
    pub(super) small: Option<Attachment>,
}
