//! What is done now and then beside calls: writing down when API keys were used, and removing tokens and keys that can
//! never be valid again.

use std::sync::Arc;
use std::time::Duration;

use muster_core::authn::Keys;
use muster_core::error::CallError;
use muster_core::oauth::AuthorizationServer;
use tokio::sync::watch;

/// How often uses of keys are written.
const USES_EVERY: Duration = Duration::from_mins(1);
/// Every how many of these times what is no longer valid is removed.
const PURGE_EVERY: u32 = 10;

/// Does it until `stopping` says so, and writes down the uses once more then.
pub(crate) async fn run(keys: Arc<Keys>, tokens: Arc<AuthorizationServer>, mut stopping: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(USES_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut count = 0_u32;
    loop {
        let stop = tokio::select! {
            _ = ticks.tick() => false,
            _ = stopping.wait_for(|stop| *stop) => true,
        };
        report("uses of API keys were not written", keys.write_uses().await);
        if stop {
            return;
        }
        if count.is_multiple_of(PURGE_EVERY) {
            report("tokens that are over were not removed", tokens.purge().await.map(drop));
            report("API keys that are over were not removed", keys.purge().await.map(drop));
        }
        count = count.wrapping_add(1);
    }
}

fn report(what: &str, result: Result<(), CallError>) {
    if let Err(error) = result {
        tracing::warn!(internal = error.internal(), "{what}: {error}");
    }
}
