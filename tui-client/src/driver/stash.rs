//! Clearing the stash. What was taken off the disk stays there until it is old enough, its bytes are read once more, and
//! the server says that it has them. What holds something else by then (somebody wrote to it through an old handle) is
//! brought back beside its old name.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use common::limits::HASHES_MAX;
use common::offload;
use sync_engine::plan::conflict_name;
use sync_engine::{Content, Hash, Name, RelPath};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Driver;
use super::applier::content_of;
use super::transfers::Transferred;
use super::views::wanted_contents;
use crate::disk::{HandError, Root, StashLimits, Stashed};
use crate::net::Bulk;

/// What was taken off the disk stays in the stash for at least this long.
const AGE_MIN: Duration = Duration::from_secs(24 * 3600);
/// The least age when the disk is full.
const AGE_MIN_FULL: Duration = Duration::from_secs(60);
/// How often the stash is looked through.
const INTERVAL: Duration = Duration::from_secs(3600);
/// How often it is looked through when the disk is full.
const INTERVAL_FULL: Duration = Duration::from_secs(60);
/// How often it is tried to remove downloads that were begun and are still open.
const DROPS_MAX: u32 = 10;
/// The time between two of these tries.
const DROP_DELAY: Duration = Duration::from_millis(200);
/// How many names are tried for what is brought back.
const NAMES_MAX: u32 = 1000;

/// When the stash was looked through last.
#[derive(Debug, Default)]
pub(super) struct Clearing {
    last: Option<Instant>,
}

impl Driver {
    /// Looks through the stash if it is time to, when all is synced or when the disk is full.
    pub(super) fn clear_stash(&mut self, is_full: bool) {
        let interval = if is_full { INTERVAL_FULL } else { INTERVAL };
        if self.clearing.last.is_some_and(|last| last.elapsed() < interval) {
            return;
        }
        let Some((bulk, over)) = self.transfers.session() else {
            return;
        };
        self.clearing.last = Some(Instant::now());
        let age_ms_min = if is_full { AGE_MIN_FULL } else { AGE_MIN }.as_millis();
        let limits = StashLimits {
            now_ms: self.now_ms(),
            age_ms_min: u64::try_from(age_ms_min).unwrap_or(u64::MAX),
            spared: self.spared().filter(|_| !is_full),
        };
        let policy = self.policy();
        let (root, results) = (self.root.clone(), self.transfers.results());
        tokio::spawn(async move {
            let looking = root.clone();
            let asked = offload::run(move || contents(&looking, &limits)).await;
            let Some(kept) = kept_by_server(asked, &bulk).await else {
                return;
            };
            let changed = offload::run(move || purge(&root, &limits, &kept, &over)).await;
            let name = move |name: &Name, n| conflict_name(name, &policy.device_name, policy.date, n);
            for stashed in changed {
                let found = Transferred::Changed(Box::new(stashed), Box::new(name.clone()));
                // The driver may have ended; the next run finds it again.
                let _ = results.send(found).await;
            }
        });
    }

    /// Removes downloads that were begun and are not needed any more, when all is synced. What failed is gone on with when it
    /// is tried again.
    pub(super) fn drop_begun(&mut self) {
        if !self.transfers.take_begun() {
            return;
        }
        let wanted = Arc::new(wanted_contents(self.trees()));
        if !wanted.is_empty() {
            self.transfers.leave_begun();
        }
        let root = self.root.clone();
        tokio::spawn(async move {
            for _ in 0..DROPS_MAX {
                let (root, wanted) = (root.clone(), wanted.clone());
                match offload::run(move || root.drop_begun(&wanted)).await {
                    Ok(true) => return,
                    // A write that was under way when its download was broken off holds the file for a moment.
                    Ok(false) => tokio::time::sleep(DROP_DELAY).await,
                    Err(error) => {
                        tracing::warn!(%error, "what was begun to be downloaded could not be removed");
                        return;
                    }
                }
            }
        });
    }

    /// Brings back what was changed after it was taken away: to where it was, and if that cannot be, to the folder itself.
    /// Returns whether it is out of the stash.
    pub(super) fn bring_back(&mut self, stashed: &Stashed, name: &dyn Fn(&Name, u32) -> Name) -> bool {
        let Some((dir, lost)) = stashed.path.as_ref().and_then(RelPath::split_last) else {
            tracing::warn!(key = %stashed.key, "something in the stash has no note; it stays there");
            return false;
        };
        let local = self.trees().local();
        let is_there = local.lookup(&dir).is_some_and(|id| local.is_dir(id));
        let dirs = is_there.then_some(dir).into_iter().chain([RelPath::root()]);
        for dir in dirs {
            for n in 1..NAMES_MAX {
                let to = dir.join(&name(lost, n));
                match self.root.bring_back(stashed, &to) {
                    // Somebody wrote to it just now.
                    Ok(_) | Err(HandError::Surprise { .. }) => {
                        self.observer.look(&to);
                        return true;
                    }
                    Err(HandError::Taken) => (),
                    Err(error) => {
                        tracing::warn!(%error, key = %stashed.key, %to, "something could not be brought back");
                        break;
                    }
                }
            }
        }
        false
    }
}

/// The contents in the stash that are old enough to go, if the server has them.
fn contents(root: &Root, limits: &StashLimits) -> BTreeSet<Content> {
    let asked = RefCell::new(BTreeSet::new());
    let ask = |content: &Content| {
        // The answer is not known yet. Nothing is removed for which it is no.
        asked.borrow_mut().insert(*content);
        false
    };
    if let Err(error) = root.purge_stash(limits, &|file| content_of(file), &ask) {
        tracing::warn!(%error, "the stash could not be read");
    }
    asked.into_inner()
}

/// Asks the server; nothing when it does not answer.
pub(super) async fn kept_by_server(asked: BTreeSet<Content>, bulk: &Bulk) -> Option<BTreeSet<Content>> {
    let mut kept: BTreeSet<Content> = asked
        .iter()
        .filter(|content| content.size_bytes == 0)
        .copied()
        .collect();
    let asked: Vec<Content> = asked
        .into_iter()
        .filter(|content| content.size_bytes > 0)
        .collect();
    for part in asked.chunks(HASHES_MAX) {
        let missing: BTreeSet<Hash> = bulk
            .have(part.iter().map(|content| content.hash).collect())
            .await
            .ok()?
            .into_iter()
            .collect();
        kept.extend(part.iter().filter(|content| !missing.contains(&content.hash)));
    }
    Some(kept)
}

/// Removes what the server has, as long as the session goes on in which it said so: a server that comes back may have been put
/// back.
fn purge(
    root: &Root,
    limits: &StashLimits,
    kept: &BTreeSet<Content>,
    over: &CancellationToken,
) -> Vec<Stashed> {
    let is_in_history = |content: &Content| kept.contains(content) && !over.is_cancelled();
    match root.purge_stash(limits, &|file| content_of(file), &is_in_history) {
        // What was taken for changed may be in the history; the next run finds out.
        Ok(_) if over.is_cancelled() => Vec::new(),
        Ok(purge) => purge.changed,
        Err(error) => {
            tracing::warn!(%error, "the stash could not be cleared");
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_said_to_have_is_not_believed_when_the_session_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::open(folder.path()).unwrap();
        root.create_private().unwrap();
        let path = root
            .private_path("stash")
            .join("0123456789abcdef0123456789abcdef");
        std::fs::write(&path, "old").unwrap();
        let limits = StashLimits {
            now_ms: u64::MAX,
            age_ms_min: 0,
            spared: None,
        };
        let content = Content {
            hash: Hash::of(b"old"),
            size_bytes: 3,
            depth: 0,
        };
        let (kept, over) = (BTreeSet::from([content]), CancellationToken::new());
        let before = over.child_token();
        over.cancel();
        assert_eq!(purge(&root, &limits, &kept, &before), []);
        assert!(path.exists());
        assert_eq!(purge(&root, &limits, &kept, &CancellationToken::new()), []);
        assert!(!path.exists());
    }
}
