//! Stories in which what a client had found or done on its disk was known to it only later, after something else.

use super::{check, edit, line};
use tests::sim::act::{Act, LineWeather};

/// A file that was read, and gone before that was known, came back into the account: the look that found nothing in its place
/// was judged first.
#[test]
fn what_was_read_is_nothing_once_it_was_seen_to_be_gone() {
    let acts = [
        Act::Lag(300),
        edit(0, 98, 23990, 41585),
        Act::Pass(32),
        edit(0, 191, 9984, 10006),
        Act::Settle,
    ];
    check(20_004_980, &acts);
    let acts = [
        Act::Lag(3000),
        edit(0, 140, 55343, 32496),
        Act::Pass(17),
        edit(0, 151, 22081, 3812),
        Act::Ask { device: 1 },
        Act::Settle,
    ];
    check(20_001_272, &acts);
}

/// Of two who read a file one after the other, the first told last, and its print was equal.
#[test]
fn of_two_readings_the_later_one_counts() {
    let acts = [
        Act::Lag(300),
        edit(0, 11, 43220, 53075),
        Act::Settle,
        edit(1, 52, 65063, 54313),
        edit(0, 41, 64344, 7859),
        Act::Ask { device: 0 },
        Act::Clock {
            device: 0,
            hours: 12223,
        },
        edit(1, 223, 57107, 30074),
        Act::Pass(204),
        Act::Ask { device: 1 },
        Act::Settle,
    ];
    check(20_014_037, &acts);
}

/// A status named as blocked what listeners had been told by the turn before.
#[test]
fn a_status_lists_what_was_found_in_the_turn_that_answers_it() {
    let acts = [
        edit(1, 210, 9347, 55865),
        Act::HoldBack {
            device: 1,
            is_held_back: true,
        },
        Act::ScarceDescriptors {
            device: 1,
            n_calls: 44,
        },
        edit(1, 202, 33280, 30436),
        edit(0, 250, 42092, 50547),
        edit(1, 11, 33686, 21514),
        edit(0, 179, 31283, 62098),
        edit(0, 11, 59769, 54199),
        Act::Pass(818),
        Act::Ask { device: 1 },
        Act::Settle,
    ];
    check(20_011_802, &acts);
}

/// On a disk that takes two spellings for one, a file came to a name, replaced what was there under another spelling, and went
/// on to a third.
#[test]
fn what_was_replaced_under_another_spelling_is_missed_though_its_heir_is_gone() {
    let acts = [
        edit(1, 130, 12859, 39862),
        edit(0, 195, 31499, 45417),
        Act::Pass(6284),
        edit(0, 30, 45087, 16855),
        edit(0, 169, 53277, 18065),
        Act::Pass(20851),
        Act::Ask { device: 0 },
        Act::Settle,
    ];
    check(20_010_267, &acts);
}

/// A pipe in a directory that another device moved was listed where it had been.
#[test]
fn what_is_no_node_moves_along_with_its_directory() {
    let acts = [
        Act::Lag(3000),
        Act::Pass(29395),
        Act::Crash {
            device: 1,
            is_power_cut: false,
            after: 3,
        },
        edit(1, 89, 29311, 5001),
        edit(1, 126, 50143, 1240),
        edit(1, 19, 13702, 31964),
        Act::Pass(2),
        Act::Pass(194),
        edit(1, 180, 48711, 58522),
        edit(1, 36, 41882, 10095),
        Act::Ask { device: 0 },
        edit(1, 14, 9127, 56754),
        edit(0, 114, 11137, 17006),
        edit(1, 201, 41631, 27410),
        Act::Pass(2071),
        Act::Crash {
            device: 0,
            is_power_cut: false,
            after: 38,
        },
        Act::Pass(246),
        Act::ScarceDescriptors {
            device: 0,
            n_calls: 29,
        },
        edit(1, 52, 59396, 45434),
        Act::Start { device: 1 },
        Act::Pass(2964),
        edit(0, 127, 65306, 48599),
        edit(0, 19, 959, 54636),
        edit(0, 241, 5604, 4665),
        edit(1, 47, 20352, 41659),
        edit(0, 253, 16242, 18038),
        Act::Pass(26),
        Act::Pass(25),
        edit(1, 4, 11497, 1147),
        edit(1, 172, 61016, 11541),
        edit(1, 58, 60337, 34275),
        edit(1, 201, 12546, 5491),
        edit(1, 11, 64025, 3841),
        Act::Start { device: 0 },
        Act::Pass(42),
        Act::Crash {
            device: 1,
            is_power_cut: true,
            after: 2,
        },
        edit(1, 11, 13739, 61704),
        Act::Pass(22),
        edit(1, 11, 26241, 6909),
        Act::ScarceDescriptors {
            device: 0,
            n_calls: 27,
        },
        edit(1, 251, 46271, 42206),
        Act::Pass(18011),
        edit(1, 70, 64484, 19940),
        Act::Pass(27),
        edit(1, 187, 42023, 35763),
        edit(0, 19, 25135, 35092),
        edit(1, 70, 53572, 27052),
        edit(0, 202, 49633, 49275),
        edit(1, 169, 26562, 26469),
        Act::Settle,
    ];
    check(20_012_481, &acts);
}

/// What was to be seen inside a directory was forgotten when the directory was looked at while the driver moved it.
#[test]
fn a_walk_that_a_move_broke_off_is_taken_up_again() {
    let acts = [
        Act::Lag(300),
        edit(0, 197, 25025, 63187),
        edit(1, 19, 60182, 17533),
        edit(1, 78, 11132, 10997),
        Act::ScarceDescriptors {
            device: 1,
            n_calls: 36,
        },
        edit(1, 106, 5359, 64630),
        edit(1, 154, 1399, 4336),
        edit(0, 211, 13448, 61525),
        edit(0, 19, 52044, 20954),
        edit(0, 135, 51984, 56248),
        Act::Overflow { device: 1 },
        Act::Pass(18),
        edit(0, 226, 64748, 25218),
        edit(1, 19, 51764, 9167),
        Act::Pass(2703),
        Act::Ask { device: 1 },
        Act::Settle,
    ];
    check(20_023_083, &acts);
    let acts = [
        Act::Lag(3000),
        edit(0, 19, 35071, 30017),
        Act::Pass(11936),
        Act::Ask { device: 1 },
        Act::Pass(1345),
        edit(1, 19, 25120, 52387),
        edit(1, 40, 1648, 52596),
        edit(0, 45, 17560, 34014),
        edit(0, 127, 56250, 27313),
        Act::Pass(7613),
        edit(1, 65, 21756, 55162),
        edit(1, 121, 7916, 43847),
        edit(1, 111, 19564, 41833),
        edit(0, 116, 50136, 20096),
        Act::Pass(29074),
        edit(0, 108, 1095, 53725),
        edit(1, 39, 29443, 13914),
        edit(0, 15, 21712, 52505),
        line(1, LineWeather::Down),
        edit(0, 102, 22853, 28392),
        Act::Pass(25055),
        edit(0, 147, 50323, 42613),
        line(0, LineWeather::Fair(121)),
        edit(0, 128, 47959, 26989),
        edit(1, 12, 22601, 27917),
        Act::Pass(2727),
        edit(0, 202, 32820, 28264),
        Act::Pass(177),
        edit(1, 3, 10276, 63300),
        Act::Pass(16451),
        edit(1, 29, 42501, 48320),
        Act::Pass(13359),
        Act::Pass(586),
        line(0, LineWeather::Fair(131)),
        edit(1, 40, 29753, 37696),
        edit(0, 197, 30088, 27620),
        edit(0, 19, 28591, 58664),
        Act::Pass(191),
        edit(0, 19, 24061, 55251),
        edit(0, 168, 47355, 28476),
        edit(1, 193, 43108, 15968),
        edit(1, 234, 28492, 63983),
        Act::Settle,
    ];
    check(20_021_714, &acts);
}

/// Somebody made a file executable just before the driver moved it into a directory that was not watched yet.
#[test]
fn what_was_changed_just_before_a_move_is_looked_for_in_its_new_place() {
    let acts = [
        Act::Lag(3000),
        Act::Pass(12349),
        edit(0, 87, 44366, 44622),
        edit(0, 60, 17562, 6766),
        Act::Ask { device: 1 },
        Act::Pass(263),
        edit(1, 94, 13259, 10937),
        edit(2, 244, 56111, 34849),
        edit(1, 5, 52700, 2076),
        Act::Pass(16977),
        Act::Ask { device: 0 },
        Act::Ask { device: 2 },
        Act::Pass(186),
        Act::Pass(1),
        Act::Pass(193),
        Act::Overflow { device: 1 },
        Act::Ask { device: 0 },
        Act::Pass(7341),
        Act::Pass(93),
        edit(0, 127, 55769, 31331),
        Act::CrashServer {
            is_power_cut: false,
            after: 3,
        },
        Act::Pass(22),
        edit(0, 89, 20861, 30079),
        edit(1, 160, 58522, 48069),
        edit(1, 32, 59991, 6394),
        Act::Pass(273),
        edit(1, 195, 25163, 35529),
        edit(1, 102, 55446, 64493),
        edit(0, 63, 23904, 18950),
        edit(2, 80, 31416, 8637),
        Act::Pass(1351),
        edit(1, 156, 43301, 31783),
        Act::Pass(138),
        Act::Pass(187),
        edit(1, 180, 28173, 2114),
        Act::Pass(20),
        edit(1, 131, 11662, 33310),
        Act::Settle,
    ];
    check(20_000_160, &acts);
}

/// A directory that can be judged only with what is inside it was looked at over and over.
#[test]
fn what_is_to_be_seen_inside_a_directory_is_asked_for_once() {
    let acts = [
        Act::Lag(30),
        Act::Overflow { device: 0 },
        edit(0, 199, 52719, 36044),
        edit(1, 55, 62740, 41925),
        edit(0, 233, 55508, 6345),
        edit(1, 16, 15030, 46952),
        edit(1, 51, 49629, 29398),
        Act::Pass(17),
        Act::Overflow { device: 1 },
        Act::Settle,
    ];
    check(23_006_571, &acts);
}

/// A directory that could be opened and not listed was looked into, and taken for an empty one.
#[test]
fn a_directory_that_cannot_be_listed_is_said_to_be_blocked_under_its_next_name() {
    let refuse = Act::Refuse {
        device: 0,
        which: 49280,
        is_damaged: true,
    };
    let acts = [
        Act::Lag(3000),
        edit(1, 106, 14745, 41159),
        Act::Pass(233),
        edit(1, 198, 21516, 5351),
        edit(0, 166, 55522, 26368),
        edit(0, 34, 898, 18991),
        refuse,
        edit(1, 190, 14811, 28462),
        edit(1, 212, 2523, 8256),
        edit(2, 231, 25, 35547),
        edit(2, 19, 8928, 64745),
        edit(0, 139, 51833, 17580),
        Act::Pass(24453),
        Act::Ask { device: 0 },
        Act::Settle,
    ];
    check(24_005_335, &acts);
}

/// A file was written within the tick of its stamps, and moved by its client, which knew so only after some ticks more.
#[test]
fn what_was_written_just_before_a_move_is_read_although_the_move_is_known_late() {
    let acts = [
        Act::Lag(3000),
        edit(2, 88, 59452, 57751),
        Act::Ask { device: 1 },
        edit(1, 230, 54641, 55851),
        edit(2, 89, 6095, 63253),
        edit(1, 135, 57323, 24219),
        Act::Pass(89),
        edit(1, 128, 51104, 50605),
        edit(0, 183, 47779, 33489),
        Act::Pass(17114),
        Act::Settle,
    ];
    check(30_005_220, &acts);
}

/// A file was written within the tick of its stamps and moved, while its client was at work on it.
#[test]
fn a_look_that_was_put_off_remembers_that_the_file_was_young() {
    let acts = [
        Act::Lag(3000),
        Act::Pass(1542),
        edit(0, 160, 63148, 34142),
        Act::Ask { device: 2 },
        Act::Ask { device: 1 },
        edit(2, 75, 42237, 49855),
        edit(1, 130, 43220, 29833),
        Act::Pass(8),
        edit(0, 201, 45844, 29905),
        edit(0, 130, 40877, 46638),
        Act::Settle,
    ];
    check(32_000_245, &acts);
}

/// A client moved a directory while something inside it was deleted, and looked into it under its next name.
#[test]
fn what_is_gone_from_a_directory_that_was_looked_into_is_missed() {
    let acts = [
        Act::Lag(3000),
        edit(0, 198, 9518, 14358),
        edit(0, 91, 36475, 5560),
        Act::EditAmid {
            device: 1,
            how: 184,
            which: 33675,
            whither: 34102,
            n_calls: 53,
        },
        Act::Ask { device: 1 },
        edit(0, 15, 55910, 4473),
        Act::Pass(2253),
        line(0, LineWeather::Down),
        edit(0, 14, 34053, 20494),
        Act::Pass(27831),
        edit(0, 232, 61355, 40127),
        edit(0, 89, 15540, 24750),
        Act::Settle,
    ];
    check(32_002_097, &acts);
}

/// A file that could not be read was deleted, and the attempt to read it was known only then.
#[test]
fn what_could_not_be_read_and_is_gone_is_not_listed() {
    let acts = [
        Act::Lag(3000),
        edit(1, 140, 50769, 34716),
        Act::Refuse {
            device: 1,
            which: 27152,
            is_damaged: false,
        },
        Act::Ask { device: 0 },
        edit(1, 181, 64462, 21794),
        edit(1, 71, 48568, 23036),
        edit(0, 171, 31325, 52192),
        Act::Settle,
    ];
    check(32_004_231, &acts);
}

/// On a disk that folds names a file that had gone was found by its name, as the one that has another spelling of it.
#[test]
fn a_file_of_another_spelling_is_not_what_could_not_be_read() {
    let acts = [
        edit(1, 70, 5087, 2742),
        edit(0, 84, 42290, 5067),
        Act::Pass(2),
        edit(0, 29, 18678, 24395),
        edit(1, 244, 47882, 35632),
        Act::Pass(284),
        edit(0, 189, 15247, 62777),
        Act::Refuse {
            device: 1,
            which: 22849,
            is_damaged: false,
        },
        Act::Pass(1745),
        Act::Settle,
    ];
    check(33_003_805, &acts);
}

/// A file was written within the tick in which its client had put it there, and moved by it some ticks later.
#[test]
fn what_was_put_there_within_a_tick_is_read_where_it_is_moved() {
    let acts = [
        Act::Lag(3000),
        edit(0, 107, 38669, 2977),
        edit(1, 107, 16068, 25176),
        Act::Space { device: 0, left: 1 },
        Act::Pass(1107),
        Act::Overflow { device: 0 },
        edit(1, 183, 56198, 20011),
        edit(0, 146, 60058, 21504),
        Act::Settle,
    ];
    check(33_007_954, &acts);
}
