//! Times as people write them.

use jiff::civil::{Date, DateTime};
use jiff::{Span, Timestamp, Zoned};

/// Reads a time that is not after `now`, in milliseconds since 1970: an instant (RFC 3339), a local time or day (the day's
/// beginning), or how long ago.
pub(crate) fn parse(text: &str, now: &Zoned) -> Option<u64> {
    let text = text.trim();
    let instant = if let Ok(instant) = text.parse::<Timestamp>() {
        instant
    } else if let Ok(local) = text.parse::<DateTime>() {
        local.to_zoned(now.time_zone().clone()).ok()?.timestamp()
    } else if let Ok(day) = text.parse::<Date>() {
        day.to_zoned(now.time_zone().clone()).ok()?.timestamp()
    } else {
        let span: Span = text.parse().ok()?;
        // `2h ago` is a negative span; a positive one would be in the future.
        now.checked_add(span).ok()?.timestamp()
    };
    if now.timestamp() < instant {
        return None;
    }
    u64::try_from(instant.as_millisecond()).ok()
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
            ("2026-11-22T14:00:00Z", Some(now_ms)),
            ("2026-11-22T14:00:00+01:00", Some(now_ms - hour)),
            ("2026-11-22 14:00", Some(now_ms - hour)),
            ("2026-11-22T14:00:00", Some(now_ms - hour)),
            ("2026-11-22", Some(now_ms - 15 * hour)),
            ("2h ago", Some(now_ms - 2 * hour)),
            (" 1 day 2 hours ago ", Some(now_ms - 26 * hour)),
            ("2h", None),
            ("2026-11-22 15:01", None),
            ("1969-01-01", None),
            ("yesterday-ish", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text, &now), expected, "{text}");
        }
    }
}
