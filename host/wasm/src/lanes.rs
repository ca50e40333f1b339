//! Where guests compute. A call begins on the thread that serves it, since most are over before anything could be handed
//! over. One that goes on computing is moved to threads that run when others wait: so the threads that serve connections are free
//! again after a few milliseconds, however many guests compute, and the kernel lets them go first.
//!
//! A command whose last call computed long or went wrong begins there: a neighbour that does so again and again has no
//! few milliseconds of each call.

use std::cell::Cell;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

use muster_core::BoxFuture;
use muster_core::error::CallError;

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
    // Where that cannot be had, a thread of its own still helps.
    let _ = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy);
}

/// Nothing, where threads have no such policy.
#[cfg(not(target_os = "linux"))]
fn yield_to_others() {}

/// The threads for calls that take long.
pub(crate) struct SlowLane {
    runtime: Option<Runtime>,
}

impl std::fmt::Debug for SlowLane {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SlowLane")
    }
}

impl SlowLane {
    /// # Errors
    /// When the threads cannot be started.
    pub(crate) fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .thread_name("slow-lane")
            .enable_all()
            .on_thread_start(yield_to_others)
            .build()?;
        Ok(Self { runtime: Some(runtime) })
    }

    /// Runs a call of the command, here for a while and there for the rest.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        habit: &Arc<Habit>,
        call: BoxFuture<'static, Result<T, CallError>>,
    ) -> impl Future<Output = Result<T, CallError>> + Send + use<T> {
        let slow = self.runtime.as_ref().map(|runtime| runtime.handle().clone());
        Lanes { call: Some(Measured { call, habit: Arc::clone(habit), ticks: 0 }), slow, moved: None }
    }
}

/// What a command is known to do: whether its last call belonged to the slow lane.
#[derive(Debug, Default)]
pub(crate) struct Habit(AtomicBool);

/// A call that learns how long it computes, and teaches its command's habit.
struct Measured<T> {
    call: BoxFuture<'static, Result<T, CallError>>,
    habit: Arc<Habit>,
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
            let slow = failed || self.is_long();
            if self.habit.0.load(Ordering::Relaxed) != slow {
                self.habit.0.store(slow, Ordering::Relaxed);
            }
        }
        polled
    }
}

impl Drop for SlowLane {
    fn drop(&mut self) {
        // Waiting for its threads would block the one that drops it.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A call in one of the two lanes.
struct Lanes<T> {
    call: Option<Measured<T>>,
    slow: Option<Handle>,
    moved: Option<JoinHandle<Result<T, CallError>>>,
}

impl<T: Send + 'static> Future for Lanes<T> {
    type Output = Result<T, CallError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(mut call) = self.call.take() {
            if !call.habit.0.load(Ordering::Relaxed) || self.slow.is_none() {
                if let Poll::Ready(result) = Pin::new(&mut call).poll(context) {
                    return Poll::Ready(result);
                }
                if !call.is_long() || self.slow.is_none() {
                    self.call = Some(call);
                    return Poll::Pending;
                }
                call.habit.0.store(true, Ordering::Relaxed);
            }
            // Ended with this future, which holds its handle.
            self.moved = self.slow.as_ref().map(|slow| slow.spawn(call));
        }
        match self.moved.as_mut() {
            Some(moved) => {
                let joined = ready!(Pin::new(moved).poll(context));
                Poll::Ready(joined.unwrap_or_else(|error| Err(CallError::internal_from(error))))
            }
            None => Poll::Pending,
        }
    }
}

impl<T> Drop for Lanes<T> {
    fn drop(&mut self) {
        if let Some(moved) = &self.moved {
            moved.abort();
        }
    }
}
