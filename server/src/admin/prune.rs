//! Giving up old versions, and collecting the chunks that nothing needs any more. It works beside a running server and
//! may be interrupted anywhere: every step leaves a sound store, and the next run goes on.
//!
//! A chunk is dropped in two runs. The first condemns it: from then on it counts as missing, so whoever needs it brings
//! it again, and no new list can stand on it. The next one looks again: what is kept after all is pardoned, the rest is dropped,
//! and its room is given back. A chunk that no version ever named may belong to an upload that is under way: it is
//! condemned only if it came before the last run began, and no list that came since names it. No clock is asked for any of this; only which versions
//! are old depends on one.

mod collect;
mod release;
mod retention;
mod run;
#[cfg(test)]
mod tests;

use clap::Args;
use common::words::number;

use super::{Place, shown_time};
use crate::program::print_line;
use crate::store::{AccountKey, Clock, Directory, Metadata, Store, StoreError, SystemClock};
use crate::trouble::Trouble;
use collect::Collected;
use retention::{Old, Policy, retention, sum};
use run::{Run, Step};

/// The length of a day, in milliseconds.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Chunks that one transaction changes, so that a running server never waits long for its own.
const BATCH_MAX: usize = 2000;

/// What is kept.
#[derive(Debug, Clone, Args)]
pub(crate) struct Keep {
    /// Keep every version that was current within so many days; with 0 only the number counts
    #[arg(long, value_name = "DAYS", default_value_t = 30, allow_negative_numbers = true, value_parser = number("how many days", 0..=u32::MAX))]
    keep_days: u32,
    /// Keep so many of the newest versions of each file, however old
    #[arg(long, value_name = "NUMBER", default_value_t = 10, allow_negative_numbers = true, value_parser = number("how many", 1..=u32::MAX))]
    keep_versions: u32,
    /// Of deleted files keep nothing that is older than --keep-days
    #[arg(long)]
    drop_deleted: bool,
    /// Say what would be given up, and change nothing
    #[arg(long)]
    dry_run: bool,
}

impl Keep {
    fn policy(&self, now_ms: u64) -> Policy {
        Policy {
            age_ms: u64::from(self.keep_days) * DAY_MS,
            n_versions: self.keep_versions as usize,
            drop_deleted: self.drop_deleted,
            now_ms,
        }
    }
}

/// Gives up old versions of all accounts, and collects.
pub(super) fn prune(place: &Place, keep: &Keep) -> Result<(), Trouble> {
    let store = place.open()?;
    let policy = keep.policy(SystemClock.now_ms());
    let accounts = store
        .metadata
        .read(|records| records.accounts())
        .map_err(Trouble::from)?;
    if keep.dry_run {
        return accounts
            .iter()
            .try_for_each(|account| foretell(&store, account.key, &policy));
    }
    let _lock = lock(&place.directory())?;
    let mut troubled = Vec::new();
    let mut run = Run::begin(&store, policy, BATCH_MAX).map_err(Trouble::from)?;
    let freed = loop {
        match run.go_on().map_err(interrupted)? {
            Step::Going => (),
            Step::Collected(account, collected) => say(account, &collected)?,
            Step::Troubled(account) => troubled.push(account.0.to_string()),
            Step::Done(freed) => break freed,
        }
    };
    print_line(&format!(
        "pruned packs_removed={} bytes_unused={}",
        freed.n_packs, freed.len_bytes
    ))?;
    if !freed.is_supported {
        print_line(
            "note: this system cannot give back parts of a pack; a pack is removed when all of it is unused",
        )?;
    }
    if troubled.is_empty() {
        return Ok(());
    }
    Err(Trouble::new(
        format!("chunks of account {} are damaged", troubled.join(", ")),
        "nothing of these accounts was given up or collected; all others were done",
        "let the devices connect, since they send what the server misses again; `server verify` says what is damaged",
    ))
}

/// Returns what takes the steps of a run that keeps by number alone; it says when that has ended.
pub(super) fn steps(
    store: &Store,
    n_versions: usize,
    n_max: usize,
) -> Result<impl FnMut() -> Result<bool, Trouble> + Send, StoreError> {
    let policy = Policy {
        age_ms: 0,
        n_versions,
        drop_deleted: true,
        now_ms: u64::MAX,
    };
    let mut run = Run::begin(store, policy, n_max)?;
    Ok(move || match run.go_on().map_err(interrupted)? {
        Step::Going | Step::Collected(..) | Step::Troubled(_) => Ok(true),
        Step::Done(_) => Ok(false),
    })
}

/// Keeps others from collecting or copying meanwhile.
pub(super) fn lock(directory: &Directory) -> Result<common::file::Lock, Trouble> {
    directory.lock_chunks().map_err(Trouble::from)?.ok_or_else(|| {
        Trouble::new(
            "another `server prune` or `server backup` is at work on this store",
            "nothing was done",
            "try again when it has ended",
        )
    })
}

fn interrupted(error: StoreError) -> Trouble {
    let trouble = Trouble::from(error);
    Trouble {
        done: "what was done until then stands, and the store is as sound as before".into(),
        ..trouble
    }
}

fn foretell(store: &Store, account: AccountKey, policy: &Policy) -> Result<(), Trouble> {
    let read = store.metadata.read(|records| {
        let times = records.entry_times(account)?;
        let old = retention(records, account, policy)?.old;
        let is_news = |old: &Old| !records.is_thinned(account, &old.hash).is_ok_and(|is| is);
        Ok((old.into_iter().filter(is_news).collect::<Vec<_>>(), times))
    });
    let (old, times) = read.map_err(Trouble::from)?;
    for Old {
        id,
        name,
        version,
        size_bytes,
        ..
    } in &old
    {
        let index = usize::try_from(version.0.saturating_sub(1)).ok();
        let time = index.and_then(|index| times.get(index)).copied().unwrap_or(0);
        print_line(&format!(
            "would give up account={} node={id} version={version} time={} bytes={size_bytes} name={name}",
            account.0,
            shown_time(time)
        ))?;
    }
    let (n_versions, n_bytes) = sum(&old);
    print_line(&format!(
        "account={} would_give_up={n_versions} bytes={n_bytes}",
        account.0
    ))
}

fn say(account: AccountKey, collected: &Collected) -> Result<(), Trouble> {
    print_line(&format!(
        "account={} given_up={} condemned={} condemned_bytes={} dropped={} dropped_bytes={} pardoned={}",
        account.0,
        collected.n_given_up,
        collected.condemned.n_chunks,
        collected.condemned.len_bytes,
        collected.dropped.n_chunks,
        collected.dropped.len_bytes,
        collected.n_pardoned,
    ))
}
