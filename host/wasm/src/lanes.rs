//! Where guests compute. A call begins on the thread that serves it, since most are over before anything could be handed
//! over. One that goes on computing is moved to threads of lower priority: so the threads that serve connections are free
//! again after a few milliseconds, however many guests compute, and the kernel lets them go first.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

use muster_core::BoxFuture;
use muster_core::error::CallError;

/// Ticks of the epoch a call may compute where it began.
const TICKS_MAX: u64 = 2;
/// How much later than others the moved calls come to run (`setpriority(2)`).
const NICENESS: i32 = 10;

thread_local! {
    /// How long the guest that was polled last on this thread has computed, in ticks of the epoch.
    static COMPUTED: Cell<u64> = const { Cell::new(0) };
}

/// Notes that the guest that runs on this thread has computed so long.
pub(crate) fn note_computing(ticks: u64) {
    COMPUTED.set(ticks);
}

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
            .on_thread_start(|| {
                // On Linux a thread has a priority of its own. Without it the lane still helps.
                let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS);
            })
            .build()?;
        Ok(Self { runtime: Some(runtime) })
    }

    /// Runs a call, here for a while and there for the rest.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        call: BoxFuture<'static, Result<T, CallError>>,
    ) -> impl Future<Output = Result<T, CallError>> + Send + use<T> {
        Lanes { call: Some(call), slow: self.runtime.as_ref().map(|runtime| runtime.handle().clone()), moved: None }
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
    call: Option<BoxFuture<'static, Result<T, CallError>>>,
    slow: Option<Handle>,
    moved: Option<JoinHandle<Result<T, CallError>>>,
}

impl<T: Send + 'static> Future for Lanes<T> {
    type Output = Result<T, CallError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(call) = self.call.as_mut() {
            COMPUTED.set(0);
            if let Poll::Ready(result) = call.as_mut().poll(context) {
                return Poll::Ready(result);
            }
            if COMPUTED.get() < TICKS_MAX {
                return Poll::Pending;
            }
        }
        if let (Some(slow), Some(_)) = (&self.slow, &self.call) {
            let slow = slow.clone();
            // Ended with this future, which holds its handle.
            self.moved = self.call.take().map(|call| slow.spawn(call));
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
