//! Sessions to which anything happens at any moment: lines break with all that is on them, answers come late, steps fail,
//! time passes. Nothing is lost, 'synced' is never said wrongly, and when all is well again they come to rest.

use crate::fleet::Fleet;
use crate::random::prove;
use proptest::prelude::*;

/// Something that happens to a device.
#[derive(Debug, Clone)]
enum Trial {
    User(u8, u8, u8, u8),
    Look,
    Turn,
    Act,
    FailStep,
    Serve,
    Read,
    Tick,
    Break,
    Connect,
    /// The server is put back to so many 256ths of its entries.
    PutBack(u8),
}

fn trial() -> impl Strategy<Value = Trial> {
    prop_oneof![
        8 => (0u8..10, 0u8..24, 0u8..8, 0u8..12).prop_map(|(a, b, c, d)| Trial::User(a, b, c, d)),
        6 => Just(Trial::Look),
        8 => Just(Trial::Turn),
        5 => Just(Trial::Act),
        1 => Just(Trial::FailStep),
        8 => Just(Trial::Serve),
        8 => Just(Trial::Read),
        3 => Just(Trial::Tick),
        1 => Just(Trial::Break),
        3 => Just(Trial::Connect),
    ]
}

fn happen(fleet: &mut Fleet, n: usize, trial: &Trial) {
    match *trial {
        Trial::User(what, which, whither, how) => fleet.user(n, |user| user.act(what, which, whither, how)),
        Trial::Look => drop(fleet.members[n].look()),
        Trial::Turn => drop(fleet.turn(n)),
        Trial::Act => drop(fleet.members[n].act()),
        Trial::FailStep => {
            if let Some(step) = fleet.members[n].hand.pop_front() {
                fleet.members[n].fail(&step);
            }
        }
        Trial::Serve => drop(fleet.serve(n)),
        Trial::Read => drop(fleet.members[n].read()),
        Trial::Tick => drop(fleet.members[n].tick()),
        Trial::Break => fleet.members[n].disconnect(),
        Trial::Connect => fleet.connect(n),
        Trial::PutBack(part) => fleet.put_back(fleet.ledger.entries.len() * usize::from(part) / 256),
    }
    fleet.check();
}

#[test]
fn sessions_come_to_rest_whatever_happens_to_them() {
    let trials = proptest::collection::vec((0usize..2, trial()), 0..80);
    prove((any::<bool>(), trials), |(is_inline, trials)| {
        let mut fleet = Fleet::new(if *is_inline { u64::MAX } else { 0 });
        for (n, trial) in trials {
            happen(&mut fleet, *n, trial);
        }
        fleet.settle();
    });
}

#[test]
fn sessions_come_to_rest_although_the_server_is_put_back_again_and_again() {
    let trials = prop_oneof![30 => trial(), 1 => any::<u8>().prop_map(Trial::PutBack)];
    prove(prop::collection::vec((0usize..2, trials), 0..120), |trials| {
        let mut fleet = Fleet::new(u64::MAX);
        for (n, trial) in trials {
            happen(&mut fleet, *n, trial);
        }
        fleet.settle();
    });
}

#[test]
fn a_file_that_moves_into_a_directory_which_takes_its_name_comes_to_rest() {
    let mut fleet = Fleet::new(u64::MAX);
    for (n, trial) in [
        (1, Trial::User(0, 0, 0, 10)),
        (1, Trial::Look),
        (1, Trial::User(6, 0, 0, 8)),
        (1, Trial::User(0, 21, 0, 7)),
        (1, Trial::User(6, 2, 2, 0)),
        (1, Trial::Turn),
        (0, Trial::User(0, 0, 0, 2)),
    ] {
        happen(&mut fleet, n, &trial);
    }
    fleet.settle();
}
