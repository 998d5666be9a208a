//! Which check is to find which bug. Another may find it as well; docs/reliability.md says more.

use super::check::{CLIENT, DISK, HEART, SERVER, SIMULATED, WORLDS};
use sync_engine::Bug;

/// Returns the name of the check that finds a bug.
pub(super) fn home(bug: Bug) -> &'static str {
    match bug {
        Bug::MergeIgnoresBase
        | Bug::ConflictForgotten
        | Bug::ConflictNameTaken
        | Bug::DeleteBeatsRemoteEdit
        | Bug::DeleteBeatsLocalEdit
        | Bug::BlockedNotFrozen
        | Bug::BrakeOff
        | Bug::BrakeOneTooSoon
        | Bug::BaseNotTaken
        | Bug::RewindDeletes
        | Bug::GoneAtFirstGlance
        | Bug::CircleBelieved
        | Bug::EpochIgnored
        | Bug::NumberIgnored
        | Bug::ChainIgnored
        | Bug::CookieNotAwaited
        | Bug::HeadIgnored
        | Bug::SyncedUnproven
        | Bug::AdmitStale
        | Bug::AdmitDeleteFull
        | Bug::AdmitTakenName
        | Bug::AdmitCycle
        | Bug::AdmitTooDeep
        | Bug::AdmitUsedId
        | Bug::SpoiledSentUnheard => HEART,
        Bug::StagingNotFlushed
        | Bug::DirsNotFlushed
        | Bug::NoLookBefore
        | Bug::NoLookAfter
        | Bug::InstallOverwrites
        | Bug::RemovedForGood
        | Bug::PurgeUnasked
        | Bug::MoveHidesEdit
        | Bug::YoungStampTrusted
        | Bug::SetClockBelieved
        | Bug::YoungWalkBelieved
        | Bug::OtherNameTaken
        | Bug::MovedUnread
        | Bug::DoubtLeftBehind => DISK,
        Bug::WayIgnored | Bug::MadeTwice | Bug::MadeUnlisted | Bug::ProvenYoung | Bug::DownloadUnverified => {
            CLIENT
        }
        Bug::SurpriseIgnored | Bug::UnchangedUnnoted => WORLDS,
        Bug::UnreadableTakenForGone
        | Bug::OverflowedWatchKept
        | Bug::TornRead
        | Bug::AdmitMissingContent
        | Bug::PacksNotFlushed
        | Bug::PackNamesNotFlushed
        | Bug::AcknowledgedUnflushed => SIMULATED,
        Bug::ListWithoutParts
        | Bug::CondemnedCounts
        | Bug::ForeignChunks
        | Bug::CollectsWhatComes
        | Bug::CollectsBelowWhatComes
        | Bug::CollectsUnrefreshed
        | Bug::NeverPardons => SERVER,
    }
}
