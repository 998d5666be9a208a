//! What a time stamp cannot tell. Stamps are only so fine: a file that is written again within one tick of them keeps an
//! equal print. So an equal print is doubted while it is young when somebody is said to have written the file, and a
//! file whose bytes turn out to be others under an equal print is read in any case.

use std::collections::BTreeSet;
use std::time::SystemTime;

use sync_engine::{Bug, NodeId, RelPath, planted};

use super::Observer;
use super::known::Known;
use super::settle::Urgency;
use crate::disk::Print;

/// How far an equal print of a file is believed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Doubt {
    /// Wholly.
    #[default]
    None,
    /// Unless it is one that the driver has put there within the tick of its stamps: the file was spoken of, however late.
    IfUnproven,
    /// Unless the file has moved: it was young when it was seen, and what was said of it where it was before may not have
    /// been looked into.
    IfMoved,
    /// Unless it was young when the file was spoken of.
    IfYoung,
    /// Not at all: the file is read.
    Full,
}

impl Doubt {
    /// Returns what is left of a doubt once a file's print is seen. The times are those when the file was spoken of first,
    /// by all clocks that its stamps may come from.
    pub(super) fn at(self, print: &Print, mut times: impl Iterator<Item = SystemTime>) -> Self {
        match self {
            Self::Full => Self::Full,
            Self::None | Self::IfUnproven | Self::IfMoved | Self::IfYoung
                if times.all(|time| print.young_for(time).is_none()) =>
            {
                match self {
                    Self::IfYoung => Self::IfUnproven,
                    // It was young when it was seen first.
                    Self::None | Self::IfUnproven | Self::IfMoved | Self::Full => self,
                }
            }
            Self::None | Self::IfUnproven | Self::IfMoved => Self::IfMoved,
            Self::IfYoung => Self::Full,
        }
    }

    /// Returns how far the print of a file is believed that a walk has met at these times. What was written just then may
    /// have been written again: the file, or another that took its place and number.
    pub(super) fn at_walk(print: &Print, mut times: impl Iterator<Item = SystemTime>) -> Self {
        match times.any(|time| print.is_of(time)) && !planted(Bug::YoungWalkBelieved) {
            true => Self::Full,
            false => Self::None,
        }
    }
}

/// What is not believed of what is known.
#[derive(Debug, Default)]
pub(super) struct Doubted {
    /// The nodes whose files are to be read although their prints are equal.
    unread: BTreeSet<NodeId>,
    /// The nodes that a crash of the computer may have taken away or spoiled, until they are seen.
    suspects: BTreeSet<NodeId>,
    /// When the computer had surely crashed, and no later than that, until all was looked at.
    crashed_before: Option<SystemTime>,
    /// The nodes whose files the driver has put there within the tick of their stamps, and that were not read since: what
    /// is written to one within that tick leaves no other stamp.
    unproven: BTreeSet<NodeId>,
}

impl Doubted {
    /// Doubts what was known when the client last ran.
    pub(super) fn at_start(
        unsure: BTreeSet<NodeId>,
        suspects: BTreeSet<NodeId>,
        crashed_before: Option<SystemTime>,
    ) -> Self {
        Self {
            unread: unsure,
            suspects,
            crashed_before,
            unproven: BTreeSet::new(),
        }
    }

    /// Tells whether there is a file that is to be read although its print may be equal.
    pub(super) fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// Tells whether a crash may have taken a node away or spoiled it.
    pub(super) fn is_suspect(&self, id: NodeId) -> bool {
        self.suspects.contains(&id)
    }

    /// Tells whether a file may be as a crash of the computer has left it: it is a suspect, or has not been changed since.
    pub(super) fn is_left_by_crash(&self, id: NodeId, print: &Print) -> bool {
        let is_before = |time| !print.is_changed_after(time);
        self.is_suspect(id) || self.crashed_before.is_some_and(is_before)
    }

    /// Tells whether an equal print of a node proves nothing.
    pub(super) fn contains(&self, id: NodeId) -> bool {
        self.unread.contains(&id)
    }

    /// Doubts the prints of those nodes that a file may be, and that it is equal to.
    pub(super) fn doubt(&mut self, ids: impl Iterator<Item = NodeId>, print: &Print, known: &Known) {
        let is_equal = |id: &NodeId| known.get(*id).is_some_and(|known| known.same_file_state(print));
        self.unread.extend(ids.filter(is_equal));
    }

    /// Notes whether the driver has put a node's file there within the tick of its stamps.
    pub(super) fn put(&mut self, id: NodeId, is_unproven: bool) {
        match is_unproven {
            true => self.unproven.insert(id),
            false => self.unproven.remove(&id),
        };
    }

    /// Tells whether the driver has put a node's file there within the tick of its stamps, and it was not read since.
    pub(super) fn is_unproven(&self, id: NodeId) -> bool {
        self.unproven.contains(&id)
    }

    /// Doubts the print of a node of which somebody has spoken, if it may hide what was written.
    pub(super) fn doubt_unproven(&mut self, id: NodeId) {
        if self.unproven.remove(&id) {
            self.unread.insert(id);
        }
    }

    /// Says that a node's file is to be read, wherever it is by then.
    pub(super) fn expect_reading(&mut self, id: NodeId) {
        self.unread.insert(id);
    }

    /// Says that a node's file cannot be read; it is read in any case once it can be.
    pub(super) fn cannot_read(&mut self, id: NodeId) {
        self.unread.remove(&id);
    }

    /// Lets what is doubted of a node follow it to another id.
    pub(super) fn follow(&mut self, from: NodeId, to: NodeId) {
        for doubted in [&mut self.unread, &mut self.suspects, &mut self.unproven] {
            if doubted.remove(&from) && !planted(Bug::DoubtLeftBehind) {
                doubted.insert(to);
            }
        }
    }

    /// Says that a node was seen, and read if it is a file, or is no more.
    pub(super) fn settle(&mut self, id: NodeId) {
        self.unread.remove(&id);
        self.suspects.remove(&id);
        self.unproven.remove(&id);
    }
}

impl Observer {
    /// Looks at a node's file anew and reads it, although its print may be equal: its bytes were found to be others.
    pub fn reread(&mut self, id: NodeId, path: &RelPath) {
        self.doubted.unread.insert(id);
        self.queue.hint(path.clone(), Urgency::Now, None);
    }

    /// Takes what is missing or spoiled from now on for the work of people: all of the folder was looked at.
    pub fn trust(&mut self) {
        self.doubted.suspects.clear();
        self.doubted.crashed_before = None;
    }
}
