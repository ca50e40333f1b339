//! What the host does by itself or to itself, told to the audit record.

use std::sync::Arc;

use muster_core::audit::{Audit, Record, Subject};
use muster_core::clock::Clock;
use serde_json::Value;

/// Tells events to the audit record, if there is one.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    pub(crate) audit: Option<Arc<dyn Audit>>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Events {
    /// The moment, as RFC 3339 writes it.
    pub(crate) fn now(&self) -> String {
        let now = std::time::UNIX_EPOCH.checked_add(self.clock.since_epoch()).unwrap_or(std::time::UNIX_EPOCH);
        humantime::format_rfc3339_seconds(now).to_string()
    }

    /// Tells one event and waits until it is on disk; `detail` is an object without secrets.
    ///
    /// # Errors
    /// A sentence for the operator when it cannot be written.
    pub(crate) async fn event_durably(&self, name: &'static str, detail: Value) -> Result<(), String> {
        let Some(audit) = &self.audit else { return Ok(()) };
        let record = Record { time: self.clock.since_epoch(), subject: Subject::Event { name, detail } };
        audit.record_durably(record).await.map_err(|error| error.to_string())
    }

    /// Tells one event; `detail` is an object without secrets.
    pub(crate) fn event(&self, name: &'static str, detail: Value) {
        if let Some(audit) = &self.audit {
            audit.record(Record { time: self.clock.since_epoch(), subject: Subject::Event { name, detail } });
        }
    }
}
