//! Runs a plugin's command in an instance: a fresh one, or one that waited, as the plugin's policy says. What can go
//! wrong is told apart here: the guest's own error, its panic, its exit, a limit, its time, and everything else that
//! breaks the contract; the plugin's `watch` hears of all but the first.

use std::sync::Arc;
use std::time::{Duration, Instant};

use muster_component::functions::Functions;
use muster_core::BoxFuture;
use muster_core::caller::Caller;
use muster_core::command::Command;
use muster_core::error::{ArgumentError, CallError, Fault};
use muster_core::invoke::{Invocation, Invoke, Output};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::{InstancePre, ResourceTableError};
use wasmtime::{Engine, Store, Trap};
use wasmtime_wasi::I32Exit;

use crate::bindings::muster::plugin::types::{
    ArgumentError as ArgumentMisfit, CallError as GuestError, Caller as GuestCaller, Command as Described,
};
use crate::run::concurrency::{CallerSlot, ConcurrencyLimits};
use crate::run::exports::{Entry, GuestCall};
use crate::run::instance_pool::{Instance, InstancePool, PoolKey, share};
use crate::run::quarantine::Subject;
use crate::run::scheduling::{CommandProfile, ComputeRuntime};
use crate::run::store::{CallContext, PluginContext, PluginState, new_store, renew_store};
use crate::run::typed::NotRepresentable;

/// Longest text of a guest's error that is passed on, in bytes.
const ERROR_BYTES_MAX: usize = 16 << 10;

/// A plugin, compiled, linked and ready to be instantiated.
pub(crate) struct Prepared {
    pub(crate) engine: Engine,
    pub(crate) context: Arc<PluginContext>,
    instance: InstancePre<PluginState>,
    entry: Entry,
    shared: Arc<Shared>,
    /// One for each call of this plugin that can run at a time.
    own_places: Arc<Semaphore>,
}

/// What the plugins of a host share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) concurrency: Arc<ConcurrencyLimits>,
    pub(crate) pool: InstancePool,
    pub(crate) compute: ComputeRuntime,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Prepared").field("plugin", &self.context.name).finish_non_exhaustive()
    }
}

impl Prepared {
    pub(crate) fn new(
        engine: Engine,
        context: PluginContext,
        instance: InstancePre<PluginState>,
        typed: Option<Functions>,
        shared: Arc<Shared>,
    ) -> wasmtime::Result<Self> {
        let entry = match typed {
            Some(functions) => Entry::typed(instance.component(), functions)?,
            None => Entry::contract(instance.component())?,
        };
        let own_places = Arc::new(Semaphore::new(context.limits.calls_per_plugin_max));
        Ok(Self { engine, context: Arc::new(context), instance, entry, shared, own_places })
    }

    /// Asks the guest for its commands.
    pub(crate) async fn describe(
        &self,
        store: &mut Store<PluginState>,
    ) -> wasmtime::Result<Result<Vec<Described>, String>> {
        let instance = self.instance.instantiate_async(&mut *store).await?;
        self.entry.describe(store, instance).await
    }

    /// Counts what goes wrong here, before the caller hears of it, wherever the guest runs.
    async fn call(self: &Arc<Self>, command: &PluginCommand, invocation: Invocation) -> Result<Output, CallError> {
        let watch = &self.context.watch;
        let caller = Arc::clone(invocation.permit.caller());
        watch.admit(Instant::now(), || command.subject(&caller))?;
        let places = match invocation.depth {
            0 => Some(self.places(invocation.permit.caller()).await?),
            // Within its caller's places: waiting for another could wait for itself.
            _ => None,
        };
        let deadline = self.is_to_blame(&invocation).then_some(invocation.deadline);
        let mut ending = Ending { command, caller: &caller, deadline };
        let plugin = Arc::clone(self);
        let run = async move {
            // Free once nothing is left of the guest.
            let _places = places;
            plugin.run(invocation).await
        };
        let result = self.shared.compute.run(&command.profile, Box::pin(run)).await;
        ending.deadline = None;
        match &result {
            Err(CallError::PluginFault { fault, .. }) => command.failed(&caller, fault.code()),
            Err(error @ CallError::LimitExceeded { limit, .. }) => {
                watch.limited(limit);
                command.failed(&caller, error.code());
            }
            Ok(_) | Err(_) => {}
        }
        result
    }

    /// The places of a call, which waits for them.
    async fn places(&self, caller: &Caller) -> Result<CallPlaces, CallError> {
        let (watch, places) = (&self.context.watch, &self.shared.concurrency);
        let of_caller = places.of_caller(caller).inspect_err(|_| watch.limited("calls_per_caller_max"))?;
        let own = place(&self.own_places, || watch.limited("calls_per_plugin_max")).await?;
        let of_all = place(&places.all, || watch.limited("calls_max")).await?;
        Ok(CallPlaces { _of_caller: of_caller, _own: own, _of_all: of_all })
    }

    /// Whether it is this plugin's fault if the call is not over in time: it has most of the time there was, and for
    /// itself. Who waited long for a place, or is called by another plugin at the last moment, is not to blame.
    fn is_to_blame(&self, invocation: &Invocation) -> bool {
        let left = invocation.deadline.saturating_duration_since(Instant::now());
        let all = self.context.dispatcher.upgrade().map_or(Duration::ZERO, |dispatcher| dispatcher.deadline());
        invocation.depth == 0 && left * 2 >= all
    }

    async fn run(&self, invocation: Invocation) -> Result<Output, CallError> {
        let share = share(self.context.isolation, invocation.permit.caller());
        let command = invocation.permit.command();
        let call = GuestCall {
            name: command.name.as_str().to_owned(),
            version: command.version,
            caller: guest_caller(&invocation),
            arguments: invocation.arguments,
        };
        let deadline = invocation.deadline;
        let (permit, depth, progress) = (invocation.permit, invocation.depth, invocation.progress);
        let context = CallContext { permit, depth, progress };
        let mut instance = self.enter(context, deadline, share.as_ref()).await?;
        let result = instance.live.call(&mut instance.store, call).await;
        let state = instance.store.data();
        let (memory_bytes, memory_grows) = (state.usage.memory_bytes, state.usage.memory_grows);
        tracing::debug!(memory_bytes, memory_grows, "guest done");
        for limit in state.log.limited() {
            self.context.watch.limited(limit);
        }
        let result = result.map_err(|error| self.fault(&instance.store, &error, Fault::Trap))?;
        if matches!(&result, Ok(text) if text.len() > self.context.limits.result_bytes_max) {
            return Err(self.exceeded("result_bytes_max"));
        }
        if let Some(share) = share {
            self.keep(share, instance);
        }
        match result {
            Ok(text) => Ok(Output::Text(text)),
            Err(error) => Err(from_guest(error)),
        }
    }

    /// An instance for this call: one that waited for its like, or a fresh one.
    async fn enter(
        &self,
        call: CallContext,
        deadline: Instant,
        share: Option<&PoolKey>,
    ) -> Result<Instance, CallError> {
        if let Some(mut instance) = share.and_then(|share| self.shared.pool.take(self.context.id, share)) {
            renew_store(&mut instance.store, call, deadline);
            return Ok(instance);
        }
        let mut again = true;
        loop {
            let mut store = new_store(&self.engine, &self.context, Some(call.clone()), deadline);
            let entered = match self.instance.instantiate_async(&mut store).await {
                Ok(instance) => self.entry.enter(&mut store, instance),
                Err(error) => Err(error),
            };
            match entered {
                Ok(live) => {
                    let uses_left = match share {
                        Some(_) => fastrand::u32(1..=self.context.limits.reuse_max.max(1)),
                        None => 1,
                    };
                    return Ok(Instance { store, live, uses_left });
                }
                // Instances that wait give way to calls that run.
                Err(error)
                    if error.is::<wasmtime::PoolConcurrencyLimitError>() && again && self.shared.pool.clear() =>
                {
                    again = false;
                }
                Err(error) => return Err(self.fault(&store, &error, Fault::Start)),
            }
        }
    }

    /// Keeps the instance for the next call, unless it has served its share.
    fn keep(&self, share: PoolKey, mut instance: Instance) {
        instance.uses_left = instance.uses_left.saturating_sub(1);
        if instance.uses_left == 0 {
            return;
        }
        let state = instance.store.data_mut();
        state.call = None;
        state.log.end();
        self.shared.pool.keep(self.context.id, share, instance, Instant::now());
    }

    /// What a call that did not return should be called; `otherwise`, when nothing else is known.
    fn fault(&self, store: &Store<PluginState>, error: &wasmtime::Error, otherwise: Fault) -> CallError {
        let state = store.data();
        if let Some(limit) = limit_of(state, error) {
            return self.exceeded(limit);
        }
        if error.is::<wasmtime::PoolConcurrencyLimitError>() {
            return CallError::TooManyCalls;
        }
        // With the trace of the guest's functions, by name where the component has names; it is long, so a plugin that
        // fails without end has it as often as it may log.
        let traced = self.context.log_rate.draw(&self.context.name);
        let internal = if traced { format!("{error:?}") } else { error.root_cause().to_string() };
        if let Some(message) = state.log.panic() {
            return CallError::PluginFault { fault: Fault::Panic, internal: format!("{message}\n{internal}") };
        }
        if let Some(exit) = error.downcast_ref::<I32Exit>() {
            let internal = format!("the guest exited with status {}", exit.0);
            return CallError::PluginFault { fault: Fault::Exit, internal };
        }
        if error.is::<NotRepresentable>() {
            return CallError::PluginFault { fault: Fault::InvalidOutput, internal };
        }
        let fault = if error.is::<Trap>() { Fault::Trap } else { otherwise };
        CallError::PluginFault { fault, internal }
    }

    /// The call wanted more than this limit allows.
    fn exceeded(&self, limit: &'static str) -> CallError {
        CallError::LimitExceeded { limit, bound: self.context.limits.shown(limit) }
    }
}

/// The limit that ended a guest, if one did.
pub(crate) fn limit_of(state: &PluginState, error: &wasmtime::Error) -> Option<&'static str> {
    if state.usage.refused.is_some() {
        return state.usage.refused;
    }
    if matches!(error.downcast_ref::<Trap>(), Some(Trap::StackOverflow)) {
        return Some("stack_bytes_max");
    }
    if matches!(error.downcast_ref::<ResourceTableError>(), Some(ResourceTableError::Full)) {
        return Some("resources_max");
    }
    // wasmtime has no types for these.
    let texts = [("fuel allocated for hostcalls", "hostcall_bytes_max"), ("instance count too high", "instances_max")];
    let told = |text: &str| error.chain().any(|cause| cause.to_string().contains(text));
    texts.into_iter().find(|(text, _)| told(text)).map(|(_, limit)| limit)
}

/// A place for a call; says so where it has to be waited for.
async fn place(places: &Arc<Semaphore>, waits: impl FnOnce()) -> Result<OwnedSemaphorePermit, CallError> {
    if let Ok(place) = Arc::clone(places).try_acquire_owned() {
        return Ok(place);
    }
    waits();
    Arc::clone(places).acquire_owned().await.map_err(CallError::internal_from)
}

/// The places a call has.
struct CallPlaces {
    _of_caller: Option<CallerSlot>,
    _own: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

/// Notices a call that was dropped because its time was over.
struct Ending<'a> {
    command: &'a PluginCommand,
    caller: &'a Caller,
    deadline: Option<Instant>,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        // Who dropped it may be a little early by this clock.
        const SLACK: Duration = Duration::from_millis(5);
        if self.deadline.is_some_and(|deadline| Instant::now() + SLACK >= deadline) {
            self.command.failed(self.caller, "deadline");
        }
    }
}

/// A command of a plugin as the registry has it.
#[derive(Debug)]
pub(crate) struct PluginCommand {
    plugin: Arc<Prepared>,
    profile: Arc<CommandProfile>,
    /// `name` or `name/vN`.
    label: Arc<str>,
}

impl PluginCommand {
    pub(crate) fn new(plugin: &Arc<Prepared>, command: &Command) -> Self {
        Self { plugin: Arc::clone(plugin), profile: Arc::default(), label: command.label().into() }
    }

    /// The command with a caller of it, as faults are counted.
    fn subject(&self, caller: &Caller) -> Subject {
        Subject { command: Arc::clone(&self.label), caller: caller.principal() }
    }

    /// Counts a fault, and says so where it puts the command in quarantine for this caller.
    fn failed(&self, caller: &Caller, code: &'static str) {
        let context = &self.plugin.context;
        let subject = self.subject(caller);
        let Some(time) = context.watch.failed(code, subject.clone(), Instant::now()) else { return };
        let (plugin, command, seconds) = (context.name.as_str(), &*self.label, time.as_secs_f64());
        let caller = subject.caller.to_string();
        tracing::error!(
            plugin,
            command,
            caller,
            seconds,
            last = code,
            "most calls of the command by this caller fail: starting its quarantine"
        );
        if let Some(dispatcher) = context.dispatcher.upgrade() {
            let detail =
                json!({ "plugin": plugin, "command": command, "caller": caller, "seconds": seconds, "last": code });
            dispatcher.record_event("plugin_quarantined", detail);
        }
    }
}

impl Invoke for PluginCommand {
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'_, Result<Output, CallError>> {
        Box::pin(self.plugin.call(self, invocation))
    }

    fn checked(&self, caller: &Caller, satisfied: bool) {
        if !satisfied {
            // Whatever instance gave it is not used again.
            self.plugin.shared.pool.forget(self.plugin.context.id);
            self.failed(caller, Fault::InvalidOutput.code());
        }
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        self.shared.pool.forget(self.context.id);
    }
}

fn guest_caller(invocation: &Invocation) -> GuestCaller {
    let caller = invocation.permit.caller();
    GuestCaller {
        account: caller.account().map(|account| account.as_str().to_owned()),
        scopes: caller.scopes().unwrap_or_default().to_vec(),
        via: caller.via.0.to_owned(),
        address: caller.address.map(|address| address.to_string()),
        request_id: caller.request_id.as_str().to_owned(),
    }
}

fn from_guest(error: GuestError) -> CallError {
    match error {
        GuestError::InvalidArgument(ArgumentMisfit { pointer, message }) => {
            CallError::InvalidArguments(vec![ArgumentError { pointer: cut(pointer), message: cut(message) }])
        }
        GuestError::NotFound(text) => CallError::NotFound(cut(text)),
        GuestError::Conflict(text) => CallError::Conflict(cut(text)),
        GuestError::Denied(text) => CallError::Denied(cut(text)),
        GuestError::Unavailable(text) => CallError::Unavailable(cut(text)),
        GuestError::Failed(text) => CallError::Failed(cut(text)),
    }
}

/// The error message of a guest, shortened.
fn cut(mut text: String) -> String {
    if text.len() > ERROR_BYTES_MAX {
        text.truncate(text.floor_char_boundary(ERROR_BYTES_MAX));
        text.push('…');
    }
    text
}
