//! Rate limits: a bucket per rule and caller, which holds `burst` calls and fills evenly with `per_minute` (the generic
//! cell rate algorithm of ATM networks).
//!
//! Looked at once a caller may call the command, so that who may not learns nothing and uses nothing up. Every rule
//! that is about the command must have a call left. The console is never held up; a plugin that calls on behalf of its
//! caller is part of a call that was counted.

mod status;

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::address::network;
use crate::caller::{Caller, Identity, Principal};
use crate::command::Command;
use crate::permission::What;

pub use status::RateLimitStatus;

/// Most callers counted at a time, for each rule.
pub const CALLERS_MAX: u64 = 100_000;

/// What a bucket belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Per {
    /// An account or client from wherever it calls; who is anonymous is known by their address.
    Caller,
    /// An IPv4 address, or the /64 of an IPv6 one, for all callers from there. Local callers have none.
    Address,
}

/// One rate limit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rate {
    /// Its name in the configuration, which callers are told: visible ASCII without `"` and `\`.
    pub name: Arc<str>,
    /// What a bucket belongs to.
    pub per: Per,
    /// The commands that use it up.
    pub what: What,
    /// Calls it fills up with in a minute.
    pub per_minute: NonZeroU32,
    /// Calls it holds.
    pub burst: NonZeroU32,
}

impl Rate {
    /// Time in which an empty bucket fills up, in whole seconds.
    pub fn window_s(&self) -> u64 {
        (u64::from(self.burst.get()) * 60).div_ceil(u64::from(self.per_minute.get()))
    }
}

/// A bucket, by when it will be full: the more of it is drawn, the later.
#[derive(Debug)]
pub struct Bucket(Mutex<Instant>);

impl Bucket {
    /// A full one.
    pub fn full(now: Instant) -> Self {
        Self(Mutex::new(now))
    }

    /// Draws one from a bucket that holds `burst` and gets one more each `interval`. Gives what is left, as the time it
    /// took to fill in.
    ///
    /// # Errors
    /// When it is empty, how long until there is one.
    pub fn draw(&self, now: Instant, interval: Duration, burst: u32) -> Result<Duration, Duration> {
        let whole = interval * burst;
        let mut full_at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = full_at.saturating_duration_since(now) + interval;
        let left = whole.checked_sub(missing).ok_or_else(|| missing.saturating_sub(whole))?;
        *full_at = now + missing;
        Ok(left)
    }
}

/// Every rate limit, and where everybody stands.
#[derive(Debug, Default)]
pub struct RateLimits {
    rules: Vec<Rule>,
}

struct Rule {
    rate: Rate,
    hasher: RandomState,
    buckets: Cache<u64, Arc<Bucket>>,
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Rule").field("rate", &self.rate).finish_non_exhaustive()
    }
}

impl RateLimits {
    /// These limits, with every bucket full.
    pub fn new(rates: Vec<Rate>) -> Self {
        let rule = |rate: Rate| {
            let buckets = Cache::builder()
                .max_capacity(CALLERS_MAX)
                .eviction_policy(EvictionPolicy::lru())
                // A bucket that was unused for so long is full.
                .time_to_idle(Duration::from_secs(rate.window_s() + 1))
                .build();
            Rule { rate, hasher: RandomState::new(), buckets }
        };
        Self { rules: rates.into_iter().map(rule).collect() }
    }

    /// Whether these are the same limits.
    pub fn are(&self, rates: &[Rate]) -> bool {
        self.rules.iter().map(|rule| &rule.rate).eq(rates)
    }

    /// Draws one call from every bucket that is about it; where the caller stands with each, which is nothing when
    /// there are none.
    ///
    /// # Errors
    /// The first limit that has no call left.
    pub fn draw(&self, caller: &Caller, command: &Command) -> Result<Vec<RateLimitStatus>, RateLimitStatus> {
        let mut standings = Vec::new();
        for rule in &self.rules {
            if rule.rate.what.covers(command)
                && let Some(key) = rule.key(caller)
            {
                standings.push(rule.draw(key, Instant::now())?);
            }
        }
        Ok(standings)
    }
}

impl Rule {
    fn key(&self, caller: &Caller) -> Option<u64> {
        if caller.through_plugin || caller.identity == Identity::Console {
            return None;
        }
        let principal = match self.rate.per {
            Per::Caller => caller.principal(),
            Per::Address => Principal::Network(caller.address.map(network)),
        };
        // Who has no address is on this machine, and counted nowhere.
        (principal != Principal::Network(None)).then(|| self.hasher.hash_one(principal))
    }

    fn draw(&self, key: u64, now: Instant) -> Result<RateLimitStatus, RateLimitStatus> {
        let interval = Duration::from_mins(1) / self.rate.per_minute.get();
        let bucket = self.buckets.get_with(key, || Arc::new(Bucket::full(now)));
        let standing = |left: Duration, retry_after| RateLimitStatus {
            name: Arc::clone(&self.rate.name),
            burst: self.rate.burst.get(),
            window_s: self.rate.window_s(),
            remaining: u32::try_from(left.as_nanos() / interval.as_nanos().max(1)).unwrap_or(u32::MAX),
            retry_after,
        };
        bucket
            .draw(now, interval, self.rate.burst.get())
            .map(|left| standing(left, interval))
            .map_err(|wait| standing(Duration::ZERO, wait))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::caller::{Authority, RequestId};
    use crate::command::{Audience, Effects, Origin};
    use crate::name::{AccountId, CommandName, FrontendName};
    use crate::permission::Selector;
    use crate::schema::Schema;

    fn command(name: &str) -> Command {
        Command {
            name: CommandName::parse(name).unwrap(),
            version: 0,
            summary: "x".to_owned(),
            description: String::new(),
            tags: vec![],
            rule_tags: vec![],
            audience: Audience::Restricted,
            effects: Effects::default(),
            input: Schema::input(json!({"type": "object"})).unwrap(),
            output: Schema::output(json!({})).unwrap(),
            examples: vec![],
            deprecated: None,
            input_bytes_max: None,
            deadline_least: None,
            origin: Origin::Builtin,
        }
    }

    fn caller(who: &str, address: &str) -> Caller {
        Caller {
            identity: match who {
                "" => Identity::Anonymous,
                "console" => Identity::Console,
                who => Identity::Account(AccountId::parse(who).unwrap()),
            },
            authority: Authority::Full,
            record: None,
            via: FrontendName("rest"),
            tag: None,
            through_plugin: false,
            address: address.parse().ok(),
            request_id: RequestId::from_random(1),
            trace: None,
        }
    }

    fn limits(per: Per, what: &str, per_minute: u32, burst: u32) -> RateLimits {
        let what = What::of([Selector::parse(what).unwrap()]);
        let number = |number| NonZeroU32::new(number).unwrap();
        RateLimits::new(vec![Rate {
            name: "test".into(),
            per,
            what,
            per_minute: number(per_minute),
            burst: number(burst),
        }])
    }

    #[test]
    fn each_caller_has_a_bucket() {
        let limits = limits(Per::Caller, "a", 1, 2);
        let draw = |who: &str, address: &str, name: &str| limits.draw(&caller(who, address), &command(name)).is_ok();
        // Two from wherever they call, then none; others and other commands do not mind.
        assert!(draw("ann@h", "192.0.2.1", "a") && draw("ann@h", "192.0.2.2", "a") && !draw("ann@h", "192.0.2.3", "a"));
        assert!(draw("bob@h", "192.0.2.1", "a") && draw("ann@h", "192.0.2.1", "b"));
        assert!(draw("", "192.0.2.1", "a") && draw("", "192.0.2.1", "a") && !draw("", "192.0.2.1", "a"));
        assert!(draw("", "192.0.2.2", "a"));
        // Who has one address of such a network has them all.
        assert!(draw("", "2001:db8::1", "a") && draw("", "2001:db8::2", "a") && !draw("", "2001:db8::3", "a"));
        assert!(draw("", "2001:db8:0:1::1", "a"));
        assert!((0..10).all(|_| draw("console", "", "a")));
    }

    #[test]
    fn each_network_has_a_bucket() {
        let limits = limits(Per::Address, "*", 1, 1);
        let draw = |who: &str, address: &str| limits.draw(&caller(who, address), &command("a")).is_ok();
        assert!(draw("ann@h", "2001:db8::1") && !draw("bob@h", "2001:db8::2") && draw("bob@h", "2001:db8:0:1::2"));
        assert!((0..10).all(|_| draw("ann@h", "no address")));
    }

    #[test]
    fn a_caller_is_told_where_they_stand() {
        let limits = limits(Per::Caller, "*", 60, 3);
        let draw = || limits.draw(&caller("ann@h", "192.0.2.1"), &command("a"));
        let standings: Vec<_> = (0..3).map(|_| draw().unwrap()[0].clone()).collect();
        assert_eq!(standings.iter().map(|standing| standing.remaining).collect::<Vec<_>>(), [2, 1, 0]);
        assert_eq!((standings[0].burst, standings[0].window_s), (3, 3));
        let refused = draw().unwrap_err();
        assert!(refused.retry_after <= Duration::from_secs(1) && refused.remaining == 0);
    }

    #[test]
    fn a_bucket_fills_up_again() {
        let limits = limits(Per::Caller, "*", 60, 2);
        let begin = Instant::now();
        let draw = |ms| {
            let standing = limits.rules[0].draw(1, begin + Duration::from_millis(ms));
            standing.map(|standing| standing.remaining).map_err(|standing| standing.retry_after.as_millis())
        };
        let drawn = [0, 0, 0, 400, 1000, 1000, 1999, 2000, 60_000, 60_000, 60_000].map(draw);
        let expected = [Ok(1), Ok(0), Err(1000), Err(600), Ok(0), Err(1000), Err(1), Ok(0), Ok(1), Ok(0), Err(1000)];
        assert_eq!(drawn, expected);
    }
}
