//! Who answers in a component: the two functions of the contract. Names are looked up once, at load.

use wasmtime::Store;
use wasmtime::component::{Component, ComponentExportIndex, Instance};

use crate::bindings::muster::plugin::types::{CallError, Caller, Command};
use crate::inspect::COMMANDS;
use crate::state::PluginState;

/// What `call` takes: name, version, input, caller.
type Arguments<'a> = (&'a str, u32, &'a str, &'a Caller);

/// One call, as guests see it.
#[derive(Debug)]
pub(crate) struct GuestCall<'a> {
    /// The command.
    pub(crate) name: &'a str,
    /// The version of it that was resolved.
    pub(crate) version: u32,
    /// JSON text that satisfies its input schema.
    pub(crate) input: &'a str,
    /// Who runs it.
    pub(crate) caller: &'a Caller,
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

    /// Asks the guest for its commands.
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
        }
    }

    /// Runs one command.
    pub(crate) async fn call(
        &self,
        store: &mut Store<PluginState>,
        instance: Instance,
        call: GuestCall<'_>,
    ) -> wasmtime::Result<Result<String, CallError>> {
        let GuestCall { name, version, input, caller } = call;
        match self {
            Self::Contract { call, .. } => {
                // Only the function that is called is looked at: checking the types of others costs as much as the call.
                let call = instance.get_typed_func::<Arguments<'_>, (Result<String, CallError>,)>(&mut *store, call)?;
                Ok(call.call_async(store, (name, version, input, caller)).await?.0)
            }
        }
    }
}
