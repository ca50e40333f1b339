//! What the host tells a service manager that asked to be told (`sd_notify(3)`): that it serves, reads its configuration
//! again, stops, and is alive. Where none asked, this says nothing.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::watch;

/// Says that the host serves.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Says that the configuration is being read again; [`ready`] is to follow. The manager holds the moment against that of
/// its signal, to know that this is the answer to it.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "notifying the service manager of the reload failed: no monotonic clock"),
    }
}

/// Says that the host stops once it does, and meanwhile that it is alive, as often as the manager wants to hear it. Never
/// ends by itself.
pub(crate) async fn follow(mut stopping: watch::Receiver<bool>) {
    let alive = async {
        let Some(patience) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
        // Twice in the time after which it would be taken for dead.
        let mut ticks = tokio::time::interval((patience / 2).max(Duration::from_millis(1)));
        loop {
            ticks.tick().await;
            tell(&[NotifyState::Watchdog]);
        }
    };
    let stop = async {
        // An error is a host that cannot be told to stop any more.
        if stopping.wait_for(|stop| *stop).await.is_ok() {
            tell(&[NotifyState::Stopping]);
        }
        std::future::pending::<()>().await;
    };
    tokio::join!(alive, stop);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "notifying the service manager failed");
    }
}
