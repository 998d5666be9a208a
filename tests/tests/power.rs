//! What a power cut does to files that nobody flushed: it is nobody's work. A whole client on a simulated computer, with a
//! second one that must not suffer from it.

use tests::sim::disk::Crash;
use tui_client::notice::Notice;

use crate::pair::{FILE, with_seeds};

const N_SEEDS: u64 = 24;
/// Old bytes under new stamps, of which the client remembers the new ones, are rarer.
const N_SEEDS_OF_STAMPS: u64 = 96;

#[test]
fn a_file_whose_name_a_power_cut_took_is_brought_back_and_deleted_nowhere() {
    let mut n_lost = 0;
    with_seeds(N_SEEDS, async |mut pair| {
        pair.here.disk.write(FILE, "bytes").unwrap();
        pair.settle().await;
        pair.here.kill(Crash::PowerCut);
        n_lost += usize::from(pair.here.disk.read(FILE).is_err());
        pair.cut_power().await;
        assert!(pair.there().is_some());
        assert_eq!(pair.here.disk.read(FILE).ok(), pair.there());
    });
    assert!(0 < n_lost, "no power cut took the name");
}

#[test]
fn old_bytes_under_new_stamps_are_found_after_a_power_cut_and_are_no_edit() {
    let mut n_spoiled = 0;
    with_seeds(N_SEEDS_OF_STAMPS, async |mut pair| {
        pair.here.disk.write(FILE, "old bytes").unwrap();
        pair.settle().await;
        pair.here.disk.sync().unwrap();
        pair.here.disk.write(FILE, "new bytes").unwrap();
        pair.settle().await;
        pair.cut_power().await;
        let is_told =
            |notice: &Notice| matches!(notice, Notice::Error(trouble) if trouble.what.contains("stopped"));
        if pair.here.heard().iter().any(is_told) {
            n_spoiled += 1;
            assert_eq!(pair.there().unwrap(), b"new bytes");
        }
        assert_eq!(pair.here.disk.read(FILE).ok(), pair.there());
    });
    assert!(0 < n_spoiled, "no power cut spoiled the file");
}
