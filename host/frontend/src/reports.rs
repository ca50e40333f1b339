//! How far a call is, for wires that can say so while it runs. Who reads slowly misses reports; the next one says more
//! anyway.

use std::sync::Arc;

use muster_core::invoke::Progress;
use tokio::sync::mpsc;

/// Most reports that wait to be sent; more are dropped.
const WAITING_MAX: usize = 16;
/// Longest message of a report, in characters.
const MESSAGE_CHARS_MAX: usize = 500;

/// How far a call is.
#[derive(Debug)]
pub(crate) struct Report {
    /// Units that are done.
    pub(crate) done: u64,
    /// All units, where they are known.
    pub(crate) total: Option<u64>,
    /// The command's own words.
    pub(crate) message: String,
}

/// What a call is told to report to, and where its reports come out.
pub(crate) fn channel() -> (Arc<dyn Progress>, mpsc::Receiver<Report>) {
    let (reports, waiting) = mpsc::channel(WAITING_MAX);
    (Arc::new(Reports(reports)), waiting)
}

/// Takes reports without waiting.
#[derive(Debug)]
struct Reports(mpsc::Sender<Report>);

impl Progress for Reports {
    fn report(&self, done: u64, total: Option<u64>, message: &str) {
        let message = message.chars().take(MESSAGE_CHARS_MAX).collect();
        let _ = self.0.try_send(Report { done, total, message });
    }
}
