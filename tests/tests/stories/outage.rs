//! Stories in which a computer lost power while nobody did anything, and its client took what the disk had kept for work.

use super::{check, edit, line};
use tests::sim::act::{Act, LineWeather};

/// A file that all had was empty on one disk after the loss of power, under the stamps of its making.
#[test]
fn an_earlier_state_of_a_file_is_no_edit() {
    let acts = [
        edit(1, 121, 63006, 11037),
        Act::Pass(925),
        Act::Settle,
        Act::Crash {
            device: 1,
            is_power_cut: true,
            after: 2,
        },
        Act::Settle,
    ];
    check(22_001_387, &acts);
    let acts = [
        edit(0, 11, 62773, 50904),
        Act::Ask { device: 1 },
        edit(0, 45, 46017, 63171),
        edit(1, 222, 15891, 9121),
        Act::Settle,
        Act::Crash {
            device: 1,
            is_power_cut: true,
            after: 1,
        },
        Act::Settle,
        Act::Settle,
    ];
    check(22_000_666, &acts);
}

/// The client had also forgotten that it had sent the file.
#[test]
fn an_earlier_state_of_a_file_is_no_edit_though_its_sending_is_forgotten() {
    let acts = [
        edit(0, 93, 31455, 24594),
        Act::Settle,
        Act::Crash {
            device: 0,
            is_power_cut: true,
            after: 1,
        },
        Act::Settle,
    ];
    check(23_000_921, &acts);
    let acts = [
        Act::Pass(1),
        Act::Ask { device: 1 },
        edit(1, 19, 19669, 30155),
        edit(1, 19, 2705, 48748),
        line(1, LineWeather::Down),
        edit(1, 32, 22401, 53031),
        Act::Pass(12),
        edit(0, 19, 33419, 64875),
        edit(1, 149, 34621, 28088),
        Act::Settle,
        Act::Crash {
            device: 1,
            is_power_cut: true,
            after: 3,
        },
        Act::Settle,
    ];
    check(23_005_961, &acts);
}

/// The clock had been set back by years before the power was lost.
#[test]
fn an_earlier_state_of_a_file_is_no_edit_though_the_clock_was_set_back() {
    let acts = [
        Act::Ask { device: 2 },
        Act::Ask { device: 2 },
        edit(1, 215, 61754, 18482),
        edit(0, 9, 37152, 29339),
        edit(2, 131, 5031, 18306),
        Act::Pass(1361),
        edit(0, 192, 23634, 22550),
        edit(0, 10, 55528, 12891),
        edit(1, 170, 2220, 5427),
        edit(1, 181, 8110, 34256),
        line(1, LineWeather::Fair(83)),
        Act::Pass(1259),
        line(0, LineWeather::Down),
        Act::Clock {
            device: 0,
            hours: -26361,
        },
        Act::Settle,
        Act::Crash {
            device: 0,
            is_power_cut: true,
            after: 2,
        },
        Act::Settle,
    ];
    check(30_006_360, &acts);
}

/// A file was written anew and renamed, and its client had forgotten that it had sent it.
#[test]
fn a_file_that_was_saved_and_is_empty_after_a_loss_of_power_is_no_edit() {
    let acts = [
        Act::Lag(3000),
        Act::Pass(9976),
        Act::EditAmid {
            device: 0,
            how: 73,
            which: 35137,
            whither: 50482,
            n_calls: 38,
        },
        edit(0, 184, 49801, 3743),
        edit(1, 170, 59599, 24006),
        Act::Pass(1486),
        edit(0, 106, 56, 18390),
        edit(0, 0, 2418, 63474),
        Act::Settle,
        Act::CrashServer {
            is_power_cut: false,
            after: 2,
        },
        Act::Crash {
            device: 0,
            is_power_cut: true,
            after: 1,
        },
        Act::Settle,
    ];
    check(30_005_889, &acts);
}

/// The mode of a file that another device had changed was the one of before again.
#[test]
fn a_mode_that_is_that_of_before_is_no_edit() {
    let acts = [
        edit(1, 177, 59847, 8023),
        edit(0, 53, 46597, 11212),
        Act::Pass(274),
        edit(0, 98, 39932, 52955),
        edit(0, 204, 65500, 63799),
        Act::CrashServer {
            is_power_cut: false,
            after: 4,
        },
        Act::Pass(27497),
        edit(1, 56, 32991, 49733),
        Act::Settle,
        Act::Crash {
            device: 0,
            is_power_cut: true,
            after: 2,
        },
        Act::Settle,
    ];
    check(32_001_311, &acts);
}

/// The file had been safe on the disk until it was saved anew, which the memory had forgotten.
#[test]
fn a_file_that_was_firm_and_is_empty_after_a_loss_of_power_is_no_edit() {
    let acts = [
        Act::Ask { device: 0 },
        Act::Pass(2553),
        edit(0, 167, 13601, 10870),
        Act::Pass(267),
        line(1, LineWeather::Down),
        edit(0, 221, 34127, 52418),
        Act::Pass(74),
        edit(0, 145, 46361, 19481),
        Act::Pass(18857),
        edit(1, 149, 59196, 6887),
        Act::ScarceDescriptors {
            device: 1,
            n_calls: 13,
        },
        edit(0, 223, 51339, 5942),
        edit(0, 183, 56546, 19378),
        line(1, LineWeather::Fair(120)),
        Act::Pass(26996),
        edit(0, 7, 6224, 4754),
        Act::Pass(1993),
        edit(0, 85, 19860, 24714),
        edit(0, 235, 11392, 38790),
        edit(1, 27, 25778, 46945),
        Act::Settle,
        Act::Crash {
            device: 0,
            is_power_cut: true,
            after: 0,
        },
        Act::Settle,
    ];
    check(33_003_994, &acts);
}
