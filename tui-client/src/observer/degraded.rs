//! What is wrong with the watch, for as long as it is: how far changes are found by looking instead.
//!
//! Law: what went wrong stays wrong until the watch has begun anew; that the system reports nothing stays so until it has
//! reported a token's file again, since beginning anew succeeds there too.

use super::watch::WatchTrouble;

/// See the module's page.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Degraded {
    trouble: Option<WatchTrouble>,
    /// Directories with paths that are too long for the system are looked at from time to time.
    is_too_deep: bool,
}

impl Degraded {
    /// Notes what went wrong. Tells whether that is news.
    pub(super) fn failed(&mut self, trouble: WatchTrouble) -> bool {
        let is_news = self.trouble.as_ref() != Some(&trouble);
        self.trouble = Some(trouble);
        is_news
    }

    /// Notes that the watch has begun anew.
    pub(super) fn began(&mut self) {
        self.trouble.take_if(|trouble| *trouble != WatchTrouble::Deaf);
    }

    /// Notes that the watch has reported a token's file.
    pub(super) fn heard(&mut self) {
        self.trouble.take_if(|trouble| *trouble == WatchTrouble::Deaf);
    }

    /// Notes whether there are directories that the system cannot watch.
    pub(super) fn set_too_deep(&mut self, is_too_deep: bool) {
        self.is_too_deep = is_too_deep;
    }

    /// Tells whether the watch as a whole is not known to work.
    pub(super) fn is_blind(&self) -> bool {
        self.trouble.is_some()
    }

    /// Returns all that is wrong.
    pub(super) fn all(&self) -> impl Iterator<Item = &WatchTrouble> {
        let too_deep = self.is_too_deep.then_some(&WatchTrouble::TooDeep);
        self.trouble.iter().chain(too_deep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Act {
        Failed(WatchTrouble),
        Began,
        Heard,
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            Just(Act::Failed(WatchTrouble::Limit)),
            Just(Act::Failed(WatchTrouble::Deaf)),
            Just(Act::Failed(WatchTrouble::Other("x".to_owned()))),
            Just(Act::Began),
            Just(Act::Heard),
        ]
    }

    proptest! {
        #[test]
        fn what_is_wrong_with_the_watch_is_said_until_it_works_again(acts in prop::collection::vec(act(), 0..20)) {
            let mut degraded = Degraded::default();
            for at in 0..acts.len() {
                let is_news = match &acts[at] {
                    Act::Failed(trouble) => degraded.failed(trouble.clone()),
                    Act::Began => { degraded.began(); false }
                    Act::Heard => { degraded.heard(); false }
                };
                // The last failure, unless what ends it came since.
                let failed = acts[..=at].iter().rposition(|act| matches!(act, Act::Failed(_)));
                let wrong = failed.and_then(|failed| {
                    let Act::Failed(trouble) = &acts[failed] else { return None };
                    let ends = |act: &Act| match act {
                        Act::Failed(_) => false,
                        Act::Began => *trouble != WatchTrouble::Deaf,
                        Act::Heard => *trouble == WatchTrouble::Deaf,
                    };
                    (!acts[failed..=at].iter().any(ends)).then_some(trouble)
                });
                prop_assert_eq!(degraded.all().next(), wrong);
                prop_assert!(!is_news || wrong.is_some());
            }
        }
    }
}
