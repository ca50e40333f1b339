//! `muster:plugin/progress`: how far a long command is. The caller receives it, where the wire has words for that; it
//! is a line in the host's log in any case. Both under the guest's budget.

use super::used::Interface;
use crate::bindings::muster::plugin::progress::Host;
use crate::bindings::wasi::logging::logging::Level;
use crate::run::store::PluginState;

impl Host for PluginState {
    async fn report(&mut self, done: u64, total: Option<u64>, message: String) -> wasmtime::Result<()> {
        let (uses, most) = (&self.plugin.granted.uses, self.plugin.limits.progress_reports_max);
        self.spent.progress_reports = self.spent.progress_reports.saturating_add(1);
        if self.spent.progress_reports > most {
            if self.spent.progress_reports - most == 1 {
                self.plugin.watch.limited("progress_reports_max");
            }
            uses.interface_refused(Interface::Progress, &format!("a call may make at most {most} progress reports"));
            return Ok(());
        }
        uses.interface(Interface::Progress);
        if let Some(progress) = self.call.as_ref().and_then(|call| call.progress.as_ref()) {
            progress.report(done, total, &message);
        }
        let text = match total {
            Some(total) => format!("{done} of {total}: {message}"),
            None => format!("{done}: {message}"),
        };
        self.log.log(Level::Debug, "progress", &text);
        Ok(())
    }
}
