//! Files that other programs have open, looked at from time to time since the watcher is not told of all that is written to
//! them: through a memory map, or to a file that was replaced meanwhile and lies in the stash. The work is bounded by what
//! is open and what was put into the stash since; the folder is not looked through.
//!
//! The law. A file that was seen to change while it was open, or that is first seen open soon after it came or was written,
//! is read then, and once more when nobody has it open any longer, since what is written through a map may leave no other
//! trace. What was put into the stash is looked at until
//! it was looked at once when nobody had it open.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::offload;
use sync_engine::plan::conflict_name;
use sync_engine::{Name, RelPath};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Driver;
use super::applier::content_of;
use super::transfers::Transferred;
use crate::control::Answer;
use crate::disk::{Print, Root, Stashed, Writers as Open};

/// The time between two looks.
const INTERVAL: Duration = Duration::from_secs(20);
/// A file that is seen open for the first time is flushed before it is read if it is no larger, in bytes.
const FLUSHED_LEN_MAX: u64 = 64 * 1024 * 1024;

/// A file that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct File {
    print: Print,
    /// It was seen to change while it was open, and not to grow; or it may have changed within the tick of its stamps.
    is_rewritten: bool,
}

/// What a look found.
pub(super) struct Found {
    open: Open,
    rewritten: Vec<Stashed>,
}

/// What is to be done with files of the folder.
#[derive(Debug, Default, PartialEq, Eq)]
struct Looks {
    /// To be looked at.
    look: Vec<RelPath>,
    /// To be read, whatever they look like.
    reread: Vec<RelPath>,
}

/// Who waits for 'synced' and has not been entered yet, with how long he waits.
type Asked = (Option<u64>, oneshot::Sender<Answer>);

/// What is known of open files.
#[derive(Default)]
pub(super) struct Writers {
    last: Option<Instant>,
    files: BTreeMap<RelPath, File>,
    /// What in the stash is still to be looked at.
    stashed: BTreeSet<String>,
    mounts: BTreeSet<RelPath>,
    /// A look is under way, for these.
    looking: Option<Vec<Asked>>,
    /// Those who asked since it began.
    asked: Vec<Asked>,
}

impl Writers {
    /// When the next look is due.
    pub(super) fn due(&self) -> Option<Instant> {
        let due = self.last.map_or_else(Instant::now, |last| last + INTERVAL);
        self.looking.is_none().then_some(due)
    }

    /// Compares the open files with those of the look before, and with what is known of them, by a clock that shows `now`.
    fn compare(
        &mut self,
        files: BTreeMap<RelPath, Print>,
        now: SystemTime,
        known: impl Fn(&RelPath) -> Option<Print>,
    ) -> Looks {
        let mut looks = Looks::default();
        let mut before = std::mem::take(&mut self.files);
        for (path, print) in files {
            let was = before.remove(&path);
            let known = known(&path);
            let last = was.map(|was| was.print).or(known);
            let is_rewritten = last.is_some_and(|last| last != print && last.size_bytes == print.size_bytes);
            if last != Some(print) || known != Some(print) {
                looks.look.push(path.clone());
            }
            let may_hide = was.is_none() && may_hide_a_write(&print, now);
            if may_hide {
                looks.reread.push(path.clone());
            }
            let is_rewritten = is_rewritten || may_hide || was.is_some_and(|was| was.is_rewritten);
            self.files.insert(path, File { print, is_rewritten });
        }
        let closed = before.into_iter().filter(|(_, was)| was.is_rewritten);
        looks.reread.extend(closed.map(|(path, _)| path));
        looks
    }
}

/// Tells whether a file was written in the tick in which its name or mode changed last, not long ago: what is written through
/// a map within that tick leaves no other stamp.
fn may_hide_a_write(print: &Print, now: SystemTime) -> bool {
    let changed = UNIX_EPOCH + Duration::from_nanos(u64::try_from(print.ctime_ns).unwrap_or(0));
    let is_old = now.duration_since(changed).is_ok_and(|age| 2 * INTERVAL <= age);
    print.may_hide_a_write() && !is_old
}

/// Looks at what is open, and at what was put into the stash.
fn look(root: &Root, before: &BTreeMap<RelPath, Print>, stashed: &BTreeSet<String>) -> Found {
    let open = root.writers();
    for (path, print) in &open.files {
        // What grows is written by calls, of which the watcher is told.
        let is_due = match before.get(path) {
            Some(before) => before != print && before.size_bytes == print.size_bytes,
            None => print.size_bytes <= FLUSHED_LEN_MAX,
        };
        if is_due {
            root.flush_written(path);
        }
    }
    let rewritten = root.rewritten(stashed, &|file| content_of(file));
    Found { open, rewritten }
}

impl Driver {
    /// Lets somebody wait for 'synced', once it is known what is written to open files.
    pub(super) fn wait_after_look(&mut self, timeout_ms: Option<u64>, reply: oneshot::Sender<Answer>) {
        self.writers.asked.push((timeout_ms, reply));
        self.look_at_writers();
    }

    /// Looks at what is open if it is time to.
    pub(super) fn look_at_writers_if_due(&mut self) {
        if self.writers.due().is_some_and(|due| due <= Instant::now()) {
            self.look_at_writers();
        }
    }

    fn look_at_writers(&mut self) {
        let writers = &mut self.writers;
        if writers.looking.is_some() {
            return;
        }
        writers.looking = Some(std::mem::take(&mut writers.asked));
        writers.last = Some(Instant::now());
        writers.stashed.extend(self.root.take_stashed());
        let before: BTreeMap<RelPath, Print> = writers
            .files
            .iter()
            .map(|(path, file)| (path.clone(), file.print))
            .collect();
        let (root, stashed, results) = (
            self.root.clone(),
            writers.stashed.clone(),
            self.transfers.results(),
        );
        tokio::spawn(async move {
            let found = offload::run(move || look(&root, &before, &stashed)).await;
            // The driver may have ended.
            let _ = results.send(Transferred::Writers(Box::new(found))).await;
        });
    }

    /// Enters what a look found.
    pub(super) fn on_writers(&mut self, found: Found) {
        let Found { open, rewritten } = found;
        let (local, observer) = (self.session.trees().local(), &self.observer);
        let known = |path: &RelPath| observer.print(local.lookup(path)?).copied();
        let looks = self.writers.compare(open.files, self.root.now(), known);
        for path in &looks.look {
            self.observer.look(path);
        }
        for path in &looks.reread {
            match self.trees().local().lookup(path) {
                Some(id) => self.observer.reread(id, path),
                None => self.observer.look(path),
            }
        }
        for path in self.writers.mounts.symmetric_difference(&open.mounts) {
            self.observer.look(path);
        }
        self.writers.mounts = open.mounts;
        self.writers.stashed = open.stashed;
        let policy = self.policy();
        let name = |name: &Name, n| conflict_name(name, &policy.device_name, policy.date, n);
        for stashed in &rewritten {
            if !self.bring_back(stashed, &name) {
                self.writers.stashed.insert(stashed.key.clone());
            }
        }
        for (timeout_ms, reply) in self.writers.looking.take().into_iter().flatten() {
            self.wait_for_synced(timeout_ms, reply);
        }
        if !self.writers.asked.is_empty() {
            self.look_at_writers();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path() -> RelPath {
        RelPath::parse(b"f").unwrap()
    }

    fn print(mtime_ns: i64) -> Print {
        Print {
            device: 1,
            inode: 2,
            birth_ns: 3,
            size_bytes: 4,
            mtime_ns,
            ctime_ns: mtime_ns,
            mode: 0o100_644,
            links: 1,
        }
    }

    proptest! {
        /// Somebody opens a file, writes through a map, which changes the time only now and then, and closes it; it is read
        /// after each look that finds another time, and what was read last is what was written last, once it is closed.
        #[test]
        fn what_was_written_through_a_map_is_read_at_the_latest_when_it_is_closed(
            acts in prop::collection::vec((any::<bool>(), any::<bool>(), any::<bool>()), 1..40),
        ) {
            let mut writers = Writers::default();
            let later = UNIX_EPOCH + 2 * INTERVAL + Duration::from_secs(1);
            let (mut time, mut bytes) = (0, 0);
            let (mut known, mut read) = (print(0), 0);
            let (mut is_open, mut has_written) = (false, false);
            for (opens, writes, is_told) in acts.into_iter().chain([(false, false, false)]) {
                if is_open && writes {
                    bytes += 1;
                    time += i64::from(is_told || !has_written);
                    has_written = true;
                }
                is_open = opens;
                has_written &= is_open;
                let files = is_open.then(|| (path(), print(time))).into_iter().collect();
                let looks = writers.compare(files, later, |_| Some(known));
                let is_other = known != print(time);
                // Of a file that is closed the watcher tells, and it is read if it looks like another.
                if looks.reread == [path()] || is_other && (looks.look == [path()] || !is_open) {
                    (known, read) = (print(time), bytes);
                }
                prop_assert!(!is_other || known == print(time));
            }
            prop_assert_eq!(read, bytes);
        }
    }

    #[test]
    fn what_may_have_been_written_in_the_tick_in_which_a_file_came_is_read_at_once_and_when_it_is_closed() {
        let (mut writers, known) = (Writers::default(), print(5_000_000_001));
        let soon = UNIX_EPOCH + Duration::from_secs(6);
        let mut look = |files: &[Print], now| {
            let files = files.iter().map(|print| (path(), *print)).collect();
            writers.compare(files, now, |_| Some(known)).reread
        };
        assert_eq!(look(&[known], soon), [path()]);
        assert_eq!(look(&[known], soon + INTERVAL), []);
        assert_eq!(look(&[], soon + 2 * INTERVAL), [path()]);
        assert_eq!(look(&[known], soon + 3 * INTERVAL), []);
    }
}
