//! Which names Windows can hold, so that what is written under a name is found under it again.

use std::ffi::OsStr;
use std::io;

/// Names that mean devices, with or without an extension.
const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];

/// Returns a name as Windows takes it.
pub(super) fn legal(name: &[u8]) -> io::Result<&OsStr> {
    match std::str::from_utf8(name) {
        Ok(text) if is_legal(text) => Ok(OsStr::new(text)),
        Ok(_) | Err(_) => Err(io::ErrorKind::InvalidFilename.into()),
    }
}

fn is_legal(name: &str) -> bool {
    let is_bad = |c: char| c.is_control() || "<>:\"/\\|?*".contains(c);
    let stem = name.split('.').next().unwrap_or(name).trim_end();
    !name.is_empty()
        && !name.contains(is_bad)
        && !name.ends_with(['.', ' '])
        && !is_device(stem)
        && !is_short_private(name)
}

fn is_device(stem: &str) -> bool {
    let numbered = ["COM", "LPT"].iter().any(|device| {
        let (head, tail) = stem.split_at_checked(3).unwrap_or((stem, ""));
        head.eq_ignore_ascii_case(device)
            && matches!(
                tail,
                "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³"
            )
    });
    numbered || DEVICES.iter().any(|device| stem.eq_ignore_ascii_case(device))
}

/// The private directory has a short name too, by which it must not be reached.
fn is_short_private(name: &str) -> bool {
    name.get(..7)
        .is_some_and(|head| head.eq_ignore_ascii_case("HOLDFA~"))
}

#[cfg(test)]
mod tests {
    use super::is_legal;

    #[test]
    fn only_names_that_windows_keeps_as_they_are_are_legal() {
        for name in ["a", "a.txt", "COM10", "console", "lpt", "é", ".holdfast", "a b"] {
            assert!(is_legal(name), "{name}");
        }
        for name in [
            "a:b", "a\\b", "a.", "a ", "con", "Nul.txt", "COM1", "lpt9.x", "COM¹", "a\u{1}", "holdfa~1",
            "aux .x",
        ] {
            assert!(!is_legal(name), "{name}");
        }
    }
}
