//! Stories of what clients had taken off their disks and put into the stash.

use super::{check, edit};
use tests::sim::act::Act;

/// A file had other bytes under an equal print, so what came to replace it was taken back, and was said to be a conflict.
#[test]
fn a_new_file_whose_installation_was_undone_is_nobodys_work() {
    let acts = [
        edit(0, 55, 32144, 58474),
        Act::Ask { device: 1 },
        edit(0, 203, 33728, 1591),
        Act::Pass(134),
        edit(1, 6, 38253, 6128),
        Act::Settle,
        Act::Settle,
    ];
    check(30_000_177, &acts);
}

/// A program went on to write to a file that another device had deleted along with its directory, whose name a file took.
#[test]
fn what_is_written_in_the_stash_comes_back_though_a_file_has_the_name_of_its_directory() {
    let acts = [
        edit(1, 59, 63916, 31563),
        Act::EditAmid {
            device: 0,
            how: 208,
            which: 21780,
            whither: 5195,
            n_calls: 30,
        },
        edit(0, 75, 51979, 27136),
        edit(0, 173, 44117, 22571),
        edit(0, 180, 48026, 14556),
        edit(1, 139, 39619, 38652),
        edit(1, 6, 38946, 24166),
        Act::Pass(27252),
        edit(0, 132, 61822, 60060),
        Act::Hold {
            device: 1,
            which: 36544,
        },
        Act::Pass(10185),
        edit(0, 61, 42857, 28259),
        Act::WriteHeld {
            device: 1,
            is_mapped: false,
        },
        Act::Settle,
    ];
    check(30_002_158, &acts);
}
