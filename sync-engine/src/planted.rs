//! Bugs that are planted on purpose, one at a time, so that it can be shown that the tests would find each of them. Without
//! the feature `mutants`, which no release has, [`planted`] is always false and nothing of this is left. With it, the
//! environment variable `HOLDFAST_BUG` names the bug that the program has.

macro_rules! bugs {
    ($($(#[doc = $doc:literal])+ $bug:ident,)+) => {
        /// A bug that can be planted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Bug {
            $($(#[doc = $doc])+ $bug,)+
        }

        impl Bug {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$bug,)+];

            /// Its name, as in `HOLDFAST_BUG`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$bug => stringify!($bug),)+
                }
            }

            /// Says what is wrong with a program that has it.
            #[must_use]
            pub fn what(self) -> &'static str {
                match self {
                    $(Self::$bug => concat!($($doc),+).trim_ascii(),)+
                }
            }
        }
    };
}

bugs! {
    /// The merge does not look at what both sides agreed on last.
    MergeIgnoresBase,
    /// Where both sides changed the bytes, the local ones are not kept as a conflict copy.
    ConflictForgotten,
    /// A conflict copy gets a name that something else has.
    ConflictNameTaken,
    /// What was deleted here is deleted in the account, although it was edited there.
    DeleteBeatsRemoteEdit,
    /// What was deleted in the account is removed from the disk, although it was edited there.
    DeleteBeatsLocalEdit,
    /// A blocked node is planned for like any other.
    BlockedNotFrozen,
    /// The brake never holds.
    BrakeOff,
    /// The brake holds at its limit already: `<=` for `<`.
    BrakeOneTooSoon,
    /// What this device changed does not become what both sides agree on.
    BaseNotTaken,
    /// When a server was put back, what is not on this disk is taken for deleted.
    RewindDeletes,
    /// What a crash made of a file that this device had sent and forgotten is sent as an edit.
    SpoiledSentUnheard,
    /// What is missing at the first glance is gone.
    GoneAtFirstGlance,
    /// The epoch of the server's store is not looked at.
    EpochIgnored,
    /// The numbers of the journal's entries are not looked at.
    NumberIgnored,
    /// The chain of the journal is not compared.
    ChainIgnored,
    /// 'Synced' does not wait for the watcher's cookie.
    CookieNotAwaited,
    /// 'Synced' does not wait for the newest entry.
    HeadIgnored,
    /// 'Synced' is said without a proof.
    SyncedUnproven,
    /// The server takes a change that was based on an older version.
    AdmitStale,
    /// The server takes the deletion of a directory that has something in it.
    AdmitDeleteFull,
    /// The server takes a node under a name that another has.
    AdmitTakenName,
    /// The server takes a move of a directory into itself.
    AdmitCycle,
    /// The server takes a node that is one too deep: `<=` for `<`.
    AdmitTooDeep,
    /// The server takes a file whose content it does not have.
    AdmitMissingContent,
    /// The server takes the id of another node for a new one.
    AdmitUsedId,
    /// Files are not flushed before they are moved into place.
    StagingNotFlushed,
    /// Directories are not flushed after something was moved into place.
    DirsNotFlushed,
    /// The hand does not look at a file before it takes it away.
    NoLookBefore,
    /// The hand does not look at what it has taken away.
    NoLookAfter,
    /// A new file overwrites what is under its name.
    InstallOverwrites,
    /// A file that is removed does not stay in the stash.
    RemovedForGood,
    /// The stash is cleared of what is nowhere in the history.
    PurgeUnasked,
    /// A move of our own hides an edit.
    MoveHidesEdit,
    /// A step that the disk did not let happen counts as taken.
    SurpriseIgnored,
    /// What cannot be read counts as deleted.
    UnreadableTakenForGone,
    /// Whether a path led through the directory that it should is not looked at.
    WayIgnored,
    /// A file that changed while it was read counts as read.
    TornRead,
    /// A print that is younger than the disk's time stamps are fine is believed.
    YoungStampTrusted,
    /// A print from before the clock was set is judged by the clock as it is now.
    SetClockBelieved,
    /// A print that a walk meets in the tick in which it was written is believed.
    YoungWalkBelieved,
    /// A print is proven while its stamps are young.
    ProvenYoung,
    /// What a disk finds by a name that is not its own counts as there.
    OtherNameTaken,
    /// A new directory gets an id each time it is looked into.
    MadeTwice,
    /// What others put into a directory while it is made is not looked for.
    MadeUnlisted,
    /// After events were lost the watch goes on as it was.
    OverflowedWatchKept,
    /// What was read of a file is believed although it was seen to be gone since.
    UnchangedUnnoted,
    /// A file that was written just before the hand moved it is not read.
    MovedUnread,
    /// What was doubted of a node is forgotten when the node gets another id.
    DoubtLeftBehind,
    /// A directory is found inside itself.
    CircleBelieved,
    /// What the server sends is not held against its name.
    DownloadUnverified,
    /// Packs are not flushed.
    PacksNotFlushed,
    /// The names of packs are not flushed.
    PackNamesNotFlushed,
    /// Changes are acknowledged before they are flushed.
    AcknowledgedUnflushed,
    /// A list is taken although something that it names is missing.
    ListWithoutParts,
    /// A chunk that is condemned counts as there.
    CondemnedCounts,
    /// Chunks of other accounts are found.
    ForeignChunks,
    /// Chunks that devices have brought lately, and that nothing names yet, are condemned.
    CollectsWhatComes,
    /// What lists name that devices have brought lately is condemned.
    CollectsBelowWhatComes,
    /// What came since the account was looked at is not looked at before chunks are condemned.
    CollectsUnrefreshed,
    /// What is condemned is dropped, although it is needed again.
    NeverPardons,
}

/// Tells whether a bug is planted.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
#[must_use]
pub const fn planted(_: Bug) -> bool {
    false
}

#[cfg(feature = "mutants")]
pub use chosen::planted;

#[cfg(feature = "mutants")]
mod chosen {
    extern crate std;

    use super::Bug;
    use std::sync::OnceLock;

    /// Tells whether a bug is planted.
    #[must_use]
    pub fn planted(bug: Bug) -> bool {
        static CHOSEN: OnceLock<Option<Bug>> = OnceLock::new();
        *CHOSEN.get_or_init(chosen) == Some(bug)
    }

    /// # Panics
    /// When the variable names no bug: a check of it would show nothing.
    fn chosen() -> Option<Bug> {
        let name = std::env::var("HOLDFAST_BUG").ok()?;
        let named = Bug::ALL.iter().find(|bug| bug.name() == name);
        Some(*named.expect("HOLDFAST_BUG names a bug"))
    }
}
