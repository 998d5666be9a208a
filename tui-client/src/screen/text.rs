//! Texts for a narrow place: cutting by columns, padding, sizes, times. Pure; the ellipsis and the clock come in as
//! arguments.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::style::Style;
use ratatui::text::Span;

/// Counts the columns that a text takes.
pub(crate) fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// Cuts a text to at most `columns`, at the end, between graphemes.
pub(crate) fn cut(text: &str, columns: usize, ellipsis: &str) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let room = columns.saturating_sub(width(ellipsis));
    let mut out = String::new();
    let mut used = 0;
    for grapheme in graphemes(text) {
        let wide = width(&grapheme);
        if used + wide > room {
            break;
        }
        used += wide;
        out.push_str(&grapheme);
    }
    if columns > 0 {
        out.push_str(ellipsis);
    }
    out
}

/// Cuts a text to at most `columns`, at the start: of a path the end tells more.
pub(crate) fn cut_start(text: &str, columns: usize, ellipsis: &str) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let room = columns.saturating_sub(width(ellipsis));
    let mut kept = Vec::new();
    let mut used = 0;
    for grapheme in graphemes(text).into_iter().rev() {
        let wide = width(&grapheme);
        if used + wide > room {
            break;
        }
        used += wide;
        kept.push(grapheme);
    }
    kept.reverse();
    let mut out = if columns > 0 {
        ellipsis.to_owned()
    } else {
        String::new()
    };
    out.extend(kept);
    out
}

/// Cuts a text and fills it up with spaces to exactly `columns`.
pub(crate) fn fit(text: &str, columns: usize, ellipsis: &str) -> String {
    let mut out = cut(text, columns, ellipsis);
    let used = width(&out);
    out.extend(std::iter::repeat_n(' ', columns.saturating_sub(used)));
    out
}

/// Puts a text at the right end of `columns`.
pub(crate) fn right(text: &str, columns: usize) -> String {
    let used = width(text);
    let mut out: String = std::iter::repeat_n(' ', columns.saturating_sub(used)).collect();
    out.push_str(text);
    out
}

/// Breaks a text into lines of at most `columns`, between words where it can.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let gap = usize::from(!line.is_empty());
        if width(&line) + gap + width(word) <= columns {
            if gap == 1 {
                line.push(' ');
            }
            line.push_str(word);
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for grapheme in graphemes(word) {
            if width(&line) + width(&grapheme) > columns {
                lines.push(std::mem::take(&mut line));
            }
            line.push_str(&grapheme);
        }
    }
    lines.push(line);
    lines
}

fn graphemes(text: &str) -> Vec<String> {
    Span::raw(text)
        .styled_graphemes(Style::new())
        .map(|g| g.symbol.to_owned())
        .collect()
}

/// Writes a size: three digits and a decimal unit.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut whole = bytes;
    let mut unit = 0;
    while whole >= 1_000_000 && unit < UNITS.len() - 1 {
        whole /= 1000;
        unit += 1;
    }
    let tenths = whole / 100;
    if tenths < 1000 {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
    } else {
        format!("{} {}", tenths / 10, UNITS[unit])
    }
}

/// Writes a number with thin groups of three digits.
pub(crate) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// Writes a count with its noun: `1 file`, `2 files`.
pub(crate) fn count(n: u64, noun: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {noun}{s}", number(n))
}

/// Writes how long ago something was; a clock that runs behind the server's says `now`.
pub(crate) fn ago(now_ms: u64, then_ms: u64) -> String {
    let seconds = now_ms.saturating_sub(then_ms) / 1000;
    match seconds {
        0..60 => "now".to_owned(),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86_400 => format!("{} h ago", seconds / 3600),
        86_400..2_592_000 => format!("{} d ago", seconds / 86_400),
        2_592_000..31_536_000 => format!("{} mo ago", seconds / 2_592_000),
        _ => format!("{} y ago", seconds / 31_536_000),
    }
}

/// Writes how long something will take.
pub(crate) fn left(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3600..360_000 => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
        _ => "> 4 d".to_owned(),
    }
}

/// Writes a moment of today as a time, an older one as date and time.
pub(crate) fn moment(time_ms: u64, now_ms: u64, zone: &TimeZone) -> String {
    let (Some(time), Some(now)) = (zoned(time_ms, zone), zoned(now_ms, zone)) else {
        return "?".to_owned();
    };
    let format = if time.date() == now.date() {
        "%H:%M"
    } else {
        "%Y-%m-%d %H:%M"
    };
    time.strftime(format).to_string()
}

/// Writes a moment as date and time to the second.
pub(crate) fn stamp(time_ms: u64, zone: &TimeZone) -> String {
    zoned(time_ms, zone).map_or_else(
        || "?".to_owned(),
        |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
    )
}

fn zoned(time_ms: u64, zone: &TimeZone) -> Option<jiff::Zoned> {
    let time = Timestamp::from_millisecond(i64::try_from(time_ms).ok()?).ok()?;
    Some(time.to_zoned(zone.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_are_never_cut_in_half() {
        assert_eq!(cut("日本語.txt", 6, "…"), "日本…");
        assert_eq!(cut("日本語.txt", 5, "…"), "日本…");
        assert_eq!(cut("日本語.txt", 4, "…"), "日…");
        assert_eq!(width(&fit("日本語.txt", 4, "…")), 4);
        assert_eq!(cut_start("a/日本語.txt", 8, "…"), "…語.txt");
        assert_eq!(cut("e\u{301}e\u{301}e\u{301}", 2, "…"), "e\u{301}…");
        assert_eq!(cut("abc", 0, "…"), "");
    }

    #[test]
    fn sizes_have_three_digits_at_most() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(999), "999 B");
        assert_eq!(size(1000), "1.0 kB");
        assert_eq!(size(99_949), "99.9 kB");
        assert_eq!(size(999_999), "999 kB");
        assert_eq!(size(1_000_000), "1.0 MB");
        assert_eq!(size(u64::MAX), "18446 PB");
    }

    #[test]
    fn times_read_as_a_person_says_them() {
        assert_eq!(ago(1_000, 5_000), "now");
        assert_eq!(ago(120_000, 0), "2 min ago");
        assert_eq!(ago(7_200_000, 0), "2 h ago");
        assert_eq!(left(61), "1 min 01 s");
        assert_eq!(moment(u64::MAX, 0, &TimeZone::UTC), "?");
        assert_eq!(moment(0, 86_400_000, &TimeZone::UTC), "1970-01-01 00:00");
    }

    #[test]
    fn text_breaks_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("", 3), [""]);
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(number(1_234_567), "1 234 567");
        assert_eq!(number(12), "12");
        assert_eq!(count(1, "file"), "1 file");
    }
}
