//! Instances that wait for their next call, where a plugin's policy allows that one serves several.
//!
//! An instance is only ever found again by whom it was kept for. It serves a random number of calls, so that what a
//! guest wrongly keeps from call to call shows early; one that failed is never kept; the longest unused go first when
//! there are too many, when they hold too much memory, or after a while.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use muster_core::caller::{Authority, Caller, Principal};
use muster_core::plugins::Isolation;
use wasmtime::Store;

use crate::limits::Limits;
use crate::run::exports::Exports;
use crate::run::store::PluginState;

/// An instance with its store.
pub(crate) struct Instance {
    pub(crate) store: Store<PluginState>,
    pub(crate) live: Exports,
    /// How many calls it may serve yet.
    pub(crate) uses_left: u32,
}

/// For whom an instance is kept, apart from its plugin.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct PoolKey(String);

/// The instances that wait, of all plugins, longest unused first.
pub(crate) struct InstancePool {
    instances_max: usize,
    memory_bytes_max: usize,
    time_max: Duration,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    instances: VecDeque<Waiter>,
    memory_bytes: usize,
}

struct Waiter {
    plugin: u64,
    share: PoolKey,
    since: Instant,
    memory_bytes: usize,
    instance: Instance,
}

impl std::fmt::Debug for InstancePool {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("InstancePool").field("instances", &self.lock().instances.len()).finish_non_exhaustive()
    }
}

/// For whom an instance that serves this caller may be kept; nothing where it must not be.
pub(crate) fn share(isolation: Isolation, caller: &Caller) -> Option<PoolKey> {
    let who = match (isolation, caller.principal()) {
        // Who is not known cannot be known again.
        (Isolation::Call, _) | (Isolation::Caller, Principal::Network(_)) => return None,
        (Isolation::Plugin, _) => return Some(PoolKey(String::new())),
        (Isolation::Caller, Principal::Console) => "console".to_owned(),
        (Isolation::Caller, Principal::Account(account)) => account.as_str().to_owned(),
        (Isolation::Caller, Principal::Client(client)) => format!("client {client}"),
    };
    // A new account with the name of a removed one has another record.
    let record = caller.record.unwrap_or_default();
    Some(PoolKey(match &caller.authority {
        Authority::Full => format!("{who} {record}"),
        Authority::Token(scopes) => format!("{who} {record} token {scopes:?}"),
        Authority::Narrowed(what) => format!("{who} {record} key {what:?}"),
    }))
}

impl InstancePool {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            instances_max: limits.idle_instances_max,
            memory_bytes_max: limits.idle_memory_bytes_max,
            time_max: Duration::from_millis(limits.idle_ms_max),
            waiting: Mutex::default(),
        }
    }

    /// The instance of this plugin that was kept last for these callers.
    pub(crate) fn take(&self, plugin: u64, share: &PoolKey) -> Option<Instance> {
        let mut waiting = self.lock();
        let at = waiting.instances.iter().rposition(|kept| kept.plugin == plugin && kept.share == *share)?;
        waiting.remove(at).map(|kept| kept.instance)
    }

    /// Keeps an instance for later.
    pub(crate) fn keep(&self, plugin: u64, share: PoolKey, instance: Instance, now: Instant) {
        let memory_bytes = instance.store.data().usage.memory_bytes;
        // Dropped after the lock is free: it is work.
        let mut dropped = Vec::new();
        let mut waiting = self.lock();
        waiting.memory_bytes += memory_bytes;
        waiting.instances.push_back(Waiter { plugin, share, since: now, memory_bytes, instance });
        while waiting.instances.len() > self.instances_max || waiting.memory_bytes > self.memory_bytes_max {
            dropped.push(waiting.remove(0));
        }
        drop(waiting);
    }

    /// Lets go of those that waited too long; tells how many.
    pub(crate) fn evict(&self, now: Instant) -> usize {
        self.drop_where(|kept| now.saturating_duration_since(kept.since) > self.time_max)
    }

    /// Lets go of every instance of a plugin.
    pub(crate) fn forget(&self, plugin: u64) {
        self.drop_where(|kept| kept.plugin == plugin);
    }

    /// Lets go of everything: the pool has no place for a call that waits.
    pub(crate) fn clear(&self) -> bool {
        self.drop_where(|_| true) > 0
    }

    fn drop_where(&self, over: impl Fn(&Waiter) -> bool) -> usize {
        let mut dropped = Vec::new();
        let mut waiting = self.lock();
        while let Some(at) = waiting.instances.iter().position(&over) {
            dropped.push(waiting.remove(at));
        }
        drop(waiting);
        dropped.len()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn remove(&mut self, at: usize) -> Option<Waiter> {
        let kept = self.instances.remove(at)?;
        self.memory_bytes -= kept.memory_bytes;
        Some(kept)
    }
}
