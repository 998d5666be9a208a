//! What is known of a file's bytes by what was seen of it: whether they are the same as before, or have to be read.

use sync_engine::Place;
use sync_engine::{FileState, NodeId, RelPath};

use tokio::time::Instant;

use super::Observer;
use super::draft::Draft;
use super::scene::{Detail, Scene};
use super::settle::Urgency;
use crate::disk::Print;

impl Observer {
    /// Returns what is known of a file now, and has it read if that is not all.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is another thing that the answer depends on"
    )]
    pub(super) fn file(
        &mut self,
        scene: &Scene<'_>,
        id: NodeId,
        known: Option<Print>,
        old: FileState,
        print: Print,
        detail: Detail,
        draft: &mut Draft,
    ) -> FileState {
        if let Some(reading) = detail.reading {
            let before = self.known.get(id).copied();
            // A disk may round the time that it is given; what it then tells is no other time.
            let is_same_time = before.is_some_and(|before| before.mtime_ns == print.mtime_ns);
            let state = FileState {
                content: reading.chunked.content,
                exec: exec(&print, old.exec),
                mtime_ns: if is_same_time {
                    old.mtime_ns
                } else {
                    print.mtime_ns
                },
            };
            self.lift(scene.trees, id, &mut draft.update);
            if self.is_spoiled(id, before, &print, (old, state)) {
                draft.update.spoiled.push(id);
            }
            draft.seen.push(id);
            draft.read.push(id);
            draft.young.extend(reading.is_young.then_some(id));
            // An equal print is noted too: its file may have been written since, and not yet flushed when the one before was.
            draft.prints.insert(id, Some(print));
            if state.content != old.content {
                draft.content(id, reading);
                self.look_at_other_names(scene, id, &print);
            }
            return state;
        }
        let Some(known) = known.filter(|known| known.same_stamp(&print)) else {
            self.read(scene, id, detail.path, &print);
            return old;
        };
        // Size and time of modification are the same, so the bytes are believed to be until they are read again.
        if known.same_file_state(&print) && !self.doubted.contains(id) {
            draft.note(id, Some(known), &print);
        } else {
            self.read(scene, id, detail.path, &print);
            if self.doubted.is_suspect(id) {
                // Whether it is an earlier state of the file is judged with its bytes.
                return old;
            }
        }
        FileState {
            exec: exec(&print, old.exec),
            ..old
        }
    }

    /// Has a node's file read; if it moves meanwhile, it is read where it is found.
    fn read(&mut self, scene: &Scene<'_>, id: NodeId, path: RelPath, print: &Print) {
        self.doubted.expect_reading(id);
        self.queue.read(path, print.size_bytes, scene.epoch);
    }

    /// Tells whether a file is another than the one known by a crash of the computer, and not by anybody's work: other bytes
    /// are under the stamps of before, or none under any, or it was changed last before then. Nobody can set the time of
    /// the last change, so that is an earlier state, which the disk had kept.
    fn is_spoiled(
        &self,
        id: NodeId,
        before: Option<Print>,
        print: &Print,
        (old, new): (FileState, FileState),
    ) -> bool {
        // Of what is written anew and renamed many disks keep the name and not the bytes.
        let is_emptied = print.size_bytes == 0 && self.doubted.is_left_by_crash(id, print);
        if is_emptied && new.content != old.content {
            return true;
        }
        let Some(before) = before.filter(|_| self.doubted.is_suspect(id)) else {
            return false;
        };
        // What people did by a clock that was set back since is of a time before now.
        let is_of_one_clock = {
            let wall = self.queue.wall();
            wall.times(Instant::now())
                .all(|now| before.is_changed_after(now) == print.is_changed_after(now))
        };
        let is_older = is_of_one_clock && print.ctime_ns <= before.ctime_ns;
        before.same_stamp(print) && new.content != old.content || is_older && new != old
    }

    /// The system reports a change of a file with several names for one of them only.
    pub(super) fn look_at_other_names(&self, scene: &Scene<'_>, id: NodeId, print: &Print) {
        if print.links > 1 {
            for other in self.known.other_names(id, print) {
                if let Some(path) = scene.trees.local().path(other) {
                    self.queue.hint(path, Urgency::Now, Some(scene.epoch));
                }
            }
        }
    }

    /// What came to a name took the place of what had another spelling of it, which a disk that folds names does not report.
    pub(super) fn look_at_other_spellings(&self, scene: &mut Scene<'_>, place: &Place) {
        if !self.folds_names || scene.details.get(place).is_none_or(|detail| detail.is_walked) {
            return;
        }
        let local = scene.trees.local();
        let ids = scene.spellings.children(local, place.parent, &place.name);
        for path in ids.into_iter().filter_map(|id| local.path(id)) {
            if path.split_last().is_some_and(|(_, name)| *name != place.name) {
                self.queue.hint(path, Urgency::Now, Some(scene.epoch));
            }
        }
    }
}

/// Returns whether the owner may execute a file; a disk that does not say leaves it as it was.
pub(super) fn exec(print: &Print, before: bool) -> bool {
    if cfg!(unix) { print.exec() } else { before }
}
