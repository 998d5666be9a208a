//! Times as people write them.

use jiff::civil::{Date, DateTime};
use jiff::{Span, Timestamp, Zoned};

/// Says why a text is no moment in the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadMoment {
    /// It is no time at all, or none that there is.
    NoTime,
    /// It is still to come.
    Future,
    /// It is before 1970.
    TooEarly,
}

/// Reads a time that is not after `now`, in milliseconds since 1970: an instant (RFC 3339), a local time or day (the day's
/// beginning), or how long ago.
pub(crate) fn parse(text: &str, now: &Zoned) -> Result<u64, BadMoment> {
    let instant = instant(text.trim(), now).ok_or(BadMoment::NoTime)?;
    if now.timestamp() < instant {
        return Err(BadMoment::Future);
    }
    u64::try_from(instant.as_millisecond()).map_err(|_| BadMoment::TooEarly)
}

fn instant(text: &str, now: &Zoned) -> Option<Timestamp> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(instant);
    }
    let here = |local: DateTime| Some(local.to_zoned(now.time_zone().clone()).ok()?.timestamp());
    if let Ok(local) = text.parse::<DateTime>() {
        return here(local);
    }
    if let Ok(day) = text.parse::<Date>() {
        return here(day.to_datetime(jiff::civil::Time::midnight()));
    }
    let span: Span = text.parse().ok()?;
    // `2h ago` is a negative span; a positive one is in the future.
    Some(now.checked_add(span).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let now: Zoned = "2026-11-22T15:00:00+01:00[Europe/Berlin]".parse().unwrap();
        let hour = 3_600_000;
        let now_ms = u64::try_from(now.timestamp().as_millisecond()).unwrap();
        let cases = [
            ("2026-11-22T14:00:00Z", Ok(now_ms)),
            ("2026-11-22T14:00:00+01:00", Ok(now_ms - hour)),
            ("2026-11-22 14:00", Ok(now_ms - hour)),
            ("2026-11-22T14:00:00", Ok(now_ms - hour)),
            ("2026-11-22", Ok(now_ms - 15 * hour)),
            ("2h ago", Ok(now_ms - 2 * hour)),
            (" 1 day 2 hours ago ", Ok(now_ms - 26 * hour)),
            ("2h", Err(BadMoment::Future)),
            ("2026-11-22 15:01", Err(BadMoment::Future)),
            ("1969-01-01", Err(BadMoment::TooEarly)),
            ("2026-13-45", Err(BadMoment::NoTime)),
            ("yesterday-ish", Err(BadMoment::NoTime)),
            ("", Err(BadMoment::NoTime)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text, &now), expected, "{text}");
        }
    }
}
