//! A look back before a conflict is made. The database may lose its last transactions; then a file that this device
//! itself put on disk looks like somebody's work, and if the account has moved on meanwhile, like a conflict. So before
//! local bytes are put aside, the history is asked whether the account had them since the base. If it had, they are no
//! more than an old version: they are recognized, and what is newer takes their place.

use common::message::Request;
use sync_engine::plan::{MoveCause, Record, Step};
use sync_engine::{Change, Entry, Kind, NodeId, Version, advance};

use super::Driver;
use super::questions::Question;

/// So many answers about one node are read at most; what is older than that is not recognized.
const PAGES_MAX: u32 = 16;

/// Local bytes that seem to be in conflict.
#[derive(Debug)]
pub(super) struct Suspect {
    /// The local node.
    pub local: NodeId,
    /// The node that the account has, which it may be a past version of.
    of: NodeId,
    /// What is on disk.
    kind: Kind,
    /// The version of the base: what the account had before that is no evidence.
    base: Version,
    n_pages: u32,
}

impl Driver {
    /// Takes steps that would make a conflict out of a plan as long as the history was not asked, and whatever comes after
    /// them. Returns the rest, and whether something was taken out.
    pub(super) fn look_back(&mut self, batches: Vec<Vec<Step>>) -> (Vec<Vec<Step>>, bool) {
        let (mut rest, mut withheld) = (Vec::with_capacity(batches.len()), false);
        for batch in batches {
            let mut kept = Vec::with_capacity(batch.len());
            for step in batch {
                match self.suspect(&step) {
                    Some(suspect) => {
                        self.ask_back(suspect, None);
                        withheld = true;
                    }
                    None => kept.push(step),
                }
            }
            rest.push(kept);
            if withheld {
                break;
            }
        }
        (rest, withheld)
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
            base: self.trees.base(local).map_or(Version::ZERO, |base| base.version),
            n_pages: 0,
        })
    }

    fn is_only_here(&self, id: NodeId) -> bool {
        self.trees.base(id).is_none() && self.trees.remote().node(id).is_none()
    }

    fn ask_back(&mut self, suspect: Suspect, before: Option<Version>) {
        let Some(session) = &mut self.session else { return };
        let (id, local) = (suspect.of, suspect.local);
        let question = Question::LookBack(suspect);
        if session.ask(|request| Request::History { request, id, before }, question) {
            self.holds.take(local);
        } else {
            // The line is full; when it is not any more, the same is planned again.
            self.pace.want();
        }
    }

    pub(super) fn on_looked_back(&mut self, suspect: Suspect, entries: &[Entry], more: bool) {
        let had = |entry: &&Entry| match &entry.change {
            Change::Create { id, node } => *id == suspect.of && node.kind.same_content(&suspect.kind),
            Change::Update { id, kind, .. } => *id == suspect.of && kind.same_content(&suspect.kind),
            Change::Move { .. } | Change::Delete { .. } | Change::Mark { .. } => false,
        };
        let mut newer = entries.iter().take_while(|entry| suspect.base < entry.number);
        if let Some(entry) = newer.find(had) {
            return self.recognize(&suspect, entry.number);
        }
        let oldest = entries.last().map(|entry| entry.number);
        match oldest.filter(|oldest| more && suspect.base < *oldest) {
            Some(oldest) if suspect.n_pages < PAGES_MAX => {
                self.holds.release(suspect.local);
                let n_pages = suspect.n_pages + 1;
                self.ask_back(Suspect { n_pages, ..suspect }, Some(oldest));
            }
            Some(_) | None => self.not_recognized(suspect),
        }
    }

    pub(super) fn not_recognized(&mut self, suspect: Suspect) {
        self.holds.release(suspect.local);
        self.looked_back.insert(suspect.local, suspect.kind);
        self.pace.want();
    }

    fn recognize(&mut self, suspect: &Suspect, version: Version) {
        let Suspect { local, of, .. } = *suspect;
        self.holds.release(local);
        self.pace.want();
        let base = self.trees.base(local).map_or(Version::ZERO, |base| base.version);
        let is_same = self
            .trees
            .local()
            .node(local)
            .is_some_and(|now| now.kind.same_content(&suspect.kind));
        if !is_same || base != suspect.base || self.in_hand.contains(&local) {
            return;
        }
        tracing::debug!(%local, %of, %version, "local bytes are a past version of the account");
        let mut records = vec![Record::Recognize { id: of, version }];
        if local != of {
            if !self.is_only_here(local) || self.trees.local().node(of).is_some() {
                return;
            }
            records.insert(0, Record::Reidentify { from: local, to: of });
        }
        for record in &records {
            match advance::record(&mut self.trees, record) {
                Ok(touched) => self.touch(&touched),
                Err(error) => return tracing::debug!(%error, ?record, "a correction came too late"),
            }
        }
    }
}
