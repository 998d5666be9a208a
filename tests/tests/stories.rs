//! Stories of simulated worlds that failed once, each in the world of its seed.

mod claims;
mod late;
mod outage;
mod stash;

use tests::sim::act::{Act, LineWeather, Wildness};
use tests::sim::search::try_seed;
use tests::sim::world::run_acts;

/// Tells a story that is kept in the world of its seed.
fn check(seed: u64, acts: &[Act]) {
    let run = run_acts(seed, Wildness::of(seed), acts);
    assert!(
        run.failure.is_none(),
        "{:?}\n{}",
        run.failure,
        run.told.join("\n")
    );
}

fn edit(device: u8, how: u8, which: u16, whither: u16) -> Act {
    Act::Edit {
        device,
        how,
        which,
        whither,
    }
}

fn line(device: u8, weather: LineWeather) -> Act {
    Act::Line { device, weather }
}

/// A program has a file open that another device replaces, and writes to it only then, by calls and through a map.
#[test]
fn what_is_written_to_an_open_file_after_it_was_replaced_is_in_the_folder_within_a_minute() {
    let mut acts = vec![edit(0, 0, 0, 0), Act::Settle];
    for is_mapped in [false, true] {
        acts.extend([
            Act::Hold { device: 1, which: 0 },
            edit(0, 5, 0, 0),
            Act::Pass(30_000),
            Act::WriteHeld { device: 1, is_mapped },
            Act::Settle,
        ]);
    }
    check(1, &acts);
}

/// A program writes to its file through a map, again and again, and keeps it open.
#[test]
fn what_is_written_through_a_map_is_in_the_account_within_a_minute() {
    let mut acts = vec![edit(0, 0, 0, 0), Act::Settle, Act::Hold { device: 0, which: 0 }];
    for _ in 0..5 {
        acts.extend([
            Act::WriteHeld {
                device: 0,
                is_mapped: true,
            },
            Act::Pass(7_000),
        ]);
    }
    acts.push(Act::Settle);
    check(2, &acts);
}

/// A move of the client's own, as when two conflict copies change names, once hid what was written meanwhile.
#[test]
fn what_is_written_while_conflict_copies_get_their_names_is_kept() {
    let mut acts = vec![line(1, LineWeather::Down)];
    for whither in [0, 8] {
        acts.extend([edit(0, 0, 0, whither), edit(1, 0, 0, whither)]);
    }
    acts.extend([
        edit(0, 17, 0, 8),
        line(1, LineWeather::Fair(20)),
        Act::Pass(1_000),
    ]);
    for which in 0..12 {
        acts.extend([edit(1, 3, which, 0), Act::Pass(9), edit(1, 17, which, 8)]);
    }
    acts.push(Act::Settle);
    check(1, &acts);
}

/// Once the history was asked for ever about what it cannot recognize.
#[test]
fn a_copy_of_an_old_version_comes_to_rest_after_a_loss_of_memory() {
    let acts = [
        edit(0, 0, 0, 0),
        Act::Settle,
        edit(1, 18, 0, 8),
        edit(0, 3, 0, 0),
        Act::Settle,
        Act::Crash {
            device: 1,
            is_power_cut: false,
            after: 0,
        },
        Act::LoseMemory { device: 1 },
        edit(1, 18, 1, 0),
        edit(0, 3, 0, 0),
        edit(0, 8, 0, 16),
        Act::Start { device: 1 },
        Act::Settle,
    ];
    check(3, &acts);
}

/// Once a download that was begun, and not wanted any more, was left in staging.
#[test]
fn a_download_that_is_not_wanted_any_more_leaves_nothing_behind() {
    let acts = [
        edit(0, 117, 56772, 29560),
        Act::Pass(23),
        edit(1, 39, 29510, 59359),
        Act::Pass(182),
        line(0, LineWeather::Fair(181)),
        edit(1, 6, 42826, 27607),
        Act::Pass(96),
        edit(0, 189, 45414, 62138),
        edit(1, 174, 60739, 60823),
        Act::Settle,
        Act::Pass(10),
        edit(1, 152, 5556, 31498),
        edit(0, 113, 62257, 64724),
        edit(1, 63, 22239, 40083),
        edit(0, 14, 25593, 49159),
        Act::Pass(2642),
        edit(0, 1, 46355, 37163),
        Act::Pass(2),
        line(0, LineWeather::Fair(197)),
        Act::Pass(1),
        edit(0, 170, 42718, 59721),
        edit(0, 80, 40766, 7988),
        edit(0, 75, 30856, 2902),
        Act::Pass(78),
        Act::Pass(60),
        Act::Pass(241),
        line(1, LineWeather::Fair(149)),
        edit(1, 38, 42739, 65094),
        edit(0, 115, 50254, 21759),
        Act::Pass(6553),
        edit(0, 126, 34869, 46315),
        Act::Pass(631),
        edit(1, 138, 58149, 65535),
        line(1, LineWeather::Silent),
        Act::Pass(109),
        edit(0, 212, 13080, 30291),
        Act::Settle,
    ];
    check(33, &acts);
}

/// Once a download that ended only after all was synced stayed in staging, since something else was blocked by then.
#[test]
fn a_download_that_ends_late_leaves_nothing_behind() {
    let acts = [
        Act::Overflow { device: 2 },
        Act::Pass(14981),
        edit(1, 61, 23469, 10527),
        Act::Pass(594),
        edit(1, 76, 17889, 16367),
        Act::Settle,
        line(2, LineWeather::Silent),
        edit(0, 54, 23307, 33180),
        line(1, LineWeather::Fair(138)),
        Act::Pass(1454),
        Act::Pass(212),
        Act::Pass(11003),
        Act::Pass(1275),
        Act::Pass(15),
        Act::Backup,
        Act::Pass(281),
        line(1, LineWeather::BreaksAfter(162)),
        edit(0, 54, 26182, 5781),
        Act::Pass(2),
        edit(2, 210, 32685, 46117),
        edit(0, 155, 26358, 48875),
        edit(1, 160, 28232, 50423),
        edit(1, 238, 12662, 4183),
        Act::Pass(2),
        edit(2, 58, 21457, 31609),
        line(1, LineWeather::Down),
        edit(2, 85, 61734, 52003),
        edit(1, 156, 22757, 34417),
        line(1, LineWeather::Silent),
        edit(0, 91, 45267, 45478),
        Act::Clock {
            device: 0,
            hours: -60047,
        },
        edit(1, 54, 1003, 28181),
        Act::CrashServer {
            is_power_cut: false,
            after: 15,
        },
        edit(0, 57, 15103, 43533),
        Act::Pass(2),
        Act::Pass(2),
        Act::Pass(1901),
        edit(0, 2, 36542, 19443),
        edit(0, 190, 50459, 61191),
        edit(0, 179, 44883, 62997),
        Act::Settle,
    ];
    check(3_109_395, &acts);
}

/// Once what could not be sent over a lost line was planned for anew without a pause, so that nobody heard of the loss.
#[test]
fn a_line_that_is_lost_while_something_is_to_be_sent_is_seen_to_be_lost() {
    let found = try_seed(5_211_639, true).1;
    assert!(
        found.is_none(),
        "{}",
        found.map_or_else(String::new, |found| found.to_string())
    );
}

/// The line breaks and the computer with it, again and again, while a large file is replaced.
#[test]
fn a_large_file_arrives_through_crashes_and_broken_lines() {
    let mut acts = vec![edit(0, 0, 0, 8), edit(0, 19, 0, 0)];
    for after in [1, 4, 9, 16, 25] {
        acts.extend([
            Act::Crash {
                device: 1,
                is_power_cut: after % 2 == 0,
                after,
            },
            line(1, LineWeather::BreaksAfter(30_000)),
            Act::Pass(2_000),
            Act::Start { device: 1 },
            edit(0, 19, 0, 0),
        ]);
    }
    acts.push(Act::Settle);
    check(4, &acts);
}

/// Once the second reading of a young file found nothing, since the file had moved by then.
#[test]
fn what_was_written_and_moved_in_one_tick_of_the_stamps_is_read() {
    let acts = [
        edit(0, 45, 34152, 21372),
        Act::Pass(26),
        edit(1, 179, 26351, 30963),
        edit(1, 63, 46354, 65511),
        edit(1, 230, 432, 19891),
        Act::Settle,
    ];
    check(200033, &acts);
}

/// Once what was written just after a client was killed, under the stamps that it had remembered, was never read.
#[test]
fn what_was_written_after_an_end_in_the_same_tick_is_read() {
    let acts = [
        edit(1, 170, 35607, 3178),
        edit(0, 129, 46014, 9569),
        Act::Crash {
            device: 1,
            is_power_cut: false,
            after: 9,
        },
        Act::Pass(4),
        edit(0, 3, 7506, 33280),
        edit(1, 21, 41838, 12975),
        Act::Settle,
    ];
    check(704, &acts);
}

/// Once a client did not start where there was no room for a few bytes.
#[test]
fn a_client_starts_on_a_full_disk() {
    let acts = [
        edit(0, 9, 61177, 65194),
        Act::Space {
            device: 2,
            left: 5000,
        },
        Act::Pass(9),
        Act::CrashServer {
            is_power_cut: true,
            after: 4,
        },
        edit(0, 14, 64114, 34619),
        edit(1, 192, 21161, 44144),
        edit(1, 154, 10665, 33627),
        edit(2, 182, 24128, 37904),
        Act::StartServer,
        Act::Crash {
            device: 2,
            is_power_cut: true,
            after: 54,
        },
        Act::Pass(28871),
        Act::Start { device: 2 },
        Act::Settle,
    ];
    check(11205, &acts);
}

/// Once a file that was written again within one tick of the stamps passed for flushed with what was written first, and
/// nobody saw that a power cut had undone the second.
#[test]
fn what_was_written_twice_in_one_tick_and_undone_by_a_power_cut_comes_back() {
    let acts = [
        Act::Pass(8609),
        edit(1, 175, 64855, 63530),
        Act::CrashServer {
            is_power_cut: true,
            after: 2,
        },
        edit(2, 173, 9170, 12542),
        Act::Pass(8969),
        edit(1, 1, 21236, 52328),
        Act::Pass(19187),
        edit(0, 190, 22512, 11221),
        edit(1, 222, 53786, 20145),
        edit(0, 226, 53934, 9823),
        edit(1, 127, 7012, 37448),
        edit(0, 65, 15971, 14439),
        edit(0, 212, 8102, 34629),
        Act::Crash {
            device: 2,
            is_power_cut: true,
            after: 16,
        },
        Act::Pass(502),
        edit(2, 165, 56430, 43656),
        Act::Pass(883),
        edit(2, 198, 27763, 19749),
        Act::Pass(1439),
        edit(1, 183, 8741, 29875),
        edit(2, 62, 41281, 56973),
        Act::Settle,
    ];
    check(5608175, &acts);
}

/// Once a file that was saved in place of another, which had taken the place of one that had just come from the server, got
/// that one's number and all its stamps, and passed for it.
#[test]
fn what_is_saved_over_what_was_moved_over_what_has_just_come_is_seen() {
    let acts = [
        edit(1, 43, 58593, 42704),
        edit(0, 90, 55723, 24679),
        Act::Pass(215),
        edit(0, 130, 40315, 37953),
        edit(0, 65, 42741, 14484),
        Act::Pass(2282),
        Act::Settle,
    ];
    check(5711298, &acts);
}

/// On a disk that takes two spellings of a name for one, a pipe under the one once held up for ever what was to come under
/// the other.
#[test]
fn what_stands_in_the_way_under_another_spelling_is_told_and_all_else_comes_to_rest() {
    let acts = [edit(0, 248, 49801, 14793), edit(1, 134, 10908, 4534), Act::Settle];
    check(567, &acts);
}

/// What was written to an open file in the tick in which it had come, after it was replaced within that tick too, was not seen
/// before the stash was looked through.
#[test]
fn what_is_written_to_a_replaced_file_in_the_tick_of_its_stamps_is_in_the_folder_within_a_minute() {
    let acts = [
        edit(1, 145, 51267, 25809),
        Act::Pass(29),
        edit(1, 143, 6255, 53355),
        Act::Hold {
            device: 0,
            which: 27441,
        },
        Act::Pass(114),
        Act::WriteHeld {
            device: 0,
            is_mapped: false,
        },
        Act::Settle,
    ];
    check(9_061_047, &acts);
}

/// What was written through a map in the tick in which the file had come was seen at the next look at everything only.
#[test]
fn what_is_written_through_a_map_in_the_tick_in_which_a_file_came_is_in_the_account_within_a_minute() {
    let acts = [
        Act::Pass(23323),
        Act::Pass(783),
        edit(2, 50, 42269, 13804),
        edit(1, 173, 1254, 40908),
        Act::Pass(4),
        Act::Hold {
            device: 0,
            which: 26175,
        },
        Act::WriteHeld {
            device: 0,
            is_mapped: true,
        },
        Act::Settle,
    ];
    check(9_123_870, &acts);
}

/// What was written in the tick in which a file had come, while the watcher was behind by more than that, was not read.
#[test]
fn what_was_written_in_the_tick_in_which_a_file_came_is_read_however_late_it_is_told() {
    let acts = [
        edit(2, 17, 7078, 34017),
        edit(1, 200, 6622, 50666),
        edit(0, 57, 61801, 23965),
        edit(0, 110, 27500, 57853),
        Act::HoldBack {
            device: 1,
            is_held_back: true,
        },
        Act::Pass(24),
        edit(1, 204, 18751, 48956),
        Act::Pass(2074),
        Act::Settle,
    ];
    check(9_200_795, &acts);
}
