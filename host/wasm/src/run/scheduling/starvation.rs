//! Whether threads that run when others wait run at all, and how much the reserve may take while they do not.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::Notify;

/// A guest gives its thread back at every tick of the epoch, which is a millisecond, and so does one that waits: a thread
/// that was without a processor so long in between is starved.
const LATE: Duration = Duration::from_millis(25);
/// How often the watch looks whether it is woken in time.
const WATCH_EVERY: Duration = Duration::from_millis(10);
/// How often in a row it must have been.
const IN_TIME_LEAST: u32 = 100;

/// The reserve rests so many times as long as it ran, times the share of the machine the host has: where the host keeps the
/// whole machine busy, guests in the reserve have a fortieth of one processor beside it.
const RESTS: f64 = 40.0;
/// It rests once it owes so much: a thread that sleeps often waits often until it is its turn again.
const REST_LEAST: Duration = Duration::from_millis(20);
const REST_MAX: Duration = Duration::from_millis(100);

/// Whether the slow lane is starved.
#[derive(Debug, Default)]
pub(super) struct Starvation {
    is_starved: AtomicBool,
    noted: Notify,
}

impl Starvation {
    pub(super) fn is_noted(&self) -> bool {
        self.is_starved.load(Ordering::Relaxed)
    }

    /// Runs a guest on a thread of the slow lane, and notes how long that thread was without a processor.
    pub(super) fn observe<T>(&self, run: impl FnOnce() -> T) -> T {
        let begun = Moment::of_thread();
        let result = run();
        let (used, passed) = Moment::of_thread().since(begun);
        self.note(passed.saturating_sub(used));
        result
    }

    fn note(&self, without_processor: Duration) {
        if without_processor >= LATE && !self.is_starved.swap(true, Ordering::Relaxed) {
            self.noted.notify_one();
        }
    }

    /// Looks, on a thread of the slow lane, for the end of each starvation.
    pub(super) async fn watch(self: Arc<Self>) {
        loop {
            self.noted.notified().await;
            let mut in_time = 0;
            while in_time < IN_TIME_LEAST {
                let begun = Instant::now();
                tokio::time::sleep(WATCH_EVERY).await;
                in_time = woken_in_time(in_time, begun.elapsed());
            }
            self.is_starved.store(false, Ordering::Relaxed);
        }
    }

    #[cfg(test)]
    pub(super) fn set(&self, is_starved: bool) {
        self.is_starved.store(is_starved, Ordering::Relaxed);
    }
}

/// How often in a row the watch has been woken in time, once its sleep took so long.
fn woken_in_time(so_far: u32, slept: Duration) -> u32 {
    if slept < WATCH_EVERY + LATE { so_far + 1 } else { 0 }
}

/// A moment, and how long this thread or this process had had a processor then.
#[derive(Clone, Copy)]
struct Moment {
    used: Duration,
    time: Instant,
}

impl Moment {
    fn of_thread() -> Self {
        Self::by(ClockId::ThreadCPUTime)
    }

    fn of_process() -> Self {
        Self::by(ClockId::ProcessCPUTime)
    }

    fn by(clock: ClockId) -> Self {
        Self { used: Duration::try_from(clock_gettime(clock)).unwrap_or_default(), time: Instant::now() }
    }

    /// How long it has had a processor since another moment, of how long.
    fn since(self, earlier: Self) -> (Duration, Duration) {
        (self.used.saturating_sub(earlier.used), self.time.saturating_duration_since(earlier.time))
    }
}

/// What a thread of the reserve did since it last rested.
#[derive(Clone, Copy)]
struct CpuBudget {
    /// When that rest began.
    begun: Moment,
    /// How long it had a processor.
    ran: Duration,
}

thread_local! {
    static SHIFT: Cell<Option<CpuBudget>> = const { Cell::new(None) };
}

/// Runs a guest in the reserve, once this thread has rested from what it ran before.
pub(super) fn run_rested<T>(run: impl FnOnce() -> T) -> T {
    let now = Moment::of_process();
    let mut shift = SHIFT.get().unwrap_or(CpuBudget { begun: now, ran: Duration::ZERO });
    let (used, passed) = now.since(shift.begun);
    let rest = rest(shift.ran, share_of_machine(used, passed));
    if rest >= REST_LEAST {
        std::thread::sleep(rest);
        shift = CpuBudget { begun: now, ran: Duration::ZERO };
    }
    let begun = Moment::of_thread();
    let result = run();
    shift.ran += Moment::of_thread().since(begun).0;
    SHIFT.set(Some(shift));
    result
}

/// Asked for once: the system reads files to tell.
static PROCESSORS: LazyLock<f64> = LazyLock::new(|| {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    f64::from(u32::try_from(processors).unwrap_or(u32::MAX))
});

/// The share a process has of all processors when it uses so much of them in a time.
fn share_of_machine(used: Duration, passed: Duration) -> f64 {
    let all = passed.as_secs_f64() * *PROCESSORS;
    if all > 0.0 { (used.as_secs_f64() / all).min(1.0) } else { 1.0 }
}

/// How long a thread rests that ran so long, in a process with such a share of the machine.
fn rest(ran: Duration, share: f64) -> Duration {
    ran.mul_f64(share * RESTS).min(REST_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busier_host_rests_longer() {
        for (ran_ms, share, rest_ms) in
            [(1, 0.0, 0), (1, 0.1, 4), (5, 0.1, 20), (1, 0.5, 20), (1, 1.0, 40), (9, 1.0, 100)]
        {
            let rest = rest(Duration::from_millis(ran_ms), share);
            assert_eq!(rest.as_millis(), rest_ms, "{ran_ms} ms at {share}");
        }
    }

    #[test]
    fn only_a_thread_without_a_processor_is_starved() {
        let starvation = Starvation::default();
        starvation.observe(|| {
            let begun = Moment::of_thread();
            while Moment::of_thread().since(begun).0 < LATE {}
        });
        starvation.note(LATE.saturating_sub(Duration::from_nanos(1)));
        assert!(!starvation.is_noted(), "it computed");
        starvation.observe(|| std::thread::sleep(LATE));
        assert!(starvation.is_noted());
    }

    #[test]
    fn one_late_wake_begins_the_count_anew() {
        let slept = [11, 34, 12, 35, 11].map(Duration::from_millis);
        let mut in_time = 0;
        let counts = slept.map(|slept| {
            in_time = woken_in_time(in_time, slept);
            in_time
        });
        assert_eq!(counts, [1, 2, 3, 0, 1]);
    }

    #[tokio::test]
    async fn the_watch_ends_what_is_over() {
        let starvation = Arc::<Starvation>::default();
        starvation.note(LATE);
        let over = async {
            while starvation.is_noted() {
                tokio::time::sleep(WATCH_EVERY).await;
            }
        };
        tokio::select! {
            () = Arc::clone(&starvation).watch() => unreachable!("it goes on watching"),
            () = over => {}
        }
    }
}
