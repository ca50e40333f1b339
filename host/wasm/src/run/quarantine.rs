//! How a plugin does: what goes wrong is counted by command and caller, and a command most of whose calls by one caller go
//! wrong is not run for that caller for a while.
//!
//! A caller is what every bound counts as one ([`Principal`]): an account, a client, the network of an anonymous caller. So
//! a caller whose arguments make a command fail takes it from no other caller, and keeps the plugin's other commands.
//!
//! What fails now and then goes on: what counts is that within a window there are many faults *and* they are most of the
//! calls since the first of them. After a quarantine the command is on probation with that caller: its next fault puts it
//! back for twice as long; a few calls without one end the matter.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use muster_core::caller::Principal;
use muster_core::error::CallError;
use muster_core::plugins::{Health, Quarantine};

use crate::limits::Limits;

/// Calls without a fault that end a probation.
const PROBATION_CALLS: u64 = 10;
/// How often a quarantine is doubled.
const DOUBLINGS_MAX: u32 = 6;
/// Commands with callers that are watched at a time. Of others faults are counted for the operator alone: who has many
/// addresses must not take the command from those who come later.
const WATCHED_MAX: usize = 1_000;
/// How many windows a fault is remembered for.
const WINDOWS_REMEMBERED: u32 = 10;

/// A command and who calls it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Subject {
    /// `name` or `name/vN`.
    pub(crate) command: Arc<str>,
    pub(crate) caller: Principal,
}

/// The health of one plugin.
#[derive(Debug)]
pub(crate) struct FaultTracker {
    faults_max: u32,
    window: Duration,
    first: Duration,
    /// Whether anything is watched, so that `admit` has to look closer.
    watching: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    faults: BTreeMap<&'static str, u64>,
    limits: BTreeMap<&'static str, u64>,
    watched: HashMap<Subject, Tally>,
}

/// What one caller's calls of one command came to, from the first fault on.
#[derive(Clone, Copy, Debug)]
struct Tally {
    /// When the window began.
    since: Instant,
    calls: u64,
    faults: u32,
    /// When the quarantine ends, while there is one.
    until: Option<Instant>,
    /// How often the next quarantine is doubled.
    doublings: u32,
    /// Calls since the last quarantine ended, while that is not forgotten.
    probation: Option<u64>,
}

impl Tally {
    /// From the moment of a call that failed.
    fn begin(now: Instant) -> Self {
        Self { since: now, calls: 1, faults: 0, until: None, doublings: 0, probation: None }
    }

    fn end_quarantine(&mut self, now: Instant) {
        (self.until, self.probation) = (None, Some(0));
        (self.since, self.calls, self.faults) = (now, 0, 0);
    }
}

impl FaultTracker {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            faults_max: limits.faults_max,
            window: Duration::from_millis(limits.fault_window_ms),
            first: Duration::from_millis(limits.quarantine_ms),
            watching: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    /// Lets a call in.
    ///
    /// # Errors
    /// [`CallError::Quarantined`] while the command is not run for this caller.
    pub(crate) fn admit(&self, now: Instant, subject: impl FnOnce() -> Subject) -> Result<(), CallError> {
        if !self.watching.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut state = self.lock();
        let Some(tally) = state.watched.get_mut(&subject()) else { return Ok(()) };
        match tally.until {
            Some(until) if until > now => return Err(CallError::Quarantined { retry_after: until - now }),
            Some(_) => tally.end_quarantine(now),
            None => {}
        }
        tally.calls += 1;
        tally.probation = tally.probation.map(|calls| calls + 1);
        Ok(())
    }

    /// A call ended badly through the plugin's fault. Gives how long the command is not run for the caller, if that begins
    /// now.
    pub(crate) fn failed(&self, code: &'static str, subject: Subject, now: Instant) -> Option<Duration> {
        let mut state = self.lock();
        *state.faults.entry(code).or_default() += 1;
        if self.faults_max == 0 {
            return None;
        }
        if state.watched.len() >= WATCHED_MAX && !state.watched.contains_key(&subject) {
            self.forget_old(&mut state, now);
            if state.watched.len() >= WATCHED_MAX {
                return None;
            }
        }
        self.watching.store(true, Ordering::Relaxed);
        let tally = state.watched.entry(subject).or_insert_with(|| Tally::begin(now));
        if tally.until.is_some() {
            return None;
        }
        if now.saturating_duration_since(tally.since) > self.window {
            (tally.since, tally.calls, tally.faults) = (now, 1, 0);
        }
        tally.faults += 1;
        let on_probation = tally.probation.is_some_and(|calls| calls <= PROBATION_CALLS);
        if !on_probation && tally.probation.take().is_some() {
            tally.doublings = 0;
        }
        let too_many = tally.faults >= self.faults_max && u64::from(tally.faults) * 2 > tally.calls;
        if !on_probation && !too_many {
            return None;
        }
        let time = self.first.saturating_mul(1 << tally.doublings.min(DOUBLINGS_MAX));
        tally.doublings = (tally.doublings + 1).min(DOUBLINGS_MAX);
        tally.until = Some(now + time);
        Some(time)
    }

    /// The plugin wanted more than a limit allows, whether or not the call failed for it.
    pub(crate) fn limited(&self, limit: &'static str) {
        *self.lock().limits.entry(limit).or_default() += 1;
    }

    /// Ends every quarantine; tells whether there was one.
    pub(crate) fn release(&self, now: Instant) -> bool {
        let mut state = self.lock();
        let mut held = false;
        for tally in state.watched.values_mut().filter(|tally| tally.until.is_some()) {
            held |= tally.until.is_some_and(|until| until > now);
            tally.end_quarantine(now);
        }
        held
    }

    /// What there is to tell.
    pub(crate) fn report(&self, now: Instant) -> Health {
        let state = self.lock();
        let left = |tally: &Tally| tally.until.and_then(|until| until.checked_duration_since(now));
        let quarantine = |(subject, tally): (&Subject, &Tally)| {
            let (command, caller) = (subject.command.to_string(), subject.caller.to_string());
            Some(Quarantine { command, caller, left: left(tally)? })
        };
        let mut quarantines: Vec<Quarantine> = state.watched.iter().filter_map(quarantine).collect();
        quarantines.sort_by(|one, other| (&one.command, &one.caller).cmp(&(&other.command, &other.caller)));
        Health { faults: state.faults.clone(), limits: state.limits.clone(), quarantines }
    }

    /// Forgets what went well long enough.
    fn forget_old(&self, state: &mut State, now: Instant) {
        let remembered = self.window.saturating_mul(WINDOWS_REMEMBERED);
        state.watched.retain(|_, tally| {
            tally.until.is_some_and(|until| until > now) || now.saturating_duration_since(tally.since) <= remembered
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> FaultTracker {
        FaultTracker::new(&Limits { faults_max: 3, fault_window_ms: 1_000, quarantine_ms: 100, ..Limits::default() })
    }

    fn subject(command: &str, caller: &str) -> Subject {
        Subject { command: Arc::from(command), caller: Principal::Client(Arc::from(caller)) }
    }

    fn ann() -> Subject {
        subject("c", "ann")
    }

    fn fail(watch: &FaultTracker, now: Instant) -> Option<Duration> {
        watch.admit(now, ann).unwrap();
        watch.failed("plugin-trapped", ann(), now)
    }

    #[test]
    fn many_faults_that_are_most_calls_begin_a_quarantine() {
        // Good calls after the first fault, faults → whether the last of them is one too many.
        for (good, faults, expected) in [(0, 2, false), (0, 3, true), (2, 3, true), (3, 3, false), (3, 4, true)] {
            let (watch, now) = (watch(), Instant::now());
            let mut held = fail(&watch, now);
            for _ in 0..good {
                watch.admit(now, ann).unwrap();
            }
            for _ in 1..faults {
                held = fail(&watch, now);
            }
            assert_eq!(held.is_some(), expected, "{good} good calls, {faults} faults");
            assert_eq!(watch.admit(now, ann).is_err(), expected);
        }
    }

    #[test]
    fn what_fails_for_one_is_run_for_others() {
        let (watch, now) = (watch(), Instant::now());
        for _ in 0..3 {
            fail(&watch, now);
        }
        for (command, caller, runs) in [("c", "ann", false), ("c", "bob", true), ("other", "ann", true)] {
            assert_eq!(watch.admit(now, || subject(command, caller)).is_ok(), runs, "{command} {caller}");
        }
        let told = watch.report(now).quarantines;
        assert_eq!((told.len(), told[0].command.as_str(), told[0].caller.as_str()), (1, "c", "ann"));
    }

    #[test]
    fn what_is_watched_is_bounded() {
        let (watch, now) = (watch(), Instant::now());
        for number in 0..2 * WATCHED_MAX {
            watch.failed("plugin-trapped", subject("c", &number.to_string()), now);
        }
        assert_eq!(watch.lock().watched.len(), WATCHED_MAX);
        // Later there is room again.
        let later = now + Duration::from_secs(1) * (WINDOWS_REMEMBERED + 1);
        watch.failed("plugin-trapped", ann(), later);
        assert_eq!(watch.lock().watched.len(), 1);
        assert_eq!(watch.report(later).faults, BTreeMap::from([("plugin-trapped", 2 * WATCHED_MAX as u64 + 1)]));
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
            watch.admit(now, ann).unwrap();
        }
        assert_eq!(fail(&watch, now), None);
        assert_eq!(watch.report(now).faults, BTreeMap::from([("plugin-trapped", 12)]));
    }

    #[test]
    fn a_quarantine_can_be_ended_by_hand() {
        let (watch, now) = (watch(), Instant::now());
        assert!(!watch.release(now));
        for _ in 0..3 {
            fail(&watch, now);
        }
        assert!(watch.admit(now, ann).is_err() && !watch.report(now).quarantines.is_empty());
        assert!(watch.release(now) && watch.admit(now, ann).is_ok() && watch.report(now).quarantines.is_empty());
    }

    #[test]
    fn a_plugin_can_be_kept_out_of_quarantine() {
        let (watch, now) = (FaultTracker::new(&Limits { faults_max: 0, ..Limits::default() }), Instant::now());
        assert!((0..1_000).all(|_| fail(&watch, now).is_none()));
    }
}
