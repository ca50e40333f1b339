//! Who answers in a component: the two functions of the contract, or the functions it exports. Names are looked up once,
//! at load.

use std::sync::Arc;

use muster_component::functions::Functions;
use muster_component::inspect::COMMANDS;
use muster_core::schema::Arguments as CallArguments;
use wasmtime::Store;
use wasmtime::component::{Component, ComponentExportIndex, Instance, TypedFunc};

use crate::bindings::muster::plugin::types::{ArgumentError, CallError, Caller, Command};
use crate::run::store::PluginState;
use crate::run::typed::{Answered, TypedCall};

/// What `call` takes: name, version, input, caller. Owned, so that the function can be kept with its instance.
type Arguments = (String, u32, String, Caller);
type Answer = (Result<String, CallError>,);

/// One call, as guests see it.
#[derive(Debug)]
pub(crate) struct GuestCall {
    /// The command.
    pub(crate) name: String,
    /// The version of it that was resolved.
    pub(crate) version: u32,
    /// What satisfies its input schema.
    pub(crate) arguments: CallArguments,
    /// Who runs it.
    pub(crate) caller: Caller,
}

/// How the commands of a component are reached.
#[derive(Debug)]
pub(crate) enum Entry {
    /// By `muster:plugin/commands`.
    Contract {
        /// Where `describe` is.
        describe: ComponentExportIndex,
        /// Where `call` is.
        call: ComponentExportIndex,
    },
    /// By its own functions.
    Typed(Arc<[TypedCall]>),
}

/// What is called in one instance. Looking it up checks its type, which costs as much as a call: so this is kept as long
/// as the instance.
pub(crate) enum Exports {
    /// The contract's `call`.
    Contract(TypedFunc<Arguments, Answer>),
    /// The functions, and where they are.
    Typed(Arc<[TypedCall]>, Instance),
}

impl Entry {
    /// Looks up the functions of the contract.
    pub(crate) fn contract(component: &Component) -> wasmtime::Result<Self> {
        let index = |name: &str| {
            let commands = component.get_export_index(None, COMMANDS);
            let index = commands.and_then(|commands| component.get_export_index(Some(&commands), name));
            index.ok_or_else(|| wasmtime::format_err!("`{COMMANDS}` has no function `{name}`"))
        };
        Ok(Self::Contract { describe: index("describe")?, call: index("call")? })
    }

    /// Looks up exported functions.
    pub(crate) fn typed(component: &Component, functions: Functions) -> wasmtime::Result<Self> {
        let calls = functions.commands.into_iter().map(|function| TypedCall::find(component, function));
        Ok(Self::Typed(calls.collect::<Result<_, _>>()?))
    }

    /// Asks the guest for its commands; one whose types say what they are has nothing to add.
    pub(crate) async fn describe(
        &self,
        store: &mut Store<PluginState>,
        instance: Instance,
    ) -> wasmtime::Result<Result<Vec<Command>, String>> {
        match self {
            Self::Contract { describe, .. } => {
                let describe = instance.get_typed_func::<(), (Result<Vec<Command>, String>,)>(&mut *store, describe)?;
                Ok(describe.call_async(store, ()).await?.0)
            }
            Self::Typed(_) => Ok(Ok(Vec::new())),
        }
    }

    /// Finds in an instance what is called.
    pub(crate) fn enter(&self, store: &mut Store<PluginState>, instance: Instance) -> wasmtime::Result<Exports> {
        match self {
            Self::Contract { call, .. } => Ok(Exports::Contract(instance.get_typed_func(store, call)?)),
            Self::Typed(calls) => Ok(Exports::Typed(Arc::clone(calls), instance)),
        }
    }
}

impl Exports {
    /// Runs one command.
    pub(crate) async fn call(
        &self,
        store: &mut Store<PluginState>,
        call: GuestCall,
    ) -> wasmtime::Result<Result<String, CallError>> {
        let GuestCall { name, version, arguments, caller } = call;
        match self {
            Self::Contract(function) => {
                let input = arguments.text().to_owned();
                Ok(function.call_async(store, (name, version, input, caller)).await?.0)
            }
            Self::Typed(calls, instance) => {
                let call = calls.iter().find(|call| call.is(&name, version));
                let call =
                    call.ok_or_else(|| wasmtime::format_err!("no function has the command name `{name}` {version}"))?;
                Ok(match call.call(store, *instance, arguments.value()).await? {
                    Answered::Result(text) => Ok(text),
                    Answered::Error(text) => Err(CallError::Failed(text)),
                    Answered::Mismatch(error) => {
                        let (pointer, message) = (error.pointer, error.message);
                        Err(CallError::InvalidArgument(ArgumentError { pointer, message }))
                    }
                })
            }
        }
    }
}
