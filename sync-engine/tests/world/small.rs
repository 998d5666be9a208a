//! A small world, looked through whole: two devices, three nodes and a few things that users do, in every order in which
//! these, the looks at the disks, the steps and the messages can come. Where two orders lead to the same state, what can
//! come after it is tried once. What a device does by itself is worked out once for each state of the device.

use crate::fleet::Fleet;
use crate::member::Member;
use crate::shared::{Shared, key};
use crate::user::{User, file, name};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;
use sync_engine::{Kind, NodeId};

/// So many states of devices are kept at most with what comes of them.
const KNOWN_MAX: usize = 50_000;

/// How often a device lets time pass until something is due.
const TICKS_MAX: u8 = 2;

/// What a user does with the files `a` and `b` and the directory `d`, if it can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Op {
    Edit(&'static str),
    Create(&'static str),
    Rename(&'static str, &'static str),
    MoveInto(&'static str, &'static str),
    Swap(&'static str, &'static str),
    Delete(&'static str),
}

const OPS: [Op; 10] = [
    Op::Edit("a"),
    Op::Edit("b"),
    Op::Create("c"),
    Op::Rename("a", "c"),
    Op::Rename("a", "b"),
    Op::MoveInto("a", "d"),
    Op::Rename("d", "e"),
    Op::Swap("a", "b"),
    Op::Delete("a"),
    Op::Delete("d"),
];

/// One of the things that can happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Deed {
    /// The user does something.
    Op(Op),
    /// The device looks at its disk.
    Look,
    /// The device takes its steps.
    Act,
    /// The device lets time pass.
    Tick,
    /// The device reads what the server has sent.
    Read,
    /// The server reads what the device has sent.
    Serve,
}

/// A deed of the device with this number.
type Move = (usize, Deed);

/// Something that is happening; when it goes wrong it is told, the last first.
struct Told(Move);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{:?}", self.0);
        }
    }
}

#[derive(Clone, Hash)]
struct State {
    fleet: Fleet,
    /// What each user still does: one of these, then one of those, and so on.
    ops: [Vec<&'static [Op]>; 2],
    n_ticks: [u8; 2],
    /// Whose last deed of a user not everybody has seen.
    is_unseen: [bool; 2],
    /// Whether two users have changed something without knowing of each other.
    is_concurrent: bool,
}

impl State {
    /// Returns all that can happen next.
    fn moves(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        for (n, member) in self.fleet.members.iter().enumerate() {
            let line = member.line.as_ref().expect("they are connected");
            let ops = self.ops[n].first().into_iter().copied().flatten();
            moves.extend(ops.map(|op| (n, Deed::Op(*op))));
            let rests = [
                (Deed::Look, member.has_to_look()),
                (Deed::Act, !member.hand.is_empty()),
                (
                    Deed::Tick,
                    self.n_ticks[n] < TICKS_MAX && member.session.next_due().is_some(),
                ),
                (Deed::Read, !line.down.is_empty()),
                (Deed::Serve, !line.up.is_empty()),
            ];
            let can = rests.into_iter().filter(|(_, can)| *can);
            moves.extend(can.map(|(deed, _)| (n, deed)));
        }
        moves
    }

    fn happen(&mut self, (n, deed): Move, known: &mut Known) {
        match deed {
            Deed::Op(op) => self.op(n, op),
            Deed::Serve => while self.fleet.serve(n) {},
            Deed::Look | Deed::Act | Deed::Read | Deed::Tick => {
                self.n_ticks[n] += u8::from(deed == Deed::Tick);
                known.happen(&mut self.fleet.members[n], deed);
                self.fleet.check();
            }
        }
    }

    fn op(&mut self, n: usize, op: Op) {
        let text = format!("text {} of {n}", self.ops[n].len());
        self.ops[n].remove(0);
        self.is_concurrent |= self.is_unseen[1 - n];
        self.is_unseen[n] = true;
        self.fleet.user(n, |user| carry_out(user, op, &text));
    }

    /// Lets all come to rest, and checks.
    fn rest(&mut self) {
        self.fleet.settle();
        for member in &mut self.fleet.members {
            member.probes = false;
        }
        self.is_unseen = [false; 2];
        assert!(
            self.is_concurrent || self.fleet.n_conflicts() == 0,
            "a conflict although nobody worked at the same time"
        );
    }
}

/// What comes of what devices do by themselves: a device is in the same state in many states of the world.
#[derive(Default)]
struct Known(HashMap<(u128, Deed), Shared<Member>>);

impl Known {
    fn happen(&mut self, member: &mut Shared<Member>, deed: Deed) {
        if KNOWN_MAX <= self.0.len() {
            self.0.clear();
        }
        let known = self.0.entry((member.key(), deed)).or_insert_with(|| {
            let mut member = member.clone();
            match deed {
                Deed::Look => drop(member.look()),
                Deed::Act => while member.act() {},
                Deed::Read => while member.read() {},
                Deed::Tick => drop(member.tick()),
                Deed::Op(_) | Deed::Serve => unreachable!("it is not the device that does this"),
            }
            member.turn();
            assert!(member.said.is_none(), "it proves nothing");
            // So it is known to all copies.
            member.key();
            member
        });
        *member = known.clone();
    }
}

/// The states that were looked at, with the number of orders in which all can come to an end from there.
#[derive(Default)]
struct Looked {
    n_orders: HashMap<u128, f64>,
    n_deeds: u64,
    known: Known,
}

impl Looked {
    /// Tries whatever can happen from a state on. Returns in how many orders.
    fn explore(&mut self, state: &State) -> f64 {
        let key = key(state);
        if let Some(n_orders) = self.n_orders.get(&key) {
            return *n_orders;
        }
        let moves = state.moves();
        let mut n_orders = 0.0;
        if moves.iter().all(|(_, deed)| matches!(deed, Deed::Op(_))) && state.is_unseen != [false; 2] {
            let mut rested = state.clone();
            rested.rest();
            n_orders += if moves.is_empty() {
                1.0
            } else {
                self.explore(&rested)
            };
        }
        for next in moves {
            let (n, deed) = next;
            let before = state;
            let mut state = state.clone();
            let _told = Told(next);
            state.happen(next, &mut self.known);
            let is_any = matches!(deed, Deed::Op(_)) && before.ops[n][0].len() == OPS.len();
            if is_any && state.fleet.members[n].disk == before.fleet.members[n].disk {
                // It cannot be done; who does one thing less is looked at in any case.
                continue;
            }
            self.n_deeds += 1;
            n_orders += self.explore(&state);
        }
        self.n_orders.insert(key, n_orders);
        n_orders
    }
}

fn carry_out(user: &mut User<'_>, op: Op, text: &str) {
    let find = |user: &User<'_>, wanted: &str| user.disk.child(NodeId::ROOT, &name(wanted));
    match op {
        Op::Edit(what) => {
            if let Some(id) = find(user, what).filter(|id| !user.disk.is_dir(*id)) {
                user.write(id, file(text));
            }
        }
        Op::Create(what) => drop(user.make(NodeId::ROOT, name(what), file(text))),
        Op::Rename(what, to) => {
            if let Some(id) = find(user, what) {
                user.rename(id, NodeId::ROOT, name(to));
            }
        }
        Op::MoveInto(what, dir) => {
            let dir = find(user, dir).filter(|dir| user.disk.is_dir(*dir));
            if let (Some(id), Some(dir)) = (find(user, what), dir) {
                user.rename(id, dir, name(what));
            }
        }
        Op::Swap(a, b) => {
            if let (Some(a), Some(b)) = (find(user, a), find(user, b)) {
                user.swap(a, b);
            }
        }
        Op::Delete(what) => {
            if let Some(id) = find(user, what) {
                user.delete(id);
            }
        }
    }
}

/// Returns the world before anybody does anything.
fn beginning(ops: [Vec<&'static [Op]>; 2]) -> State {
    let mut fleet = Fleet::new(u64::MAX);
    fleet.user(0, |user| {
        for what in ["a", "b"] {
            user.make(NodeId::ROOT, name(what), file(what));
        }
        user.make(NodeId::ROOT, name("d"), Kind::Dir);
    });
    let mut state = State {
        fleet,
        ops,
        n_ticks: [0; 2],
        is_unseen: [false; 2],
        is_concurrent: false,
    };
    state.rest();
    state
}

/// What was looked through.
#[derive(Debug, Clone, Copy, Default)]
struct Extent {
    n_states: usize,
    n_deeds: u64,
    n_orders: f64,
}

/// Looks through the worlds in which the users do so many things: through all of them, or through every so manieth.
fn look_through(n_ops: [usize; 2], stride: usize) {
    // Worlds that begin alike have most of their states in common, so all of them are looked through in one.
    let n_chosen = n_ops.map(|n_ops| if stride == 1 { 1 } else { n_ops });
    let n_worlds = OPS.len().pow((n_chosen[0] + n_chosen[1]) as u32);
    let next = AtomicUsize::new(stride / 2);
    let look = || {
        let mut extent = Extent::default();
        loop {
            let n = next.fetch_add(stride, Ordering::Relaxed);
            if n_worlds <= n {
                return extent;
            }
            let mut looked = Looked::default();
            extent.n_orders += looked.explore(&beginning(ops_of(n, n_chosen, n_ops)));
            extent.n_states += looked.n_orders.len();
            extent.n_deeds += looked.n_deeds;
            println!("{n} of {n_worlds}: {extent:?}");
        }
    };
    let n_threads = match asked_stride() {
        Some(_) => std::thread::available_parallelism().map_or(1, usize::from),
        None => 1,
    };
    let extents: Vec<Extent> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..n_threads).map(|_| scope.spawn(look)).collect();
        let ended = threads.into_iter().map(ScopedJoinHandle::join);
        ended.map(|extent| extent.expect("nothing is lost")).collect()
    });
    let n_states: usize = extents.iter().map(|extent| extent.n_states).sum();
    let n_deeds: u64 = extents.iter().map(|extent| extent.n_deeds).sum();
    let n_orders: f64 = extents.iter().map(|extent| extent.n_orders).sum();
    println!("{n_ops:?}: {n_states} states, {n_deeds} deeds, {n_orders:.3e} orders");
}

/// Returns what the users do in a world of this number: the first so many things are chosen by it, any may follow.
fn ops_of(mut n: usize, n_chosen: [usize; 2], n_ops: [usize; 2]) -> [Vec<&'static [Op]>; 2] {
    [0, 1].map(|user| {
        let choose = |at| {
            if n_chosen[user] <= at {
                return &OPS[..];
            }
            let op = n % OPS.len();
            n /= OPS.len();
            &OPS[op..=op]
        };
        (0..n_ops[user]).map(choose).collect()
    })
}

/// How many worlds are left out between two that are looked through, if somebody has said so.
fn asked_stride() -> Option<usize> {
    let asked = std::env::var("HOLDFAST_SMALL_STRIDE").ok()?;
    Some(asked.parse().expect("HOLDFAST_SMALL_STRIDE is a number"))
}

/// All of the others take long: `HOLDFAST_SMALL_STRIDE=1` looks through them, best with `--profile sim`.
#[test]
fn two_users_who_do_one_thing_each_lose_nothing_in_any_order() {
    look_through([1, 1], 1);
}

#[test]
fn two_users_who_do_three_things_lose_nothing_in_any_order() {
    look_through([2, 1], asked_stride().unwrap_or(199));
}

#[test]
fn two_users_who_do_two_things_each_lose_nothing_in_any_order() {
    look_through([2, 2], asked_stride().unwrap_or(4999));
}
