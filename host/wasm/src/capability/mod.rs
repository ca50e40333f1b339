//! Host interfaces a plugin may import, one file each. This file only lists them: what is always there, what needs a
//! grant, what is refused with which hint, and how granted ones are linked (invariant I7: what was not granted is not
//! in the linker, so it cannot be named).

mod config;
mod directories;
mod dispatch;
mod granted;
mod http;
pub(crate) mod keyvalue;
mod logging;
mod progress;
mod used;
pub(crate) mod wasi;

use muster_component::Grants;
use wasmtime::component::Linker;

pub(crate) use granted::Granted;
pub(crate) use http::CallHttp;
pub(crate) use keyvalue::Quotas;
pub(crate) use logging::{GuestLog, LogRate};

use crate::bindings;
use crate::run::store::{HasState, PluginState};

/// Links what every plugin has.
pub(crate) fn add_always(linker: &mut Linker<PluginState>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    bindings::muster::plugin::types::add_to_linker::<_, HasState>(linker, |state| state)?;
    bindings::muster::plugin::dispatch::add_to_linker::<_, HasState>(linker, |state| state)?;
    bindings::muster::plugin::progress::add_to_linker::<_, HasState>(linker, |state| state)?;
    bindings::wasi::logging::logging::add_to_linker::<_, HasState>(linker, |state| state)?;
    bindings::wasi::config::store::add_to_linker::<_, HasState>(linker, |state| state)
}

/// Links what this plugin was granted on top.
pub(crate) fn add_granted(linker: &mut Linker<PluginState>, grants: &Grants) -> wasmtime::Result<()> {
    if grants.keyvalue().is_some() {
        keyvalue::add_to_linker(linker)?;
    }
    if grants.http().next().is_some() {
        http::add_to_linker(linker)?;
    }
    if grants.directories().next().is_some() {
        directories::add_to_linker(linker)?;
    }
    Ok(())
}
