//! What a power cut or an end of the client may have undone. A print stands for bytes that somebody wrote, and maybe
//! nobody flushed: then they may be others after a power cut, under the same stamps. So each print is saved with a
//! number, the file system is flushed now and then, and it is noted up to which number all is firm. After another start
//! of the computer the files whose prints are not firm are read again, and what is missing or spoiled among them is not
//! taken for anybody's work.
//!
//! And a print proves nothing while its stamps are young: the file may be written once more under the same ones. As long
//! as the client runs it is told of that. So it is also noted up to which number all prints have been proven since, and
//! after any end of the client the files of the others are read again.

use std::collections::VecDeque;
use std::time::Duration;

use common::offload;
use sync_engine::{Bug, NodeId, planted};
use tokio::time::Instant;

use super::Driver;
use super::transfers::Transferred;
use super::views::path_of;
use crate::disk::{Print, Root};
use crate::notice::{Notice, Trouble};
use crate::observer::Remembered;
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
    proven: u64,
    /// The numbers that are not proven yet, with the time when their prints have ceased to be young.
    unproven: VecDeque<(u64, Instant)>,
    /// When the prints noted since the last number have ceased to be young.
    young_until: Option<Instant>,
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

impl Firmness {
    /// Begins with the prints that were remembered and their numbers. `is_flushed` tells whether the file system was
    /// flushed since this run began.
    #[must_use]
    pub fn begin(
        numbered: impl Iterator<Item = (NodeId, Print, u64)>,
        facts: &Facts,
        boot: Option<String>,
        is_flushed: bool,
    ) -> (Self, Remembered) {
        let is_same_start = boot.is_some() && boot == facts.boot;
        let was_restarted = boot.is_some() && facts.boot.is_some() && !is_same_start;
        let is_soft = |number: u64| !is_same_start && facts.firm < number;
        // The prints with the last numbers may be gone; no other may get those, and count as firm or proven by that.
        let mut last = facts.firm.max(facts.proven);
        let mut remembered = Remembered {
            is_after_crash: was_restarted && !facts.has_ended,
            ..Remembered::default()
        };
        for (id, print, number) in numbered {
            last = last.max(number);
            if is_soft(number) || facts.proven < number {
                remembered.unsure.insert(id);
            }
            if was_restarted && is_soft(number) {
                remembered.suspects.insert(id);
            }
            remembered.prints.push((id, print));
        }
        let firm = if is_flushed { last } else { facts.firm };
        let firmness = Self {
            number: last + 1,
            boot: facts.boot.clone(),
            firm: facts.firm,
            proven: facts.proven,
            unproven: VecDeque::from([(last, Instant::now())]),
            young_until: None,
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

    /// Enters what is saved with the facts.
    pub(super) fn enter(&self, facts: &mut Facts) {
        facts.boot.clone_from(&self.boot);
        (facts.firm, facts.proven) = (self.firm, self.proven);
    }

    /// Notes a print that is young for so long, which was not read but left by a step of the driver's own.
    pub(super) fn noted_young(&mut self, left: Duration) {
        self.young_until = self.young_until.max(Some(Instant::now() + left));
    }

    /// Returns the number that new prints get, which are saved now.
    pub(super) fn take_number(&mut self) -> u64 {
        let (now, number) = (Instant::now(), self.number);
        self.due.get_or_insert(now + self.delay);
        self.number += 1;
        self.unproven
            .push_back((number, self.young_until.take().unwrap_or(now)));
        number
    }

    /// Notes that no file is doubted. Returns whether that proves prints that were not proven before.
    pub(super) fn prove(&mut self) -> bool {
        let (now, before) = (Instant::now(), self.proven);
        let is_old = |until: Instant| until <= now || planted(Bug::ProvenYoung);
        while let Some((number, _)) = self.unproven.front().filter(|(_, until)| is_old(*until)) {
            self.proven = *number;
            self.unproven.pop_front();
        }
        self.proven != before
    }

    /// When there may be something to prove.
    pub(super) fn proof_due(&self) -> Option<Instant> {
        self.unproven.front().map(|(_, until)| *until)
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
            self.firmness.due = Some(Instant::now() + self.firmness.delay);
            return;
        }
        match &mut self.firmness.settled {
            Some(settled) => settled.firm = number,
            None => self.firmness.firm = number,
        }
        self.facts_changed = true;
    }

    /// Proves what can be proven.
    pub(super) fn prove(&mut self) {
        if !self.observer.doubts() && self.firmness.prove() {
            self.facts_changed = true;
        }
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
    pub(super) fn undo_mishaps(&mut self, lost: &[NodeId], spoiled: &[NodeId]) {
        let mut undone: Vec<NodeId> = lost.iter().copied().filter(|id| self.session.lost(*id)).collect();
        undone.extend(spoiled.iter().filter(|id| self.session.spoiled(**id)));
        self.tell_undone(&undone);
    }

    /// Undoes what a crash did to files that only the account knows to have been sent.
    pub(super) fn undo_unheard(&mut self) {
        let undone = self.session.take_spoiled();
        self.tell_undone(&undone);
    }

    fn tell_undone(&mut self, undone: &[NodeId]) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_new_print_gets_a_number_that_counts_as_firm_or_proven() {
        for (firm, proven) in [(3, 9), (9, 3)] {
            let facts = Facts {
                firm,
                proven,
                ..Facts::default()
            };
            let (mut firmness, _) = Firmness::begin(std::iter::empty(), &facts, None, true);
            assert!(9 < firmness.take_number());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_print_is_proven_only_when_its_stamps_have_ceased_to_be_young() {
        let (mut firmness, _) = Firmness::begin(std::iter::empty(), &Facts::default(), None, true);
        firmness.prove();
        let young = Duration::from_secs(2);
        firmness.noted_young(young);
        firmness.take_number();
        assert!(!firmness.prove());
        assert_eq!(firmness.proof_due(), Some(Instant::now() + young));
        tokio::time::advance(young).await;
        assert!(firmness.prove());
    }
}
