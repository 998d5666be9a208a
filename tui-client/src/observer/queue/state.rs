//! What is open in the queue, and which of it comes first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use sync_engine::RelPath;
use sync_engine::observe::Moment;
use tokio::time::Instant;

use super::super::doubt::Doubt;
use super::super::jobs::Jobs;
use super::super::ledger::Ledger;
use super::super::settle::{Due, Hints, Urgency};
use super::super::watch::WatchTrouble;

/// More hints than this become a full walk.
const HINTS_MAX: usize = 65_536;
/// While more files than this wait to be read, no further directory is walked.
pub(super) const JOBS_MAX: usize = 8192;
/// So many absences are looked at together at most.
const LATE_COUNT_MAX: usize = 16_384;
/// While new absences come in, those that are due wait for them this long.
const LATE_PATIENCE: Duration = Duration::from_millis(100);
/// Absences that have waited for so long are looked at together with whatever keeps coming in.
const LATE_HUNGER: Duration = Duration::from_secs(1);
/// After a look at hints the next waits this long: a burst of them is looked at in a few looks.
const REST: Duration = Duration::from_millis(3);

/// What is to be made sure before a directory is walked; the second does what the first does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Approach {
    /// Nothing: that was done for a directory above.
    Plain,
    /// That the watcher has caught up with the directory's creation.
    Barrier,
}

/// What the worker that looks is to do next.
#[derive(Debug)]
pub(in super::super) enum Task {
    /// Look at these, and judge them together. Absent ones of `late` are believed, and deep ones looked into.
    Look {
        /// The paths.
        due: Vec<Due>,
        /// Whether an absence is believed.
        late: bool,
        /// Whether everything that was seen before has been handled.
        moment: Moment,
    },
    /// List a directory and go on with those inside it.
    Walk {
        /// The directory.
        dir: RelPath,
        /// Its epoch.
        epoch: u64,
        /// What is to be made sure first.
        approach: Approach,
    },
    /// Begin a full walk.
    Rescan {
        /// Its epoch.
        epoch: u64,
    },
    /// A full walk is over.
    Walked {
        /// Its epoch.
        epoch: u64,
    },
    /// Make the file that proves that the watcher has caught up.
    Cookie {
        /// Its token.
        token: u64,
    },
    /// A token is owed: say so.
    CaughtUp,
}

#[derive(Debug, Default)]
pub(in super::super) struct State {
    pub(in super::super) hints: Hints,
    pub(in super::super) late: Hints,
    pub(super) groups: VecDeque<(Vec<RelPath>, u64)>,
    /// The directories that are to be walked. A directory comes before what is inside it, so that however many inside it
    /// were asked for, all of it is walked once.
    walks: BTreeMap<RelPath, (u64, Approach)>,
    /// When the watch was last known to have dealt with all that it had told.
    barrier: Option<Instant>,
    pub(super) rescan: Option<u64>,
    pub(super) walking: Option<u64>,
    pub(super) jobs: Jobs,
    pub(in super::super) ledger: Ledger,
    /// Whether hints were taken and what comes of that was not sent yet.
    pub(super) is_looking: bool,
    /// Events of the looking worker that the driver has not handled yet.
    pub(super) unhandled: usize,
    pub(super) cookies: VecDeque<u64>,
    /// Tokens whose file is written, with the time when that was.
    pub(in super::super) baked: BTreeMap<u64, Instant>,
    pub(super) nudged: bool,
    /// Since when hints have been missed that no full walk has made good.
    pub(super) missed: Option<Instant>,
    /// Whether the watch has lost events: it may know neither which directories there are nor where.
    pub(super) has_overflowed: bool,
    /// Directories that could not be watched when they were first seen.
    pub(super) unwatchable: BTreeSet<RelPath>,
    /// What went wrong with the watch and was not told yet.
    pub(super) trouble: Option<WatchTrouble>,
    /// Hints are not looked at before this time.
    pub(super) rest_until: Option<Instant>,
    /// Until when the looking worker waits if nothing rings, while it does.
    pub(super) waits: Option<Wait>,
    pub(super) stopped: bool,
}

/// Until when a worker waits; nothing if only its bell wakes it.
type Wait = Option<Instant>;

impl State {
    /// Adds a hint; too many become a full walk. Returns whether the worker that looks has to be woken for it.
    pub(super) fn hint(
        &mut self,
        path: RelPath,
        (urgency, mut doubt): (Urgency, Doubt),
        now: Instant,
        epoch: u64,
    ) -> bool {
        if urgency == Urgency::Fresh && self.late.has(&path) {
            // What was here is gone, and may have left its number and stamps to what has come.
            doubt = doubt.max(Doubt::IfYoung);
        }
        let before = self.hints.push(path, (urgency, doubt), now, epoch);
        self.ledger.reopen(epoch, before);
        if HINTS_MAX < self.hints.len() {
            let epochs = self.hints.clear();
            self.want_rescan(epochs.iter().copied().min().unwrap_or(epoch));
            epochs.into_iter().for_each(|epoch| self.ledger.close(epoch));
            return true;
        }
        let Some(until) = self.waits else { return false };
        let due = self.hints_due();
        let is_earlier = due.is_some_and(|due| until.is_none_or(|until| due < until));
        if is_earlier {
            // It is woken once.
            self.waits = None;
        }
        is_earlier
    }

    /// Adds a directory that is to be walked, unless it waits already; the earlier epoch counts then, and the greater care.
    pub(super) fn walk(&mut self, dir: RelPath, epoch: u64, approach: Approach) {
        let before = self.walks.get(&dir).map(|(before, _)| *before);
        self.ledger.reopen(epoch, before);
        let walk = self.walks.entry(dir).or_insert((epoch, approach));
        *walk = (walk.0.min(epoch), walk.1.max(approach));
    }

    /// Notes that a barrier begins.
    pub(super) fn pass_barrier(&mut self, now: Instant) {
        self.barrier = Some(now);
        for (_, approach) in self.walks.values_mut() {
            if *approach == Approach::Barrier {
                *approach = Approach::Plain;
            }
        }
    }

    /// Notes that a directory was listed, and those inside it are to be walked. What was said of it before the barrier
    /// needs no other walk.
    pub(super) fn listed(&mut self, dir: &RelPath) {
        if let Some(barrier) = self.barrier {
            self.hints.is_walked(dir, barrier);
        }
    }

    /// Lets hints gather for a while.
    pub(super) fn rest(&mut self, now: Instant, delay: Duration) {
        self.rest_until = self.rest_until.max(Some(now + delay));
    }

    /// Returns when hints are to be looked at.
    fn hints_due(&self) -> Option<Instant> {
        let due = self.hints.next_due()?;
        Some(self.rest_until.map_or(due, |until| due.max(until)))
    }

    /// Tells whether there are hints that only gather still.
    fn is_resting(&self, now: Instant) -> bool {
        self.hints.next_due().is_some_and(|due| due <= now)
            && self.rest_until.is_some_and(|until| now < until)
    }

    /// Asks for a full walk.
    pub(super) fn want_rescan(&mut self, epoch: u64) {
        self.ledger.reopen(epoch, self.rescan);
        self.rescan = Some(self.rescan.map_or(epoch, |before| before.min(epoch)));
    }

    /// Tells whether nothing is to be looked at or read.
    pub(in super::super) fn is_idle(&self) -> bool {
        self.ledger.is_idle() && self.unhandled == 0
    }

    /// Takes the next task of the worker that looks.
    pub(super) fn next_task(&mut self, now: Instant, count_max: usize) -> Option<Task> {
        if let Some(token) = self.cookies.pop_front() {
            self.baked.insert(token, now);
            return Some(Task::Cookie { token });
        }
        if self.ledger.is_ready() && self.unhandled == 0 && !self.nudged {
            self.nudged = true;
            return Some(Task::CaughtUp);
        }
        if self.is_hungry(now) {
            return self.next_walk().or_else(|| self.next_meal(now));
        }
        if let Some(group) = self.groups.pop_front() {
            return Some(Task::Look {
                due: Due::all_of(group, now).collect(),
                late: true,
                moment: Moment::Fleeting,
            });
        }
        if self.is_resting(now) {
            // They come before whatever is believed to be absent.
            return self.next_walk();
        }
        let due = self.hints.take_due(now, count_max);
        if !due.is_empty() {
            self.rest(now, REST);
            let moment = Moment::Fleeting;
            return Some(Task::Look {
                due,
                late: false,
                moment,
            });
        }
        self.next_walk().or_else(|| self.next_late(now))
    }

    fn next_walk(&mut self) -> Option<Task> {
        if self.jobs.len() <= JOBS_MAX
            && let Some((dir, (epoch, approach))) = self.walks.pop_first()
        {
            return Some(Task::Walk { dir, epoch, approach });
        }
        if self.walks.is_empty() && self.walking.is_none() {
            let epoch = self.rescan.take()?;
            self.walking = Some(epoch);
            return Some(Task::Rescan { epoch });
        }
        None
    }

    /// Absences are believed only when everything that was seen before has been judged.
    fn next_late(&mut self, now: Instant) -> Option<Task> {
        if self.unhandled > 0 || !self.walks.is_empty() || !self.groups.is_empty() {
            return None;
        }
        // They hang together, so they are looked at together; only a flood of them is cut up.
        let is_overdue = self.late.next_due().is_some_and(|due| due + LATE_PATIENCE <= now);
        if !is_overdue && self.late.last_due().is_some_and(|due| now < due) {
            return None;
        }
        let due = self.late.take_due(now, LATE_COUNT_MAX);
        if !due.is_empty() {
            let moment = Moment::Settled;
            return Some(Task::Look {
                due,
                late: true,
                moment,
            });
        }
        if self.late.len() == 0 {
            return self.walking.take().map(|epoch| Task::Walked { epoch });
        }
        None
    }

    /// Tells whether absences have waited for too long: places that are judged over and over, each for another's sake,
    /// would keep them waiting for ever.
    fn is_hungry(&self, now: Instant) -> bool {
        self.late.next_due().is_some_and(|due| due + LATE_HUNGER <= now)
    }

    /// Takes all that is to be looked at, once everything that was seen before has been judged: what hangs together is
    /// among it, whoever asked for it.
    fn next_meal(&mut self, now: Instant) -> Option<Task> {
        if self.unhandled > 0 || !self.walks.is_empty() {
            return None;
        }
        let groups: Vec<_> = self.groups.drain(..).collect();
        let mut due: Vec<Due> = groups
            .into_iter()
            .flat_map(|group| Due::all_of(group, now))
            .collect();
        due.extend(self.hints.take_due(now, LATE_COUNT_MAX));
        // What is to be looked into comes last, and so counts.
        due.extend(self.late.take_due(now, LATE_COUNT_MAX));
        Some(Task::Look {
            due,
            late: true,
            moment: Moment::Settled,
        })
    }

    /// Returns when there is a task unless something new comes.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        if self.is_hungry(now) {
            // It waits for nothing but what others do, who ring then.
            return None;
        }
        let overdue = self.late.next_due().map(|due| due + LATE_PATIENCE);
        let late = overdue
            .min(self.late.last_due())
            .filter(|_| self.unhandled == 0 && self.walks.is_empty() && !self.is_resting(now));
        self.hints_due().into_iter().chain(late).min()
    }
}
