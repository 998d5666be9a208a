//! A run of the collection through all accounts, step by step. Between two steps anything may happen to the store, and the
//! run may end after any: the next one goes on.

use std::collections::VecDeque;

use super::collect::{Collected, Work, find, note_missing};
use super::release::{Released, release};
use super::retention::Policy;
use crate::store::blobs::Mark;
use crate::store::{AccountKey, Durability, Metadata, Store, StoreError};

/// See the module's page.
pub(super) struct Run<'s> {
    store: &'s Store,
    policy: Policy,
    n_max: usize,
    /// Where the last chunk ended when it began.
    began: Mark,
    /// Accounts that were not looked at yet.
    rest: VecDeque<AccountKey>,
    work: Option<(AccountKey, Work)>,
    is_noted: bool,
}

/// What a step has brought.
pub(super) enum Step {
    /// A part of something.
    Going,
    /// All of an account.
    Collected(AccountKey, Collected),
    /// Something that an account keeps is damaged or gone: nothing of it was collected, and devices are asked for it.
    Troubled(AccountKey),
    /// The end.
    Done(Released),
}

impl<'s> Run<'s> {
    /// Begins one, which changes at most so many chunks at a time.
    pub(super) fn begin(store: &'s Store, policy: Policy, n_max: usize) -> Result<Self, StoreError> {
        let (began, accounts) = store
            .metadata
            .read(|records| Ok((records.end_of_chunks()?, records.accounts()?)))?;
        Ok(Self {
            store,
            policy,
            n_max,
            began,
            rest: accounts.iter().map(|account| account.key).collect(),
            work: None,
            is_noted: false,
        })
    }

    /// Takes the next step.
    pub(super) fn go_on(&mut self) -> Result<Step, StoreError> {
        if let Some((account, mut work)) = self.work.take() {
            return Ok(match work.go_on(self.store)? {
                true => {
                    self.work = Some((account, work));
                    Step::Going
                }
                false => Step::Collected(account, work.collected),
            });
        }
        if let Some(account) = self.rest.pop_front() {
            return Ok(match find(self.store, account, &self.policy, self.n_max)? {
                Some(work) => {
                    self.work = Some((account, work));
                    Step::Going
                }
                None => {
                    note_missing(self.store, account)?;
                    Step::Troubled(account)
                }
            });
        }
        if !self.is_noted {
            self.is_noted = true;
            let note = |draft: &dyn crate::store::Draft| draft.set_pruned(self.began);
            self.store.metadata.write(Durability::Flushed, note)?;
            return Ok(Step::Going);
        }
        release(self.store).map(Step::Done)
    }
}
