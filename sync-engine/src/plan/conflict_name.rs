//! The name of a conflict copy: `stem (conflict, DEVICE, 2026-11-22).ext`, with a number behind the date when that is
//! taken. It is a legal name on every system if the name that it is made of is.

use super::names::is_kept_by_windows;
use crate::Name;
use crate::name::{NAME_LEN_MAX, is_deceptive, truncate};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The longest ending that is taken for a type, in bytes, with its dot.
const EXTENSION_LEN_MAX: usize = 17;
/// The longest part of a device's name that goes into a file's name, in bytes.
const DEVICE_LEN_MAX: usize = 48;

/// A calendar date: year, month, day. It is shown and decides nothing.
pub type Date = (i16, u8, u8);

/// Returns the conflict name with a number; 1 is not written.
#[must_use]
pub fn conflict_name(name: &Name, device_name: &str, date: Date, number: u32) -> Name {
    let (stem, extension) = split(name.as_bytes());
    let (year, month, day) = date;
    let device = clean(device_name);
    let number = if number > 1 {
        format!("-{number}")
    } else {
        String::new()
    };
    let middle = format!(" (conflict, {device}, {year:04}-{month:02}-{day:02}{number})");
    marked(stem, &middle, extension)
}

/// Tells whether a name may be one of a node that has stepped aside.
#[must_use]
pub(crate) fn is_moving_name(name: &Name) -> bool {
    let name = name.as_bytes();
    name.ends_with(b")") && name.windows(8).any(|part| part == b" (moving")
}

/// Returns a name for a node that has to step aside for a moment; 1 is not written.
#[must_use]
pub(super) fn moving_name(name: &Name, number: u32) -> Name {
    let number = if number > 1 {
        format!(" {number}")
    } else {
        String::new()
    };
    marked(name.as_bytes(), &format!(" (moving{number})"), b"")
}

fn marked(stem: &[u8], middle: &str, extension: &[u8]) -> Name {
    let mut bytes: Vec<u8> = cut(stem, NAME_LEN_MAX - middle.len() - extension.len()).into();
    bytes.extend(middle.as_bytes());
    bytes.extend(extension);
    Name::new(&bytes).expect("a name with more inside is not reserved, and it was cut to fit")
}

/// Splits before the last dot, unless the name begins with it or what follows is too long for a type.
fn split(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().rposition(|byte| *byte == b'.') {
        Some(dot) if 0 < dot && (2..=EXTENSION_LEN_MAX).contains(&(name.len() - dot)) => name.split_at(dot),
        Some(_) | None => (name, b""),
    }
}

/// Cuts bytes to a length, not inside of a character.
fn cut(stem: &[u8], len_max: usize) -> &[u8] {
    if stem.len() <= len_max {
        return stem;
    }
    let is_inside = |byte: u8| byte & 0b1100_0000 == 0b1000_0000;
    let border = (len_max.saturating_sub(3)..=len_max)
        .rev()
        .find(|end| !is_inside(stem[*end]));
    &stem[..border.unwrap_or(len_max)]
}

fn clean(device_name: &str) -> String {
    let is_bad = |c| is_kept_by_windows(c) || is_deceptive(c);
    let cleaned: String = device_name
        .chars()
        .map(|c| if is_bad(c) { '_' } else { c })
        .collect();
    match truncate(cleaned.trim(), DEVICE_LEN_MAX).trim_end() {
        "" => "device".into(),
        device => device.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &[u8], device: &str, number: u32) -> Vec<u8> {
        conflict_name(&Name::new(name).unwrap(), device, (2026, 11, 22), number)
            .as_bytes()
            .into()
    }

    #[test]
    fn the_type_stays_at_the_end() {
        assert_eq!(named(b"a.txt", "Anna", 1), b"a (conflict, Anna, 2026-11-22).txt");
        assert_eq!(
            named(b"a.txt", "Anna", 2),
            b"a (conflict, Anna, 2026-11-22-2).txt"
        );
        assert_eq!(
            named(b".profile", "Anna", 1),
            b".profile (conflict, Anna, 2026-11-22)"
        );
        assert_eq!(
            named(b"Dr. Who and the dots", "Anna", 1),
            b"Dr. Who and the dots (conflict, Anna, 2026-11-22)"
        );
        assert_eq!(named(b"a.", "Anna", 1), b"a. (conflict, Anna, 2026-11-22)");
        assert_eq!(
            named(b"\xff.c", "Anna", 1),
            b"\xff (conflict, Anna, 2026-11-22).c"
        );
    }

    #[test]
    fn a_device_name_cannot_break_out() {
        assert_eq!(
            named(b"a", "../x\u{202e}:\0", 1),
            b"a (conflict, .._x___, 2026-11-22)"
        );
        assert_eq!(named(b"a", " ", 1), b"a (conflict, device, 2026-11-22)");
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        for len in 200..=255 {
            let mut long: Vec<u8> = "ü".repeat(127).into_bytes();
            long.truncate(len & !1);
            let made = named(
                &[&long[..], b".x"].concat()[..long.len().min(253)],
                &"d".repeat(99),
                12345,
            );
            assert!(made.len() <= NAME_LEN_MAX);
            assert!(core::str::from_utf8(&made).is_ok());
        }
    }
}
