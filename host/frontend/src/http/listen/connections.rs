//! How many connections are open: of all sockets together, and from each network. One network never fills the host, so that
//! who opens connections and says nothing keeps no other out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ConnectionLimits;

/// The connections of some sockets.
#[derive(Debug)]
pub struct Connections {
    limits: ConnectionLimits,
    places: Arc<Semaphore>,
    of: Mutex<HashMap<IpAddr, Count>>,
}

#[derive(Debug, Default)]
struct Count {
    open: usize,
    /// The log says already that there are too many.
    is_told: bool,
}

impl Connections {
    /// Most connections of the local socket.
    pub const LOCAL_MAX: usize = 128;

    /// Connections within these bounds.
    pub fn new(limits: ConnectionLimits) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(limits.connections_max));
        Arc::new(Self { limits, places, of: Mutex::default() })
    }

    /// The bounds.
    pub fn limits(&self) -> ConnectionLimits {
        self.limits
    }

    /// A client comes from that network, or from one without a bound; nothing where too many came from there.
    pub(super) fn come(self: &Arc<Self>, network: Option<IpAddr>) -> Option<Place> {
        if let Some(network) = network {
            let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
            let count = of.entry(network).or_default();
            if count.open >= self.limits.connections_per_address_max {
                if !std::mem::replace(&mut count.is_told, true) {
                    let most = self.limits.connections_per_address_max;
                    tracing::warn!(%network, most, "too many connections from one address; closing new ones");
                }
                return None;
            }
            count.open += 1;
        }
        Some(Place { connections: Arc::clone(self), network, permit: None })
    }
}

/// The place of one connection, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    connections: Arc<Connections>,
    network: Option<IpAddr>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Place {
    /// Waits until it is among those that may be open at a time.
    pub(super) async fn wait(&mut self) {
        // The semaphore is never closed, so there is always a permit in the end.
        self.permit = Arc::clone(&self.connections.places).acquire_owned().await.ok();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(network) = self.network else { return };
        let mut of = self.connections.of.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = of.get_mut(&network) {
            count.open = count.open.saturating_sub(1);
            if count.open == 0 {
                of.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_network_never_fills_the_host() {
        let limits =
            ConnectionLimits { connections_max: 3, connections_per_address_max: 2, ..ConnectionLimits::default() };
        let connections = Connections::new(limits);
        let come = |address: &str| connections.come(Some(muster_core::address::network(address.parse().unwrap())));
        let mut kept = vec![come("2001:db8::1").unwrap(), come("2001:db8::ffff").unwrap()];
        assert!(come("2001:db8::2").is_none() && come("2001:db8:0:1::1").is_some());
        // Trusted proxies, and the local socket, come as often as they like.
        kept.extend((0..5).map(|_| connections.come(None).unwrap()));
        for place in kept.iter_mut().take(3) {
            place.wait().await;
        }
        assert_eq!(connections.places.available_permits(), 0);
        kept.clear();
        assert_eq!(connections.places.available_permits(), 3);
        assert!(come("2001:db8::2").is_some() && connections.of.lock().unwrap().is_empty());
    }
}
