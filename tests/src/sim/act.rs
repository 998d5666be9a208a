//! What happens in a simulated world, one thing after the other. All of it is numbers, which choose among what there is at
//! that moment; so a part of a story is a story too, and a failing one can be made shorter.

use crate::noise::Noise;
use crate::sim::server::Tool;
use std::fmt;

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// A person or a program changes something in a device's folder; the numbers choose what.
    Edit {
        /// The device.
        device: u8,
        /// What is done.
        how: u8,
        /// With which of the things that there are.
        which: u16,
        /// Where to, or under which name.
        whither: u16,
    },
    /// The same, in the middle of what the device's client does: before the call to its disk that comes after so many others.
    EditAmid {
        /// The device.
        device: u8,
        /// What is done.
        how: u8,
        /// With which of the things that there are.
        which: u16,
        /// Where to, or under which name.
        whither: u16,
        /// After so many calls.
        n_calls: u16,
    },
    /// A program opens a file of a device's and keeps it open; it closes what it had open before.
    Hold {
        /// The device.
        device: u8,
        /// Which of the files that there are.
        which: u16,
    },
    /// A program writes to the file that it has open.
    WriteHeld {
        /// The device.
        device: u8,
        /// Through a memory map, of which no watcher is told.
        is_mapped: bool,
    },
    /// Time passes, in milliseconds.
    Pass(u32),
    /// From now on, what the clients find and do on their disks is known to them up to so many milliseconds later.
    Lag(u16),
    /// A device's line to the server changes.
    Line {
        /// The device.
        device: u8,
        /// The new weather.
        weather: LineWeather,
    },
    /// A client or its computer ends at once, or after so many effects on its disk.
    Crash {
        /// The device.
        device: u8,
        /// The computer, not just the program.
        is_power_cut: bool,
        /// At once when zero.
        after: u16,
    },
    /// A client is started, if none runs.
    Start {
        /// The device.
        device: u8,
    },
    /// A client's memory is lost, if it does not run.
    LoseMemory {
        /// The device.
        device: u8,
    },
    /// A device's watcher overflows.
    Overflow {
        /// The device.
        device: u8,
    },
    /// No further directory of a device's folder can be watched from now on; or can be again.
    WatchLimit {
        /// The device.
        device: u8,
        /// Whether there is such a limit.
        is_limited: bool,
    },
    /// What a device's watcher is told is held back from now on; or is told.
    HoldBack {
        /// The device.
        device: u8,
        /// Whether it is held back.
        is_held_back: bool,
    },
    /// A client may open hardly anything for so many calls.
    ScarceDescriptors {
        /// The device.
        device: u8,
        /// For how many calls that open something.
        n_calls: u8,
    },
    /// A device is asked how it stands, and its answer compared with what is true.
    Ask {
        /// The device.
        device: u8,
    },
    /// A computer's disk is full from now on, but for so many bytes; or has room again.
    Space {
        /// The device.
        device: u8,
        /// How many bytes are left; room enough when zero.
        left: u16,
    },
    /// Something in a device's folder cannot be read from now on.
    Refuse {
        /// The device.
        device: u8,
        /// Which of the things that there are.
        which: u16,
        /// It is damaged, and not just denied.
        is_damaged: bool,
    },
    /// What cannot be read on a device can be read again.
    Mend {
        /// The device.
        device: u8,
    },
    /// The server's disk is full from now on, but for so many bytes; or has room again.
    ServerSpace {
        /// How many bytes are left; room enough when zero.
        left: u16,
    },
    /// A computer's clock jumps, in hours.
    Clock {
        /// The device.
        device: u8,
        /// By so much.
        hours: i32,
    },
    /// The server or its machine ends at once, or after so many effects on its disk.
    CrashServer {
        /// The machine, not just the program.
        is_power_cut: bool,
        /// At once when zero.
        after: u16,
    },
    /// The server is started, if none runs.
    StartServer,
    /// The server's store is copied.
    Backup,
    /// A tool is started beside the server, and killed after so many steps if that is not zero.
    Tool {
        /// Which.
        tool: Tool,
        /// Never when zero.
        n_steps: u8,
    },
    /// The server's store is put back to the last copy, with a new epoch or as it was.
    PutBack {
        /// As the documentation says.
        has_new_epoch: bool,
    },
    /// Everything is mended, and all is to come to rest.
    Settle,
}

/// What a line does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineWeather {
    /// It carries, each piece after up to so many milliseconds.
    Fair(u8),
    /// It is down.
    Down,
    /// It carries nothing and does not say so.
    Silent,
    /// It breaks after so many bytes.
    BreaksAfter(u16),
}

/// How wild a story is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wildness {
    /// Devices.
    pub n_devices: u8,
    /// Acts before the end.
    pub n_acts: usize,
}

impl Wildness {
    /// Returns how wild the world of a seed is.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self {
            n_devices: if seed.is_multiple_of(5) { 3 } else { 2 },
            n_acts: 20 + (seed % 7) as usize * 10,
        }
    }
}

/// Tells a story.
#[must_use]
pub fn story(dice: &mut Noise, wildness: Wildness) -> Vec<Act> {
    // Some stories have no crashes, some no broken lines, and so on: what is always wild hides what needs quiet.
    let has = |dice: &mut Noise| !dice.number().is_multiple_of(3);
    let (has_crashes, has_lines, has_server_crashes) = (has(dice), has(dice), has(dice));
    let has_put_back = dice.number().is_multiple_of(6);
    let has_loss = dice.number().is_multiple_of(4);
    let (has_full_disks, has_bad_disks) = (dice.number().is_multiple_of(4), dice.number().is_multiple_of(4));
    let (has_tools, has_bad_watches) = (has(dice), has(dice));
    let mut acts = Vec::with_capacity(wildness.n_acts + 2);
    if dice.number().is_multiple_of(2) {
        acts.push(Act::Lag([3, 30, 300, 3_000][(dice.number() % 4) as usize]));
    }
    while acts.len() < wildness.n_acts {
        let device = (dice.number() % u64::from(wildness.n_devices)) as u8;
        if has_tools && dice.number().is_multiple_of(6) {
            acts.push(tool(dice, device));
            continue;
        }
        if dice.number().is_multiple_of(10) {
            acts.push(Act::Ask { device });
            continue;
        }
        if has_bad_watches && dice.number().is_multiple_of(16) {
            acts.push(watch(dice, device));
            continue;
        }
        let act = match dice.number() % 100 {
            0..44 => edit(dice, device),
            44..52 => edit_amid(dice, device),
            52..66 => pass(dice),
            66..72 if has_lines => line(dice, device),
            72..77 if has_crashes => Act::Crash {
                device,
                is_power_cut: dice.number().is_multiple_of(2),
                after: (dice.number() % 60) as u16,
            },
            77..84 if has_crashes => Act::Start { device },
            84..86 if has_server_crashes => Act::CrashServer {
                is_power_cut: dice.number().is_multiple_of(2),
                after: (dice.number() % 30) as u16,
            },
            86..90 if has_server_crashes => Act::StartServer,
            90 if has_loss => Act::LoseMemory { device },
            91 => Act::Overflow { device },
            92 => Act::Clock {
                device,
                hours: (dice.number() % 200_000) as i32 - 100_000,
            },
            93 if has_put_back => Act::Backup,
            94 if has_put_back => Act::PutBack {
                has_new_epoch: dice.number().is_multiple_of(2),
            },
            94 => hold(dice, device),
            95 => {
                acts.extend(quiet(dice, wildness));
                Act::Settle
            }
            96 | 97 if has_full_disks => space(dice, device),
            96 | 97 => Act::WriteHeld {
                device,
                is_mapped: dice.number().is_multiple_of(2),
            },
            98 | 99 if has_bad_disks => refuse(dice, device),
            _ => pass(dice),
        };
        acts.push(act);
    }
    acts.push(Act::Settle);
    acts
}

fn edit(dice: &mut Noise, device: u8) -> Act {
    Act::Edit {
        device,
        how: (dice.number() % 256) as u8,
        which: (dice.number() % 65_536) as u16,
        whither: (dice.number() % 65_536) as u16,
    }
}

fn edit_amid(dice: &mut Noise, device: u8) -> Act {
    Act::EditAmid {
        device,
        how: (dice.number() % 256) as u8,
        which: (dice.number() % 65_536) as u16,
        whither: (dice.number() % 65_536) as u16,
        n_calls: (dice.number() % [8, 64, 512][(dice.number() % 3) as usize]) as u16,
    }
}

fn hold(dice: &mut Noise, device: u8) -> Act {
    Act::Hold {
        device,
        which: (dice.number() % 65_536) as u16,
    }
}

/// A rest, and what may go wrong afterwards while nobody does anything in a folder; in every other case nothing at all.
fn quiet(dice: &mut Noise, wildness: Wildness) -> Vec<Act> {
    if !dice.number().is_multiple_of(2) {
        return Vec::new();
    }
    let n_acts = 1 + dice.number() % 6;
    let act = |dice: &mut Noise| {
        let device = (dice.number() % u64::from(wildness.n_devices)) as u8;
        match dice.number() % 10 {
            0..=2 => Act::Crash {
                device,
                is_power_cut: dice.number().is_multiple_of(2),
                after: (dice.number() % 20) as u16,
            },
            3 | 4 => Act::Start { device },
            5 => Act::LoseMemory { device },
            6 => Act::Overflow { device },
            7 => Act::CrashServer {
                is_power_cut: dice.number().is_multiple_of(2),
                after: (dice.number() % 10) as u16,
            },
            8 => line(dice, device),
            _ => pass(dice),
        }
    };
    let acts = (0..n_acts).map(|_| act(dice));
    std::iter::once(Act::Settle).chain(acts).collect()
}

/// A tool, or something that gives it work: large files, which share chunks, and deletions.
fn tool(dice: &mut Noise, device: u8) -> Act {
    let of = |dice: &mut Noise, how| {
        let Act::Edit { which, whither, .. } = edit(dice, device) else {
            return Act::Settle;
        };
        Act::Edit {
            device,
            how,
            which,
            whither,
        }
    };
    let tool = match dice.number() % 12 {
        0..=2 => return of(dice, 19),
        3 => return of(dice, 11),
        4..=8 => Tool::Prune((1 + dice.number() % 2) as u8),
        9 | 10 => Tool::Verify,
        _ => Tool::Backup,
    };
    let n_steps = match dice.number() % 3 {
        0 => (dice.number() % 20) as u8,
        _ => 0,
    };
    Act::Tool { tool, n_steps }
}

fn watch(dice: &mut Noise, device: u8) -> Act {
    let is_bad = !dice.number().is_multiple_of(3);
    match dice.number() % 3 {
        0 => Act::WatchLimit {
            device,
            is_limited: is_bad,
        },
        1 => Act::HoldBack {
            device,
            is_held_back: is_bad,
        },
        _ => Act::ScarceDescriptors {
            device,
            n_calls: (dice.number() % 100) as u8,
        },
    }
}

fn space(dice: &mut Noise, device: u8) -> Act {
    let left = [0, 0, 1, 200, 5_000][(dice.number() % 5) as usize];
    if dice.number().is_multiple_of(3) {
        Act::ServerSpace { left }
    } else {
        Act::Space { device, left }
    }
}

fn refuse(dice: &mut Noise, device: u8) -> Act {
    if dice.number().is_multiple_of(3) {
        return Act::Mend { device };
    }
    Act::Refuse {
        device,
        which: (dice.number() % 65_536) as u16,
        is_damaged: dice.number().is_multiple_of(2),
    }
}

fn pass(dice: &mut Noise) -> Act {
    let longest = [3, 30, 300, 3_000, 30_000][(dice.number() % 5) as usize];
    Act::Pass((dice.number() % longest) as u32)
}

fn line(dice: &mut Noise, device: u8) -> Act {
    let weather = match dice.number() % 5 {
        0 | 1 => LineWeather::Fair((dice.number() % 200) as u8),
        2 => LineWeather::Down,
        3 => LineWeather::Silent,
        _ => LineWeather::BreaksAfter((dice.number() % 8_000) as u16),
    };
    Act::Line { device, weather }
}

/// As it is written in the code, so that a story can be kept as a test.
impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let act = format!("{self:?}")
            .replace("weather: ", "weather: LineWeather::")
            .replace("tool: ", "tool: Tool::");
        write!(f, "Act::{act}")
    }
}
