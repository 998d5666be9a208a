//! Names of devices: shown on every screen of the account, so what could deceive a reader is taken out, and no two devices
//! have one name.

use common::limits::DEVICE_NAME_LEN_MAX;
use std::collections::BTreeSet;
use sync_engine::DeviceId;
use sync_engine::name::{is_deceptive, truncate};

use crate::store::DeviceRow;

/// Returns the name that a device gets which is to be called `name`: fit to be shown, and with a number behind it if one of
/// the `others` has it.
///
/// Law: none of them that is not revoked has it, however it is written, and it is as long as a name may be at most.
pub(crate) fn free(name: &str, device: DeviceId, others: &[DeviceRow]) -> String {
    let name = cleaned(name);
    let others = others.iter().filter(|row| row.id != device && !row.revoked);
    let taken: BTreeSet<String> = others.map(|row| row.name.to_lowercase()).collect();
    let numbered = (2_u32..).map(|number| {
        let behind = format!("-{number}");
        let front = truncate(&name, DEVICE_NAME_LEN_MAX - behind.len()).trim_end();
        format!("{front}{behind}")
    });
    std::iter::once(name.clone())
        .chain(numbered)
        .find(|name| !taken.contains(&name.to_lowercase()))
        .unwrap_or_else(|| device.to_string())
}

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

    fn row(number: u8, name: &str, revoked: bool) -> DeviceRow {
        DeviceRow {
            account: crate::store::AccountKey(1),
            id: DeviceId([number; 16]),
            key: [number; 32],
            name: name.to_owned(),
            generation: [0; 16],
            next_generation: [0; 16],
            enrolled_ms: 0,
            seen_ms: 0,
            revoked,
        }
    }

    #[test]
    fn a_name_that_is_taken_gets_a_number() {
        let rows = [row(1, "vm", false), row(2, "VM-2", false), row(3, "old", true)];
        let free = |name: &str, number: u8| free(name, DeviceId([number; 16]), &rows);
        assert_eq!(free("vm", 9), "vm-3");
        assert_eq!(free(" Vm\n", 9), "Vm-3");
        assert_eq!(free("vm", 1), "vm");
        assert_eq!(free("old", 9), "old");
        assert_eq!(free("new", 9), "new");
    }

    #[test]
    fn no_two_devices_of_an_account_have_one_name() {
        let long = [
            "x".repeat(DEVICE_NAME_LEN_MAX),
            "ü".repeat(DEVICE_NAME_LEN_MAX),
            format!("{} {}", "y".repeat(60), "z".repeat(10)),
        ];
        let names = ["", "vm", "VM", "vm-2", "vm-10", "ü"].map(str::to_owned);
        let mut rows: Vec<DeviceRow> = Vec::new();
        for number in 1..=200 {
            let asked = names.iter().chain(&long).cycle().nth(usize::from(number) * 7);
            let name = free(asked.unwrap(), DeviceId([number; 16]), &rows);
            assert!(!name.is_empty() && name.len() <= DEVICE_NAME_LEN_MAX, "{name}");
            assert_eq!(cleaned(&name), name);
            let is_taken = |row: &DeviceRow| row.name.to_lowercase() == name.to_lowercase();
            assert!(!rows.iter().any(is_taken), "{name}");
            rows.push(row(number, &name, false));
        }
    }

    #[test]
    fn what_could_deceive_is_taken_out_and_the_length_is_kept() {
        assert_eq!(cleaned("  lap\u{202e}top\n "), "laptop");
        assert_eq!(cleaned("\u{200b}\t"), "device");
        assert_eq!(cleaned(&"ü".repeat(100)).len(), DEVICE_NAME_LEN_MAX);
    }
}
