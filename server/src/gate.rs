//! The gate: how many strangers are let in at a time, how often one address may try, and how many devices may be
//! connected. Strangers and devices have places of their own. It remembers a bounded number of addresses and accounts, and
//! decides nothing else about accounts.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::options::Limits;
use crate::sparing::Sparing;
use crate::store::AccountKey;

/// Addresses that are remembered.
const ADDRESSES_MAX: usize = 16 * 1024;
/// Attempts are counted within this time.
const WINDOW: Duration = Duration::from_secs(60);

/// Of all connections, those that have not yet said who they are have an eighth as their places; another eighth is for
/// those of them that were told to go and have not gone yet.
const STRANGERS_PART: usize = 8;

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Gate {
    limits: Limits,
    /// The places of those that are known.
    devices: Arc<Semaphore>,
    strangers_max: usize,
    strangers: Arc<Mutex<Strangers>>,
    /// How often devices were enrolled lately.
    pub(crate) enrolments: Arc<Enrolments>,
    /// The lines in the log on connections of strangers.
    pub(crate) lines: Sparing,
    next: AtomicU64,
}

/// All who have not yet said who they are, and what is remembered of their addresses.
#[derive(Debug, Default)]
struct Strangers {
    addresses: HashMap<IpAddr, Address>,
    /// The addresses with strangers: last the one with most of them, and of several that with the oldest.
    order: BTreeSet<(usize, Reverse<u64>, IpAddr)>,
    /// How many have a place.
    n: usize,
    /// How many are here, those included that lost their place and have not gone yet.
    n_here: usize,
}

/// What is remembered of an address.
#[derive(Debug)]
struct Address {
    /// The oldest first.
    strangers: VecDeque<(u64, CancellationToken)>,
    since: Instant,
    failures: u32,
    registrations: u32,
}

impl Address {
    fn new(now: Instant) -> Self {
        Self {
            strangers: VecDeque::new(),
            since: now,
            failures: 0,
            registrations: 0,
        }
    }

    fn renew(&mut self, now: Instant) {
        if WINDOW <= now.duration_since(self.since) {
            let strangers = std::mem::take(&mut self.strangers);
            *self = Self {
                strangers,
                ..Self::new(now)
            };
        }
    }
}

impl Strangers {
    /// Changes the strangers of an address.
    fn change<T>(
        &mut self,
        address: IpAddr,
        change: impl FnOnce(&mut VecDeque<(u64, CancellationToken)>) -> T,
    ) -> Option<T> {
        let seen = self.addresses.get_mut(&address)?;
        let strangers = &mut seen.strangers;
        if let Some((oldest, _)) = strangers.front() {
            self.order.remove(&(strangers.len(), Reverse(*oldest), address));
        }
        self.n -= strangers.len();
        let changed = change(strangers);
        self.n += strangers.len();
        if let Some((oldest, _)) = strangers.front() {
            self.order.insert((strangers.len(), Reverse(*oldest), address));
        }
        Some(changed)
    }

    /// Takes its place from the oldest stranger of an address.
    fn cut_oldest(&mut self, address: IpAddr) {
        if let Some(Some((_, oldest))) = self.change(address, VecDeque::pop_front) {
            oldest.cancel();
        }
    }
}

impl Gate {
    /// Returns a gate with these limits.
    pub(crate) fn new(limits: Limits) -> Self {
        let strangers_max = (limits.connections_max / STRANGERS_PART).max(1);
        let n_devices = limits.connections_max.saturating_sub(2 * strangers_max).max(1);
        Self {
            limits,
            devices: Arc::new(Semaphore::new(n_devices)),
            strangers_max,
            strangers: Arc::default(),
            enrolments: Arc::new(Enrolments::new(limits.enrolments_per_minute_max)),
            lines: Sparing::default(),
            next: AtomicU64::new(0),
        }
    }

    /// Gives a place to a connection until it has said who it is. It is turned away only when too many have lost their
    /// places and have not gone yet. If an address has too many strangers already, its oldest loses its place; if there are
    /// too many in all, the oldest of the address with most: who means well is known within a moment, so it is not the
    /// newest that has to go, and not the one that comes alone. No stranger takes a place of those that are known.
    pub(crate) fn enter(&self, address: IpAddr) -> Option<Stranger> {
        let address = block_of(address);
        let mut strangers = self.lock();
        if 2 * self.strangers_max <= strangers.n_here {
            return None;
        }
        let now = Instant::now();
        if ADDRESSES_MAX <= strangers.addresses.len() && !strangers.addresses.contains_key(&address) {
            make_room(&mut strangers.addresses, now);
        }
        let seen = strangers
            .addresses
            .entry(address)
            .or_insert_with(|| Address::new(now));
        if self.limits.strangers_per_address_max <= seen.strangers.len() {
            strangers.cut_oldest(address);
        }
        if self.strangers_max <= strangers.n
            && let Some((_, _, with_most)) = strangers.order.last().copied()
        {
            strangers.cut_oldest(with_most);
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let cut = CancellationToken::new();
        strangers.change(address, |of_address| of_address.push_back((number, cut.clone())));
        strangers.n_here += 1;
        Some(Stranger {
            address,
            number,
            cut,
            strangers: self.strangers.clone(),
        })
    }

    /// Gives a place to a device, for as long as it is connected.
    pub(crate) fn admit(&self) -> Option<OwnedSemaphorePermit> {
        self.devices.clone().try_acquire_owned().ok()
    }

    /// Tells whether an address may try to be admitted, and counts a registration. Too many of those keep nobody from
    /// an account that there is.
    pub(crate) fn may_try(&self, address: IpAddr, is_registration: bool) -> bool {
        let mut strangers = self.lock();
        let Some(seen) = strangers.addresses.get_mut(&address) else {
            return true;
        };
        seen.renew(Instant::now());
        if is_registration {
            seen.registrations += 1;
        }
        let may_register = seen.registrations <= self.limits.registrations_per_minute_max;
        seen.failures < self.limits.failures_per_minute_max && (may_register || !is_registration)
    }

    /// Counts a failure.
    pub(crate) fn failed(&self, address: IpAddr) {
        if let Some(seen) = self.lock().addresses.get_mut(&address) {
            seen.failures = seen.failures.saturating_add(1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Strangers> {
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets addresses: first those whose attempts no longer count. If that is not enough, somebody comes from more
/// addresses than a person has; then only those with a stranger at the door are kept, which the number of connections
/// bounds. To turn new addresses away instead would lock everybody out.
fn make_room(addresses: &mut HashMap<IpAddr, Address>, now: Instant) {
    addresses.retain(|_, seen| !seen.strangers.is_empty() || now.duration_since(seen.since) < WINDOW);
    if ADDRESSES_MAX <= addresses.len() {
        addresses.retain(|_, seen| !seen.strangers.is_empty());
    }
}

/// A caller that is not known yet.
#[derive(Debug)]
pub(crate) struct Stranger {
    address: IpAddr,
    number: u64,
    cut: CancellationToken,
    strangers: Arc<Mutex<Strangers>>,
}

impl Stranger {
    /// Returns where it calls from, as far as is counted.
    pub(crate) fn address(&self) -> IpAddr {
        self.address
    }

    /// Is cancelled when it has to make room for newer ones.
    pub(crate) fn cut(&self) -> &CancellationToken {
        &self.cut
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        strangers.n_here -= 1;
        let number = self.number;
        strangers.change(self.address, |of_address| {
            of_address.retain(|(other, _)| *other != number);
        });
    }
}

/// How often devices were enrolled lately, by account.
#[derive(Debug)]
pub(crate) struct Enrolments {
    per_minute_max: u32,
    accounts: Mutex<HashMap<AccountKey, (Instant, u32)>>,
}

impl Enrolments {
    /// Returns what lets so many be enrolled within a minute.
    pub(crate) fn new(per_minute_max: u32) -> Self {
        Self {
            per_minute_max,
            accounts: Mutex::default(),
        }
    }

    /// Tells whether another device may be enrolled in an account now, and counts it.
    pub(crate) fn may_enrol(&self, account: AccountKey) -> bool {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if ADDRESSES_MAX <= accounts.len() {
            accounts.retain(|_, (since, _)| now.duration_since(*since) < WINDOW);
        }
        let (since, n) = accounts.entry(account).or_insert((now, 0));
        if WINDOW <= now.duration_since(*since) {
            (*since, *n) = (now, 0);
        }
        *n = n.saturating_add(1);
        *n <= self.per_minute_max
    }
}

/// Returns the block of addresses that one customer is given: of IPv6 the first half.
fn block_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_take_no_place_of_a_device_and_the_oldest_of_the_address_with_most_goes_first() {
        let gate = Gate::new(Limits {
            connections_max: 64,
            ..Limits::default()
        });
        let address = |n: u32| IpAddr::V4((0x0a00_0000 + n).into());
        let alone = gate.enter(address(200)).unwrap();
        let mut idle = Vec::new();
        for n in 0..1000 {
            // Two addresses hold on to what they get; the other connections go at once.
            let entered = gate.enter(address(n % 2));
            idle.extend(entered.filter(|_| idle.len() < 7));
        }
        assert!(!alone.cut().is_cancelled());
        assert!(
            idle.iter()
                .any(|stranger: &Stranger| stranger.cut().is_cancelled())
        );
        let newest = gate
            .enter(address(300))
            .expect("there is always a place for one more");
        assert!(!newest.cut().is_cancelled());
        let devices = std::iter::from_fn(|| gate.admit());
        assert_eq!(devices.take(100).collect::<Vec<_>>().len(), 64 - 16);
        let left = [alone, newest].into_iter().chain(idle);
        drop(left.collect::<Vec<_>>());
        let strangers = gate.lock();
        assert_eq!((strangers.n, strangers.n_here, strangers.order.len()), (0, 0, 0));
    }

    #[test]
    fn an_account_enrols_only_so_many_at_a_time_and_keeps_no_other_from_it() {
        let enrolments = Enrolments::new(3);
        let n_enrolled = (0..10).filter(|_| enrolments.may_enrol(AccountKey(1))).count();
        assert_eq!(n_enrolled, 3);
        assert!(enrolments.may_enrol(AccountKey(2)));
    }

    #[test]
    fn too_many_strangers_of_one_address_cost_the_oldest_its_place() {
        let gate = Gate::new(Limits {
            strangers_per_address_max: 2,
            ..Limits::default()
        });
        let here: IpAddr = "10.0.0.1".parse().unwrap();
        let strangers: Vec<_> = (0..3).map(|_| gate.enter(here).unwrap()).collect();
        let elsewhere = gate.enter("10.0.0.2".parse().unwrap()).unwrap();
        let cut: Vec<bool> = strangers
            .iter()
            .map(|stranger| stranger.cut().is_cancelled())
            .collect();
        assert_eq!(cut, [true, false, false]);
        drop(strangers);
        let _next = [gate.enter(here), gate.enter(here)];
        assert!(!elsewhere.cut().is_cancelled());
    }

    #[test]
    fn an_address_that_fails_too_often_has_to_wait() {
        let gate = Gate::new(Limits {
            failures_per_minute_max: 2,
            ..Limits::default()
        });
        let here: IpAddr = "10.0.0.1".parse().unwrap();
        let _entered = gate.enter(here).unwrap();
        for _ in 0..2 {
            assert!(gate.may_try(here, false));
            gate.failed(here);
        }
        assert!(!gate.may_try(here, false));
    }

    #[test]
    fn however_many_addresses_try_the_table_is_bounded_and_nobody_is_locked_out() {
        let gate = Gate::new(Limits::default());
        let staying = gate.enter("192.0.2.1".parse().unwrap()).unwrap();
        for n in 0..100_000_u32 {
            let address = IpAddr::V4(n.into());
            let entered = gate.enter(address);
            assert!(entered.is_some(), "{address} is locked out");
            gate.failed(address);
            assert!(gate.lock().addresses.len() <= ADDRESSES_MAX);
        }
        assert!(gate.lock().addresses.contains_key(&staying.address()));
    }

    #[test]
    fn the_addresses_of_one_ipv6_customer_count_as_one() {
        let [a, b, c] = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"].map(|text| text.parse().unwrap());
        assert_eq!(block_of(a), block_of(b));
        assert_ne!(block_of(a), block_of(c));
        assert_eq!(
            block_of("::ffff:10.0.0.1".parse().unwrap()),
            "10.0.0.1".parse::<IpAddr>().unwrap()
        );
    }
}
