//! Login throttling: slows down guessing of secrets before the slow hash is computed, without locking out other
//! callers.
//!
//! Three things are counted, each with some failures free and a wait that doubles with every one beyond:
//! - failures for one **account from one network**: delays an attacker who tries passwords;
//! - failures from one **network** for whatever account: delays an attacker who tries accounts;
//! - failures for one **account from anywhere**. These alone delay no caller. While there are many of them, every
//!   network has a single failure free for this account instead of several, and waits a minute at least after it: that is
//!   what many machines guessing together run into.
//!
//! So a right password from a network without failures of its own is always checked: an attacker cannot lock out other
//! users. A network is an IPv4 address or the /64 of an IPv6 one, since a host with one address of a /64 can use them
//! all. An attempt counts as a failure from its beginning until it proves right, so that a thousand at the same moment
//! do not all pass before the first has failed. Failures are forgiven one by one as time passes. Memory is bounded: the
//! oldest counts are forgotten first.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::address::network;
use crate::error::CallError;

/// Most accounts, networks, and pairs of them that are counted at a time, each.
const COUNTS_MAX: u64 = 100_000;

/// How one kind of count becomes a wait.
#[derive(Clone, Copy, Debug)]
struct Policy {
    /// Failures that cost nothing.
    free: u32,
    /// The wait after the first one beyond, in seconds; doubled with every further one.
    wait_s: u64,
    /// Longest wait, in seconds.
    wait_s_max: u64,
    /// Time in which one failure is forgiven, in seconds.
    forgiven_s: u64,
}

const PAIR: Policy = Policy { free: 5, wait_s: 1, wait_s_max: 15 * 60, forgiven_s: 120 };
const PAIR_UNDER_ATTACK: Policy = Policy { free: 1, wait_s: 60, ..PAIR };
/// More than the attempts that can be under way at a time, since each counts as a failure until it proves right.
const NETWORK: Policy = Policy { free: 50, wait_s: 1, wait_s_max: 60, forgiven_s: 6 };
/// Failures for one account from which on it is under attack.
const ATTACK_FAILURES: u32 = 100;
const ATTACK_FORGIVEN_S: u64 = 30;

/// Counts failed logins and makes those wait who have too many.
#[derive(Debug)]
pub struct Throttle {
    hasher: RandomState,
    pairs: Counts,
    networks: Counts,
    accounts: Counts,
    failures: AtomicU64,
    throttled: AtomicU64,
}

/// An attempt that may be made. It counts as failed unless it is said to have succeeded or not to have taken place.
#[derive(Debug)]
#[must_use = "an attempt that is dropped has failed"]
pub struct Attempt<'a> {
    throttle: &'a Throttle,
    place: Option<Place>,
}

/// The keys of the three counts.
#[derive(Clone, Copy, Debug)]
struct Place {
    pair: u64,
    network: u64,
    account: u64,
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            pairs: Counts::new(PAIR.forgiven_s),
            networks: Counts::new(NETWORK.forgiven_s),
            accounts: Counts::new(ATTACK_FORGIVEN_S),
            failures: AtomicU64::new(0),
            throttled: AtomicU64::new(0),
        }
    }
}

impl Throttle {
    /// Whether an attempt would have to wait. For where preparing one is dear; [`Throttle::begin`] asks again.
    ///
    /// # Errors
    /// [`CallError::Throttled`] with the time to wait.
    pub fn check(&self, key: &str, address: Option<IpAddr>) -> Result<(), CallError> {
        self.check_at(self.place(key, address), Instant::now())
    }

    /// Begins an attempt to prove to be `key`, a text of any length such as an account's or a client's name. Callers
    /// without an address are on this machine and owned by who runs the host: they are counted, and never wait.
    ///
    /// # Errors
    /// [`CallError::Throttled`] with the time to wait.
    pub fn begin(&self, key: &str, address: Option<IpAddr>) -> Result<Attempt<'_>, CallError> {
        self.begin_at(key, address, Instant::now())
    }

    /// Attempts that failed, since the start.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Attempts that were rejected by throttling since the start.
    pub fn throttled(&self) -> u64 {
        self.throttled.load(Ordering::Relaxed)
    }

    fn begin_at(&self, key: &str, address: Option<IpAddr>, now: Instant) -> Result<Attempt<'_>, CallError> {
        let place = self.place(key, address);
        self.check_at(place, now)?;
        if let Some(place) = place {
            self.pairs.add(place.pair, now);
            self.networks.add(place.network, now);
            self.accounts.add(place.account, now);
        }
        self.failures.fetch_add(1, Ordering::Relaxed);
        Ok(Attempt { throttle: self, place })
    }

    fn check_at(&self, place: Option<Place>, now: Instant) -> Result<(), CallError> {
        let Some(place) = place else { return Ok(()) };
        let attacked = self.accounts.get(place.account, now).0 >= ATTACK_FAILURES;
        let pair = if attacked { PAIR_UNDER_ATTACK } else { PAIR };
        let wait = pair
            .wait(self.pairs.get(place.pair, now), now)
            .max(NETWORK.wait(self.networks.get(place.network, now), now));
        if wait.is_zero() {
            return Ok(());
        }
        self.throttled.fetch_add(1, Ordering::Relaxed);
        Err(CallError::Throttled { retry_after: wait })
    }

    fn place(&self, key: &str, address: Option<IpAddr>) -> Option<Place> {
        let network = network(address?);
        Some(Place {
            pair: self.hasher.hash_one((key, network)),
            network: self.hasher.hash_one(network),
            account: self.hasher.hash_one(key),
        })
    }
}

impl Attempt<'_> {
    /// The secret was right: what this network did wrong with this account is forgotten.
    pub fn succeed(mut self) {
        if let Some(place) = self.take() {
            self.throttle.pairs.forget(place.pair);
            self.throttle.networks.remove(place.network);
            self.throttle.accounts.remove(place.account);
        }
    }

    /// The secret was wrong.
    pub fn fail(self) {}

    /// The secret was not checked.
    pub fn withdraw(mut self) {
        if let Some(place) = self.take() {
            self.throttle.pairs.remove(place.pair);
            self.throttle.networks.remove(place.network);
            self.throttle.accounts.remove(place.account);
        }
    }

    fn take(&mut self) -> Option<Place> {
        self.throttle.failures.fetch_sub(1, Ordering::Relaxed);
        self.place.take()
    }
}

impl Policy {
    fn wait(self, (failures, last): (u32, Option<Instant>), now: Instant) -> Duration {
        let (Some(beyond), Some(last)) = (failures.checked_sub(self.free), last) else { return Duration::ZERO };
        let doubled = self.wait_s.saturating_mul(1_u64.checked_shl(beyond).unwrap_or(u64::MAX));
        let wait = Duration::from_secs(doubled.min(self.wait_s_max));
        wait.saturating_sub(now.saturating_duration_since(last))
    }
}

/// Failures by key, with bounded memory.
struct Counts {
    entries: Cache<u64, Arc<Mutex<Count>>>,
    forgiven: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    failures: u32,
    /// Up to when forgiving is done.
    settled: Instant,
    last: Instant,
}

impl Counts {
    fn new(forgiven_s: u64) -> Self {
        let entries = Cache::builder()
            .max_capacity(COUNTS_MAX)
            // Newcomers are let in whatever happens: a key that is not counted could be tried without end.
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(Duration::from_hours(1))
            .build();
        Self { entries, forgiven: Duration::from_secs(forgiven_s) }
    }

    /// How many failures are not forgiven, and when the last one was.
    fn get(&self, key: u64, now: Instant) -> (u32, Option<Instant>) {
        match self.entries.get(&key) {
            None => (0, None),
            Some(entry) => {
                let mut count = entry.lock().unwrap_or_else(PoisonError::into_inner);
                count.settle(self.forgiven, now);
                (count.failures, Some(count.last))
            }
        }
    }

    fn add(&self, key: u64, now: Instant) {
        let fresh = || Arc::new(Mutex::new(Count { failures: 0, settled: now, last: now }));
        let entry = self.entries.get_with(key, fresh);
        let mut count = entry.lock().unwrap_or_else(PoisonError::into_inner);
        count.settle(self.forgiven, now);
        count.failures = count.failures.saturating_add(1);
        count.last = now;
    }

    fn remove(&self, key: u64) {
        if let Some(entry) = self.entries.get(&key) {
            let mut count = entry.lock().unwrap_or_else(PoisonError::into_inner);
            count.failures = count.failures.saturating_sub(1);
        }
    }

    fn forget(&self, key: u64) {
        self.entries.invalidate(&key);
    }
}

impl std::fmt::Debug for Counts {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Counts").field("entries", &self.entries.entry_count()).finish_non_exhaustive()
    }
}

impl Count {
    fn settle(&mut self, forgiven: Duration, now: Instant) {
        let passed = now.saturating_duration_since(self.settled);
        let periods = u32::try_from(passed.as_secs() / forgiven.as_secs().max(1)).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_sub(periods);
        self.settled += forgiven.saturating_mul(periods);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "what is tested takes an option")]
    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    /// The seconds to wait before the next attempt; nothing where it may be made.
    fn wait(throttle: &Throttle, key: &str, from: &str, now: Instant) -> u64 {
        match throttle.check_at(throttle.place(key, address(from)), now) {
            Ok(()) => 0,
            Err(CallError::Throttled { retry_after }) => retry_after.as_secs(),
            Err(other) => panic!("{other}"),
        }
    }

    fn fail(throttle: &Throttle, key: &str, from: &str, times: u32, now: Instant) {
        for _ in 0..times {
            if let Ok(attempt) = throttle.begin_at(key, address(from), now) {
                attempt.fail();
            }
        }
    }

    #[test]
    fn waits_double_and_have_an_end() {
        let (throttle, mut now) = (Throttle::default(), Instant::now());
        let mut waits = Vec::new();
        for _ in 0..18 {
            waits.push(wait(&throttle, "ann@h", "192.0.2.1", now));
            now += Duration::from_secs(*waits.last().unwrap());
            throttle.begin_at("ann@h", address("192.0.2.1"), now).unwrap().fail();
        }
        assert_eq!(waits[..8], [0, 0, 0, 0, 0, 1, 2, 4]);
        assert!(waits.iter().all(|wait| *wait <= PAIR.wait_s_max));
    }

    #[test]
    fn failures_of_one_network_do_not_lock_out_others() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        fail(&throttle, "ann@h", "192.0.2.1", 1000, now);
        assert_ne!(wait(&throttle, "ann@h", "192.0.2.1", now), 0);
        assert_eq!(wait(&throttle, "ann@h", "192.0.2.2", now), 0);
        assert_eq!(wait(&throttle, "bob@h", "192.0.2.1", now), 0);
        // Not even a thousand machines together.
        for machine in 0..1000_u32 {
            fail(&throttle, "ann@h", &std::net::Ipv4Addr::from(machine << 8).to_string(), 3, now);
        }
        assert_eq!(wait(&throttle, "ann@h", "192.0.2.2", now), 0);
    }

    #[test]
    fn an_account_under_attack_gives_each_network_one_guess() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for machine in 0..ATTACK_FAILURES {
            fail(&throttle, "ann@h", &std::net::Ipv4Addr::from(machine << 8).to_string(), 1, now);
        }
        fail(&throttle, "ann@h", "192.0.2.2", 1, now);
        assert_eq!(wait(&throttle, "ann@h", "192.0.2.2", now), 60);
        assert_eq!(wait(&throttle, "bob@h", "192.0.2.2", now), 0);
    }

    #[test]
    fn a_network_that_tries_accounts_waits_for_all_of_them() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for number in 0..NETWORK.free {
            fail(&throttle, &format!("user{number}@h"), "192.0.2.1", 1, now);
        }
        assert_ne!(wait(&throttle, "another@h", "192.0.2.1", now), 0);
        assert_eq!(wait(&throttle, "another@h", "192.0.2.2", now), 0);
    }

    #[test]
    fn an_ipv6_network_of_64_bits_counts_as_one() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for number in 0..6 {
            fail(&throttle, "ann@h", &format!("2001:db8::{number:x}"), 1, now);
        }
        assert_ne!(wait(&throttle, "ann@h", "2001:db8::ffff", now), 0);
        assert_eq!(wait(&throttle, "ann@h", "2001:db8:0:1::1", now), 0);
        fail(&throttle, "bob@h", "::ffff:192.0.2.1", 6, now);
        assert_ne!(wait(&throttle, "bob@h", "192.0.2.1", now), 0);
    }

    #[test]
    fn attempts_at_the_same_moment_are_counted_before_they_fail() {
        let throttle = Throttle::default();
        let begun: Vec<_> = (0..100).map(|_| throttle.begin("ann@h", address("192.0.2.1"))).collect();
        assert_eq!(begun.iter().filter(|begun| begun.is_ok()).count(), PAIR.free as usize);
    }

    #[test]
    fn success_and_time_forgive() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        fail(&throttle, "ann@h", "192.0.2.1", 4, now);
        throttle.begin_at("ann@h", address("192.0.2.1"), now).unwrap().succeed();
        fail(&throttle, "ann@h", "192.0.2.1", 5, now);
        assert_eq!(wait(&throttle, "ann@h", "192.0.2.1", now), 1);
        let later = now + Duration::from_secs(PAIR.forgiven_s);
        fail(&throttle, "ann@h", "192.0.2.1", 1, later);
        assert_eq!(wait(&throttle, "ann@h", "192.0.2.1", later), 1);
        let much_later = later + Duration::from_secs(10 * PAIR.forgiven_s);
        fail(&throttle, "ann@h", "192.0.2.1", 4, much_later);
        assert_eq!(wait(&throttle, "ann@h", "192.0.2.1", much_later), 0);
    }

    #[test]
    fn an_attempt_without_a_verdict_is_no_failure() {
        let throttle = Throttle::default();
        for _ in 0..100 {
            throttle.begin("ann@h", address("192.0.2.1")).unwrap().withdraw();
        }
        assert_eq!((throttle.failures(), throttle.throttled()), (0, 0));
    }

    #[test]
    fn who_is_on_this_machine_never_waits() {
        let throttle = Throttle::default();
        for _ in 0..1000 {
            throttle.begin("ann@h", None).unwrap().fail();
        }
        assert_eq!(throttle.failures(), 1000);
    }
}
