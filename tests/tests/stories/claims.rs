//! Stories in which a client said that it was synced, or came to rest, although something was left out that it did not list.

use super::{check, edit};
use tests::sim::act::Act;

/// Once a directory that could not be listed for want of descriptors was looked at afterwards, found as it was, and what was
/// inside it stayed unseen for an hour: the client said that it was synced.
#[test]
fn what_could_not_be_listed_for_want_of_descriptors_is_not_claimed_to_be_synced() {
    let acts = [
        Act::HoldBack {
            device: 1,
            is_held_back: true,
        },
        edit(1, 210, 30770, 27257),
        Act::ScarceDescriptors {
            device: 1,
            n_calls: 86,
        },
        Act::Ask { device: 1 },
        Act::Settle,
    ];
    check(9_000_119, &acts);
    let acts = [
        edit(1, 19, 27561, 29093),
        Act::Pass(11903),
        Act::Pass(79),
        edit(1, 101, 27483, 24013),
        edit(1, 14, 26955, 18918),
        Act::ScarceDescriptors {
            device: 1,
            n_calls: 6,
        },
        Act::Pass(2134),
        Act::Ask { device: 1 },
        Act::Settle,
    ];
    check(9_000_295, &acts);
}

/// On a disk that takes two spellings of a name for one, a file was once read by the spelling that another file had had
/// there, and became two.
#[test]
fn a_file_is_read_by_its_own_spelling_alone() {
    let acts = [
        edit(1, 182, 50831, 32594),
        edit(0, 202, 39262, 7666),
        edit(1, 42, 18901, 59542),
        Act::HoldBack {
            device: 0,
            is_held_back: true,
        },
        Act::Pass(8),
        edit(0, 24, 49477, 17738),
        Act::Pass(1008),
        edit(1, 47, 450, 3310),
        Act::Pass(29409),
        edit(1, 91, 2357, 3727),
        edit(1, 126, 19412, 4835),
        edit(0, 243, 44589, 38558),
        Act::Pass(80),
        edit(1, 170, 35024, 13796),
        Act::Settle,
    ];
    check(9_001_113, &acts);
}

/// Once what was moved to the place of a deleted directory, which could not be removed here because of a pipe in it, waited
/// for ever, and nobody was told.
#[test]
fn what_waits_for_the_place_of_what_is_blocked_is_blocked_too() {
    let acts = [
        edit(1, 80, 32005, 38327),
        edit(1, 73, 47539, 39031),
        edit(1, 54, 30831, 62520),
        edit(1, 251, 32379, 31587),
        edit(1, 232, 6651, 46756),
        Act::Pass(10496),
        edit(0, 132, 49963, 33405),
        edit(0, 8, 307, 3990),
        Act::Settle,
    ];
    check(106, &acts);
}

/// A file that was replaced by a pipe here, and moved elsewhere, once did not come by its new name.
#[test]
fn what_a_pipe_has_replaced_here_comes_to_where_it_was_moved_elsewhere() {
    let acts = [
        edit(1, 21, 13605, 21672),
        Act::Pass(1),
        Act::Pass(11393),
        edit(1, 168, 7425, 46035),
        edit(1, 90, 53417, 48601),
        Act::Pass(8),
        edit(1, 65, 58478, 62997),
        edit(1, 253, 49109, 33075),
        edit(0, 48, 64993, 24323),
        Act::Settle,
    ];
    check(9_050_873, &acts);
}

/// What could not be read here and was moved elsewhere was once listed where it is, and not where it is to come.
#[test]
fn what_cannot_go_where_it_was_moved_is_listed_under_both_names() {
    let acts = [
        edit(1, 206, 13719, 47943),
        edit(0, 8, 22646, 59109),
        edit(0, 19, 49708, 49942),
        edit(0, 106, 37224, 28836),
        Act::Pass(44),
        edit(1, 73, 15708, 61636),
        edit(0, 170, 45707, 51226),
        Act::Pass(1292),
        Act::Refuse {
            device: 1,
            which: 12484,
            is_damaged: true,
        },
        edit(0, 103, 56383, 41863),
        Act::Pass(2053),
        Act::Ask { device: 1 },
        edit(0, 130, 62539, 30883),
        Act::Ask { device: 1 },
        Act::Settle,
    ];
    check(9_062_514, &acts);
}

/// On a disk that takes `a` and `A` for one name, the one waited for the other, whose place a pipe has, and was not listed.
#[test]
fn what_waits_for_a_name_that_a_blocked_node_is_to_have_is_listed() {
    let acts = [
        edit(1, 251, 29013, 30305),
        edit(0, 205, 16411, 28933),
        edit(1, 8, 5406, 7184),
        edit(1, 120, 42178, 11909),
        edit(0, 95, 38845, 33914),
        Act::Settle,
    ];
    check(9_070_741, &acts);
}

/// On a disk that takes two spellings of a name for one, what was saved under one of them over a file that had the other was
/// seen, and the file that was gone by that was not.
#[test]
fn what_is_replaced_under_another_spelling_is_gone() {
    let acts = [
        edit(1, 148, 24894, 24549),
        edit(0, 120, 10754, 15899),
        edit(1, 38, 18080, 21281),
        Act::Pass(126),
        edit(1, 210, 43586, 48921),
        Act::Pass(21620),
        Act::Ask { device: 1 },
        Act::Settle,
    ];
    check(9_112_039, &acts);
}

/// What came into a directory that a pipe has replaced here, or was moved into it, was waited for without an end.
#[test]
fn what_comes_into_what_a_pipe_has_replaced_does_not_keep_all_else_from_rest() {
    let acts = [
        edit(0, 29, 29401, 40991),
        edit(0, 134, 61095, 34551),
        Act::Pass(299),
        Act::Ask { device: 1 },
        edit(0, 102, 58764, 3122),
        edit(1, 232, 49308, 47718),
        edit(1, 249, 58268, 22882),
        Act::Settle,
    ];
    check(9_126_144, &acts);
}

/// A directory that was to move into one that was in it, which cannot move away here for a pipe, was waited for without an end.
#[test]
fn what_is_to_move_into_what_it_holds_here_is_listed_when_that_is_blocked() {
    let acts = [
        edit(1, 71, 9493, 64492),
        edit(0, 234, 24010, 53602),
        edit(0, 209, 17882, 19754),
        edit(1, 193, 24292, 65129),
        edit(0, 59, 15105, 891),
        edit(1, 181, 10192, 36421),
        edit(1, 114, 38043, 26882),
        edit(1, 131, 5998, 41877),
        Act::Pass(1561),
        edit(1, 28, 36748, 59921),
        edit(0, 193, 38487, 32176),
        edit(1, 52, 13931, 33808),
        edit(1, 178, 26540, 16376),
        edit(0, 248, 30217, 3115),
        edit(1, 19, 39497, 6201),
        edit(1, 74, 24393, 36521),
        edit(1, 74, 42096, 55641),
        edit(1, 88, 11952, 25806),
        Act::Settle,
    ];
    check(9_212_573, &acts);
}

/// A directory that could be neither listed nor looked at for want of descriptors was looked at later, and not into.
#[test]
fn what_could_not_be_looked_into_for_want_of_descriptors_is_looked_into() {
    let acts = [
        Act::ScarceDescriptors {
            device: 0,
            n_calls: 11,
        },
        edit(0, 113, 36927, 62413),
        edit(1, 253, 51139, 49580),
        edit(0, 254, 10054, 23090),
        Act::Pass(27376),
        edit(1, 22, 14190, 16629),
        edit(1, 73, 22283, 16297),
        Act::CrashServer {
            is_power_cut: true,
            after: 18,
        },
        Act::Pass(5091),
        edit(0, 12, 36729, 6712),
        Act::Pass(26984),
        edit(1, 19, 35634, 54450),
        edit(0, 174, 21604, 3683),
        edit(0, 59, 39462, 12830),
        Act::Pass(268),
        Act::ScarceDescriptors {
            device: 0,
            n_calls: 35,
        },
        edit(0, 11, 61107, 22410),
        Act::Pass(2),
        edit(0, 170, 6685, 45316),
        Act::Pass(2),
        edit(0, 90, 42361, 5896),
        edit(0, 174, 58648, 36614),
        edit(0, 11, 63710, 52850),
        edit(0, 11, 37518, 37551),
        Act::Pass(1555),
        edit(0, 136, 49951, 35688),
        Act::Settle,
    ];
    check(9_401_136, &acts);
}

/// A file was written within the tick in which its client had put it there, and the watcher was silent.
#[test]
fn a_walk_reads_what_may_hide_a_write() {
    let acts = [
        Act::EditAmid {
            device: 2,
            how: 6,
            which: 2294,
            whither: 3255,
            n_calls: 3,
        },
        edit(1, 50, 34375, 11485),
        Act::EditAmid {
            device: 2,
            how: 20,
            which: 7037,
            whither: 59616,
            n_calls: 22,
        },
        Act::Pass(26027),
        edit(1, 181, 22221, 36040),
        edit(1, 26, 35239, 40729),
        Act::Pass(154),
        Act::HoldBack {
            device: 0,
            is_held_back: true,
        },
        edit(0, 162, 50347, 28908),
        Act::Pass(28940),
        Act::Ask { device: 0 },
        Act::Settle,
    ];
    check(32_001_815, &acts);
}
