//! Whose turn it is: things that wait, in a queue for each of those who brought them. Whoever has cost least has the next
//! turn, so nobody waits for all that another has brought. It decides only; it neither runs nor waits.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Owners with nothing waiting that are remembered, besides as many again as have something.
const FORGOTTEN_FROM: usize = 64;

/// Things that wait for their turn.
///
/// Laws: of one owner the things come in the order in which they were brought. What the owner of a thing that is taken
/// was charged so far is the least that any owner of a waiting thing was charged. Who has nothing waiting saves nothing
/// up: it comes back as if it had been charged as much as the last whose turn it was. When nothing waits at all, nobody
/// owes anything, since nobody has kept anybody waiting.
#[derive(Debug)]
pub(crate) struct Turns<K, T> {
    queues: BTreeMap<K, Queue<T>>,
    /// The owners of what waits, who has been charged least first; of those that are even, who began to wait first.
    order: BTreeSet<(u64, u64, K)>,
    /// What the last whose turn it was had been charged.
    last: u64,
    n_arrivals: u64,
}

#[derive(Debug)]
struct Queue<T> {
    things: VecDeque<T>,
    charged: u64,
    arrival: u64,
}

impl<K, T> Default for Turns<K, T> {
    fn default() -> Self {
        Self {
            queues: BTreeMap::new(),
            order: BTreeSet::new(),
            last: 0,
            n_arrivals: 0,
        }
    }
}

impl<K: Copy + Ord, T> Turns<K, T> {
    /// Lets a thing wait behind all others of its owner.
    pub(crate) fn push(&mut self, owner: K, thing: T) {
        self.queue(owner).things.push_back(thing);
        self.enter(owner);
    }

    /// Lets a thing wait before all others of its owner: its turn had come, and something of it is left.
    pub(crate) fn push_front(&mut self, owner: K, thing: T) {
        self.queue(owner).things.push_front(thing);
        self.enter(owner);
    }

    /// Takes the thing whose turn it is, and charges its owner.
    pub(crate) fn pop(&mut self, cost_of: impl FnOnce(&T) -> u64) -> Option<(K, T)> {
        let (charged, _, owner) = self.order.pop_first()?;
        let queue = self.queues.get_mut(&owner)?;
        let thing = queue.things.pop_front()?;
        queue.charged += cost_of(&thing);
        self.last = charged;
        self.enter(owner);
        if self.order.is_empty() {
            self.queues.clear();
        }
        Some((owner, thing))
    }

    /// Charges an owner for more than was known when the thing was taken.
    pub(crate) fn charge(&mut self, owner: K, more: u64) {
        let queue = self.queue(owner);
        let before = (queue.charged, queue.arrival, owner);
        queue.charged += more;
        if self.order.remove(&before) {
            self.enter(owner);
        }
    }

    /// Tells whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Returns the queue of an owner, who has saved nothing up while it had nothing waiting.
    fn queue(&mut self, owner: K) -> &mut Queue<T> {
        let last = self.last;
        if 2 * self.order.len() + FORGOTTEN_FROM < self.queues.len() {
            // Of these nothing need be known but that they owe nothing.
            self.queues
                .retain(|_, queue| !queue.things.is_empty() || last < queue.charged);
        }
        self.n_arrivals += 1;
        let arrival = self.n_arrivals;
        let queue = self.queues.entry(owner).or_insert_with(|| Queue {
            things: VecDeque::new(),
            charged: last,
            arrival,
        });
        if queue.things.is_empty() {
            queue.charged = queue.charged.max(last);
            queue.arrival = arrival;
        }
        queue
    }

    fn enter(&mut self, owner: K) {
        if let Some(queue) = self.queues.get(&owner)
            && !queue.things.is_empty()
        {
            self.order.insert((queue.charged, queue.arrival, owner));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random, the same each time.
    fn numbers(seed: u64) -> impl FnMut(u64) -> u64 {
        let mut state = seed * 2 + 1;
        move |below| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        }
    }

    const COST_MAX: u64 = 50;

    #[test]
    fn of_one_owner_all_come_once_and_in_order_and_nobody_waits_for_all_of_another() {
        for seed in 0..300 {
            let mut any = numbers(seed);
            let mut turns = Turns::default();
            // What each owner brought, what of it has come, and what that has cost since all had something waiting.
            let (mut brought, mut came) = ([0_u64; 4], [0_u64; 4]);
            let mut cost = [0_u64; 4];
            for _ in 0..400 {
                let owner = any(4) as usize;
                if any(2) == 0 {
                    for _ in 0..any(20) {
                        turns.push(owner, brought[owner]);
                        brought[owner] += 1;
                    }
                    continue;
                }
                if (0..4).any(|owner| brought[owner] == came[owner]) {
                    cost = [0; 4];
                }
                let (first, rest) = (1 + any(COST_MAX), any(2) * any(COST_MAX));
                let Some((owner, n)) = turns.pop(|_| first) else {
                    assert_eq!(brought, came);
                    continue;
                };
                assert_eq!(n, came[owner], "out of order");
                if any(8) == 0 {
                    turns.push_front(owner, n);
                } else {
                    came[owner] += 1;
                }
                turns.charge(owner, rest);
                cost[owner] += first + rest;
                let (least, most) = (cost.iter().min().unwrap(), cost.iter().max().unwrap());
                assert!(*most <= least + 4 * COST_MAX, "seed {seed}: {cost:?}");
            }
            while let Some((owner, n)) = turns.pop(|_| 1) {
                assert_eq!(n, came[owner]);
                came[owner] += 1;
            }
            assert_eq!(brought, came);
            assert!(turns.is_empty());
        }
    }

    #[test]
    fn who_comes_late_has_the_next_turn_and_who_was_idle_has_saved_nothing_up() {
        let mut turns = Turns::default();
        (0..100).for_each(|n| turns.push('a', n));
        (0..50).for_each(|_| assert_eq!(turns.pop(|_| 10).unwrap().0, 'a'));
        turns.push('b', 0);
        turns.push('b', 1);
        let next: String = (0..4).map(|_| turns.pop(|_| 10).unwrap().0).collect();
        assert_eq!(next, "baba");
    }

    #[test]
    fn who_was_here_once_is_not_remembered_for_ever() {
        let mut turns = Turns::default();
        for owner in 0..10_000 {
            turns.push(owner, ());
            turns.pop(|()| 1);
        }
        assert!(turns.queues.len() <= FORGOTTEN_FROM + 2);
    }
}
