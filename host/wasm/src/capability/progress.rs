//! `muster:plugin/progress`: how far a long command is. For now a line in the host's log, under the guest's budget.

use crate::bindings::muster::plugin::progress::Host;
use crate::bindings::wasi::logging::logging::{Host as Logging, Level};
use crate::state::PluginState;

impl Host for PluginState {
    async fn report(&mut self, done: u64, total: Option<u64>, message: String) -> wasmtime::Result<()> {
        let text = match total {
            Some(total) => format!("{done} of {total}: {message}"),
            None => format!("{done}: {message}"),
        };
        self.log(Level::Debug, "progress".to_owned(), text).await
    }
}
