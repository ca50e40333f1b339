//! What the host does by itself or to itself, told to the audit record.

use std::sync::Arc;

use muster_core::audit::{Audit, Record, Subject};
use muster_core::clock::Clock;
use serde_json::Value;

/// Tells events to the audit record, if there is one.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    pub(crate) audit: Option<Arc<dyn Audit>>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Journal {
    /// Tells one event; `detail` is an object without secrets.
    pub(crate) fn event(&self, name: &'static str, detail: Value) {
        if let Some(audit) = &self.audit {
            audit.record(Record { time: self.clock.since_epoch(), subject: Subject::Event { name, detail } });
        }
    }
}
