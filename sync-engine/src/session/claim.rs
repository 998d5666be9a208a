//! How things stand, in one word. Every surface asks this one function: `status`, `wait`, the screen's header and the
//! events of the headless mode. It says 'synced' only of what was proven, and says nothing of what it does not know.

use core::time::Duration;

/// A server that nothing was heard from for so long is out of reach, whatever the connection says of itself.
pub const SILENCE_MAX: Duration = Duration::from_secs(26);

/// What is known at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Evidence {
    /// Whether nothing goes on before a person has done something.
    pub is_halted: bool,
    /// How long ago the server was last heard; nothing without a connection.
    pub silence: Option<Duration>,
    /// Whether nothing is under way in either direction, all of the folder was looked at, and nothing that was reported
    /// of it still has to be.
    pub is_quiet: bool,
    /// Whether a probe that began when all was quiet has come back whole: a cookie, for what was written before, and the
    /// server's newest entry, which is here. Nothing has happened since.
    pub is_proven: bool,
    /// Whether that probe, or one like it, began after the question.
    pub is_fresh: bool,
}

/// What may be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Claim {
    /// Nothing goes on before a person has done something.
    Halted,
    /// The server is out of reach.
    Offline,
    /// Something is under way, or it is not known that nothing is.
    Syncing,
    /// Everything that was written before the question is on the server, and everything that the server had is here, but
    /// for what is blocked, which is listed.
    Synced,
}

/// Says how things stand.
///
/// Law: the answer is [`Claim::Synced`] if and only if nothing is halted, the server was heard within [`SILENCE_MAX`], all is
/// quiet, and a probe that is not older than the question has proven it. To know less never leads to claim more.
#[must_use]
pub fn claim(evidence: &Evidence) -> Claim {
    match evidence.silence {
        _ if evidence.is_halted => Claim::Halted,
        None => Claim::Offline,
        Some(silence) if SILENCE_MAX <= silence => Claim::Offline,
        Some(_) if evidence.is_quiet && evidence.is_proven && evidence.is_fresh => Claim::Synced,
        Some(_) => Claim::Syncing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_evidence() -> impl Strategy<Value = Evidence> {
        let silence = proptest::option::of((0..60_u64).prop_map(Duration::from_secs));
        let flags = any::<(bool, bool, bool, bool)>();
        (silence, flags).prop_map(|(silence, (is_halted, is_quiet, is_proven, is_fresh))| Evidence {
            is_halted,
            silence,
            is_quiet,
            is_proven,
            is_fresh,
        })
    }

    proptest! {
        #[test]
        fn synced_is_claimed_only_of_what_is_proven_and_less_evidence_never_claims_more(evidence in any_evidence()) {
            let said = claim(&evidence);
            let is_heard = evidence.silence.is_some_and(|silence| silence < SILENCE_MAX);
            let is_sound = evidence.is_quiet && evidence.is_proven && evidence.is_fresh;
            prop_assert_eq!(said == Claim::Synced, !evidence.is_halted && is_heard && is_sound);
            prop_assert_eq!(said == Claim::Offline, !evidence.is_halted && !is_heard);
            for less in [
                Evidence { is_halted: true, ..evidence },
                Evidence { silence: None, ..evidence },
                Evidence { silence: Some(SILENCE_MAX), ..evidence },
                Evidence { is_quiet: false, ..evidence },
                Evidence { is_proven: false, ..evidence },
                Evidence { is_fresh: false, ..evidence },
            ] {
                prop_assert!(claim(&less) <= said);
            }
        }
    }
}
