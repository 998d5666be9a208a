//! What a time stamp cannot tell. Stamps are only so fine: a file that is written again within one tick of them keeps an
//! equal print. So an equal print is doubted while it is young when somebody is said to have written the file, and a
//! file whose bytes turn out to be others under an equal print is read in any case.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sync_engine::{Bug, NodeId, RelPath, Tree, planted};
use tokio::time::Instant;

use super::Observer;
use super::known::Known;
use super::settle::Urgency;
use crate::disk::Print;

/// Time stamps of common disks are no finer than the system's tick; this is longer than any.
const GRANULARITY: Duration = Duration::from_millis(20);
/// A stamp of whole seconds is of a disk that may know only every second one.
const GRANULARITY_COARSE: Duration = Duration::from_millis(2010);

/// How far an equal print of a file is believed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Doubt {
    /// Wholly.
    #[default]
    None,
    /// Unless the file, or a directory above it, has moved: it was young when it was seen, and what was said of it where
    /// it was before may not have been looked into.
    IfMoved,
    /// Unless it was young when the file was spoken of.
    IfYoung,
    /// Not at all: the file is read.
    Full,
}

impl Doubt {
    /// Returns what is left of a doubt once a file's print is seen. `since` is when the file was spoken of first.
    pub(super) fn at(self, print: &Print, now: SystemTime, since: Instant) -> Self {
        let then = now.checked_sub(since.elapsed()).unwrap_or(UNIX_EPOCH);
        match self {
            Self::Full => Self::Full,
            Self::None | Self::IfMoved | Self::IfYoung if youth(print, then).is_none() => Self::None,
            Self::None | Self::IfMoved => Self::IfMoved,
            Self::IfYoung => Self::Full,
        }
    }
}

/// What is not believed of what is known.
#[derive(Debug, Default)]
pub(super) struct Doubted {
    /// The nodes whose files are to be read although their prints are equal.
    unread: BTreeSet<NodeId>,
    /// The directories that were found at another place, until what is inside them has been seen there.
    moved: BTreeSet<NodeId>,
    /// The nodes that a crash of the computer may have taken away or spoiled, until they are seen.
    suspects: BTreeSet<NodeId>,
}

impl Doubted {
    /// Doubts what was known when the client last ran.
    pub(super) fn at_start(unsure: BTreeSet<NodeId>, was_restarted: bool) -> Self {
        let suspects = if was_restarted {
            unsure.clone()
        } else {
            BTreeSet::new()
        };
        Self {
            unread: unsure,
            moved: BTreeSet::new(),
            suspects,
        }
    }

    /// Tells whether a crash may have taken a node away or spoiled it.
    pub(super) fn is_suspect(&self, id: NodeId) -> bool {
        self.suspects.contains(&id)
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

    /// Says that a node's file is to be read, wherever it is by then.
    pub(super) fn expect_reading(&mut self, id: NodeId) {
        self.unread.insert(id);
    }

    /// Says that a directory was found at another place.
    pub(super) fn found_moved(&mut self, id: NodeId) {
        self.moved.insert(id);
    }

    /// Tells whether a directory, or one above it, was found at another place and may not have been seen there wholly.
    pub(super) fn has_moved(&self, local: &Tree, id: NodeId) -> bool {
        !self.moved.is_empty()
            && std::iter::once(id)
                .chain(local.ancestors(id))
                .any(|id| self.moved.contains(&id))
    }

    /// Says that all that was to be seen has been.
    pub(super) fn caught_up(&mut self) {
        self.moved.clear();
    }

    /// Says that a node was seen, and read if it is a file, or is no more.
    pub(super) fn settle(&mut self, id: NodeId) {
        self.unread.remove(&id);
        self.suspects.remove(&id);
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
    }
}

/// Returns how long it takes until a print's stamps can be trusted; nothing when they can. A stamp of the future is
/// as young as one of now.
pub(super) fn youth(print: &Print, now: SystemTime) -> Option<Duration> {
    const SECOND_NS: i64 = 1_000_000_000;
    let now_ns = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_nanos() as i128);
    let stamp_ns = print.mtime_ns.max(print.ctime_ns);
    let coarse = print.mtime_ns % SECOND_NS == 0 && print.ctime_ns % SECOND_NS == 0;
    let granularity = if coarse { GRANULARITY_COARSE } else { GRANULARITY };
    let age_ns = now_ns - i128::from(stamp_ns);
    let age = Duration::from_nanos(u64::try_from(age_ns.max(0)).unwrap_or(u64::MAX));
    let left = granularity.checked_sub(age);
    left.filter(|left| !left.is_zero() && !planted(Bug::YoungStampTrusted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(mtime_ns: i64) -> Print {
        Print {
            device: 0,
            inode: 1,
            birth_ns: 1,
            size_bytes: 0,
            mtime_ns,
            ctime_ns: mtime_ns,
            mode: 0o644,
            links: 1,
        }
    }

    #[test]
    fn a_print_is_trusted_once_the_clock_of_the_disk_has_moved_on() {
        let now = UNIX_EPOCH + Duration::from_nanos(5_000_000_001);
        assert_eq!(youth(&print(4_000_000_001), now), None);
        assert_eq!(youth(&print(4_999_000_001), now), Some(Duration::from_millis(19)));
        assert_eq!(youth(&print(9_000_000_001), now), Some(GRANULARITY));
        assert_eq!(
            youth(&print(4_000_000_000), now),
            Some(GRANULARITY_COARSE - Duration::from_nanos(1_000_000_001))
        );
    }
}
