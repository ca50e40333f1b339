//! `muster:plugin/dispatch`: a command calls another one, for its own caller, through the same door as everybody. Two
//! things must hold: the caller may run that command, and the operator granted it to this plugin.

use bytes::Bytes;
use muster_core::error::CallError as HostError;
use muster_core::schema::Unread;

use super::used::Interface;
use crate::bindings::muster::plugin::dispatch::Host;
use crate::bindings::muster::plugin::types::{self, ArgumentError, CallError};
use crate::run::store::PluginState;

impl types::Host for PluginState {}

impl Host for PluginState {
    async fn call(&mut self, name: String, input: String) -> wasmtime::Result<Result<String, CallError>> {
        // Read once, so that a plugin without the grant learns nothing about the command, not even whether it exists.
        let uses = &self.plugin.granted.uses;
        uses.interface(Interface::Dispatch);
        let Some(grant) = self.plugin.granted.grants.command(&name) else {
            let text = format!("this plugin has no grant `command:{name}`");
            uses.wished(&format!("command:{name}"), &text);
            return Ok(Err(CallError::Denied(text)));
        };
        let most = self.plugin.limits.dispatches_max;
        if self.spent.dispatches >= most {
            self.plugin.watch.limited("dispatches_max");
            let text = format!("a call may call at most {most} other commands (limit `dispatches_max`)");
            uses.grant_refused(grant, &text);
            return Ok(Err(CallError::Failed(text)));
        }
        self.spent.dispatches += 1;
        uses.grant(grant);
        let (Some(call), Some(dispatcher)) = (&self.call, self.plugin.dispatcher.upgrade()) else {
            return Ok(Err(CallError::Unavailable("commands cannot be called during `describe`".to_owned())));
        };
        let admitted = dispatcher.admit_nested(&call.permit, name, self.deadline, call.depth).await;
        let result = match admitted {
            // Boxed: this future would otherwise contain itself.
            Ok(admitted) => Box::pin(admitted.call(Unread::Json(Bytes::from(input)))).await,
            Err(error) => {
                self.plugin.granted.uses.grant_refused(grant, &error.detail());
                Err(error)
            }
        };
        if matches!(result, Err(HostError::Deadline { .. })) {
            // It had this call's deadline, so this call is over as well: who waits for it says so, not the guest.
            std::future::pending::<()>().await;
        }
        Ok(result.map(|outcome| outcome.text).map_err(to_guest))
    }
}

fn to_guest(error: HostError) -> CallError {
    let text = error.detail();
    match error {
        HostError::InvalidArguments(errors) => {
            let first = errors.into_iter().next();
            let (pointer, message) = first.map(|error| (error.pointer, error.message)).unwrap_or_default();
            CallError::InvalidArgument(ArgumentError { pointer, message })
        }
        HostError::Malformed(_) => CallError::InvalidArgument(ArgumentError { pointer: String::new(), message: text }),
        HostError::NotFound(_) | HostError::UnknownCommand(_) => CallError::NotFound(text),
        HostError::Conflict(_) => CallError::Conflict(text),
        HostError::Unauthenticated { .. }
        | HostError::Forbidden { .. }
        | HostError::Denied(_)
        | HostError::NotReadOnly => CallError::Denied(text),
        HostError::Unavailable(_)
        | HostError::Quarantined { .. }
        | HostError::TooManyCalls
        | HostError::Throttled { .. }
        | HostError::RateLimited { .. } => CallError::Unavailable(text),
        HostError::TooLarge { .. }
        | HostError::Failed(_)
        | HostError::LimitExceeded { .. }
        | HostError::Deadline { .. }
        | HostError::PluginRefused { .. }
        | HostError::PluginFault { .. }
        | HostError::Internal { .. } => CallError::Failed(text),
    }
}
