//! What a power cut may have undone. A print stands for bytes that somebody wrote, and maybe nobody flushed: then they
//! may be others after a power cut, under the same stamps. So each print is saved with a number, the file system is
//! flushed now and then, and it is noted up to which number all is firm. After another start of the computer the files
//! whose prints are not firm are read again, and what is missing or spoiled among them is not taken for anybody's work.

use std::collections::BTreeSet;
use std::time::Duration;

use common::offload;
use sync_engine::{Content, NodeId};
use tokio::time::Instant;

use super::Driver;
use super::transfers::Transferred;
use super::views::path_of;
use crate::disk::{Print, Root};
use crate::notice::{Notice, Trouble};
use crate::state::Facts;

/// New prints wait this long for a flush at most, unless it fails.
const FLUSH_DELAY: Duration = Duration::from_secs(30);
/// Where nothing flushes a whole file system, the system itself has written everything after this time.
const FLUSH_DELAY_UNASKED: Duration = Duration::from_secs(120);
/// So many files are named in a notice.
const NAMED_MAX: usize = 3;

/// See the module's page.
#[derive(Debug)]
pub struct Firmness {
    /// The number that prints get now.
    number: u64,
    /// What is saved with the facts.
    boot: Option<String>,
    firm: u64,
    /// What is saved when all that was in doubt at the start has been looked at.
    settled: Option<Settled>,
    has_looked: bool,
    delay: Duration,
    due: Option<Instant>,
}

#[derive(Debug)]
struct Settled {
    boot: Option<String>,
    firm: u64,
}

/// What was remembered of the disk.
#[derive(Debug, Default)]
pub struct Remembered {
    /// The prints.
    pub prints: Vec<(NodeId, Print)>,
    /// The nodes whose prints prove nothing.
    pub unsure: BTreeSet<NodeId>,
    /// Whether the computer was started anew since then.
    pub was_restarted: bool,
}

impl Firmness {
    /// Begins with the prints that were remembered and their numbers. `is_flushed` tells whether the file system was
    /// flushed since this run began.
    #[must_use]
    pub fn begin(
        numbered: &[(NodeId, Print, u64)],
        facts: &Facts,
        boot: Option<String>,
        is_flushed: bool,
    ) -> (Self, Remembered) {
        let last = numbered.iter().map(|(_, _, number)| *number).max();
        let last = last.unwrap_or(0).max(facts.firm);
        let is_same_start = boot.is_some() && boot == facts.boot;
        let is_unsure = |number: u64| !is_same_start && facts.firm < number;
        let unsure = numbered.iter().filter(|(_, _, number)| is_unsure(*number));
        let remembered = Remembered {
            unsure: unsure.map(|(id, _, _)| *id).collect(),
            prints: numbered.iter().map(|(id, print, _)| (*id, *print)).collect(),
            was_restarted: boot.is_some() && facts.boot.is_some() && !is_same_start,
        };
        let firm = if is_flushed { last } else { facts.firm };
        let firmness = Self {
            number: last + 1,
            boot: facts.boot.clone(),
            firm: facts.firm,
            settled: Some(Settled { boot, firm }),
            has_looked: false,
            delay: if is_flushed {
                FLUSH_DELAY
            } else {
                FLUSH_DELAY_UNASKED
            },
            due: None,
        };
        (firmness, remembered)
    }

    /// The number that prints get now.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The start of the computer that is saved with the facts, and the number up to which all is firm.
    pub(super) fn facts(&self) -> (Option<String>, u64) {
        (self.boot.clone(), self.firm)
    }

    /// Notes that there are new prints.
    pub(super) fn noted(&mut self) {
        self.due.get_or_insert_with(|| Instant::now() + self.delay);
    }

    /// Notes that all of the folder was looked at.
    pub(super) fn looked(&mut self) {
        self.has_looked = true;
    }

    /// When a flush is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }
}

impl Driver {
    /// Flushes the file system if that is due, beside everything else.
    pub(super) fn flush_if_due(&mut self) {
        if self.firmness.due.is_none_or(|due| Instant::now() < due) {
            return;
        }
        self.firmness.due = None;
        let number = self.firmness.number;
        // What is noted from now on may be of what this flush does not reach.
        self.firmness.number += 1;
        let (root, results): (Root, _) = (self.root.clone(), self.transfers.results());
        tokio::spawn(async move {
            let flushed = offload::run(move || root.flush_all()).await;
            if let Err(error) = &flushed {
                tracing::warn!(%error, "the file system could not be flushed");
            }
            // The driver may have ended; the next run flushes again.
            let _ = results.send(Transferred::Flushed(number, flushed.is_ok())).await;
        });
    }

    /// A flush is over.
    pub(super) fn on_flushed(&mut self, number: u64, is_done: bool) {
        if !is_done {
            return self.firmness.noted();
        }
        match &mut self.firmness.settled {
            Some(settled) => settled.firm = number,
            None => self.firmness.firm = number,
        }
        self.facts_changed = true;
    }

    /// Ends the doubts of the start when all has been looked at and read.
    pub(super) fn end_doubts(&mut self, eyes_idle: bool) {
        if !(self.firmness.has_looked && eyes_idle) {
            return;
        }
        if let Some(Settled { boot, firm }) = self.firmness.settled.take() {
            self.observer.trust();
            (self.firmness.boot, self.firmness.firm) = (boot, firm);
            self.facts_changed = true;
        }
    }

    /// Undoes what a crash of the computer did to the folder.
    pub(super) fn undo_mishaps(&mut self, lost: &[NodeId], spoiled: &[(NodeId, Content)]) {
        let mut undone: Vec<NodeId> = lost.iter().copied().filter(|id| self.session.lost(*id)).collect();
        for (id, before) in spoiled {
            if self.session.spoiled(*id, *before) {
                undone.push(*id);
            }
        }
        if undone.is_empty() {
            return;
        }
        let paths = undone.iter().filter_map(|id| path_of(self.trees(), *id));
        let named: Vec<String> = paths.take(NAMED_MAX).map(|path| path.to_string()).collect();
        let more = undone.len() - named.len();
        let others = if more == 0 {
            String::new()
        } else {
            format!(" and {more} more")
        };
        self.tell(Notice::Error(Trouble {
            what: format!(
                "the computer stopped before these were safe on its disk, and they are gone or damaged there: {}{others}",
                named.join(", ")
            ),
            done: "they are brought back as the server has them; what the disk holds instead is kept in \
                   .holdfast/stash"
                .into(),
            todo: "look at them; what was written just before the computer stopped may be missing".into(),
        }));
    }
}
