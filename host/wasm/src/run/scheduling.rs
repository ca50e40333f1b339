//! Where guests compute. A call begins on the thread that serves it, since most are over before anything could be handed
//! over. One that goes on computing is moved to the slow lane, whose threads run when others wait: so the threads that serve
//! connections are free again after a few milliseconds, however many guests compute, and the kernel lets them go first.
//!
//! A command whose last call computed long or went wrong begins there: a neighbour that does so again and again has no
//! few milliseconds of each call.
//!
//! On a machine where others always want to run, the slow lane would never be over. Calls leave it for the reserve then, a thread
//! like any other that rests after each millisecond, the longer the busier the host itself is.

mod starvation;

use std::cell::Cell;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

use muster_core::BoxFuture;
use muster_core::error::CallError;

use starvation::Starvation;

/// Ticks of the epoch a call may compute where it began.
const TICKS_MAX: u64 = 2;

thread_local! {
    /// How long the guest that was polled last on this thread has computed, in ticks of the epoch.
    static COMPUTED: Cell<u64> = const { Cell::new(0) };
}

/// Notes that the guest that runs on this thread has computed so long.
pub(crate) fn note_computing(ticks: u64) {
    COMPUTED.set(ticks);
}

/// Lets this thread run when no other wants to (`SCHED_IDLE` of `sched(7)`). Being nice is not enough: a nice thread is
/// not interrupted by one that wakes up, but only once its slice is over.
#[cfg(target_os = "linux")]
fn yield_to_others() {
    use thread_priority::{
        NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
        thread_native_id,
    };
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    // If that is not permitted, a separate thread still helps.
    let _ = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy);
}

/// Nothing, where threads have no such policy.
#[cfg(not(target_os = "linux"))]
fn yield_to_others() {}

/// The threads for calls that take long.
pub(crate) struct ComputeRuntime {
    lanes: Arc<Lanes>,
    runtimes: Vec<Runtime>,
}

/// Ways to the lanes beside the threads that serve.
struct Lanes {
    slow: Handle,
    reserve: Handle,
    starvation: Arc<Starvation>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lane {
    Slow,
    Reserve,
}

impl std::fmt::Debug for ComputeRuntime {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("ComputeRuntime")
    }
}

impl ComputeRuntime {
    /// # Errors
    /// When the threads cannot be started.
    pub(crate) fn start() -> std::io::Result<Self> {
        let slow = Builder::new_multi_thread()
            .thread_name("slow-lane")
            .enable_all()
            .on_thread_start(yield_to_others)
            .build()?;
        let reserve = Builder::new_multi_thread().thread_name("reserve-lane").worker_threads(1).enable_all().build()?;
        let starvation = Arc::<Starvation>::default();
        slow.spawn(Arc::clone(&starvation).watch());
        let lanes = Lanes { slow: slow.handle().clone(), reserve: reserve.handle().clone(), starvation };
        Ok(Self { lanes: Arc::new(lanes), runtimes: vec![slow, reserve] })
    }

    /// Runs a call of the command, here for a while and there for the rest.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        profile: &Arc<CommandProfile>,
        call: BoxFuture<'static, Result<T, CallError>>,
    ) -> impl Future<Output = Result<T, CallError>> + Send + use<T> {
        let call = Measured { call, profile: Arc::clone(profile), ticks: 0 };
        ScheduledCall { call: Some(call), lanes: Arc::clone(&self.lanes), moved: None }
    }
}

impl Drop for ComputeRuntime {
    fn drop(&mut self) {
        // Waiting for its threads would block the one that drops it.
        for runtime in self.runtimes.drain(..) {
            runtime.shutdown_background();
        }
    }
}

impl Lanes {
    /// The lane for calls that take long, at present.
    fn lane(&self) -> Lane {
        if self.starvation.is_noted() { Lane::Reserve } else { Lane::Slow }
    }

    fn spawn<T: Send + 'static>(self: &Arc<Self>, call: Measured<T>) -> JoinHandle<Stage<T>> {
        let lane = self.lane();
        let stay = LaneTask { call: Some(call), lane, lanes: Arc::clone(self), serving: Handle::current() };
        match lane {
            Lane::Slow => self.slow.spawn(stay),
            Lane::Reserve => self.reserve.spawn(stay),
        }
    }
}

/// What a command is known to do: whether its last call belonged to the slow lane.
#[derive(Debug, Default)]
pub(crate) struct CommandProfile(AtomicBool);

impl CommandProfile {
    fn is_slow(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, slow: bool) {
        if self.is_slow() != slow {
            self.0.store(slow, Ordering::Relaxed);
        }
    }
}

/// A call that learns how long it computes, and teaches its command's profile.
struct Measured<T> {
    call: BoxFuture<'static, Result<T, CallError>>,
    profile: Arc<CommandProfile>,
    /// Ticks of the epoch it computed so far.
    ticks: u64,
}

impl<T> Measured<T> {
    fn is_long(&self) -> bool {
        self.ticks >= TICKS_MAX
    }
}

impl<T> Future for Measured<T> {
    type Output = Result<T, CallError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        COMPUTED.set(0);
        let polled = self.call.as_mut().poll(context);
        self.ticks = self.ticks.max(COMPUTED.get());
        if let Poll::Ready(result) = &polled {
            let failed = matches!(result, Err(CallError::PluginFault { .. } | CallError::LimitExceeded { .. }));
            self.profile.set(failed || self.is_long());
        }
        polled
    }
}

/// How the stay of a call in a lane ended.
enum Stage<T> {
    Over(Result<T, CallError>),
    /// Its lane is not the right one any more.
    Elsewhere(Measured<T>),
}

/// A call in a lane.
struct LaneTask<T> {
    call: Option<Measured<T>>,
    lane: Lane,
    lanes: Arc<Lanes>,
    /// Where the call came from. What it starts and waits for belongs there: its connections, which others use after it, timers, and
    /// tasks that hold what others wait for.
    serving: Handle,
}

impl<T: Send + 'static> Future for LaneTask<T> {
    type Output = Stage<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Pending with no call cannot be: it is over, or elsewhere.
        let Some(mut call) = self.call.take() else { return Poll::Pending };
        if self.lanes.lane() != self.lane {
            return Poll::Ready(Stage::Elsewhere(call));
        }
        let serving = self.serving.enter();
        let polled = match self.lane {
            Lane::Slow => self.lanes.starvation.observe(|| Pin::new(&mut call).poll(context)),
            Lane::Reserve => starvation::run_rested(|| Pin::new(&mut call).poll(context)),
        };
        drop(serving);
        match polled {
            Poll::Ready(result) => Poll::Ready(Stage::Over(result)),
            Poll::Pending if self.lanes.lane() != self.lane => Poll::Ready(Stage::Elsewhere(call)),
            Poll::Pending => {
                self.call = Some(call);
                Poll::Pending
            }
        }
    }
}

/// A call from its beginning to its end, wherever it runs.
struct ScheduledCall<T> {
    call: Option<Measured<T>>,
    lanes: Arc<Lanes>,
    moved: Option<JoinHandle<Stage<T>>>,
}

impl<T: Send + 'static> Future for ScheduledCall<T> {
    type Output = Result<T, CallError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(mut call) = self.call.take() {
            if !call.profile.is_slow() {
                if let Poll::Ready(result) = Pin::new(&mut call).poll(context) {
                    return Poll::Ready(result);
                }
                if !call.is_long() {
                    self.call = Some(call);
                    return Poll::Pending;
                }
                call.profile.set(true);
            }
            // Ended with this future, which holds its handle.
            self.moved = Some(self.lanes.spawn(call));
        }
        while let Some(moved) = self.moved.as_mut() {
            match ready!(Pin::new(moved).poll(context)) {
                Ok(Stage::Over(result)) => return Poll::Ready(result),
                Ok(Stage::Elsewhere(call)) => self.moved = Some(self.lanes.spawn(call)),
                Err(error) => return Poll::Ready(Err(CallError::internal_from(error))),
            }
        }
        Poll::Pending
    }
}

impl<T> Drop for ScheduledCall<T> {
    fn drop(&mut self) {
        if let Some(moved) = &self.moved {
            moved.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A call that computes for so many ticks, and then says on which threads it was.
    async fn compute(ticks: u64) -> Result<Vec<String>, CallError> {
        let mut threads: Vec<String> = Vec::new();
        for tick in 1..=ticks {
            note_computing(tick);
            let name = std::thread::current().name().unwrap_or_default().to_owned();
            if threads.last() != Some(&name) {
                threads.push(name);
            }
            tokio::task::yield_now().await;
        }
        // A task it starts is not in its lane.
        let task = Handle::current().spawn(async { std::thread::current().name().unwrap_or_default().to_owned() });
        let of_task = task.await.map_err(CallError::internal_from)?;
        assert!(!of_task.ends_with("-lane"), "{of_task}");
        Ok(threads)
    }

    #[tokio::test]
    async fn calls_that_compute_leave_this_thread_and_a_starved_lane() {
        let here = std::thread::current().name().unwrap_or_default().to_owned();
        let slow_lane = ComputeRuntime::start().unwrap();
        let (short, long) = (Arc::<CommandProfile>::default(), Arc::<CommandProfile>::default());
        let run = |profile: &Arc<CommandProfile>, is_starved, ticks| {
            slow_lane.lanes.starvation.set(is_starved);
            slow_lane.run(profile, Box::pin(compute(ticks)))
        };
        assert_eq!(run(&short, false, 1).await.unwrap(), [here.as_str()]);
        assert_eq!(run(&long, false, TICKS_MAX + 1).await.unwrap(), [here.as_str(), "slow-lane"]);
        assert_eq!(run(&long, false, 1).await.unwrap(), ["slow-lane"], "where it begins the next time");
        assert_eq!(run(&short, true, TICKS_MAX + 1).await.unwrap(), [here.as_str(), "reserve-lane"]);
        let endless = run(&long, false, u64::MAX);
        assert!(
            tokio::time::timeout(std::time::Duration::from_millis(20), endless).await.is_err(),
            "it can be dropped"
        );
    }
}
