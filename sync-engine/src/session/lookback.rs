//! A look back before a conflict is made. A device's memory may lose its last transactions; then a file that the device
//! itself put on disk looks like somebody's work, and if the account has moved on meanwhile, like a conflict. So before
//! local bytes are put aside, the history is asked whether the account had them since the base. If it had, they are no
//! more than an old version: they are recognized, and what is newer takes their place.

use super::Session;
use crate::plan::{MoveCause, Record, Step};
use crate::time::Instant;
use crate::{Change, Entry, Kind, NodeId, Version};
use alloc::vec::Vec;

/// So many answers about one node are read at most; what is older than that is not recognized.
const PAGES_MAX: u32 = 16;

/// Local bytes that seem to be in conflict: a question for the history. It has to come back with
/// [`Session::looked_back`], [`Session::not_answered`], [`Session::question_refused`] or [`Session::not_asked`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Suspect {
    /// The local node.
    local: NodeId,
    /// The node that the account has, which it may be a past version of.
    of: NodeId,
    /// What is on disk.
    kind: Kind,
    /// The version of the base: what the account had before that is no evidence.
    base: Version,
    /// Entries from this one on were read already.
    before: Option<Version>,
    n_pages: u32,
}

impl Suspect {
    /// The node whose history is asked for.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.of
    }

    /// Only entries before this one are asked for.
    #[must_use]
    pub fn before(&self) -> Option<Version> {
        self.before
    }
}

impl Session {
    /// Takes steps that would make a conflict out of a plan as long as the history was not asked, and whatever comes after
    /// them. Returns the rest, and the questions.
    pub(super) fn look_back(&mut self, batches: Vec<Vec<Step>>) -> (Vec<Vec<Step>>, Vec<Suspect>) {
        let (mut rest, mut questions) = (Vec::with_capacity(batches.len()), Vec::new());
        for batch in batches {
            let mut kept = Vec::with_capacity(batch.len());
            for step in batch {
                match self.suspect(&step) {
                    Some(suspect) => questions.push(suspect),
                    None => kept.push(step),
                }
            }
            rest.push(kept);
            if !questions.is_empty() {
                break;
            }
        }
        questions
            .iter()
            .for_each(|suspect| self.holds.take(suspect.local));
        (rest, questions)
    }

    fn suspect(&self, step: &Step) -> Option<Suspect> {
        let (local, of) = match step {
            Step::KeepCopy { of, .. } => (*of, *of),
            Step::Move {
                id,
                cause: MoveCause::Conflict(Some(mark)),
                ..
            } if self.is_only_here(*id) => (*id, mark.with),
            Step::Fetch { .. }
            | Step::MakeDir { .. }
            | Step::Replace { .. }
            | Step::SetAttributes { .. }
            | Step::Move { .. }
            | Step::Park { .. }
            | Step::Exchange { .. }
            | Step::Remove { .. } => return None,
        };
        let kind = self.trees.local().node(local)?.kind.clone();
        let was_asked = self
            .looked_back
            .get(&local)
            .is_some_and(|asked| asked.same_content(&kind));
        (!was_asked && !kind.is_dir()).then(|| Suspect {
            local,
            of,
            kind,
            base: self.base_version(local),
            before: None,
            n_pages: 0,
        })
    }

    fn is_only_here(&self, id: NodeId) -> bool {
        self.trees.base(id).is_none() && self.trees.remote().node(id).is_none()
    }

    fn base_version(&self, id: NodeId) -> Version {
        self.trees.base(id).map_or(Version::ZERO, |base| base.version)
    }

    /// The history has answered, newest entries first; `more` says that there are older ones. Returns the next question, if
    /// there is one.
    pub fn looked_back(&mut self, suspect: Suspect, entries: &[Entry], more: bool) -> Option<Suspect> {
        let had = |entry: &&Entry| match &entry.change {
            Change::Create { id, node } => *id == suspect.of && node.kind.same_content(&suspect.kind),
            Change::Update { id, kind, .. } => *id == suspect.of && kind.same_content(&suspect.kind),
            Change::Move { .. } | Change::Delete { .. } | Change::Mark { .. } => false,
        };
        let mut newer = entries.iter().take_while(|entry| suspect.base < entry.number);
        if let Some(entry) = newer.find(had) {
            let version = entry.number;
            self.recognize(suspect, version);
            return None;
        }
        let oldest = entries.last().map(|entry| entry.number);
        match oldest.filter(|oldest| more && suspect.base < *oldest) {
            Some(oldest) if suspect.n_pages < PAGES_MAX => Some(Suspect {
                n_pages: suspect.n_pages + 1,
                before: Some(oldest),
                ..suspect
            }),
            Some(_) | None => {
                self.not_answered(suspect);
                None
            }
        }
    }

    /// The history has no answer: the bytes are taken for somebody's work.
    pub fn not_answered(&mut self, suspect: Suspect) {
        self.holds.release(suspect.local);
        self.looked_back.insert(suspect.local, suspect.kind);
        self.pace.want();
    }

    /// The question could not be sent; after a pause the same is planned again.
    pub fn question_refused(&mut self, suspect: &Suspect, now: Instant) {
        self.holds.fail(suspect.local, now, None);
    }

    /// The question was lost with the line, or has become another; the same is planned again.
    pub fn not_asked(&mut self, suspect: &Suspect) {
        self.holds.release(suspect.local);
        self.pace.want();
    }

    fn recognize(&mut self, suspect: Suspect, version: Version) {
        let Suspect { local, of, .. } = suspect;
        let is_same = self
            .trees
            .local()
            .node(local)
            .is_some_and(|now| now.kind.same_content(&suspect.kind));
        if !is_same || self.base_version(local) != suspect.base || self.in_hand.contains(&local) {
            // It is something else by now, and is planned as that.
            return self.not_asked(&suspect);
        }
        let is_free = local == of || self.is_only_here(local) && self.trees.local().node(of).is_none();
        let reidentify = (local != of).then_some(Record::Reidentify { from: local, to: of });
        let mut records = reidentify
            .into_iter()
            .chain([Record::Recognize { id: of, version }]);
        if is_free && records.all(|record| self.record(&record)) {
            self.not_asked(&suspect);
        } else {
            // It may be a copy that somebody made of an old version: that is somebody's work.
            self.not_answered(suspect);
        }
    }
}
