//! The certificates of all listeners, exchanged when their files change or the operator says so.

use std::sync::Arc;
use std::time::Duration;

use muster_frontend::http::listen::Tls;
use serde_json::json;

use crate::events::Events;

/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The TLS of every listener that has one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Certificates(pub(crate) Vec<Arc<Tls>>);

impl Certificates {
    /// Reads every file again.
    ///
    /// # Errors
    /// What is wrong with the first that cannot be used; it stays as it was.
    pub(crate) fn reload(&self) -> Result<(), String> {
        self.0.iter().try_for_each(|tls| tls.reload().map_err(|error| error.to_string()))
    }

    /// Exchanges certificates whose files change, as long as it is polled. A file that cannot be used is reported once
    /// for each time it was written.
    pub(crate) async fn follow(&self, journal: &Events) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            ticks.tick().await;
            for tls in self.0.iter().filter(|tls| tls.is_stale()) {
                let certificate = tls.files().certificate.display();
                match tls.reload() {
                    Ok(()) => {
                        tracing::info!(%certificate, "certificate exchanged");
                        journal.event("certificate-exchanged", json!({ "file": certificate.to_string() }));
                    }
                    Err(error) => {
                        tracing::warn!(%certificate, error = %error, "the certificate cannot be used; the old one stays");
                        let detail = json!({ "file": certificate.to_string(), "reason": error.to_string() });
                        journal.event("certificate-refused", detail);
                    }
                }
            }
        }
    }
}
