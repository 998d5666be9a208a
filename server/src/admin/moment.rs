//! A moment of an account, as it is named on the command line.

use clap::Args;
use common::words::number;
use sync_engine::Version;

use crate::store::{AccountRow, Metadata, Store};
use crate::trouble::Trouble;

/// A moment of an account.
#[derive(Debug, Clone, Args)]
#[group(multiple = false)]
pub(crate) struct Moment {
    /// After this change of the account's journal
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, value_parser = number("the number of a change", 0..=u64::MAX))]
    version: Option<u64>,
    /// At this time, such as 2026-11-22T10:30:00Z, or 2026-11-22T10:30 in this computer's time zone
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    time: Option<u64>,
}

impl Moment {
    /// Tells whether none was named.
    pub(super) fn is_now(&self) -> bool {
        self.version.is_none() && self.time.is_none()
    }

    /// Returns the last entry of the journal at this moment.
    pub(super) fn version(&self, store: &Store, account: &AccountRow) -> Result<Version, Trouble> {
        match (self.version, self.time) {
            (Some(version), _) if Version(version) <= account.head => Ok(Version(version)),
            (Some(version), _) => Err(Trouble::new(
                format!(
                    "the account has {} changes, so there is no version {version}",
                    account.head
                ),
                "nothing was done",
                "see which there are with `server history`",
            )),
            (None, Some(time_ms)) => store
                .metadata
                .read(|records| records.version_at(account.key, time_ms))
                .map_err(Trouble::from),
            (None, None) => Ok(account.head),
        }
    }
}

/// Reads a time, in milliseconds since 1970.
pub(crate) fn parse_time(text: &str) -> Result<u64, String> {
    let here = || {
        text.parse::<jiff::civil::DateTime>()?
            .to_zoned(jiff::tz::TimeZone::system())
    };
    let time = text
        .parse::<jiff::Timestamp>()
        .or_else(|_| here().map(|zoned| zoned.timestamp()));
    let time = time.map_err(|_: jiff::Error| "not a time such as 2026-11-22T10:30:00Z".to_owned())?;
    u64::try_from(time.as_millisecond()).map_err(|_| "a time before 1970".to_owned())
}
