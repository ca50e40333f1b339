//! How a plugin does: what went wrong is counted, and a plugin most of whose calls go wrong is left alone for a while.
//!
//! One that fails now and then, or for one caller's odd arguments, goes on: what counts is that within a window there
//! are many faults *and* they are most of the calls. After a quarantine the plugin is on probation: its next fault puts
//! it back for twice as long; a few calls without one end the matter.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use muster_core::error::CallError;
use muster_core::plugins::Health;

use crate::limits::Limits;

/// Calls without a fault that end a probation.
const PROBATION_CALLS: u64 = 10;
/// How often a quarantine is doubled.
const DOUBLINGS_MAX: u32 = 6;

/// The health of one plugin.
#[derive(Debug)]
pub(crate) struct Watch {
    faults_max: u32,
    window: Duration,
    first: Duration,
    calls: AtomicU64,
    /// Whether `admit` has to look closer.
    held: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    faults: BTreeMap<&'static str, u64>,
    limits: BTreeMap<&'static str, u64>,
    window: Window,
    /// When the quarantine ends, while there is one.
    until: Option<Instant>,
    /// How often the next quarantine is doubled.
    doublings: u32,
    /// How many calls there were when the last quarantine ended, while that is not forgotten.
    released_at: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    since: Instant,
    calls_before: u64,
    faults: u32,
}

impl Watch {
    pub(crate) fn new(limits: &Limits) -> Self {
        let window = Window { since: Instant::now(), calls_before: 0, faults: 0 };
        let (faults, limited) = (BTreeMap::new(), BTreeMap::new());
        Self {
            faults_max: limits.faults_max,
            window: Duration::from_millis(limits.fault_window_ms),
            first: Duration::from_millis(limits.quarantine_ms),
            calls: AtomicU64::new(0),
            held: AtomicBool::new(false),
            state: Mutex::new(State { faults, limits: limited, window, until: None, doublings: 0, released_at: None }),
        }
    }

    /// Lets a call in.
    ///
    /// # Errors
    /// [`CallError::Quarantined`] while the plugin is left alone.
    pub(crate) fn admit(&self, now: Instant) -> Result<(), CallError> {
        if self.held.load(Ordering::Relaxed) {
            let mut state = self.lock();
            match state.until {
                Some(until) if until > now => return Err(CallError::Quarantined { retry_after: until - now }),
                Some(_) => self.end_quarantine(&mut state),
                None => {}
            }
        }
        self.calls.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// A call ended badly through the plugin's fault. Gives how long the plugin is left alone, if that begins now.
    pub(crate) fn failed(&self, code: &'static str, now: Instant) -> Option<Duration> {
        let mut state = self.lock();
        *state.faults.entry(code).or_default() += 1;
        if self.faults_max == 0 || state.until.is_some() {
            return None;
        }
        let calls = self.calls.load(Ordering::Relaxed);
        if now.saturating_duration_since(state.window.since) > self.window {
            state.window = Window { since: now, calls_before: calls.saturating_sub(1), faults: 0 };
        }
        state.window.faults += 1;
        let on_probation = state.released_at.is_some_and(|released| calls - released <= PROBATION_CALLS);
        if !on_probation && state.released_at.take().is_some() {
            state.doublings = 0;
        }
        let most = u64::from(state.window.faults) * 2 > calls - state.window.calls_before;
        let too_many = state.window.faults >= self.faults_max && most;
        if !on_probation && !too_many {
            return None;
        }
        let time = self.first.saturating_mul(1 << state.doublings.min(DOUBLINGS_MAX));
        state.doublings = (state.doublings + 1).min(DOUBLINGS_MAX);
        state.until = Some(now + time);
        self.held.store(true, Ordering::Relaxed);
        Some(time)
    }

    /// The plugin wanted more than a limit allows, whether or not the call failed for it.
    pub(crate) fn limited(&self, limit: &'static str) {
        *self.lock().limits.entry(limit).or_default() += 1;
    }

    /// Ends the quarantine; tells whether there was one.
    pub(crate) fn release(&self) -> bool {
        let mut state = self.lock();
        let held = state.until.is_some();
        if held {
            self.end_quarantine(&mut state);
        }
        held
    }

    /// What there is to tell.
    pub(crate) fn report(&self, now: Instant) -> Health {
        let state = self.lock();
        let quarantined = state.until.and_then(|until| until.checked_duration_since(now));
        Health { faults: state.faults.clone(), limits: state.limits.clone(), quarantined }
    }

    fn end_quarantine(&self, state: &mut State) {
        let calls = self.calls.load(Ordering::Relaxed);
        state.until = None;
        state.released_at = Some(calls);
        state.window = Window { since: Instant::now(), calls_before: calls, faults: 0 };
        self.held.store(false, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> Watch {
        Watch::new(&Limits { faults_max: 3, fault_window_ms: 1_000, quarantine_ms: 100, ..Limits::default() })
    }

    fn fail(watch: &Watch, now: Instant) -> Option<Duration> {
        watch.admit(now).unwrap();
        watch.failed("plugin-trapped", now)
    }

    #[test]
    fn many_faults_that_are_most_calls_begin_a_quarantine() {
        // Good calls before the faults, faults → whether the last of them is one too many.
        for (good, faults, expected) in [(0, 2, false), (0, 3, true), (2, 3, true), (3, 3, false), (3, 4, true)] {
            let (watch, now) = (watch(), Instant::now());
            for _ in 0..good {
                watch.admit(now).unwrap();
            }
            let held = (0..faults).map(|_| fail(&watch, now)).last().flatten();
            assert_eq!(held.is_some(), expected, "{good} good calls, {faults} faults");
            assert_eq!(watch.admit(now).is_err(), expected);
        }
    }

    #[test]
    fn faults_long_ago_do_not_count() {
        let (watch, now) = (watch(), Instant::now());
        assert_eq!((fail(&watch, now), fail(&watch, now)), (None, None));
        let later = now + Duration::from_millis(1_001);
        assert_eq!((fail(&watch, later), fail(&watch, later)), (None, None));
        assert!(fail(&watch, later).is_some());
    }

    #[test]
    fn a_fault_on_probation_doubles_the_quarantine_and_good_calls_end_it() {
        let watch = watch();
        let mut now = Instant::now();
        let mut expected = Duration::from_millis(100);
        assert_eq!((fail(&watch, now), fail(&watch, now), fail(&watch, now)), (None, None, Some(expected)));
        for _ in 0..8 {
            now += expected + Duration::from_millis(1);
            expected = (expected * 2).min(Duration::from_millis(6_400));
            assert_eq!(fail(&watch, now), Some(expected));
        }
        now += expected + Duration::from_millis(1);
        for _ in 0..PROBATION_CALLS {
            watch.admit(now).unwrap();
        }
        assert_eq!(fail(&watch, now), None);
        assert_eq!(watch.report(now).faults, BTreeMap::from([("plugin-trapped", 12)]));
    }

    #[test]
    fn a_quarantine_can_be_ended_by_hand() {
        let (watch, now) = (watch(), Instant::now());
        assert!(!watch.release());
        for _ in 0..3 {
            fail(&watch, now);
        }
        assert!(watch.admit(now).is_err() && watch.report(now).quarantined.is_some());
        assert!(watch.release() && watch.admit(now).is_ok() && watch.report(now).quarantined.is_none());
    }

    #[test]
    fn a_plugin_can_be_kept_out_of_quarantine() {
        let (watch, now) = (Watch::new(&Limits { faults_max: 0, ..Limits::default() }), Instant::now());
        assert!((0..1_000).all(|_| fail(&watch, now).is_none()));
    }
}
