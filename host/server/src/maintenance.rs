//! What is done now and then beside calls: writing down when API keys were used, removing tokens and keys that can never
//! be valid again, and letting go of instances that wait for calls.

use std::sync::Arc;
use std::time::Duration;

use muster_core::authn::Keys;
use muster_core::error::CallError;
use muster_core::oauth::AuthorizationServer;
use muster_wasm::Lifecycle;
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
        report("storing the last use of API keys failed", keys.write_uses().await);
        if stop {
            return;
        }
        if count.is_multiple_of(PURGE_EVERY) {
            report("removing expired tokens failed", tokens.purge().await.map(drop));
            report("removing expired API keys failed", keys.purge().await.map(drop));
        }
        count = count.wrapping_add(1);
    }
}

/// How often it is looked which instances waited too long.
const IDLE_EVERY: Duration = Duration::from_secs(1);

/// Lets go of instances that waited for a call too long, for as long as it is polled.
pub(crate) async fn evict_idle(plugins: &Lifecycle) {
    let mut ticks = tokio::time::interval(IDLE_EVERY);
    loop {
        ticks.tick().await;
        let evicted = plugins.evict_idle();
        if evicted > 0 {
            tracing::debug!(evicted, "removed instances that were idle too long");
        }
    }
}

fn report(what: &str, result: Result<(), CallError>) {
    if let Err(error) = result {
        tracing::warn!(internal = error.internal(), "{what}: {error}");
    }
}
