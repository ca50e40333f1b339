//! Runs a plugin's command: a fresh store and instance, one call, dropped. What can go wrong is told apart here: the
//! guest's own error, its panic, a limit, its time, and everything else that breaks the contract.

use std::sync::Arc;

use muster_core::BoxFuture;
use muster_core::error::{ArgumentError, CallError};
use muster_core::invoke::{Invocation, Invoke, Output};
use tokio::sync::Semaphore;
use wasmtime::component::InstancePre;
use wasmtime::{Engine, Store, Trap};
use wasmtime_wasi::I32Exit;

use crate::bindings::muster::plugin::types::{CallError as GuestError, Caller, Command};
use crate::entry::{Entry, GuestCall};
use crate::state::{CallContext, PluginContext, PluginState, new_store};

/// A plugin, compiled, linked and ready to be instantiated.
pub(crate) struct Prepared {
    pub(crate) engine: Engine,
    pub(crate) context: Arc<PluginContext>,
    instance: InstancePre<PluginState>,
    entry: Entry,
    /// A place for each call that can run at a time, shared by all plugins.
    pub(crate) places: Arc<Semaphore>,
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
        places: Arc<Semaphore>,
    ) -> wasmtime::Result<Self> {
        let entry = Entry::contract(instance.component())?;
        Ok(Self { engine, context: Arc::new(context), instance, entry, places })
    }

    /// Asks the guest for its commands.
    pub(crate) async fn describe(
        &self,
        store: &mut Store<PluginState>,
    ) -> wasmtime::Result<Result<Vec<Command>, String>> {
        let instance = self.instance.instantiate_async(&mut *store).await?;
        self.entry.describe(store, instance).await
    }

    async fn call(&self, invocation: Invocation) -> Result<Output, CallError> {
        // A nested call runs within its caller's place: waiting for another could wait for itself.
        let _place = match invocation.depth {
            0 => Some(self.places.acquire().await.map_err(CallError::internal_from)?),
            _ => None,
        };
        let command = invocation.permit.command();
        let (name, version) = (command.name.as_str().to_owned(), command.version);
        let caller = guest_caller(&invocation);
        let call = CallContext { permit: invocation.permit, depth: invocation.depth };
        let mut store = new_store(&self.engine, &self.context, Some(call), invocation.deadline);
        let result: wasmtime::Result<_> = async {
            let instance = self.instance.instantiate_async(&mut store).await?;
            let input = invocation.arguments.text();
            self.entry.call(&mut store, instance, GuestCall { name: &name, version, input, caller: &caller }).await
        }
        .await;
        let usage = &store.data().usage;
        tracing::debug!(
            command = name,
            memory_bytes = usage.memory_bytes,
            memory_grows = usage.memory_grows,
            "guest done"
        );
        match result {
            Ok(Ok(text)) if text.len() > self.context.limits.result_bytes_max => Err(CallError::LimitExceeded {
                limit: "result_bytes_max",
                bound: format!("{} bytes", self.context.limits.result_bytes_max),
            }),
            Ok(Ok(text)) => Ok(Output::Text(text)),
            Ok(Err(error)) => Err(from_guest(error)),
            Err(error) => Err(self.fault(&store, &error)),
        }
    }

    /// What a call that did not return should be called.
    fn fault(&self, store: &Store<PluginState>, error: &wasmtime::Error) -> CallError {
        let (state, limits) = (store.data(), &self.context.limits);
        let limit =
            |limit, bound: usize, unit: &str| CallError::LimitExceeded { limit, bound: format!("{bound} {unit}") };
        if state.usage.memory_refused {
            return limit("memory_bytes_max", limits.memory_bytes_max, "bytes");
        }
        if state.usage.table_refused {
            return limit("table_elements_max", limits.table_elements_max, "elements");
        }
        if let Some(message) = state.log.panic() {
            // The message itself is in the log already, from the guest.
            tracing::warn!(plugin = self.context.name, panic = ?message, "a plugin's command panicked");
            return CallError::Failed(
                "the command panicked; the host's log has its message under this request id".to_owned(),
            );
        }
        if matches!(error.downcast_ref::<Trap>(), Some(Trap::StackOverflow)) {
            return limit("stack_bytes_max", crate::limits::STACK_BYTES_MAX, "bytes");
        }
        if let Some(exit) = error.downcast_ref::<I32Exit>() {
            return CallError::PluginFault { internal: format!("the guest ended itself with status {}", exit.0) };
        }
        if error.is::<wasmtime::PoolConcurrencyLimitError>() {
            return CallError::TooManyCalls;
        }
        CallError::PluginFault { internal: format!("{error:?}") }
    }
}

impl Invoke for Prepared {
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'_, Result<Output, CallError>> {
        Box::pin(self.call(invocation))
    }
}

fn guest_caller(invocation: &Invocation) -> Caller {
    let caller = invocation.permit.caller();
    Caller {
        account: caller.account().map(|account| account.as_str().to_owned()),
        scopes: caller.scopes().unwrap_or_default().to_vec(),
        via: caller.via.0.to_owned(),
        address: caller.address.map(|address| address.to_string()),
        request_id: caller.request_id.as_str().to_owned(),
    }
}

fn from_guest(error: GuestError) -> CallError {
    match error {
        GuestError::InvalidArgument(error) => {
            CallError::InvalidArguments(vec![ArgumentError { pointer: error.pointer, message: error.message }])
        }
        GuestError::NotFound(text) => CallError::NotFound(text),
        GuestError::Conflict(text) => CallError::Conflict(text),
        GuestError::Denied(text) => CallError::Denied(text),
        GuestError::Unavailable(text) => CallError::Unavailable(text),
        GuestError::Failed(text) => CallError::Failed(text),
    }
}
