//! The gate: how many strangers are let in at a time and how often one address may try. It remembers a bounded number
//! of addresses and decides nothing about accounts.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::options::Limits;

/// Addresses that are remembered.
const ADDRESSES_MAX: usize = 16 * 1024;
/// Attempts are counted within this time.
const WINDOW: Duration = Duration::from_secs(60);

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Gate {
    limits: Limits,
    connections: Arc<Semaphore>,
    addresses: Arc<Mutex<HashMap<IpAddr, Address>>>,
    next: AtomicU64,
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

impl Gate {
    /// Returns a gate with these limits.
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            connections: Arc::new(Semaphore::new(limits.connections_max)),
            addresses: Arc::default(),
            next: AtomicU64::new(0),
        }
    }

    /// Lets a connection in, or not. The first value is held as long as the connection lasts, the second until the
    /// caller is known. If an address has too many strangers already, its oldest is cut: who means well is known within
    /// a moment, so it is not the newest that has to go.
    pub(crate) fn enter(&self, address: IpAddr) -> Option<(OwnedSemaphorePermit, Stranger)> {
        let permit = self.connections.clone().try_acquire_owned().ok()?;
        let address = block_of(address);
        let mut addresses = self.lock();
        let now = Instant::now();
        if ADDRESSES_MAX <= addresses.len() && !addresses.contains_key(&address) {
            make_room(&mut addresses, now);
        }
        let seen = addresses.entry(address).or_insert_with(|| Address::new(now));
        if self.limits.strangers_per_address_max <= seen.strangers.len()
            && let Some((_, oldest)) = seen.strangers.pop_front()
        {
            oldest.cancel();
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let cut = CancellationToken::new();
        seen.strangers.push_back((number, cut.clone()));
        Some((
            permit,
            Stranger {
                address,
                number,
                cut,
                addresses: self.addresses.clone(),
            },
        ))
    }

    /// Tells whether an address may try to be admitted, and counts a registration. Too many of those keep nobody from
    /// an account that there is.
    pub(crate) fn may_try(&self, address: IpAddr, is_registration: bool) -> bool {
        let mut addresses = self.lock();
        let Some(seen) = addresses.get_mut(&address) else {
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
        if let Some(seen) = self.lock().get_mut(&address) {
            seen.failures = seen.failures.saturating_add(1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Address>> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
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
    addresses: Arc<Mutex<HashMap<IpAddr, Address>>>,
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
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = addresses.get_mut(&self.address) {
            seen.strangers.retain(|(number, _)| *number != self.number);
        }
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
    fn too_many_strangers_of_one_address_cost_the_oldest_its_place() {
        let gate = Gate::new(Limits {
            strangers_per_address_max: 2,
            ..Limits::default()
        });
        let here: IpAddr = "10.0.0.1".parse().unwrap();
        let strangers: Vec<_> = (0..3).map(|_| gate.enter(here).unwrap().1).collect();
        let elsewhere = gate.enter("10.0.0.2".parse().unwrap()).unwrap().1;
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
            assert!(gate.lock().len() <= ADDRESSES_MAX);
        }
        assert!(gate.lock().contains_key(&staying.1.address()));
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
