//! Names of devices: shown on every screen of the account, so what could deceive a reader is taken out.

use common::limits::DEVICE_NAME_LEN_MAX;
use sync_engine::name::is_deceptive;

/// Returns a name fit to be shown: without control and bidirectional characters, at most
/// [`DEVICE_NAME_LEN_MAX`] bytes, never empty.
pub(crate) fn cleaned(name: &str) -> String {
    let mut cleaned = String::new();
    for c in name.trim().chars().filter(|c| !is_deceptive(*c)) {
        if DEVICE_NAME_LEN_MAX < cleaned.len() + c.len_utf8() {
            break;
        }
        cleaned.push(c);
    }
    let cleaned = cleaned.trim();
    if cleaned.is_empty() {
        "device".to_owned()
    } else {
        cleaned.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_deceive_is_taken_out_and_the_length_is_kept() {
        assert_eq!(cleaned("  lap\u{202e}top\n "), "laptop");
        assert_eq!(cleaned("\u{200b}\t"), "device");
        assert_eq!(cleaned(&"ü".repeat(100)).len(), DEVICE_NAME_LEN_MAX);
    }
}
